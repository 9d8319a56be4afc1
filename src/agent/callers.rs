//! How many connections each caller of the admin server holds. Anybody in the cluster may call: one who takes all that he can get must
//! neither keep guards, probes and Prometheus out nor use up the agent's memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Each address may hold so many. All guards of a cluster may come from one, where a mesh stands between.
const EACH: usize = 500;

/// Who holds how many.
#[derive(Debug, Clone, Default)]
pub(super) struct Callers(Rc<RefCell<HashMap<IpAddr, usize>>>);

/// One connection. Dropped, it is over.
#[derive(Debug)]
pub(super) struct Call {
    callers: Callers,
    from: IpAddr,
}

impl Callers {
    /// Counts one more; none if its caller has enough.
    pub(super) fn admit(&self, from: IpAddr) -> Option<Call> {
        let mut callers = self.0.borrow_mut();
        let held = callers.entry(from).or_default();
        if *held == EACH {
            return None;
        }
        *held += 1;
        Some(Call { callers: self.clone(), from })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut callers = self.callers.0.borrow_mut();
        if let Some(held) = callers.get_mut(&self.from) {
            *held -= 1;
            if *held == 0 {
                callers.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_its_share_and_others_have_theirs() {
        let callers = Callers::default();
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        let mut held: Vec<Call> = std::iter::from_fn(|| callers.admit(one)).take(2 * EACH).collect();
        assert_eq!((held.len(), callers.admit(one).is_none()), (EACH, true));
        assert!(callers.admit(other).is_some());
        held.pop();
        assert!(callers.admit(one).is_some());
        held.clear();
        assert!(callers.0.borrow().is_empty(), "who has left is forgotten");
    }
}
