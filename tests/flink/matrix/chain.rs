//! One job, to which one thing happens after the other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};

use super::super::support::eventually;
use super::super::support::flink::{Cluster, START, STOP, version_number};
use super::super::support::process::Process;
use super::written::{self, Written};
use super::{Backend, Scenario};

/// What came of it.
#[derive(Debug, Clone)]
pub struct Cell {
    pub outcome: String,
    /// What the start after it restored.
    pub restored: String,
    /// Values between the last one before it and the first one after it.
    pub lost: u64,
    /// Values that were written before and after it.
    pub repeated: u64,
    /// Values before it that are not as they must be.
    pub wrong: u64,
}

#[derive(Debug)]
pub struct Chain {
    cluster: Cluster,
    running: Option<Process>,
    /// What the next start must restore.
    point: Option<String>,
    /// The uid of the operator that may be dropped.
    tally: &'static str,
    parallelism: u8,
    /// Files of all starts but the newest.
    old: BTreeSet<PathBuf>,
}

/// How a run of the job ended.
struct Ended {
    outcome: String,
    point: String,
}

impl Chain {
    /// The first start. A stop that must be over soon has to come first.
    pub fn begin(version: &str, backend: Backend, soon: bool) -> Self {
        let key = if version_number(version) >= (1, 18) { "state.backend.type" } else { "state.backend" };
        let backend = backend.to_string();
        let configuration = [
            (key, backend.as_str()),
            ("taskmanager.numberOfTaskSlots", "2"),
            // Overridden by what is injected.
            ("execution.checkpointing.externalized-checkpoint-retention", "DELETE_ON_CANCELLATION"),
        ];
        let mut cluster = Cluster::with(version, &configuration);
        cluster.start_task_manager();
        let mut chain =
            Self { cluster, running: None, point: None, tally: "tally", parallelism: 1, old: BTreeSet::new() };
        if soon {
            chain.cluster.settings = vec!["stop.grace=10s".to_owned(), "stop.reserve=4s".to_owned()];
        }
        chain.start();
        chain.cluster.settings.clear();
        chain
    }

    /// Something happens to the job, which runs; and it is started again.
    pub fn cell(&mut self, scenario: Scenario) -> Cell {
        let ended = match scenario {
            Scenario::SlowStop => self.stop_too_slowly(),
            Scenario::Crash => self.crash(),
            Scenario::CleanStop | Scenario::OperatorGoneAllowed | Scenario::OtherParallelism => self.stop(),
            Scenario::BrokenSavepoint => {
                let ended = self.stop();
                self.refuses_while_broken(ended)
            }
            Scenario::OperatorGone => {
                let ended = self.stop();
                self.fails_without_its_operator(ended)
            }
        };
        assert_eq!(self.cluster.ask("plan")["path"], ended.point.as_str());
        let before = self.tally_began();
        match scenario {
            Scenario::OperatorGoneAllowed => {
                self.tally = "successor";
                self.cluster.settings.push("restore.allow_non_restored_state=true".to_owned());
            }
            Scenario::OtherParallelism => self.parallelism = 2,
            _ => {}
        }
        let is_savepoint = ended.point.contains("/savepoint-");
        self.point = Some(ended.point);
        let (old, new) = self.start();
        self.cluster.settings.clear();
        let old = old.unwrap();
        let tally = self.tally_began();
        let began_anew = tally.1 == 1;
        assert!(tally != before && began_anew == (scenario == Scenario::OperatorGoneAllowed), "{tally:?}");

        let lost = new.first.saturating_sub(old.last + 1);
        let repeated = (old.last + 1).saturating_sub(new.first);
        let cell = Cell { outcome: ended.outcome, restored: self.restored_from(), lost, repeated, wrong: old.wrong };
        assert_eq!((cell.lost, cell.wrong), (0, 0), "{old:?} {new:?}");
        assert!(new.first > 0 && (!is_savepoint || repeated == 0), "{old:?} {new:?}");
        cell
    }

    /// The last stop, which nothing is started after.
    pub fn end(mut self) {
        let ended = self.stop();
        let last = written::read(&written::files(&self.out()).difference(&self.old).cloned().collect()).unwrap();
        assert_eq!(last.wrong, 0, "{last:?}");
        let history = self.cluster.ask("history");
        let rows = history.as_array().unwrap();
        let newest = &rows[0];
        assert_eq!((&newest["path"], &newest["kind"]), (&ended.point.as_str().into(), &"final".into()), "{newest}");
        assert!(rows.iter().all(|row| row["kind"] != "final" || row["bytes"].as_u64() > Some(0)), "{history}");
    }

