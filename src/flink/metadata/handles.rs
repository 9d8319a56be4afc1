//! State handles: what lies in files, and what lies in `_metadata` itself. Each method reads one and gives its bytes.

use std::io;

use super::body::Body;
use super::{Extent, FileRef, ReadError, Reference};

/// Flink's numbers for the kinds of handles. Which of them may stand where differs.
mod kind {
    pub(super) const NULL: u8 = 0;
    pub(super) const BYTES: u8 = 1;
    pub(super) const FILE: u8 = 2;
    pub(super) const KEY_GROUPS: u8 = 3;
    pub(super) const OPERATOR: u8 = 4;
    pub(super) const INCREMENTAL: u8 = 5;
    pub(super) const RELATIVE_FILE: u8 = 6;
    pub(super) const KEY_GROUPS_OF_SAVEPOINT: u8 = 7;
    pub(super) const CHANGELOG: u8 = 8;
    pub(super) const CHANGES_INLINED: u8 = 9;
    pub(super) const CHANGES: u8 = 10;
    pub(super) const INCREMENTAL_2: u8 = 11;
    pub(super) const KEY_GROUPS_2: u8 = 12;
    pub(super) const CHANGES_2: u8 = 13;
    pub(super) const CHANGELOG_2: u8 = 14;
    pub(super) const SEGMENT: u8 = 15;
    pub(super) const EMPTY_SEGMENT: u8 = 16;
    pub(super) const OPERATOR_MERGED: u8 = 17;
    pub(super) const NEWEST: u8 = OPERATOR_MERGED;
}

/// Numbers of their own, for the state of channels.
mod channel {
    pub(super) const INPUT: u8 = 1;
    pub(super) const OUTPUT: u8 = 2;
    pub(super) const MERGED_INPUT: u8 = 3;
    pub(super) const MERGED_OUTPUT: u8 = 4;
    pub(super) const NEWEST: u8 = MERGED_OUTPUT;
}

/// From here on a channel's state says its kind.
const CHANNEL_KINDS: u32 = 6;
/// Flink nests two.
const DEEPEST: u32 = 8;
/// How `SPLIT_DISTRIBUTE`, `UNION` and `BROADCAST` are numbered.
const MODES: u8 = 3;

/// What a handle's size says about its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sized {
    /// That it is as long.
    Exactly,
    /// Nothing: Flink counts a changelog's bytes before they are compressed, without the file's first byte, which says
    /// whether they are.
    Somehow,
}

