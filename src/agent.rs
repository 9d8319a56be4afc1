//! The agent: the brain beside the JobManager. Knows the record, storage and Flink; decides, and tells `run` what to do.

mod admin;
mod callers;
mod claim;
mod cleaning;
mod control;
mod ending;
mod estimating;
mod events;
mod foresight;
mod guards;
mod handover;
mod jobs;
mod lingering;
mod on_demand;
mod past;
mod periodic;
mod presence;
mod pruning;
mod restoring;
mod run_socket;
mod savepoints;
mod saving;
mod session;
mod silence;
mod status;
mod stopping;
mod waiting;
mod watch;

use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

use crate::api::{Checkpointed, Orders};
use crate::clock::Clock;
use crate::cluster;
use crate::config::{Config, Setting};
use crate::exit::Exit;
use crate::http;
use crate::kubernetes::{self, Kubernetes};
use crate::protocol::entry::Entry;
use crate::protocol::time::Moment;
use crate::record::Record;
use crate::record::marker::Marker;
use crate::signals::{Signal, Signals};
use crate::storage::Storage;
use crate::telemetry::metrics::Metrics;
use callers::Callers;
use guards::Guards;
use session::Session;

/// How long, after the JobManager's end, the agent's own end is kept waiting by a record that can't be written. Until the pod is gone
/// its successor waits, and needs none of it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The daemon.
#[derive(Debug)]
struct Agent {
    config: Config,
    /// The same for people, with what set each value.
    settings: Vec<Setting>,
    /// Its id, once it is known.
    cluster: OnceCell<String>,
    record: Record,
    storage: Storage,
    /// The marker, as far as it was read.
    marker: RefCell<Option<Marker>>,
    /// The Kubernetes API, where there is one.
    kubernetes: Option<Kubernetes>,
    clock: Clock,
    metrics: Metrics,
    /// What `run` has to do; every reader of the stream sees the newest.
    orders: tokio::sync::watch::Sender<Orders>,
    session: RefCell<Option<Rc<Session>>>,
    /// What TaskManagers' guards are told.
    guards: Guards,
    /// What the gate last answered, for people.
    gate: RefCell<String>,
    /// One claim at a time: a `run` that lost its connection asks again.
    claiming: tokio::sync::Mutex<()>,
    /// When the newest checkpoint that a guard asked for began, and what came of it. Held while one is being taken.
    on_demand: tokio::sync::Mutex<Option<(Moment, Checkpointed)>>,
    /// The newest savepoint that was taken while the job went on. Held while one is being taken.
    savepoints: tokio::sync::Mutex<savepoints::Newest>,
    /// What the next start would do, as it was told last.
    foresight: foresight::Foresight,
    /// The record as people were shown it last.
    seen: RefCell<Vec<Entry>>,
    /// What was last said of a start in an Event.
    said: RefCell<String>,
    /// Last words that the process's end has to wait for.
    closing: TaskTracker,
}

/// Runs the agent until it is told to end. `settings`: the same configuration, for people.
///
/// # Errors
/// If a socket or the record can't be opened.
pub async fn run(config: Config, settings: Vec<Setting>, mut signals: Signals) -> anyhow::Result<Exit> {
    let kubernetes = Kubernetes::of(&config);
    let storage = Storage::here(config.storage.clone());
    let record = Record::open(&config.record, &storage, kubernetes.as_ref())?;
    let run_listener = bind(&config.socket, 0o666)?;
    let control_listener = bind(&config.control_socket, 0o600)?;
    let admin_listener = match config.admin.address {
        Some(address) => {
            let way_out = || format!("admin.address {address} can't be used: set another one, or \"off\"");
            Some(bind_admin(address).await.with_context(way_out)?)
        }
        None => None,
    };
    let metrics = Metrics::install();
    metrics.allowed(config.stop.grace, config.stop.reserve);
    let agent = Rc::new(Agent {
        cluster: OnceCell::new(),
        guards: Guards::new(),
        record,
        storage,
        marker: RefCell::default(),
        kubernetes,
        clock: Clock::start(),
        metrics,
        orders: tokio::sync::watch::Sender::new(Orders::default()),
        session: RefCell::new(None),
        gate: RefCell::new("no run has asked yet".to_owned()),
        claiming: tokio::sync::Mutex::new(()),
        on_demand: tokio::sync::Mutex::default(),
        savepoints: tokio::sync::Mutex::default(),
        foresight: foresight::Foresight::new(),
        seen: RefCell::default(),
        said: RefCell::default(),
        closing: TaskTracker::new(),
        settings,
        config,
    });
    // A record that hangs must keep neither probes nor signals waiting.
    let republishing = Rc::clone(&agent);
    tokio::task::spawn_local(async move { republishing.republish().await });
    let ungated = Rc::clone(&agent);
    tokio::task::spawn_local(async move { ungated.take_up_whatever_runs().await });
    let looking = Rc::clone(&agent);
    tokio::task::spawn_local(async move { looking.look_now_and_then().await });
    let admin_address = admin_listener.as_ref().and_then(|listener| listener.local_addr().ok());
    tracing::info!(
        record = agent.config.record.as_str(),
        socket = %agent.config.socket.display(),
        admin = admin_address.map(tracing::field::display),
        version = env!("CARGO_PKG_VERSION"),
        "agent is up"
    );

    let callers = Callers::default();
    let servers = async {
        let run_socket = http::serve(async || Ok((run_listener.accept().await?.0, ())), run_socket::handler(&agent));
        let control = http::serve(async || Ok((control_listener.accept().await?.0, ())), control::handler(&agent));
        let admin = async {
            match &admin_listener {
                Some(listener) => {
                    http::serve(async || admin::accept(listener, &callers).await, admin::handler(&agent)).await;
                }
                None => std::future::pending().await,
            }
        };
        let upkeep = async {
            let mut interval = tokio::time::interval(Duration::from_secs(30));
            loop {
                interval.tick().await;
                agent.metrics.upkeep();
            }
        };
        tokio::join!(run_socket, control, admin, upkeep);
    };
    tokio::select! {
        () = servers => {}
        () = until_told_to_end(&agent, &mut signals) => {}
    }
    // The last file descriptors close with the process; a socket file left behind would only confuse.
    let _ = std::fs::remove_file(&agent.config.socket);
    let _ = std::fs::remove_file(&agent.config.control_socket);
    Ok(Exit::Terminated)
}

