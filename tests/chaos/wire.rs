//! The transport between the client under test and the domain. It records whether the change was
//! sent, and lets another client interfere.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use es_snapshot::clock::BoxFuture;
use es_snapshot::transport::{Body, ConnectTarget, Transport, TransportError};

type Action = Box<dyn FnOnce() + Send>;

/// When another client interferes.
enum When {
    /// Before the n-th request from now is sent.
    Request(u32),
    /// Before the first read that follows the change.
    Check,
}

/// A transport that runs an action at a given moment of a call.
pub(crate) struct Wire {
    inner: Box<dyn Transport>,
    action: Mutex<Option<(When, Action)>>,
    /// Whether the change of the current call was sent and may have been carried out.
    has_sent: Arc<AtomicBool>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire(..)")
    }
}

impl Wire {
    pub(crate) fn new(inner: Box<dyn Transport>) -> Self {
        Self { inner, action: Mutex::new(None), has_sent: Arc::default() }
    }

    pub(crate) fn before_request(&self, number: u32, action: impl FnOnce() + Send + 'static) {
        *self.action.lock().unwrap() = Some((When::Request(number), Box::new(action)));
    }

    pub(crate) fn before_check(&self, action: impl FnOnce() + Send + 'static) {
        *self.action.lock().unwrap() = Some((When::Check, Box::new(action)));
    }

    /// Whether the change of the current call was sent and may have been carried out.
    pub(crate) fn has_sent(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_sent)
    }

    /// Ends a call. An action that has not run is dropped.
    pub(crate) fn reset(&self) {
        *self.action.lock().unwrap() = None;
        self.has_sent.store(false, Ordering::Relaxed);
    }

    /// Returns the action if it must run before this request.
    fn due(&self, method: &http::Method) -> Option<Action> {
        let has_sent = self.has_sent.load(Ordering::Relaxed);
        let mut planned = self.action.lock().unwrap();
        match planned.take()? {
            (When::Request(1), action) => return Some(action),
            (When::Check, action) if has_sent && method == http::Method::GET => return Some(action),
            (When::Request(number), action) => *planned = Some((When::Request(number - 1), action)),
            later => *planned = Some(later),
        }
        None
    }
}

/// Returns whether a status shows that a request had no effect: throttled, or refused because of
/// its signature or credentials.
fn had_no_effect(status: http::StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 429)
}

impl Transport for Wire {
    fn call<'a>(
        &'a self,
        request: http::Request<Bytes>,
        target: &'a ConnectTarget,
    ) -> BoxFuture<'a, Result<http::Response<Body>, TransportError>> {
        if let Some(action) = self.due(request.method()) {
            action();
        }
        if request.method() == http::Method::GET {
            return self.inner.call(request, target);
        }
        let had_sent = self.has_sent.swap(true, Ordering::Relaxed);
        Box::pin(async move {
            let result = self.inner.call(request, target).await;
            if result.as_ref().is_ok_and(|response| had_no_effect(response.status())) {
                self.has_sent.store(had_sent, Ordering::Relaxed);
            }
            result
        })
    }
}
