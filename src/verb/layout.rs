//! Text that fits a terminal: wrapped sentences, and tables whose columns are as wide as what stands in them. What somebody will copy
//! (a path, a name) is never cut: where it does not fit it has a line of its own.

use super::paint::{Tone, painted};

/// What fits on a terminal.
pub(super) const WIDTH: usize = 80;
const GAP: usize = 2;

/// The text with nothing in it that a terminal obeys or that turns the direction of writing around: names, paths and reasons come from
/// stores, records and Flink, where others may have written them.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|letter| if is_visible(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}

fn is_visible(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}');
    !letter.is_control() && !turns
}

/// The words in lines of at most [`WIDTH`] characters; a longer word has a line of its own.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let blank = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let fits = |line: &&mut String| width(line) + 1 + width(word) <= WIDTH;
        match lines.last_mut().filter(fits) {
            Some(line) => line.extend([" ", word]),
            None => lines.push(format!("{blank}{word}")),
        }
    }
    lines.into_iter().map(|line| visible(&line) + "\n").collect()
}

/// On which side of its column a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// What stands in one column of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: visible(&text.into()), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// Rows in columns, each with lines of any width below it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    heads: Vec<(&'static str, Side)>,
    rows: Vec<(Vec<Cell>, String)>,
}

impl Table {
    pub(super) fn new(heads: &[(&'static str, Side)]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; `below` are whole lines, or nothing.
    pub(super) fn row(&mut self, cells: Vec<Cell>, below: String) {
        self.rows.push((cells, below));
    }

    pub(super) fn render(&self, colored: bool) -> String {
        let mut widths: Vec<usize> = self.heads.iter().map(|(head, _)| width(head)).collect();
        for (cells, _) in &self.rows {
            for (column, cell) in widths.iter_mut().zip(cells).skip(1) {
                *column = (*column).max(width(&cell.text));
            }
        }
        // What is left of the line is for the first one.
        let others: usize = widths.iter().skip(1).map(|width| width + GAP).sum();
        let firsts = self.rows.iter().filter_map(|(cells, _)| cells.first()).map(|cell| width(&cell.text));
        let widest = firsts.filter(|width| width + others <= WIDTH).max().unwrap_or_default();
        if let Some(first) = widths.first_mut() {
            *first = (*first).max(widest);
        }
        let heads: Vec<Cell> = self.heads.iter().map(|(head, _)| Cell::toned(*head, Tone::Head)).collect();
        let mut text = self.line(&heads, &widths, colored);
        for (cells, below) in &self.rows {
            match (cells.split_first(), widths.first()) {
                (Some((first, rest)), Some(most)) if width(&first.text) > *most => {
                    text += &painted(&first.text, first.tone, colored);
                    text.push('\n');
                    let row: Vec<Cell> = std::iter::once(Cell::from("")).chain(rest.iter().cloned()).collect();
                    text += &self.line(&row, &widths, colored);
                }
                _ => text += &self.line(cells, &widths, colored),
            }
            text += below;
        }
        text
    }

    fn line(&self, cells: &[Cell], widths: &[usize], colored: bool) -> String {
        let last = cells.len().saturating_sub(1);
        let mut line = String::new();
        for (index, ((cell, column), (_, side))) in cells.iter().zip(widths).zip(&self.heads).enumerate() {
            let blank = " ".repeat(column.saturating_sub(width(&cell.text)));
            let text = painted(&cell.text, cell.tone, colored);
            let gap = if index == 0 { "" } else { "  " };
            line.extend(match side {
                Side::Right => [gap, &blank, &text],
                // No blanks at the end of a line.
                Side::Left if index == last => [gap, &text, ""],
                Side::Left => [gap, &text, &blank],
            });
        }
        line + "\n"
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// How much that is, in at most eight characters; never more than it is.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = 1024_u64;
    if bytes < unit {
        return format!("{bytes} B");
    }
    for name in ["KiB", "MiB", "GiB", "TiB"] {
        let (whole, rest) = (bytes / unit, bytes % unit);
        if whole < 10 {
            return format!("{whole}.{} {name}", rest * 10 / unit);
        }
        if whole < 1024 {
            return format!("{whole} {name}");
        }
        unit *= 1024;
    }
    format!("{} PiB", bytes / unit)
}

/// How long ago, or how long, in the two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes}m"),
        (days, hours, _) => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_in_no_table_and_no_sentence() {
        let evil = "s3://a\u{1b}[2J\n\rb\u{202e}c\u{9b}d";
        let shown = "s3://a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}d";
        assert_eq!(visible(evil), shown);
        assert_eq!(visible("s3://état/savepoint-1"), "s3://état/savepoint-1");
        let mut table = Table::new(&[("PATH", Side::Left)]);
        table.row(vec![evil.into()], String::new());
        assert_eq!(table.render(false), format!("PATH\n{shown}\n"));
        assert!(!wrapped(evil, 2).contains('\u{1b}'));
    }

    #[test]
    fn a_table_fits_whatever_stands_in_it() {
        let mut table = Table::new(&[("NAME", Side::Left), ("SIZE", Side::Right), ("KIND", Side::Left)]);
        table.row(vec!["orders".into(), "8 KiB".into(), "final".into()], String::new());
        table.row(vec!["a".repeat(90).into(), "100 MiB".into(), "checkpoint".into()], "  s3://bucket/a\n".to_owned());
        let expected = format!(
            "NAME       SIZE  KIND\norders    8 KiB  final\n{}\n        100 MiB  checkpoint\n  s3://bucket/a\n",
            "a".repeat(90)
        );
        assert_eq!(table.render(false), expected);
        let without: String =
            ["\u{1b}[1m", "\u{1b}[0m"].iter().fold(table.render(true), |text, code| text.replace(code, ""));
        assert_eq!(without, expected, "colours take no room");
    }

    #[test]
    fn sizes_are_short_and_never_rounded_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (8838, "8.6 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (508_700_000, "485 MiB"),
            (1 << 40, "1.0 TiB"),
            (1 << 50, "1 PiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7500, "2h5m"), (86_400, "1d0h"), (90_061, "1d1h")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
