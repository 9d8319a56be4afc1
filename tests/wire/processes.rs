//! What an init has to do: orphans, exit codes, signal masks, process groups, and being PID 1.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::eventually;
use crate::support::fake_flink::is_alive;
use crate::support::process::Process;
use crate::world::{How, LONG, World, each, how, kill_hard, terminate};

#[test]
fn the_childs_own_code_is_the_code_of_run() {
    each(&["0", "1", "2", "163", "239", "255"], |code| {
        let world = World::new();
        let mut process = world.run(&how().env("FAKE_EXIT", code));
        assert_eq!(process.exit_code(LONG).to_string(), **code, "{}", process.text());
    });
}

#[test]
fn a_signal_that_ends_the_child_is_told_as_a_shell_does() {
    each(&[("KILL", 137), ("ABRT", 134), ("SEGV", 139)], |(signal, code)| {
        let world = World::new();
        let mut process = world.run(&how().env("FAKE_DIE", signal));
        assert_eq!(process.exit_code(LONG), *code, "{}", process.text());
    });
}

#[test]
fn a_missing_command_is_127_and_one_that_may_not_run_126() {
    let world = World::new();
    let script = world.path("docker-entrypoint.sh");
    let words = |path: &std::path::Path| vec![path.display().to_string(), "standalone-job".to_owned()];
    let mut process = world.run(&How { command: Some(words(&script)), ..how() });
    assert_eq!(process.exit_code(LONG), 127, "{}", process.text());
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let mut process = world.run(&How { command: Some(words(&script)), ..how() });
    assert_eq!(process.exit_code(LONG), 126, "{}", process.text());
    // Neither was a start of Flink: nothing is held against the next one.
    world.one_epoch();
}

#[test]
fn a_command_that_is_not_flinks_is_refused_before_anything_is_claimed() {
    each(&[vec!["sh", "-c", "/docker-entrypoint.sh standalone-job"], vec!["sleep", "1000"]], |words| {
        let world = World::new();
        let command = Some(words.iter().map(|word| (*word).to_owned()).collect());
        let mut process = world.run(&How { command, ..how() });
        assert_eq!(process.exit_code(LONG), 77, "{}", process.text());
        assert!(!world.record().exists(), "it has cost an epoch");
    });
}

#[test]
fn the_child_begins_with_no_signal_blocked_or_ignored() {
    const REAL_TIME: u64 = !0 << 31;
    let world = World::new();
    let _process = world.up(&how());
    let status = fs::read_to_string(world.path("fake/status")).unwrap();
    let masks: Vec<u64> =
        status.lines().map(|line| u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap()).collect();
    assert_eq!(masks[0], 0, "{status}");
    // Real-time signals may be ignored from whoever started this test; `run` leaves those as they are.
    assert_eq!(masks[1] & !REAL_TIME, 0, "{status}");
}

/// Numbers of the zombies among a process's children.
fn zombies(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|child| child.parse().ok()).filter(|child| !is_alive(*child)).collect()
}

#[test]
fn orphans_of_the_entrypoint_are_reaped() {
    let world = World::new();
    let process = world.up(&how().env("FAKE_ORPHANS", "20"));
    let orphans = world.numbers("orphans");
    assert_eq!(orphans.len(), 20);
    eventually("the end of all orphans", LONG, || {
        let left = orphans.iter().filter(|pid| fs::exists(format!("/proc/{pid}")).unwrap()).count();
        (left == 0 && zombies(process.pid().as_raw()).is_empty()).then_some(())
    });
    world.stopped_with_savepoint(process);
}

#[test]
fn nothing_of_the_entrypoints_process_group_outlives_run() {
    let world = World::new();
    let mut process = world.up(&how().env("FAKE_LEAVE", "1"));
    let left = world.numbers("left")[0];
    assert!(is_alive(left));
    let (code, _) = terminate(&mut process, LONG);
    assert_eq!(code, 143);
    eventually("the end of what was left behind", LONG, || (!is_alive(left)).then_some(()));
}

/// Whether a process id name space can be made here: as root, mostly.
fn can_unshare() -> bool {
    let made = std::process::Command::new("unshare").args(["-fp", "--mount-proc", "true"]).output();
    let can = made.is_ok_and(|output| output.status.success());
    if !can {
        assert!(std::env::var("CI").is_err(), "no process id name space can be made here");
        eprintln!("not run: no process id name space can be made here");
    }
    can
}

fn as_pid_1(world: &World, how: How) -> (Process, i32) {
    world.flink.without_pid();
    let before = ["unshare", "-fp", "--kill-child", "--mount-proc"].map(str::to_owned).to_vec();
    let process = world.run(&How { before, ..how });
    process.logged("the restore is confirmed", LONG);
    let run = eventually("PID 1", LONG, || process.child_with("savepointd run")).as_raw();
    (process, run)
}

#[test]
fn as_pid_1_it_takes_the_savepoint_and_reaps() {
    if !can_unshare() {
        return;
    }
    let world = World::new();
    let (mut process, run) = as_pid_1(&world, how().env("FAKE_ORPHANS", "20"));
    let names = fs::read_to_string(format!("/proc/{run}/status")).unwrap();
    assert!(names.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{names}");
    // Entrypoint, agent, and nothing else: the entrypoint's own `sleep` is not a child of PID 1.
    let children = || fs::read_to_string(format!("/proc/{run}/task/{run}/children")).unwrap();
    eventually("the end of all orphans", LONG, || (children().split_whitespace().count() == 2).then_some(()));
    assert_eq!(zombies(run), Vec::<i32>::new());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(run), Signal::SIGTERM).unwrap();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert_eq!(process.logged("stopped", LONG)["outcome"], "savepoint");
    assert_eq!(world.newest()["outcome"], "savepoint");
}

#[test]
fn as_pid_1_it_hears_sigterm_at_the_gate() {
    if !can_unshare() {
        return;
    }
    let world = World::new();
    world.configure_only(&[]);
    let before = ["unshare", "-fp", "--kill-child", "--mount-proc"].map(str::to_owned).to_vec();
    let mut process = world.run(&How { before, waits: true, ..how() });
    process.logged("waiting at the gate; Flink is not started", LONG);
    let run = eventually("PID 1", LONG, || process.child_with("savepointd run"));
    nix::sys::signal::kill(run, Signal::SIGTERM).unwrap();
    assert_eq!(process.exit_code(LONG), 143, "{}", process.text());
    assert!(world.flink.starts().is_empty());
}

#[test]
fn an_agent_apart_serves_a_run_without_one() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent").env("SAVEPOINTD_SOCKET", world.socket(1)));
    agent.logged("agent is up", LONG);
    let mut process = world.run(&How { without_agent: true, ..how() });
    agent.logged("the restore is confirmed", LONG);
    assert_eq!(terminate(&mut process, LONG).0, 143);
    assert_eq!(agent.logged("stopped", LONG)["outcome"], "savepoint");
    // The container's next life finds the same agent.
    let mut process = world.run_again(&How { without_agent: true, ..how() });
    eventually("the second start", LONG, || (world.flink.starts().len() == 2).then_some(()));
    assert!(world.told().is_some());
    kill_hard(&mut process);
}
