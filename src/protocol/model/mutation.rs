//! A protocol that is not ours: the same machines, with one effect dropped, or told of what nobody has seen. What the checker does not
//! find in these, it does not look for.

use super::super::entry::{Entry, Fact};
use super::super::point::{Found, Listing, PointRef};
use super::super::start;
use super::super::stop::{self, RecordReply, Search, Secured};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mutation {
    /// Storage that can't be listed is taken for empty.
    AwayIsAbsent,
    /// The newest point is missing in listings.
    OldListing,
    /// The stop's outcome is taken for written when no answer came.
    SilenceIsDone,
    /// What a stale agent says is written.
    NoFence,
    /// Nobody looks whether a point is whole.
    NoLook,
    /// Retention does not see what people have pinned.
    Blind,
    /// The marker is not written.
    NoMark,
    /// Nobody looks whether the marker has somebody else's claim of the same number.
    GivenTwice,
    /// The record is not told of a job's end.
    NoEnd,
}

/// What a start is told.
pub(super) fn of_start(mutation: Option<Mutation>, effect: &start::Effect, event: start::Event) -> start::Event {
    use start::Event;
    match (mutation, event) {
        (Some(Mutation::AwayIsAbsent), Event::Listed(Err(_))) => Event::Listed(Ok(Listing::default())),
        (Some(Mutation::OldListing), Event::Listed(Ok(mut listing))) => {
            let newest = listing.found.iter().filter_map(Found::checkpoint_id).max();
            listing.found.retain(|found| found.checkpoint_id() != newest);
            Event::Listed(Ok(listing))
        }
        (Some(Mutation::NoLook), Event::Verified(Search::Broken(_))) => match effect {
            start::Effect::Verify(path) => Event::Verified(Search::Found(unseen(path))),
            _ => Event::Nudged,
        },
        (_, event) => event,
    }
}

/// What a stop is told.
pub(super) fn of_stop(mutation: Option<Mutation>, effect: &stop::Effect, event: stop::Event) -> stop::Event {
    use stop::Event;
    match (mutation, effect, event) {
        (Some(Mutation::SilenceIsDone), _, Event::Recorded(RecordReply::Failed(_))) => {
            Event::Recorded(RecordReply::Done)
        }
        (Some(Mutation::NoLook), stop::Effect::Verify(path), Event::Searched(Search::Broken(_))) => {
            Event::Searched(Search::Found(unseen(path)))
        }
        (_, _, event) => event,
    }
}

fn unseen(path: &str) -> Secured {
    let point = PointRef { path: path.to_owned(), checkpoint_id: None, epoch: None };
    Secured { point, job_id: None, bytes: None, completed_at: None, doubt: None }
}

/// What the record hears of what is said.
pub(super) fn heard(mutation: Option<Mutation>, mut entries: Vec<Entry>) -> Vec<Entry> {
    if mutation == Some(Mutation::NoEnd) {
        entries.retain(|entry| !matches!(entry.fact, Fact::Ended(_)));
    }
    entries
}
