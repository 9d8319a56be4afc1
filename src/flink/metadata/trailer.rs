//! The trailer: Flink's `CheckpointProperties` as Java serializes an object. What they say is not needed; that they are
//! whole is, as Flink restores nothing without them. So the stream's grammar is followed to its end.

use std::io;

use super::ReadError;
use super::source::Source;

/// The first format version that has one.
pub(super) const FIRST_VERSION: u32 = 4;

/// Java's magic number and its stream version.
const MAGIC: [u8; 4] = [0xac, 0xed, 0, 5];
/// Flink's has below a thousand bytes.
const LONGEST: u64 = 1 << 20;
/// Objects in objects, and ancestors of a class.
const DEEPEST: usize = 64;

/// Java's `ObjectStreamConstants.TC_…`.
mod tag {
    pub(super) const NULL: u8 = 0x70;
    pub(super) const REFERENCE: u8 = 0x71;
    pub(super) const CLASS_DESCRIPTION: u8 = 0x72;
    pub(super) const OBJECT: u8 = 0x73;
    pub(super) const STRING: u8 = 0x74;
    pub(super) const ARRAY: u8 = 0x75;
    pub(super) const BLOCK: u8 = 0x77;
    pub(super) const END_OF_BLOCKS: u8 = 0x78;
    pub(super) const LONG_BLOCK: u8 = 0x7a;
    pub(super) const ENUM: u8 = 0x7e;
}

/// Java's `ObjectStreamConstants.SC_…`.
mod flag {
    pub(super) const WRITES_MORE: u8 = 1;
    pub(super) const SERIALIZABLE: u8 = 2;
}

/// The number of the first thing that can be referred to.
const FIRST_HANDLE: u32 = 0x007e_0000;

/// What of a class is needed to know how long its objects are.
struct Class {
    /// An array's element, by the letter of its type.
    element: Option<u8>,
    flags: u8,
    /// By the letters of their types.
    fields: Vec<u8>,
    parent: Option<usize>,
}

/// Checks that a whole trailer follows.
pub(super) fn check(source: &mut Source<impl io::Read>) -> Result<(), ReadError> {
    let begin = source.offset();
    if source.array("the trailer")? != MAGIC {
        return Err(ReadError::damaged(begin, "the trailer is no Java object stream"));
    }
    let mut trailer = Trailer { source, begin, handles: Vec::new() };
    trailer.one(0)
}

struct Trailer<'a, R> {
    source: &'a mut Source<R>,
    begin: u64,
    /// Everything that can be referred to; classes with what they are.
    handles: Vec<Option<Class>>,
}

