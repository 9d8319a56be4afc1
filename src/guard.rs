//! `guard`: the wrapper in a TaskManager's container. Starts the TaskManager at once, and knows from the agent how it stands
//! with the JobManager: holds SIGTERM while a final savepoint is being taken, ends tasks that outlive their JobManager, and
//! brings a TaskManager that stays to the next JobManager as soon as that is there.
//!
//! Without an agent it does what an init does, and no more: a TaskManager depends on nothing here.

mod command;
mod duty;
mod jvm;
mod link;

use std::rc::Rc;

use nix::sys::signal::Signal as Kill;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::child::{self, Entrypoint};
use crate::clock::Clock;
use crate::config::{self, Exchange, Recovery};
use crate::exit::Exit;
use crate::protocol::time::Moment;
use crate::report;
use crate::signals::{Signal, Signals};
use command::Prepared;
use duty::{Duty, Effect, Event, Terms};
use jvm::Jvm;
use link::{Ends, News};

/// Where an agent listens if nothing else is known.
const AGENT_PORT: u16 = 9250;

/// What `guard` is told.
#[derive(Debug)]
pub struct Options {
    /// The TaskManager's command line.
    pub argv: Vec<String>,
    /// How a guard conducts itself.
    pub guard: config::Guard,
    /// How long a stop may take.
    pub stop: config::Stop,
}

/// Runs the TaskManager to its end, or to the end that it is told to come to.
pub async fn guard(options: Options, mut signals: Signals) -> Exit {
    child::become_reaper();
    let clock = Clock::start();
    let (Prepared { argv, finds_soon, by_flinks_scripts_alone, .. }, ends) = prepare(&options);
    let by_jvm = options.guard.exchange == Exchange::Jvm && by_flinks_scripts_alone;
    let mut ended: Option<Jvm> = None;
    let mut child = match start(&argv, None) {
        Ok(child) => child,
        Err(exit) => return exit,
    };
    let terms = Terms {
        settle: options.guard.settle,
        checkpoint: options.guard.checkpoint,
        grace: options.stop.grace,
        reserve: options.stop.reserve,
        renews: options.guard.recovery == Recovery::Fast && !finds_soon,
    };
    let mut duty = Duty::begin(terms, clock.now());
    let (mut line, mut heard) = Line::new(ends);
    loop {
        let wake = duty.wake();
        let (event, end) = tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop(name) => {
                    tracing::info!(signal = name, "told to end");
                    (Event::ToldToEnd, None)
                }
                Signal::Other(number) => {
                    child.pass_on(number);
                    continue;
                }
                Signal::Child => match child.end_among(&child::reap()) {
                    Some(status) => {
                        child.end_what_is_left();
                        (Event::ChildEnded, Some(status))
                    }
                    None => continue,
                },
            },
            Some(news) = heard.recv() => match line.event(news) {
                Some(event) => (event, None),
                None => continue,
            },
            () = tokio::time::sleep_until(clock.instant(wake.unwrap_or(Moment(0)))), if wake.is_some() => (Event::Tick, None),
        };
        for effect in duty.on(event, clock.now()) {
            tracing::debug!(?effect, "guard");
            match effect {
                Effect::Start => match start(&argv, ended.take()) {
                    Ok(started) => child = started,
                    Err(exit) => return exit,
                },
                Effect::Terminate(reason) => {
                    tracing::info!(reason, "ending the TaskManager");
                    ended = Some(&child).filter(|_| by_jvm).and_then(|child| Jvm::of(child.pid())).or(ended);
                    child.signal(Kill::SIGTERM);
                }
                Effect::Kill(reason) => {
                    tracing::warn!(reason, "killing the TaskManager");
                    ended = Some(&child).filter(|_| by_jvm).and_then(|child| Jvm::of(child.pid())).or(ended);
                    child.signal(Kill::SIGKILL);
                }
                Effect::HangUp => line.again(),
                Effect::Look => line.look(),
                Effect::Checkpoint => line.checkpoint(),
                Effect::Exit if duty.is_told_to_end() => return Exit::Terminated,
                Effect::Exit => return end.map_or(Exit::Terminated, child::Status::exit),
            }
        }
        line.know(&duty);
    }
}

/// Starts the command line, or the JVM that it had come to before.
fn start(argv: &[String], before: Option<Jvm>) -> Result<Entrypoint, Exit> {
    if let Some(jvm) = before {
        match Entrypoint::start_command(jvm.command()) {
            Ok(child) => return Ok(child),
            Err(error) => tracing::warn!(%error, "the TaskManager's JVM can't be started by itself; its scripts are"),
        }
    }
    Entrypoint::start(argv).map_err(|error| {
        tracing::error!(command = argv.first(), %error, "the TaskManager can't be started");
        Exit::not_started(&error)
    })
}

