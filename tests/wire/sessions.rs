//! Clusters that run several jobs: each is stopped and recorded by itself, and the next start says from where each goes on.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::eventually;
use crate::support::fake_session::{FakeSession, Stops, Submitted, submitted};
use crate::support::process::Process;
use crate::world::{How, LONG, World, entrypoint, how, signal, terminate};

const NEVER: Duration = Duration::from_secs(3_600);

/// A world whose Flink is a session cluster.
pub fn session() -> (World, FakeSession) {
    let world = World::new();
    let flink = FakeSession::start(world.path("fake/starts"), world.path("checkpoints"));
    let text = std::fs::read_to_string(world.path("conf/config.yaml")).unwrap();
    let port = format!("rest.port: {}", world.flink.port);
    std::fs::write(world.path("conf/config.yaml"), text.replace(&port, &format!("rest.port: {}", flink.port))).unwrap();
    (world, flink)
}

fn job_manager() -> Vec<String> {
    vec![entrypoint().display().to_string(), "jobmanager".to_owned()]
}

fn as_session(how: How) -> How {
    How { command: Some(job_manager()), ..how }
}

/// Starts it, and waits until its agent has seen Flink.
fn up(world: &World, how: How) -> Process {
    let process = world.run(&as_session(how));
    process.logged("a cluster of several jobs is up", LONG);
    process
}

/// Submits a job, and waits until the record knows it.
fn submit(world: &World, flink: &FakeSession, how: Submitted) -> String {
    let id = flink.submit(how);
    let known = || world.entries().into_iter().find(|entry| entry["fact"]["job_id"] == *id);
    eventually("the job's entry", LONG, known);
    id
}

fn plan(world: &World) -> Value {
    let argv = job_manager();
    world.json(&["plan", "--output", "json", "--", &argv[0], &argv[1]])
}

/// The jobs of a plan, by name.
fn waiting(plan: &Value) -> Vec<(&str, Option<&str>)> {
    let jobs = plan["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    jobs.iter().map(|job| (job["job_name"].as_str().unwrap(), job["path"].as_str())).collect()
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    rows.iter().find(|row| row["job_name"] == name).unwrap_or_else(|| panic!("{name}: {rows:#?}"))
}

#[test]
fn each_job_is_saved_as_far_as_it_can_be_and_the_next_start_says_from_where_each_goes_on() {
    let (world, flink) = session();
    let mut process = up(&world, how().grace("8s", "2s").set("session.parallel=2"));
    assert!(world.started().argv.ends_with(&[
        "-D".to_owned(),
        "execution.checkpointing.externalized-checkpoint-retention=RETAIN_ON_CANCELLATION".to_owned()
    ]));
    let took = |millis| Some(Duration::from_millis(millis));
    // Its last checkpoint was the quickest of all, but an increment.
    let slow = Submitted { checkpoint: took(5), state: 900_000_000_000, ..submitted("slow") };
    submit(&world, &flink, Submitted { stops: Stops::After(NEVER), ..slow });
    let fails = Stops::Fails("java.io.IOException: disk full\n\tat x");
    submit(&world, &flink, Submitted { stops: fails, checkpoint: took(50), ..submitted("clicks") });
    submit(&world, &flink, submitted("orders"));
    let done = submit(&world, &flink, submitted("done"));
    flink.submit(Submitted { batch: true, ..submitted("batch") });
    // Long enough to be under way beside the slow one, whichever is asked for first.
    let for_a_while = Stops::After(Duration::from_secs(1));
    flink.submit(Submitted { stops: for_a_while, checkpoint: None, ..submitted("young") });
    flink.end(&done, "FINISHED");
    process.logged("a job came to its own end", LONG);
    assert!(world.entries().into_iter().any(|entry| entry["fact"]["event"]["was"] == "ended"));
    assert_eq!(terminate(&mut process, LONG).0, 143, "{}", process.text());

    // Two begin together, and either may be quicker to ask.
    let mut asked = flink.asked();
    asked[..2].sort_unstable();
    asked[2..].sort_unstable();
    assert_eq!(asked, ["clicks", "orders", "slow", "young"], "what is expected to be saved soonest first");
    assert_eq!((flink.most_at_once(), flink.unread().len()), (2, 0));
    let stopped = process.logged("stopped", LONG);
    assert_eq!((&stopped["outcome"], &stopped["recorded"]), (&"checkpoint".into(), &true.into()), "{stopped}");
    let reason = stopped["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("2 of 4 jobs saved") && reason.contains("clicks") && reason.contains("slow"),
        "{reason}"
    );
    let rows = world.history();
    for (name, kind, outcome) in [
        ("orders", "final", "savepoint"),
        ("young", "final", "savepoint"),
        ("clicks", "checkpoint", "checkpoint"),
        ("slow", "checkpoint", "checkpoint"),
    ] {
        let row = row(&rows, name);
        assert_eq!((&row["kind"], &row["outcome"]), (&kind.into(), &outcome.into()), "{row:#}");
    }
    assert_eq!(row(&rows, "done")["ended"], "finished");

    let plan = plan(&world);
    assert_eq!(plan["decision"], "resubmit", "{plan:#}");
    let orders = row(&rows, "orders")["path"].as_str().unwrap();
    let names: Vec<&str> = waiting(&plan).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["clicks", "orders", "slow", "young"], "{plan:#}");
    assert!(waiting(&plan).contains(&("orders", Some(orders))));
    let job = plan["jobs"].as_array().unwrap().iter().find(|job| job["job_name"] == "orders").unwrap();
    assert_eq!(job["line"], format!("flink run -d -s {orders} <JAR> <ARGUMENTS>"));
    assert_eq!(job["body"]["savepointPath"], orders);
    assert!(world.verb(&["pin", orders]).err.contains("session cluster"));

    goes_on(&world, &flink, orders);
}

