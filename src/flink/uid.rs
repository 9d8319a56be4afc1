//! Which operator a uid means: Flink identifies state by a hash of it, the 128-bit murmur3 of its UTF-8 with seed 0.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The operator id of `uid`: 32 hex digits, as in Flink's REST API, logs and `_metadata`.
#[must_use]
pub fn operator_id(uid: &str) -> String {
    let (blocks, tail) = uid.as_bytes().as_chunks::<16>();
    let (mut h1, mut h2) = (0, 0);
    for block in blocks {
        let (k1, k2) = halves(*block);
        h1 = (h1 ^ first(k1)).rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ second(k2)).rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let mut last = [0; 16];
    for (to, from) in last.iter_mut().zip(tail) {
        *to = *from;
    }
    let (k1, k2) = halves(last);
    let length = uid.len() as u64;
    h1 ^= first(k1) ^ length;
    h2 ^= second(k2) ^ length;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    h1 = mixed(h1);
    h2 = mixed(h2);
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    format!("{:016x}{:016x}", h1.swap_bytes(), h2.swap_bytes())
}

fn halves(block: [u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(block);
    #[expect(clippy::cast_possible_truncation, reason = "each half is wanted")]
    (both as u64, (both >> 64) as u64)
}

fn first(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn second(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn mixed(mut k: u64) -> u64 {
    k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use super::operator_id;

    #[test]
    fn a_uid_means_the_operator_that_flink_made_of_it() {
        // From savepoints of Flink 2.3, which hold both.
        for (uid, id) in [
            ("numbers", "ca88eee0095684d687a1b6495617f957"),
            ("slow", "59fa767824610e31f4a11d6125e09bf4"),
            ("zähler-🐿", "286653ddc94fb0c6b5c0db8c404a79ab"),
        ] {
            assert_eq!(operator_id(uid), id, "{uid}");
        }
    }

    #[test]
    fn every_length_of_the_last_block_counts() {
        // The reference implementation's own test vectors.
        assert_eq!(operator_id(""), "00000000000000000000000000000000");
        assert_eq!(operator_id("The quick brown fox jumps over the lazy dog"), "6c1b07bc7bbc4be347939ac4a93c437a");
    }
}
