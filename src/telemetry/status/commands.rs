//! The commands to go on with, with the names that they have here.

use serde::Serialize;

use super::{Phase, Status};
use crate::protocol::shell;

/// A command to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// What it is for.
    pub purpose: &'static str,
    /// The line for a shell. What only a person knows stands in capitals.
    pub line: String,
}

/// From where commands reach this agent: the words before the verb, and behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    before: Vec<String>,
    behind: Vec<String>,
}

impl Place {
    /// The agent's container of a pod.
    #[must_use]
    pub fn in_pod(namespace: &str, name: &str, program: &str) -> Self {
        // The name that `inject` gives to the container.
        let words = ["kubectl", "-n", namespace, "exec", name, "-c", "savepointd", "--", program];
        Self { before: words.map(str::to_owned).into(), behind: Vec::new() }
    }

    /// This machine.
    #[must_use]
    pub fn here(program: &str, record: &str, settings: &[(&str, String)]) -> Self {
        let settings = settings.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
        let behind = ["--record".to_owned(), record.to_owned()].into_iter().chain(settings).collect();
        Self { before: vec![program.to_owned()], behind }
    }

    fn line(&self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        shell::command(self.before.iter().chain(&words).chain(&self.behind))
    }
}

/// What may be done now, what is most likely wanted first.
#[must_use]
pub fn commands(status: &Status, place: &Place) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut add = |purpose, words: &[&str]| commands.push(Command { purpose, line: place.line(words) });
    let decision = status.next.decision.as_deref();
    let waits = status.phase == Phase::Waiting;
    let needs_word = waits && status.gate.starts_with("refuse") || matches!(decision, Some("refuse" | "hold"));
    add("Why this point, and why no other", &["plan"]);
    if needs_word {
        add("Have the next start restore this point", &["pin", status.next.usable.as_deref().unwrap_or("PATH")]);
        add("Have the next start, and only that, begin with nothing", &["fresh"]);
    } else if decision == Some("restore") {
        add("Have the next start restore another point", &["pin", "PATH"]);
    }
    if waits && status.gate.contains("takeover") {
        add("Say that whoever holds the job is gone for good", &["takeover"]);
    }
    if status.next.requested {
        add("Take back what a person has asked of the next start", &["unpin"]);
    }
    if status.phase == Phase::Running {
        add("Take a savepoint now; the job goes on", &["savepoint"]);
    }
    if let Some(point) = &status.newest {
        add("Prove the newest point whole", &["verify", &point.path]);
    }
    add("All that is recorded", &["history"]);
    add("What will not work, and why", &["doctor"]);
    commands
}
