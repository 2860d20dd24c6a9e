//! The snapshots of a repository, one after the other.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::time::SystemTime;

use futures_util::stream;

use super::gather::{collect, error_of};
use super::read::is_in;
use super::{Response, Session};
use crate::auth::Secrets;
use crate::clock::within;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, quoted};
use crate::name::{RepositoryName, SnapshotName};
use crate::pieces::Elements as _;
use crate::request;
use crate::snapshot::{ListSnapshots, SnapshotElements, SnapshotFailure, SnapshotInfo, SnapshotList, SnapshotStream};

/// The longest cursor that a request has room for.
const LONGEST_CURSOR: usize = 1024;

/// A snapshot, or the name of one that the server could not read and why.
type Listed = Result<SnapshotInfo, (String, Error)>;

/// How much of a response is read before it counts as arrived. Its request may be repeated until
/// then.
#[derive(Clone, Copy)]
enum Opening {
    First,
    Whole,
}

/// A listing that is being read. It takes several requests if its pattern is long, if the server
/// cuts it into pages, or if the server cannot read one of the snapshots.
struct Listing {
    query: Query,
    reading: Reading,
    has_found: bool,
    has_read_singly: bool,
    /// Why nothing was found in one of the parts.
    missing: Option<Error>,
}

/// What is asked for, and how much of it has been listed.
struct Query {
    session: Session,
    repository: RepositoryName,
    opening: Opening,
    parts: Vec<ListSnapshots>,
    /// Which of the parts is being read.
    part: usize,
    /// The names of this part so far, if it may have several pages: a snapshot of the later ones
    /// may be unreadable.
    listed: HashSet<String>,
    /// The cursors of this part so far. Pages that follow one another in a circle would be a
    /// listing without end.
    cursors: HashSet<String>,
    /// How many bytes the pages so far had.
    read: u64,
}

/// What is being read of a part.
enum Reading {
    /// Nothing yet of the page that this cursor stands for, the first one without it.
    Nothing(Option<String>),
    Page(Box<Page>),
    /// The snapshots of these names, one after the other.
    Singly(VecDeque<String>),
}

/// A response whose first snapshot has been read, if it has one.
struct Page {
    ready: VecDeque<SnapshotInfo>,
    elements: SnapshotElements,
    has_ended: bool,
    /// Whether it had a snapshot that no page before it had.
    has_news: bool,
    secrets: Secrets,
}

