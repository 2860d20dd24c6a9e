//! The body of a response.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt as _;

use super::TransportError;

/// The body of a response, read while it arrives.
///
/// For a body that is already complete, convert a [`Bytes`], a `String` or a `&'static str`.
pub struct Body(Pin<Box<dyn http_body::Body<Data = Bytes, Error = TransportError> + Send>>);

impl Body {
    /// Returns a body that reads from another body.
    ///
    /// Errors of that body become errors of the kind [`TransportError::unknown`].
    ///
    /// ```
    /// use bytes::Bytes;
    /// use es_snapshot::transport::Body;
    /// use http_body_util::Full;
    ///
    /// let body = Body::new(Full::new(Bytes::from_static(br#"{"acknowledged":true}"#)));
    /// ```
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Box::pin(body.map_err(TransportError::unknown)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::new(http_body_util::Full::new(bytes))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from(text).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(..)")
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        self.0.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.size_hint()
    }
}
