//! A real Chromium, as `tests/chromium.sh` has got it: driven by its debugging protocol over a pipe, without a window.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Long enough for a browser on a machine that does other things too.
const LONG: Duration = Duration::from_secs(60);

/// One browser with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    into: ChildStdin,
    from: Receiver<Value>,
    number: u64,
    session: String,
    /// What it has told that was no answer.
    told: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// Whether `tests/chromium.sh` has got it.
pub fn installed() -> bool {
    program().exists()
}

fn program() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let shared = || variable("XDG_CACHE_HOME").unwrap_or_else(|| variable("HOME").unwrap().join(".cache"));
    variable("SPTEST_CACHE").unwrap_or_else(|| shared().join("savepointd")).join("chromium/chromium")
}

impl Chromium {
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It reads from file descriptor 3 and writes to 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1", "sh"]).arg(program());
        command.args(["--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (into, out) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in out.split(0).map_while(Result::ok) {
                let Ok(value) = serde_json::from_slice(&message) else { continue };
                if send.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { child, into, from, number: 0, session: String::new(), told: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Has the browser do something, and gives its answer.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.into.write_all(format!("{message}\0").as_bytes()).unwrap();
        let number = self.number;
        let mut answer = self.hear(method, |message| message["id"] == number);
        assert!(answer["error"].is_null(), "{method}: {answer:#}");
        answer["result"].take()
    }

    /// Opens a page in a window of this size, for eyes that like it dark or light, and waits until it is there.
    pub fn open(&mut self, url: &str, width: u32, height: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &features);
        self.told.clear();
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened:#}");
        if !self.told.iter().any(|message| message["method"] == "Page.loadEventFired") {
            let loaded = self.hear("the page's load", |message| message["method"] == "Page.loadEventFired");
            self.told.push(loaded);
        }
    }

    /// What an expression comes to in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// What was fetched since the page was opened.
    pub fn fetched(&self) -> Vec<String> {
        let requests = self.told.iter().filter(|message| message["method"] == "Network.requestWillBeSent");
        requests.map(|request| request["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// What the console shows, and dialogs, since the page was opened.
    pub fn complaints(&self) -> Vec<&Value> {
        const COMPLAINTS: [&str; 4] =
            ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"];
        self.told.iter().filter(|message| COMPLAINTS.iter().any(|name| message["method"] == *name)).collect()
    }

    /// A picture of the whole page, as base64 of a PNG file.
    pub fn picture(&mut self) -> String {
        let shot = self.call("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }));
        shot["data"].as_str().unwrap().to_owned()
    }

    fn hear(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LONG;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = self.from.recv_timeout(left).unwrap_or_else(|error| panic!("{what}: {error}"));
            if is_it(&message) {
                return message;
            }
            self.told.push(message);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
