//! How long the job is down when its JobManager's pod is replaced, and where that time goes. The TaskManager's pod stays.

use std::io::Write as _;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::json;

use super::application::{Application, Pod};
use super::manifest::{Controller, Shape};
use super::{node, on_the_node};

on_the_node!(; at_full_size: what_the_downtime_of_a_new_pod_and_of_a_handover_consists_of);

/// One replacement, in seconds.
struct Replacement {
    whole: f64,
    phases: [(&'static str, f64); 4],
}

fn what_the_downtime_of_a_new_pod_and_of_a_handover_consists_of() {
    let delete = |app: &Application, pod: &Pod| app.delete(pod, &[]);
    let roll_out = |app: &Application, _: &Pod| drop(app.kubectl(&["rollout", "restart", "deployment", "jobmanager"]));
    let recreated = measure("recreated", Shape::default(), delete);
    let settings = vec![("HANDOVER", "request")];
    let handed_over =
        measure("handed-over", Shape { controller: Controller::RollingUpdate, settings, ..Shape::default() }, roll_out);
    tell("downtime, a Deployment with Recreate, its pod deleted", recreated, None);
    tell("downtime, a Deployment with RollingUpdate and handover", handed_over, Some(recreated));
}

/// Replaces the pod as often as is asked for; gives the downtime's median.
fn measure(name: &str, shape: Shape, replace: impl Fn(&Application, &Pod)) -> f64 {
    let app = Application::start(name, shape);
    let mut old = app.started();
    let mut all = Vec::new();
    for life in 1..=node::cycles() {
        app.progress(1_000);
        replace(&app, &old.pod);
        let (new, stopped) = app.assert_replaced(&old, life + 1);
        let ended = app.said(&old.pod, "agent", "the entrypoint has ended").at;
        let started = app.said(&new.pod, "jobmanager", "the entrypoint is started").at;
        all.push(replacement(&app, life, [stopped.at, ended, started]));
        old = new;
    }
    all.sort_by(|one, other| one.whole.total_cmp(&other.whole));
    let Replacement { whole, phases } = &all[all.len() / 2];
    let parts: Vec<String> = phases.iter().map(|(phase, seconds)| format!("{phase} {seconds:.2} s")).collect();
    println!("{name}: {whole:.2} s: {}", parts.join(", "));
    *whole
}

/// From the last record of a life, the first being 1, to the first record of the next.
fn replacement(app: &Application, life: usize, [durable, ended, started]: [Timestamp; 3]) -> Replacement {
    let mut files: Vec<_> = std::fs::read_dir(app.out()).unwrap().map(|entry| entry.unwrap()).collect();
    files.retain(|file| file.metadata().unwrap().len() > 0);
    files.sort_by_key(std::fs::DirEntry::file_name);
    let last = files[life - 1].metadata().unwrap().modified().unwrap();
    let last = last.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    // A file's name begins with the milliseconds at which its task began.
    let name = files[life].file_name().into_string().unwrap();
    let first = name.split('-').next().unwrap().parse::<f64>().unwrap() / 1_000.0;
    let [durable, ended, started] = [durable, ended, started].map(seconds);
    Replacement {
        whole: first - last,
        phases: [
            ("stop", durable - last),
            ("release", ended - durable),
            ("pod and gate", started - ended),
            ("Flink's start and restore", first - started),
        ],
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Prints a figure, and keeps it as the benchmarks on loopback do.
fn tell(name: &str, value: f64, recreated: Option<f64>) {
    let beside = recreated.map(|other| format!(", beside {other:.2} s with Recreate")).unwrap_or_default();
    println!("{name}: {value:.2} s{beside}");
    let Some(path) = std::env::var_os("SPTEST_FIGURES") else { return };
    let line = json!({
        "name": name, "value": value, "unit": "s",
        "peer": recreated.map(|_| "Recreate"), "peer_value": recreated, "ratio": recreated.map(|other| value / other),
        "bar": recreated.map(|_| "shorter than Recreate"), "held": recreated.map(|other| value < other),
    });
    let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
