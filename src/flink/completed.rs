//! Which point a `CompletedCheckpoint` stands for, as Flink's high availability keeps it in `completedCheckpoint…`.
//!
//! Such a file is one Java object, serialized: a class description that names the fields, then their values. Only the first
//! few are read: number, place and job come before everything that is large. (Flink 1.15 to 2.3.)

use crate::protocol::ha::Kept;
use crate::protocol::id::JobId;
use crate::protocol::point::normalize;

/// So much of the file tells what is wanted.
pub const HEAD: u64 = 16 * 1024;

const CLASS: &str = "org.apache.flink.runtime.checkpoint.CompletedCheckpoint";

// The grammar of Java's Object Serialization Stream Protocol, as far as it comes up here.
const MAGIC: u32 = 0xaced_0005;
const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESCRIPTION: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const LONG_STRING: u8 = 0x7c;
const END_OF_ANNOTATIONS: u8 = 0x78;

/// Reads the beginning of a file.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Kept> {
    let mut stream = Stream(bytes);
    if stream.u32()? != MAGIC || stream.u8()? != OBJECT {
        return None;
    }
    let classes = stream.classes()?;
    let [class] = classes.as_slice() else { return None };
    if class.name != CLASS {
        return None;
    }
    let (mut checkpoint_id, mut path) = (None, None);
    for field in &class.fields {
        match (field.kind, field.name.as_str()) {
            (b'J', "checkpointID") => checkpoint_id = Some(stream.u64()?),
            (b'L', "externalPointer") => path = Some(normalize(&stream.string()?)),
            (b'L', "job") => {
                return Some(Kept { checkpoint_id: checkpoint_id?, path: path?, job_id: stream.job_id()? });
            }
            (b'J' | b'D', _) => drop(stream.u64()?),
            (b'I' | b'F', _) => drop(stream.u32()?),
            (b'Z' | b'B', _) => drop(stream.u8()?),
            _ => return None,
        }
    }
    None
}

struct Field {
    kind: u8,
    name: String,
}

struct Class {
    name: String,
    fields: Vec<Field>,
}

/// What is left of the file's beginning.
struct Stream<'a>(&'a [u8]);

impl Stream<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_be_bytes)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        // Java's own UTF-8 differs only for what no path has: zeros, and characters beyond the basic plane.
        String::from_utf8(text.to_vec()).ok()
    }

    fn name(&mut self) -> Option<String> {
        let length = self.u16()?;
        self.text(length.into())
    }

    fn string(&mut self) -> Option<String> {
        match self.u8()? {
            STRING => self.name(),
            LONG_STRING => {
                let length = self.u64()?;
                self.text(usize::try_from(length).ok()?)
            }
            _ => None,
        }
    }

    /// A class and those that it extends.
    fn classes(&mut self) -> Option<Vec<Class>> {
        let mut classes = Vec::new();
        loop {
            match self.u8()? {
                NULL => return Some(classes),
                CLASS_DESCRIPTION => {}
                _ => return None,
            }
            let name = self.name()?;
            let (_serial_version, _flags, count) = (self.u64()?, self.u8()?, self.u16()?);
            let mut fields = Vec::new();
            for _ in 0..count {
                let field = Field { kind: self.u8()?, name: self.name()? };
                if matches!(field.kind, b'L' | b'[') {
                    match self.u8()? {
                        STRING => drop(self.name()?),
                        REFERENCE => drop(self.u32()?),
                        _ => return None,
                    }
                }
                fields.push(field);
            }
            (self.u8()? == END_OF_ANNOTATIONS).then_some(())?;
            classes.push(Class { name, fields });
        }
    }

    /// `JobID` has no fields of its own: `AbstractID`, which it extends, has two numbers.
    fn job_id(&mut self) -> Option<JobId> {
        (self.u8()? == OBJECT).then_some(())?;
        let classes = self.classes()?;
        let fields: Vec<&str> =
            classes.iter().rev().flat_map(|class| &class.fields).map(|field| field.name.as_str()).collect();
        (fields == ["lowerPart", "upperPart"]).then_some(())?;
        Some(JobId::from_bytes(self.bytes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of what Flink wrote: 1.20.5, number 6.
    const WRITTEN: &[u8] = include_bytes!("../../tests/vectors/completed-checkpoint-1.20.5");

    #[test]
    fn what_flink_wrote_tells_number_place_and_job() {
        let read = parse(WRITTEN).unwrap();
        assert_eq!(read.checkpoint_id, 6);
        assert_eq!(read.job_id.to_string(), "0000000055a1b4f80000000000000000");
        assert_eq!(read.path, format!("file:///flink/checkpoints/{}/chk-6", read.job_id));
    }

    #[test]
    fn what_is_cut_off_or_something_else_tells_nothing() {
        for length in 0..WRITTEN.len() - 1 {
            assert_eq!(parse(&WRITTEN[..length]), None, "{length}");
        }
        let other = WRITTEN.iter().map(|byte| if *byte == b'C' { b'D' } else { *byte });
        assert_eq!(parse(&other.collect::<Vec<_>>()), None);
    }
}
