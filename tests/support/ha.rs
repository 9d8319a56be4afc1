//! What Flink's own high availability leaves in storage, and a ZooKeeper for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{eventually, free_port};

/// The beginning of a `CompletedCheckpoint` that Flink 1.20.5 wrote, to its last byte that anybody reads.
const WRITTEN: &[u8] = include_bytes!("../vectors/completed-checkpoint-1.20.5");

/// Such a file for another point.
pub fn completed_checkpoint(number: u64, path: &str, job_id: &str) -> Vec<u8> {
    let text = b"file:/flink/checkpoints/0000000055a1b4f80000000000000000/chk-6";
    let at = WRITTEN.windows(text.len()).position(|window| window == text).unwrap();
    // Before the text stand its length and its tag, and before these the three numbers of a point.
    let (before, after) = (&WRITTEN[..at - 3], &WRITTEN[at + text.len()..]);
    let mut bytes = before[..before.len() - 24].to_vec();
    bytes.extend(number.to_be_bytes());
    bytes.extend(&before[before.len() - 16..]);
    bytes.push(b't');
    bytes.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
    bytes.extend(path.as_bytes());
    bytes.extend(&after[..after.len() - 16]);
    bytes.extend(u128::from_str_radix(job_id, 16).unwrap().to_be_bytes());
    bytes
}

/// A ZooKeeper server on loopback: its classes are part of Flink 1.17 and newer.
#[derive(Debug)]
pub struct ZooKeeper {
    _dir: tempfile::TempDir,
    child: Child,
    pub port: u16,
}

impl ZooKeeper {
    pub fn start(flink_home: &Path) -> Self {
        const MAIN: &str = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain";
        let dir = tempfile::Builder::new().prefix("savepointd-zk-").tempdir().unwrap();
        let port = free_port();
        let configuration = dir.path().join("zoo.cfg");
        let data = dir.path().join("data");
        let text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\ntickTime=1000\n",
            data.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let needed = |name: &str| name.starts_with("flink-dist") || name.starts_with("log4j");
        let jars = std::fs::read_dir(flink_home.join("lib")).unwrap().map(|entry| entry.unwrap().path());
        let jars: Vec<PathBuf> = jars.filter(|path| needed(path.file_name().unwrap().to_str().unwrap())).collect();
        let java = std::env::var("JAVA_HOME").map_or_else(|_| "java".to_owned(), |home| format!("{home}/bin/java"));
        let mut command = Command::new(java);
        command.args(["-Xmx96m", "-XX:+UseSerialGC", "-cp"]).arg(std::env::join_paths(jars).unwrap());
        command.arg(MAIN).arg(&configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        eventually("ZooKeeper listens", Duration::from_secs(60), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        Self { _dir: dir, child, port }
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
