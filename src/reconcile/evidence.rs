//! What a check means: whose snapshot stands under the name, or whether one is gone.

use super::machine::Sighting;

/// What an operation of ours would leave behind, to tell it from other clients' doings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The token in the snapshot's metadata. Certain: it is random, or the caller's own.
    Token(String),
    /// The name itself, which was free before, on a snapshot that carries no token. Probable: another client may have taken
    /// it meanwhile. The clocks are no help: one that begins earlier would have been found.
    WasFree,
    /// The uuid of the snapshot that is to be deleted. Certain, if the domain tells uuids.
    Deletes(Option<String>),
}

/// The snapshot that a look found under the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) uuid: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

impl Evidence {
    /// What it means that this was found under the name, or nothing.
    pub(crate) fn judge(&self, found: Option<Found<'_>>) -> Sighting {
        let ours = match (self, found) {
            // It is gone, whatever has its name now.
            (Self::Deletes(_), None) => return Sighting::Happened,
            (Self::Deletes(uuid), Some(found)) => {
                return match (uuid.as_deref(), found.uuid) {
                    (Some(wanted), Some(found)) if wanted == found => Sighting::Nothing,
                    (Some(_), Some(_)) => Sighting::Happened,
                    _ => Sighting::Blind,
                };
            }
            (_, None) => return Sighting::Nothing,
            (Self::Token(token), Some(found)) => found.token == Some(token),
            (Self::WasFree, Some(found)) => found.token.is_none(),
        };
        if ours { Sighting::Happened } else { Sighting::Foreign }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_uuids_a_deletion_is_seen_only_by_the_snapshots_absence() {
        let with = |uuid| Some(Found { uuid, ..Found::default() });
        let (known, unknown) = (Evidence::Deletes(Some("ours".to_owned())), Evidence::Deletes(None));

        assert_eq!(known.judge(with(None)), Sighting::Blind);
        assert_eq!(unknown.judge(with(None)), Sighting::Blind);
        assert_eq!(unknown.judge(with(Some("another"))), Sighting::Blind);
        assert_eq!(unknown.judge(None), Sighting::Happened);
    }

    #[test]
    fn a_snapshot_without_our_token_is_anothers() {
        let evidence = Evidence::Token("ours".to_owned());
        for token in [None, Some("theirs")] {
            assert_eq!(evidence.judge(Some(Found { token, ..Found::default() })), Sighting::Foreign);
        }
    }

    #[test]
    fn a_snapshot_under_a_name_that_was_free_is_ours_unless_it_carries_a_token() {
        for (token, sighting) in [(None, Sighting::Happened), (Some("theirs"), Sighting::Foreign)] {
            assert_eq!(Evidence::WasFree.judge(Some(Found { token, ..Found::default() })), sighting);
        }
    }
}
