//! `run`: the hands. Stands before the entrypoint as its parent, starts it only when the agent has decided, and keeps
//! SIGTERM from it until the final state is durable.

mod alone;
mod embedded;
mod gate;
mod hold;
mod line;
mod sockets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal as Kill;
use tokio::sync::{mpsc, watch};

use crate::api::{ClaimRequest, Exited, Finish, ReleaseOrder, StopRequest};
use crate::child::{self, Entrypoint, Status};
use crate::clock::Clock;
use crate::config::{Config, LogLevel};
use crate::exit::Exit;
use crate::protocol::time::{Deadline, Moment};
use crate::signals::{Signal, Signals};
use crate::telemetry::{log, termination};
use crate::{holder, http, random};
use alone::Told;
use embedded::Embedded;
use hold::{Force, Held};
use line::News;
pub use sockets::Directory;

/// What `run` does when Flink may not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnRefusal {
    /// Stay alive, not ready, and ask again: no crash loop burns the kubelet's back-off.
    Wait,
    /// End with an exit code.
    Exit,
}

/// What `run` is told.
#[derive(Debug)]
pub struct Options {
    /// The entrypoint's command line.
    pub argv: Vec<String>,
    /// Where the agent listens.
    pub socket: PathBuf,
    /// What to do when Flink may not start.
    pub on_refusal: OnRefusal,
    /// The command line of an agent of its own, where there is no sidecar.
    pub agent: Option<Vec<String>>,
    /// Where that one listens, if nobody else said where.
    pub directory: Option<Directory>,
    /// Where the kubelet looks for the container's last word.
    pub termination_log: PathBuf,
}

/// How long the agent is looked for before `run` finishes a stop alone.
const WITHOUT_AGENT: Duration = Duration::from_secs(1);
/// How long a stopping agent may be silent before it counts as dead. It shows a sign of life each second.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the entrypoint may take to end after the job came to its own end.
const OWN_END: Duration = Duration::from_secs(30);

/// Runs the entrypoint to its end.
///
/// # Errors
/// If the process can't do its duties: become a reaper, start its agent.
pub async fn run(options: Options, mut signals: Signals) -> anyhow::Result<Exit> {
    child::become_reaper();
    let clock = Clock::start();
    let mut embedded = match &options.agent {
        Some(argv) => Some(Embedded::start(argv.clone())?),
        None => None,
    };
    let exit = supervised(&options, &mut signals, clock, &mut embedded).await;
    if let Some(embedded) = embedded {
        embedded.end(&mut signals).await;
    }
    exit
}

async fn supervised(
    options: &Options,
    signals: &mut Signals,
    clock: Clock,
    embedded: &mut Option<Embedded>,
) -> anyhow::Result<Exit> {
    loop {
        let gate = gate::pass(options, holder::current(random::id()));
        let (argv, finish, claim) = match gate::until_signal(gate, signals, embedded).await? {
            gate::Passed::Go { argv, finish, claim } => (argv, *finish, claim),
            gate::Passed::End(exit) => return Ok(exit),
        };
        match entrypoint(options, (argv, finish, claim), signals, clock, embedded).await {
            End::Exit(exit) => return Ok(exit),
            End::HandedOver => tracing::info!("the JobManager has ended; back to the gate"),
        }
    }
}

/// How one life of the entrypoint ended.
enum End {
    /// With this, `run` ends too.
    Exit(Exit),
    /// Another pod goes on with the job, and this one is needed again only if that one never starts it.
    HandedOver,
}

async fn entrypoint(
    options: &Options,
    (argv, finish, claim): (Vec<String>, Finish, Box<ClaimRequest>),
    signals: &mut Signals,
    clock: Clock,
    embedded: &mut Option<Embedded>,
) -> End {
    let entrypoint = match Entrypoint::start(&argv) {
        Ok(entrypoint) => entrypoint,
        Err(error) => {
            tracing::error!(command = argv.first(), %error, "the entrypoint can't be started");
            return End::Exit(Exit::not_started(&error));
        }
    };
    let (news, heard) = mpsc::unbounded_channel();
    let claim = ClaimRequest { running: true, ..*claim };
    let line = tokio::task::spawn_local(line::follow(options.socket.clone(), claim, finish.epoch, news.clone()));
    let supervision = Supervision {
        socket: options.socket.clone(),
        clock,
        entrypoint,
        finish,
        news,
        connected: true,
        stop: Told::default(),
        held: None,
        told: None,
        heard_at: clock.now(),
        release: None,
        kill_at: None,
        killed: false,
        alone: false,
        summary: None,
        log_level: None,
        termination_log: options.termination_log.clone(),
        gone: watch::Sender::new(false),
        deadline: watch::Sender::new(Deadline::after(clock.now(), Duration::ZERO, Duration::ZERO)),
    };
    let end = supervision.supervise(signals, heard, embedded).await;
    line.abort();
    end
}

