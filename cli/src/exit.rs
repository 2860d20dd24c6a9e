//! Exit codes, so that scripts can decide without reading texts.

use std::fmt::Write as _;
use std::process::ExitCode;

use es_snapshot::error::Operation;
use es_snapshot::{Error, ErrorKind, Outcome};

/// How a command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Partly = 3,
    Unknown = 4,
    Refused = 5,
    NotFound = 6,
    Denied = 7,
    Ongoing = 8,
    Interrupted = 130,
}

const MEANINGS: [(Exit, &str); 10] = [
    (Exit::Done, "done"),
    (Exit::Failed, "failed, and nothing below describes it better"),
    (Exit::Usage, "a flag, a name or the configuration is not valid; nothing was sent"),
    (Exit::Partly, "partly done: the snapshot is PARTIAL, or a part is missing; for doctor: a warning"),
    (Exit::Unknown, "the outcome is unknown: the change may have been made"),
    (Exit::Refused, "refused by a guard: not confirmed, or not what was shown or listed"),
    (Exit::NotFound, "the repository, snapshot or index does not exist"),
    (Exit::Denied, "denied: the credentials, the signature or a permission"),
    (Exit::Ongoing, "another operation is running, or the deadline passed and the work goes on"),
    (Exit::Interrupted, "interrupted by Ctrl-C; the work goes on"),
];

/// Returns the table of exit codes, for the help.
pub(crate) fn table() -> String {
    MEANINGS.iter().fold("Exit codes:".to_owned(), |mut table, (exit, meaning)| {
        let _ = write!(table, "\n  {:>3}  {meaning}", *exit as u8);
        table
    })
}

impl Exit {
    /// Returns the exit code for the error of a call.
    pub(crate) fn of(error: &Error) -> Self {
        if error.kind() != ErrorKind::Deadline && error.outcome() == Outcome::Unknown && changes(error) {
            return Self::Unknown;
        }
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::MissingRoleArn => Self::Usage,
            ErrorKind::Incomplete => Self::Partly,
            ErrorKind::RepositoryDiffers => Self::Refused,
            ErrorKind::RepositoryMissing | ErrorKind::SnapshotMissing | ErrorKind::IndexMissing => Self::NotFound,
            ErrorKind::AccessDenied
            | ErrorKind::ClockSkew
            | ErrorKind::Credentials
            | ErrorKind::ExpiredToken
            | ErrorKind::NotAllowed
            | ErrorKind::Signature
            | ErrorKind::Unauthenticated => Self::Denied,
            ErrorKind::Busy | ErrorKind::Deadline => Self::Ongoing,
            _ => Self::Failed,
        }
    }
}

/// Returns whether the failed call would have changed the domain.
fn changes(error: &Error) -> bool {
    matches!(
        error.operation(),
        Some(
            Operation::RegisterRepository
                | Operation::UnregisterRepository
                | Operation::CleanUpRepository
                | Operation::CreateSnapshot
                | Operation::CloneSnapshot
                | Operation::RestoreSnapshot
                | Operation::DeleteSnapshot
        )
    )
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_each_code_once_and_in_order() {
        let codes: Vec<u8> = MEANINGS.iter().map(|(exit, _)| *exit as u8).collect();

        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
    }

    #[test]
    fn refused_input_is_a_usage_error() {
        let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();

        assert_eq!(Exit::of(&error), Exit::Usage);
    }
}