impl<R: io::Read> Trailer<'_, R> {
    /// One object, which must be there.
    fn one(&mut self, depth: usize) -> Result<(), ReadError> {
        let offset = self.source.offset();
        if self.content(depth)? { Ok(()) } else { Err(ReadError::damaged(offset, "the trailer lacks an object")) }
    }

    /// One object; false where the end of a list of them stands instead.
    fn content(&mut self, depth: usize) -> Result<bool, ReadError> {
        self.no_deeper(depth)?;
        let offset = self.source.offset();
        match self.source.byte("the trailer")? {
            tag::NULL => {}
            tag::REFERENCE => drop(self.reference()?),
            tag::CLASS_DESCRIPTION => drop(self.class(depth)?),
            tag::OBJECT => {
                let class = self.class_of(depth)?;
                self.handles.push(None);
                self.object(class, depth)?;
            }
            tag::STRING => self.string()?,
            tag::ARRAY => self.array(depth)?,
            tag::ENUM => {
                self.class_of(depth)?;
                self.handles.push(None);
                self.one(depth + 1)?;
            }
            tag::BLOCK => {
                let length = self.source.byte("the trailer")?;
                self.source.skip(length.into(), "the trailer")?;
            }
            tag::LONG_BLOCK => {
                let length = self.source.count("the length of a block in the trailer")?;
                self.source.skip(length.into(), "the trailer")?;
            }
            tag::END_OF_BLOCKS => return Ok(false),
            other => return Err(ReadError::damaged(offset, format!("the trailer has the tag {other:#04x}"))),
        }
        Ok(true)
    }

    fn no_deeper(&self, depth: usize) -> Result<(), ReadError> {
        let offset = self.source.offset();
        if depth > DEEPEST || offset - self.begin > LONGEST {
            return Err(ReadError::damaged(offset, "the trailer is too large"));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), ReadError> {
        self.handles.push(None);
        self.source.skip_text("a text in the trailer")
    }

    fn reference(&mut self) -> Result<usize, ReadError> {
        let offset = self.source.offset();
        let handle = self.source.array("the trailer").map(u32::from_be_bytes)?;
        let index = handle.checked_sub(FIRST_HANDLE).and_then(|index| usize::try_from(index).ok());
        let known = index.filter(|index| *index < self.handles.len());
        known.ok_or_else(|| ReadError::damaged(offset, format!("the trailer refers to {handle:#010x}, which it lacks")))
    }

    /// A class, described here or before; none where there is none.
    fn class_or_null(&mut self, depth: usize) -> Result<Option<usize>, ReadError> {
        let offset = self.source.offset();
        match self.source.byte("the trailer")? {
            tag::NULL => Ok(None),
            tag::REFERENCE => self.reference().map(Some),
            tag::CLASS_DESCRIPTION => self.class(depth).map(Some),
            other => {
                Err(ReadError::damaged(offset, format!("the trailer has the tag {other:#04x} where a class is due")))
            }
        }
    }

    fn class_of(&mut self, depth: usize) -> Result<usize, ReadError> {
        let offset = self.source.offset();
        let class = self.class_or_null(depth)?;
        class.ok_or_else(|| ReadError::damaged(offset, "an object in the trailer has no class"))
    }

    fn class(&mut self, depth: usize) -> Result<usize, ReadError> {
        self.no_deeper(depth)?;
        let name = self.source.text("the name of a class in the trailer")?;
        self.source.long("the version of a class in the trailer")?;
        let own = self.handles.len();
        // Not known before it is read to its end, so that none is its own ancestor.
        self.handles.push(None);
        let flags = self.source.byte("the flags of a class in the trailer")?;
        let count = self.source.array("the number of fields in the trailer").map(u16::from_be_bytes)?;
        let mut fields = Vec::new();
        for _ in 0..count {
            let letter = self.source.byte("the type of a field in the trailer")?;
            self.source.skip_text("the name of a field in the trailer")?;
            if matches!(letter, b'L' | b'[') {
                self.one(depth + 1)?;
            }
            fields.push(letter);
        }
        self.contents(depth)?;
        let parent = self.class_or_null(depth + 1)?;
        let element = name.strip_prefix('[').and_then(|element| element.bytes().next());
        if let Some(class) = self.handles.get_mut(own) {
            *class = Some(Class { element, flags, fields, parent });
        }
        Ok(own)
    }

    /// Objects up to the end of their list.
    fn contents(&mut self, depth: usize) -> Result<(), ReadError> {
        while self.content(depth + 1)? {}
        Ok(())
    }

    fn known(&self, class: usize) -> Result<&Class, ReadError> {
        let known = self.handles.get(class).and_then(Option::as_ref);
        known.ok_or_else(|| ReadError::damaged(self.source.offset(), "the trailer takes something else for a class"))
    }

    fn array(&mut self, depth: usize) -> Result<(), ReadError> {
        let class = self.class_of(depth)?;
        self.handles.push(None);
        let element = self.known(class)?.element.unwrap_or_default();
        for _ in 0..self.source.count("the length of an array in the trailer")? {
            self.value(element, depth)?;
        }
        Ok(())
    }

    /// An object's fields: its oldest ancestor's first.
    fn object(&mut self, class: usize, depth: usize) -> Result<(), ReadError> {
        let mut lineage = Vec::new();
        let mut next = Some(class);
        while let Some(class) = next {
            let known = self.known(class)?;
            lineage.push((known.flags, known.fields.clone()));
            next = known.parent;
            self.no_deeper(lineage.len())?;
        }
        for (flags, fields) in lineage.into_iter().rev() {
            if flags & flag::SERIALIZABLE == 0 {
                let what = "an object in the trailer that writes itself";
                return Err(ReadError::unknown(self.source.offset(), what));
            }
            for letter in fields {
                self.value(letter, depth)?;
            }
            if flags & flag::WRITES_MORE != 0 {
                self.contents(depth)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, letter: u8, depth: usize) -> Result<(), ReadError> {
        let length = match letter {
            b'B' | b'Z' => 1,
            b'C' | b'S' => 2,
            b'I' | b'F' => 4,
            b'J' | b'D' => 8,
            b'L' | b'[' => return self.one(depth + 1),
            other => {
                let what = format!("a field in the trailer has the type {other:#04x}");
                return Err(ReadError::damaged(self.source.offset(), what));
            }
        };
        self.source.skip(length, "the trailer")
    }
}
