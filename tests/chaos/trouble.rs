//! What a client is asked to do, and what goes wrong with it.

use es_snapshot::{Error, Outcome};

/// What the client under test is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Act {
    Register,
    GetRepository,
    ListRepositories,
    Verify,
    CleanUp,
    Unregister,
    Create,
    CreateUnmarked,
    Get,
    List,
    Status,
    Delete,
    DeleteQueued,
    DeleteMatching,
    Clone,
    Restore,
    RestoreAgain,
    WaitForSnapshot,
    WaitForRestore,
    WaitForDeletion,
}

impl Act {
    pub(crate) const ALL: [Self; 20] = [
        Self::Register,
        Self::GetRepository,
        Self::ListRepositories,
        Self::Verify,
        Self::CleanUp,
        Self::Unregister,
        Self::Create,
        Self::CreateUnmarked,
        Self::Get,
        Self::List,
        Self::Status,
        Self::Delete,
        Self::DeleteQueued,
        Self::DeleteMatching,
        Self::Clone,
        Self::Restore,
        Self::RestoreAgain,
        Self::WaitForSnapshot,
        Self::WaitForRestore,
        Self::WaitForDeletion,
    ];

    /// The method of the request that makes the change, or is polled.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Register | Self::Create | Self::CreateUnmarked | Self::Clone => "PUT",
            Self::Verify | Self::CleanUp | Self::Restore | Self::RestoreAgain => "POST",
            Self::Unregister | Self::Delete | Self::DeleteQueued | Self::DeleteMatching => "DELETE",
            _ => "GET",
        }
    }

    /// Whether the client may not simply repeat this.
    pub(crate) fn is_change(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::CreateUnmarked
                | Self::Delete
                | Self::DeleteQueued
                | Self::DeleteMatching
                | Self::Clone
                | Self::Restore
                | Self::RestoreAgain
        )
    }
}

/// What goes wrong with that request.
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
    /// The engine fails every time in the same way.
    Broken,
    /// The response is lost, and then the client may not read.
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

    /// Whether it makes sense for this act.
    pub(crate) fn concerns(self, act: Act) -> bool {
        act.is_change() || !matches!(self, Self::Broken | Self::Unreadable)
    }

    /// Whether a change that was not carried out may end with this error: the engine is broken, or
    /// a refusal came only in part.
    pub(crate) fn excuses(self, error: &Error) -> bool {
        let is_cut = matches!(self, Self::Truncate | Self::Trickle) && error.outcome() == Outcome::Rejected;
        is_cut || self == Self::Broken && error.outcome() != Outcome::Unknown
    }

    /// What the domain's log calls it; `None` if a refusal is what comes of it.
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
