//! The only source of randomness.

#[cfg(feature = "testing")]
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::ticket::SnapshotToken;

/// The source of random tokens and random jitter.
#[derive(Debug)]
pub(crate) enum Entropy {
    /// The operating system. Its bytes do not repeat across forks or cloned virtual machines.
    Os,
    /// A generator with a seed, so that a test can replay a run.
    #[cfg(feature = "testing")]
    Seeded(Mutex<fastrand::Rng>),
    /// An operating system that returns no random bytes.
    #[cfg(test)]
    Unavailable,
}

impl Entropy {
    pub(crate) fn os() -> Self {
        Self::Os
    }

    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Returns 16 random bytes, or `None` if the operating system returns none.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the only place that requests random bytes from the operating system"
    )]
    fn bytes(&self) -> Option<[u8; 16]> {
        match self {
            Self::Os => {
                let mut bytes = [0; 16];
                getrandom::getrandom(&mut bytes).ok()?;
                Some(bytes)
            }
            #[cfg(feature = "testing")]
            Self::Seeded(rng) => Some(rng.lock().unwrap_or_else(PoisonError::into_inner).u128(..).to_be_bytes()),
            #[cfg(test)]
            Self::Unavailable => None,
        }
    }

    /// Returns a new token. Without randomness it returns an error, because a token that repeats or
    /// can be guessed would be worse.
    pub(crate) fn token(&self) -> Result<SnapshotToken, Error> {
        let bytes = self.bytes().ok_or_else(|| {
            Error::invalid(
                "the operating system returned no random bytes for a token; set one with `CreateSnapshot::with_token`",
            )
        })?;
        Ok(SnapshotToken::from_bytes(bytes))
    }

    /// Returns a number in 0..1 for jitter. Without randomness it returns one half, because jitter
    /// does not have to be unpredictable.
    pub(crate) fn fraction(&self) -> f64 {
        let Some([a, b, c, d, ..]) = self.bytes() else { return 0.5 };
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

impl SnapshotToken {
    /// Returns a new random token of 32 hexadecimal digits, from the operating system's randomness.
    ///
    /// # Panics
    ///
    /// If the operating system returns no random bytes. [`try_random`](Self::try_random) returns an
    /// error instead.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a token that can be guessed would be worse")]
    pub fn random() -> Self {
        Self::try_random().expect("the operating system returns random bytes")
    }

    /// Returns a new random token of 32 hexadecimal digits, or an error if randomness is
    /// not available.
    ///
    /// ```
    /// use es_snapshot::snapshot::SnapshotToken;
    ///
    /// let token = SnapshotToken::try_random()?;
    /// assert_eq!(token.as_str().len(), 32);
    /// # Ok::<(), es_snapshot::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the operating system returns
    /// no random bytes.
    pub fn try_random() -> Result<Self, Error> {
        Entropy::os().token()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Outcome};

    #[test]
    fn returns_a_different_token_each_time() {
        let tokens: std::collections::BTreeSet<_> = (0..1000).map(|_| SnapshotToken::random()).collect();

        assert_eq!(tokens.len(), 1000);
    }

    #[test]
    fn returns_an_error_for_a_token_without_randomness() {
        let error = Entropy::Unavailable.token().unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }

    #[test]
    fn returns_one_half_without_randomness_and_less_than_one_with_it() {
        assert!((Entropy::Unavailable.fraction() - 0.5).abs() < f64::EPSILON);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&Entropy::os().fraction())));
    }

    #[cfg(feature = "testing")]
    #[test]
    fn returns_the_same_tokens_for_the_same_seed() {
        let tokens = |seed| {
            let entropy = Entropy::seeded(seed);
            [entropy.token().unwrap(), entropy.token().unwrap()]
        };

        assert_eq!(tokens(7), tokens(7));
        assert_ne!(tokens(7), tokens(8));
    }
}
