//! Reads, registers and verifies, until it works or cannot work.

use std::error::Error as _;
use std::time::Duration;

use super::send::{check, register, send, unregister};
use super::{EnsureRegistered, Registered, RegistrationChange};
use crate::call::Session;
use crate::error::{Cause, Error, ErrorKind, Operation, Outcome, ServerLayer};
use crate::name::RepositoryName;
use crate::repository::{
    Difference, RegisterRepository, RepositoryInfo, RepositorySettings, VerifiedNodes, alternative, compare, stands_for,
};
use crate::request;

/// The first and the longest pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(super) async fn run(options: EnsureRegistered) -> Result<Registered, Error> {
    let (session, name) = (options.session.clone(), options.name.clone());
    let mut patience = Patience::new(&session, options.propagation);
    let before = begin(&options, &mut patience).await?;
    let mut flow = Flow::new(options, before.clone());
    let mut now = Ok(before);
    loop {
        let step = match now {
            Ok(now) => flow.step(now).await,
            Err(error) => Err(error),
        };
        let error = match step {
            Ok(registered) => return Ok(registered),
            Err(error) => error,
        };
        if let Err(error) = flow.turn_to_another_region(error)
            && let Err(error) = patience.outlast(error).await
        {
            return Err(flow.settle(error).await);
        }
        now = read(&session, &name).await;
    }
}

/// Returns what `run` would change.
pub(super) async fn plan(options: EnsureRegistered) -> Result<RegistrationChange, Error> {
    let mut patience = Patience::new(&options.session, options.propagation);
    let before = begin(&options, &mut patience).await?;
    let is_replaceable = before.as_ref().is_some_and(|before| !before.is_encrypted());
    let flow = Flow::new(options, before.clone());
    match flow.next(before) {
        Ok(Next::Verify(now)) if !flow.has_hidden(&now) => Ok(RegistrationChange::Unchanged),
        Ok(Next::Register) if !is_replaceable => Ok(RegistrationChange::Created),
        Err(error) if !is_replaceable => Err(error),
        _ => Ok(RegistrationChange::Replaced),
    }
}

/// Checks the settings, and reads the registration before the call.
async fn begin(options: &EnsureRegistered, patience: &mut Patience) -> Result<Option<RepositoryInfo>, Error> {
    let (name, settings) = (&options.name, options.registration.settings());
    check(&options.session, name, settings).map_err(|error| error.with_storage(name.as_str(), settings.storage()))?;
    loop {
        match read(&options.session, name).await {
            Ok(before) => return Ok(before),
            Err(error) => patience.outlast(error.before_sending()).await?,
        }
    }
}

/// Reads the registration. `None` if there is none.
async fn read(session: &Session, name: &RepositoryName) -> Result<Option<RepositoryInfo>, Error> {
    match session.find_repository(name).await {
        Err(error) if error.kind() == ErrorKind::RepositoryMissing => Ok(None),
        found => found.map(Some),
    }
}

/// Whether the failure passes by itself once a change has an effect everywhere.
fn passes(error: &Error) -> bool {
    matches!(
        error.diagnosis().map(|diagnosis| diagnosis.cause()),
        Some(
            Cause::PassRoleMissing
                | Cause::CallerNotAllowed
                | Cause::CallerNotMapped
                | Cause::RoleNotAssumable
                | Cause::StorageAccessDenied
                | Cause::KeyAccessDenied
                | Cause::NodesNotUpdated
        )
    )
}

/// When to try again, and when to stop.
struct Patience {
    session: Session,
    limit: Duration,
    deadline: Duration,
    pause: Duration,
}

impl Patience {
    fn new(session: &Session, limit: Duration) -> Self {
        let deadline = session.clock().monotonic().saturating_add(limit);
        Self { session: session.clone(), limit, deadline, pause: FIRST_PAUSE }
    }

