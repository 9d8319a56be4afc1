//! `drain`: for a preStop hook. Waits until the final state is durable.

use crate::api::Drained;
use crate::cli::Output;
use crate::config::Client;
use crate::exit::Exit;
use crate::http;

pub(super) async fn drain(client: &Client, output: Output) -> anyhow::Result<Exit> {
    let drained: Drained = match http::call(&client.socket, "POST", "/v1/drain", &serde_json::json!({})).await {
        Ok(drained) => drained,
        Err(error) => {
            let why = crate::report::chain(&error);
            super::complain(&format!(
                "{why}. The agent runs beside the job; if its socket lies elsewhere, set socket (SAVEPOINTD_SOCKET)"
            ));
            return Ok(Exit::Later);
        }
    };
    let Some(outcome) = drained.outcome else {
        super::complain(&drained.reason);
        return Ok(Exit::Later);
    };
    match output {
        Output::Json => println!("{:#}", serde_json::json!({ "outcome": outcome, "reason": drained.reason })),
        Output::Table => println!("{}: {}", outcome.as_str(), super::layout::visible(&drained.reason)),
    }
    Ok(Exit::Done)
}
