//! Lists the snapshots of a repository, one after the other.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::time::SystemTime;

use futures_util::stream;

use super::gather::{collect, into_error};
use super::read::is_in;
use super::{Response, Session};
use crate::auth::Secrets;
use crate::clock::within;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, quoted};
use crate::name::{RepositoryName, SnapshotName};
use crate::pieces::Elements as _;
use crate::request;
use crate::snapshot::{ListSnapshots, SnapshotElements, SnapshotFailure, SnapshotInfo, SnapshotList, SnapshotStream};

/// The longest cursor that fits into a request, in bytes.
const LONGEST_CURSOR: usize = 1024;

/// A snapshot, or the name of a snapshot that the server could not read, with the error.
type Listed = Result<SnapshotInfo, (String, Error)>;

/// How much of a response must be read before it counts as arrived. Until then its request may be
/// retried.
#[derive(Clone, Copy)]
enum Arrival {
    FirstSnapshot,
    Whole,
}

/// A listing that is being read. It needs several requests if its pattern is long, if the server
/// returns pages, or if the server cannot read one of the snapshots.
struct Listing {
    query: Query,
    reading: Reading,
    has_found: bool,
    /// How many snapshots of a part are read one by one at most: the last ones by name.
    singles: usize,
    /// Why snapshots are read one by one, if they are.
    refusal: Option<Error>,
    /// The error of a part that found nothing.
    missing: Option<Error>,
}

/// What is requested, and how much of it has been listed.
struct Query {
    session: Session,
    repository: RepositoryName,
    arrival: Arrival,
    parts: Vec<ListSnapshots>,
    /// The index of the part that is being read.
    part: usize,
    /// The names of this part so far, if it may have several pages. They are skipped if a later
    /// page fails and the rest is read one by one.
    listed: HashSet<String>,
    /// The cursors of this part so far. They prevent an endless listing of pages in a circle.
    cursors: HashSet<String>,
    /// The size of the pages so far, in bytes.
    read: u64,
}

/// What is read next of a part.
enum Reading {
    /// The page with this cursor must be requested. `None` means the first page.
    NextPage(Option<String>),
    Page(Box<Page>),
    /// The snapshots with these names are read one by one.
    OneByOne(VecDeque<String>),
}

/// A response. At least its first snapshot has been read, if it has one.
struct Page {
    ready: VecDeque<SnapshotInfo>,
    elements: SnapshotElements,
    has_ended: bool,
    /// Whether it contains a snapshot that no earlier page contained.
    has_new_snapshot: bool,
    secrets: Secrets,
}

