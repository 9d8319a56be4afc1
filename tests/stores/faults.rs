//! What goes wrong between a store and its clients, on every store alike.

use savepointd::protocol::stop::{RecordReply, Search, Secured};
use savepointd::storage;

use super::support::store_proxy::Fault;
use super::support::stores::Store;
use super::world::{World, claim, run};

#[test]
fn faults_on_the_way_to_minio_never_lie() {
    let store = Store::minio();
    run(async {
        suffer(&store).await;
        a_bucket_that_is_not_there_is_not_an_empty_one(&store, "s3://missing").await;
        a_wrong_secret_is_an_error_that_says_whose(&store).await;
    });
}

#[test]
fn faults_on_the_way_to_google_cloud_storage_never_lie() {
    let store = Store::google();
    run(suffer(&store));
}

#[test]
fn faults_on_the_way_to_azure_never_lie() {
    let store = Store::azure();
    run(async {
        suffer(&store).await;
        a_bucket_that_is_not_there_is_not_an_empty_one(&store, "abfss://missing@devstoreaccount1.dfs.core.windows.net")
            .await;
    });
}

pub async fn suffer(store: &Store) {
    an_entry_whose_reply_was_lost_is_added_once(store).await;
    a_conflict_with_nobody_is_none(store).await;
    what_is_forbidden_is_not_absent(store).await;
    trouble_passes_and_is_not_absence(store).await;
    a_store_that_stalls_is_given_up(store).await;
}

async fn an_entry_whose_reply_was_lost_is_added_once(store: &Store) {
    let world = World::of(store);
    for (number, fault) in
        [Fault::LostReply, Fault::DoneBut(503), Fault::DoneBut(409), Fault::DoneBut(412)].into_iter().enumerate()
    {
        let name = format!("lost-{number}");
        let record = world.record(&name);
        assert_eq!(record.add(&[claim(1)]).await, RecordReply::Done);
        store.proxy.fault("PUT", "json", fault, 1);
        let entry = claim(2);
        // Whoever is not sure that it was written writes it again, as the stop does.
        let mut reply = record.add(std::slice::from_ref(&entry)).await;
        if let RecordReply::Failed(reason) = &reply {
            assert_eq!(fault, Fault::LostReply, "{reason}");
            assert_eq!(world.record(&name).add(&[claim(3)]).await, RecordReply::Done);
            reply = record.add(std::slice::from_ref(&entry)).await;
        }
        assert_eq!(reply, RecordReply::Done, "{fault:?}");
        let entries = world.record(&name).load().await.unwrap().entries;
        let times = entries.iter().filter(|one| one.write_id == entry.write_id).count();
        assert_eq!(times, 1, "{fault:?}: {entries:#?}");
        store.proxy.heal();
    }
}

async fn a_conflict_with_nobody_is_none(store: &Store) {
    let world = World::of(store);
    for (number, status) in [409, 412].into_iter().enumerate() {
        let name = format!("conflict-{number}");
        store.proxy.fault("PUT", "json", Fault::Status(status), 2);
        assert_eq!(world.record(&name).add(&[claim(1)]).await, RecordReply::Done, "{status}");
        assert_eq!(world.record(&name).load().await.unwrap().entries.len(), 1);

        store.proxy.fault("PUT", "json", Fault::Status(status), usize::MAX);
        let reply = world.record(&name).add(&[claim(2)]).await;
        assert!(matches!(reply, RecordReply::Failed(_)), "{status}: {reply:?}");
        store.proxy.heal();
        assert_eq!(world.record(&name).load().await.unwrap().entries.len(), 1);
    }
}

async fn what_is_forbidden_is_not_absent(store: &Store) {
    let world = World::of(store);
    assert_eq!(world.record("forbidden").add(&[claim(1)]).await, RecordReply::Done);
    store.proxy.fault("PUT", "", Fault::Status(403), usize::MAX);
    let reply = world.record("forbidden").add(&[claim(2)]).await;
    assert!(matches!(reply, RecordReply::Failed(_)), "{reply:?}");

    store.proxy.fault_all(Fault::Status(403));
    let error = world.record("forbidden").load().await.unwrap_err();
    assert!(!error.passes(), "{error:?}");
    assert!(savepointd::report::chain(&error).contains("some path/forbidden"), "{error:?}");
    let place = world.place("forbidden");
    for error in [place.join("x").stat().await.unwrap_err(), place.join("x").delete().await.unwrap_err()] {
        assert!(!error.passes() && !error.is_missing(), "{error:?}");
    }
    let seen = storage::look(&world.storage, place.url(), None).await;
    assert!(matches!(&seen, Search::Found(Secured { doubt: Some(_), .. })), "{seen:?}");
    store.proxy.heal();
    assert_eq!(world.record("forbidden").load().await.unwrap().entries.len(), 1);
}

async fn trouble_passes_and_is_not_absence(store: &Store) {
    let world = World::of(store);
    assert_eq!(world.record("trouble").add(&[claim(1)]).await, RecordReply::Done);
    for fault in [Fault::Status(503), Fault::Status(500), Fault::Reset] {
        store.proxy.fault("GET", "", fault, 1);
        assert_eq!(world.record("trouble").load().await.unwrap().entries.len(), 1, "one {fault:?} is nothing");
        store.proxy.heal();
        store.proxy.fault_all(fault);
        let error = world.record("trouble").load().await.unwrap_err();
        assert!(error.passes(), "{fault:?}: {error:?}");
        assert!(world.place("trouble").join("x").stat().await.unwrap_err().passes(), "{fault:?}");
        store.proxy.heal();
    }
}

async fn a_store_that_stalls_is_given_up(store: &Store) {
    let world = World::of(store);
    assert_eq!(world.record("stall").add(&[claim(1)]).await, RecordReply::Done);
    let impatient = world.impatient(store);
    store.proxy.fault_all(Fault::Stall);
    assert!(impatient.record("stall").load().await.unwrap_err().passes());
    let reply = impatient.record("stall").add(&[claim(2)]).await;
    assert!(matches!(reply, RecordReply::Failed(_)), "{reply:?}");
    store.proxy.heal();
    assert_eq!(world.record("stall").load().await.unwrap().entries.len(), 1);
}

async fn a_bucket_that_is_not_there_is_not_an_empty_one(store: &Store, bucket: &str) {
    let world = World::with(store, bucket);
    let error = world.record("any").load().await.unwrap_err();
    assert!(savepointd::report::chain(&error).contains("does not exist"), "{error:?}");
    // By itself, the answer to a question for one object is the same as for an object that is not there.
    let error = World::with(store, bucket).place("x").stat().await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error:?}");
}

async fn a_wrong_secret_is_an_error_that_says_whose(store: &Store) {
    let mut variables = store.variables.clone();
    variables.retain(|(name, _)| name != "AWS_SECRET_ACCESS_KEY");
    variables.push(("AWS_SECRET_ACCESS_KEY".to_owned(), "wrong".to_owned()));
    let storage = storage::Storage::new(storage::Options::default(), variables.into_iter());
    let error = storage.place("s3://state/x").unwrap().children().await.unwrap_err();
    assert!(!error.passes(), "{error:?}");
    assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
}
