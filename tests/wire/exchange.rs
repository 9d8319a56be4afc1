//! What a guard starts in place of the TaskManager that it exchanges: the JVM that Flink's scripts had come to, or the whole command.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::eventually;
use crate::support::fake_agent::FakeAgent;
use crate::support::process::Process;
use crate::world::{LONG, World};

const CLASS: &str = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";

/// What began, in order, where the script does this as well and `guard` has these settings.
fn begun(more: &str, settings: &[&str]) -> Vec<String> {
    let world = World::new();
    let (script, java, begun) = (world.path("taskmanager.sh"), world.path("java"), world.path("begun"));
    // A shell by that name, which says that it began and waits.
    fs::copy("/bin/sh", &java).unwrap();
    let says = |what: &str| format!("echo {what} >> '{}'", begun.display());
    let jvm = format!("trap 'exit 143' TERM; {}; sleep 1000 & wait", says("\"jvm $FLINK_LIB_DIR $1\""));
    let text = format!(
        "#!/bin/sh\n{}\nexport FLINK_LIB_DIR=/lib\n{more}\nexec '{}' -c \"$JVM\" {CLASS} \"$@\"\n",
        says("script"),
        java.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();

    let agent = FakeAgent::start();
    agent.epoch(1, "running");
    let mut command = world.command(&[]);
    command.args(["guard", "--set", "log.level=debug", "--set", &format!("guard.agent=127.0.0.1:{}", agent.port)]);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    command.arg("--").arg(&script).arg("start-foreground").env("JVM", jvm);
    let process = Process::start(&mut command);
    let jvms = |times: usize| {
        eventually("the TaskManager's JVM", LONG, || {
            let lines: Vec<String> = fs::read_to_string(&begun).ok()?.lines().map(str::to_owned).collect();
            (lines.iter().filter(|line| line.starts_with("jvm")).count() == times).then_some(lines)
        })
    };
    jvms(1);
    eventually("the guard hears for whom it works", LONG, || {
        process.log().iter().any(|line| line["message"] == "heard").then_some(())
    });
    agent.epoch(1, "released");
    agent.ended(1, "released");
    let lines = jvms(2);
    assert!(process.find("killing the TaskManager").is_none(), "{}", process.text());
    lines
}

#[test]
fn the_jvm_is_started_as_the_scripts_had_started_it_and_they_are_not() {
    let retry = "-Dcluster.registration.error-delay=500";
    let jvm = format!("jvm /lib {retry}");
    assert_eq!(begun("shift", &[]), ["script", &jvm, &jvm]);
}

#[test]
fn the_whole_command_is_run_where_somebody_else_has_set_something_or_it_is_wanted() {
    for (more, settings) in [("export TOKEN=expires", &[][..]), ("", &["guard.exchange=command"][..])] {
        let kinds: Vec<String> =
            begun(more, settings).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["script", "jvm", "script", "jvm"], "{more} {settings:?}");
    }
}
