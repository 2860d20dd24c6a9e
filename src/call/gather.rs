//! Large responses, decoded element by element while they arrive.

use std::mem::size_of;

use super::Response;
use super::response::too_dense;
use crate::auth::Secrets;
use crate::error::{Error, ErrorKind, Outcome, ServerError, cleaned};
use crate::pieces::{Chunks, Elements, Trouble};

impl Response {
    /// Collects the elements that `keep` wants. Others are dropped as soon as they are decoded.
    pub(crate) async fn gather<E: Elements>(
        self,
        elements: impl FnOnce(Chunks) -> E,
        keep: impl Fn(&E::Element) -> bool,
    ) -> Result<Vec<E::Element>, Error> {
        self.gather_map(elements, |element| keep(&element).then_some(element)).await
    }

    /// Collects what `keep` makes of the elements.
    pub(crate) async fn gather_map<E: Elements, T>(
        self,
        elements: impl FnOnce(Chunks) -> E,
        keep: impl Fn(E::Element) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let (limit, secrets) = (self.limit, self.secrets.clone());
        collect(&mut elements(self.into_chunks_up_to(limit)), keep).await.map_err(|trouble| error_of(trouble, &secrets))
    }
}

/// Collects what is wanted of the elements.
///
/// What is kept is never more than a few times the size of the response: engines write elements of
/// a hundred bytes and more, so one that is full of empty ones is refused.
pub(super) async fn collect<E: Elements, T>(
    elements: &mut E,
    keep: impl Fn(E::Element) -> Option<T>,
) -> Result<Vec<T>, Trouble> {
    let mut kept = Vec::new();
    while let Some(element) = elements.next().await? {
        if let Some(wanted) = keep(element) {
            if kept.len() == kept.capacity() {
                make_room(&mut kept, elements.position())?;
            }
            kept.push(wanted);
        }
    }
    Ok(kept)
}

/// The error shows the JSON path and nothing else of the body.
pub(super) fn error_of(trouble: Trouble, secrets: &Secrets) -> Error {
    match trouble {
        Trouble::Malformed(malformed) => {
            // Names of fields are the domain's text too.
            let path = cleaned(&malformed.path, &secrets.texts());
            let at = format!("at {path} (byte {})", malformed.offset);
            if malformed.is_json {
                Error::new(ErrorKind::Decode, Outcome::Unknown, at)
            } else {
                Error::garbled(format!("no whole JSON {at}"))
            }
        }
        Trouble::TooDense => too_dense(),
        Trouble::TooLarge => {
            let text = "one element of the response, or what stands before it, has more than 16 MiB";
            Error::new(ErrorKind::ResponseTooLarge, Outcome::Unknown, text)
        }
        Trouble::Failure(failure) => {
            let body = [br#"{"error":"#, &failure[..], b"}"].concat();
            Error::from_server(ServerError::parse(200, &body, None, &secrets.texts()))
        }
        Trouble::Lost(error) => error,
    }
}

/// Makes room for half as many again: doubling it, as a `Vec` does, needs three times the memory
/// for a moment.
fn make_room<T>(kept: &mut Vec<T>, read: u64) -> Result<(), Trouble> {
    if (kept.len() as u64).saturating_mul(size_of::<T>() as u64) > read.saturating_mul(5) / 2 + (64 << 10) {
        let text = format!("{read} bytes of a response do not contain more than {} elements", kept.len());
        return Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text).into());
    }
    kept.reserve_exact(kept.len() / 2 + 8);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pieces::Array;
    use crate::pieces::tests::{arriving, driven};

    fn gathered<E: Elements>(elements: &mut E, keep: impl Fn(&E::Element) -> bool) -> Result<Vec<E::Element>, Error> {
        let collecting = collect(elements, |element| keep(&element).then_some(element));
        driven(collecting).0.map_err(|trouble| error_of(trouble, &Secrets::None))
    }

    #[test]
    fn keeps_what_is_wanted() {
        let kept = gathered(&mut Array::<u8>::new(arriving("[1,2,3,4]", 2)), |number| number % 2 == 0);

        assert_eq!(kept.unwrap(), [2, 4]);
    }

    #[test]
    fn refuses_a_response_of_more_elements_than_its_size_explains() {
        let json = format!("[{}{{}}]", r#"{"status":""},"#.repeat(10_000));
        let mut elements = Array::<crate::snapshot::ShardFailure>::new(arriving(&json, 1 << 16));

        let error = gathered(&mut elements, |_| true).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(!error.is_garbled());
    }
}
