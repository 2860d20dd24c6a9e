//! The checks of repositories: pure functions of what was read.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use super::domain::because_of;
use super::facts::{Ended, Examined, Facts, Listing, Reads, Repositories, SINGLES, Verification, is_read_only};
use super::text::{count, list, shown, span};
use super::{Check, CheckId, Examination};
use crate::error::ErrorKind;
use crate::name::RepositoryName;
use crate::region::{is_served_globally, s3_host};
use crate::repository::{GLOBAL_S3, RepositoryInfo, RepositorySettings, S3Settings, without_last_slash};

/// The checks that are made for each repository.
const EACH: [CheckId; 4] =
    [CheckId::RepositorySettings, CheckId::SnapshotList, CheckId::Verification, CheckId::NewestSnapshot];

/// Returns the checks of all repositories together, and then those of each.
pub(super) fn checks(facts: &Facts, examination: &Examination) -> Vec<Check> {
    let wanted = examination.repository.as_ref().map(RepositoryName::as_str);
    let failed = facts.reads.as_ref().err().copied().unwrap_or(CheckId::Repositories);
    let skipped = |id| Check::skipped(id, because_of(failed));
    let (mut checks, examined) = match &facts.reads {
        Ok(Reads { repositories: Ok(found), .. }) => {
            (vec![shared_storage(found, wanted, facts.region.is_some()), running(found)], found.examined.as_slice())
        }
        _ => (vec![skipped(CheckId::SharedStorage), skipped(CheckId::RunningSnapshots)], [].as_slice()),
    };
    checks.extend(examined.iter().flat_map(|examined| each(examined, facts, examination)));
    if let Some(name) = wanted.filter(|_| examined.is_empty()) {
        checks.extend(EACH.map(|id| skipped(id).of_repository(name)));
    }
    checks
}

fn each(examined: &Examined, facts: &Facts, examination: &Examination) -> [Check; 4] {
    let name = examined.info.name();
    let checks = [
        settings(examined, facts.region.as_deref()),
        snapshot_list(examined),
        verification(&examined.verification),
        newest_snapshot(examined, facts.now, examination),
    ];
    checks.map(|check| check.of_repository(name))
}

/// Where a repository stores its files: the kind of storage, the bucket or folder, and the path.
type Place = [String; 3];

fn place(settings: &RepositorySettings) -> Option<Place> {
    match settings {
        RepositorySettings::S3(s3) => {
            let host = s3.endpoint_host().unwrap_or_default();
            let store = if host.contains(".amazonaws.com") { "" } else { host };
            // A self-managed cluster can define clients for different stores.
            let client = s3.other().get("client").and_then(Value::as_str).unwrap_or("default");
            let path = without_last_slash(s3.base_path().unwrap_or_default());
            Some([format!("s3 {store} {client}"), s3.bucket()?.to_owned(), path.to_owned()])
        }
        RepositorySettings::Fs(fs) => {
            Some(["fs".to_owned(), fs.location()?.trim_end_matches('/').to_owned(), String::new()])
        }
        RepositorySettings::Url(_) | RepositorySettings::Other(_) => None,
    }
}

fn shared_storage(found: &Repositories, wanted: Option<&str>, is_amazon: bool) -> Check {
    let id = CheckId::SharedStorage;
    let own = found.all.iter().filter(|info| !is_read_only(info.settings()));
    let own = own.filter(|info| !(is_amazon && info.name().starts_with("cs-")));
    let (mut writers, mut unknown): (BTreeMap<Place, Vec<&str>>, Vec<&str>) = Default::default();
    for info in own {
        match place(info.settings()) {
            Some(place) => writers.entry(place).or_default().push(info.name()),
            None => unknown.push(info.name()),
        }
    }
    let is_shared = |names: &&Vec<&str>| names.len() > 1 && wanted.is_none_or(|wanted| names.contains(&wanted));
    let shared: Vec<String> =
        writers.values().filter(is_shared).take(3).map(|names| list(names.iter().copied())).collect();
    if shared.is_empty() {
        let not_compared = match unknown.as_slice() {
            [] => String::new(),
            names => format!(". Not compared, because only `s3` and `fs` are: {}", list(names.iter().copied())),
        };
        return Check::pass(id, format!("No two writable repositories have the same storage{not_compared}"));
    }
    let evidence =
        format!("These repositories write to the same bucket and base path or folder: {}", shared.join("; "));
    let remedy = "Register all but one of them with `readonly`, or give each another `base_path`: two writers damage \
                  the repository";
    Check::fail(id, evidence, remedy)
}