/// The next start: one job goes on from its point, another one is submitted without its state.
fn goes_on(world: &World, flink: &FakeSession, orders: &str) {
    let admin = crate::support::free_port();
    let mut process = up(world, how().set(&format!("admin.address=127.0.0.1:{admin}")));
    assert_eq!(process.logged("start", LONG)["decision"], "resubmit");
    let served = || crate::support::http::json(admin, "/api/v1/status").unwrap()["jobs_waiting"].clone();
    let body = served()[1]["body"].clone();
    let page = crate::support::http::get(admin, "/").unwrap().1;
    assert!(page.contains("4 jobs wait to be submitted again"), "{page}");
    assert!(page.contains(&format!("flink run -d -s {orders} -claimMode NO_CLAIM")), "{page}");
    assert_eq!((&body["savepointPath"], &body["claimMode"]), (&orders.into(), &"NO_CLAIM".into()), "{body}");
    let restored = Some(orders.replacen("file:///", "file:/", 1));
    submit(world, flink, Submitted { restored, ..submitted("orders") });
    process.logged("the job goes on from its own point", LONG);
    submit(world, flink, submitted("clicks"));
    let warned = process.logged("a job runs without its state", LONG);
    assert_eq!(warned["name"], "clicks", "{warned}");
    let names: Vec<Value> = served().as_array().unwrap().iter().map(|job| job["job_name"].clone()).collect();
    assert_eq!(names, ["clicks", "slow", "young"]);
    assert_eq!(terminate(&mut process, LONG).0, 143);
    // What was not submitted again still waits from where it was.
    let plan = plan(world);
    let slow = waiting(&plan).into_iter().find(|(name, _)| *name == "slow").unwrap().1.unwrap();
    assert!(slow.contains("/chk-3"), "{plan:#}");
    assert!(
        waiting(&plan)
            .iter()
            .any(|(name, path)| *name == "orders" && path.is_some_and(|path| path.contains("/orders/2/")))
    );
}

