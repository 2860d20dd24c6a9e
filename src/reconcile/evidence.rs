//! What a check means: whose snapshot stands under the name, whether one is gone, whether a restore
//! has happened.

use super::machine::Sighting;
use crate::restore::{
    EarlierRestores, Groundwork, Marks, Moment, RunningRestore, RunningRestores, ShardRecovery, ShardRow, Source,
    Targets, Tombstones, Trace,
};

/// What an operation of ours would leave behind, to tell it from other clients' doings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The token in the snapshot's metadata. Certain: it is random, or the caller's own.
    Token(String),
    /// The name itself, which was free before, on a snapshot that carries no token. Probable:
    /// another client may have taken it meanwhile. The clocks are no help: one that begins
    /// earlier would have been found.
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
    pub(crate) fn classify(&self, found: Option<Found<'_>>) -> Sighting {
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

/// What shows whether a restore of ours has happened.
#[derive(Debug)]
pub(crate) struct RestoreEvidence {
    source: Source,
    targets: Targets,
    /// The targets as they were before the first send; `None` where the cluster state may not be
    /// read.
    before: Option<Marks>,
    /// The newest moment of the cluster state that was seen. What is older shows the past.
    newest: Moment,
    /// The deletions before the first send; `None` where they were not read.
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

    /// What another process needs to go on with; `None` if nothing could ever prove that the
    /// restore has not happened.
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

    /// Whether the request may be sent again at all, if nothing came of it.
    pub(crate) fn can_prove_absence(&self) -> bool {
        self.before.is_some() && self.targets.are_exact() && (self.tombstones.is_some() || !self.needs_tombstones())
    }

    /// What the targets' marks show now, for the whole restore. `Unclear` means that the restore
    /// may have happened: who did it is for [`attribute`](Self::attribute) to say.
    pub(crate) fn compare(&mut self, now: &Marks) -> Sighting {
        let Some(before) = &self.before else { return Sighting::Unseen };
        if !now.are_usable() {
            return Sighting::Blind;
        }
        // Another cluster counts its versions by itself.
        if now.cluster_uuid() != before.cluster_uuid() {
            return Sighting::Unclear;
        }
        if now.moment() < self.newest {
            return Sighting::Blind;
        }
        match before.compare(now, &self.targets) {
            // A target that was absent may have come and gone.
            Trace::None { resend: true } if self.tombstones.is_none() && self.needs_tombstones() => Sighting::Unseen,
            Trace::None { resend: true } => Sighting::Nothing,
            Trace::None { resend: false } => Sighting::Barred,
            Trace::Some | Trace::AnotherCluster => Sighting::Unclear,
            Trace::Stale => Sighting::Blind,
        }
    }

    /// Notes the moment of a state that was compared: older ones show the past from now on.
    pub(crate) fn note(&mut self, now: &Marks) {
        self.newest = self.newest.max(now.moment());
    }

    /// Whether the restore that changed the targets is ours: one that runs and writes exactly them,
    /// into the indices that are there now; or one that has left its recoveries, and left none
    /// before the first send.
    pub(crate) fn attribute(&self, now: &Marks, running: &RunningRestores, recoveries: &[ShardRecovery]) -> Sighting {
        let same_cluster = self.before.as_ref().is_some_and(|before| before.cluster_uuid() == now.cluster_uuid());
        let in_place = |restore: &RunningRestore| {
            let mut shards = restore.shards().iter();
            shards.all(|shard| now.get(shard.index()).is_none_or(|mark| mark.uuid() == shard.index_uuid()))
        };
        let runs = running.find(&self.source, &self.targets).is_some_and(in_place);
        let contradicted = recoveries.iter().any(|recovery| self.targets.contradict(recovery));
        if same_cluster
            && !contradicted
            && (runs || self.earlier.are_outdone(&self.source, &[], recoveries, &self.targets))
        {
            Sighting::Happened
        } else {
            Sighting::Unclear
        }
    }

    /// What is seen of the restore where only shards show it.
    pub(crate) fn shards_show(&self, source: &Source, rows: &[ShardRow], recoveries: &[ShardRecovery]) -> Sighting {
        if self.earlier.are_outdone(source, rows, recoveries, &self.targets) {
            Sighting::Happened
        } else {
            Sighting::Unseen
        }
    }

    /// Whether no target can have come and gone since the first send.
    pub(crate) fn compare_tombstones(&self, now: &Tombstones) -> Sighting {
        let cluster = self.before.as_ref().map(Marks::cluster_uuid).unwrap_or_default();
        if !now.show(cluster, self.newest) {
            return Sighting::Blind;
        }
        match &self.tombstones {
            Some(before) if !before.hide_a_target(now, &self.targets) => Sighting::Nothing,
            _ => Sighting::Unclear,
        }
    }

    /// Whether a target did not exist before the first send, so that it may have come and gone.
    pub(crate) fn needs_tombstones(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.absent(&self.targets).next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_uuids_a_deletion_is_seen_only_by_the_snapshots_absence() {
        let with = |uuid| Some(Found { uuid, ..Found::default() });
        let (known, unknown) = (Evidence::Deletes(Some("ours".to_owned())), Evidence::Deletes(None));

        assert_eq!(known.classify(with(None)), Sighting::Blind);
        assert_eq!(unknown.classify(with(None)), Sighting::Blind);
        assert_eq!(unknown.classify(with(Some("another"))), Sighting::Blind);
        assert_eq!(unknown.classify(None), Sighting::Happened);
    }

    #[test]
    fn a_snapshot_without_our_token_is_anothers() {
        let evidence = Evidence::Token("ours".to_owned());
        for token in [None, Some("theirs")] {
            assert_eq!(evidence.classify(Some(Found { token, ..Found::default() })), Sighting::Foreign);
        }
    }

    #[test]
    fn a_snapshot_under_a_name_that_was_free_is_ours_unless_it_carries_a_token() {
        for (token, sighting) in [(None, Sighting::Happened), (Some("theirs"), Sighting::Foreign)] {
            assert_eq!(Evidence::WasFree.classify(Some(Found { token, ..Found::default() })), sighting);
        }
    }
}