fn running(found: &Repositories) -> Check {
    let id = CheckId::RunningSnapshots;
    let running = match &found.running {
        Err(failure) => return Check::of_error(id, failure),
        Ok(running) if running.is_empty() => return Check::pass(id, "No snapshot is running"),
        Ok(running) => running,
    };
    let names: Vec<String> = running
        .iter()
        .map(|one| match &one.repository {
            Some(repository) => format!("{repository}:{}", one.name),
            None => one.name.clone(),
        })
        .collect();
    let evidence = format!("{}: {}", count(names.len() as u64, "running snapshot"), list(names.iter().map(|n| &**n)));
    let remedy = "Wait until it has ended, for example with `SnapshotClient::resume`: until then, the server refuses \
                  some operations, and a version upgrade does not start";
    Check::warn(id, evidence, remedy)
}

fn settings(examined: &Examined, region: Option<&str>) -> Check {
    let id = CheckId::RepositorySettings;
    if examined.is_amazons {
        return Check::skipped(id, "The repository belongs to the Amazon service");
    }
    let settings = examined.info.settings();
    let (evidence, remedies): (Vec<String>, Vec<String>) = problems(settings, region).into_iter().unzip();
    if evidence.is_empty() {
        return Check::pass(id, described(&examined.info));
    }
    Check::warn(id, evidence.join("; "), remedies.join("; "))
}

/// Returns what does not make sense in the settings, each with its remedy.
fn problems(settings: &RepositorySettings, region: Option<&str>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Err(why) = settings.validate() {
        found.push((why.to_string(), "Register the repository again with other settings".to_owned()));
    }
    if let Some(key) = settings.secret() {
        let remedy = "Register the repository again without it, and use a role or the keystore of the nodes: everyone \
                      who may list repositories can read the settings";
        found.push((format!("The setting {} may be a secret", shown(&key)), remedy.to_owned()));
    }
    if let Some(region) = region {
        match settings {
            RepositorySettings::S3(s3) => found.extend(problems_on_amazon(s3, region)),
            other => found.push((
                format!("The repository has the type {}", shown(other.repository_type())),
                "Use the type `s3`, the only one that Amazon domains support".to_owned(),
            )),
        }
    }
    found
}

fn problems_on_amazon(s3: &S3Settings, region: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if s3.role_arn().is_none() {
        let remedy = "Register the repository again with `S3Settings::with_role_arn`, so that the domain can reach the \
                      bucket";
        found.push(("The repository has no `role_arn`".to_owned(), remedy.to_owned()));
    }
    match (s3.region(), s3.endpoint_host()) {
        (Some(own), None) if own != region => {
            let other = if is_served_globally(own) {
                format!("with `S3Settings::with_endpoint(\"{GLOBAL_S3}\")` instead of a Region")
            } else {
                format!("with that Region and `S3Settings::with_endpoint(\"{}\")`", s3_host(own))
            };
            let remedy = format!("If the bucket is in {}, register the repository again {other}", shown(own));
            found.push((
                format!("The setting `region` is {}, and the domain is in {}", shown(own), shown(region)),
                remedy,
            ));
        }
        (Some(_), Some(GLOBAL_S3)) => found.push((
            format!("The settings contain `region` and also the `endpoint` \"{GLOBAL_S3}\", which replaces it"),
            "Register the repository again with only one of them".to_owned(),
        )),
        _ => {}
    }
    found
}

/// Describes a repository without secrets.
fn described(info: &RepositoryInfo) -> String {
    let settings = info.settings();
    let mode = if is_read_only(settings) { "Read-only" } else { "Writable" };
    let Some(storage) = settings.storage() else {
        return format!("{mode}, of the type {}", shown(settings.repository_type()));
    };
    let parts = [("bucket", storage.bucket), ("base path", storage.base_path), ("Region", storage.region)];
    let known = parts.into_iter().filter_map(|(what, value)| Some(format!("{what} {}", shown(&value?))));
    format!("{mode}, in S3: {}", known.collect::<Vec<_>>().join(", "))
}

