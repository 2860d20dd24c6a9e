//! A listing as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::StreamExt as _;

use super::SnapshotInfo;
use crate::error::Error;

/// The snapshots of a repository, one after the other while the response arrives; returned by
/// [`Repository::snapshots`](crate::Repository::snapshots).
///
/// Only `None` ends the stream. An error does not: if the server cannot read one of the snapshots,
/// the error names it, and the stream goes on with the next one. After any other error `None`
/// follows.
#[must_use = "streams do nothing unless polled"]
pub struct SnapshotStream(Pin<Box<dyn Stream<Item = Result<SnapshotInfo, Error>> + Send>>);

impl SnapshotStream {
    pub(crate) fn new(stream: impl Stream<Item = Result<SnapshotInfo, Error>> + Send + 'static) -> Self {
        // A consumer may ask again after the end, as `select!` in a loop does.
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
