//! A line on a terminal that is drawn again and again, for whoever watches.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// What is over so soon needs none.
const AFTER: Duration = Duration::from_secs(1);
const REDRAWN: Duration = Duration::from_millis(100);

/// Draws how far it is; never ends.
pub(super) async fn redraw(line: impl Fn() -> String) {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    tokio::time::sleep(AFTER).await;
    loop {
        let line = line();
        let mut terminal = std::io::stderr();
        // A line that can't be drawn is no reason to stop.
        let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
        tokio::time::sleep(REDRAWN).await;
    }
}

pub(super) fn erase() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