    /// Pauses if the failure may pass. Returns it otherwise, or if the time is over.
    async fn outlast(&mut self, error: Error) -> Result<(), Error> {
        if self.limit.is_zero() || !passes(&error) {
            return Err(error);
        }
        let left = self.deadline.saturating_sub(self.session.clock().monotonic());
        if left.is_zero() {
            return Err(error.with_note(&format!("the failure has not passed within {:?}", self.limit)));
        }
        let pause = self.pause.min(left);
        let wait_ms = u64::try_from(pause.as_millis()).ok();
        tracing::info!(kind = ?error.kind(), wait_ms, "registering a repository again");
        self.session.clock().sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// What the call wants, and what it has done so far.
struct Flow {
    options: EnsureRegistered,
    /// What was registered before the call.
    before: Option<RepositoryInfo>,
    /// Whether the call may replace that.
    may_replace: bool,
    /// The settings to register: those of the caller, or an alternative.
    wanted: RepositorySettings,
    is_alternative: bool,
    /// Why the call has turned to an alternative.
    refusal: Option<Error>,
    /// The settings that the server may have received last.
    sent: Option<RepositorySettings>,
}

/// What to do with the current registration.
enum Next {
    Verify(RepositoryInfo),
    Register,
}

impl Flow {
    fn new(options: EnsureRegistered, before: Option<RepositoryInfo>) -> Self {
        let mut flow = Self {
            wanted: options.registration.settings().clone(),
            may_replace: before.as_ref().is_some_and(|before| options.permits(before)),
            options,
            before,
            is_alternative: false,
            refusal: None,
            sent: None,
        };
        let Some(before) = flow.before.as_ref().filter(|before| !before.is_encrypted()) else { return flow };
        flow.may_replace |= is_same(before, &flow.wanted);
        // Only a verification shows that the alternative reaches the same bucket.
        if !flow.may_replace && flow.options.registration.verify() && flow.differs_in_place_only(before.settings()) {
            flow.wanted = before.settings().clone();
            flow.is_alternative = true;
        }
        flow
    }

    fn region(&self) -> Option<&str> {
        self.options.session.core.authorizer.region()
    }

    /// Whether these settings are those of the caller, except that they reach the bucket otherwise.
    fn differs_in_place_only(&self, registered: &RepositorySettings) -> bool {
        let is_place = |one: &Difference| matches!(one.key.as_str(), "region" | "endpoint");
        compare(registered, &self.wanted).differences.iter().all(is_place)
            && stands_for(registered, &self.wanted, self.region())
    }

    /// Decides what to do with this registration, which may have changed since the last step.
    fn next(&self, now: Option<RepositoryInfo>) -> Result<Next, Error> {
        let Some(now) = now else { return Ok(Next::Register) };
        if is_same(&now, &self.wanted) {
            let renews_secrets = self.options.permits(&now) && self.has_hidden(&now);
            let was_sent = self.sent.is_some();
            Ok(if was_sent || renews_secrets { Next::Register } else { Next::Verify(now) })
        } else if self.sent.as_ref().is_some_and(|sent| is_same(&now, sent)) {
            Ok(Next::Register)
        } else if !self.is_before(&now) {
            Err(self.changed_by_another())
        } else if self.may_replace && !now.is_encrypted() {
            Ok(Next::Register)
        } else {
            Err(self.differs(&now))
        }
    }

    /// Whether the caller sets a secret that the server does not return.
    fn has_hidden(&self, now: &RepositoryInfo) -> bool {
        compare(now.settings(), &self.wanted).has_hidden
    }

    async fn step(&mut self, now: Option<RepositoryInfo>) -> Result<Registered, Error> {
        let (session, name) = (self.options.session.clone(), self.options.name.clone());
        let verify = self.options.registration.verify();
        if let Next::Verify(now) = self.next(now)? {
            if !verify {
                return Ok(self.registered(now));
            }
            let result = session.call::<VerifiedNodes>(&request::verify_repository(&name)).await;
            match result.map_err(|error| error.with_storage(name.as_str(), self.wanted.storage())) {
                Ok(_) => return Ok(self.registered(now)),
                // Registering again verifies too. It must not change a hidden secret.
                Err(error) if is_refused_in_front(&error) && !self.has_hidden(&now) => {}
                Err(error) => return Err(error),
            }
        }
        let registration = RegisterRepository::new(self.wanted.clone()).with_verify(verify);
        let result = register(&session, &name, &registration).await;
        if !matches!(&result, Err(error) if has_registered_nothing(error)) {
            self.sent = Some(self.wanted.clone());
        }
        result?;
        match read(&session, &name).await? {
            Some(now) if has_taken(&now, &self.wanted) => Ok(self.registered(now)),
            _ => Err(self.changed_by_another()),
        }
    }

    fn registered(&self, now: RepositoryInfo) -> Registered {
        let (change, previous) = match &self.before {
            _ if self.sent.is_none() => (RegistrationChange::Unchanged, None),
            None => (RegistrationChange::Created, None),
            Some(before) if is_same(&now, before.settings()) => (RegistrationChange::Unchanged, None),
            Some(before) => (RegistrationChange::Replaced, Some(before.clone())),
        };
        Registered { change, in_force: now, previous }
    }

    /// Turns to the alternative, once, if the storage has refused the Region or the endpoint.
    /// Returns the error otherwise.
    fn turn_to_another_region(&mut self, error: Error) -> Result<(), Error> {
        let cause = error.diagnosis().map(|diagnosis| diagnosis.cause()).filter(|_| !self.is_alternative);
        let bucket = error.region_of_bucket();
        let other = cause.and_then(|cause| alternative(cause, bucket.as_deref(), &self.wanted, self.region()));
        let Some(other) = other else { return Err(error) };
        tracing::info!("registering a repository in another Region");
        (self.wanted, self.is_alternative, self.refusal) = (other, true, Some(error));
        Ok(())
    }

    /// Rolls back if the caller wants that, and adds to the error what is registered now.
    async fn settle(mut self, mut error: Error) -> Error {
        if let (None, Some(refusal)) = (error.source(), self.refusal.take()) {
            error = error.with_source(refusal);
        }
        let (Some(sent), false) = (&self.sent, error.kind() == ErrorKind::RepositoryDiffers) else { return error };
        let late = if error.outcome() == Outcome::Unknown { ", but the request may still take effect" } else { "" };
        let note = match read(&self.options.session, &self.options.name).await {
            Err(failure) => format!("the repository may be registered, because it cannot be read: {failure}"),
            Ok(None) => format!("the repository is not registered{late}"),
            Ok(Some(now)) if self.is_before(&now) => format!("the repository is registered as before{late}"),
            Ok(Some(now)) if is_same(&now, sent) => self.leave_or_undo().await,
            Ok(Some(_)) => "another client has registered the repository with other settings".to_owned(),
        };
        error.with_note(&note)
    }

    /// Undoes the registration of this call, if the caller wants that. Returns what is registered.
    async fn leave_or_undo(&self) -> String {
        let EnsureRegistered { session, name, rollback, .. } = &self.options;
        match (&self.before, rollback) {
            (None, false) => {
                "the repository stays registered; `EnsureRegistered::with_rollback` unregisters it".to_owned()
            }
            (Some(_), false) => "the repository stays registered with the new settings; \
                                 `EnsureRegistered::with_rollback` restores the previous ones"
                .to_owned(),
            (None, true) => match unregister(session, name).await {
                Ok(()) => "the repository was unregistered again".to_owned(),
                Err(failure) => format!("the repository may stay registered, because this failed: {failure}"),
            },
            (Some(before), true) => {
                let previous = RegisterRepository::new(before.settings().clone()).with_verify(false);
                // Not checked: the server had accepted them.
                match send(session, name, &previous).await {
                    Ok(()) => "the previous settings of the repository were restored".to_owned(),
                    Err(failure) => {
                        format!(
                            "the new settings may stay registered, because restoring the previous ones failed: {failure}"
                        )
                    }
                }
            }
        }
    }

    fn is_before(&self, now: &RepositoryInfo) -> bool {
        self.before.as_ref().is_some_and(|before| {
            let differences = compare(now.settings(), before.settings()).differences;
            now.is_encrypted() == before.is_encrypted() && differences.is_empty()
        })
    }

    /// The error of a registration that the call may not replace.
    fn differs(&self, now: &RepositoryInfo) -> Error {
        /// How many settings the text names.
        const NAMED: usize = 5;
        let differences = compare(now.settings(), &self.wanted).differences;
        let mut parts: Vec<String> = differences.iter().take(NAMED).map(ToString::to_string).collect();
        if differences.len() > NAMED {
            parts.push(format!("and {} more", differences.len() - NAMED));
        }
        parts.push(if now.is_encrypted() {
            "it has `crypto_metadata`, which this call would remove; unregister it first".to_owned()
        } else {
            "`EnsureRegistered::with_overwrite` replaces all settings".to_owned()
        });
        self.refuse(Outcome::NotSent, format!("repository {:?}: {}", self.options.name.as_str(), parts.join("; ")))
    }

    fn changed_by_another(&self) -> Error {
        let outcome = if self.sent.is_some() { Outcome::Unknown } else { Outcome::NotSent };
        let text = format!("another client has changed the registration of {:?} meanwhile", self.options.name.as_str());
        self.refuse(outcome, text)
    }

    fn refuse(&self, outcome: Outcome, text: String) -> Error {
        let error = Error::new(ErrorKind::RepositoryDiffers, outcome, text).during(Operation::RegisterRepository, 0);
        error.with_storage(self.options.name.as_str(), self.wanted.storage())
    }
}

/// Whether these settings are registered, and nothing else.
pub(super) fn is_same(now: &RepositoryInfo, settings: &RepositorySettings) -> bool {
    !now.is_encrypted() && compare(now.settings(), settings).differences.is_empty()
}

/// Whether the server has taken over these settings. It may have added others of its own.
fn has_taken(now: &RepositoryInfo, settings: &RepositorySettings) -> bool {
    compare(now.settings(), settings).differences.iter().all(Difference::is_extra)
}

/// Whether the request has certainly registered nothing. The storage is used only after the
/// registration.
fn has_registered_nothing(error: &Error) -> bool {
    match error.outcome() {
        Outcome::NotSent => true,
        Outcome::Rejected => {
            let in_storage = matches!(error.kind(), ErrorKind::RepositoryVerification | ErrorKind::Repository);
            !in_storage && error.server().is_some_and(|server| server.status() < 500)
        }
        Outcome::Unknown => false,
    }
}

/// Whether Amazon's front end refused the request, so that the server did not receive it.
fn is_refused_in_front(error: &Error) -> bool {
    let is_in_front = error.server().is_some_and(|server| server.layer() == ServerLayer::Policy);
    is_in_front && matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied)
}