impl Session {
    /// Returns the requested snapshots as a stream.
    pub(crate) fn snapshots(&self, repository: &RepositoryName, options: ListSnapshots) -> SnapshotStream {
        let listing = Listing::new(self, repository, options, Arrival::FirstSnapshot);
        SnapshotStream::new(stream::unfold(Some(listing), |listing| async {
            let mut listing = match listing? {
                Ok(listing) => listing,
                Err(error) => return Some((Err(error), None)),
            };
            match listing.next().await {
                Ok(None) => None,
                Ok(Some(Ok(snapshot))) => Some((Ok(snapshot), Some(Ok(listing)))),
                Ok(Some(Err((_, error)))) => Some((Err(error), Some(Ok(listing)))),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// Returns the requested snapshots, oldest first unless they are requested without details.
    pub(crate) async fn list_snapshots(
        &self,
        repository: &RepositoryName,
        options: ListSnapshots,
    ) -> Result<SnapshotList, Error> {
        let mut listing = Listing::new(self, repository, options, Arrival::Whole)?;
        let (mut snapshots, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(listed) = listing.next().await? {
            match listed {
                Ok(snapshot) => snapshots.push(snapshot),
                Err((name, error)) => unreadable.push(SnapshotFailure::new(name, error)),
            }
        }
        if listing.query.parts.len() > 1 || listing.refusal.is_some() {
            fn key(snapshot: &SnapshotInfo) -> (Option<SystemTime>, &str, Option<&str>) {
                (snapshot.start_time(), snapshot.name(), snapshot.uuid())
            }
            snapshots.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        Ok(SnapshotList::new(snapshots, unreadable))
    }

    /// Calls `each` with every snapshot of a repository. If the server cannot list them together,
    /// this method reads only the last ones by name, at most `singles`, and returns the server's
    /// error.
    pub(crate) async fn each_snapshot(
        &self,
        repository: &RepositoryName,
        singles: usize,
        mut each: impl FnMut(Result<SnapshotInfo, Error>),
    ) -> Result<Option<Error>, Error> {
        let mut listing = Listing::new(self, repository, ListSnapshots::new(), Arrival::FirstSnapshot)?;
        listing.singles = singles;
        while let Some(listed) = listing.next().await? {
            each(listed.map_err(|(_, error)| error));
        }
        Ok(listing.refusal)
    }
}

impl Listing {
    fn new(
        session: &Session,
        repository: &RepositoryName,
        options: ListSnapshots,
        arrival: Arrival,
    ) -> Result<Self, Error> {
        let parts = options.validate().and_then(|()| {
            let prefix = session.core.endpoint.prefix();
            request::split_listing(prefix, repository, options)
        });
        let query = Query {
            session: session.clone(),
            repository: repository.clone(),
            arrival,
            parts: parts.map_err(|error| error.during(Operation::ListSnapshots, 0))?,
            part: 0,
            listed: HashSet::new(),
            cursors: HashSet::new(),
            read: 0,
        };
        Ok(Self {
            query,
            reading: Reading::NextPage(None),
            has_found: false,
            singles: usize::MAX,
            refusal: None,
            missing: None,
        })
    }

    /// Returns the next requested snapshot.
    async fn next(&mut self) -> Result<Option<Listed>, Error> {
        while self.query.part < self.query.parts.len() {
            let next = match &mut self.reading {
                Reading::NextPage(cursor) => {
                    let cursor = cursor.take();
                    self.open(cursor).await?;
                    continue;
                }
                Reading::Page(page) => {
                    let Some(snapshot) = page.next(&self.query.session).await? else {
                        match self.query.cursor_of_next(page)? {
                            Some(cursor) => self.reading = Reading::NextPage(Some(cursor)),
                            None => self.begin_next_part(),
                        }
                        continue;
                    };
                    let is_accepted = self.query.accept(&snapshot);
                    page.has_new_snapshot |= is_accepted;
                    is_accepted.then_some(Ok(snapshot))
                }
                Reading::OneByOne(names) => {
                    let Some(name) = names.pop_front() else {
                        self.begin_next_part();
                        continue;
                    };
                    self.query.read(name).await?
                }
            };
            if next.is_some() {
                self.has_found = true;
                return Ok(next);
            }
        }
        match self.missing.take() {
            Some(error) if !self.has_found => Err(error),
            _ => Ok(None),
        }
    }

    fn begin_next_part(&mut self) {
        self.query.part += 1;
        self.query.listed.clear();
        self.query.cursors.clear();
        self.reading = Reading::NextPage(None);
    }

    /// Requests a page of the current part.
    async fn open(&mut self, cursor: Option<String>) -> Result<(), Error> {
        let Some(part) = self.query.parts.get(self.query.part) else { return Ok(()) };
        let is_first_page = cursor.is_none();
        let error = match self.query.page(part, cursor).await {
            Ok(page) => {
                self.reading = Reading::Page(page.into());
                return Ok(());
            }
            Err(error) => error,
        };
        // If the server cannot read one snapshot, the whole request fails.
        let mut is_empty = error.kind() == ErrorKind::SnapshotMissing;
        if part.verbose() != Some(false) && may_be_about_one_snapshot(&error) {
            match self.query.names(part).await {
                // No names and earlier pages: the only snapshot left may have been deleted since.
                Ok(mut names) if !names.is_empty() || !self.query.listed.is_empty() => {
                    names.drain(..names.len().saturating_sub(self.singles));
                    self.reading = Reading::OneByOne(names);
                    self.refusal.get_or_insert(error);
                    return Ok(());
                }
                Ok(_) => {}
                // Without the names, an empty listing is not certain.
                Err(why_no_names) => is_empty &= why_no_names.kind() == ErrorKind::SnapshotMissing,
            }
        }
        // Wildcards of one part may match nothing if another part matches something.
        if is_empty && is_first_page && part.has_only_wildcards() {
            self.missing = self.missing.take().or(Some(error));
            self.begin_next_part();
            return Ok(());
        }
        Err(error)
    }
}

impl Query {
    /// Whether the current part selects this snapshot, and no earlier part does.
    ///
    /// With `ignore_unavailable`, Elasticsearch 7.10 also returns running snapshots that were not
    /// requested.
    fn selects(&self, snapshot: &SnapshotInfo) -> bool {
        let first = self.parts.iter().position(|part| part.selects(snapshot.name()));
        first == Some(self.part) && is_in(&self.repository, snapshot.repository())
    }

    /// Like [`selects`](Self::selects). Also remembers the name if more pages may follow.
    fn accept(&mut self, snapshot: &SnapshotInfo) -> bool {
        let is_paged = self.parts.get(self.part).is_some_and(|part| part.page_size().is_some());
        self.selects(snapshot) && (!is_paged || self.listed.insert(snapshot.name().to_owned()))
    }

    async fn page(&self, part: &ListSnapshots, cursor: Option<String>) -> Result<Page, Error> {
        let request = request::list_snapshots(&self.repository, part, cursor.as_deref());
        let (arrival, read) = (self.arrival, usize::try_from(self.read).unwrap_or(usize::MAX));
        self.session
            .call_decoding(&request, |response: Response| async move {
                let (left, secrets) = (response.limit.saturating_sub(read), response.secrets.clone());
                let elements = |chunks| SnapshotElements::new(chunks, part.unknown_fields());
                let (elements, read) = match arrival {
                    Arrival::FirstSnapshot => {
                        let mut elements = elements(response.into_chunks());
                        let first = elements.next().await;
                        (elements, first.map(|first| (first.is_none(), first.into_iter().collect())))
                    }
                    Arrival::Whole => {
                        let mut elements = elements(response.into_chunks_up_to(left));
                        let wanted = |found| self.selects(&found).then_some(found);
                        let all = collect(&mut elements, wanted).await;
                        (elements, all.map(|all| (true, all.into())))
                    }
                };
                match read {
                    Ok((has_ended, ready)) => Ok(Page { ready, elements, has_ended, has_new_snapshot: false, secrets }),
                    Err(read_error) => Err(into_error(read_error, &secrets)),
                }
            })
            .await
    }

    /// Returns the cursor of the next page. The current page has been read to its end.
    fn cursor_of_next(&mut self, page: &Page) -> Result<Option<String>, Error> {
        let Some(next) = page.elements.next_page() else { return Ok(None) };
        self.read = self.read.saturating_add(page.elements.position());
        let refuse =
            |text: &str| Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text).during(Operation::ListSnapshots, 1));
        if next.len() > LONGEST_CURSOR {
            let length = next.len();
            return refuse(&format!("the next page's cursor has {length} bytes, expected at most {LONGEST_CURSOR}"));
        }
        if !page.has_new_snapshot || !self.cursors.insert(next.to_owned()) {
            return refuse("the pages do not end: this one contains nothing new or refers to an earlier one");
        }
        Ok(Some(next.to_owned()))
    }

    /// Returns the names in a part that have not been returned. The server can list them even if it
    /// cannot read the snapshots.
    async fn names(&self, part: &ListSnapshots) -> Result<VecDeque<String>, Error> {
        let request = request::list_snapshots(&self.repository, &part.clone().without_details(), None);
        let elements = |chunks| SnapshotElements::new(chunks, false);
        let is_wanted = |found: &SnapshotInfo| self.selects(found) && !self.listed.contains(found.name());
        let name = |found: SnapshotInfo| is_wanted(&found).then(|| found.name().to_owned());
        let names = self.session.call_decoding(&request, |response| response.gather_map(elements, name)).await?;
        Ok(names.into())
    }

    /// Reads one snapshot. `None` if it has been deleted since.
    async fn read(&self, listed: String) -> Result<Option<Listed>, Error> {
        let name: SnapshotName = match listed.parse() {
            Ok(name) => name,
            Err(error) => return Ok(Some(Err((listed, error.during(Operation::ListSnapshots, 1))))),
        };
        let error = match self.session.find_snapshot(&self.repository, &name, false).await {
            Ok(snapshot) if self.parts.iter().any(ListSnapshots::unknown_fields) => return Ok(Some(Ok(snapshot))),
            Ok(snapshot) => return Ok(Some(Ok(snapshot.without_unknown_fields()))),
            Err(error) => error,
        };
        let concerns_only_it = may_be_about_one_snapshot(&error)
            || matches!(error.kind(), ErrorKind::Decode | ErrorKind::ResponseTooLarge) && !error.is_transient();
        if !concerns_only_it {
            return Err(error);
        }
        // Either its file is missing, or it has been deleted since.
        if error.kind() == ErrorKind::SnapshotMissing
            && self.session.find_snapshot_opt(&self.repository, &name, true).await?.is_none()
        {
            return Ok(None);
        }
        let error = error.with_message(format!("the server cannot read snapshot {}", quoted(&listed)));
        Ok(Some(Err((listed, error))))
    }
}

impl Page {
    async fn next(&mut self, session: &Session) -> Result<Option<SnapshotInfo>, Error> {
        if let Some(snapshot) = self.ready.pop_front() {
            return Ok(Some(snapshot));
        }
        if self.has_ended {
            return Ok(None);
        }
        let limit = session.options.timeouts.attempt;
        let timed_out = || {
            let text = format!(
                "the next snapshot of the listing did not arrive within {limit:?}; `Timeouts::with_attempt` raises it"
            );
            Error::new(ErrorKind::Timeout, Outcome::Unknown, text)
        };
        let result = within(session.clock(), limit, pin!(self.elements.next())).await.ok_or_else(timed_out);
        let result = result.and_then(|result| result.map_err(|read_error| into_error(read_error, &self.secrets)));
        let next = result.map_err(|error| error.during(Operation::ListSnapshots, 1))?;
        self.has_ended = next.is_none();
        Ok(next)
    }
}

/// Whether a listing may have failed because the file of one snapshot is missing or broken.
fn may_be_about_one_snapshot(error: &Error) -> bool {
    let is_known = matches!(error.kind(), ErrorKind::SnapshotMissing | ErrorKind::Repository);
    // A failure under status 200 occurred while the server read the snapshots.
    is_known || error.server().is_some_and(|server| server.failure() == Failure::Other || server.status() == 200)
}
