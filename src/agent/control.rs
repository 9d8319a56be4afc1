//! The control socket: what people may ask. Only the agent's container has it.

use std::rc::Rc;

use futures_util::FutureExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::Agent;
use crate::http::{self, Body, Handler};
use crate::people;

pub(super) fn handler(agent: &Rc<Agent>) -> Handler {
    let agent = Rc::clone(agent);
    Rc::new(move |request| {
        let agent = Rc::clone(&agent);
        async move { route(&agent, request).await.unwrap_or_else(|response| *response) }.boxed_local()
    })
}

async fn route(agent: &Agent, request: Request<Incoming>) -> Result<Response<Body>, Box<Response<Body>>> {
    Ok(match (request.method().as_str(), request.uri().path()) {
        ("POST", "/v1/ask") => {
            let mut asked: people::Request = http::read(request).await?;
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
            let flink = agent.served().filter(|session| session.started.get()).map(|session| session.flink.clone());
            let prunes = matches!(asked, people::Request::Prune { dry_run: false, .. });
            let answering = people::answer(asked, &agent.record, &storage, &agent.config, kubernetes, flink.as_ref());
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
