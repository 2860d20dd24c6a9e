//! The wire between the client under test and the domain: it keeps a record of what leaves, and
//! lets others act in between.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use es_snapshot::clock::BoxFuture;
use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};

type Deed = Box<dyn FnOnce() + Send>;

/// When somebody else acts.
enum When {
    /// Before the n-th request from now leaves.
    Request(u32),
    /// Before the first read that follows the change.
    Check,
}

/// Lets another client act at a certain moment of the call.
pub(crate) struct Wire {
    inner: Box<dyn Transport>,
    deed: Mutex<Option<(When, Deed)>>,
    /// Whether the change of the call in hand has left, and may have been carried out.
    has_sent: Arc<AtomicBool>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire(..)")
    }
}

impl Wire {
    pub(crate) fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, deed: Mutex::new(None), has_sent: Arc::default() }
    }

    pub(crate) fn before_request(&self, number: u32, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some((When::Request(number), Box::new(deed)));
    }

    pub(crate) fn before_the_check(&self, deed: impl FnOnce() + Send + 'static) {
        *self.deed.lock().unwrap() = Some((When::Check, Box::new(deed)));
    }

    /// Whether the change of the call in hand has left, and may have been carried out.
    pub(crate) fn has_sent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_sent)
    }

    /// Ends a call: nobody acts any more.
    pub(crate) fn rest(&self) {
        *self.deed.lock().unwrap() = None;
        self.has_sent.store(false, Ordering::Relaxed);
    }

    /// The deed whose moment this is.
    fn due(&self, method: &http::Method) -> Option<Deed> {
        let has_sent = self.has_sent.load(Ordering::Relaxed);
        let mut planned = self.deed.lock().unwrap();
        match planned.take()? {
            (When::Request(1), deed) => return Some(deed),
            (When::Check, deed) if has_sent && method == http::Method::GET => return Some(deed),
            (When::Request(number), deed) => *planned = Some((When::Request(number - 1), deed)),
            later => *planned = Some(later),
        }
        None
    }
}

/// Whether a status says that nothing came of a request: too many requests, or a signature or
/// credentials that the domain refused.
fn was_refused_before_the_engine(status: http::StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 429)
}

impl Transport for Wire {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        if let Some(deed) = self.due(request.method()) {
            deed();
        }
        if request.method() == http::Method::GET {
            return self.inner.call(request, target);
        }
        let had_sent = self.has_sent.swap(true, Ordering::Relaxed);
        Box::pin(async move {
            let result = self.inner.call(request, target).await;
            if result.as_ref().is_ok_and(|response| was_refused_before_the_engine(response.status())) {
                self.has_sent.store(had_sent, Ordering::Relaxed);
            }
            result
        })
    }
}
