//! The snapshots of a repository, one after the other.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::time::SystemTime;

use futures_util::future::{Either, select};
use futures_util::stream;

use super::gather::{collect, error_of};
use super::read::is_in;
use super::{Response, Session};
use crate::auth::Secrets;
use crate::error::{Error, ErrorKind, Failure, Operation, Outcome, quoted};
use crate::name::{RepositoryName, SnapshotName};
use crate::pieces::Elements as _;
use crate::request;
use crate::snapshot::{ListSnapshots, SnapshotElements, SnapshotFailure, SnapshotInfo, SnapshotList, SnapshotStream};

/// A snapshot, or the name of one that the server could not read and why.
type Listed = Result<SnapshotInfo, (String, Error)>;

/// How much of a response is read before it counts as arrived. Its request may be repeated until then.
#[derive(Clone, Copy)]
enum Opening {
    First,
    Whole,
}

/// A listing that is being read. It takes several requests if its pattern is long, if the server cuts it into pages, or if the
/// server cannot read one of the snapshots.
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
    /// The names of this part so far, if it may have several pages: a snapshot of the later ones may be unreadable.
    listed: HashSet<String>,
}

/// What is being read of a part.
enum Reading {
    /// Nothing yet of the page that this cursor stands for, the first one without it.
    Nothing(Option<String>),
    Page(Box<Page>),
    /// The snapshots of these names, one after the other.
    Singly(VecDeque<String>),
}

/// A response of which at least the first snapshot has been read.
struct Page {
    ready: VecDeque<SnapshotInfo>,
    elements: SnapshotElements,
    has_ended: bool,
    cursor: Option<String>,
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
    fn new(session: &Session, repository: &RepositoryName, options: ListSnapshots, opening: Opening) -> Result<Self, Error> {
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
                        match page.cursor_of_next()? {
                            Some(cursor) => self.reading = Reading::Nothing(Some(cursor)),
                            None => self.begin_next_part(),
                        }
                        continue;
                    };
                    self.query.takes(&snapshot).then_some(Ok(snapshot))
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
        self.reading = Reading::Nothing(None);
    }

    /// Asks for a page of the current part.
    async fn open(&mut self, cursor: Option<String>) -> Result<(), Error> {
        let Some(part) = self.query.parts.get(self.query.part) else { return Ok(()) };
        let error = match self.query.page(part, cursor).await {
            Ok(page) => {
                self.reading = Reading::Page(page.into());
                return Ok(());
            }
            Err(error) => error,
        };
        // One snapshot that the server cannot read makes the whole listing fail.
        if part.verbose() != Some(false)
            && is_of_one_snapshot(&error)
            && let Ok(names) = self.query.names(part).await
            && !names.is_empty()
        {
            self.reading = Reading::Singly(names);
            self.has_read_singly = true;
            return Ok(());
        }
        // Wildcards may match nothing as long as those of another part match something.
        if error.kind() == ErrorKind::SnapshotMissing && part.names_none() {
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
    /// Elasticsearch 7.10 adds running snapshots of other names to what it was asked for with `ignore_unavailable`.
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
        let (opening, cursor) = (self.opening, &cursor);
        self.session
            .call_decoding(&request, |response: Response| async move {
                let (limit, secrets) = (response.limit, response.secrets.clone());
                let mut elements = SnapshotElements::new(response.into_chunks(), part.unknown_fields());
                let read = match opening {
                    Opening::First => elements.next().await.map(|first| (first.is_none(), first.into_iter().collect())),
                    Opening::Whole => collect(&mut elements, limit, Some).await.map(|all| (true, all.into())),
                };
                match read {
                    Ok((has_ended, ready)) => Ok(Page { ready, elements, has_ended, cursor: cursor.clone(), secrets }),
                    Err(trouble) => Err(error_of(trouble, &secrets)),
                }
            })
            .await
    }

    /// The names in a part that have not been returned. The server lists them even if it cannot read the snapshots.
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
            Err(error) => return Ok(Some(Err((listed, error)))),
        };
        match self.session.find_snapshot(&self.repository, &name, false).await {
            Ok(snapshot) => Ok(Some(Ok(snapshot))),
            Err(error) if is_of_one_snapshot(&error) => {
                let is_there = self.session.look_up(&self.repository, &name, true).await?.is_some();
                let error = error.with_message(format!("the server cannot read snapshot {}", quoted(&listed)));
                Ok(is_there.then_some(Err((listed, error))))
            }
            Err(error) => Err(error),
        }
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
        let result = match select(pin!(self.elements.next()), session.clock().timeout(limit)).await {
            Either::Left((result, _)) => result.map_err(|trouble| error_of(trouble, &self.secrets)),
            Either::Right(((), _)) => {
                let text = format!("the next snapshot of the list did not arrive within {limit:?}");
                Err(Error::new(ErrorKind::Timeout, Outcome::Unknown, text))
            }
        };
        let next = result.map_err(|error| error.during(Operation::ListSnapshots, 1))?;
        self.has_ended = next.is_none();
        Ok(next)
    }

    /// What stands for the page after this one, which has been read to its end. Pages with nothing new could follow one another
    /// without end.
    fn cursor_of_next(&self) -> Result<Option<String>, Error> {
        let Some(next) = self.elements.next_page() else { return Ok(None) };
        if self.elements.count() == 0 || self.cursor.as_deref() == Some(next) {
            let text = "the server refers to another page although this one has nothing new";
            return Err(Error::new(ErrorKind::Decode, Outcome::Unknown, text).during(Operation::ListSnapshots, 1));
        }
        Ok(Some(next.to_owned()))
    }
}

/// Whether a listing may have failed at one snapshot whose own file is gone or broken.
fn is_of_one_snapshot(error: &Error) -> bool {
    let is_known = matches!(error.kind(), ErrorKind::SnapshotMissing | ErrorKind::Repository);
    is_known || error.server().is_some_and(|server| server.failure() == Failure::Other)
}
