//! Retention on every store: what goes, what stays, and what a store that refuses or fails halfway leaves behind.

use std::time::Duration;

use savepointd::config::{Config, Flags};
use savepointd::protocol::entry::Fact;
use savepointd::protocol::id::JobId;
use savepointd::prune::{self, Hands, MIN_AGE, Order, Outcome, Pruned};
use savepointd::random;
use savepointd::record::{self, Record};
use savepointd::storage::Place;
use serde_json::json;

use super::support::metadata::{File, metadata};
use super::support::store_proxy::Fault;
use super::support::stores::Store;
use super::world::{World, claim_of, run};

const CLUSTER: &str = "orders";

#[test]
fn retention_deletes_what_is_not_kept_on_minio_and_nothing_else() {
    let store = Store::minio();
    run(async {
        prunes(&store).await;
        a_store_that_lets_nothing_be_deleted_is_named(&store).await;
        one_that_fails_halfway_leaves_nothing_that_looks_whole(&store).await;
    });
}

#[test]
fn retention_deletes_what_is_not_kept_on_google_cloud_storage_and_nothing_else() {
    let store = Store::google();
    run(async {
        prunes(&store).await;
        one_that_fails_halfway_leaves_nothing_that_looks_whole(&store).await;
    });
}

#[test]
fn retention_deletes_what_is_not_kept_on_azure_and_nothing_else() {
    let store = Store::azure();
    run(async {
        prunes(&store).await;
        one_that_fails_halfway_leaves_nothing_that_looks_whole(&store).await;
    });
}

/// Three epochs of a cluster, each with a final savepoint; the first one's checkpoints are left over.
struct Past {
    hands: Hands,
    config: Config,
    record: Record,
    savepoints: Vec<Place>,
    left_over: Place,
    foreign: Vec<Place>,
}

impl Past {
    async fn told(store: &Store, name: &str) -> Self {
        let world = World::of(store);
        let root = world.place(name);
        let (sp, chk) = (root.join("sp"), root.join("chk"));
        let record = world.record(&format!("{name}/record"));
        let tell = async |epoch: u64, fact: serde_json::Value| {
            let fact: Fact = serde_json::from_value(fact).unwrap();
            assert_ne!(fact, Fact::Unknown);
            let mut known = record.load().await.unwrap();
            record.append(&mut known, &[record::entry(epoch, fact)]).await.unwrap();
        };
        tell(1, json!({ "what": "created", "cluster": CLUSTER, "record_id": random::id() })).await;
        let mut savepoints = Vec::new();
        let mut base = serde_json::Value::Null;
        for epoch in 1..=3_u64 {
            let job_id = JobId::derived(CLUSTER, epoch);
            let point =
                sp.join(CLUSTER).join(&epoch.to_string()).join(&format!("savepoint-{}-{epoch}", job_id.prefix()));
            write(&point.join("state"), &[7; 9]).await;
            write(&point.join("_metadata"), &metadata(epoch * 10, &[File::Beside("state", 9)])).await;
            tell(epoch, claim_of(job_id, sp.url(), chk.url())).await;
            tell(epoch, json!({ "what": "based", "base": base, "reason": "test" })).await;
            tell(epoch, json!({ "what": "confirmed", "job_id": job_id })).await;
            base = json!({ "path": point.url(), "checkpoint_id": epoch * 10, "epoch": epoch });
            let at = "2026-11-23T03:00:00Z";
            tell(
                epoch,
                json!({ "what": "saved", "job_id": job_id, "point": base, "kind": "final", "completed_at": at }),
            )
            .await;
            tell(epoch, json!({ "what": "stopped", "outcome": "savepoint", "reason": "test" })).await;
            savepoints.push(point);
        }
        let left_over = chk.join(&JobId::derived(CLUSTER, 1).to_string());
        write(&left_over.join("shared").join("5e1f"), &[1; 500]).await;
        let others = [sp.join("savepoint-abcdef-0"), sp.join("payments").join("1").join("savepoint-abcdef-0")];
        let mut foreign = Vec::new();
        for point in others {
            write(&point.join("_metadata"), &metadata(1, &[])).await;
            foreign.push(point.join("_metadata"));
        }
        write(&chk.join("abcdefabcdefabcdefabcdefabcdefab").join("shared").join("5e1f"), &[1]).await;
        let env = [("SAVEPOINTD_RECORD".to_owned(), "file:///not-used".to_owned())];
        let config = Config::load(None, env.into_iter(), Flags::default()).unwrap();
        let hands = Hands::of(&config, CLUSTER, &record, &world.storage);
        Self { hands, config, record, savepoints, left_over, foreign }
    }

