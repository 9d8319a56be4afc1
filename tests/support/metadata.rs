//! Writes `_metadata` as Flink 1.15 does: format version 3, one operator, whose subtasks have their keyed state in files.

/// Where the state of one subtask lies.
#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "not every test needs every kind")]
pub enum File<'a> {
    /// Beside `_metadata`: name and bytes.
    Beside(&'a str, u64),
    /// Anywhere: URL and bytes.
    At(&'a str, u64),
    /// In a part of a file anywhere: URL, first byte and number of bytes.
    Within(&'a str, u64, u64),
}

/// The whole of a `_metadata` file with this checkpoint id.
pub fn metadata(checkpoint_id: u64, files: &[File]) -> Vec<u8> {
    let mut bytes = Bytes(Vec::new());
    bytes.int(0x4960_672d);
    bytes.int(3);
    bytes.long(checkpoint_id);
    // No state of masters; the operator: id, parallelism, key groups, no coordinator.
    bytes.int(0);
    bytes.int(1);
    bytes.0.extend_from_slice(&[0xab; 16]);
    let subtasks = u32::try_from(files.len()).unwrap();
    bytes.int(subtasks.max(1));
    bytes.int(1 << 15);
    bytes.byte(0);
    bytes.int(subtasks);
    for (index, file) in (0..).zip(files) {
        // No operator state of either kind; keyed state of one key group; none raw, none of channels.
        bytes.int(index);
        bytes.int(0);
        bytes.int(0);
        bytes.byte(3);
        bytes.int(index);
        bytes.int(1);
        bytes.long(0);
        bytes.stream(file);
        bytes.byte(0);
        bytes.int(0);
        bytes.int(0);
    }
    bytes.0
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn int(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn stream(&mut self, file: &File) {
        match *file {
            File::Beside(name, size) => {
                self.byte(6);
                self.text(name);
                self.long(size);
            }
            File::At(url, size) => {
                self.byte(2);
                self.long(size);
                self.text(url);
            }
            File::Within(url, begin, size) => {
                self.byte(15);
                self.long(begin);
                self.long(size);
                self.int(0);
                self.text(url);
                self.text("segment");
            }
        }
    }
}
