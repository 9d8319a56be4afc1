//! The kill matrix on a real Flink: blows at the effects of a stop that Flink sees. On wire fakes: `tests/kills`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::support::eventually;
use super::support::flink::{Cluster, START, STOP};
use super::support::trace::{Blow, Names, Side, Strike, Trace, Traced, can_trace};

/// Time for a stop on a busy machine, and not for ever where somebody stands still.
const GRACE: Duration = Duration::from_secs(15);
const POST: &str = "stop: agent asks Flink POST /jobs/ID/stop";

fn cluster() -> Cluster {
    let mut cluster = Cluster::new("1.20.5");
    cluster.settings = vec![format!("stop.grace={}s", GRACE.as_secs())];
    cluster.start_task_manager();
    cluster
}

/// One life with this blow, stopped by SIGTERM; gives the effects that Flink saw of the stop, and whether the blow fell.
fn struck(cluster: &Cluster, life: usize, strike: Option<Strike>) -> (Vec<String>, bool) {
    let names = Names { directory: cluster.dir.path().to_owned(), ports: vec![(cluster.rest, "Flink")] };
    let trace: Arc<Trace> = Trace::new(names, strike.into_iter().collect(), None);
    let log = cluster.dir.path().join(format!("log/struck-{life}"));
    let run = Traced::start(&trace, &cluster.run_command(), log);
    eventually("the restore is confirmed", START, || run.find("the restore is confirmed"));
    cluster.progress(100);
    cluster.checkpoints(1);
    trace.phase("stop");
    run.signal(Signal::SIGTERM);
    let told = Instant::now();
    let stands_still = || trace.frozen() == Some(run.pid());
    let ended = run.ends_until(told + GRACE);
    assert!(ended.is_some() || stands_still(), "past its deadline: {}", run.text());
    // What the kubelet does.
    run.signal(Signal::SIGKILL);
    eventually("its end", STOP, || run.ended());
    let of_the_stop =
        |name: &str| name.starts_with("stop: ") && (name.contains("Flink") || name.contains("entrypoint"));
    let mut effects: Vec<String> = Vec::new();
    for effect in trace.effects().into_iter().filter(|effect| of_the_stop(&effect.name)) {
        if !effects.contains(&effect.name) {
            effects.push(effect.name);
        }
    }
    (effects, trace.struck().is_some())
}

/// Goes through a life for each blow; no record may be lost, whatever falls.
fn none_is_lost(cluster: &Cluster, strikes: Vec<Strike>) {
    for (life, strike) in strikes.into_iter().enumerate() {
        let told = format!("{strike:?}");
        let (_, fell) = struck(cluster, life + 1, Some(strike));
        let next = cluster.ask("plan");
        println!("{told}{}: {}", if fell { "" } else { " (did not come)" }, next["path"]);
        assert_eq!(next["decision"], "restore", "{told}: {next:#}");
        cluster.assert_nothing_lost(&cluster.lives());
    }
    let (process, _) = cluster.run_confirmed();
    cluster.progress(100);
    assert_eq!(cluster.stop(process)["outcome"], "savepoint");
    cluster.assert_nothing_lost(&cluster.lives());
}

#[test]
fn an_agent_killed_with_its_request_on_the_way_loses_and_repeats_nothing() {
    if !can_trace() {
        return;
    }
    let cluster = cluster();
    none_is_lost(&cluster, vec![Strike { effect: POST.to_owned(), side: Side::After, blow: Blow::Kill }]);
    cluster.assert_exactly_once(&cluster.lives());
}

#[test]
#[ignore = "full size"]
fn no_blow_at_any_effect_that_flink_sees_loses_a_record() {
    if !can_trace() {
        return;
    }
    let cluster = cluster();
    let (effects, _) = struck(&cluster, 0, None);
    assert!(effects.iter().any(|effect| effect == POST), "{effects:#?}");
    let strikes = effects.iter().flat_map(|effect| {
        let sides = [Side::Before, Side::After].into_iter();
        sides.flat_map(|side| {
            [Blow::Kill, Blow::Term, Blow::Freeze].map(|blow| Strike { effect: effect.clone(), side, blow })
        })
    });
    none_is_lost(&cluster, strikes.collect());
}