    /// Starts the job from what it must restore; gives what was written before, and since.
    fn start(&mut self) -> (Option<Written>, Written) {
        let job = format!("--state-bytes 300000 --tally {} --parallelism {}", self.tally, self.parallelism);
        self.cluster.job_options = job.split(' ').map(str::to_owned).collect();
        let before = written::files(&self.out());
        let (process, restored) = self.cluster.run_confirmed();
        assert_eq!(restored, self.point);
        self.running = Some(process);
        let since = || written::read(&written::files(&self.out()).difference(&before).cloned().collect());
        let new = eventually("records are written", START, || since().filter(|now| now.last > now.first + 100));
        // Only now: tasks without a JobManager write on for a while.
        let old = written::read(&before.difference(&self.old).cloned().collect());
        self.old = before;
        (old, new)
    }

    fn stop(&mut self) -> Ended {
        let outcome = self.cluster.stop(self.running.take().unwrap());
        let ended = (outcome["outcome"].as_str(), outcome["recorded"].as_bool());
        assert_eq!(ended, (Some("savepoint"), Some(true)), "{outcome}");
        Ended { outcome: "savepoint".to_owned(), point: outcome["point"].as_str().unwrap().to_owned() }
    }

    fn stop_too_slowly(&mut self) -> Ended {
        self.cluster.checkpoints(1);
        self.cluster.control("slowsnap", "30000");
        let mut process = self.running.take().unwrap();
        process.signal(Signal::SIGTERM);
        assert_eq!(process.exit_code(STOP), 143, "{}", process.text());
        self.cluster.uncontrol("slowsnap");
        let outcome = process.find("stopped").unwrap();
        let ended = (outcome["outcome"].as_str(), outcome["recorded"].as_bool());
        assert_eq!(ended, (Some("checkpoint"), Some(true)), "{outcome}");
        // The job keeps its checkpoints.
        assert_eq!(process.find("ending the entrypoint").unwrap()["kill"], false, "{}", process.text());
        Ended { outcome: "newest checkpoint".to_owned(), point: outcome["point"].as_str().unwrap().to_owned() }
    }

    fn crash(&mut self) -> Ended {
        self.cluster.checkpoints(2);
        let job_id = self.cluster.job_id();
        let mut process = self.running.take().unwrap();
        kill(self.cluster.job_manager(&process), Signal::SIGKILL).unwrap();
        assert_eq!(process.exit_code(STOP), 137);
        let plan = self.cluster.ask("plan");
        let point = plan["path"].as_str().unwrap().to_owned();
        assert!(point.contains(&format!("/{job_id}/chk-")), "{plan}");
        Ended { outcome: "newest checkpoint".to_owned(), point }
    }

    /// Takes a file of the savepoint away: the next start is refused, and what it says names the savepoint and the way out.
    fn refuses_while_broken(&mut self, ended: Ended) -> Ended {
        let dir = Path::new(ended.point.strip_prefix("file://").unwrap());
        let state = written::files(dir).into_iter().find(|file| !file.ends_with("_metadata")).unwrap();
        let aside = self.cluster.dir.path().join("aside");
        std::fs::rename(&state, &aside).unwrap();
        let mut process = self.cluster.run();
        assert_eq!(process.exit_code(START), 77, "{}", process.text());
        let refusal = process.find("Flink is not started").unwrap();
        let reason = refusal["reason"].as_str().unwrap();
        assert!(reason.contains(&ended.point) && reason.contains("savepointd pin PATH"), "{reason}");
        std::fs::rename(aside, state).unwrap();
        Ended { outcome: "refused until mended".to_owned(), ..ended }
    }

    /// A program without one of the operators whose state is there: Flink does not run it, and nothing is lost by that.
    fn fails_without_its_operator(&mut self, ended: Ended) -> Ended {
        self.cluster.job_options = ["--tally", "successor"].map(str::to_owned).to_vec();
        let before = written::files(&self.out());
        let mut process = self.cluster.run();
        let code = process.exit_code(START);
        // Before 2.0 the JobManager ends by itself, and its own code may come first.
        assert!(code == 65 || code == 2, "{code}: {}", process.text());
        assert_eq!(written::files(&self.out()), before);
        Ended { outcome: "refused by Flink until undone".to_owned(), ..ended }
    }

    fn out(&self) -> PathBuf {
        self.cluster.dir.path().join("out")
    }

    /// Where the droppable operator began last: a value, and what it counted with it.
    fn tally_began(&self) -> (u64, u64) {
        let newest = written::files(&self.cluster.dir.path().join("out-tally")).into_iter().next_back().unwrap();
        let text = std::fs::read_to_string(newest).unwrap();
        let mut words = text.split_whitespace().map(|word| word.parse().unwrap());
        (words.next().unwrap(), words.next().unwrap())
    }

    /// The kind of what was restored, and its epoch.
    fn restored_from(&self) -> String {
        let parts: Vec<&str> = self.point.as_deref().unwrap().rsplit('/').collect();
        let (name, folder) = (parts[0], parts[1]);
        if name.starts_with("savepoint-") {
            return format!("savepoint of epoch {folder}");
        }
        let epoch = u64::from_str_radix(&folder[16..], 16).unwrap();
        format!("checkpoint {} of epoch {epoch}", name.strip_prefix("chk-").unwrap())
    }
}
