//! The promises of `README.md` as properties, and worlds that must be among those that are explored, or nothing was shown.

use stateright::Property;

use super::super::entry::Fact;
use super::super::start::Go;
use super::life::Doing;
use super::{Cluster, World};

pub(super) const NEVER_EMPTY: &str = "1: no start begins empty by accident";
pub(super) const NEVER_BACK: &str = "2: no start goes back by accident";
pub(super) const DURABLE_FIRST: &str = "3: no SIGTERM before the outcome is durable, or the reserve begins";
pub(super) const ONE_EPOCH: &str = "5: one epoch writes at a time, and nothing of a stale one is chosen";
pub(super) const WHOLE: &str = "6: only what is whole is recorded, and restored";
pub(super) const NEVER_DELETED: &str = "7: nothing that is newest, referred to or pinned is deleted";
pub(super) const CAN_BE_LOST: &str = "8: what is lost of record or marker is rebuilt, or the start refuses";
pub(super) const OWN_END: &str = "12: a job that came to its own end is not run again";

fn keeps(cluster: &Cluster, world: &World, promise: u8, name: &'static str) -> bool {
    let memory = &world.memory;
    let broken = world.truth.broken.contains(&promise)
        || promise == 5 && memory.written_by_a_stale_one
        || promise == 6 && memory.recorded_what_is_not_whole;
    !cluster.for_the_first_time(name, broken)
}

pub(super) const RESTORED: &str = "a start was let go on from a savepoint of ours";
pub(super) const LOST_REPLY: &str = "a reply was lost to something that was written";
pub(super) const CAME_LATE: &str = "what was delayed came after all";
pub(super) const ZOMBIE: &str = "a zombie completed a checkpoint";
pub(super) const REFUSED: &str = "a start was refused or held";
pub(super) const HANDED_OVER: &str = "a pod handed over and is still there";
pub(super) const REBUILT: &str = "a lost record was rebuilt, and Flink started";
pub(super) const NOTED: &str = "a stop left a note in the marker";
pub(super) const COPIED: &str = "the next start read that note";
pub(super) const WENT_BACK: &str = "a person went back";
pub(super) const PRUNED: &str = "retention deleted something";
pub(super) const ENDED: &str = "a job came to its own end";

fn restored(world: &World) -> bool {
    let ours = |go: &Go| go.base.as_ref().is_some_and(|base| base.path.contains("savepoint-"));
    world.lives.iter().any(|life| matches!(&life.doing, Doing::Runs(go) if ours(go)))
}

fn handed_over(world: &World) -> bool {
    let asked = world.memory.record.iter().any(|entry| matches!(entry.fact, Fact::HandoverAsked { .. }));
    asked && world.truth.handed_over
}

fn rebuilt(world: &World) -> bool {
    let runs = world.lives.iter().any(|life| life.flink.is_some());
    world.memory.record_was_lost && world.truth.rebuilt && runs
}

pub(super) fn all() -> Vec<Property<Cluster>> {
    macro_rules! sometimes {
        ($name:expr, $shows:expr) => {
            Property::<Cluster>::sometimes($name, |cluster, world| {
                let shows: fn(&World) -> bool = $shows;
                cluster.for_the_first_time($name, shows(world))
            })
        };
    }
    let always = Property::<Cluster>::always;
    vec![
        always(NEVER_EMPTY, |cluster, world| keeps(cluster, world, 1, NEVER_EMPTY)),
        always(NEVER_BACK, |cluster, world| keeps(cluster, world, 2, NEVER_BACK)),
        always(DURABLE_FIRST, |cluster, world| keeps(cluster, world, 3, DURABLE_FIRST)),
        always(ONE_EPOCH, |cluster, world| keeps(cluster, world, 5, ONE_EPOCH)),
        always(WHOLE, |cluster, world| keeps(cluster, world, 6, WHOLE)),
        always(NEVER_DELETED, |cluster, world| keeps(cluster, world, 7, NEVER_DELETED)),
        always(CAN_BE_LOST, |cluster, world| keeps(cluster, world, 8, CAN_BE_LOST)),
        always(OWN_END, |cluster, world| keeps(cluster, world, 12, OWN_END)),
        sometimes!(RESTORED, restored),
        sometimes!(LOST_REPLY, |world| world.truth.lost_what_was_written),
        sometimes!(CAME_LATE, |world| world.memory.came_late),
        sometimes!(ZOMBIE, |world| world.truth.zombie_worked),
        sometimes!(REFUSED, |world| world.truth.refused),
        sometimes!(HANDED_OVER, handed_over),
        sometimes!(REBUILT, rebuilt),
        sometimes!(NOTED, |world| world.truth.noted),
        sometimes!(COPIED, |world| world.truth.copied),
        sometimes!(WENT_BACK, |world| world.truth.went_back),
        sometimes!(PRUNED, |world| world.truth.pruned),
        sometimes!(ENDED, |world| world.truth.ended.is_some()),
    ]
}