#[test]
fn what_run_finishes_without_its_agent_is_found_and_recorded_by_the_next_start() {
    let (world, flink) = session();
    let mut process = up(&world, how());
    for name in ["a", "b", "c"] {
        submit(&world, &flink, Submitted { stops: Stops::After(Duration::from_secs(2)), ..submitted(name) });
    }
    process.signal(Signal::SIGTERM);
    eventually("all requests", LONG, || (flink.asked().len() == 3).then_some(()));
    signal(process.agent().as_raw(), Signal::SIGKILL);
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert!(process.find("finishing the stop without the agent").is_some(), "{}", process.text());
    assert_eq!((flink.asked().len(), flink.unread()), (3, Vec::new()), "one request for each job, and each was read");
    let mut next = up(&world, how());
    let rows = world.history();
    let salvaged = rows.iter().filter(|row| row["salvaged"] == true && row["kind"] == "final").count();
    assert_eq!(salvaged, 3, "{rows:#?}");
    terminate(&mut next, LONG);
    let plan = plan(&world);
    assert_eq!(waiting(&plan).iter().filter(|(_, path)| path.is_some()).count(), 3, "{plan:#}");
}

#[test]
fn a_job_manager_that_was_killed_leaves_each_jobs_newest_checkpoint() {
    let (world, flink) = session();
    let process = up(&world, how());
    let id = submit(&world, &flink, submitted("orders"));
    submit(&world, &flink, submitted("clicks"));
    signal(world.started().pid, Signal::SIGKILL);
    process.logged("the entrypoint has ended", LONG);
    drop(process);
    let plan = plan(&world);
    let orders = waiting(&plan).into_iter().find(|(name, _)| *name == "orders").unwrap().1.unwrap();
    assert!(orders.ends_with(&format!("{id}/chk-3")), "{plan:#}");
    // A person says that nothing is to be gone on with.
    assert_eq!(world.verb(&["fresh"]).code, 0);
    let mut next = up(&world, how());
    assert_eq!(next.logged("start", LONG)["decision"], "fresh");
    terminate(&mut next, LONG);
    assert_eq!(self::plan(&world)["decision"], "fresh");
}

#[test]
fn an_application_with_several_jobs_is_saved_and_never_restored_by_one_path() {
    let (world, flink) = session();
    let process = world.run(&how().set("flink.job_id=flink"));
    world.started();
    flink.submit(submitted("orders"));
    flink.submit(submitted("clicks"));
    process.logged("a cluster of several jobs is up", LONG);
    let mut process = process;
    assert_eq!(terminate(&mut process, LONG).0, 143);
    let stopped = process.logged("stopped", LONG);
    assert_eq!(
        (&stopped["outcome"], &stopped["reason"]),
        (&"savepoint".into(), &"2 of 2 jobs saved with a savepoint".into())
    );
    let reason = world.next("refuse");
    assert!(
        reason.contains("ran several jobs") && reason.contains("orders") && reason.contains("savepointd pin"),
        "{reason}"
    );
    let path = row(&world.history(), "orders")["path"].as_str().unwrap().to_owned();
    assert_eq!(world.verb(&["pin", &path]).code, 0);
    world.next_restores(&path);

    // Flink gives that one path to both.
    let process = world.run(&how().set("flink.job_id=flink"));
    world.started_times(2);
    let restored = Some(path.replacen("file:///", "file:/", 1));
    flink.submit(Submitted { restored: restored.clone(), ..submitted("orders") });
    flink.submit(Submitted { restored, ..submitted("clicks") });
    let warned = process.logged("a job runs from the state of another", LONG);
    assert_eq!(warned["name"], "clicks", "{warned}");
    assert!(warned["reason"].as_str().unwrap().ends_with("which is the state of job \"orders\""), "{warned}");
    let mut process = process;
    assert_eq!(terminate(&mut process, LONG).0, 143);
}
