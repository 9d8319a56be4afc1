//! Colours, for people on a terminal only.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::sync::OnceLock;

use clap::builder::styling::{AnsiColor, Style};

use crate::cli::Color;

static WANTED: OnceLock<Color> = OnceLock::new();

/// What a word says about how things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing that a colour would help.
    Plain,
    /// Above a column.
    Head,
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Something is wrong, or goes.
    Bad,
}

/// Takes what the command line says of colours. Before that, there are none.
pub fn begin(color: Color) {
    let _ = WANTED.set(color);
}

/// Whether standard output is coloured.
#[must_use]
pub fn out() -> bool {
    is_wanted(std::io::stdout().is_terminal())
}

/// Whether standard error is coloured.
#[must_use]
pub fn err() -> bool {
    is_wanted(std::io::stderr().is_terminal())
}

fn is_wanted(terminal: bool) -> bool {
    let of = |name| std::env::var_os(name);
    decide(WANTED.get().copied(), terminal, of("NO_COLOR").as_deref(), of("TERM").as_deref())
}

/// By the convention, `NO_COLOR` counts with any value but the empty one.
fn decide(wanted: Option<Color>, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match wanted {
        None | Some(Color::Never) => false,
        Some(Color::Always) => true,
        Some(Color::Auto) => {
            terminal && no_color.is_none_or(OsStr::is_empty) && term.is_some_and(|term| term != "dumb")
        }
    }
}

/// The text in the colour of its tone, where there are colours.
pub(super) fn painted(text: &str, tone: Tone, colored: bool) -> String {
    let style = match tone {
        _ if !colored => return text.to_owned(),
        Tone::Plain => return text.to_owned(),
        Tone::Head => Style::new().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Doubtful => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// A help text, or what is wrong with a command line, with its headings in bold.
pub(super) fn help(text: &str, colored: bool) -> String {
    let heading = |line: &str| {
        let (head, rest) = line.split_once(':')?;
        let (tone, begins) = match head {
            "error" => (Tone::Bad, true),
            "  tip" => (Tone::Good, true),
            "Usage" | "Exit codes" => (Tone::Head, true),
            _ => (Tone::Head, !head.starts_with(' ') && rest.trim().is_empty()),
        };
        begins.then(|| painted(&format!("{head}:"), tone, colored) + rest)
    };
    text.split_inclusive('\n').map(|line| heading(line).unwrap_or_else(|| line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_unless_somebody_says_otherwise() {
        let os = OsStr::new;
        let (xterm, dumb) = (Some(os("xterm")), Some(os("dumb")));
        for (wanted, terminal, no_color, term, expected) in [
            (Color::Auto, true, None, xterm, true),
            (Color::Auto, false, None, xterm, false),
            (Color::Auto, true, Some(os("1")), xterm, false),
            (Color::Auto, true, Some(os("")), xterm, true),
            (Color::Auto, true, None, dumb, false),
            (Color::Auto, true, None, None, false),
            (Color::Always, false, Some(os("1")), None, true),
            (Color::Never, true, None, xterm, false),
        ] {
            assert_eq!(decide(Some(wanted), terminal, no_color, term), expected, "{wanted:?} {terminal} {no_color:?}");
        }
        assert_eq!(painted("bad", Tone::Bad, true), "\u{1b}[1m\u{1b}[31mbad\u{1b}[0m");
        assert_eq!(painted("bad", Tone::Bad, false), "bad");
    }

    #[test]
    fn a_help_has_bold_headings_and_nothing_else() {
        let text = "Does this: and that\n\nUsage: it [X]\n\nOptions:\n  --x <X>  As in: y\n";
        let bold = |word: &str| painted(word, Tone::Head, true);
        let expected = text.replace("Usage:", &bold("Usage:")).replace("Options:", &bold("Options:"));
        assert_eq!(help(text, true), expected);
        assert_eq!(help(text, false), text);
        assert_eq!(help("error: no\n", true), format!("{} no\n", painted("error:", Tone::Bad, true)));
    }
}
