//! Flink that does not answer. Without its REST API nothing is watched and no savepoint can be taken: that is said long before a stop.

use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use crate::kubernetes::Severity;
use crate::protocol::stop::JobsReply;
use crate::protocol::time::Moment;

/// A JobManager that starts is silent for a while, and so is one that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long Flink has not answered.
#[derive(Debug, Default)]
pub(super) struct Silence {
    since: Option<Moment>,
    said: bool,
}

impl Silence {
    /// Hears an answer, or that there was none. Gives the reason when it is time to say it: once for each silence.
    fn hear(&mut self, reply: &JobsReply, now: Moment) -> Option<String> {
        let JobsReply::Unreachable(why) = reply else {
            *self = Self::default();
            return None;
        };
        let since = *self.since.get_or_insert(now);
        if self.said || now.since(since) < PATIENCE {
            return None;
        }
        self.said = true;
        Some(why.clone())
    }
}

impl Agent {
    pub(super) fn listen(self: &Rc<Self>, silence: &mut Silence, reply: &JobsReply) {
        self.metrics.flink_up(matches!(reply, JobsReply::Listed(_)));
        if let Some(reason) = silence.hear(reply, self.clock.now()) {
            tracing::warn!(reason, "Flink's REST API does not answer: a stop could not take a savepoint");
            let text = format!("Flink's REST API does not answer, and a stop could not take a savepoint: {reason}");
            self.event(Severity::Warning, "FlinkUnreachable", text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_told_once_when_it_has_lasted_and_again_after_an_answer() {
        let (mut silence, begin) = (Silence::default(), Moment(1_000));
        let no = || JobsReply::Unreachable("no cipher suites in common".to_owned());
        let at = |seconds: u64| begin.plus(Duration::from_secs(seconds));
        assert_eq!(silence.hear(&no(), at(0)), None);
        assert_eq!(silence.hear(&no(), at(29)), None);
        assert_eq!(silence.hear(&no(), at(30)).as_deref(), Some("no cipher suites in common"));
        assert_eq!(silence.hear(&no(), at(90)), None);
        assert_eq!(silence.hear(&JobsReply::Listed(Vec::new()), at(91)), None);
        assert_eq!(silence.hear(&no(), at(92)), None);
        assert!(silence.hear(&no(), at(122)).is_some());
    }
}
