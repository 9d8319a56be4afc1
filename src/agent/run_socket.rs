//! The run socket: what `run` may ask. It can start and stop this job, nothing else.

use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::Agent;
use crate::api::{Exited, Started, StopRequest};
use crate::http::{self, Body, Handler};

/// How often a stop in progress shows that the agent lives.
const BEAT: Duration = Duration::from_secs(1);

pub(super) fn handler(agent: &Rc<Agent>) -> Handler {
    let agent = Rc::clone(agent);
    Rc::new(move |request| {
        let agent = Rc::clone(&agent);
        async move { route(&agent, request).await.unwrap_or_else(|response| *response) }.boxed_local()
    })
}

async fn route(agent: &Rc<Agent>, request: Request<Incoming>) -> Result<Response<Body>, Box<Response<Body>>> {
    let done = || http::json(StatusCode::OK, &serde_json::json!({}));
    Ok(match (request.method().as_str(), request.uri().path()) {
        ("POST", "/v1/claim") => http::json(StatusCode::OK, &agent.claim(http::read(request).await?).await),
        ("POST", "/v1/started") => match agent.session_of(http::read::<Started>(request).await?.epoch) {
            Some(session) => {
                agent.started(&session);
                done()
            }
            None => not_this_epoch(),
        },
        ("GET", "/v1/orders") => orders(agent),
        ("POST", "/v1/stop") => {
            let StopRequest { epoch, since_ms } = http::read(request).await?;
            match agent.session_of(epoch).filter(|session| !session.is_over()) {
                Some(session) => {
                    agent.begin_stop(&session, agent.clock.now().minus(Duration::from_millis(since_ms)));
                    done()
                }
                None => not_this_epoch(),
            }
        }
        ("POST", "/v1/drain") => http::json(StatusCode::OK, &agent.drain().await),
        ("POST", "/v1/exited") => {
            let exited = http::read::<Exited>(request).await?;
            match agent.session_of(exited.epoch) {
                Some(session) => {
                    agent.exited(&session, exited);
                    done()
                }
                None => not_this_epoch(),
            }
        }
        _ => http::text(StatusCode::NOT_FOUND, "text/plain", "no such request"),
    })
}

/// The request came from a `run` whose epoch is not the one that this agent serves: too late, or too early.
fn not_this_epoch() -> Response<Body> {
    http::text(StatusCode::CONFLICT, "text/plain", "another epoch is served here, or none yet")
}

/// Every change of the orders as a line, and while a stop is under way an empty line each second.
fn orders(agent: &Rc<Agent>) -> Response<Body> {
    let (lines, ended) = http::lines(agent.orders.subscribe(), |orders| orders.stopping.then_some(BEAT));
    agent.line_of_run(ended);
    lines
}
