//! `prune` while the job runs: through the agent, beside a stop, and by Flink's own hand.

use std::fs;

use nix::sys::signal::Signal;

use crate::retention::{about, epochs, prune};
use crate::support::eventually;
use crate::support::fake_flink::{Call, Fault, url};
use crate::support::metadata::{File, metadata};
use crate::support::process::Process;
use crate::world::{LONG, World, how};

#[test]
fn a_running_agent_prunes_for_who_asks_it() {
    let world = World::new();
    let points = epochs(&world, 3);
    let running = world.up(&how());
    // Whoever asks need not know the record.
    let elsewhere = url(&world.path("no-record"));
    let mut command = world.command(&[]);
    let output = command.env("SAVEPOINTD_RECORD", elsewhere).args(["prune", "--keep", "1"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("2 directories with") && said.contains("deleted"), "{output:?}");
    assert!(!points[0].exists() && !points[1].exists() && points[2].exists());
    let newest = world.stopped_with_savepoint(running);
    world.next_restores(&newest);
}

#[test]
fn a_stop_waits_for_no_prune_and_the_next_prune_ends_what_it_broke_off() {
    let world = World::new();
    let points = epochs(&world, 3);
    let running = world.up(&how());
    // Large enough that it takes a while.
    for n in 0..20_000 {
        fs::write(points[1].join(format!("state-{n}")), "x").unwrap();
    }
    let mut pruning = Process::start(world.command(&[]).args(["prune", "--keep", "1"]));
    let metadata = points[1].join("_metadata");
    eventually("its _metadata is gone", LONG, || (!metadata.exists()).then_some(()));
    let newest = world.stopped_with_savepoint(running);
    assert_eq!(pruning.exit_code(LONG), 75, "{}", pruning.text());
    assert!(pruning.text().contains("a stop has begun"), "{}", pruning.text());
    assert!(points[1].exists() && points[0].join("_metadata").exists(), "it was over before the stop began");
    world.next_restores(&newest);
    prune(&world, &["--keep", "1"]);
    assert!(!points[1].exists() && !points[0].exists());
    world.next_restores(&newest);
}

#[test]
fn flink_disposes_of_savepoints_that_it_deletes_alone_and_its_answer_is_read() {
    let world = World::new();
    let points = epochs(&world, 4);
    // Flink would delete this file with the savepoint.
    let shared = world.path("shared-by-others");
    fs::write(&shared, [1; 50]).unwrap();
    fs::write(points[1].join("_metadata"), metadata(2, &[File::At(&url(&shared), 50)])).unwrap();
    let half = points[0].with_file_name("savepoint-abcdef-000000000000");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("state"), "x").unwrap();
    let by_flink = ["--by", "flink", "--keep", "1", "--min-age", "0s"];
    let said = world.verb(&[&["prune"], &by_flink[..]].concat());
    assert!(said.code == 75 && said.err.contains("Flink disposes of savepoints where it runs"), "{said:?}");

    let running = world.up(&how());
    let busy = Fault::Answer(200, "application/json", r#"{"status":{"id":"IN_PROGRESS"},"operation":null}"#);
    world.flink.fault(Call::PollDisposal, &busy, 2);
    world.flink.fault(Call::PollDisposal, &Fault::Reset, 1);
    let outcomes = prune(&world, &by_flink);
    for gone in [&points[0], &points[2]] {
        assert!(about(&outcomes, gone)["deleted"] == true && !gone.exists(), "{outcomes:#?}");
    }
    assert_eq!((world.flink.count(Call::Dispose), world.flink.count(Call::PollDisposal)), (2, 2 + 3), "each was read");
    let kept = about(&outcomes, &points[1]);
    assert!(kept["reason"].as_str().unwrap().contains("Flink would delete what it refers to"), "{kept:#}");
    assert!(shared.exists() && points[1].join("_metadata").exists());
    let left = about(&outcomes, &half);
    assert!(
        left["verdict"] == "report" && left["reason"].as_str().unwrap().contains("whole savepoints only"),
        "{left:#}"
    );
    let newest = world.stopped_with_savepoint(running);
    world.next_restores(&newest);
}

#[test]
fn what_flink_could_not_delete_is_named() {
    let world = World::new();
    let points = epochs(&world, 2);
    let mut running = world.up(&how());
    let refused = r#"{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"x","stack-trace":"java.io.IOException: no rights here"}}}"#;
    world.flink.fault(
        Call::Dispose,
        &Fault::Answer(200, "application/json", r#"{"request-id":"00000000000000000000000000000007"}"#),
        1,
    );
    world.flink.fault(Call::PollDisposal, &Fault::Answer(200, "application/json", refused), 1);
    let said = world.verb(&["prune", "--by", "flink", "--keep", "1"]);
    assert!(said.code == 75 && said.err.contains("no rights here"), "{said:?}");
    assert!(points[0].join("_metadata").exists());
    // Nor is Flink believed that says it has.
    let done = r#"{"status":{"id":"COMPLETED"},"operation":{}}"#;
    world.flink.fault(
        Call::Dispose,
        &Fault::Answer(200, "application/json", r#"{"request-id":"00000000000000000000000000000008"}"#),
        1,
    );
    world.flink.fault(Call::PollDisposal, &Fault::Answer(200, "application/json", done), 1);
    let said = world.verb(&["prune", "--by", "flink", "--keep", "1"]);
    assert!(said.code == 75 && said.err.contains("still there"), "{said:?}");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.exit_code(LONG), 143);
}
