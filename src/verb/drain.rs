//! `drain`: for a preStop hook. Waits until the final state is durable.

use crate::api::Drained;
use crate::config::Client;
use crate::exit::Exit;
use crate::http;

pub(super) async fn drain(client: &Client) -> anyhow::Result<Exit> {
    let drained: Drained = match http::call(&client.socket, "POST", "/v1/drain", &serde_json::json!({})).await {
        Ok(drained) => drained,
        Err(error) => {
            super::complain(&crate::report::chain(&error));
            return Ok(Exit::Later);
        }
    };
    let Some(outcome) = drained.outcome else {
        super::complain(&drained.reason);
        return Ok(Exit::Later);
    };
    println!("{}: {}", outcome.as_str(), drained.reason);
    Ok(Exit::Done)
}
