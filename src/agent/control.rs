//! The control socket: what people may ask. Only the agent's container has it.

use std::rc::Rc;

use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::Agent;
use super::savepoints::Refusal;
use crate::config::LogLevel;
use crate::doctor::Running;
use crate::http::{self, Body, Handler};
use crate::people;
use crate::protocol::point::Kind;
use crate::telemetry::log;

pub(super) fn handler(agent: &Rc<Agent>) -> Handler {
    let agent = Rc::clone(agent);
    Rc::new(move |request| {
        let agent = Rc::clone(&agent);
        async move { route(&agent, request).await.unwrap_or_else(|response| *response) }.boxed_local()
    })
}

async fn route(agent: &Rc<Agent>, request: Request<Incoming>) -> Result<Response<Body>, Box<Response<Body>>> {
    Ok(match (request.method().as_str(), request.uri().path()) {
        ("POST", "/v1/ask") => {
            let mut asked: people::Request = http::read(request).await?;
            if let people::Request::Savepoint { format } = asked {
                let answer = match agent.savepoint(Kind::Manual, format).await {
                    Ok(saved) => people::Answer::Saved(Box::new(saved)),
                    Err(Refusal { reason, passes }) => people::Answer::Refused { reason, passes },
                };
                return Ok(http::json(StatusCode::OK, &answer));
            }
            if let people::Request::LogLevel { level } = asked {
                return Ok(http::json(StatusCode::OK, &agent.log_level(level)));
            }
            let mut storage = agent.storage.clone();
            if let Some(session) = agent.session.borrow().as_ref() {
                storage = storage.or_of(&session.setup);
                if let people::Request::Plan { setup: setup @ None } | people::Request::Doctor { setup: setup @ None } =
                    &mut asked
                {
                    *setup = Some(Box::new(session.setup.clone()));
                }
            }
            let kubernetes = agent.kubernetes.as_ref();
            let running = agent.running();
            let (record, config, storage) = (&agent.record, &agent.config, &storage);
            let here = people::Here { record, storage, config, kubernetes, running: running.as_ref() };
            let prunes = matches!(asked, people::Request::Prune { dry_run: false, .. });
            let answering = people::answer(asked, here);
            let answer = tokio::select! {
                answer = answering => answer,
                () = agent.stops(), if prunes => people::Answer::Refused {
                    reason: "a stop has begun: nothing is deleted beside it. Ask again later".to_owned(),
                    passes: true,
                },
            };
            http::json(StatusCode::OK, &answer)
        }
        _ => http::text(StatusCode::NOT_FOUND, "text/plain", "no such request"),
    })
}

impl Agent {
    /// Logs at another level from now on, and has `run` do the same; or says at which.
    fn log_level(&self, level: Option<LogLevel>) -> people::Answer {
        let Some(level) = level else {
            let asked_for = self.orders.borrow().log_level;
            let level = asked_for.unwrap_or(self.config.log.level);
            return people::Answer::Done(format!("the agent logs at level {level}"));
        };
        self.orders.send_modify(|orders| orders.log_level = Some(level));
        if !log::change(level) {
            let reason = "the level can't be changed: this agent's log was set up by another program".to_owned();
            return people::Answer::Refused { reason, passes: false };
        }
        tracing::info!(level = %level, "a person has changed the level of the log");
        people::Answer::Done(format!(
            "the agent and run log at level {level} until they end or you say otherwise; then log.level counts again, which is {}",
            self.config.log.level
        ))
    }

    /// The job that runs here.
    fn running(&self) -> Option<Running> {
        let session = self.served().filter(|session| session.started.get())?;
        Some(Running {
            flink: session.flink.clone(),
            job_id: session.job_id.get(),
            prediction: session.prediction.borrow().clone(),
            advice: self.advice(&session),
            guards: self.guards.number(),
        })
    }
}
