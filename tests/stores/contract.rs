//! What holds on every store alike.

use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use savepointd::protocol::entry::Fact;
use savepointd::protocol::stop::RecordReply;
use savepointd::random;
use savepointd::record::{self, Append, Error, marker::Marker};
use savepointd::storage::Created;

use super::support::stores::Store;
use super::world::{World, claim, run};

#[test]
fn the_contract_holds_on_files() {
    let dir = tempfile::tempdir().unwrap();
    run(hold(&World::of_files(dir.path())));
}

#[test]
fn the_contract_holds_on_minio() {
    let store = Store::minio();
    run(async {
        hold(&World::of(&store)).await;
        hold(&World::with(&store, "s3a://st.ate")).await;
        a_second_load_is_one_request(&store).await;
    });
}

#[test]
fn the_contract_holds_on_google_cloud_storage() {
    let store = Store::google();
    run(async {
        hold(&World::of(&store)).await;
        a_second_load_is_one_request(&store).await;
    });
}

#[test]
fn the_contract_holds_on_azure() {
    let store = Store::azure();
    run(async {
        hold(&World::of(&store)).await;
        a_second_load_is_one_request(&store).await;
    });
}

pub async fn hold(world: &World) {
    a_place_gives_what_was_put_there(world).await;
    what_is_not_there_is_empty_and_what_was_added_is_read_in_order(world).await;
    of_two_that_append_after_the_same_load_one_wins(world).await;
    of_eight_that_race_one_wins(world).await;
    the_marker_keeps_its_first_word(world).await;
    a_long_record_is_summed_up_and_nothing_of_it_is_forgotten(world).await;
}

async fn a_place_gives_what_was_put_there(world: &World) {
    let folder = world.place("places");
    assert_eq!(folder.children().await.unwrap(), (vec![], vec![]), "not there, and so empty");
    let file = folder.join("deep").join("in").join("a file");
    assert_eq!(file.stat().await.unwrap(), None);
    assert!(file.open().await.err().unwrap().is_missing());
    assert_eq!(file.create(b"first".to_vec()).await.unwrap(), Created::Done);
    assert_eq!(file.create(b"second".to_vec()).await.unwrap(), Created::Exists);
    folder.join("beside").create(Vec::new()).await.unwrap();
    // A name that begins in the same way is not below.
    world.place("places-other").join("x").create(Vec::new()).await.unwrap();

    assert_eq!(file.read().await.unwrap(), b"first");
    let (size, changed) = file.stat().await.unwrap().unwrap();
    assert!(size == 5 && changed.is_some());
    let beginning = file.beginning(3).await.unwrap().unwrap();
    assert_eq!((beginning.bytes.as_slice(), beginning.of, beginning.modified), (&b"fir"[..], 5, changed));
    assert_eq!(file.beginning(100).await.unwrap().unwrap().bytes, b"first");
    let empty = folder.join("beside").beginning(3).await.unwrap().unwrap();
    assert_eq!((empty.bytes.len(), empty.of), (0, 0));
    assert_eq!(folder.join("nowhere").beginning(3).await.unwrap(), None);
    assert_eq!(folder.children().await.unwrap(), (vec!["deep".to_owned()], vec!["beside".to_owned()]));
    let mut listed: Vec<_> = folder.list().map_ok(|file| (file.name, file.bytes)).try_collect().await.unwrap();
    listed.sort();
    assert_eq!(listed, [("beside".to_owned(), 0), ("deep/in/a file".to_owned(), 5)]);

    for _ in 0..2 {
        file.delete().await.unwrap();
        assert_eq!(file.stat().await.unwrap(), None);
    }
}

