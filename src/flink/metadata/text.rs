//! Java's modified UTF-8: each UTF-16 unit in one to three bytes, and the zero in two.

use super::ReadError;

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Java could not read them either.
    Bytes,
    /// Java can read them, but they are no Unicode: half of a surrogate pair.
    Half,
}

impl Wrong {
    pub(super) fn at(self, offset: u64, what: &str) -> ReadError {
        match self {
            Self::Bytes => ReadError::damaged(offset, format!("{what} is not in Java's modified UTF-8")),
            Self::Half => ReadError::unknown(offset, format!("{what} that is not Unicode")),
        }
    }
}

/// The text that `bytes` are.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Result<String, Wrong> {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => Ok(text.to_owned()),
        _ => decode_units(bytes),
    }
}

/// Whether Java can read `bytes`.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<(), Wrong> {
    if bytes.is_ascii() { Ok(()) } else { units(bytes, |_| ()) }
}

fn decode_units(bytes: &[u8]) -> Result<String, Wrong> {
    let mut utf16 = Vec::with_capacity(bytes.len());
    units(bytes, |unit| utf16.push(unit))?;
    String::from_utf16(&utf16).map_err(|_| Wrong::Half)
}

fn units(bytes: &[u8], mut each: impl FnMut(u16)) -> Result<(), Wrong> {
    let mut bytes = bytes.iter().copied().map(u16::from);
    while let Some(first) = bytes.next() {
        let mut more = || bytes.next().filter(|byte| byte & 0xc0 == 0x80).map(|byte| byte & 0x3f).ok_or(Wrong::Bytes);
        each(match first >> 4 {
            0x0..=0x7 => first,
            0xc | 0xd => (first & 0x1f) << 6 | more()?,
            0xe => (first & 0x0f) << 12 | more()? << 6 | more()?,
            _ => return Err(Wrong::Bytes),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_writes_is_read() {
        for (bytes, text) in [
            (b"counter".as_slice(), "counter"),
            (b"", ""),
            (&[0xc0, 0x80], "\0"),
            // Java reads a plain zero as well, though it never writes one.
            (&[0], "\0"),
            (&[0xc3, 0xbc], "ü"),
            (&[0xe2, 0x82, 0xac], "€"),
            (&[0xed, 0xa0, 0xbd, 0xed, 0xb0, 0xbf], "🐿"),
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
            assert_eq!(check(bytes), Ok(()));
        }
    }

    #[test]
    fn what_java_does_not_read_is_told() {
        // A four-byte form, a byte too few, a byte that continues nothing.
        for bytes in
            [[0xf0, 0x9f, 0x90, 0xbf].as_slice(), &[0xe2, 0x82], &[0xc3], &[0xc3, b'a'], &[0x80], &[b'a', 0xff]]
        {
            assert_eq!(decode(bytes), Err(Wrong::Bytes));
            assert_eq!(check(bytes), Err(Wrong::Bytes));
        }
        let half = [0xed, 0xa0, 0xbd];
        assert_eq!((decode(&half), check(&half)), (Err(Wrong::Half), Ok(())));
    }
}