struct Supervision {
    socket: PathBuf,
    clock: Clock,
    entrypoint: Entrypoint,
    finish: Finish,
    news: mpsc::UnboundedSender<News>,
    connected: bool,
    /// What has to be known to go on with a stop.
    stop: Told,
    /// The stop that a signal began.
    held: Option<Held>,
    /// When the container is killed, as the agent read it from the pod.
    told: Option<Moment>,
    heard_at: Moment,
    release: Option<ReleaseOrder>,
    kill_at: Option<Moment>,
    killed: bool,
    /// The agent is not waited for any more.
    alone: bool,
    /// What the stop came to, in one line, as the agent told.
    summary: Option<String>,
    /// At which level the agent has this process log.
    log_level: Option<LogLevel>,
    /// Where the kubelet looks for the container's last word.
    termination_log: PathBuf,
    gone: watch::Sender<bool>,
    /// The held signal's deadline, for a stop that `run` finishes alone.
    deadline: watch::Sender<Deadline>,
}

impl Supervision {
    async fn supervise(
        mut self,
        signals: &mut Signals,
        mut heard: mpsc::UnboundedReceiver<News>,
        embedded: &mut Option<Embedded>,
    ) -> End {
        let status = loop {
            let wake = self.wake();
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop(name) => self.asked_to_stop(name),
                    Signal::Other(number) => self.entrypoint.pass_on(number),
                    Signal::Child => {
                        let ended = child::reap();
                        if let Some(embedded) = embedded {
                            embedded.see(&ended, self.held.is_some());
                        }
                        if let Some(status) = self.entrypoint.end_among(&ended) {
                            break status;
                        }
                    }
                },
                Some(news) = heard.recv() => self.hear(news),
                () = again(embedded.as_ref()), if self.held.is_none() => {
                    if let Some(embedded) = embedded {
                        embedded.start_again();
                    }
                }
                () = tokio::time::sleep_until(self.clock.instant(wake.unwrap_or(Moment(0)))), if wake.is_some() => {}
            }
            self.do_what_is_due();
        };
        self.gone.send_replace(true);
        self.entrypoint.end_what_is_left();
        termination::leave(&self.termination_log, &self.last_word(status));
        self.report(status.exited(self.finish.epoch)).await;
        if let (Some(embedded), Some(held)) = (embedded, &self.held) {
            embedded.allow(held.agent_within(self.clock.now()));
        }
        End::Exit(match (&self.release, &self.held) {
            (Some(ReleaseOrder { hand_over: true, .. }), None) => return End::HandedOver,
            (Some(ReleaseOrder { exit: Some(code), .. }), _) => Exit::Child(*code),
            // A stop, whoever asked for it, is no success of the job.
            (Some(_), _) | (_, Some(_)) => Exit::Terminated,
            (None, None) => status.exit(),
        })
    }

    /// How this life of the entrypoint ended, in one line.
    fn last_word(&self, status: Status) -> String {
        match (&self.summary, &self.release) {
            (Some(summary), Some(_)) => summary.clone(),
            (_, Some(ReleaseOrder { outcome: Some(outcome), reason, .. })) => format!("{}: {reason}", outcome.as_str()),
            (_, Some(ReleaseOrder { reason, .. })) => reason.clone(),
            (_, None) => match status {
                Status::Code(code) => format!("the entrypoint ended by itself with code {code}"),
                Status::Signal(signal) => format!("the entrypoint was ended by {signal}"),
            },
        }
    }

    fn asked_to_stop(&mut self, signal: &'static str) {
        let now = self.clock.now();
        if let Some(held) = &self.held {
            let left = held.deadline.at.since(now);
            tracing::info!(signal, ?left, "a stop is under way already");
            return;
        }
        let deadline = self.deadline_from(now);
        tracing::info!(signal, grace = ?deadline.at.since(now), "holding the signal until the final state is durable");
        self.held = Some(Held { began: now, deadline, agent_until: now.plus(WITHOUT_AGENT) });
        self.deadline.send_replace(deadline);
        self.heard_at = now;
        let (socket, news, clock, epoch) = (self.socket.clone(), self.news.clone(), self.clock, self.finish.epoch);
        tokio::task::spawn_local(async move {
            let limit = now.plus(WITHOUT_AGENT);
            loop {
                let since_ms = u64::try_from(clock.now().since(now).as_millis()).unwrap_or(u64::MAX);
                let asked =
                    http::call::<serde_json::Value>(&socket, "POST", "/v1/stop", &StopRequest { epoch, since_ms })
                        .await;
                match asked {
                    Ok(_) => return,
                    Err(error) if clock.now() >= limit => {
                        let _ = news.send(News::Unreachable(crate::report::chain(&error)));
                        return;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
    }

    /// The deadline of a signal that came at `began`: as the pod told, else as configured.
    fn deadline_from(&self, began: Moment) -> Deadline {
        let configured = Duration::from_millis(self.finish.grace_ms);
        let grace = self.told.map_or(configured, |at| at.since(began));
        Deadline::after(began, grace, Duration::from_millis(self.finish.reserve_ms))
    }

    fn hear(&mut self, news: News) {
        self.heard_at = self.clock.now();
        match news {
            News::Orders(orders) => {
                self.connected = true;
                self.stop.hear(&orders);
                self.summary.clone_from(&orders.summary);
                if let Some(level) = orders.log_level.filter(|level| self.log_level.replace(*level) != Some(*level)) {
                    log::change(level);
                }
                if orders.kill_at.is_some() && orders.kill_at != self.told {
                    self.told = orders.kill_at;
                    self.move_deadline();
                }
                if let Some(release) = orders.release.filter(|_| !self.alone) {
                    self.let_go(release);
                }
            }
            News::SignOfLife => {}
            News::Lost(reason) => {
                self.connected = false;
                tracing::warn!(reason, "the agent is gone");
                if self.held.as_ref().is_some_and(|held| self.clock.now() >= held.agent_until) {
                    self.finish_alone();
                }
            }
            News::Unreachable(reason) => {
                tracing::warn!(reason, "the agent can't be asked to stop");
                self.finish_alone();
            }
            News::Superseded(reason) => {
                let reason = format!("this epoch is over: {reason}");
                self.let_go(ReleaseOrder {
                    kill: true,
                    exit: Some(Exit::Later.code()),
                    outcome: None,
                    hand_over: false,
                    reason,
                });
            }
            News::ReleasedAlone(release) => self.let_go(release),
        }
    }

    fn move_deadline(&mut self) {
        let Some(began) = self.held.as_ref().map(|held| held.began) else { return };
        let deadline = self.deadline_from(began);
        if let Some(held) = &mut self.held {
            held.deadline = deadline;
        }
        if self.release.is_some() {
            self.kill_at = Some(deadline.kill_at());
        }
        self.deadline.send_replace(deadline);
    }

    /// The agent died: what it began, `run` goes on with, under the same trigger id.
    fn finish_alone(&mut self) {
        let Some(held) = self.held.as_ref().filter(|_| self.release.is_none() && !self.alone) else { return };
        self.alone = true;
        tracing::warn!("finishing the stop without the agent");
        let stop = alone::finish(
            self.finish.clone(),
            self.stop.clone(),
            (held.began, self.deadline.subscribe()),
            self.clock,
            self.gone.subscribe(),
        );
        let news = self.news.clone();
        tokio::task::spawn_local(async move {
            let _ = news.send(News::ReleasedAlone(stop.await));
        });
    }

    fn let_go(&mut self, mut release: ReleaseOrder) {
        if self.release.is_some() {
            return;
        }
        if self.held.is_some() {
            // A stop that a signal began ends with 143, whatever came of it: a 0 would make a pod Succeeded.
            release.exit = None;
        }
        tracing::info!(reason = release.reason, kill = release.kill, "ending the entrypoint");
        self.entrypoint.signal(if release.kill { Kill::SIGKILL } else { Kill::SIGTERM });
        self.kill_at = Some(match &self.held {
            Some(held) => held.deadline.kill_at(),
            None => self.clock.now().plus(OWN_END),
        });
        self.release = Some(release);
    }

    fn wake(&self) -> Option<Moment> {
        let silent =
            (self.held.is_some() && self.release.is_none() && !self.alone).then(|| self.heard_at.plus(SILENCE));
        let lost = self.held.as_ref().filter(|_| !self.connected && !self.alone && self.release.is_none());
        let forcing = self.held.as_ref().filter(|_| !self.killed);
        let forced = forcing.map(|held| held.next_force(self.release.is_some()));
        let wakes = [silent, lost.map(|held| held.agent_until), forced, self.kill_at];
        wakes.into_iter().flatten().min()
    }

    fn do_what_is_due(&mut self) {
        let now = self.clock.now();
        if let Some(held) = self.held.as_ref().filter(|_| !self.killed) {
            match held.force(now, self.release.is_some()) {
                Some(Force::Kill) => return self.kill(now),
                Some(Force::Terminate) => {
                    let reason = "the deadline's reserve is running out and nobody has released the JobManager";
                    return self.let_go(ReleaseOrder {
                        kill: !self.stop.may_end_gently(),
                        exit: None,
                        outcome: None,
                        hand_over: false,
                        reason: reason.to_owned(),
                    });
                }
                None => {}
            }
            let silent = now >= self.heard_at.plus(SILENCE);
            let lost = !self.connected && now >= held.agent_until;
            if silent || lost {
                self.finish_alone();
            }
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill(now);
        }
    }

    fn kill(&mut self, now: Moment) {
        tracing::warn!("the entrypoint has not ended in time; killing it");
        self.entrypoint.signal(Kill::SIGKILL);
        // Once more in a while, should it be in an uninterruptible sleep now.
        self.kill_at = Some(now.plus(Duration::from_secs(1)));
        self.killed = true;
    }

    async fn report(&self, exited: Exited) {
        let told = http::call::<serde_json::Value>(&self.socket, "POST", "/v1/exited", &exited);
        let held = self.held.as_ref();
        let patience = held.map_or(Duration::from_millis(500), |held| held.report_within(self.clock.now()));
        if !matches!(tokio::time::timeout(patience, told).await, Ok(Ok(_))) {
            tracing::debug!("the agent was not told of the entrypoint's end");
        }
    }
}

/// Waits until an agent of our own has to be started again.
async fn again(embedded: Option<&Embedded>) {
    match embedded {
        Some(embedded) => embedded.due().await,
        None => std::future::pending().await,
    }
}

/// Where people reach the agent that a `run` of this record has started as its own, if one lives.
#[must_use]
pub fn control_socket(config: &Config) -> Option<PathBuf> {
    sockets::control_socket(config)
}

/// Reads Flink's own configuration, as a start would.
///
/// # Errors
/// In words, if it is there and can't be read.
pub fn learn(argv: &[String]) -> Result<crate::flink::setup::Setup, String> {
    gate::learn(argv)
}

impl Options {
    /// With an agent of its own, for use without Kubernetes, which gets the same `flags`. Its sockets lie in a directory that only this user has,
    /// unless the configuration names other places.
    ///
    /// # Errors
    /// If that directory can't be made.
    pub fn with_agent(
        argv: Vec<String>,
        config: &Config,
        on_refusal: OnRefusal,
        flags: Vec<String>,
    ) -> anyhow::Result<Self> {
        let mut agent = vec![std::env::current_exe()?.display().to_string()];
        agent.push("agent".to_owned());
        agent.extend(flags);
        let (mut socket, mut directory) = (config.socket.clone(), None);
        if config.socket == Path::new(crate::config::DEFAULT_SOCKET) {
            let own = Directory::take(config)?;
            socket = own.path.join("run.sock");
            agent.extend(["--set".to_owned(), format!("socket={}", socket.display())]);
            agent.extend(["--set".to_owned(), format!("control_socket={}", own.path.join("control.sock").display())]);
            directory = Some(own);
        }
        let termination_log = config.termination_log.clone();
        Ok(Self { argv, socket, on_refusal, agent: Some(agent), directory, termination_log })
    }
}
