//! The only door to randomness.

#[cfg(feature = "testing")]
use std::sync::{Mutex, PoisonError};

use crate::ticket::SnapshotToken;

/// Where tokens and jitter come from: the operating system, or in tests a seed.
#[derive(Debug, Default)]
pub(crate) struct Entropy {
    #[cfg(feature = "testing")]
    seeded: Option<Mutex<fastrand::Rng>>,
}

impl Entropy {
    /// The operating system's randomness. It does not repeat across forks or cloned virtual machines.
    pub(crate) fn os() -> Self {
        Self::default()
    }

    /// Randomness that a test can replay.
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { seeded: Some(Mutex::new(fastrand::Rng::with_seed(seed))) }
    }

    /// Sixteen random bytes; `None` if the operating system has none to give.
    pub(crate) fn bytes(&self) -> Option<[u8; 16]> {
        #[cfg(feature = "testing")]
        if let Some(rng) = &self.seeded {
            return Some(rng.lock().unwrap_or_else(PoisonError::into_inner).u128(..).to_be_bytes());
        }
        let mut bytes = [0; 16];
        getrandom::getrandom(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A number in 0..1 for jitter. One half if there is no randomness: jitter need not be unpredictable.
    pub(crate) fn fraction(&self) -> f64 {
        let Some([a, b, c, d, ..]) = self.bytes() else { return 0.5 };
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

impl SnapshotToken {
    /// A new random token, of 32 hexadecimal digits.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a token that can be guessed would be worse")]
    pub fn random() -> Self {
        Self::from_bytes(Entropy::os().bytes().expect("the operating system gives random bytes"))
    }
}
