//! A listing of snapshots as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;

use super::SnapshotInfo;
use crate::error::Error;

/// A stream of the snapshots of a repository, while the response arrives.
///
/// [`Repository::snapshots`](crate::Repository::snapshots) returns it, and has an example.
///
/// An error need not end the stream. If the server cannot read a snapshot, the error names it, and
/// the stream continues with the next one. After any other error, the stream ends with `None`.
#[must_use = "streams do nothing unless polled"]
pub struct SnapshotStream(Pin<Box<dyn Stream<Item = Result<SnapshotInfo, Error>> + Send>>);

impl SnapshotStream {
    pub(crate) fn new(stream: impl Stream<Item = Result<SnapshotInfo, Error>> + Send + 'static) -> Self {
        // A caller may poll again after the end, for example with `select!` in a loop.
        Self(Box::pin(stream.fuse()))
    }
}

impl Stream for SnapshotStream {
    type Item = Result<SnapshotInfo, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for SnapshotStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotStream").finish_non_exhaustive()
    }
}
