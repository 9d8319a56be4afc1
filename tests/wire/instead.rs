//! The small crates that stand in the place of large ones (`.cargo/instead`).

use crc_fast::{CrcAlgorithm, Digest};
use jsonpath_rust::JsonPath as _;
use serde_json::json;

#[test]
fn the_checksum_is_that_of_s3() {
    let of = |pieces: &[&[u8]]| {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        for piece in pieces {
            digest.update(piece);
        }
        digest.finalize()
    };
    // The check value of CRC-64/NVME in the catalogue of checksums.
    assert_eq!(of(&[b"123456789"]), 0xae8b_1486_0a79_9888);
    assert_eq!(of(&[b"1234", b"", b"56789"]), of(&[b"123456789"]));
    assert_eq!(of(&[]), 0);
}

#[test]
fn a_token_is_found_by_a_path_of_names() {
    let said = json!({ "credential": { "access_token": "secret", "token-expiry": "2026" } });
    assert_eq!(said.query("$.credential.access_token").unwrap(), [&json!("secret")]);
    assert_eq!(said.query("$.credential.token-expiry").unwrap(), [&json!("2026")]);
    assert!(said.query("$.credential.other").unwrap().is_empty());
    assert!(said.query("$.credential.access_token.deeper").unwrap().is_empty());
    for path in ["$.items[0].token", "$..token", "credential", "$.", "$.a[?(@.b == 1)]"] {
        let error = said.query(path).unwrap_err().to_string();
        assert!(error.contains(path) && error.contains("names alone"), "{error}");
    }
}
