//! Errors in words.

use std::error::Error;
use std::fmt::Write as _;

/// The whole chain of an error in one line: reqwest, for one, names the cause only in its sources.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_named_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("top: outer")]
        struct Top(#[source] Outer);
        assert_eq!(chain(&Top(Outer(Inner))), "top: outer: inner");
    }
}
