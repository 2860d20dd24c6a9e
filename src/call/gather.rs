//! Decodes large responses element by element while they arrive.

use std::mem::size_of;

use super::Response;
use super::response::too_dense;
use crate::auth::Secrets;
use crate::error::{Error, ErrorKind, Outcome, ServerError, cleaned};
use crate::pieces::{Chunks, Elements, ReadError};

impl Response {
    /// Collects the elements for which `keep` returns true. The others are dropped at once.
    pub(crate) async fn gather<E: Elements>(
        self,
        elements: impl FnOnce(Chunks) -> E,
        keep: impl Fn(&E::Element) -> bool,
    ) -> Result<Vec<E::Element>, Error> {
        self.gather_map(elements, |element| keep(&element).then_some(element)).await
    }

    /// Collects what `keep` returns for the elements.
    pub(crate) async fn gather_map<E: Elements, T>(
        self,
        elements: impl FnOnce(Chunks) -> E,
        keep: impl Fn(E::Element) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let (limit, secrets) = (self.limit, self.secrets.clone());
        collect(&mut elements(self.into_chunks_up_to(limit)), keep).await.map_err(|error| into_error(error, &secrets))
    }
}

/// Collects what `keep` returns for the elements.
///
/// Memory is limited to a few times the size of the response. Engines write at least a hundred
/// bytes for an element, so a response full of empty elements is refused.
pub(super) async fn collect<E: Elements, T>(
    elements: &mut E,
    keep: impl Fn(E::Element) -> Option<T>,
) -> Result<Vec<T>, ReadError> {
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

/// Returns the error of a call that ends with this one. Of the body it shows only the JSON path.
pub(super) fn into_error(read_error: ReadError, secrets: &Secrets) -> Error {
    match read_error {
        ReadError::Malformed(malformed) => {
            // The domain may also put secrets into names of fields.
            let path = cleaned(&malformed.path, &secrets.texts());
            let path = if path.is_empty() { "." } else { &path };
            let at = format!("at {path} (byte {})", malformed.offset);
            if malformed.is_json {
                Error::new(ErrorKind::Decode, Outcome::Unknown, format!("unexpected value {at}"))
            } else {
                Error::garbled(format!("incomplete or malformed JSON {at}"))
            }
        }
        ReadError::TooDense => too_dense(),
        ReadError::TooLarge => {
            let text = "an element of the response, or the text before it, is larger than 16 MiB";
            Error::new(ErrorKind::ResponseTooLarge, Outcome::Unknown, text)
        }
        ReadError::Failure(failure) => {
            let body = [br#"{"error":"#, &failure[..], b"}"].concat();
            Error::from_server(ServerError::parse(200, &body, None, &secrets.texts()))
        }
        ReadError::Lost(error) => error,
    }
}

/// Grows the list by half. Doubling it, as a `Vec` does, would need three times the memory for a
/// moment.
fn make_room<T>(kept: &mut Vec<T>, read: u64) -> Result<(), ReadError> {
    if (kept.len() as u64).saturating_mul(size_of::<T>() as u64) > read.saturating_mul(5) / 2 + (64 << 10) {
        let text =
            format!("the response has more than {} elements in {read} bytes, more than any server writes", kept.len());
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
        driven(collecting).0.map_err(|read_error| into_error(read_error, &Secrets::None))
    }

    #[test]
    fn collects_the_elements_that_keep_accepts() {
        let kept = gathered(&mut Array::<u8>::new(arriving("[1,2,3,4]", 2)), |number| number % 2 == 0);

        assert_eq!(kept.unwrap(), [2, 4]);
    }

    #[test]
    fn refuses_a_response_with_too_many_elements_for_its_size() {
        let json = format!("[{}{{}}]", r#"{"status":""},"#.repeat(10_000));
        let mut elements = Array::<crate::snapshot::ShardFailure>::new(arriving(&json, 1 << 16));

        let error = gathered(&mut elements, |_| true).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(!error.is_garbled());
    }
}
