//! Decodes a gzip body while it arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body::Frame;

use super::BoxError;

/// A gzip body that is decoded while it arrives. An empty body is valid and stays empty.
pub(super) struct Gunzip<B> {
    inner: B,
    /// Bytes that have arrived and are not decoded yet.
    encoded: Bytes,
    /// No byte has arrived.
    is_empty: bool,
    /// `None` after the end of the body.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// The error to return after all bytes that could be decoded.
    failure: Option<BoxError>,
}

impl<B> Gunzip<B> {
    pub(super) fn new(inner: B) -> Self {
        let decoder = Some(MultiGzDecoder::new(Vec::new()));
        Self { inner, encoded: Bytes::new(), is_empty: true, decoder, failure: None }
    }

    /// The number of bytes to decode at once. A byte can expand to a thousand, so the consumer must
    /// be able to stop at its size limit.
    const CHUNK: usize = 4096;

    /// Returns the next decoded bytes, or none if more of the body is needed first.
    fn decode(&mut self) -> Bytes {
        let Some(decoder) = &mut self.decoder else { return Bytes::new() };
        while !self.encoded.is_empty() && decoder.get_ref().is_empty() && self.failure.is_none() {
            let chunk = self.encoded.split_to(Self::CHUNK.min(self.encoded.len()));
            self.failure = io::Write::write_all(decoder, &chunk).map_err(Into::into).err();
        }
        Bytes::from(std::mem::take(decoder.get_mut()))
    }

    /// Makes the decoder release the bytes in its buffer, before the body is polled for more.
    /// Returns whether there is something to return.
    fn flush(&mut self) -> bool {
        let Some(decoder) = self.decoder.as_mut().filter(|_| !self.is_empty) else { return false };
        self.failure = io::Write::flush(decoder).map_err(Into::into).err();
        self.failure.is_some() || !decoder.get_ref().is_empty()
    }

    /// Returns the last decoded bytes.
    fn finish(&mut self) -> Bytes {
        let Some(mut decoder) = self.decoder.take().filter(|_| !self.is_empty) else { return Bytes::new() };
        if self.failure.is_none() {
            self.failure = decoder.try_finish().map_err(Into::into).err();
        }
        if self.failure.is_some() {
            // This releases the last bytes in the decoder's buffer. It fails again.
            let _ = io::Write::flush(&mut decoder);
        }
        Bytes::from(std::mem::take(decoder.get_mut()))
    }
}

impl<B> http_body::Body for Gunzip<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let mut at_end = false;
        loop {
            let bytes = if at_end || this.failure.is_some() { this.finish() } else { this.decode() };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.decoder.is_none() {
                return Poll::Ready(this.failure.take().map(Err));
            }
            if this.failure.is_some() || this.flush() {
                continue;
            }
            match std::task::ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    this.encoded = frame.into_data().unwrap_or_default();
                    this.is_empty &= this.encoded.is_empty();
                }
                Some(Err(error)) => this.failure = Some(error.into()),
                None => at_end = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::Write::write_all(&mut encoder, text).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(frames: &[&[u8]]) -> Result<Bytes, BoxError> {
        let frames: Vec<_> =
            frames.iter().map(|frame| Ok::<_, BoxError>(Frame::data(Bytes::copy_from_slice(frame)))).collect();
        let body = Gunzip::new(StreamBody::new(futures_util::stream::iter(frames)));
        body.collect().now_or_never().unwrap().map(http_body_util::Collected::to_bytes)
    }

    #[test]
    fn decodes_a_body_that_arrives_in_pieces() {
        let whole = gzip(b"some text");
        let (first, second) = whole.split_at(5);

        assert_eq!(decoded(&[first, b"", second]).unwrap(), "some text");
    }

    #[test]
    fn decodes_an_empty_body_as_an_empty_text() {
        assert_eq!(decoded(&[]).unwrap(), "");
        assert_eq!(decoded(&[b"", b""]).unwrap(), "");
        assert_eq!(Gunzip::new(Full::<Bytes>::default()).collect().now_or_never().unwrap().unwrap().to_bytes(), "");
    }

    #[test]
    fn yields_flushed_bytes_before_the_rest_arrives() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut flushed = |text: &[u8]| {
            io::Write::write_all(&mut encoder, text).unwrap();
            io::Write::flush(&mut encoder).unwrap();
            Ok::<_, BoxError>(Frame::data(Bytes::from(std::mem::take(encoder.get_mut()))))
        };
        let frames = [flushed(b"first"), flushed(b"second")];
        let stream =
            futures_util::StreamExt::chain(futures_util::stream::iter(frames), futures_util::stream::pending());
        let mut body = Gunzip::new(StreamBody::new(stream));

        let mut decoded = Vec::new();
        while let Some(frame) = body.frame().now_or_never() {
            decoded.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
        }

        assert_eq!(decoded, b"firstsecond");
    }

    #[test]
    fn yields_all_decodable_bytes_before_the_error() {
        let text = vec![b'x'; 100_000];
        let whole = gzip(&text);
        let mut body = Gunzip::new(Full::new(Bytes::copy_from_slice(&whole[..whole.len() - 4])));

        let mut read = 0;
        let error = loop {
            match body.frame().now_or_never().unwrap() {
                Some(Ok(frame)) => read += frame.into_data().unwrap().len(),
                Some(Err(error)) => break error,
                None => panic!("a truncated body ended without an error"),
            }
        };

        assert_eq!(read, text.len(), "{error}");
    }
}
