//! A point with 10,000 files on a real store: half of them beside its `_metadata`, half in `shared/`, where as many strangers lie.

use std::process::Command;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use savepointd::storage::{Options, Storage};
use serde_json::Value;

use super::metadata::{File, metadata};
use super::process::binary;
use super::stores::Store;

pub const FILES: usize = 10_000;
const POINT: &str = "checkpoints/job/chk-7";
/// So many are written at once.
const AT_ONCE: usize = 32;

/// What `verify` says of the point, and how many requests reached the store for that.
pub fn verify(store: &Store) -> (Value, usize) {
    let before = store.proxy.requests().len();
    let point = format!("{}/{POINT}", store.bucket);
    let mut command = Command::new(binary());
    command.args(["verify", "--output", "json", &point]).envs(store.variables.iter().cloned());
    let output = command.output().unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (answer, store.proxy.requests().len() - before)
}

/// Writes the point, past the proxy.
pub fn lay_out(store: &Store) {
    let endpoint = Some(format!("http://127.0.0.1:{}", store.direct));
    let storage = Storage::new(Options { endpoint, ..Options::default() }, store.variables.iter().cloned());
    let names = |range: std::ops::Range<usize>| -> Vec<String> { range.map(|n| format!("{n:08x}-state")).collect() };
    let (beside, shared) = (names(0..FILES / 2), names(FILES / 2..FILES));
    let urls: Vec<String> =
        shared.iter().map(|name| format!("{}/checkpoints/job/shared/{name}", store.bucket)).collect();
    let files = beside.iter().map(|name| File::Beside(name, 1)).chain(urls.iter().map(|url| File::At(url, 1)));
    let files: Vec<File> = files.collect();
    let own = beside.iter().map(|name| format!("{POINT}/{name}"));
    let strangers = beside.iter().map(|name| format!("checkpoints/job/shared/{name}"));
    let others = shared.iter().map(|name| format!("checkpoints/job/shared/{name}"));
    let all = own.chain(others).chain(strangers).map(|path| (path, vec![7]));
    let bucket = storage.place(&store.bucket).unwrap();
    let all = all.chain([(format!("{POINT}/_metadata"), metadata(7, &files))]);
    let writing = all.map(|(path, content)| {
        let place = path.split('/').fold(bucket.clone(), |place, name| place.join(name));
        async move { place.create(content).await }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(stream::iter(writing).buffer_unordered(AT_ONCE).try_for_each(|_| async { Ok(()) })).unwrap();
}
