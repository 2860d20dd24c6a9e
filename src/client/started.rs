//! What a call has started.

use serde::Serialize;

use crate::call::Session;
use crate::progress::HowStarted;
use crate::restore::{RestoreReport, RestoreResponse, RestoreSummary};
use crate::snapshot::{CreatedSnapshot, SnapshotInfo};
use crate::ticket::{RestoreTicket, SnapshotTicket};
use crate::wait::Wait;

/// A snapshot that has been started; returned by
/// [`Repository::create_snapshot`](crate::Repository::create_snapshot) and
/// [`Snapshot::clone_to`](crate::Snapshot::clone_to).
///
/// It need not have ended: [`wait`](Self::wait) for it. Dropping it cancels nothing. It serialises
/// without the client.
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
    /// // The domain starts the snapshot, and its response is lost.
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

    /// Returns the snapshot as the server showed it. `None` if the server only accepted it. A
    /// snapshot that has finished may be partial or failed: see [`SnapshotInfo::into_complete`].
    #[must_use]
    pub fn info(&self) -> Option<&SnapshotInfo> {
        self.info.as_deref()
    }

    /// Returns the ticket with which any process can come back to this snapshot. Store it, then
    /// give it to [`SnapshotClient::resume`](crate::SnapshotClient::resume).
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

    /// Returns a wait for the end of this snapshot. See [`Wait`] for its errors and its deadline.
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
    /// // A snapshot that is partial or failed has ended too.
    /// assert!(snapshot.is_complete());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self) -> Wait<SnapshotInfo> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}

/// A restore that has been started; returned by [`Snapshot::restore`](crate::Snapshot::restore) and
/// [`SnapshotClient::start`](crate::SnapshotClient::start).
///
/// It need not have ended: [`wait`](Self::wait) for it. Dropping it cancels nothing. It serialises
/// without the client.
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

    /// Returns what the server reports of a restore that has finished. `None` if the server only
    /// accepted it, or if it was adopted. Shards may have failed.
    #[must_use]
    pub fn summary(&self) -> Option<&RestoreSummary> {
        self.summary.as_ref()
    }

    /// Returns the ticket with which any process can come back to this restore. Store it, then give
    /// it to [`SnapshotClient::resume`](crate::SnapshotClient::resume).
    ///
    /// It names exactly the indices of this restore, as the server shows them right after the
    /// response, or as the client determined them before. It names none where neither was possible:
    /// a wait then considers every index that is restored from the snapshot.
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

    /// Returns a wait for the end of this restore. See [`Wait`] for its errors, its deadline and
    /// what counts as restored.
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
    /// // A restore whose shards failed has ended too.
    /// assert!(report.unrestored().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "wait_for_completion")]
    pub fn wait(&self) -> Wait<RestoreReport> {
        Wait::new(self.session.clone(), self.ticket.clone().into())
    }
}
