//! The first bytes of a `_metadata` file: magic number, format version, checkpoint id.

/// Bytes that [`Head::parse`] needs.
pub const HEAD: usize = 16;

const MAGIC: u32 = 0x4960_672d;
const VERSIONS: std::ops::RangeInclusive<u32> = 3..=7;
/// Flink adds one in a year or two; a number above this is damage.
const PLAUSIBLE: u32 = 31;

/// What the first bytes of a `_metadata` file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The format version.
    pub version: u32,
    /// The checkpoint id, which savepoints share.
    pub checkpoint_id: u64,
}

/// A `_metadata` file that Flink did not write, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Shorter than any head.
    #[error("_metadata is only {0} bytes long")]
    Short(usize),
    /// Not Flink's.
    #[error("_metadata does not begin with Flink's magic number, but with {0:#010x}")]
    Magic(u32),
    /// From a Flink that this build does not know, or that no supported Flink reads.
    #[error("_metadata has format version {0}; known are {first} to {last}", first = VERSIONS.start(), last = VERSIONS.end())]
    Version(u32),
    /// Flink counts from 1 upwards.
    #[error("_metadata names the checkpoint id {0}")]
    CheckpointId(i64),
}

impl Head {
    /// The head of a file whose format version is newer than any that is known, taken to be what it was in all versions so
    /// far: enough to put the point in order, not to say that it is one.
    #[must_use]
    pub fn of_newer(bytes: &[u8]) -> Option<Self> {
        let Err(HeadError::Version(version)) = Self::parse(bytes) else { return None };
        let id = bytes.get(8..HEAD)?.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let is_newer = version > *VERSIONS.end() && version <= PLAUSIBLE && id.cast_signed() >= 0;
        is_newer.then_some(Self { version, checkpoint_id: id })
    }

    /// Reads the head from the file's first bytes.
    ///
    /// # Errors
    /// If these are not the first bytes of a `_metadata` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let head: &[u8; HEAD] = bytes.first_chunk().ok_or(HeadError::Short(bytes.len()))?;
        let (magic, rest) = head.split_at(4);
        let (version, id) = rest.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let small = |bytes: &[u8]| u32::try_from(number(bytes)).unwrap_or_default();
        match (small(magic), small(version), number(id).cast_signed()) {
            (magic, ..) if magic != MAGIC => Err(HeadError::Magic(magic)),
            (_, version, _) if !VERSIONS.contains(&version) => Err(HeadError::Version(version)),
            (_, version, id) => {
                let checkpoint_id = u64::try_from(id).map_err(|_| HeadError::CheckpointId(id))?;
                Ok(Self { version, checkpoint_id })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLINK_1_20: [u8; HEAD] = [0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4];

    #[test]
    fn the_head_of_a_real_savepoint_is_read() {
        assert_eq!(Head::parse(&FLINK_1_20), Ok(Head { version: 4, checkpoint_id: 4 }));
    }

    #[test]
    fn the_head_of_a_newer_version_is_told_from_damage() {
        let of_version = |version| {
            let mut head = FLINK_1_20;
            head[7] = version;
            Head::of_newer(&head)
        };
        assert_eq!(of_version(8), Some(Head { version: 8, checkpoint_id: 4 }));
        for version in [0, 2, 4, 7, 32, 0xff] {
            assert_eq!(of_version(version), None, "{version}");
        }
        assert_eq!(Head::of_newer(&FLINK_1_20[..8]), None);
    }

    #[test]
    fn every_damage_of_the_head_is_told() {
        for length in 0..HEAD {
            assert_eq!(Head::parse(&FLINK_1_20[..length]), Err(HeadError::Short(length)));
        }
        for byte in 0..8 {
            let mut damaged = FLINK_1_20;
            damaged[byte] ^= 0x40;
            assert!(Head::parse(&damaged).is_err(), "byte {byte}");
        }
        let mut negative = FLINK_1_20;
        negative[8] = 0x80;
        assert!(matches!(Head::parse(&negative), Err(HeadError::CheckpointId(_))));
    }
}
