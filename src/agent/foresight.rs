//! What the next start would do, for whoever looks at the status: asked of record and storage when somebody looks, and not again for a
//! while, so that looking costs neither of them much, and nothing while nobody does.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::Agent;
use crate::people::{self, Answer, Plan};
use crate::protocol::time::Moment;

/// How long an answer is good enough, unless something happens here.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// How long it is good enough that there is none.
const AGAIN: Duration = Duration::from_secs(5);
/// How much longer it counts than it took to get.
const WORTH: u32 = 10;
/// How long whoever looks is kept waiting for a new answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Foreseen {
    /// The newest plan, and when it was made.
    pub(super) plan: Option<Rc<(Timestamp, Plan)>>,
    /// Why there is no newer one.
    pub(super) trouble: Option<String>,
}

/// What an answer rests on, as far as this agent notices: with another one it is out of date.
type Basis = (Option<u64>, bool, bool, usize);

#[derive(Debug)]
pub(super) struct Foresight {
    told: RefCell<Foreseen>,
    /// What the newest answer rests on, and until when it is good.
    good: RefCell<Option<(Basis, Moment)>>,
    asking: watch::Sender<bool>,
}

impl Foresight {
    pub(super) fn new() -> Self {
        Self { told: RefCell::default(), good: RefCell::default(), asking: watch::Sender::new(false) }
    }
}

impl Agent {
    /// What the next start would do. A stop that is under way is not disturbed.
    pub(super) async fn foreseen(self: &Rc<Self>, entries: usize) -> Foreseen {
        let foresight = &self.foresight;
        let (epoch, started, over, stopping) = {
            let session = self.session.borrow();
            let session = session.as_deref();
            let is = |what: fn(&super::session::Session) -> bool| session.is_some_and(what);
            (
                session.map(super::session::Session::epoch),
                is(|session| session.started.get()),
                is(super::session::Session::is_over),
                is(|session| session.stopping.get() && !session.is_over()),
            )
        };
        let basis = (epoch, started, over, entries);
        let is_good = foresight.good.borrow().is_some_and(|(of, until)| of == basis && self.clock.now() < until);
        if !is_good && !stopping {
            if !foresight.asking.send_replace(true) {
                let agent = Rc::clone(self);
                tokio::task::spawn_local(async move { agent.foresee_next(basis).await });
            }
            let mut asking = foresight.asking.subscribe();
            let _ = tokio::time::timeout(PATIENCE, asking.wait_for(|asking| !asking)).await;
        }
        let mut told = foresight.told.borrow().clone();
        if *foresight.asking.borrow() {
            told.trouble.get_or_insert_with(|| "record and storage are still being asked".to_owned());
        }
        told
    }

    async fn foresee_next(self: Rc<Self>, basis: Basis) {
        let began = self.clock.now();
        let mut answer = self.ask_for_a_plan().await;
        // While the job goes on Flink deletes checkpoints: one may go just while it is being looked at.
        if matches!(&answer, Ok(plan) if basis.1 && !matches!(plan.decision.as_str(), "restore" | "resubmit")) {
            answer = self.ask_for_a_plan().await;
        }
        let now = self.clock.now();
        let good_for = if answer.is_ok() { GOOD_FOR.max(now.since(began) * WORTH) } else { AGAIN };
        *self.foresight.good.borrow_mut() = Some((basis, now.plus(good_for)));
        let mut told = self.foresight.told.borrow_mut();
        match answer {
            Ok(plan) => *told = Foreseen { plan: Some(Rc::new((Timestamp::now(), plan))), trouble: None },
            Err(reason) => told.trouble = Some(reason),
        }
        drop(told);
        self.foresight.asking.send_replace(false);
    }

    async fn ask_for_a_plan(&self) -> Result<Plan, String> {
        let setup = self.session.borrow().as_ref().map(|session| session.setup.clone());
        let storage = setup.as_ref().map_or_else(|| self.storage.clone(), |setup| self.storage.or_of(setup));
        let request = people::Request::Plan { setup: setup.map(Box::new) };
        let (record, storage, config) = (&self.record, &storage, &self.config);
        let here = people::Here { record, storage, config, kubernetes: self.kubernetes.as_ref(), running: None };
        match Box::pin(people::answer(request, here)).await {
            Answer::Plan(plan) => Ok(*plan),
            Answer::Refused { reason, .. } => Err(reason),
            _ => Err("the plan was not understood".to_owned()),
        }
    }
}
