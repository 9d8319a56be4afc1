//! Inputs near the committed ones: what a text or a binary file becomes when somebody who knows its form changes it.

use proptest::prelude::*;
use proptest::sample::Index;

/// What readers of JSON, TOML, YAML, Java's streams, URLs and command lines take for something else than text.
const TOKENS: [&[u8]; 40] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e400",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"NaN",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\n",
    b"\r\n",
    b"\0",
    b",",
    b":",
    b"=",
    b" ",
    b"'",
    b"#",
    b"---\n",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"..",
    b"/../",
    b"%2e%2e%2f",
    b"-D",
    b"--fromSavepoint",
    b"-c",
    b"file:///",
    b"s3://",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
];
const NUMBERS: [u64; 8] = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Number(Index, usize, usize),
    Token(Index, usize),
    Cut(Index, Index),
    Repeat(Index, Index, usize),
    Splice(Index, Index, Index, Index),
    Replace(Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), 0..NUMBERS.len(), prop::sample::select(vec![1, 2, 4, 8]))
            .prop_map(|(at, number, width)| Change::Number(at, number, width)),
        (at(), 0..TOKENS.len()).prop_map(|(at, token)| Change::Token(at, token)),
        (at(), at()).prop_map(|(from, to)| Change::Cut(from, to)),
        (at(), at(), 1..200_usize).prop_map(|(from, to, times)| Change::Repeat(from, to, times)),
        (at(), at(), at(), at()).prop_map(|(at, other, from, to)| Change::Splice(at, other, from, to)),
        (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Replace(at, bytes)),
    ]
}

/// One of these after some changes.
pub fn mutated(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), prop::collection::vec(change(), 1..6)).prop_map(move |(which, changes)| {
        let mut bytes = which.get(&corpus).clone();
        for change in changes {
            apply(&mut bytes, &change, &corpus);
            bytes.truncate(1 << 18);
        }
        bytes
    })
}

fn apply(bytes: &mut Vec<u8>, change: &Change, corpus: &[Vec<u8>]) {
    let end = bytes.len();
    let place = |at: &Index| at.index(end + 1);
    let span = |from: &Index, to: &Index, length: usize| {
        let (from, to) = (from.index(length + 1), to.index(length + 1));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Flip(at, bit) => bytes.iter_mut().skip(place(at)).take(1).for_each(|byte| *byte ^= 1 << bit),
        Change::Number(at, number, width) => {
            let number = NUMBERS.get(*number).copied().unwrap_or_default().to_be_bytes();
            let number = number.get(8 - width..).unwrap_or_default();
            bytes.iter_mut().skip(place(at)).zip(number).for_each(|(byte, new)| *byte = *new);
        }
        Change::Token(at, token) => {
            let at = place(at);
            bytes.splice(at..at, TOKENS.get(*token).copied().unwrap_or_default().iter().copied());
        }
        Change::Cut(from, to) => drop(bytes.drain(span(from, to, end))),
        Change::Repeat(from, to, times) => {
            let span = span(from, to, end);
            let part = bytes.get(span.clone()).unwrap_or_default().repeat(*times);
            bytes.splice(span, part.into_iter().take(1 << 18));
        }
        Change::Splice(at, other, from, to) => {
            let (at, other) = (place(at), other.get(corpus));
            let part = other.get(span(from, to, other.len())).unwrap_or_default().to_vec();
            bytes.splice(at..at, part);
        }
        Change::Replace(at, new) => bytes.iter_mut().skip(place(at)).zip(new).for_each(|(byte, new)| *byte = *new),
    }
}