/// Where no native sidecars are, the agent gets SIGTERM together with `run`, and must live on until the stop is over.
async fn until_told_to_end(agent: &Rc<Agent>, signals: &mut Signals) {
    loop {
        match signals.next().await {
            Signal::Stop(signal) => {
                tracing::info!(signal, "told to end");
                break;
            }
            Signal::Child | Signal::Other(_) => {}
        }
    }
    let session = agent.session.borrow().clone();
    let Some(session) = session else { return };
    if session.go.ungated {
        agent.see_whether_it_runs(&session).await;
    } else if !session.started.get() || session.presence.is_lost(agent.clock.now()) && !session.stopping.get() {
        // Nothing runs that could be stopped, and nobody is left who could report its end.
        session.gone.send_replace(true);
    }
    agent.begin_stop(&session, agent.clock.now());
    let ended = async {
        // Also where the JobManager is gone: what its stop came to is still to be recorded.
        if session.stopping.get() {
            let _ = agent.orders.subscribe().wait_for(|orders| orders.release.is_some()).await;
        }
        if session.go.ungated {
            // Nobody reports its end: a native sidecar is told to end when it has, and others wait for nothing more than this.
            agent.ended(&session);
        }
        session.over().await;
        agent.closing.close();
        if tokio::time::timeout(LAST_WORDS, agent.closing.wait()).await.is_err() {
            tracing::warn!("what was still to be written is left: the next start finds the outcome in storage");
        }
    };
    let mut deadline = session.deadline.subscribe();
    let late = async {
        loop {
            let at = deadline.borrow_and_update().kill_at();
            tokio::select! {
                () = tokio::time::sleep_until(agent.clock.instant(at)) => return,
                _ = deadline.changed() => {}
            }
        }
    };
    // Where no stop was begun there is no deadline either: the JobManager has ended, and only last words are waited for.
    let limit = if session.stopping.get() { Duration::MAX } else { agent.config.stop.reserve };
    tokio::select! {
        () = ended => {}
        () = late, if session.stopping.get() => {
            if session.is_over() {
                tracing::warn!("no time is left for what was still to be written");
            } else {
                tracing::warn!("run has not reported the JobManager's end; ending all the same");
            }
        }
        () = tokio::time::sleep(limit) => {}
    }
    agent.guards.before_the_end().await;
}

/// Listens for the admin server. "Any address" means IPv4's where there is no IPv6.
async fn bind_admin(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Listens on a Unix socket. One left behind by an agent that was killed is taken away; a living agent's is not.
fn bind(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    let what = || format!("socket {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(what)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        anyhow::bail!("{}: another agent listens there", what());
    }
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(what),
    }
    let listener = UnixListener::bind(path).with_context(what)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).with_context(what)?;
    Ok(listener)
}

impl Agent {
    /// The cluster's id, from the API server if need be.
    async fn cluster(&self) -> Result<&str, kubernetes::Error> {
        let known = self.cluster.get_or_try_init(async || {
            let id = cluster::id(&self.config, self.kubernetes.as_ref()).await?;
            self.metrics.cluster(&id);
            self.guards.name(&id);
            tracing::info!(cluster = id, "this is the cluster");
            Ok(id)
        });
        Ok(known.await?.as_str())
    }
}