fn snapshot_list(examined: &Examined) -> Check {
    let id = CheckId::SnapshotList;
    let advice = "unregister the repository if nobody uses it: it can block a version upgrade of the domain";
    match &examined.listing {
        Err(failure) => Check::of_error(id, failure).with_advice(advice),
        Ok(Listing { failure: Some(failure), unreadable, readable, .. }) => {
            let is_cut = *readable + *unreadable >= SINGLES as u64;
            let among = if is_cut { format!(", of the last {SINGLES} by name") } else { String::new() };
            let evidence = format!(
                "{} can be read, and {unreadable} cannot{among}; the server cannot list all together: {failure}",
                count(*readable, "snapshot")
            );
            let remedy = failure.diagnosis().map_or_else(
                || {
                    "Read a snapshot that cannot be read again later, and on a server of the version that wrote it; \
                     delete it only if its files are gone"
                        .to_owned()
                },
                |diagnosis| diagnosis.action().to_owned(),
            );
            Check::fail(id, evidence, remedy).with_advice("others can still be restored")
        }
        Ok(listing) => Check::pass(id, format!("{} can be listed", count(listing.readable, "snapshot"))),
    }
}

fn verification(verification: &Verification) -> Check {
    let id = CheckId::Verification;
    match verification {
        Verification::Made(Ok(nodes)) => {
            Check::pass(id, format!("The repository was verified by {}", count(*nodes, "node")))
        }
        Verification::Made(Err(failure))
            if matches!(failure.kind(), ErrorKind::NotAllowed | ErrorKind::AccessDenied) =>
        {
            Check::skipped(id, format!("The domain refuses to verify the repository ({failure})"))
        }
        Verification::Made(Err(failure)) => Check::of_error(id, failure),
        Verification::TurnedOff => Check::skipped(id, "Verification is turned off"),
        Verification::ReadOnly => Check::skipped(id, "The domain does not write to the repository"),
        Verification::Unlistable => Check::skipped(id, because_of(CheckId::SnapshotList)),
    }
}

