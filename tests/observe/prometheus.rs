//! The real programs, as `tests/prometheus.sh` has got them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::support::{eventually, free_port, http};
use super::world::LONG;

fn program(name: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap().join(".cache"));
    let cache = variable("SPTEST_CACHE").unwrap_or_else(|| shared().join("savepointd"));
    let program = cache.join("prometheus/usr/bin").join(name);
    assert!(program.exists(), "{} is missing: tests/prometheus.sh gets it", program.display());
    program
}

/// Runs promtool; gives whether it is content, and its words.
pub fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(program("promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), said)
}

/// A Prometheus that scrapes agents each second. Dropped, it is killed.
pub struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// `targets`: the port of each agent, and the name of its pod.
    pub fn start(dir: &Path, targets: &[(u16, &str)], rules: &Value) -> Self {
        let targets: Vec<Value> = targets
            .iter()
            .map(|(port, pod)| json!({ "targets": [format!("127.0.0.1:{port}")], "labels": { "namespace": "shop", "pod": pod } }))
            .collect();
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["rules.json"],
            "scrape_configs": [{ "job_name": "savepointd", "static_configs": targets }],
        });
        std::fs::write(dir.join("prometheus.json"), config.to_string()).unwrap();
        std::fs::write(dir.join("rules.json"), rules.to_string()).unwrap();
        let port = free_port();
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", dir.join("prometheus.json").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let prometheus = Self { child, port };
        eventually("Prometheus is ready", LONG, || {
            http::get(prometheus.port, "/-/ready").filter(|(status, _)| *status == 200)
        });
        prometheus
    }

    fn get(&self, path: &str) -> Value {
        let answer = eventually(path, LONG, || http::get(self.port, path));
        let value: Value = serde_json::from_str(&answer.1).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        assert_eq!(value["status"], "success", "{path}: {value:#}");
        value["data"].clone()
    }

    pub fn targets(&self) -> Vec<Value> {
        self.get("/api/v1/targets")["activeTargets"].as_array().unwrap().clone()
    }

    pub fn alerts(&self) -> Vec<Value> {
        self.get("/api/v1/alerts")["alerts"].as_array().unwrap().clone()
    }

    /// The series that a query gives.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let encoded: Vec<String> = query.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.get(&format!("/api/v1/query?query=%{}", encoded.join("%")))["result"].as_array().unwrap().clone()
    }

    /// The value of the only series of a query, as soon as there is one.
    pub fn value(&self, query: &str) -> f64 {
        let result = eventually(query, LONG, || Some(self.query(query)).filter(|result| result.len() == 1));
        result[0]["value"][1].as_str().unwrap().parse().unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
