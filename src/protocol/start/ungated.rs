//! What runs already, because no gate was there that could have kept it back: what Flink says it restored is the base, whatever the
//! choice would have been, and whether the two agree is told.

use super::super::choose::{Choice, Decision};
use super::super::point::same;
use super::{Start, Ungated};

impl Start {
    /// The restore path that the user gave. Where nobody was asked before the start, it is what a manifest said at some time, and
    /// not what a person wants now; only of a cluster without history it tells where that comes from.
    pub(super) fn explicit(&self) -> Option<String> {
        let has_history = self.history.newest_based(self.epoch).is_some();
        self.plan.explicit.clone().filter(|_| self.plan.ungated.is_none() || !has_history)
    }

    /// Takes up what runs.
    pub(super) fn take_up(&mut self, choice: Choice, Ungated { restored, .. }: Ungated) {
        let runs = restored.as_ref().map_or_else(|| "nothing".to_owned(), |point| point.path.clone());
        let agree = match (&choice.decision, &restored) {
            (Decision::Restore(chosen), Some(restored)) => same(&chosen.path, &restored.path),
            (Decision::Fresh, None) => true,
            _ => false,
        };
        self.instead = (!agree).then(|| {
            let should = match &choice.decision {
                Decision::Restore(chosen) => format!("it should have gone on from {}", chosen.path),
                Decision::Fresh => "it should have begun with nothing".to_owned(),
                Decision::Resubmit | Decision::Hold | Decision::Refuse => "it should not have started".to_owned(),
            };
            format!("the job runs from {runs}, and {should}: {}", choice.reason)
        });
        let reason = match &self.instead {
            None => format!("started without a gate: {}", choice.reason),
            Some(instead) => format!("started without a gate: {instead}"),
        };
        let consumed = choice.consumed.filter(|_| agree);
        let decision = restored.map_or(Decision::Fresh, Decision::Restore);
        self.write_base(Choice { decision, reason, consumed, ..choice });
    }
}
