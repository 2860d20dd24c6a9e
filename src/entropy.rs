//! The only door to randomness.

#[cfg(feature = "testing")]
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::ticket::SnapshotToken;

/// Where tokens and jitter come from.
#[derive(Debug)]
pub(crate) enum Entropy {
    /// The operating system's randomness. It does not repeat across forks or cloned virtual
    /// machines.
    Os,
    /// Randomness that a test can replay.
    #[cfg(feature = "testing")]
    Seeded(Mutex<fastrand::Rng>),
    /// An operating system that gives none.
    #[cfg(test)]
    Empty,
}

impl Entropy {
    pub(crate) fn os() -> Self {
        Self::Os
    }

    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// Sixteen random bytes; `None` if the operating system has none to give.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the operating system for randomness"
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
            Self::Empty => None,
        }
    }

    /// A new token. Without randomness there is none: one that can be guessed, or that repeats,
    /// would be worse.
    pub(crate) fn token(&self) -> Result<SnapshotToken, Error> {
        let bytes = self.bytes().ok_or_else(|| {
            Error::invalid(
                "the operating system has no randomness to give for a token; choose one by CreateSnapshot::token",
            )
        })?;
        Ok(SnapshotToken::from_bytes(bytes))
    }

    /// A number in 0..1 for jitter. One half if there is no randomness: jitter need not be
    /// unpredictable.
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
    /// If the operating system has no randomness to give; [`try_random`](Self::try_random) returns
    /// an error then.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a token that can be guessed would be worse")]
    pub fn random() -> Self {
        Self::try_random().expect("the operating system gives random bytes")
    }

    /// Returns a new random token of 32 hexadecimal digits, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the operating system has no
    /// randomness to give.
    pub fn try_random() -> Result<Self, Error> {
        Entropy::os().token()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Outcome};

    #[test]
    fn returns_another_token_each_time() {
        let tokens: std::collections::BTreeSet<_> = (0..1000).map(|_| SnapshotToken::random()).collect();

        assert_eq!(tokens.len(), 1000);
    }

    #[test]
    fn returns_an_error_instead_of_a_token_without_randomness() {
        let error = Entropy::Empty.token().unwrap_err();

        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }

    #[test]
    fn jitter_is_a_constant_without_randomness_and_below_one_with_it() {
        assert!((Entropy::Empty.fraction() - 0.5).abs() < f64::EPSILON);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&Entropy::os().fraction())));
    }

    #[cfg(feature = "testing")]
    #[test]
    fn a_seed_replays() {
        let tokens = |seed| {
            let entropy = Entropy::seeded(seed);
            [entropy.token().unwrap(), entropy.token().unwrap()]
        };

        assert_eq!(tokens(7), tokens(7));
        assert_ne!(tokens(7), tokens(8));
    }
}
