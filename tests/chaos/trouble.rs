//! The calls that the client under test makes, and what goes wrong with them.

use es_snapshot::{Error, Outcome};

/// A call of the client under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Call {
    Register,
    GetRepository,
    ListRepositories,
    Verify,
    CleanUp,
    Unregister,
    Create,
    CreateWithoutToken,
    Get,
    List,
    Status,
    Delete,
    DeleteQueued,
    DeleteMatching,
    Clone,
    Restore,
    RestoreOverClosed,
    WaitForSnapshot,
    WaitForRestore,
    WaitForDeletion,
}

impl Call {
    pub(crate) const ALL: [Self; 20] = [
        Self::Register,
        Self::GetRepository,
        Self::ListRepositories,
        Self::Verify,
        Self::CleanUp,
        Self::Unregister,
        Self::Create,
        Self::CreateWithoutToken,
        Self::Get,
        Self::List,
        Self::Status,
        Self::Delete,
        Self::DeleteQueued,
        Self::DeleteMatching,
        Self::Clone,
        Self::Restore,
        Self::RestoreOverClosed,
        Self::WaitForSnapshot,
        Self::WaitForRestore,
        Self::WaitForDeletion,
    ];

    /// Returns the method of the request that makes the change, or that a wait repeats.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Register | Self::Create | Self::CreateWithoutToken | Self::Clone => "PUT",
            Self::Verify | Self::CleanUp | Self::Restore | Self::RestoreOverClosed => "POST",
            Self::Unregister | Self::Delete | Self::DeleteQueued | Self::DeleteMatching => "DELETE",
            _ => "GET",
        }
    }

    /// Returns whether the client must investigate a lost response before it resends this call.
    pub(crate) fn is_change(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::CreateWithoutToken
                | Self::Delete
                | Self::DeleteQueued
                | Self::DeleteMatching
                | Self::Clone
                | Self::Restore
                | Self::RestoreOverClosed
        )
    }
}

/// What goes wrong with the request of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Trouble {
    None,
    DropBefore,
    DropAfter,
    StatusAfter,
    Truncate,
    Garbage,
    Delay,
    Trickle,
    ExpiredToken,
    Skew,
    Throttled,
    Late,
    Restart,
    /// The server always reports the same failure.
    Broken,
    /// The response is lost, and after that the client may not read.
    Unreadable,
}

impl Trouble {
    pub(crate) const ALL: [Self; 15] = [
        Self::None,
        Self::DropBefore,
        Self::DropAfter,
        Self::StatusAfter,
        Self::Truncate,
        Self::Garbage,
        Self::Delay,
        Self::Trickle,
        Self::ExpiredToken,
        Self::Skew,
        Self::Throttled,
        Self::Late,
        Self::Restart,
        Self::Broken,
        Self::Unreadable,
    ];

    /// Returns whether this trouble makes sense for this call.
    pub(crate) fn applies_to(self, call: Call) -> bool {
        call.is_change() || !matches!(self, Self::Broken | Self::Unreadable)
    }

    /// Returns whether a change that was not carried out may end with this error: the server fails,
    /// or a refusal was truncated.
    pub(crate) fn explains(self, error: &Error) -> bool {
        let is_cut = matches!(self, Self::Truncate | Self::Trickle) && error.outcome() == Outcome::Rejected;
        is_cut || self == Self::Broken && error.outcome() != Outcome::Unknown
    }

    /// Returns the name in the log of the domain, or `None` if the domain refuses the request.
    pub(crate) fn fault(self) -> Option<&'static str> {
        match self {
            Self::None | Self::ExpiredToken | Self::Skew => None,
            Self::DropBefore => Some("drop_before"),
            Self::DropAfter | Self::Unreadable => Some("drop_after"),
            Self::StatusAfter => Some("status_after"),
            Self::Truncate => Some("truncate"),
            Self::Garbage | Self::Throttled | Self::Broken => Some("status"),
            Self::Delay => Some("delay"),
            Self::Trickle => Some("trickle"),
            Self::Late => Some("late"),
            Self::Restart => Some("restart"),
        }
    }
}
