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
            if let people::Request::Plan { setup: setup @ None } | people::Request::Doctor { setup: setup @ None } =
                &mut asked
            {
                *setup = agent.session.borrow().as_ref().map(|session| Box::new(session.setup.clone()));
            }
            let setup = agent.session.borrow().as_ref().map(|session| session.setup.clone());
            let storage = setup.map_or_else(|| agent.storage.clone(), |setup| agent.storage.or_of(&setup));
            let kubernetes = agent.kubernetes.as_ref();
            http::json(StatusCode::OK, &people::answer(asked, &agent.record, &storage, &agent.config, kubernetes).await)
        }
        _ => http::text(StatusCode::NOT_FOUND, "text/plain", "no such request"),
    })
}
