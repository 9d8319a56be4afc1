//! Proving a large point whole takes few requests.

use super::support::many_files::{FILES, lay_out, verify};
use super::support::stores::Store;

#[test]
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
    assert!(requests <= 50, "{requests}: {:#?}", store.proxy.requests());
    assert_eq!(answer["requests"], requests, "it counts what it asks: {:#?}", store.proxy.requests());
}
