//! The container's termination message: what `kubectl describe pod` shows of a container that has ended, in one line.

use std::io::Write as _;
use std::path::Path;

/// In letters. The kubelet keeps 4 KiB of one container's message, and 12 KiB of all of a pod's.
const LONGEST: usize = 1_000;

/// Leaves the message, where the file is there: the kubelet makes it. What was left before is replaced.
pub fn leave(path: &Path, message: &str) {
    let line: String = message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect();
    let written = std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::debug!(%error, path = %path.display(), "the termination message can't be left");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_that_replaces_the_one_before_and_makes_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("termination-log");
        leave(&path, "nobody reads this");
        assert!(!path.exists());
        std::fs::write(&path, "a former life").unwrap();
        leave(&path, "refuse: first\n  second\t third");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "refuse: first second third\n");
        leave(&path, &"long ".repeat(1_000));
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), LONGEST + 1);
    }
}
