//! Real object stores on this machine, each in a directory of its own, ended with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::store_proxy::{StoreProxy, Upstream};
use super::{eventually, free_port, http};

/// Long enough for Node on a machine that does other things too.
const START: Duration = Duration::from_secs(60);

/// Azurite's only account, and its key, as documented.
const AZURITE: (&str, &str) =
    ("devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==");

/// A real object store with the bucket `state`, behind a proxy that makes faults.
#[derive(Debug)]
pub struct Store {
    pub proxy: StoreProxy,
    /// The port of the store itself.
    pub direct: u16,
    /// The URL of its bucket, without a slash at its end.
    pub bucket: String,
    /// What tells its clients of it.
    pub variables: Vec<(String, String)>,
    child: Child,
    _dir: TempDir,
}

impl Store {
    /// The one that speaks S3. A second bucket, `st.ate`, has a dot in its name.
    pub fn minio() -> Self {
        Self::minio_with(None)
    }

    /// The same, at its own port by TLS only, with `public.crt` and `private.key` of a directory.
    pub fn minio_by_tls(certificates: &Path) -> Self {
        Self::minio_with(Some(certificates))
    }

    fn minio_with(certificates: Option<&Path>) -> Self {
        let dir = in_memory();
        for bucket in ["state", "st.ate"] {
            std::fs::create_dir(dir.path().join(bucket)).unwrap();
        }
        let port = free_port();
        let mut command = Command::new(program("minio"));
        command.env("MINIO_ROOT_USER", "tester").env("MINIO_ROOT_PASSWORD", "tested-secret");
        command.env("MINIO_UPDATE", "off").env("MINIO_BROWSER", "off").env("HOME", dir.path());
        command.args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")]).arg(dir.path());
        if let Some(certificates) = certificates {
            command.arg("--certs-dir").arg(certificates);
        }
        let child = start(&mut command);
        // 400: it serves, but not without TLS.
        let serving = if certificates.is_some() { 400 } else { 200 };
        eventually("MinIO serves", START, || {
            http::get(port, "/minio/health/ready").filter(|(status, _)| *status == serving)
        });
        let proxy = StoreProxy::before(port, Upstream::Plain);
        let variables = vec![
            ("AWS_ACCESS_KEY_ID", "tester".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "tested-secret".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port)),
        ];
        Self::of(proxy, port, "s3://state", variables, child, dir)
    }

    /// fake-gcs-server.
    pub fn google() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let port = free_port();
        let mut command = Command::new(program("fake-gcs-server"));
        command.args(["-scheme", "http", "-host", "127.0.0.1", "-port", &port.to_string(), "-backend", "filesystem"]);
        command.arg("-filesystem-root").arg(dir.path()).args(["-public-host", &format!("127.0.0.1:{port}")]);
        let child = start(&mut command);
        eventually("fake-gcs-server serves", START, || {
            http::get(port, "/storage/v1/b/state").filter(|(status, _)| *status == 200)
        });
        let proxy = StoreProxy::before(port, Upstream::FakeGcs);
        let variables = vec![("STORAGE_EMULATOR_HOST", format!("127.0.0.1:{}", proxy.port))];
        Self::of(proxy, port, "gs://state", variables, child, dir)
    }

    /// Azurite.
    pub fn azure() -> Self {
        let (account, key) = AZURITE;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new("node");
        command.arg(program("azurite.js")).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.args(["--skipApiVersionCheck", "--disableTelemetry", "--location"]).arg(dir.path());
        let child = start(&mut command);
        eventually("Azurite serves", START, || http::get(port, "/"));
        let made = Command::new("node").args(["-e", MAKE_CONTAINER, account, key, &port.to_string()]).status();
        assert!(made.unwrap().success(), "no container in Azurite");
        let proxy = StoreProxy::before(port, Upstream::Plain);
        let variables = vec![
            ("AZURE_STORAGE_ACCOUNT_KEY", key.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{account}", proxy.port)),
        ];
        Self::of(proxy, port, &format!("abfss://state@{account}.dfs.core.windows.net"), variables, child, dir)
    }

    /// HDFS by WebHDFS: a NameNode and a DataNode in one JVM. What goes to the DataNode passes by the proxy.
    pub fn hdfs() -> Self {
        Self::hdfs_for_flink().0
    }

    /// The same, and the port at which Flink reaches the NameNode.
    pub fn hdfs_for_flink() -> (Self, u16) {
        let dir = in_memory();
        let (port, rpc) = (free_port(), free_port());
        let ready = dir.path().join("ready");
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-cp", &format!("{}/*", program("hadoop").display())]);
        command.args(["org.apache.hadoop.test.MiniDFSClusterManager", "-format", "-datanodes", "1"]);
        command.args(["-httpport", &port.to_string(), "-nnport", &rpc.to_string(), "-writeDetails"]).arg(&ready);
        // Whoever starts it may do anything in it.
        let child = start(command.env("HADOOP_USER_NAME", "flink").current_dir(dir.path()));
        // The first answer takes it long, once it is there.
        eventually("HDFS serves", START * 3, || {
            ready.exists().then(|| http::get(port, "/webhdfs/v1/?op=LISTSTATUS"))?.filter(|(status, _)| *status == 200)
        });
        let proxy = StoreProxy::before(port, Upstream::Plain);
        let bucket = format!("webhdfs://127.0.0.1:{}/state", proxy.port);
        (Self::of(proxy, port, &bucket, Vec::new(), child, dir), rpc)
    }

    fn of(
        proxy: StoreProxy,
        direct: u16,
        bucket: &str,
        variables: Vec<(&str, String)>,
        child: Child,
        dir: TempDir,
    ) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { proxy, direct, bucket: bucket.to_owned(), variables, child, _dir: dir }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A container is made by a request that the account's key signs.
const MAKE_CONTAINER: &str = r#"
const [account, key, port] = process.argv.slice(1);
const date = new Date().toUTCString(), version = "2021-12-02";
const text = ["PUT", "", "", "", "", "", "", "", "", "", "", "", `x-ms-date:${date}`, `x-ms-version:${version}`,
    `/${account}/${account}/state`, "restype:container"].join("\n");
const signature = require("crypto").createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
const headers = { "x-ms-date": date, "x-ms-version": version, Authorization: `SharedKey ${account}:${signature}` };
fetch(`http://127.0.0.1:${port}/${account}/state?restype=container`, { method: "PUT", headers })
    .then((answer) => process.exit(answer.status == 201 ? 0 : 1));
"#;

/// A directory in memory, where there is some: thousands of small files are no test of a disk.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What Flink needs of Hadoop, as it wants it in `HADOOP_CLASSPATH`.
pub fn hadoop_classpath() -> String {
    let jars = std::fs::read_dir(program("hadoop")).unwrap().map(|entry| entry.unwrap().path().display().to_string());
    let wanted =
        |jar: &String| ["client-api", "client-runtime", "commons-logging"].iter().any(|part| jar.contains(part));
    jars.filter(wanted).collect::<Vec<_>>().join(":")
}

/// Whether `tests/stores.sh` has got the stores.
pub fn installed() -> bool {
    cached("minio").exists()
}

/// A program that `tests/stores.sh` has got.
fn program(name: &str) -> PathBuf {
    let program = cached(name);
    assert!(program.exists(), "{} is missing: tests/stores.sh gets it", program.display());
    program
}

fn cached(name: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap().join(".cache"));
    let cache = variable("SPTEST_CACHE").unwrap_or_else(|| shared().join("savepointd"));
    cache.join("stores/bin").join(name)
}
