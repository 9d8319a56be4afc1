//! Writes `_metadata` with every kind of handle, and knows what a reader must find in it.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::flink::metadata::{Extent, FileRef, Metadata, Operator, Reference};

/// A whole file.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) metadata: Metadata,
    pub(super) files: Vec<FileRef>,
}

/// What is written so far.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) files: Vec<FileRef>,
}

impl Out {
    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn int(&mut self, number: i32) {
        self.bytes.extend(number.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        self.int(i32::try_from(count).unwrap());
    }

    fn long(&mut self, number: u64) {
        self.bytes.extend(number.to_be_bytes());
    }

    fn longs(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.long(*number);
        }
    }

    /// As Java's `writeUTF`: each UTF-16 unit by itself.
    fn text(&mut self, text: &str) {
        let mut bytes = Vec::new();
        for unit in text.encode_utf16() {
            let [six, mid, top] = [unit & 0x3f, unit >> 6 & 0x3f, unit >> 12].map(|bits| u8::try_from(bits).unwrap());
            match unit {
                1..0x80 => bytes.push(u8::try_from(unit).unwrap()),
                0 | 0x80..0x800 => bytes.extend([0xc0 | mid & 0x1f, 0x80 | six]),
                _ => bytes.extend([0xe0 | top, 0x80 | mid, 0x80 | six]),
            }
        }
        self.bytes.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        self.bytes.extend(bytes);
    }

    fn key_groups(&mut self, count: usize) {
        self.int(3);
        self.count(count);
    }

    fn file(&mut self, place: Reference, extent: Extent) {
        self.files.push(FileRef { place, extent });
    }
}

/// Where the bytes of a state lie.
#[derive(Debug, Clone)]
pub(super) enum Stream {
    Bytes(Vec<u8>),
    File(String, u32),
    RelativeFile(String, u32),
    KeyGroups(Vec<u64>, Box<Self>),
    Segment(String, u32, u32),
    EmptySegment,
}

impl Stream {
    /// Gives the state's bytes. A changelog's files are not measured.
    fn write(&self, out: &mut Out, measured: bool) -> u64 {
        let extent = |size: u32| if measured { Extent::Whole(size.into()) } else { Extent::AtLeast(1) };
        match self {
            Self::Bytes(bytes) => {
                out.byte(1);
                out.text("name of inlined state");
                out.count(bytes.len());
                out.bytes.extend(bytes);
                bytes.len() as u64
            }
            Self::File(path, size) => {
                out.byte(2);
                out.long((*size).into());
                out.text(path);
                out.file(Reference::Absolute(path.clone()), extent(*size));
                (*size).into()
            }
            Self::RelativeFile(path, size) => {
                out.byte(6);
                out.text(path);
                out.long((*size).into());
                out.file(Reference::Relative(path.clone()), extent(*size));
                (*size).into()
            }
            Self::KeyGroups(offsets, stream) => {
                out.byte(3);
                out.key_groups(offsets.len());
                out.longs(offsets);
                stream.write(out, true)
            }
            Self::Segment(path, begin, size) => {
                out.byte(15);
                out.longs(&[u64::from(*begin), u64::from(*size)]);
                out.int(1);
                out.text(path);
                out.text("a logical file's id");
                out.file(Reference::Absolute(path.clone()), Extent::AtLeast(u64::from(*begin) + u64::from(*size)));
                (*size).into()
            }
            Self::EmptySegment => {
                out.byte(16);
                0
            }
        }
    }
}

/// Operator state: offsets by name and mode; whether it is of merged files.
#[derive(Debug, Clone)]
pub(super) struct OperatorState(Vec<(String, u8, Vec<u64>)>, bool, Stream);

impl OperatorState {
    fn write(&self, out: &mut Out) -> u64 {
        let Self(states, merged, stream) = self;
        out.byte(if *merged { 17 } else { 4 });
        out.count(states.len());
        for (name, mode, offsets) in states {
            out.text(name);
            out.byte(*mode);
            out.count(offsets.len());
            out.longs(offsets);
        }
        if *merged {
            out.text("file:/chk/taskowned");
            out.text("file:/chk/shared");
            out.byte(0);
        }
        stream.write(out, true)
    }
}

/// Keyed state; the flag says whether it is of the newer of two forms.
#[derive(Debug, Clone)]
pub(super) enum Keyed {
    None,
    KeyGroups(bool, Vec<u64>, Stream),
    OfSavepoint(Vec<u64>, Stream),
    Incremental(bool, Stream, Vec<Stream>, Vec<Stream>),
    Changelog(bool, Vec<Self>, Vec<Self>),
    ChangesInlined(Vec<Vec<u8>>),
    Changes(bool, Vec<Stream>, u32),
}

