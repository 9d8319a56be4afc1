//! The admin server: for probes, Prometheus, guards and people. Read only, but for the checkpoint that guards may ask for.
//!
//! `/livez` answers as long as the agent's event loop turns. `/readyz` says whether the gate is open and the JobManager's
//! RPC port is up: TaskManagers find the JobManager through its readiness, so it must not wait for the job.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};

use super::callers::{Call, Callers};
use super::{Agent, guards};
use crate::http::{self, Body, Handler};
use crate::random;
use crate::telemetry::page;
use crate::telemetry::status::Status;

/// The next connection of somebody who has not too many of them already; other ones are closed at once.
pub(super) async fn accept(listener: &TcpListener, callers: &Callers) -> io::Result<(TcpStream, Call)> {
    loop {
        let (stream, from) = listener.accept().await?;
        if let Some(call) = callers.admit(from.ip()) {
            return Ok((stream, call));
        }
    }
}

pub(super) fn handler(agent: &Rc<Agent>) -> Handler {
    let agent = Rc::clone(agent);
    Rc::new(move |request| {
        let agent = Rc::clone(&agent);
        async move { route(&agent, &request).await }.boxed_local()
    })
}

async fn route(agent: &Rc<Agent>, request: &Request<Incoming>) -> Response<Body> {
    let plain = |status, text: String| http::text(status, "text/plain; charset=utf-8", text);
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/metrics") => {
            agent.metrics.guards(agent.guards.number());
            http::text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", agent.metrics.render())
        }
        ("GET", "/livez") => plain(StatusCode::OK, "alive\n".to_owned()),
        ("GET", "/readyz") => match agent.readiness().await {
            Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
            Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        ("GET", "/api/v1/status") => http::json(StatusCode::OK, &agent.status().await),
        ("GET", "/api/v1/stop") => guards::follow(agent, request.uri().query()),
        ("GET", "/api/v1/look") => http::json(StatusCode::OK, &agent.looked().await),
        ("POST", "/api/v1/checkpoint") => http::json(StatusCode::OK, &agent.checkpointed().await),
        ("GET", "/") => page(&agent.status().await),
        _ => plain(StatusCode::NOT_FOUND, "there are /, /metrics, /livez, /readyz and /api/v1/status\n".to_owned()),
    }
}

/// The page, as what a browser may only draw.
fn page(status: &Status) -> Response<Body> {
    let nonce = random::id();
    let mut response = http::text(StatusCode::OK, "text/html; charset=utf-8", page::page(status, nonce));
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    // The page has no script and its texts are escaped; should that ever fail, the browser still runs nothing.
    if let Ok(policy) = HeaderValue::try_from(page::policy(nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The RPC address is often a Service's: there the JobManager of another pod may answer, which is to be replaced.
fn is_own(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| std::net::TcpListener::bind((ip, 0)).is_ok())
}

impl Agent {
    async fn readiness(&self) -> Result<(), String> {
        let session = self.session.borrow().clone();
        let Some(session) = session.filter(|session| session.started.get()) else {
            return Err(format!("the gate is closed; {}", self.gate.borrow()));
        };
        if session.is_over() {
            return Err(format!("the JobManager has ended; at the gate: {}", self.gate.borrow()));
        }
        let port = session.setup.telling_port();
        let mut hosts = vec!["127.0.0.1".to_owned()];
        hosts.extend(self.config.pod.ip.map(|ip| ip.to_string()));
        hosts.extend(session.setup.rpc_address.clone().filter(|host| is_own(host)));
        hosts.extend(nix::unistd::gethostname().ok().map(|host| host.to_string_lossy().into_owned()));
        for host in &hosts {
            let connected =
                tokio::time::timeout(Duration::from_secs(1), TcpStream::connect((host.as_str(), port))).await;
            if matches!(connected, Ok(Ok(_))) {
                return Ok(());
            }
        }
        Err(format!("the JobManager's port {port} is not up yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_asked_of_no_other_pods_job_manager() {
        assert!(is_own("127.0.0.1"));
        // Addresses for documentation, and a name that may stand for any pod.
        assert!(!is_own("192.0.2.1") && !is_own("2001:db8::1") && !is_own("jobmanager"));
    }
}
