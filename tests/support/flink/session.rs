//! A real session cluster under `savepointd run --agent`, and the self-checking job in it as often as is wanted.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::super::life::{self, Life};
use super::super::process::{Process, binary};
use super::super::{eventually, http};
use super::{Cluster, START};

/// The program, as the JobManager knows it.
const JAR: &str = "seqjob.jar";

impl Cluster {
    /// A session cluster with a slot for each of so many jobs.
    pub fn session(version: &str, jobs: usize) -> Self {
        Self::session_with(version, jobs, &[])
    }

    /// The same, with more of Flink's configuration.
    pub fn session_with(version: &str, jobs: usize, more: &[(&str, &str)]) -> Self {
        let slots = jobs.to_string();
        let mut configuration = vec![
            ("taskmanager.numberOfTaskSlots", slots.as_str()),
            ("jobmanager.memory.process.size", "1000m"),
            ("taskmanager.memory.process.size", "1400m"),
            ("web.upload.dir", "/"),
            // Many jobs start at once, and a busy machine must not make TaskManagers of them that are lost.
            ("heartbeat.interval", ""),
            ("heartbeat.timeout", ""),
        ];
        configuration.extend(more);
        let cluster = Self::with(version, &configuration);
        // What lies there already counts as uploaded.
        let uploads = cluster.dir.path().join("flink-web-upload");
        std::fs::create_dir(&uploads).unwrap();
        std::fs::copy(cluster.home.parent().unwrap().join(JAR), uploads.join(JAR)).unwrap();
        for name in ["config.yaml", "flink-conf.yaml"] {
            let path = cluster.dir.path().join("conf").join(name);
            if let Ok(text) = std::fs::read_to_string(&path) {
                let uploads = format!("web.upload.dir: {}\n", cluster.dir.path().display());
                std::fs::write(path, text.replace("web.upload.dir: /\n", &uploads)).unwrap();
            }
        }
        cluster
    }

    /// `savepointd run --agent` before the session cluster's JobManager; returns when that and all slots are up.
    pub fn run_session(&self, jobs: usize) -> Process {
        let mut command = Command::new(binary());
        command.args(["run", "--agent", "--record", &self.record()]);
        command.args(["--set", &format!("admin.address=127.0.0.1:{}", self.admin)]);
        self.environment(&mut command);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.arg("--").arg(self.home.join("bin/jobmanager.sh")).arg("start-foreground");
        let log = std::fs::File::options().create(true).append(true).open(self.path("log/jobmanager.out")).unwrap();
        let process = Process::start(command.stdout(log));
        eventually("all slots", START, || {
            let overview = http::json(self.rest, "/overview")?;
            (overview["slots-total"].as_u64()? >= jobs as u64).then_some(())
        });
        process
    }

    /// Submits the job under a name; `body` says from where it goes on, if from anywhere.
    pub fn submit(&self, name: &str, body: Option<&Value>, options: &[&str]) {
        let mut body = body.cloned().unwrap_or_else(|| json!({}));
        let out = self.out_of(name);
        std::fs::create_dir_all(&out).unwrap();
        let out = out.display().to_string();
        let ctl = self.path("ctl");
        let arguments = [&["--name", name, "--out", &out, "--ctl", &ctl], options].concat();
        (body["entryClass"], body["programArgsList"]) = ("SeqJob".into(), arguments.into());
        let (status, answer) = eventually("an answer to the submission", START, || {
            http::request_within(START, "POST", self.rest, &format!("/jars/{JAR}/run"), &body.to_string())
        });
        assert_eq!(status, 200, "{answer}");
    }

    /// Where a job writes.
    fn out_of(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// The lives of one job's writing task.
    pub fn lives_of(&self, name: &str) -> Vec<Life> {
        life::lives(&self.out_of(name))
    }

    /// The jobs that wait to be submitted again, as the agent serves them.
    pub fn jobs_waiting(&self) -> Vec<Value> {
        let status = http::json(self.admin, "/api/v1/status").unwrap_or_default();
        status["jobs_waiting"].as_array().cloned().unwrap_or_default()
    }
}