impl<R: io::Read> Body<'_, R> {
    /// Of an operator's coordinator; none if it has none.
    pub(super) fn coordinator_state(&mut self) -> Result<Option<u64>, ReadError> {
        let offset = self.source.offset();
        match self.source.byte("a coordinator's state")? {
            kind::NULL => Ok(None),
            kind::BYTES => self.inlined().map(Some),
            other => Err(unexpected(offset, other, kind::NEWEST, "a coordinator's state")),
        }
    }

    pub(super) fn operator_state(&mut self) -> Result<u64, ReadError> {
        let offset = self.source.offset();
        let kind = self.source.byte("operator state")?;
        match kind {
            kind::NULL => return Ok(0),
            kind::OPERATOR | kind::OPERATOR_MERGED => {}
            other => return Err(unexpected(offset, other, kind::NEWEST, "operator state")),
        }
        for _ in 0..self.source.count("the number of an operator's states")? {
            self.source.skip_text("an operator state's name")?;
            let offset = self.source.offset();
            let mode = self.source.byte("how an operator state is distributed")?;
            if mode >= MODES {
                return Err(ReadError::damaged(offset, format!("an operator state is distributed in the way {mode}")));
            }
            let parts = self.source.count("the number of an operator state's parts")?;
            self.offsets(parts)?;
        }
        if kind == kind::OPERATOR_MERGED {
            self.source.skip_text("the directory of a task's merged files")?;
            self.source.skip_text("the directory of shared merged files")?;
            self.source.byte("whether merged operator state is empty")?;
        }
        self.needed_stream(0, Sized::Exactly, "operator state")
    }

    pub(super) fn keyed_state(&mut self, depth: u32) -> Result<u64, ReadError> {
        let offset = self.source.offset();
        match self.source.byte("keyed state")? {
            kind::NULL => Ok(0),
            kind @ (kind::KEY_GROUPS | kind::KEY_GROUPS_OF_SAVEPOINT | kind::KEY_GROUPS_2) => {
                let bytes = self.key_groups(depth)?;
                if kind == kind::KEY_GROUPS_2 {
                    self.id()?;
                }
                Ok(bytes)
            }
            kind @ (kind::INCREMENTAL | kind::INCREMENTAL_2) => self.incremental(kind == kind::INCREMENTAL_2),
            kind @ (kind::CHANGELOG | kind::CHANGELOG_2) if depth < DEEPEST => {
                self.changelog(kind == kind::CHANGELOG_2, depth + 1)
            }
            kind::CHANGELOG | kind::CHANGELOG_2 => Err(too_deep(offset)),
            kind::CHANGES_INLINED => self.changes_inlined(),
            kind @ (kind::CHANGES | kind::CHANGES_2) => self.changes(kind == kind::CHANGES_2),
            other => Err(unexpected(offset, other, kind::NEWEST, "keyed state")),
        }
    }

    pub(super) fn channel_state(&mut self) -> Result<u64, ReadError> {
        let offset = self.source.offset();
        let kind = if self.version < CHANNEL_KINDS { channel::INPUT } else { self.source.byte("a channel's state")? };
        self.source.int("the subtask of a channel's state")?;
        // Several channels share a file: what is theirs is what they say, not the file's size.
        match kind {
            channel::INPUT | channel::OUTPUT => {
                self.source.int("a channel's gate or partition")?;
                self.source.int("a channel's index")?;
                let parts = self.source.count("the number of parts of a channel's state")?;
                self.offsets(parts)?;
                let size = self.source.size("the size of a channel's state")?.unwrap_or_default();
                self.needed_stream(0, Sized::Exactly, "a channel's state")?;
                Ok(size)
            }
            channel::MERGED_INPUT | channel::MERGED_OUTPUT => {
                let size = self.source.size("the size of a channel's state")?.unwrap_or_default();
                self.needed_stream(0, Sized::Exactly, "a channel's state")?;
                let length = self.source.count("the length of a channel state's offsets")?;
                self.source.skip(length.into(), "a channel state's offsets")?;
                Ok(size)
            }
            other => Err(unexpected(offset, other, channel::NEWEST, "a channel's state")),
        }
    }

    fn key_group_range(&mut self) -> Result<u32, ReadError> {
        let offset = self.source.offset();
        let first = self.source.int("a first key group")?;
        let count = self.source.count("a number of key groups")?;
        if first < 0 && count > 0 {
            return Err(ReadError::damaged(offset, format!("the first key group is {first}")));
        }
        Ok(count)
    }

    fn key_groups(&mut self, depth: u32) -> Result<u64, ReadError> {
        let count = self.key_group_range()?;
        self.offsets(count)?;
        self.needed_stream(depth, Sized::Exactly, "keyed state")
    }

    fn incremental(&mut self, newer: bool) -> Result<u64, ReadError> {
        self.source.long("the checkpoint of an incremental state")?;
        self.source.skip_text("a state backend's id")?;
        self.key_group_range()?;
        if newer {
            self.source.long("what a checkpoint added to an incremental state")?;
        }
        let mut bytes = self.needed_stream(0, Sized::Exactly, "the description of an incremental state")?;
        // Shared, and private.
        for _ in 0..2 {
            for _ in 0..self.source.count("the number of an incremental state's files")? {
                self.source.skip_text("the local name of a file")?;
                let file = self.needed_stream(0, Sized::Exactly, "a file of an incremental state")?;
                bytes = bytes.saturating_add(file);
            }
        }
        if newer {
            self.id()?;
        }
        Ok(bytes)
    }

    fn changelog(&mut self, newer: bool, depth: u32) -> Result<u64, ReadError> {
        self.key_group_range()?;
        self.source.long("what a checkpoint added to a changelog")?;
        let mut bytes: u64 = 0;
        // What is materialized, and what has changed since.
        for _ in 0..2 {
            for _ in 0..self.source.count("the number of a changelog's states")? {
                bytes = bytes.saturating_add(self.keyed_state(depth)?);
            }
        }
        self.source.long("a materialization's id")?;
        if newer {
            self.source.long("a changelog's checkpoint")?;
        }
        self.id()?;
        Ok(bytes)
    }

    fn changes_inlined(&mut self) -> Result<u64, ReadError> {
        self.key_group_range()?;
        self.source.long("the first of a changelog's changes")?;
        self.source.long("the last of a changelog's changes")?;
        let mut bytes: u64 = 0;
        for _ in 0..self.source.count("the number of a changelog's changes")? {
            // Below zero: a change of the state's description.
            self.source.int("the key group of a change")?;
            let length = u64::from(self.source.count("the length of a change")?);
            self.source.skip(length, "a change")?;
            bytes = bytes.saturating_add(length);
        }
        self.id()?;
        Ok(bytes)
    }

    fn changes(&mut self, newer: bool) -> Result<u64, ReadError> {
        self.key_group_range()?;
        for _ in 0..self.source.count("the number of a changelog's files")? {
            self.source.long("where in its file a changelog begins")?;
            self.needed_stream(0, Sized::Somehow, "a changelog's file")?;
        }
        // Several subtasks share a file.
        let bytes = self.source.size("a changelog's size")?.unwrap_or_default();
        self.source.long("what a checkpoint added to a changelog")?;
        self.id()?;
        if newer {
            self.source.skip_text("the name of a changelog's storage")?;
        }
        Ok(bytes)
    }

    fn id(&mut self) -> Result<(), ReadError> {
        self.source.skip_text("a state handle's id")
    }

    fn offsets(&mut self, count: u32) -> Result<(), ReadError> {
        self.source.skip(u64::from(count) * 8, "offsets into a state's file")
    }

    /// Bytes that lie in `_metadata`.
    fn inlined(&mut self) -> Result<u64, ReadError> {
        self.source.skip_text("the name of inlined state")?;
        let length = u64::from(self.source.count("the length of inlined state")?);
        self.source.skip(length, "inlined state")?;
        Ok(length)
    }

    /// The bytes of a state, wherever they lie. Flink restores from nothing that has none.
    fn needed_stream(&mut self, depth: u32, sized: Sized, of: &'static str) -> Result<u64, ReadError> {
        let offset = self.source.offset();
        match self.source.byte(of)? {
            kind::NULL => Err(ReadError::damaged(offset, format!("{of} has no bytes"))),
            kind::BYTES => self.inlined(),
            kind::FILE => {
                let size = self.source.size("a file's size")?;
                let path = self.path()?;
                Ok(self.file(Reference::Absolute(path), size, sized))
            }
            kind::RELATIVE_FILE => {
                let path = self.path()?;
                let size = self.source.size("a file's size")?;
                Ok(self.file(Reference::Relative(path), size, sized))
            }
            kind::SEGMENT => self.segment(),
            kind::EMPTY_SEGMENT => Ok(0),
            kind::KEY_GROUPS if depth < DEEPEST => self.key_groups(depth + 1),
            kind::KEY_GROUPS => Err(too_deep(offset)),
            other => Err(unexpected(offset, other, kind::NEWEST, of)),
        }
    }

    fn file(&mut self, place: Reference, size: Option<u64>, sized: Sized) -> u64 {
        let extent = match (sized, size) {
            (Sized::Exactly, Some(size)) => Extent::Whole(size),
            (Sized::Exactly, None) => Extent::AtLeast(0),
            (Sized::Somehow, _) => Extent::AtLeast(1),
        };
        (self.each)(FileRef { place, extent });
        size.unwrap_or_default()
    }

    fn segment(&mut self) -> Result<u64, ReadError> {
        let offset = self.source.offset();
        let begin = self.source.size("where a segment begins")?;
        let size = self.source.size("a segment's size")?;
        self.source.int("the scope of a segment")?;
        let path = self.path()?;
        self.source.skip_text("a segment's id")?;
        let (Some(begin), Some(size)) = (begin, size) else {
            return Err(ReadError::damaged(offset, "a segment has no place in its file"));
        };
        let extent = Extent::AtLeast(begin.saturating_add(size));
        (self.each)(FileRef { place: Reference::Absolute(path), extent });
        Ok(size)
    }

    fn path(&mut self) -> Result<String, ReadError> {
        let offset = self.source.offset();
        let path = self.source.text("a file's path")?;
        if path.is_empty() { Err(ReadError::damaged(offset, "a file's path is empty")) } else { Ok(path) }
    }
}

#[cold]
fn unexpected(offset: u64, kind: u8, newest: u8, place: &str) -> ReadError {
    if kind > newest {
        ReadError::unknown(offset, format!("state handle type {kind} ({place})"))
    } else {
        ReadError::damaged(offset, format!("{place} has state handle type {kind}, which can't stand there"))
    }
}

#[cold]
fn too_deep(offset: u64) -> ReadError {
    ReadError::damaged(offset, "state handles are nested too deep")
}