fn newest_snapshot(examined: &Examined, now: SystemTime, examination: &Examination) -> Check {
    let id = CheckId::NewestSnapshot;
    let listing = match &examined.listing {
        Ok(listing) if listing.failure.is_none() => listing,
        _ => return Check::skipped(id, because_of(CheckId::SnapshotList)),
    };
    let age = |ended: &Ended| {
        let [start, end] = ended.times;
        end.or(start).map(|time| now.duration_since(time).unwrap_or_default())
    };
    let aged = |ended: &Ended| {
        let age = age(ended).map_or_else(|| "of unknown age".to_owned(), |age| format!("{} old", span(age)));
        format!("{}, {age}", shown(&ended.name))
    };
    let take = if is_read_only(examined.info.settings()) {
        "Take a snapshot with the cluster that writes to this repository, and schedule the following ones"
    } else {
        "Take a snapshot with `Repository::create_snapshot`, and schedule the following ones"
    };
    let Some(newest) = &listing.newest else { return Check::warn(id, "The repository contains no snapshot", take) };
    let Some(complete) = &listing.newest_complete else {
        let evidence = format!("No snapshot is complete; the newest is {}: {}", newest.state, aged(newest));
        return Check::warn(id, evidence, take);
    };
    if complete.name != newest.name {
        let evidence = format!(
            "The newest snapshot is {}: {}; the newest complete one is {}",
            newest.state,
            aged(newest),
            aged(complete)
        );
        let remedy = "Read its failures with `Snapshot::info`, and take another one when the cluster is green";
        return Check::warn(id, evidence, remedy);
    }
    if age(complete).is_some_and(|age| age > examination.max_age) {
        let evidence =
            format!("The newest complete snapshot is {}, more than {}", aged(complete), span(examination.max_age));
        return Check::warn(id, evidence, "Check the job that takes snapshots");
    }
    Check::pass(id, format!("The newest complete snapshot is {}", aged(complete)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;
    use crate::repository::{FsSettings, OtherSettings};

    const ROLE: &str = "arn:aws:iam::123456789012:role/TestRole";
    const REGION: &str = "eu-west-1";

    fn s3() -> S3Settings {
        S3Settings::new("my-bucket").with_role_arn(ROLE)
    }

    #[track_caller]
    fn assert_problem(settings: impl Into<RepositorySettings>, region: Option<&str>, expected: &str) {
        let problems = problems(&settings.into(), region);
        let [(evidence, remedy)] = problems.as_slice() else { panic!("{expected}: {problems:?}") };
        assert!(evidence.contains(expected) && !remedy.is_empty(), "{problems:?}");
    }

    #[test]
    fn warns_of_each_setting_that_makes_no_sense() {
        let amazon = Some(REGION);
        assert_problem(S3Settings::new("my-bucket"), amazon, "no `role_arn`");
        assert_problem(s3().with_region("us-west-2"), amazon, "`region` is \"us-west-2\"");
        assert_problem(s3().with_region(REGION).with_endpoint(GLOBAL_S3), amazon, "replaces it");
        assert_problem(s3().with_setting("iam_role_arn", ROLE), amazon, "`iam_role_arn` has no effect");
        assert_problem(s3().with_setting("secret_key", "hidden"), amazon, "\"secret_key\" may be a secret");
        assert_problem(s3().with_base_path("/logs"), amazon, "leading slash");
        assert_problem(s3().with_role_arn("TestRole"), None, "role ARN");
        assert_problem(FsSettings::new("/mnt/backups"), amazon, "the type \"fs\"");
        assert_problem(OtherSettings::new("gcs").with_setting("bucket", "b"), amazon, "the type \"gcs\"");
    }

    #[test]
    fn names_the_endpoint_that_serves_the_region_of_the_bucket() {
        for (own, endpoint) in [("us-west-2", "s3.amazonaws.com"), ("me-south-1", "s3.me-south-1.amazonaws.com")] {
            let problems = problems(&s3().with_region(own).into(), Some(REGION));
            assert!(matches!(&*problems, [(_, remedy)] if remedy.contains(endpoint)), "{problems:?}");
        }
    }

    #[test]
    fn accepts_settings_that_make_sense() {
        let amazon = Some(REGION);
        for (settings, region) in [
            (s3().into(), amazon),
            (s3().with_region(REGION).with_base_path("logs").into(), amazon),
            (s3().with_endpoint(GLOBAL_S3).into(), amazon),
            // A Region that must be enabled needs both.
            (s3().with_region("me-south-1").with_endpoint("s3.me-south-1.amazonaws.com").into(), amazon),
            (S3Settings::new("my-bucket").with_region("us-west-2").into(), None),
            (RepositorySettings::from(FsSettings::new("/mnt/backups")), None),
        ] {
            assert_eq!(problems(&settings, region), [], "{settings:?}");
        }
    }

    #[test]
    fn evidence_does_not_contain_the_value_of_a_secret() {
        let settings = s3().with_setting("secret_key", "hidden").with_endpoint("https://user:hidden@s3.example.org");

        let texts = format!("{:?}", problems(&settings.clone().into(), Some(REGION)));

        assert!(!texts.contains("hidden"), "{texts}");
        assert!(!described(&RepositoryInfo::new("backups", settings)).contains("hidden"));
    }

    fn shared(repositories: &[(&str, RepositorySettings)]) -> Check {
        let all = repositories.iter().map(|(name, settings)| RepositoryInfo::new(*name, settings.clone())).collect();
        shared_storage(&Repositories { all, running: Ok(Vec::new()), examined: Vec::new() }, None, true)
    }

    #[test]
    fn repositories_share_their_storage_if_bucket_and_base_path_are_equal() {
        let logs = || s3().with_base_path("logs");
        for (one, other, is_shared) in [
            (logs(), s3().with_base_path("logs/"), true),
            (logs(), s3().with_base_path("/logs"), false),
            (logs(), logs().with_setting("client", "default"), true),
            (logs(), logs().with_setting("client", "other"), false),
            (s3(), s3().with_base_path(""), true),
            (logs(), logs().with_endpoint("https://s3.eu-west-1.amazonaws.com/"), true),
            (logs(), s3().with_base_path("logs/2026"), false),
            (logs(), S3Settings::new("other").with_base_path("logs"), false),
            (logs(), logs().with_readonly(true), false),
            (logs(), logs().with_endpoint("https://minio.example.org"), false),
        ] {
            let check = shared(&[("a", one.clone().into()), ("b", other.clone().into())]);
            assert_eq!(check.status() == Status::Fail, is_shared, "{one:?} {other:?}");
        }
        let folder = || RepositorySettings::from(FsSettings::new("/mnt/backups"));
        assert_eq!(shared(&[("a", folder()), ("b", folder())]).status(), Status::Fail);
    }

    #[test]
    fn amazons_repositories_do_not_count_as_writers() {
        let check = shared(&[("a", s3().into()), ("cs-automated", s3().into())]);

        assert_eq!(check.status(), Status::Pass);
    }
}