/// The child's command line and what its configuration says; the agent, if it is known.
fn prepare(options: &Options) -> (Prepared, Option<Ends>) {
    let env = |name: &str| std::env::var(name).ok();
    let fast = options.guard.recovery == Recovery::Fast;
    let prepared = command::prepare(&options.argv, fast, &env, &|path| std::fs::read_to_string(path));
    let prepared = prepared.unwrap_or_else(|error| {
        let error = report::chain(&error);
        tracing::warn!(error, "Flink's configuration can't be read; the TaskManager is started as it is");
        Prepared::as_it_is(&options.argv)
    });
    let learnt = prepared.host.as_ref().map(|host| format!("{host}:{AGENT_PORT}"));
    let Some(agent) = options.guard.agent.clone().or(learnt) else {
        tracing::warn!(
            "no agent is known, so nothing is guarded: set guard.agent (SAVEPOINTD_GUARD__AGENT) to host:port of the \
             JobManager's agent, or jobmanager.rpc.address in Flink's configuration"
        );
        return (prepared, None);
    };
    tracing::info!(agent, "guarding");
    let job_manager = prepared.host.as_ref().map(|host| format!("{host}:{}", prepared.rpc_port));
    (prepared, Some(Ends { agent, job_manager, works_for: None.into(), tries_job_manager: false.into() }))
}

/// The line to the agent, if there is one.
struct Line {
    ends: Option<Rc<Ends>>,
    news: mpsc::UnboundedSender<News>,
    following: Option<JoinHandle<()>>,
    /// The cluster that was heard of first.
    cluster: Option<String>,
    /// What was complained of last, so that it is said once.
    said: String,
}

impl Line {
    fn new(ends: Option<Ends>) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, heard) = mpsc::unbounded_channel();
        let mut line = Self { ends: ends.map(Rc::new), news, following: None, cluster: None, said: String::new() };
        line.again();
        (line, heard)
    }

    /// Closes the connection, if there is one, and makes it anew.
    fn again(&mut self) {
        if let Some(following) = self.following.take() {
            following.abort();
        }
        if let Some(ends) = &self.ends {
            // What follows works for nothing yet.
            ends.works_for.set(None);
            self.following = Some(tokio::task::spawn_local(link::follow(Rc::clone(ends), self.news.clone())));
        }
    }

    fn look(&self) {
        if let Some(ends) = &self.ends {
            tokio::task::spawn_local(link::look(Rc::clone(ends), self.news.clone()));
        }
    }

    fn checkpoint(&self) {
        if let Some(ends) = &self.ends {
            tokio::task::spawn_local(link::checkpoint(Rc::clone(ends), self.news.clone()));
        }
    }

    fn know(&self, duty: &Duty) {
        if let Some(ends) = &self.ends {
            ends.works_for.set(duty.works_for());
            ends.tries_job_manager.set(duty.keeps_for_a_stop());
        }
    }

    /// What news means. Those of another cluster, to which a wrong address or a network's mistake led, mean nothing.
    fn event(&mut self, news: News) -> Option<Event> {
        match news {
            // An agent that can't reach the API server yet does not know whose it is, and has nothing to say.
            News::Heard(tidings) if tidings.cluster.is_empty() => None,
            News::Heard(tidings) => {
                let cluster = self.cluster.get_or_insert_with(|| tidings.cluster.clone());
                if *cluster != tidings.cluster {
                    let reason = format!("that agent serves another cluster, {}, not {cluster}", tidings.cluster);
                    self.complain(reason);
                    return None;
                }
                self.said.clear();
                tracing::debug!(?tidings, "heard");
                Some(Event::Heard(tidings))
            }
            News::Lost(reason) => {
                self.complain(reason);
                Some(Event::Lost)
            }
            News::JobManagerSeen => Some(Event::JobManagerSeen),
            News::Checkpointed(Ok(checkpoint_id)) => {
                tracing::info!(checkpoint_id, "a checkpoint was taken");
                Some(Event::Checkpointed)
            }
            News::Checkpointed(Err(reason)) => {
                tracing::warn!(reason, "no checkpoint was taken");
                Some(Event::Checkpointed)
            }
        }
    }

    fn complain(&mut self, reason: String) {
        if self.said != reason {
            tracing::info!(reason, "the agent is not heard");
            self.said = reason;
        }
    }
}
