//! Who may be in the way of a start: the pod that was promised the next epoch, and the holder of the newest one.
//!
//! Standby JobManagers under Flink's own high availability wait here too, in place of in Flink's election. One that ran already would
//! take over by itself after a crash; but after a clean stop, of which Flink keeps nothing, it would begin again from the restore
//! path that it was started with, however old. So a standby costs a pod that waits and takes over when the leader's is gone, a JVM's
//! start later than Flink's own. With `handover = "request"` the youngest of several asks the others: the newest pod leads.

use super::super::entry::{Holder, PodRef};
use super::{Start, State, Verdict};

impl Start {
    /// Looks who may be in the way: the pod that was promised the next epoch, then the holder of the newest one.
    pub(super) fn look(&mut self) {
        let Some((number, claim)) = self.history.newest_claim() else { return self.pass() };
        let (holder, own) = (claim.holder.clone(), self.plan.holder.pod.as_ref());
        let Some(epoch) = self.history.epochs.get(&number).filter(|epoch| !epoch.taken_over) else {
            return self.pass();
        };
        // A container starts again only when its former life has ended: without a final savepoint there is nothing to hand
        // over, and the heir, who can't know that, would wait for this pod for ever.
        if own.is_some() && own.map(|own| &own.uid) == holder.pod.as_ref().map(|pod| &pod.uid) && !epoch.is_released() {
            return self.pass();
        }
        // One `run` that goes back to the gate has ended its JobManager itself.
        if own.is_none() && self.plan.holder.is_the_process_of(&holder) {
            return self.pass();
        }
        let heir = epoch.asked.clone().filter(|heir| own.is_none_or(|own| own.uid != heir.uid));
        if let Some(heir) = heir.filter(|_| !self.no_heir) {
            self.state = State::LookAtHeir(heir);
            return;
        }
        // Of a process on this machine it is quickly known that it has ended; a pod may stay for long after it has.
        if holder.pod.is_some() && epoch.is_released() {
            return self.pass();
        }
        self.state = State::Look(holder);
    }

    /// Somebody else runs this cluster's JobManager.
    pub(super) fn held(&mut self, holder: Holder, why: &str) {
        let Holder { pid, host, pod, .. } = holder;
        let Some(held_by) = pod else {
            let reason = format!(
                "another savepointd run of this cluster is alive (process {pid} on {host}); waiting until it has ended"
            );
            return self.done(Verdict::Later { reason, holder: None });
        };
        let why = format!("another pod of this cluster is in the way: {why}");
        let older = |own: &PodRef| held_by.created.zip(own.created).is_some_and(|(its, own)| its < own);
        let own = self.plan.holder.pod.clone().filter(|own| self.plan.ask_to_hand_over && older(own));
        let (Some(own), Some((number, _))) = (own, self.history.newest_claim()) else {
            return self.done(Verdict::Later {
                reason: format!("{why}; waiting until it has ended (`savepointd takeover` if it is lost for good)"),
                holder: Some(held_by),
            });
        };
        let asked = self.history.epochs.get(&number).and_then(|epoch| epoch.asked.as_ref());
        self.state = if asked.is_some_and(|asked| asked.uid == own.uid) {
            State::Nudge { holder: held_by, why }
        } else {
            State::Ask { number, holder: held_by, by: own, why }
        };
    }

    pub(super) fn pass(&mut self) {
        self.passed = true;
        self.go_on_to_claim();
    }

    pub(super) fn go_on_to_claim(&mut self) {
        self.epoch = self.epoch.max(self.history.highest_epoch() + 1);
        self.state = State::Claim;
    }
}
