//! A domain that a test can use at once: with a repository, and a client of it.

use serde_json::{Map, Value};

use super::FakeDomain;
use super::builder::{BUCKET, PASS_ROLE};
use crate::client::SnapshotClient;
use crate::client::SnapshotClientBuilder;
use crate::testing::clock::ManualClock;

impl FakeDomain {
    /// Starts a domain in process, on a [`ManualClock`] of its own that moves by itself, with one
    /// repository of this name.
    ///
    /// [`client`](Self::client) returns a client of it. Neither needs a port or real time. It runs
    /// on any executor.
    ///
    /// ```
    /// use es_snapshot::CreateSnapshot;
    /// use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// let backups = domain.client().repository("backups")?;
    ///
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// started.wait().await?.into_complete()?;
    ///
    /// assert_eq!(domain.snapshots("backups").len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the name is not one of a repository.
    pub async fn with_repository(name: &str) -> Self {
        let clock = ManualClock::at("2026-05-01T00:00:00Z");
        let domain = Self::builder().in_process().clock(clock).start().await;
        domain.create_repository(name);
        domain
    }

    /// Registers an S3 repository of this name, as another client of the domain would, in the
    /// bucket `my-bucket-4-es` under a base path of its name.
    ///
    /// # Panics
    ///
    /// When the name is not one of a repository.
    pub fn create_repository(&self, name: &str) {
        let settings = [("bucket", BUCKET), ("base_path", name), ("role_arn", PASS_ROLE)];
        let settings: Map<String, Value> =
            settings.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect();
        let is_registered = self.with_state(|state, _| state.cluster.register(name, "s3", settings));
        assert!(is_registered, "[{name}] cannot be registered");
    }

    /// Returns a client with the domain's credentials, region and clock.
    ///
    /// # Panics
    ///
    /// When the feature `hyper` is off and the domain is not [in
    /// process](crate::testing::FakeDomainBuilder::in_process).
    #[must_use]
    pub fn client(&self) -> SnapshotClient {
        self.client_builder().build().unwrap_or_else(|error| panic!("a client of the fake domain: {}", error.report()))
    }

    /// Returns the builder of such a client, for a test that needs another option.
    pub fn client_builder(&self) -> SnapshotClientBuilder {
        let builder =
            SnapshotClient::builder(self.endpoint()).region(self.region()).credentials(self.credentials_provider());
        let builder = match self.clock() {
            Some(clock) => builder.clock(clock),
            None => builder,
        };
        if self.sockets.is_none() { builder.transport(self.transport()) } else { builder }
    }

    /// Returns the clock that the domain was given; `None` if it goes by the system's.
    #[must_use]
    pub fn clock(&self) -> Option<ManualClock> {
        self.shared.manual.clone()
    }
}
