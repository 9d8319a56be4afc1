//! The file's bytes as numbers, texts and what is passed over, through one buffer of a fixed size.

use std::io;

use super::{ReadError, text};

/// More than the longest text with its length, so that each lies in one piece.
const BUFFER: usize = 128 * 1024;

pub(super) struct Source<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What was read and not yet taken: `buffer[from..to]`.
    from: usize,
    to: usize,
    /// Offset in the file of the buffer's first byte.
    before: u64,
}

impl<R: io::Read> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: vec![0; BUFFER].into_boxed_slice(), from: 0, to: 0, before: 0 }
    }

    /// Of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.before + self.from as u64
    }

    /// The next `count` bytes, which must be fewer than the buffer has.
    #[inline]
    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&[u8], ReadError> {
        if self.to - self.from < count {
            self.fill(count, what)?;
        }
        let from = self.from;
        self.from += count;
        Ok(self.buffer.get(from..from + count).unwrap_or_default())
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ReadError> {
        let offset = self.offset();
        let taken = self.take(N, what)?.first_chunk().copied();
        taken.ok_or_else(|| ended(offset, what))
    }

    #[inline]
    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, ReadError> {
        self.array(what).map(|[byte]| byte)
    }

    #[inline]
    pub(super) fn int(&mut self, what: &'static str) -> Result<i32, ReadError> {
        self.array(what).map(i32::from_be_bytes)
    }

    #[inline]
    pub(super) fn long(&mut self, what: &'static str) -> Result<i64, ReadError> {
        self.array(what).map(i64::from_be_bytes)
    }

    /// A number of things that follow.
    #[inline]
    pub(super) fn count(&mut self, what: &'static str) -> Result<u32, ReadError> {
        let offset = self.offset();
        let count = self.int(what)?;
        u32::try_from(count).map_err(|_| ReadError::damaged(offset, format!("{what} is {count}")))
    }

    /// A size or a position; none where Flink writes that it does not know it.
    #[inline]
    pub(super) fn size(&mut self, what: &'static str) -> Result<Option<u64>, ReadError> {
        let offset = self.offset();
        match self.long(what)? {
            -1 => Ok(None),
            size => match u64::try_from(size) {
                Ok(size) => Ok(Some(size)),
                Err(_) => Err(ReadError::damaged(offset, format!("{what} is {size}"))),
            },
        }
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, count: u64, what: &'static str) -> Result<(), ReadError> {
        let offset = self.offset();
        let mut left = count;
        loop {
            let here = (self.to - self.from).min(usize::try_from(left).unwrap_or(usize::MAX));
            self.from += here;
            left -= here as u64;
            if left == 0 {
                return Ok(());
            }
            if !self.read_more()? {
                return Err(ended(offset, what));
            }
        }
    }

    /// A text as Java's `writeUTF` writes it.
    pub(super) fn text(&mut self, what: &'static str) -> Result<String, ReadError> {
        let offset = self.offset();
        text::decode(self.raw_text(what)?).map_err(|wrong| wrong.at(offset, what))
    }

    /// Passes over a text; one that Flink could not read is told.
    pub(super) fn skip_text(&mut self, what: &'static str) -> Result<(), ReadError> {
        let offset = self.offset();
        text::check(self.raw_text(what)?).map_err(|wrong| wrong.at(offset, what))
    }

    #[inline]
    fn raw_text(&mut self, what: &'static str) -> Result<&[u8], ReadError> {
        let length = self.array(what).map(u16::from_be_bytes)?;
        self.take(usize::from(length), what)
    }

    /// That nothing follows.
    pub(super) fn end(&mut self) -> Result<(), ReadError> {
        if self.from < self.to || self.read_more()? {
            return Err(ReadError::damaged(self.offset(), "something follows after its end"));
        }
        Ok(())
    }

    #[cold]
    fn fill(&mut self, count: usize, what: &'static str) -> Result<(), ReadError> {
        let offset = self.offset();
        while self.to - self.from < count {
            if !self.read_more()? {
                return Err(ended(offset, what));
            }
        }
        Ok(())
    }

    /// Makes room and reads what there is; false at the end of the file.
    fn read_more(&mut self) -> Result<bool, ReadError> {
        self.buffer.copy_within(self.from..self.to, 0);
        self.before += self.from as u64;
        self.to -= self.from;
        self.from = 0;
        loop {
            match self.input.read(self.buffer.get_mut(self.to..).unwrap_or_default()) {
                Ok(read) => {
                    self.to += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
    }
}

#[cold]
fn ended(offset: u64, what: &str) -> ReadError {
    ReadError::damaged(offset, format!("the file ends within {what}"))
}