impl Keyed {
    fn write(&self, out: &mut Out) -> u64 {
        match self {
            Self::None => {
                out.byte(0);
                0
            }
            Self::KeyGroups(newer, offsets, stream) => {
                out.byte(if *newer { 12 } else { 3 });
                out.key_groups(offsets.len());
                out.longs(offsets);
                let bytes = stream.write(out, true);
                newer.then(|| out.text("id"));
                bytes
            }
            Self::OfSavepoint(offsets, stream) => {
                out.byte(7);
                out.key_groups(offsets.len());
                out.longs(offsets);
                stream.write(out, true)
            }
            Self::Incremental(newer, meta, shared, private) => {
                out.byte(if *newer { 11 } else { 5 });
                out.long(7);
                out.text("00000000-0000-0000-0000-000000000000");
                out.key_groups(2);
                newer.then(|| out.long(99));
                let mut bytes = meta.write(out, true);
                for files in [shared, private] {
                    out.count(files.len());
                    for file in files {
                        out.text("000008.sst");
                        bytes += file.write(out, true);
                    }
                }
                newer.then(|| out.text("id"));
                bytes
            }
            Self::Changelog(newer, base, delta) => {
                out.byte(if *newer { 14 } else { 8 });
                out.key_groups(2);
                out.long(99);
                let mut bytes = 0;
                for states in [base, delta] {
                    out.count(states.len());
                    bytes += states.iter().map(|state| state.write(out)).sum::<u64>();
                }
                out.long(3);
                newer.then(|| out.long(7));
                out.text("id");
                bytes
            }
            Self::ChangesInlined(changes) => {
                out.byte(9);
                out.key_groups(2);
                out.longs(&[1, 2]);
                out.count(changes.len());
                for change in changes {
                    out.int(-1);
                    out.count(change.len());
                    out.bytes.extend(change);
                }
                out.text("id");
                changes.iter().map(|change| change.len() as u64).sum()
            }
            Self::Changes(newer, files, size) => {
                out.byte(if *newer { 13 } else { 10 });
                out.key_groups(2);
                out.count(files.len());
                for file in files {
                    out.long(5);
                    file.write(out, false);
                }
                out.longs(&[u64::from(*size), u64::MAX]);
                out.text("id");
                newer.then(|| out.text("filesystem"));
                (*size).into()
            }
        }
    }
}

/// A channel's state: its size, whether it is merged, offsets, and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Channel(u32, bool, Vec<u64>, Stream);

impl Channel {
    fn write(&self, out: &mut Out, version: u32, output: bool) -> u64 {
        let Self(size, merged, offsets, stream) = self;
        let merged = *merged && version >= 6;
        if version >= 6 {
            out.byte(1 + u8::from(output) + 2 * u8::from(merged));
        }
        out.int(1);
        if merged {
            out.long((*size).into());
            stream.write(out, true);
            out.count(offsets.len() * 8);
            out.longs(offsets);
        } else {
            out.int(0);
            out.int(2);
            out.count(offsets.len());
            out.longs(offsets);
            out.long((*size).into());
            stream.write(out, true);
        }
        (*size).into()
    }
}

/// A subtask; none: it is finished.
pub(super) type Subtask = Option<(Option<OperatorState>, Option<OperatorState>, Keyed, Keyed, [Vec<Channel>; 2], bool)>;

#[derive(Debug, Clone)]
pub(super) struct Made {
    name: String,
    uid: String,
    id: u128,
    coordinator: Option<Vec<u8>>,
    /// None: it is finished.
    subtasks: Option<Vec<Subtask>>,
}

fn write_operator(operator: &Made, out: &mut Out, version: u32) -> Operator {
    let named = version >= 5;
    if named {
        out.text(&operator.name);
        out.text(&operator.uid);
    }
    out.bytes.extend(operator.id.to_be_bytes());
    let parallelism = operator.subtasks.as_ref().map_or(4, Vec::len);
    out.count(parallelism);
    out.int(128);
    let mut bytes = 0;
    match operator.coordinator.as_ref().filter(|_| operator.subtasks.is_some()) {
        None => out.byte(0),
        Some(coordinator) => bytes += Stream::Bytes(coordinator.clone()).write(out, true),
    }
    match &operator.subtasks {
        None => out.int(-1),
        Some(subtasks) => {
            out.count(subtasks.len());
            for (index, subtask) in subtasks.iter().enumerate() {
                let index = i32::try_from(index).unwrap();
                let Some((managed, raw, keyed, raw_keyed, channels, referring)) = subtask else {
                    out.int(-index - 1);
                    continue;
                };
                out.int(index);
                for state in [managed, raw] {
                    out.int(state.is_some().into());
                    bytes += state.as_ref().map_or(0, |state| state.write(out));
                }
                bytes += keyed.write(out) + raw_keyed.write(out);
                for (channels, output) in channels.iter().zip([false, true]) {
                    out.count(channels.len());
                    bytes += channels.iter().map(|channel| channel.write(out, version, output)).sum::<u64>();
                }
                if version >= 7 {
                    out.byte((*referring).into());
                    referring.then(|| out.long(6));
                }
            }
        }
    }
    let text = |text: &String| Some(text.clone()).filter(|text| named && !text.is_empty());
    Operator {
        id: format!("{:032x}", operator.id),
        name: text(&operator.name),
        uid: text(&operator.uid),
        parallelism: u32::try_from(parallelism).unwrap(),
        max_parallelism: 128,
        bytes,
    }
}

