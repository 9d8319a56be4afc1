//! What savepointd costs the API server, from its audit trail.

use jiff::Timestamp;

use super::application::{Application, START, eventually};
use super::manifest::{NAME, Shape};
use super::on_the_node;
use super::witness::audit::{self, Request};

on_the_node!(a_job_that_runs_costs_the_api_server_nothing);

/// Checkpoints, one each second, that the steady state is watched for.
const WATCHED: usize = 40;

fn a_job_that_runs_costs_the_api_server_nothing() {
    let app = Application::start("steady", Shape::default());
    let started = app.started();
    let old = started.pod.clone();
    let process = app.said(&old, "jobmanager", "the entrypoint is started").at;
    // Whose pod this is is the first thing that a claim asks for.
    let mut asked = audit::of_agents(&app.place.namespace).into_iter().filter(|request| request.resource == "pods");
    let claim = asked.next().unwrap().at;
    println!(
        "from the claim to the JobManager's process, nobody holding the record: {} ms",
        process.duration_since(claim).as_millis()
    );
    // The epoch's first checkpoint is noted once.
    eventually("the first checkpoint is in the record", START, || {
        app.kubectl(&["get", "configmap", NAME, "--output", "yaml"]).contains("progressed").then_some(())
    });
    let begin = Timestamp::now();
    for _ in 0..WATCHED {
        app.checkpoint();
    }
    let end = Timestamp::now();
    let between = |from: Timestamp, to: Timestamp| -> Vec<Request> {
        let all = audit::of_agents(&app.place.namespace).into_iter();
        all.filter(|request| from <= request.at && request.at < to).collect()
    };
    let steady = between(begin, end);
    let (reads, writes): (Vec<&Request>, Vec<&Request>) = steady.iter().partition(|request| request.verb == "get");
    println!(
        "in {} s of steady state: {} reads, {} writes",
        end.duration_since(begin).as_secs(),
        reads.len(),
        writes.len()
    );
    assert!(writes.is_empty() && reads.len() <= 1, "{steady:#?}");

    app.delete(&old, &[]);
    let (new, _) = app.assert_replaced(&started, 2);
    let new = new.pod;
    app.gone(&old);
    let gate = app.said(&new, "jobmanager", "the entrypoint is started").at;
    let up = app.said(&new, "agent", "agent is up").at;
    let left = app.said(&old, "agent", "the entrypoint has ended").at;
    println!("from the agent's start to Flink's: {} ms", gate.duration_since(up).as_millis());
    println!("from the old JobManager's end to the new one's start: {} ms", gate.duration_since(left).as_millis());
    let restart = between(end, Timestamp::now());
    println!("a stop and the start after it: {} requests to the API server", restart.len());
    for request in &restart {
        println!("  {} {} {} {}", request.at, request.verb, request.resource, request.code);
    }
}