async fn what_is_not_there_is_empty_and_what_was_added_is_read_in_order(world: &World) {
    let record = world.record("order");
    assert!(record.load().await.unwrap().entries.is_empty());
    for epoch in 1..=12 {
        assert_eq!(record.add(&[claim(epoch)]).await, RecordReply::Done);
    }
    let read = world.record("order").load().await.unwrap();
    assert_eq!(read.entries.iter().map(|entry| entry.epoch).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    assert_eq!(record.load().await.unwrap().entries, read.entries);
    let reply = world.record("order").add(&[claim(3)]).await;
    assert!(matches!(reply, RecordReply::Superseded(_)), "{reply:?}");
}

async fn of_two_that_append_after_the_same_load_one_wins(world: &World) {
    let (one, other) = (world.record("two"), world.record("two"));
    let (mut seen_by_one, mut seen_by_other) = (one.load().await.unwrap(), other.load().await.unwrap());
    assert_eq!(one.append(&mut seen_by_one, &[claim(1)]).await.unwrap(), Append::Done);
    assert_eq!(other.append(&mut seen_by_other, &[claim(1)]).await.unwrap(), Append::Conflict);
    assert_eq!(other.load().await.unwrap().entries, seen_by_one.entries);
}

async fn of_eight_that_race_one_wins(world: &World) {
    for round in 0..5 {
        let name = format!("race-{round}");
        let records: Vec<_> = (0..8).map(|_| world.record(&name)).collect();
        let mut loaded = join_all(records.iter().map(|record| async { record.load().await.unwrap() })).await;
        let writers = join_all(records.iter().zip(&mut loaded).map(async |(record, seen)| {
            let entry = claim(1);
            let appended = record.append(seen, std::slice::from_ref(&entry)).await.unwrap();
            (appended == Append::Done).then_some(entry)
        }));
        let winners: Vec<_> = writers.await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:#?}");
        assert_eq!(world.record(&name).load().await.unwrap().entries, winners);
    }
}

async fn a_long_record_is_summed_up_and_nothing_of_it_is_forgotten(world: &World) {
    let (record, reader) = (world.record("long"), world.record("long"));
    let mut all = vec![claim(1)];
    assert_eq!(record.add(&all).await, RecordReply::Done);
    assert_eq!(reader.load().await.unwrap().entries, all);
    for _ in 0..2 {
        let more: Vec<_> = (0..130).map(|_| record::entry(1, Fact::Left)).collect();
        assert_eq!(record.add(&more).await, RecordReply::Done);
        all.extend(more);
        record.tidy().await;
    }
    let (_, objects) = world.place("long").children().await.unwrap();
    assert_eq!(objects.len(), 132, "two summaries, and what the first of them does not cover");
    assert_eq!(reader.load().await.unwrap().entries, all);
    assert_eq!(world.record("long").load().await.unwrap().entries, all);
    assert_eq!(record.add(&[claim(2)]).await, RecordReply::Done);
    assert_eq!(reader.load().await.unwrap().entries.len(), all.len() + 1);
}

async fn the_marker_keeps_its_first_word(world: &World) {
    let marker = Marker::of(&world.place("cluster"));
    assert_eq!(marker.load().await.unwrap(), None);
    let created = |id| record::entry(1, Fact::Created { cluster: "orders".to_owned(), record_id: id });
    let kept = [created(random::id()), claim(2)];
    for entry in &kept {
        marker.keep(entry).await.unwrap();
    }
    marker.keep(&kept[1]).await.unwrap();
    // Somebody else who was given the same epoch is not let go.
    let begun = marker.keep(&claim(2)).await.unwrap_err();
    assert!(matches!(&begun, Error::Begun(url) if url.ends_with("2-claimed.json")) && begun.passes(), "{begun}");
    assert_eq!(marker.load().await.unwrap().unwrap(), kept);
    let error = marker.keep(&created(random::id())).await.unwrap_err();
    assert!(!error.passes() && error.to_string().contains("another cluster"), "{error}");
}

async fn a_second_load_is_one_request(store: &Store) {
    let world = World::of(store);
    let record = world.record("order");
    let ((), first) = store.proxy.requests_of(async { drop(record.load().await.unwrap()) }).await;
    assert_eq!(first.len(), 13, "a listing, and each of the twelve: {first:#?}");
    let ((), second) = store.proxy.requests_of(async { drop(record.load().await.unwrap()) }).await;
    assert_eq!(second.len(), 1, "{second:#?}");
    let ((), added) =
        store.proxy.requests_of(async { assert_eq!(record.add(&[claim(13)]).await, RecordReply::Done) }).await;
    assert_eq!(added.len(), 1, "{added:#?}");
    let record = world.record("long");
    let ((), long) = store.proxy.requests_of(async { drop(record.load().await.unwrap()) }).await;
    assert_eq!(long.len(), 3, "a listing, a summary, and one entry after that: {long:#?}");
}
