//! Indices, restores and the cluster state of the fake domain. "Observed on" names the real servers
//! that were seen to behave as the test expects.

use std::time::Duration;

use es_snapshot::testing::{Engine, FakeOutcome};
use serde_json::{Value, json};

use super::Scene;

/// What a client reads to determine whether a restore has overwritten an index.
const MARKS: &str = "filter_path=version,metadata.cluster_uuid,metadata.cluster_coordination.term,metadata.indices.*.state,\
                     metadata.indices.*.settings.index.uuid,metadata.indices.*.mapping_version,metadata.indices.*.settings_version,\
                     metadata.indices.*.aliases_version";

impl Scene {
    async fn get(&self, target: &str) -> Value {
        let response = self.call("GET", target, None).await;
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        response.json()
    }

    async fn marks(&self, names: &str) -> Value {
        self.get(&format!("/_cluster/state/metadata,version/{names}?{MARKS}")).await["metadata"]["indices"].clone()
    }

    /// Mapping, settings and aliases version of an index.
    async fn counters(&self, name: &str) -> [u64; 3] {
        let marks = self.marks(name).await;
        ["mapping_version", "settings_version", "aliases_version"].map(|key| marks[name][key].as_u64().unwrap())
    }

    async fn uuid(&self, name: &str) -> String {
        self.marks(name).await[name]["settings"]["index"]["uuid"].as_str().unwrap().to_owned()
    }

    async fn running_restores(&self) -> Value {
        self.get("/_cluster/state/customs?filter_path=restore").await
    }

    async fn tombstones(&self) -> Vec<String> {
        let state = self.get("/_cluster/state/metadata?filter_path=metadata.index-graveyard").await;
        let list = state["metadata"]["index-graveyard"]["tombstones"].as_array().unwrap().clone();
        list.iter().map(|one| one["index"]["index_name"].as_str().unwrap().to_owned()).collect()
    }

    /// The types of the recoveries, by index.
    async fn recoveries(&self, target: &str) -> Value {
        self.get(&format!("{target}{}filter_path=*.shards.type", if target.contains('?') { '&' } else { '?' })).await
    }

    /// Takes the snapshot `s` of all open indices.
    async fn take_snapshot(&self) {
        assert_eq!(self.call("PUT", "/_snapshot/r/s?wait_for_completion=true", None).await.status, 200);
    }

    async fn restore(&self, body: Value) -> Value {
        let response = self.call("POST", "/_snapshot/r/s/_restore", Some(body)).await;
        match response.status {
            200 => response.json(),
            status => json!([status, response.error_type(), response.reason()]),
        }
    }

    async fn explain(&self, index: &str, shard: u32) -> Value {
        let body = json!({"index": index, "shard": shard, "primary": true});
        let response = self.call("POST", "/_cluster/allocation/explain", Some(body)).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    }

    async fn shard(&self, index: &str, shard: usize) -> Value {
        let columns = "shard,state,node,unassigned.reason";
        self.get(&format!("/_cat/shards/{index}?format=json&h={columns}")).await[shard].clone()
    }
}

/// A domain whose snapshot `s` contains the index `movies` with two shards.
async fn backed_up() -> Scene {
    let scene = Scene::registered().await;
    scene.take_snapshot().await;
    scene
}

