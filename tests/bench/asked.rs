//! Points on a real object store: files asked for one by one, by how many at once, and a directory with 10,000 checkpoints listed.

use std::time::Instant;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use savepointd::protocol::entry::Directories;
use savepointd::protocol::id::JobId;
use savepointd::storage::{self, Options, Place, Storage};

use super::figures::Figure;
use super::peak_kib;
use super::support::metadata::metadata;
use super::support::stores::{Store, installed};

const CHECKPOINTS: u64 = 10_000;
const ASKED: usize = 4_000;
const WRITTEN_AT_ONCE: usize = 32;
const IN_FLIGHT: [usize; 3] = [1, 16, 64];

pub(crate) fn measure() {
    if !installed() {
        return println!("left out: tests/stores.sh gets MinIO");
    }
    let store = Store::minio();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = Some(format!("http://127.0.0.1:{}", store.direct));
        let storage = Storage::new(Options { endpoint, ..Options::default() }, store.variables.iter().cloned());
        let job = JobId::derived("orders", 1);
        let checkpoints = storage.place(&store.bucket).unwrap().join("chk");
        let files = lay_out(&checkpoints.join(&job.to_string())).await;
        one_by_one(&files).await;
        listing(&storage, &store, job).await;
    });
}

/// Gives the places of all `_metadata`.
async fn lay_out(folder: &Place) -> Vec<Place> {
    let files: Vec<Place> =
        (1..=CHECKPOINTS).map(|number| folder.join(&format!("chk-{number}")).join("_metadata")).collect();
    let writing = (1..).zip(&files).map(|(number, file)| file.create(metadata(number, &[])));
    stream::iter(writing).buffer_unordered(WRITTEN_AT_ONCE).try_for_each(|_| async { Ok(()) }).await.unwrap();
    files
}

async fn one_by_one(files: &[Place]) {
    let mut alone = None;
    for at_once in IN_FLIGHT {
        let begin = Instant::now();
        let asking = files[..ASKED].iter().map(|file| async move { file.stat().await.unwrap().unwrap() });
        let sizes: Vec<_> = stream::iter(asking).buffer_unordered(at_once).collect().await;
        assert_eq!(sizes.len(), ASKED);
        let rate = ASKED as f64 / begin.elapsed().as_secs_f64();
        let figure = Figure::new(format!("files asked for on MinIO, {at_once} at once"), rate, "files/s");
        match *alone.get_or_insert(rate) {
            one if at_once > 1 => figure.beside("one at a time", one).tell(),
            _ => figure.tell(),
        }
    }
}

/// What a start sees of a directory in which Flink has left them all.
async fn listing(storage: &Storage, store: &Store, job: JobId) {
    let below = |name: &str| format!("{}/{name}", store.bucket);
    let directories = Directories { checkpoint: below("chk"), savepoint: below("sp"), ..Directories::default() };
    let before = peak_kib();
    let begin = Instant::now();
    let all = storage::list(storage, std::slice::from_ref(&directories), &[], "orders", false, &[job]).await.unwrap();
    let took = begin.elapsed().as_secs_f64();
    assert_eq!(all.found.len(), usize::try_from(CHECKPOINTS).unwrap());
    let more = peak_kib().saturating_sub(before) as f64 / 1024.0;
    let begin = Instant::now();
    let names = storage.place(&directories.checkpoint).unwrap().list();
    assert_eq!(names.try_fold(0, |count, _| async move { Ok(count + 1) }).await.unwrap(), CHECKPOINTS);
    let plain = begin.elapsed().as_secs_f64();
    Figure::new("10,000 checkpoints on MinIO, listed and each looked at", took, "s")
        .beside("their names listed, and nothing more", plain)
        .tell();
    Figure::new("memory that this takes", more, "MiB").bar("at most 16 MiB", more <= 16.0).tell();
}
