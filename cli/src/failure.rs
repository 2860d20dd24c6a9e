//! Why a command has failed, and the lines that explain it.

use std::io;

use es_snapshot::{Error, ErrorKind, Outcome};

use crate::exit::Exit;
use crate::resume::Resume;
use crate::words::in_flags;

/// The failure of a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A call has failed, or its result is incomplete.
    Call(Exit, Error),
    /// The program itself stops, with this exit code and text.
    Stopped(Exit, String),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Stopped(Exit::Usage, text.into())
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Stopped(Exit::Refused, text.into())
    }

    pub(crate) fn partly(text: impl Into<String>) -> Self {
        Self::Stopped(Exit::Partly, text.into())
    }

    /// Returns the failure of a wait for what the command has started: unless the wait has shown
    /// its end, it goes on.
    pub(crate) fn of_wait(self) -> Self {
        match self {
            Self::Call(Exit::Failed | Exit::Denied | Exit::Unknown, error) => Self::Call(Exit::Ongoing, error),
            // Right after its start, the operation may not be visible yet.
            Self::Call(Exit::NotFound, error) if error.kind() == ErrorKind::Deadline => {
                Self::Call(Exit::Ongoing, error)
            }
            failure => failure,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Call(exit, _) | Self::Stopped(exit, _) => *exit,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Returns the lines for standard error: symptom, cause and remedy. Empty if the reader of
    /// standard output has gone, because that is its own choice.
    pub(crate) fn lines(&self, debug: bool, resume: &Resume) -> Vec<String> {
        match self {
            Self::Stopped(_, text) => vec![format!("error: {text}")],
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Vec::new(),
            Self::Output(error) => vec![format!("error: standard output cannot be written: {error}")],
            Self::Call(_, error) => {
                let mut lines = explained(error);
                if debug && error.diagnosis().is_some() {
                    lines.extend(error.report().lines().map(in_flags));
                }
                // What does not exist cannot be awaited.
                if let Some(ticket) = error.ticket().filter(|_| !error.is_not_found()) {
                    let is_unknown = error.outcome() == Outcome::Unknown && error.kind() != ErrorKind::Deadline;
                    let command = if is_unknown { resume.exact(ticket) } else { resume.command(ticket) };
                    lines.push(format!("resume: {command}"));
                }
                lines
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(Exit::of(&error), error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Returns symptom, cause and remedy. If they are not known, returns the error and its causes.
fn explained(error: &Error) -> Vec<String> {
    if let Some(diagnosis) = error.diagnosis() {
        vec![
            format!("error: {}. {}", in_flags(diagnosis.symptom()), in_flags(diagnosis.impact())),
            format!("cause: {}", in_flags(diagnosis.explanation())),
            format!("remedy: {}", in_flags(diagnosis.action())),
        ]
    } else {
        let report = error.report();
        let mut lines = report.lines().map(in_flags);
        let first = lines.next().map(|line| format!("error: {line}"));
        first.into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(failure: &Failure) -> Vec<String> {
        failure.lines(false, &Resume::default())
    }

    #[test]
    fn an_error_without_a_diagnosis_shows_its_text_and_its_causes() {
        let error = "Not Lower".parse::<es_snapshot::name::SnapshotName>().unwrap_err();

        let lines = lines(&error.into());

        assert_eq!(lines, [r#"error: invalid input: the snapshot name "Not Lower" must not contain white space"#]);
    }

    #[test]
    fn a_closed_pipe_is_not_reported() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));

        assert!(lines(&failure).is_empty());
    }
}