// ---- the cluster state

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn the_cluster_state_shows_the_requested_indices() {
    let scene = Scene::registered().await;
    for index in ["hidden", "closed"] {
        scene.domain.create_index(index, 1);
    }
    scene.domain.hide_index("hidden");
    scene.domain.close_index("closed");
    scene.domain.add_alias("movies", "films");
    scene.domain.create_data_stream("logs", 2);

    let state = scene.get(&format!("/_cluster/state/metadata,version/hidden,closed,absent?{MARKS}")).await;
    let index = json!({
        "state": "string", "mapping_version": "number", "settings_version": "number", "aliases_version": "number",
        "settings": {"index": {"uuid": "string"}},
    });
    assert_eq!(
        super::shape(&state),
        json!({"version": "number", "metadata": {
            "cluster_uuid": "string", "cluster_coordination": {"term": "number"}, "indices": {"hidden": index, "closed": index},
        }})
    );
    assert_eq!(state["metadata"]["indices"]["closed"]["state"], "close");
    let names = async |list: &str| {
        let marks = scene.marks(list).await;
        marks.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(names("films").await.unwrap(), ["movies"], "an alias selects its index");
    assert_eq!(
        names("logs").await.unwrap(),
        [".ds-logs-000001", ".ds-logs-000002"],
        "a data stream selects its backing indices"
    );
    assert_eq!(names("absent").await, None);
    assert_eq!(names("hid*,clo*").await, None, "patterns match neither hidden nor closed indices");
    scene.domain.assert_no_unexpected_calls();
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn each_change_of_an_index_raises_its_own_counters() {
    let scene = Scene::registered().await;
    assert_eq!(scene.counters("movies").await, [1, 1, 1]);
    scene.domain.write("movies");
    assert_eq!(scene.counters("movies").await, [1, 1, 1]);
    scene.domain.add_field("movies");
    assert_eq!(scene.counters("movies").await, [2, 1, 1]);
    scene.domain.change_settings("movies");
    assert_eq!(scene.counters("movies").await, [2, 2, 1]);
    scene.call("PUT", "/movies/_settings", Some(json!({"index.hidden": true}))).await;
    assert_eq!(scene.counters("movies").await, [2, 3, 1]);
    scene.call("POST", "/movies/_close", None).await;
    assert_eq!(scene.counters("movies").await, [2, 4, 1]);
    let again = scene.call("POST", "/movies/_close", None).await;
    assert_eq!(again.json(), json!({"acknowledged": true, "shards_acknowledged": false, "indices": {}}));
    assert_eq!(scene.counters("movies").await, [2, 4, 1]);
    scene.call("POST", "/movies/_open", None).await;
    assert_eq!(scene.counters("movies").await, [2, 5, 1]);
    scene.domain.add_alias("movies", "films");
    assert_eq!(scene.counters("movies").await, [2, 5, 2]);
}

#[tokio::test]
async fn every_change_raises_the_version_of_the_cluster_state() {
    let scene = backed_up().await;
    let mut last = 0;
    let mut assert_newer = async |what: &str| {
        let version = scene.get("/_cluster/state/version").await["version"].as_u64().unwrap();
        assert!(version > last, "{what}: {version} after {last}");
        last = version;
    };
    assert_newer("start").await;
    scene.domain.create_index("other", 1);
    assert_newer("create").await;
    scene.domain.close_index("other");
    assert_newer("close").await;
    scene.domain.open_index("other");
    assert_newer("open").await;
    scene.domain.change_settings("other");
    assert_newer("settings").await;
    scene.domain.delete_index("other");
    assert_newer("delete").await;
    scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": "r-$1"})).await;
    assert_newer("restore").await;
    scene.clock.advance(Duration::from_secs(3));
    assert_newer("end of the restore").await;
    scene.domain.another_client_creates("r", "t");
    assert_newer("snapshot").await;
}

#[tokio::test]
async fn the_cluster_state_shows_a_new_term_another_cluster_and_a_lagging_node() {
    let scene = Scene::registered().await;
    let state = async || {
        let found = scene.get(&format!("/_cluster/state/metadata,version/movies?local=true&{MARKS}")).await;
        (found["metadata"]["cluster_coordination"]["term"].as_u64().unwrap(), found["version"].as_u64().unwrap(), found)
    };
    let (term, version, first) = state().await;

    scene.domain.lag_cluster_state(true);
    scene.domain.change_settings("movies");
    assert_eq!(state().await.2, first);
    scene.domain.lag_cluster_state(false);
    assert!(state().await.1 > version);
    scene.domain.elect_master();
    assert_eq!(state().await.0, term + 1);

    scene.domain.replace_cluster();
    let other = state().await.2;
    assert_ne!(other["metadata"]["cluster_uuid"], first["metadata"]["cluster_uuid"]);
    assert_eq!(other["metadata"].get("indices"), None);
    assert_eq!(scene.domain.repositories(), ["r"]);
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn tombstones_of_deleted_indices_appear_only_in_the_state_without_index_names() {
    let scene = Scene::registered().await;
    let uuid = scene.uuid("movies").await;
    scene.call("DELETE", "/movies", None).await;

    let unnamed = scene.get("/_cluster/state/metadata?filter_path=metadata.index-graveyard").await;
    assert_eq!(
        unnamed["metadata"]["index-graveyard"]["tombstones"],
        json!([{"index": {"index_name": "movies", "index_uuid": uuid}, "delete_date_in_millis": 1_700_000_000_000_u64}])
    );
    let named = scene.get("/_cluster/state/metadata/movies?filter_path=metadata.index-graveyard").await;
    assert_eq!(named["metadata"]["index-graveyard"]["tombstones"], json!([]));

    for number in 0..500 {
        let name = format!("old-{number:03}");
        scene.domain.create_index(&name, 1);
        scene.domain.delete_index(&name);
    }
    let all = scene.tombstones().await;
    assert_eq!((all.len(), all[0].as_str()), (500, "old-000"), "the domain keeps the last 500");
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6, errors included.
#[tokio::test]
async fn filter_path_applies_to_every_response_except_errors() {
    let scene = backed_up().await;
    assert_eq!(
        scene.get("/?filter_path=version.num*,name").await,
        json!({"name": "node-1", "version": {"number": "7.10.2"}})
    );
    assert_eq!(scene.get("/_snapshot/r/s?filter_path=snapshots.sn*").await, json!({"snapshots": [{"snapshot": "s"}]}));
    assert_eq!(scene.get("/_snapshot/r/s?filter_path=nothing.here").await, json!({}));
    let missing = scene.call("GET", "/_snapshot/r/absent?filter_path=snapshots", None).await;
    assert_eq!(missing.error_type(), "snapshot_missing_exception");
}

// ---- restores

/// Observed on Elasticsearch 7.10.2 and 8.19.5, OpenSearch 1.3.20, 2.19.6 and 3.8.0.
#[tokio::test]
async fn a_restore_over_a_closed_index_keeps_its_uuid_and_replaces_its_documents() {
    let scene = backed_up().await;
    let (uuid, documents) = (scene.uuid("movies").await, scene.domain.documents("movies").unwrap());
    scene.domain.write("movies");
    scene.domain.close_index("movies");
    let [mapping, settings, aliases] = scene.counters("movies").await;

    assert_eq!(scene.restore(json!({"indices": "movies"})).await, json!({"accepted": true}));

    assert_eq!(scene.uuid("movies").await, uuid);
    assert_eq!(scene.marks("movies").await["movies"]["state"], "open");
    assert_eq!(scene.counters("movies").await, [mapping + 1, settings + 1, aliases + 1]);
    assert_eq!(
        scene.domain.documents("movies"),
        Some(documents),
        "the restore discards what was written since the snapshot"
    );
    assert_eq!(scene.shard("movies", 0).await["unassigned.reason"], "EXISTING_INDEX_RESTORED");
}

#[tokio::test]
async fn a_restore_under_a_new_name_gets_a_new_uuid_and_the_counters_of_the_snapshot() {
    let scene = Scene::registered().await;
    scene.domain.add_field("movies");
    scene.take_snapshot().await;
    scene.domain.change_settings("movies");

    scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": "new-$1"})).await;

    assert_ne!(scene.uuid("new-movies").await, scene.uuid("movies").await);
    assert_eq!(scene.counters("new-movies").await, [2, 1, 1]);
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn restores_over_an_existing_index_only_if_it_is_closed_and_compatible() {
    let scene = backed_up().await;
    let uuid = scene.domain.snapshots("r")[0].uuid.clone();
    for (index, shards) in [("open", 2), ("fits", 2), ("other-count", 3)] {
        scene.domain.create_index(index, shards);
    }
    scene.domain.add_alias("open", "alias");
    scene.domain.close_index("fits");
    scene.domain.close_index("other-count");
    let restore_over =
        async |name: &str| scene.restore(json!({"rename_pattern": "movies", "rename_replacement": name})).await;

    assert_eq!(
        restore_over("open").await[2].as_str().unwrap().split(" because ").next().unwrap(),
        format!("[r:s/{uuid}] cannot restore index [open]")
    );
    let reason = format!(
        "[r:s/{uuid}] cannot restore index [other-count] with [3] shards from a snapshot of index [movies] with [2] shards"
    );
    assert_eq!(restore_over("other-count").await, json!([500, "snapshot_restore_exception", reason]));
    let reason = "Invalid index name [alias], already exists as alias";
    assert_eq!(restore_over("alias").await, json!([400, "invalid_index_name_exception", reason]));
    let fits = json!({"rename_pattern": "movies", "rename_replacement": "fits", "partial": true});
    assert_eq!(
        scene.restore(fits).await,
        json!({"accepted": true}),
        "`partial` does not matter if no shard is missing"
    );
}

#[tokio::test]
async fn does_not_restore_an_incomplete_index_over_an_existing_one() {
    let scene = Scene::registered().await;
    scene.domain.plan_snapshot(FakeOutcome::Partial { failed_shards: vec![("movies".to_owned(), 0)] });
    scene.take_snapshot().await;
    scene.domain.close_index("movies");
    let refused = scene.restore(json!({"partial": true})).await;
    assert!(
        refused[2]
            .as_str()
            .unwrap()
            .ends_with("cannot restore partial index [movies] because such index already exists"),
        "{refused}"
    );
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6. The last two states were observed on
/// OpenSearch only.
#[tokio::test]
async fn the_cluster_state_shows_the_targets_and_shards_of_a_running_restore() {
    let scene = Scene::registered().await;
    scene.domain.create_index("books", 1);
    scene.take_snapshot().await;
    assert_eq!(scene.running_restores().await, json!({}), "no restore has run yet");
    scene.domain.fail_restore_shard("r-movies", 1);

    scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": "r-$1"})).await;

    let (books, movies) = (scene.uuid("r-books").await, scene.uuid("r-movies").await);
    let shard = |name: &str, uuid: &str, shard: u32, state: &str| json!({"index": {"index_name": name, "index_uuid": uuid}, "shard": shard, "state": state});
    assert_eq!(
        scene.running_restores().await,
        json!({"restore": {"snapshots": [{
            "snapshot": "s", "repository": "r", "state": "STARTED", "indices": ["r-books", "r-movies"],
            "shards": [
                shard("r-books", &books, 0, "INIT"), shard("r-movies", &movies, 0, "INIT"), shard("r-movies", &movies, 1, "FAILURE"),
            ],
        }]}})
    );
    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.running_restores().await, json!({"restore": {"snapshots": []}}));
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn an_index_that_is_being_restored_can_be_deleted_but_not_closed() {
    let scene = backed_up().await;
    scene.domain.hold_restores(true);
    scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": "r-$1"})).await;
    let uuid = scene.uuid("r-movies").await;

    let refused = scene.call("POST", "/r-movies/_close", None).await;
    assert_eq!(refused.reason(), format!("Cannot close indices that are being restored: [[r-movies/{uuid}]]"));
    scene.call("DELETE", "/r-movies", None).await;
    assert_eq!(scene.running_restores().await, json!({"restore": {"snapshots": []}}));
    assert_eq!(scene.call("DELETE", "/_snapshot/r/s", None).await.status, 200, "the snapshot is no longer in use");
}

// ---- recoveries and shards

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn recovery_omits_hidden_indices_unless_they_are_requested() {
    let scene = Scene::registered().await;
    scene.domain.create_index("hidden", 1);
    scene.domain.hide_index("hidden");
    let movies = json!({"shards": [{"type": "EMPTY_STORE"}, {"type": "EMPTY_STORE"}]});
    let hidden = json!({"shards": [{"type": "EMPTY_STORE"}]});

    assert_eq!(scene.recoveries("/_recovery").await, json!({"movies": movies}));
    let all = json!({"movies": movies, "hidden": hidden});
    assert_eq!(scene.recoveries("/_recovery?expand_wildcards=all").await, all);
    assert_eq!(scene.recoveries("/_recovery?expand_wildcards=open,hidden").await, all);
    assert_eq!(scene.recoveries("/_recovery?expand_wildcards=hidden").await, json!({}));
    assert_eq!(scene.recoveries("/hidden/_recovery").await, json!({"hidden": hidden}));
    let shards = scene.get("/_cat/shards?format=json&h=index,state,docs").await;
    assert_eq!(
        shards[0],
        json!({"index": "hidden", "state": "STARTED", "docs": null}),
        "listed, but without a document count"
    );
    assert_eq!(scene.get("/_cat/shards/hidden?format=json&h=docs").await, json!([{"docs": "100"}]));
}

/// Closing was observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6, restarts on Elasticsearch
/// 8.19.5 and OpenSearch 1.3.20.
#[tokio::test]
async fn a_recovery_from_a_snapshot_vanishes_when_its_shard_closes_moves_or_restarts() {
    let scene = backed_up().await;
    for name in ["closed", "moved", "restarted"] {
        scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": name})).await;
        scene.clock.advance(Duration::from_secs(3));
    }
    let types = async |index: &str| {
        let all = scene.recoveries(&format!("/{index}/_recovery")).await;
        [0, 1].map(|shard| all[index]["shards"][shard]["type"].as_str().unwrap().to_owned())
    };
    assert_eq!(types("closed").await, ["SNAPSHOT", "SNAPSHOT"]);

    scene.domain.close_index("closed");
    scene.domain.relocate_shard("moved", 1);
    assert_eq!(types("closed").await, ["EXISTING_STORE", "EXISTING_STORE"]);
    assert_eq!(types("moved").await, ["SNAPSHOT", "PEER"]);
    assert_eq!(scene.shard("moved", 1).await["node"], "node-2");
    assert_eq!(types("restarted").await, ["SNAPSHOT", "SNAPSHOT"]);

    scene.domain.fail_restore_shard("lost", 0);
    scene.restore(json!({"rename_pattern": "(.+)", "rename_replacement": "lost"})).await;
    scene.clock.advance(Duration::from_secs(3));
    scene.domain.restart_node();
    let lost = scene.recoveries("/lost/_recovery").await;
    assert_eq!(lost, json!({"lost": {"shards": [{"type": "EXISTING_STORE"}]}}), "the failed shard does not recover");
    assert_eq!(types("restarted").await, ["EXISTING_STORE", "EXISTING_STORE"]);
    scene.domain.open_index("closed");
    assert_eq!(
        types("closed").await,
        ["EXISTING_STORE", "EXISTING_STORE"],
        "opening the index does not bring the recoveries back"
    );
}

/// Observed on Elasticsearch 7.10.2, OpenSearch 2.19.6 and 3.8.0.
#[tokio::test]
async fn cat_shards_lists_closed_indices_but_refuses_one_by_name() {
    let scene = Scene::registered().await;
    let uuid = scene.uuid("movies").await;
    scene.domain.close_index("movies");

    let all = scene.get("/_cat/shards?format=json&h=index,shard,state,docs").await;
    assert_eq!(all[0], json!({"index": "movies", "shard": "0", "state": "STARTED", "docs": null}));
    let named = scene.call("GET", "/_cat/shards/movies?format=json", None).await;
    assert_eq!((named.status, named.error_type().as_str()), (400, "index_closed_exception"));
    assert_eq!(named.json()["error"]["index_uuid"], uuid);
    assert_eq!(scene.recoveries("/movies/_recovery").await["movies"]["shards"][0]["type"], "EXISTING_STORE");
}

/// Observed on Elasticsearch 8.19.5.
#[tokio::test]
async fn elasticsearch_8_shows_the_documents_of_closed_and_hidden_indices() {
    let scene = Scene::with(|builder| builder.engine(Engine::elasticsearch("8.19.5"))).await;
    scene.domain.create_index("closed", 1);
    scene.domain.create_index("hidden", 1);
    scene.domain.close_index("closed");
    scene.domain.hide_index("hidden");
    let all = scene.get("/_cat/shards?format=json&h=index,docs").await;
    assert_eq!(all, json!([{"index": "closed", "docs": "100"}, {"index": "hidden", "docs": "100"}]));
    assert_eq!(scene.get("/_cat/shards/closed?format=json&h=docs").await, json!([{"docs": "100"}]));
}

// ---- allocation

/// Observed on OpenSearch 1.3.20 and 2.19.6.
#[tokio::test]
async fn the_server_retries_a_failed_shard_until_it_gives_up() {
    let scene = backed_up().await;
    scene.domain.fail_restore_shard_times("again", 0, 2);
    scene.domain.fail_restore_shard("never", 0);
    for name in ["again", "never"] {
        scene.restore(json!({"rename_pattern": "movies", "rename_replacement": name})).await;
    }
    let unassigned =
        json!({"shard": "0", "state": "UNASSIGNED", "node": null, "unassigned.reason": "ALLOCATION_FAILED"});
    assert_eq!(scene.shard("again", 0).await, unassigned);
    assert_eq!(scene.shard("never", 0).await, unassigned, "`_cat/shards` shows no difference");

    let (again, never) = (scene.explain("again", 0).await, scene.explain("never", 0).await);
    assert_eq!(
        (&again["can_allocate"], &again["unassigned_info"]["failed_allocation_attempts"]),
        (&json!("yes"), &json!(1))
    );
    assert_eq!(
        (&never["can_allocate"], &never["unassigned_info"]["failed_allocation_attempts"]),
        (&json!("no"), &json!(5))
    );
    let deciders = never["node_allocation_decisions"][0]["deciders"].as_array().unwrap();
    assert_eq!(deciders.iter().map(|one| &one["decider"]).collect::<Vec<_>>(), ["max_retry", "restore_in_progress"]);

    scene.clock.advance(Duration::from_secs(3));
    let retried = scene.shard("again", 0).await;
    assert_eq!(
        (&retried["state"], &retried["unassigned.reason"]),
        (&json!("INITIALIZING"), &json!("ALLOCATION_FAILED"))
    );
    assert_eq!(scene.running_restores().await["restore"]["snapshots"][0]["indices"], json!(["again"]));
    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.shard("again", 0).await["state"], "STARTED");
    assert_eq!(scene.shard("never", 0).await, unassigned);
    assert_eq!(scene.running_restores().await, json!({"restore": {"snapshots": []}}));
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn a_queued_shard_is_throttled_and_a_shard_without_an_allowed_node_is_given_up() {
    let scene = backed_up().await;
    scene.domain.throttle_restores(true);
    scene.restore(json!({"rename_pattern": "movies", "rename_replacement": "waits"})).await;
    let settings = json!({"index.routing.allocation.require._name": "nobody"});
    scene.restore(json!({"rename_pattern": "movies", "rename_replacement": "lost", "index_settings": settings})).await;

    let restored =
        json!({"shard": "0", "state": "UNASSIGNED", "node": null, "unassigned.reason": "NEW_INDEX_RESTORED"});
    assert_eq!((scene.shard("waits", 0).await, scene.shard("lost", 0).await), (restored.clone(), restored));
    let (waits, lost) = (scene.explain("waits", 0).await, scene.explain("lost", 0).await);
    assert_eq!((&waits["can_allocate"], &lost["can_allocate"]), (&json!("throttled"), &json!("no")));
    let decider = |explanation: &Value, number: usize| {
        explanation["node_allocation_decisions"][0]["deciders"][number]["decider"].clone()
    };
    assert_eq!(
        (decider(&waits, 0), decider(&lost, 0), decider(&lost, 1)),
        ("throttling".into(), "restore_in_progress".into(), "filter".into())
    );
    assert_eq!(
        scene.running_restores().await["restore"]["snapshots"][0]["indices"],
        json!(["waits"]),
        "the restore of `lost` has ended"
    );

    scene.domain.throttle_restores(false);
    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.shard("waits", 0).await["state"], "STARTED");
    assert_eq!(scene.explain("waits", 0).await["current_state"], "started");
}

/// Observed on Elasticsearch 7.10.2 and OpenSearch 2.19.6.
#[tokio::test]
async fn allocation_explain_needs_a_complete_request_or_an_unassigned_shard() {
    let scene = backed_up().await;
    let refusal = async |method: &'static str, body: Option<Value>| {
        let response = scene.call(method, "/_cluster/allocation/explain", body).await;
        (response.status, response.error_type(), response.reason())
    };
    let unassigned = "unable to find any unassigned shards to explain \
                      [ClusterAllocationExplainRequest[useAnyUnassignedShard=true,includeYesDecisions?=false]";
    assert_eq!(refusal("GET", None).await, (400, "illegal_argument_exception".into(), unassigned.into()));
    let absent = json!({"index": "absent", "shard": 0, "primary": true});
    assert_eq!(
        refusal("POST", Some(absent)).await,
        (404, "index_not_found_exception".into(), "no such index [absent]".into())
    );
    let ninth = json!({"index": "movies", "shard": 9, "primary": true});
    assert_eq!(refusal("POST", Some(ninth)).await, (404, "shard_not_found_exception".into(), "no such shard".into()));
    let reason = "Validation Failed: 1: shard must be specified;2: primary must be specified;";
    let short = json!({"index": "movies"});
    assert_eq!(refusal("POST", Some(short)).await, (400, "action_request_validation_exception".into(), reason.into()));

    scene.domain.fail_restore_shard("x", 1);
    scene.restore(json!({"rename_pattern": "movies", "rename_replacement": "x"})).await;
    let found = scene.get("/_cluster/allocation/explain").await;
    assert_eq!((&found["index"], &found["shard"]), (&json!("x"), &json!(1)));
}

// ---- closed indices, hidden indices and data streams in snapshots

/// Observed on OpenSearch 2.19.6. For closed indices in the list, also on Elasticsearch 7.10.2 and
/// 8.19.5, and OpenSearch 1.3.20.
#[tokio::test]
async fn a_snapshot_without_a_list_includes_hidden_indices_and_omits_closed_ones() {
    let scene = Scene::registered().await;
    for index in ["hidden", "closed"] {
        scene.domain.create_index(index, 1);
    }
    scene.domain.hide_index("hidden");
    scene.domain.add_alias("closed", "alias");
    scene.domain.close_index("closed");
    scene.take_snapshot().await;
    assert_eq!(scene.domain.snapshots("r")[0].indices, ["hidden", "movies"]);

    for (name, list, expected) in
        [("named", "closed,movies", vec!["closed", "movies"]), ("by-alias", "alias", vec!["closed"])]
    {
        scene.call("PUT", &format!("/_snapshot/r/{name}"), Some(json!({"indices": list}))).await;
        assert_eq!(scene.domain.snapshots("r").into_iter().find(|one| one.name == name).unwrap().indices, expected);
    }
}

/// Observed on OpenSearch 1.3.20 and 2.19.6, and except for the deletion on Elasticsearch 8.19.5.
#[tokio::test]
async fn a_data_stream_is_restored_with_its_backing_indices() {
    let scene = Scene::with(|builder| builder.engine(Engine::opensearch("2.19.6"))).await;
    scene.prepare().await;
    scene.domain.create_data_stream("ds", 2);
    scene.take_snapshot().await;
    let info = scene.get("/_snapshot/r/s?filter_path=snapshots.data_streams,snapshots.indices").await;
    let all = [".ds-ds-000001", ".ds-ds-000002", "movies"];
    assert_eq!(info, json!({"snapshots": [{"indices": all, "data_streams": ["ds"]}]}));

    let restored = async |body: Value| {
        let response = scene.call("POST", "/_snapshot/r/s/_restore?wait_for_completion=true", Some(body)).await;
        response.json()["snapshot"]["indices"].clone()
    };
    let renamed =
        |pattern: &str, list: &str| json!({"indices": list, "rename_pattern": pattern, "rename_replacement": "new-$1"});
    assert_eq!(
        restored(renamed("^(.+)$", "ds")).await,
        json!([".ds-new-ds-000001", ".ds-new-ds-000002"]),
        "`.ds-` stays at the start of a renamed backing index"
    );
    let lone = json!(["new-.ds-ds-000002"]);
    assert_eq!(
        restored(renamed("^(.+)$", ".ds-ds-000002")).await,
        lone,
        "`.ds-` does not stay in front if the stream itself is not restored"
    );
    let refused = scene.restore(json!({"indices": "ds"})).await;
    assert!(
        refused[2].as_str().unwrap().contains("cannot restore index [.ds-ds-000001] because an open index"),
        "{refused}"
    );

    for index in [".ds-ds-000001", ".ds-ds-000002"] {
        scene.domain.delete_index(index);
    }
    assert_eq!(restored(json!({"indices": "*,-movies"})).await, json!([".ds-ds-000001", ".ds-ds-000002"]));
    assert_eq!(scene.tombstones().await, [".ds-ds-000001", ".ds-ds-000002"]);
    let of_stream = scene.recoveries("/ds/_recovery").await;
    assert_eq!(of_stream.as_object().unwrap().keys().collect::<Vec<_>>(), [".ds-ds-000001", ".ds-ds-000002"]);
    let unnamed = scene.recoveries("/_recovery").await;
    let shown: Vec<&str> = unnamed.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(
        shown.contains(&".ds-ds-000001") && !shown.contains(&"new-.ds-ds-000002"),
        "a lone backing index is hidden: {shown:?}"
    );
}

#[tokio::test]
async fn a_restored_data_stream_replaces_its_name_and_keeps_other_backing_indices() {
    let scene = Scene::with(|builder| builder.engine(Engine::elasticsearch("8.19.5"))).await;
    scene.prepare().await;
    scene.domain.create_data_stream("ds", 1);
    scene.take_snapshot().await;
    scene.domain.delete_index(".ds-ds-2023.11.14-000001");
    scene.clock.advance(Duration::from_hours(24));
    scene.domain.create_data_stream("ds", 1);

    scene.restore(json!({"indices": "ds"})).await;

    assert_eq!(scene.domain.indices(), [".ds-ds-2023.11.14-000001", ".ds-ds-2023.11.15-000001", "movies"]);
    let of_stream = scene.marks("ds").await;
    assert_eq!(of_stream.as_object().unwrap().keys().collect::<Vec<_>>(), [".ds-ds-2023.11.14-000001"]);
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_fails_with_allow_no_indices_false() {
    let scene = Scene::registered().await;
    assert_eq!(scene.recoveries("/absent*/_recovery").await, json!({}));
    let refused = scene.call("GET", "/absent*/_recovery?allow_no_indices=false", None).await;
    assert_eq!((refused.status, refused.reason().as_str()), (404, "no such index [absent*]"));
}

#[tokio::test]
async fn a_restore_can_hide_an_index_and_omit_its_aliases() {
    let scene = Scene::registered().await;
    scene.domain.add_alias("movies", "films");
    scene.take_snapshot().await;
    scene.domain.delete_index("movies");

    let body = json!({"rename_pattern": "movies", "rename_replacement": "quiet", "include_aliases": false, "index_settings": {"index.hidden": true}});
    scene.restore(body).await;
    scene.restore(json!({"indices": "movies"})).await;

    assert_eq!(scene.marks("films").await.as_object().unwrap().keys().collect::<Vec<_>>(), ["movies"]);
    assert_eq!(scene.recoveries("/_recovery").await.as_object().unwrap().keys().collect::<Vec<_>>(), ["movies"]);
}
