//! The commands that Flink writes into the pods that it creates itself: `bash -c "kubernetes-jobmanager.sh kubernetes-application …"`.

use super::options::{Mode, launch};
use super::shell;

/// What Flink creates a pod for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// A `JobManager`'s pod.
    JobManager,
    /// A `TaskManager`'s pod.
    TaskManager,
}

/// What the pod with this command is for, if Flink has created it.
#[must_use]
pub fn created(argv: &[String]) -> Option<Created> {
    argv.iter().flat_map(|word| word.split_whitespace()).find_map(|word| match word.rsplit('/').next() {
        Some("kubernetes-jobmanager.sh") => Some(Created::JobManager),
        Some("kubernetes-taskmanager.sh") => Some(Created::TaskManager),
        _ => None,
    })
}

/// The command of a `JobManager` in native application mode, out of the string for a shell in which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    before: Vec<String>,
    words: Vec<String>,
}

impl Native {
    /// Takes it out; `None` if there is none, or if a shell would do more with the string than start it.
    #[must_use]
    pub fn of(argv: &[String]) -> Option<Self> {
        let (text, before) = argv.split_last()?;
        if !before.last()?.starts_with('-') || created(std::slice::from_ref(text)) != Some(Created::JobManager) {
            return None;
        }
        let words = shell::words(text)?;
        let is_application = launch(&words).is_ok_and(|launch| launch.mode == Mode::KubernetesApplication);
        is_application.then(|| Self { before: before.to_vec(), words })
    }

    /// The command's words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The command line with other words in its string.
    #[must_use]
    pub fn with(&self, words: &[String]) -> Vec<String> {
        self.before.iter().cloned().chain([shell::command(words)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_flink_creates_is_told_apart() {
        for (words, expected) in [
            (&["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application "] as &[&str], Some(Created::JobManager)),
            (&["bash", "-c", "kubernetes-jobmanager.sh kubernetes-session"], Some(Created::JobManager)),
            (&["/bin/bash", "-c", "exec /opt/flink/bin/kubernetes-taskmanager.sh -Da='b'"], Some(Created::TaskManager)),
            (&["kubernetes-taskmanager.sh"], Some(Created::TaskManager)),
            (&["agent"], None),
            (&["bash", "-c", "sleep 1"], None),
            (&[], None),
        ] {
            assert_eq!(created(&argv(words)), expected, "{words:?}");
        }
    }

    #[test]
    fn the_command_comes_out_of_its_string_and_goes_back() {
        let native =
            Native::of(&argv(&["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application '-Da=b c'"])).unwrap();
        assert_eq!(native.words(), argv(&["kubernetes-jobmanager.sh", "kubernetes-application", "-Da=b c"]));
        let words = argv(&["kubernetes-jobmanager.sh", "kubernetes-application", "-D$x=1"]);
        assert_eq!(
            native.with(&words),
            argv(&["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application '-D$x=1'"])
        );
        for refused in [
            &["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application $MORE"] as &[&str],
            &["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application; true"],
            &["bash", "-c", "kubernetes-jobmanager.sh kubernetes-session"],
            &["bash", "-c", "kubernetes-taskmanager.sh"],
            &["bash", "-c", "kubernetes-jobmanager.sh kubernetes-application", "name"],
            &["kubernetes-jobmanager.sh kubernetes-application"],
        ] {
            assert_eq!(Native::of(&argv(refused)), None, "{refused:?}");
        }
    }
}
