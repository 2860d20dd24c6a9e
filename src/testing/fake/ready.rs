//! A domain with a repository, and its client, ready for use in a test.

use serde_json::{Map, Value};

use super::FakeDomain;
use super::builder::{BUCKET, PASS_ROLE};
use crate::client::SnapshotClient;
use crate::client::SnapshotClientBuilder;
use crate::testing::clock::ManualClock;

impl FakeDomain {
    /// Starts a domain in process, with a manual clock and one repository of this name.
    ///
    /// [`client`](Self::client) returns a client of the domain. Neither needs a port or real time.
    /// They run on any executor. The [`ManualClock`] starts at 2026-05-01T00:00:00Z and moves by
    /// itself when the client pauses.
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
    /// Panics if a repository cannot have this name.
    pub async fn with_repository(name: &str) -> Self {
        let clock = ManualClock::at("2026-05-01T00:00:00Z");
        let domain = Self::builder().in_process().clock(clock).start().await;
        domain.create_repository(name);
        domain
    }

    /// Registers an S3 repository, as another client of the domain would.
    ///
    /// It is in the bucket `my-bucket-4-es`. Its base path is its name.
    ///
    /// # Panics
    ///
    /// Panics if a repository cannot have this name, or if one of this name is registered.
    pub fn create_repository(&self, name: &str) {
        let settings = [("bucket", BUCKET), ("base_path", name), ("role_arn", PASS_ROLE)];
        let settings: Map<String, Value> =
            settings.map(|(key, value)| (key.to_owned(), Value::from(value))).into_iter().collect();
        let is_registered = self.with_state(|state, _| state.cluster.register(name, "s3", settings));
        assert!(is_registered, "[{name}] cannot be registered: not a name for a repository, or already registered");
    }

    /// Returns a client with the domain's credentials, region and clock.
    ///
    /// # Panics
    ///
    /// Panics if the domain is not [in process](crate::testing::FakeDomainBuilder::in_process) and
    /// the feature `hyper` is off.
    #[must_use]
    pub fn client(&self) -> SnapshotClient {
        self.client_builder()
            .build()
            .unwrap_or_else(|error| panic!("cannot build a client of the fake domain: {}", error.report()))
    }

    /// Returns a client builder with the domain's credentials, region and clock.
    ///
    /// Use it for a client that needs further options.
    ///
    /// ```
    /// use es_snapshot::RetryPolicy;
    /// use es_snapshot::testing::{FakeDomain, Fault};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// let domain = FakeDomain::with_repository("backups").await;
    /// let client = domain.client_builder().retry(RetryPolicy::never()).build()?;
    ///
    /// domain.fault(Fault::drop_before().times(1));
    /// assert!(client.repositories().await.is_err());
    /// assert_eq!(client.repositories().await?.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_builder(&self) -> SnapshotClientBuilder {
        let builder =
            SnapshotClient::builder(self.endpoint()).region(self.region()).credentials(self.credentials_provider());
        let builder = match self.clock() {
            Some(clock) => builder.clock(clock),
            None => builder,
        };
        if self.sockets.is_none() { builder.transport(self.transport()) } else { builder }
    }

    /// Returns the domain's manual clock, or `None` if the domain uses the system clock.
    #[must_use]
    pub fn clock(&self) -> Option<ManualClock> {
        self.shared.manual.clone()
    }
}
