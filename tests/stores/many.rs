//! Proving a large point whole takes few requests.

use super::support::many_files::{FILES, lay_out, verify};
use super::support::stores::Store;

#[test]
#[expect(clippy::print_stderr, reason = "the figure is for people")]
#[ignore = "full size"]
fn ten_thousand_files_on_minio_take_at_most_fifty_requests() {
    let store = Store::minio();
    lay_out(&store);
    let (answer, requests) = verify(&store);
    assert_eq!(
        (answer["verdict"].as_str(), answer["files"].as_u64()),
        (Some("whole"), Some(FILES as u64)),
        "{answer:#}"
    );
    eprintln!("10,000 files verified with {requests} requests");
    assert!(requests <= 50, "{requests}: {:#?}", store.proxy.requests());
    assert_eq!(answer["requests"], requests, "it counts what it asks: {:#?}", store.proxy.requests());
}
