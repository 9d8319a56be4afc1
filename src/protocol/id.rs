//! Flink's 128-bit ids, and how a job id tells its cluster and epoch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A 128-bit id as Flink writes it: 32 lower-case hexadecimal digits. All zeros is legal (Flink's own id for the one
/// job of an application under high availability before 1.20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

/// A Flink job id.
pub type JobId = Id;
/// A trigger id of Flink's asynchronous operations. Chosen by us, so that a lost reply can be repeated (Flink 1.15+).
pub type TriggerId = Id;

impl Id {
    /// The id made of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The job id that epoch `epoch` of `cluster` uses: eight bytes of the cluster id's SHA-256, then the epoch.
    ///
    /// So a checkpoint folder, which Flink names after the job, tells to which cluster and epoch it belongs.
    #[must_use]
    pub fn derived(cluster: &str, epoch: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&cluster_hash(cluster));
        bytes[8..].copy_from_slice(&epoch.to_be_bytes());
        Self(bytes)
    }

    /// The epoch, if this is a derived job id of `cluster`.
    #[must_use]
    pub fn epoch_of(self, cluster: &str) -> Option<u64> {
        let (hash, epoch) = self.0.split_at(8);
        (hash == cluster_hash(cluster)).then(|| u64::from_be_bytes(epoch.try_into().unwrap_or_default()))
    }

    /// The seed of a stop's trigger ids, from the folder that this epoch's savepoint goes to. Whoever carries out the stop of
    /// one epoch, the agent and a `run` that took it for dead, asks Flink under the same ids, so that both ask for one savepoint.
    #[must_use]
    pub fn seed(target: &str) -> Self {
        let mut bytes = [0; 16];
        for (byte, digested) in bytes.iter_mut().zip(Sha256::digest(target.as_bytes())) {
            *byte = digested;
        }
        Self(bytes)
    }

    /// The `n`th of a family of ids that nobody shares with another seed.
    #[must_use]
    pub fn nth(seed: Self, n: u32) -> Self {
        let mut bytes = seed.0;
        for (byte, number) in bytes.iter_mut().rev().zip(n.to_le_bytes()) {
            *byte ^= number;
        }
        Self(bytes)
    }

    /// The first six digits, which Flink puts into the names of savepoint directories.
    #[must_use]
    pub fn prefix(self) -> String {
        self.to_string().chars().take(6).collect()
    }
}

fn cluster_hash(cluster: &str) -> [u8; 8] {
    let mut hash = [0; 8];
    for (byte, digested) in hash.iter_mut().zip(Sha256::digest(cluster.as_bytes())) {
        *byte = digested;
    }
    hash
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits, found {0:?}")]
pub struct ParseIdError(String);

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = || ParseIdError(text.to_owned());
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| wrong())
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_job_id_tells_its_cluster_and_epoch() {
        let id = Id::derived("orders-1a2b3c4d", 7);
        assert_eq!(id.epoch_of("orders-1a2b3c4d"), Some(7));
        assert_eq!(id.epoch_of("orders-1a2b3c4e"), None);
        assert!(id.to_string().ends_with("0000000000000007"), "{id}");
    }

    #[test]
    fn all_digit_and_all_zero_ids_survive_a_round_trip() {
        for text in
            ["00000000000000000000000000000000", "00000000000000000000000000000001", "ffffffffffffffffffffffffffffffff"]
        {
            assert_eq!(text.parse::<Id>().unwrap().to_string(), text);
            let json = serde_json::to_string(&text.parse::<Id>().unwrap()).unwrap();
            assert_eq!(serde_json::from_str::<Id>(&json).unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_but_32_hexadecimal_digits_is_refused() {
        for text in [
            "",
            "short",
            "c2a1f8a5-7d7d-4c0e-9a39-ffffffffffff",
            "+0000000000000000000000000000001",
            "g0000000000000000000000000000000",
        ] {
            assert_eq!(text.parse::<Id>(), Err(ParseIdError(text.to_owned())));
        }
    }
}
