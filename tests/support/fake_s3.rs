//! The reading half of S3 on the wire, path style: objects in memory, listed by the thousand, every request counted.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// As many keys as S3 tells at once.
const PAGE: usize = 1_000;

/// The fake, with one bucket, `state`.
#[derive(Debug)]
pub struct FakeS3 {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    objects: BTreeMap<String, Vec<u8>>,
    /// Keys that this client may not read.
    forbidden: Vec<String>,
    /// Method and target of every request.
    log: Mutex<Vec<String>>,
}

impl FakeS3 {
    pub fn start(objects: BTreeMap<String, Vec<u8>>, forbidden: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let forbidden = forbidden.iter().map(|key| (*key).to_owned()).collect();
        let shared = Arc::new(Shared { objects, forbidden, log: Mutex::default() });
        let serving = Arc::clone(&shared);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Self { port, shared }
    }

    /// What tells its clients of it.
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ACCESS_KEY_ID", "tester".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("SAVEPOINTD_STORAGE__ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
        ]
    }

    pub fn requests(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).unwrap_or(0) == 0 {
                return;
            }
            // A request to read has no body.
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
            }
            let mut words = first.split(' ');
            let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
            self.log.lock().unwrap().push(format!("{method} {target}"));
            let (status, body) = self.answer(target);
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\netag: \"1\"\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT\r\n\r\n",
                body.len()
            );
            let body = if method == "HEAD" { &[] } else { body.as_slice() };
            if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, target: &str) -> (u16, Vec<u8>) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(key) = path.strip_prefix("/state") else { return (404, Vec::new()) };
        let key = key.trim_start_matches('/');
        if self.forbidden.iter().any(|forbidden| key == forbidden) {
            return (403, b"<Error><Code>AccessDenied</Code></Error>".to_vec());
        }
        match self.objects.get(key) {
            Some(object) => (200, object.clone()),
            None if query.contains("list-type=2") => (200, self.list(query).into_bytes()),
            None => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
        }
    }

    fn list(&self, query: &str) -> String {
        let value = |name: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().replace("%2F", "/")
        };
        let (prefix, after, delimiter) = (value("prefix"), value("continuation-token"), value("delimiter"));
        let mut keys = self.objects.keys().filter(|key| key.starts_with(&prefix) && key.as_str() > after.as_str());
        let mut text = String::from("<ListBucketResult>");
        let page: Vec<&String> = keys.by_ref().take(PAGE).collect();
        let mut folders: Vec<String> = Vec::new();
        for key in &page {
            let rest = &key[prefix.len()..];
            if let Some((folder, _)) = rest.split_once('/').filter(|_| !delimiter.is_empty()) {
                let folder = format!("{prefix}{folder}/");
                if folders.last() != Some(&folder) {
                    text += &format!("<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>");
                    folders.push(folder);
                }
                continue;
            }
            let size = self.objects[*key].len();
            text += &format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-22T10:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{size}</Size></Contents>"
            );
        }
        if let Some(last) = page.last().filter(|_| keys.next().is_some()) {
            text += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>");
        } else {
            text += "<IsTruncated>false</IsTruncated>";
        }
        text + "</ListBucketResult>"
    }
}