/// A file of `version` with these operators; `trailer` as real Flink wrote one.
fn write(version: u32, masters: &[(String, Vec<u8>)], operators: &[Made], trailer: &[u8]) -> Written {
    let mut out = Out::default();
    out.bytes.extend([0x49, 0x60, 0x67, 0x2d]);
    out.int(version.cast_signed());
    out.long(41);
    out.count(masters.len());
    for (name, bytes) in masters {
        let mut state = Out::default();
        state.int(1);
        state.text(name);
        state.count(bytes.len());
        state.bytes.extend(bytes);
        out.bytes.extend([0xc9, 0x6b, 0x16, 0x96]);
        out.count(state.bytes.len());
        out.bytes.extend(state.bytes);
    }
    out.count(operators.len());
    let operators: Vec<Operator> =
        operators.iter().map(|operator| write_operator(operator, &mut out, version)).collect();
    if version >= 4 {
        out.bytes.extend(trailer);
    }
    let bytes = operators.iter().map(|operator| operator.bytes).sum();
    let metadata = Metadata { version, checkpoint_id: 41, operators, bytes };
    Written { bytes: out.bytes, metadata, files: out.files }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9/:-]{1,20}", any::<String>().prop_map(|text| format!("a{text}"))]
}

fn size() -> impl Strategy<Value = u32> {
    any::<u32>()
}

fn offsets() -> impl Strategy<Value = Vec<u64>> {
    vec(any::<u64>(), 0..4)
}

fn stream() -> impl Strategy<Value = Stream> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Stream::Bytes),
        (text(), size()).prop_map(|(path, size)| Stream::File(path, size)),
        (text(), size()).prop_map(|(path, size)| Stream::RelativeFile(path, size)),
        (text(), size(), size()).prop_map(|(path, begin, size)| Stream::Segment(path, begin, size)),
        Just(Stream::EmptySegment),
    ];
    leaf.prop_recursive(2, 4, 1, |stream| {
        (offsets(), stream).prop_map(|(offsets, stream)| Stream::KeyGroups(offsets, Box::new(stream)))
    })
}

/// A changelog's changes lie in whole files.
fn changes() -> impl Strategy<Value = Keyed> {
    let files = vec((text(), size()).prop_map(|(path, size)| Stream::File(path, size)), 0..3);
    (any::<bool>(), files, size()).prop_map(|(newer, files, size)| Keyed::Changes(newer, files, size))
}

fn keyed() -> impl Strategy<Value = Keyed> {
    let files = || vec(stream(), 0..3);
    let leaf = prop_oneof![
        Just(Keyed::None),
        (any::<bool>(), offsets(), stream())
            .prop_map(|(newer, offsets, stream)| Keyed::KeyGroups(newer, offsets, stream)),
        (offsets(), stream()).prop_map(|(offsets, stream)| Keyed::OfSavepoint(offsets, stream)),
        (any::<bool>(), stream(), files(), files())
            .prop_map(|(newer, meta, shared, private)| { Keyed::Incremental(newer, meta, shared, private) }),
        vec(vec(any::<u8>(), 0..20), 0..3).prop_map(Keyed::ChangesInlined),
        changes(),
    ];
    leaf.prop_recursive(2, 6, 2, |state| {
        (any::<bool>(), vec(state.clone(), 0..3), vec(state, 0..3))
            .prop_map(|(newer, base, delta)| Keyed::Changelog(newer, base, delta))
    })
}

fn operator_state() -> impl Strategy<Value = OperatorState> {
    let state = (text(), 0..3_u8, offsets());
    (vec(state, 0..3), any::<bool>(), stream())
        .prop_map(|(states, merged, stream)| OperatorState(states, merged, stream))
}

fn channels() -> impl Strategy<Value = Vec<Channel>> {
    let channel = (size(), any::<bool>(), offsets(), stream());
    vec(channel.prop_map(|(size, merged, offsets, stream)| Channel(size, merged, offsets, stream)), 0..3)
}

fn operator() -> impl Strategy<Value = Made> {
    use proptest::option::of;
    let channels = || [channels(), channels()];
    let subtask = of((of(operator_state()), of(operator_state()), keyed(), keyed(), channels(), any::<bool>()));
    let name = || prop_oneof![Just(String::new()), text()];
    (name(), name(), any::<u128>(), of(vec(any::<u8>(), 0..20)), of(vec(subtask, 0..4)))
        .prop_map(|(name, uid, id, coordinator, subtasks)| Made { name, uid, id, coordinator, subtasks })
}

/// Files of every version with all kinds of handles.
pub(super) fn file(trailer: Vec<u8>) -> impl Strategy<Value = Written> {
    let masters = vec((text(), vec(any::<u8>(), 0..20)), 0..3);
    (3..=7_u32, masters, vec(operator(), 0..4))
        .prop_map(move |(version, masters, operators)| write(version, &masters, &operators, &trailer))
}
