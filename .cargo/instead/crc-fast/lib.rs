//! CRC-64/NVME, the one checksum that `object_store` asks for (where `AWS_CHECKSUM_ALGORITHM` says so). The crate of this name has a
//! hundred more, and their tables made up a fourteenth of the binary.
//!
//! `tests/wire/instead.rs` has its check value.

/// Only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// As of the NVM Express specification, and of S3.
    Crc64Nvme,
}

/// The polynomial 0xad93d23594c93659, its bits reversed as the input's are.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ POLYNOMIAL } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

/// A checksum that grows with its input.
#[derive(Debug, Clone, Copy)]
pub struct Digest(u64);

impl Digest {
    /// Of nothing yet.
    pub fn new(_: CrcAlgorithm) -> Self {
        Self(u64::MAX)
    }

    /// Adds input.
    pub fn update(&mut self, data: &[u8]) {
        self.0 = data.iter().fold(self.0, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8));
    }

    /// The checksum of all input so far.
    pub fn finalize(&self) -> u64 {
        !self.0
    }
}