impl Session {
    /// The snapshots that are asked for, as a stream.
    pub(crate) fn snapshots(&self, repository: &RepositoryName, options: ListSnapshots) -> SnapshotStream {
        let listing = Listing::new(self, repository, options, Opening::First);
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

    /// The snapshots that are asked for, oldest first unless they are asked for without details.
    pub(crate) async fn list_snapshots(
        &self,
        repository: &RepositoryName,
        options: ListSnapshots,
    ) -> Result<SnapshotList, Error> {
        let mut listing = Listing::new(self, repository, options, Opening::Whole)?;
        let (mut snapshots, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(listed) = listing.next().await? {
            match listed {
                Ok(snapshot) => snapshots.push(snapshot),
                Err((name, error)) => unreadable.push(SnapshotFailure::new(name, error)),
            }
        }
        if listing.query.parts.len() > 1 || listing.has_read_singly {
            fn key(snapshot: &SnapshotInfo) -> (Option<SystemTime>, &str, Option<&str>) {
                (snapshot.start_time(), snapshot.name(), snapshot.uuid())
            }
            snapshots.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        Ok(SnapshotList::new(snapshots, unreadable))
    }
}

impl Listing {
    fn new(
        session: &Session,
        repository: &RepositoryName,
        options: ListSnapshots,
        opening: Opening,
    ) -> Result<Self, Error> {
        let parts = options.validate().and_then(|()| {
            let prefix = session.core.endpoint.prefix();
            request::split_listing(prefix, repository, options)
        });
        let query = Query {
            session: session.clone(),
            repository: repository.clone(),
            opening,
            parts: parts.map_err(|error| error.during(Operation::ListSnapshots, 0))?,
            part: 0,
            listed: HashSet::new(),
            cursors: HashSet::new(),
            read: 0,
        };
        Ok(Self { query, reading: Reading::Nothing(None), has_found: false, has_read_singly: false, missing: None })
    }

    /// The next snapshot that is asked for.
    async fn next(&mut self) -> Result<Option<Listed>, Error> {
        while self.query.part < self.query.parts.len() {
            let next = match &mut self.reading {
                Reading::Nothing(cursor) => {
                    let cursor = cursor.take();
                    self.open(cursor).await?;
                    continue;
                }
                Reading::Page(page) => {
                    let Some(snapshot) = page.next(&self.query.session).await? else {
                        match self.query.cursor_of_next(page)? {
                            Some(cursor) => self.reading = Reading::Nothing(Some(cursor)),
                            None => self.begin_next_part(),
                        }
                        continue;
                    };
                    let is_taken = self.query.takes(&snapshot);
                    page.has_news |= is_taken;
                    is_taken.then_some(Ok(snapshot))
                }
                Reading::Singly(names) => {
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
        self.reading = Reading::Nothing(None);
    }

    /// Asks for a page of the current part.
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
        // One snapshot that the server cannot read makes the whole listing fail.
        let mut is_empty = error.kind() == ErrorKind::SnapshotMissing;
        if part.verbose() != Some(false) && is_of_one_snapshot(&error) {
            match self.query.names(part).await {
                // The rest of the pages may have been that one snapshot, deleted meanwhile.
                Ok(names) if !names.is_empty() || !self.query.listed.is_empty() => {
                    self.reading = Reading::Singly(names);
                    self.has_read_singly = true;
                    return Ok(());
                }
                Ok(_) => {}
                // Whoever cannot see the names cannot say that there are none.
                Err(why_no_names) => is_empty &= why_no_names.kind() == ErrorKind::SnapshotMissing,
            }
        }
        // Wildcards may match nothing as long as those of another part match something.
        if is_empty && is_first_page && part.names_none() {
            self.missing = self.missing.take().or(Some(error));
            self.begin_next_part();
            return Ok(());
        }
        Err(error)
    }
}

impl Query {
    /// Whether the current part asks for this snapshot, and none before it does.
    ///
    /// Elasticsearch 7.10 adds running snapshots of other names to what it was asked for with
    /// `ignore_unavailable`.
    fn selects(&self, snapshot: &SnapshotInfo) -> bool {
        let first = self.parts.iter().position(|part| part.selects(snapshot.name()));
        first == Some(self.part) && is_in(&self.repository, snapshot.repository())
    }

    /// [`selects`](Self::selects), and remembers it if more pages may follow.
    fn takes(&mut self, snapshot: &SnapshotInfo) -> bool {
        let is_paged = self.parts.get(self.part).is_some_and(|part| part.page_size().is_some());
        self.selects(snapshot) && (!is_paged || self.listed.insert(snapshot.name().to_owned()))
    }

    async fn page(&self, part: &ListSnapshots, cursor: Option<String>) -> Result<Page, Error> {
        let request = request::list_snapshots(&self.repository, part, cursor.as_deref());
        let (opening, read) = (self.opening, usize::try_from(self.read).unwrap_or(usize::MAX));
        self.session
            .call_decoding(&request, |response: Response| async move {
                let (left, secrets) = (response.limit.saturating_sub(read), response.secrets.clone());
                let elements = |chunks| SnapshotElements::new(chunks, part.unknown_fields());
                let (elements, read) = match opening {
                    Opening::First => {
                        let mut elements = elements(response.into_chunks());
                        let first = elements.next().await;
                        (elements, first.map(|first| (first.is_none(), first.into_iter().collect())))
                    }
                    Opening::Whole => {
                        let mut elements = elements(response.into_chunks_up_to(left));
                        let wanted = |found| self.selects(&found).then_some(found);
                        let all = collect(&mut elements, wanted).await;
                        (elements, all.map(|all| (true, all.into())))
                    }
                };
                match read {
                    Ok((has_ended, ready)) => Ok(Page { ready, elements, has_ended, has_news: false, secrets }),
                    Err(trouble) => Err(error_of(trouble, &secrets)),
                }
            })
            .await
    }

    /// What stands for the page after this one, which has been read to its end.
    fn cursor_of_next(&mut self, page: &Page) -> Result<Option<String>, Error> {
        let Some(next) = page.elements.next_page() else { return Ok(None) };
        self.read = self.read.saturating_add(page.elements.position());
        let refuse = |what: &str| {
            let text = format!("the server refers to another page {what}");
            Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text).during(Operation::ListSnapshots, 1))
        };
        if next.len() > LONGEST_CURSOR {
            return refuse("by a text that no request line has room for");
        }
        if !page.has_news || !self.cursors.insert(next.to_owned()) {
            return refuse("although this one has nothing new");
        }
        Ok(Some(next.to_owned()))
    }

    /// The names in a part that have not been returned. The server lists them even if it cannot
    /// read the snapshots.
    async fn names(&self, part: &ListSnapshots) -> Result<VecDeque<String>, Error> {
        let request = request::list_snapshots(&self.repository, &part.clone().without_details(), None);
        let elements = |chunks| SnapshotElements::new(chunks, false);
        let is_wanted = |found: &SnapshotInfo| self.selects(found) && !self.listed.contains(found.name());
        let name = |found: SnapshotInfo| is_wanted(&found).then(|| found.name().to_owned());
        let names = self.session.call_decoding(&request, |response| response.gather_map(elements, name)).await?;
        Ok(names.into())
    }

    /// Reads one snapshot. `None` if it has been deleted meanwhile.
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
        let is_of_its_own = is_of_one_snapshot(&error)
            || matches!(error.kind(), ErrorKind::Decode | ErrorKind::ResponseTooLarge) && !error.is_transient();
        if !is_of_its_own {
            return Err(error);
        }
        // Its file may be missing, or it has been deleted meanwhile.
        if error.kind() == ErrorKind::SnapshotMissing
            && self.session.look_up(&self.repository, &name, true).await?.is_none()
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
            let text = format!("the next snapshot of the list did not arrive within {limit:?}");
            Error::new(ErrorKind::Timeout, Outcome::Unknown, text)
        };
        let result = within(session.clock(), limit, pin!(self.elements.next())).await.ok_or_else(timed_out);
        let result = result.and_then(|result| result.map_err(|trouble| error_of(trouble, &self.secrets)));
        let next = result.map_err(|error| error.during(Operation::ListSnapshots, 1))?;
        self.has_ended = next.is_none();
        Ok(next)
    }
}

/// Whether a listing may have failed at one snapshot whose own file is gone or broken.
fn is_of_one_snapshot(error: &Error) -> bool {
    let is_known = matches!(error.kind(), ErrorKind::SnapshotMissing | ErrorKind::Repository);
    // A failure under status 200 is one that the server has met while it read.
    is_known || error.server().is_some_and(|server| server.failure() == Failure::Other || server.status() == 200)
}
