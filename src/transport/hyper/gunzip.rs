//! Decoding a gzip body in pieces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::Frame;

use super::BoxError;

/// A gzip body, decoded as it arrives.
pub(super) struct Gunzip {
    inner: hyper::body::Incoming,
    /// What has arrived and is not decoded yet.
    encoded: Bytes,
    /// `None` once the end was reached.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
}

impl Gunzip {
    pub(super) fn new(inner: hyper::body::Incoming) -> Self {
        Self { inner, encoded: Bytes::new(), decoder: Some(MultiGzDecoder::new(Vec::new())) }
    }

    /// How much is decoded at once: a byte may stand for a thousand, and whoever counts them has to get the chance to stop.
    const PIECE: usize = 4096;

    /// The next decoded bytes of what has arrived, none if it does not suffice for any.
    fn decode(&mut self) -> io::Result<Bytes> {
        let Some(decoder) = &mut self.decoder else { return Ok(Bytes::new()) };
        while !self.encoded.is_empty() && decoder.get_ref().is_empty() {
            let piece = self.encoded.split_to(Self::PIECE.min(self.encoded.len()));
            io::Write::write_all(decoder, &piece)?;
        }
        Ok(Bytes::from(std::mem::take(decoder.get_mut())))
    }
}

impl http_body::Body for Gunzip {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match this.decode() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => this.encoded = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    let Some(decoder) = this.decoder.take() else { return Poll::Ready(None) };
                    return Poll::Ready(match decoder.finish() {
                        Ok(rest) if rest.is_empty() => None,
                        Ok(rest) => Some(Ok(Frame::data(Bytes::from(rest)))),
                        Err(error) => Some(Err(error.into())),
                    });
                }
            }
        }
    }
}
