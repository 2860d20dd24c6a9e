//! Large responses, decoded element by element.

use std::future::poll_fn;
use std::mem::size_of;
use std::task::Poll;

use super::Reply;
use crate::error::{Error, ErrorKind, Outcome, cleaned};
use crate::pieces::{Elements, Malformed, Pieces};

/// How many elements are decoded between two pauses.
const BETWEEN_PAUSES: usize = 4096;

impl Reply {
    /// Collects the elements that `keep` wants. Others are dropped as soon as they are decoded.
    ///
    /// Other tasks of the same thread get their turn every 4,096 elements. What is kept is never more than a few times the
    /// size of the response: engines write elements of a hundred bytes and more, so one that is full of empty ones is refused.
    pub(crate) async fn gather<E: Elements>(
        &self,
        elements: &mut E,
        keep: impl Fn(&E::Element) -> bool,
    ) -> Result<Vec<E::Element>, Error> {
        self.refuse_if_too_dense()?;
        let mut kept = Vec::new();
        let mut since_pause = 0;
        while let Some(element) = elements.next() {
            let element = element.map_err(|malformed| self.malformed(&malformed))?;
            if keep(&element) {
                if kept.len() == kept.capacity() {
                    make_room(&mut kept, elements.pieces())?;
                }
                kept.push(element);
            }
            since_pause += 1;
            if since_pause == BETWEEN_PAUSES {
                since_pause = 0;
                pause().await;
            }
        }
        Ok(kept)
    }

    /// The error shows the JSON path and nothing else of the body.
    pub(crate) fn malformed(&self, malformed: &Malformed) -> Error {
        // Names of fields are the domain's text too.
        let path = cleaned(&malformed.path, &self.secrets());
        let at = format!("at {path} (byte {})", malformed.offset);
        if malformed.is_json {
            Error::new(ErrorKind::Decode, Outcome::Unknown, at)
        } else {
            Error::garbled(format!("no whole JSON {at}"))
        }
    }
}

/// Makes room for as many elements as are to be expected by those so far: doubling it, as a `Vec` does, needs three times the
/// memory for a moment.
fn make_room<T>(kept: &mut Vec<T>, pieces: &Pieces) -> Result<(), Error> {
    let (read, total) = (pieces.read().max(1), pieces.total());
    let expected = kept.len().saturating_mul(total.saturating_sub(read)) / read;
    // The old elements and the room for all of them are there at the same time.
    let most = ((5 * total / 2 + (64 << 10)) / size_of::<T>().max(1)).saturating_sub(kept.len());
    let more = (expected + kept.len() / 16 + 8).max(kept.len() / 2).min(most.saturating_sub(kept.len()));
    if more == 0 {
        let text = format!("a response of {total} bytes does not have more than {most} elements");
        return Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text));
    }
    kept.reserve_exact(more);
    Ok(())
}

/// Lets other tasks run.
async fn pause() {
    let mut has_paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use http::StatusCode;

    use super::*;
    use crate::pieces::Array;

    fn reply(json: String) -> Reply {
        Reply { status: StatusCode::OK, body: Bytes::from(json), secrets: Vec::new() }
    }

    #[test]
    fn keeps_what_is_wanted() {
        let reply = reply("[1,2,3,4]".to_owned());
        let kept = reply.gather(&mut Array::<u8>::new(reply.body.clone()), |number| number % 2 == 0).now_or_never();

        assert_eq!(kept.unwrap().unwrap(), [2, 4]);
    }

    #[test]
    fn pauses_after_4096_elements() {
        let reply = reply(format!("[{}0]", "0,".repeat(10_000)));
        let mut elements = Array::<u8>::new(reply.body.clone());
        let mut gathering = Box::pin(reply.gather(&mut elements, |_| false));
        let mut pauses = 0;

        while gathering.as_mut().now_or_never().is_none() {
            pauses += 1;
        }

        assert_eq!(pauses, 2);
    }

    #[test]
    fn refuses_a_response_of_more_elements_than_its_size_explains() {
        let reply = reply(format!("[{}{{}}]", r#"{"status":""},"#.repeat(10_000)));
        let mut elements = Array::<crate::snapshot::ShardFailure>::new(reply.body.clone());
        let mut gathering = Box::pin(reply.gather(&mut elements, |_| true));

        let error = loop {
            if let Some(result) = gathering.as_mut().now_or_never() {
                break result.unwrap_err();
            }
        };

        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(!error.is_garbled());
    }

    #[test]
    fn refuses_a_response_of_next_to_nothing_but_brackets_and_commas() {
        for piece in ["0,", "{},", "[],", "[[0]],", r#""","#] {
            let dense = reply(format!("[{}0]", piece.repeat(100_000)));
            assert!(dense.decode::<serde_json::Value>().is_err(), "{piece}");
        }
        for piece in [r#""[[,,,[[","#, r#""\"[,,,","#, r#"{"a":"text"},"#] {
            let text = reply(format!("[{}0]", piece.repeat(20_000)));
            assert!(text.decode::<serde_json::Value>().is_ok(), "{piece}");
        }
    }
}
