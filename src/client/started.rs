//! The results of calls that start an operation.

use serde::Serialize;

use crate::call::Session;
use crate::progress::HowStarted;
use crate::restore::{RestoreReport, RestoreResponse, RestoreSummary};
use crate::snapshot::{CreatedSnapshot, SnapshotInfo};
use crate::ticket::{RestoreTicket, SnapshotTicket};
use crate::wait::Wait;

/// A snapshot that was started; returned by [`Repository::create_snapshot`] and
/// [`Snapshot::clone_to`].
///
/// The snapshot may still be running: [`wait`](Self::wait) waits for its end. Dropping this value
/// cancels nothing. It serialises without the client.
///
/// [`Repository::create_snapshot`]: crate::Repository::create_snapshot
/// [`Snapshot::clone_to`]: crate::Snapshot::clone_to
#[derive(Clone, Debug, Serialize)]
pub struct StartedSnapshot {
    #[serde(skip)]
    session: Session,
    how: HowStarted,
    ticket: SnapshotTicket,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<SnapshotInfo>>,
}

impl StartedSnapshot {
    pub(super) fn new(session: Session, created: CreatedSnapshot, ticket: SnapshotTicket) -> Self {
        let (how, info) = match created {
            CreatedSnapshot::Accepted => (HowStarted::Accepted, None),
            CreatedSnapshot::Finished(info) => (HowStarted::Finished, Some(info)),
            CreatedSnapshot::Adopted(info) => (HowStarted::Adopted, Some(info)),
        };
        let mut ticket = ticket;
        ticket.set_uuid(info.as_ref().and_then(|info| info.uuid()));
        Self { session, how, ticket, info }
    }

    /// Returns how the client knows that the snapshot was started.
    ///
    /// ```
    /// use es_snapshot::CreateSnapshot;
    /// use es_snapshot::testing::{FakeDomain, Fault};
    /// use es_snapshot::wait::HowStarted;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # let backups = domain.client().repository("backups")?;
    /// // The domain starts the snapshot, but the response is lost.
    /// domain.fault(Fault::drop_after().on_method("PUT").times(1));
    ///
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// assert_eq!(started.how(), HowStarted::Adopted);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn how(&self) -> HowStarted {
        self.how
    }

    /// Returns the description of the snapshot, if the server returned one.
    ///
    /// `None` if the server only accepted the request. A snapshot that has ended may be partial or
    /// failed: see [`SnapshotInfo::into_complete`].
    #[must_use]
    pub fn info(&self) -> Option<&SnapshotInfo> {
        self.info.as_deref()
    }

    /// Returns the ticket, by which any process can wait for this snapshot.
    ///
    /// Store it, then give it to [`SnapshotClient::resume`](crate::SnapshotClient::resume).
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let ticket = started.ticket();
    /// assert_eq!(ticket.snapshot().as_str(), "monday");
    /// let stored = serde_json::to_string(ticket)?;
    ///
    /// client.resume(started.ticket().clone()).await?.into_complete()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ticket(&self) -> &SnapshotTicket {
        &self.ticket
    }

    /// Returns a wait for the end of this snapshot.
    ///
    /// [`Wait`] describes the deadline and the errors.
    ///
    /// ```
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let client = FakeDomain::with_repository("backups").await.client();
    /// # let backups = client.repository("backups")?;
    /// let started = backups.create_snapshot("monday", CreateSnapshot::new()).await?;
    /// let snapshot = started.wait().await?;
    /// // The snapshot has ended. It could also be partial or failed.
    /// assert!(snapshot.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self) -> Wait<SnapshotInfo> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}

/// A restore that was started; returned by [`Snapshot::restore`] and [`SnapshotClient::start`].
///
/// The restore may still be running: [`wait`](Self::wait) waits for its end. Dropping this value
/// cancels nothing. It serialises without the client.
///
/// [`Snapshot::restore`]: crate::Snapshot::restore
/// [`SnapshotClient::start`]: crate::SnapshotClient::start
#[derive(Clone, Debug, Serialize)]
pub struct StartedRestore {
    #[serde(skip)]
    session: Session,
    how: HowStarted,
    ticket: RestoreTicket,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<RestoreSummary>,
}

impl StartedRestore {
    pub(super) fn new(session: Session, response: Option<RestoreResponse>, ticket: RestoreTicket) -> Self {
        let (how, summary) = match response {
            None => (HowStarted::Adopted, None),
            Some(RestoreResponse::Accepted) => (HowStarted::Accepted, None),
            Some(RestoreResponse::Finished(summary)) => (HowStarted::Finished, Some(summary)),
        };
        Self { session, how, ticket, summary }
    }

    /// Returns how the client knows that the restore was started.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    /// use es_snapshot::wait::HowStarted;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// let restore = backups.snapshot("monday")?.restore(options).await?;
    /// assert_eq!(restore.how(), HowStarted::Accepted);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn how(&self) -> HowStarted {
        self.how
    }

    /// Returns what the server reports about a restore that has ended.
    ///
    /// `None` if the server only accepted the request, or if the restore was adopted. Shards may
    /// have failed.
    #[must_use]
    pub fn summary(&self) -> Option<&RestoreSummary> {
        self.summary.as_ref()
    }

    /// Returns the ticket, by which any process can wait for this restore.
    ///
    /// Store it, then give it to [`SnapshotClient::resume`](crate::SnapshotClient::resume).
    ///
    /// The ticket contains exactly the indices of this restore. The server shows them right after
    /// the response, or the client has determined them before. If neither was possible, the ticket
    /// contains no indices. A wait then considers every index that is restored from the snapshot.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// let restore = backups.snapshot("monday")?.restore(options).await?;
    /// assert!(restore.ticket().indices().eq(["restored-movies"]));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ticket(&self) -> &RestoreTicket {
        &self.ticket
    }

    /// Returns a wait for the end of this restore.
    ///
    /// [`Wait`] describes the deadline, the errors, and when a shard counts as restored.
    ///
    /// ```
    /// use es_snapshot::RestoreSnapshot;
    /// # use es_snapshot::CreateSnapshot;
    /// # use es_snapshot::testing::FakeDomain;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_snapshot::Error> {
    /// # let domain = FakeDomain::with_repository("backups").await;
    /// # domain.create_index("movies", 2);
    /// # let client = domain.client();
    /// # let backups = client.repository("backups")?;
    /// # backups.create_snapshot("monday", CreateSnapshot::new()).await?.wait().await?;
    /// let options = RestoreSnapshot::new().with_rename_prefix("restored-");
    /// let restore = backups.snapshot("monday")?.restore(options).await?;
    ///
    /// let report = restore.wait().await?;
    /// // The restore has ended. Shards could also have failed.
    /// assert!(report.unrestored().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self) -> Wait<RestoreReport> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}
