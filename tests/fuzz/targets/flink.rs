//! Answers of Flink's REST API, over a connection: whatever is asked, the same body comes back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use savepointd::flink::{Access, Flink};
use savepointd::protocol::id::Id;
use savepointd::protocol::stop::{JobsReply, PollReply};

struct Peer {
    flink: Flink,
    body: Arc<Mutex<Vec<u8>>>,
    runtime: tokio::runtime::Runtime,
}

thread_local! {
    static PEER: Peer = Peer::start();
}

impl Peer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let flink = Flink::new(Access::to(format!("http://{}", listener.local_addr().unwrap()))).unwrap();
        let body = Arc::default();
        let shared = Arc::clone(&body);
        // Ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { flink, body, runtime }
    }
}

/// Answers one request after another, until nobody asks any more.
fn serve(stream: TcpStream, body: &Mutex<Vec<u8>>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut stream = stream;
    while lines.by_ref().map_while(Result::ok).find(String::is_empty).is_some() {
        let body = body.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    }
    Some(())
}

pub fn answer(bytes: &[u8]) {
    PEER.with(|peer| {
        *peer.body.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
        peer.runtime.block_on(asked(&peer.flink, bytes));
    });
}

async fn asked(flink: &Flink, body: &[u8]) {
    let (job, trigger) = (Id::from_bytes([1; 16]), Id::from_bytes([2; 16]));
    let said = String::from_utf8_lossy(body);
    // Bytes that are no text are passed over where nobody reads them.
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&said).is_ok();
    match flink.jobs().await {
        JobsReply::Listed(jobs) => assert!(is_json && jobs.len() <= body.len()),
        JobsReply::Unreachable(why) => assert!(!why.is_empty()),
    }
    match flink.poll_stop(job, trigger).await {
        PollReply::Completed(path) => assert!(is_json && said.contains("location"), "nobody says {path}"),
        PollReply::Unknown => panic!("an answer of 200 is taken for 404"),
        PollReply::InProgress | PollReply::Failed { .. } | PollReply::Lost(_) => {}
    }
    let read = [
        flink.poll_checkpoint(job, trigger).await.is_ok(),
        flink.checkpoints(job).await.is_ok(),
        flink.statistics(job).await.is_ok(),
        flink.survey(job).await.is_ok(),
        flink.failures(job).await.is_ok(),
        flink.retention(job).await.is_ok(),
        flink.rests_on(job).await.is_ok(),
        flink.task_managers().await.is_ok(),
        flink.version().await.is_ok(),
    ];
    assert!(is_json || !read.contains(&true), "what is not JSON was read");
    if let Ok(Some(restored)) = flink.restored(job).await {
        assert!(restored.path.is_empty() || is_json);
    }
}
