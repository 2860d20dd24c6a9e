//! What a check shows: whose snapshot has the name, whether a snapshot is gone, and whether a
//! restore has happened.

use super::machine::Sighting;
use crate::restore::{
    EarlierRestores, Groundwork, Marks, Moment, RunningRestore, RunningRestores, ShardRecovery, ShardRow, Source,
    Targets, Tombstones, Trace,
};

/// What distinguishes the effect of this call on a snapshot from that of other clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The token in the snapshot's metadata. Certain: it is random, or chosen by the caller.
    Token(String),
    /// The name, which was free before the first send, on a snapshot without a token. Probable:
    /// another client may have taken it since. Start times do not help: the read before the first
    /// send would have found a snapshot that began earlier.
    WasFree,
    /// The uuid of the snapshot to delete. Certain, if the server reports uuids.
    Deletes(Option<String>),
}

/// The snapshot that a check found under the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    pub(crate) uuid: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

impl Evidence {
    /// Returns what it means that a check found this snapshot, or none, under the name.
    pub(crate) fn classify(&self, found: Option<Found<'_>>) -> Sighting {
        let ours = match (self, found) {
            (Self::Deletes(_), None) => return Sighting::Happened,
            (Self::Deletes(uuid), Some(found)) => {
                return match (uuid.as_deref(), found.uuid) {
                    (Some(wanted), Some(found)) if wanted == found => Sighting::Nothing,
                    // Another snapshot has the name, so the one to delete is gone.
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

/// What shows whether a restore by this call has happened.
#[derive(Debug)]
pub(crate) struct RestoreEvidence {
    source: Source,
    targets: Targets,
    /// The targets as they were before the first send. `None` if the cluster state cannot be read.
    before: Option<Marks>,
    /// The newest cluster state seen so far. Older ones are not used.
    newest: Moment,
    /// The deletions before the first send. `None` if they were not read.
    tombstones: Option<Tombstones>,
    earlier: EarlierRestores,
}

impl RestoreEvidence {
    pub(crate) fn new(
        source: Source,
        targets: Targets,
        before: Option<Marks>,
        tombstones: Option<Tombstones>,
        earlier: EarlierRestores,
    ) -> Self {
        let newest = before.as_ref().map(Marks::moment).unwrap_or_default();
        let cluster = before.as_ref().map(Marks::cluster_uuid).unwrap_or_default();
        let tombstones = tombstones.filter(|tombstones| tombstones.show(cluster, newest));
        Self { source, targets, before, newest, tombstones, earlier }
    }

    /// Returns what another process needs to start the restore. `None` if nothing could prove that
    /// the restore has not happened.
    pub(crate) fn into_groundwork(self, snapshot_uuid: Option<String>) -> Option<Groundwork> {
        if !self.can_prove_absence() {
            return None;
        }
        let Self { targets, before, tombstones, earlier, .. } = self;
        Some(Groundwork { snapshot_uuid, targets, marks: before?, tombstones, earlier })
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn targets(&self) -> &Targets {
        &self.targets
    }

    pub(crate) fn before(&self) -> Option<&Marks> {
        self.before.as_ref()
    }

    pub(crate) fn earlier(&self) -> &EarlierRestores {
        &self.earlier
    }

    /// Returns whether a check can prove that the request had no effect, so that it may be resent.
    pub(crate) fn can_prove_absence(&self) -> bool {
        self.before.is_some() && self.targets.are_exact() && (self.tombstones.is_some() || !self.needs_tombstones())
    }

    /// Compares the targets with those before the first send. `Unclear` means that the restore may
    /// have happened. [`attribute`](Self::attribute) then determines whether it was this call's.
    pub(crate) fn compare(&mut self, now: &Marks) -> Sighting {
        let Some(before) = &self.before else { return Sighting::Unseen };
        if !now.are_usable() {
            return Sighting::Blind;
        }
        // Versions of different clusters cannot be compared.
        if now.cluster_uuid() != before.cluster_uuid() {
            return Sighting::Unclear;
        }
        if now.moment() < self.newest {
            return Sighting::Blind;
        }
        match before.compare(now, &self.targets) {
            // A target that was absent may have been restored and deleted again.
            Trace::None { resend: true } if self.tombstones.is_none() && self.needs_tombstones() => Sighting::Unseen,
            Trace::None { resend: true } => Sighting::Nothing,
            Trace::None { resend: false } => Sighting::Barred,
            Trace::Some | Trace::AnotherCluster => Sighting::Unclear,
            Trace::Stale => Sighting::Blind,
        }
    }

    /// Records the version of a state that was compared. Older states are not used from then on.
    pub(crate) fn note(&mut self, now: &Marks) {
        self.newest = self.newest.max(now.moment());
    }

    /// Determines whether this call's restore changed the targets. It did if a running restore
    /// writes exactly the targets, into the indices that exist now. It also did if recoveries show
    /// one restore of exactly the targets that was not there before the first send.
    pub(crate) fn attribute(&self, now: &Marks, running: &RunningRestores, recoveries: &[ShardRecovery]) -> Sighting {
        let same_cluster = self.before.as_ref().is_some_and(|before| before.cluster_uuid() == now.cluster_uuid());
        let in_place = |restore: &RunningRestore| {
            let mut shards = restore.shards().iter();
            shards.all(|shard| now.get(shard.index()).is_none_or(|mark| mark.uuid() == shard.index_uuid()))
        };
        let runs = running.find(&self.source, &self.targets).is_some_and(in_place);
        let contradicted = recoveries.iter().any(|recovery| self.targets.are_contradicted_by(recovery));
        if same_cluster
            && !contradicted
            && (runs || self.earlier.is_new_restore(&self.source, &[], recoveries, &self.targets))
        {
            Sighting::Happened
        } else {
            Sighting::Unclear
        }
    }

    /// Returns what rows and recoveries show of the restore, for a domain whose cluster state
    /// cannot be read.
    pub(crate) fn shards_show(&self, source: &Source, rows: &[ShardRow], recoveries: &[ShardRecovery]) -> Sighting {
        if self.earlier.is_new_restore(source, rows, recoveries, &self.targets) {
            Sighting::Happened
        } else {
            Sighting::Unseen
        }
    }

    /// Returns `Nothing` if no target can have been restored and deleted since the first send.
    pub(crate) fn compare_tombstones(&self, now: &Tombstones) -> Sighting {
        let cluster = self.before.as_ref().map(Marks::cluster_uuid).unwrap_or_default();
        if !now.show(cluster, self.newest) {
            return Sighting::Blind;
        }
        match &self.tombstones {
            Some(before) if !before.deletion_possible(now, &self.targets) => Sighting::Nothing,
            _ => Sighting::Unclear,
        }
    }

    /// Returns whether a target did not exist before the first send, so that it may have been
    /// restored and deleted since.
    pub(crate) fn needs_tombstones(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.absent(&self.targets).next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn detects_a_deletion_without_uuids_only_when_no_snapshot_has_the_name() {
        let with = |uuid| Some(Found { uuid, ..Found::default() });
        let (known, unknown) = (Evidence::Deletes(Some("ours".to_owned())), Evidence::Deletes(None));

        assert_eq!(known.classify(with(None)), Sighting::Blind);
        assert_eq!(unknown.classify(with(None)), Sighting::Blind);
        assert_eq!(unknown.classify(with(Some("another"))), Sighting::Blind);
        assert_eq!(unknown.classify(None), Sighting::Happened);
    }

    #[test]
    fn classifies_a_snapshot_without_the_calls_token_as_foreign() {
        let evidence = Evidence::Token("ours".to_owned());
        for token in [None, Some("theirs")] {
            assert_eq!(evidence.classify(Some(Found { token, ..Found::default() })), Sighting::Foreign);
        }
    }

    #[test]
    fn adopts_a_snapshot_under_a_name_that_was_free_unless_it_carries_a_token() {
        for (token, sighting) in [(None, Sighting::Happened), (Some("theirs"), Sighting::Foreign)] {
            assert_eq!(Evidence::WasFree.classify(Some(Found { token, ..Found::default() })), sighting);
        }
    }

    /// The cluster state of that version, with the closed index `a`.
    fn marks(version: i64) -> Marks {
        let index = json!({
            "state": "close", "settings": {"index": {"uuid": "u"}},
            "mapping_version": 1, "settings_version": 1, "aliases_version": 1,
        });
        serde_json::from_value(json!({"version": version, "metadata": {"cluster_uuid": "c", "indices": {"a": index}}}))
            .unwrap()
    }

    #[test]
    fn a_state_that_is_older_than_one_seen_before_shows_the_past() {
        let source = Source::new("r".parse().unwrap(), "s".parse().unwrap());
        let earlier = EarlierRestores::new(&source, None, &[]);
        let targets = Targets::exactly(["a".to_owned()]);
        let mut evidence = RestoreEvidence::new(source, targets, Some(marks(1)), None, earlier);
        evidence.note(&marks(3));

        let sightings = [2, 3, 4].map(|version| evidence.compare(&marks(version)));

        assert_eq!(sightings, [Sighting::Blind, Sighting::Nothing, Sighting::Nothing]);
    }
}