    async fn prune(&self, checkpoints: bool, dry_run: bool) -> Pruned {
        let mut terms = prune::terms(&self.config, if checkpoints { Duration::ZERO } else { MIN_AGE });
        (terms.keep, terms.checkpoints) = (1, checkpoints);
        prune::prune(&self.hands, &Order { terms, dry_run, epoch: None }).await.unwrap()
    }

    /// Which savepoints are there, by epoch.
    async fn there(&self) -> Vec<u64> {
        let mut there = Vec::new();
        for (epoch, savepoint) in (1..).zip(&self.savepoints) {
            if savepoint.join("_metadata").stat().await.unwrap().is_some() {
                there.push(epoch);
            }
        }
        there
    }

    async fn given_up(&self) -> usize {
        let entries = self.record.load().await.unwrap().entries;
        entries.iter().filter(|entry| matches!(entry.fact, Fact::Pruned { .. })).count()
    }
}

async fn write(place: &Place, content: &[u8]) {
    place.create(content.to_vec()).await.unwrap();
}

fn about<'a>(pruned: &'a Pruned, place: &Place) -> &'a Outcome {
    let outcome = pruned.outcomes.iter().find(|one| one.line.path == place.url());
    outcome.unwrap_or_else(|| panic!("nothing about {} in {pruned:#?}", place.url()))
}

pub async fn prunes(store: &Store) {
    let past = Past::told(store, "prunes").await;
    let (dry, requests) = store.proxy.requests_of(past.prune(true, true)).await;
    assert_eq!(dry.outcomes.len(), 4, "{dry:#?}");
    let reads = |request: &String| request.starts_with("GET") || request.starts_with("HEAD");
    assert!(requests.iter().all(reads), "{requests:#?}");

    // What is kept needs a file of an earlier job, by another name of the same store.
    let newest = past.savepoints[2].join("_metadata");
    let whole = newest.read().await.unwrap();
    newest.delete().await.unwrap();
    let shared = past.left_over.join("shared").join("5e1f").url().replacen("s3://", "s3a://", 1);
    write(&newest, &metadata(30, &[File::At(&shared, 500)])).await;
    let pruned = past.prune(true, false).await;
    assert_eq!((past.there().await, past.given_up().await), (vec![3], 2), "{pruned:#?}");
    let kept = about(&pruned, &past.left_over);
    assert!(!kept.deleted && kept.line.reason.contains("refers to it"), "{kept:#?}");

    newest.delete().await.unwrap();
    write(&newest, &whole).await;
    let reported = past.prune(false, false).await;
    assert_eq!((reported.left_over(), about(&reported, &past.left_over).line.bytes), (500, Some(500)), "{reported:#?}");
    let pruned = past.prune(true, false).await;
    assert!(about(&pruned, &past.left_over).deleted, "{pruned:#?}");
    assert_eq!(past.left_over.measure().await.unwrap().files, 0);
    for place in &past.savepoints[..2] {
        assert_eq!(place.measure().await.unwrap().files, 0, "{}", place.url());
    }
    assert_eq!(past.there().await, [3]);
    for place in &past.foreign {
        assert!(place.stat().await.unwrap().is_some(), "{}", place.url());
    }
}

async fn a_store_that_lets_nothing_be_deleted_is_named(store: &Store) {
    let past = Past::told(store, "forbids").await;
    for method in ["POST", "DELETE"] {
        store.proxy.fault(method, "", Fault::Status(403), usize::MAX);
    }
    let pruned = past.prune(false, false).await;
    assert!(pruned.failure().is_some_and(|why| why.contains("AWS_ACCESS_KEY_ID")), "{pruned:#?}");
    store.proxy.heal();
    assert_eq!((past.there().await, past.given_up().await), (vec![1, 2, 3], 1), "one shows that the store refuses");
    past.prune(false, false).await;
    assert_eq!(past.there().await, [3]);
}

pub async fn one_that_fails_halfway_leaves_nothing_that_looks_whole(store: &Store) {
    let past = Past::told(store, "halfway").await;
    // Its state can't be deleted; its `_metadata` goes before.
    for method in ["POST", "DELETE"] {
        store.proxy.pass(method, 1);
        store.proxy.fault(method, "", Fault::Status(503), usize::MAX);
    }
    let pruned = past.prune(false, false).await;
    assert!(pruned.failure().is_some(), "{pruned:#?}");
    store.proxy.heal();
    let there = past.there().await;
    assert!(there.len() == 2 && there.contains(&3), "{there:?}");
    let half = past.savepoints.iter().zip(1..).find(|(_, epoch)| !there.contains(epoch)).unwrap().0;
    assert_eq!(half.measure().await.unwrap().files, 1, "its state is still there");
    let ended = past.prune(false, false).await;
    assert!(about(&ended, half).deleted && about(&ended, half).line.reason.contains("earlier prune"), "{ended:#?}");
    assert_eq!((past.there().await, half.measure().await.unwrap().files), (vec![3], 0));
}
