//! The line to the agent: what it says as it says it, and the news that it can't be heard.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use crate::api::{Checkpointed, Phase, Tidings};
use crate::http::{self, Lines};
use crate::{random, report};

/// Nothing that is asked takes longer.
const ANSWER: Duration = Duration::from_secs(3);
/// How long an agent may be silent. It shows a sign of life every ten seconds, and every second while a stop is under way.
const SILENCE: Duration = Duration::from_secs(25);
const SILENCE_OF_A_STOP: Duration = Duration::from_secs(5);
/// Between two tries to connect, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What comes over the line.
#[derive(Debug)]
pub(super) enum News {
    /// The agent said this.
    Heard(Tidings),
    /// The agent can't be heard; why, in words.
    Lost(String),
    /// The agent can't be heard, but the JobManager takes connections.
    JobManagerSeen,
    /// The number of the checkpoint that was asked for, or why there is none.
    Checkpointed(Result<u64, String>),
}

/// Who is at the other end, and what it may want to know.
#[derive(Debug)]
pub(super) struct Ends {
    /// The agent, `host:port`.
    pub(super) agent: String,
    /// The JobManager's RPC port, `host:port`, where it is known.
    pub(super) job_manager: Option<String>,
    /// The epoch for which the child works.
    pub(super) works_for: Cell<Option<u64>>,
    /// Whether to try the JobManager where the agent can't be heard.
    pub(super) tries_job_manager: Cell<bool>,
}

/// Follows what the agent says, for ever. An agent that names another one is left for that, until that can't be heard.
pub(super) async fn follow(ends: Rc<Ends>, news: UnboundedSender<News>) {
    let mut pause = FIRST_PAUSE;
    let mut elsewhere: Option<String> = None;
    loop {
        let agent = elsewhere.take().unwrap_or_else(|| ends.agent.clone());
        let mut heard = false;
        match listen(&agent, &ends, &news, &mut heard).await {
            Ok(other) => elsewhere = Some(other),
            Err(reason) => {
                let _ = news.send(News::Lost(reason));
            }
        }
        if heard {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(random::jitter(pause).min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if elsewhere.is_none() && ends.tries_job_manager.get() {
            try_job_manager(&ends, &news).await;
        }
    }
}

/// Listens to one agent. Gives the address of another one that it names, or says why nothing is heard any more.
async fn listen(agent: &str, ends: &Ends, news: &UnboundedSender<News>, heard: &mut bool) -> Result<String, String> {
    let path = match ends.works_for.get() {
        Some(epoch) => format!("/api/v1/stop?works_for={epoch}"),
        None => "/api/v1/stop".to_owned(),
    };
    let response = timeout(ANSWER, http::get(agent, &path)).await.map_err(|_| format!("{agent} does not answer"))?;
    let mut lines = Lines::of(response.map_err(|error| report::chain(&error))?);
    let mut silence = ANSWER;
    loop {
        let line = timeout(silence, lines.next()).await.map_err(|_| format!("{agent} is silent"))?;
        let Some(line) = line.map_err(|error| report::chain(&error))? else {
            return Err(format!("{agent} closed the connection"));
        };
        *heard = true;
        let Some(tidings) = read(&line) else { continue };
        silence = if tidings.phase == Phase::Stopping { SILENCE_OF_A_STOP } else { SILENCE };
        let elsewhere = tidings.elsewhere.clone().filter(|other| other != agent);
        let _ = news.send(News::Heard(tidings));
        if let Some(other) = elsewhere {
            return Ok(other);
        }
    }
}

/// A line's tidings; none in a sign of life, and in what only a newer guard would understand.
fn read(line: &[u8]) -> Option<Tidings> {
    if line.is_empty() {
        return None;
    }
    match serde_json::from_slice(line) {
        Ok(tidings) => Some(tidings),
        Err(error) => {
            tracing::warn!(%error, "the agent said something that can't be understood; is it of another version?");
            None
        }
    }
}

async fn try_job_manager(ends: &Ends, news: &UnboundedSender<News>) {
    let Some(address) = &ends.job_manager else { return };
    if let Ok(Ok(_)) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await {
        let _ = news.send(News::JobManagerSeen);
    }
}

/// Has the agent look at its pod, until it has.
pub(super) async fn look(ends: Rc<Ends>, news: UnboundedSender<News>) {
    let ask = async || {
        let response = http::get(&ends.agent, "/api/v1/look").await?;
        Ok::<Tidings, http::Error>(serde_json::from_slice(&http::whole(response).await?)?)
    };
    loop {
        if let Ok(Ok(tidings)) = timeout(ANSWER, ask()).await {
            let _ = news.send(News::Heard(tidings));
            return;
        }
        tokio::time::sleep(random::jitter(FIRST_PAUSE)).await;
    }
}

/// Has the agent take a checkpoint, once. How long that may take is for whoever waits to say.
pub(super) async fn checkpoint(ends: Rc<Ends>, news: UnboundedSender<News>) {
    let ask = async || {
        let response = http::post(&ends.agent, "/api/v1/checkpoint").await?;
        Ok::<Checkpointed, http::Error>(serde_json::from_slice(&http::whole(response).await?)?)
    };
    let came = match ask().await {
        Ok(Checkpointed { checkpoint_id: Some(id), .. }) => Ok(id),
        Ok(Checkpointed { reason, .. }) => Err(reason),
        Err(error) => Err(report::chain(&error)),
    };
    let _ = news.send(News::Checkpointed(came));
}
