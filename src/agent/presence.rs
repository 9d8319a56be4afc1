//! Whether `run` is still there. It is PID 1 of its container: when it is killed the JobManager dies with it, and nobody is
//! left to report that.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Agent;
use super::guards::Turn;
use super::session::Session;
use crate::protocol::time::Moment;

/// How long `run`, whose line has broken, may take to be heard of again before it counts as dead. One that lives asks
/// anew within milliseconds; guards that believed a break at once would end tasks for nothing.
const BROKEN: Duration = Duration::from_millis(500);
/// The same, until a stop that is under way is given no more time for what Flink does: what is gone by then is looked for in storage.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// How long it may take to open its line at all.
const BEGUN: Duration = Duration::from_secs(3);
/// The same after it has claimed its epoch again: that may fail for a while, when the record is away, and is repeated.
const CLAIMED: Duration = Duration::from_secs(10);

/// What is known of one `run`.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// Its open lines.
    lines: Cell<usize>,
    /// Without a line it counts as dead from then on.
    until: Cell<Option<Moment>>,
}

impl Presence {
    /// Whether `run` counts as dead.
    pub(super) fn is_lost(&self, now: Moment) -> bool {
        self.lines.get() == 0 && self.until.get().is_none_or(|until| now >= until)
    }

    fn expect(&self, until: Moment) {
        self.until.set(self.until.get().max(Some(until)));
    }
}

impl Agent {
    /// Counts a line of `run` as open until it has ended.
    pub(super) fn line_of_run(self: &Rc<Self>, ended: impl Future<Output = ()> + 'static) {
        let Some(session) = self.session.borrow().clone() else { return };
        session.presence.lines.set(session.presence.lines.get() + 1);
        let agent = Rc::clone(self);
        tokio::task::spawn_local(async move {
            ended.await;
            session.presence.lines.set(session.presence.lines.get() - 1);
            session.presence.expect(agent.clock.now().plus(BROKEN));
            agent.doubt(&session).await;
        });
    }

    /// `run` has begun to run the entrypoint, and opens its line next, if it is not killed before.
    pub(super) fn expect_line_of(self: &Rc<Self>, session: &Rc<Session>) {
        if session.go.ungated {
            return;
        }
        session.presence.expect(self.clock.now().plus(BEGUN));
        let (agent, session) = (Rc::clone(self), Rc::clone(session));
        tokio::task::spawn_local(async move { agent.doubt(&session).await });
    }

    /// `run` has asked to go on with its epoch.
    pub(super) fn heard_of(&self, session: &Session) {
        session.presence.expect(self.clock.now().plus(CLAIMED));
    }

    async fn doubt(&self, session: &Session) {
        let presence = &session.presence;
        while presence.lines.get() == 0 && !session.is_over() {
            let Some(until) = presence.until.get().filter(|until| self.clock.now() < *until) else {
                tracing::warn!(epoch = session.epoch(), "run is gone without a word: so is the JobManager");
                self.guards.tell(session.epoch(), Turn::Ended);
                return self.give_up(session).await;
            };
            tokio::time::sleep_until(self.clock.instant(until)).await;
        }
    }

    /// Nobody is left who would report the JobManager's end to the stop that is under way.
    async fn give_up(&self, session: &Session) {
        tokio::time::sleep(GIVEN_UP).await;
        if session.presence.lines.get() == 0 && session.stopping.get() && !session.is_over() {
            self.ended(session);
        }
    }
}
