//! Which requests tell of many files with few of them: a listing answers for a thousand files at once, of which only some
//! are wanted; asking for each costs one request a file.

/// So many files one answer to a listing holds, at every store.
pub(super) const PAGE: usize = 1_000;
/// So many files are asked for at once.
pub(super) const ASKED_AT_ONCE: usize = 64;
/// A directory of which no more files than this are wanted is not listed: nobody knows how many others it holds.
const FEW: usize = 3;

/// Whether a directory is listed rather than asked for each of so many wanted files.
pub(super) fn lists(wanted: usize) -> bool {
    wanted > FEW
}

/// Whether a listing goes on, of which so many answers have come, and after which so many wanted files are still
/// outstanding. It never costs more than asking for each from the beginning would have, and again as much.
pub(super) fn goes_on(answers: usize, outstanding: usize) -> bool {
    answers < outstanding
}

/// Whether what lies above so many scattered files is listed: a few are asked for at once, and as quickly.
pub(super) fn lists_above(wanted: usize) -> bool {
    wanted > 2 * ASKED_AT_ONCE
}

/// The same as [`goes_on`] for what lies above: answers come one after another, while many questions are asked at once.
pub(super) fn goes_on_above(answers: usize, outstanding: usize) -> bool {
    answers * ASKED_AT_ONCE < outstanding
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests for `wanted` files that lie evenly among `there`.
    fn requests(wanted: usize, there: usize) -> usize {
        if !lists(wanted) {
            return wanted;
        }
        for answers in 1.. {
            let seen = (answers * PAGE).min(there);
            let outstanding = wanted - wanted * seen / there;
            if seen == there || !goes_on(answers, outstanding) {
                return answers + if seen == there { 0 } else { outstanding };
            }
        }
        unreachable!()
    }

    #[test]
    fn many_files_of_one_directory_take_few_requests() {
        assert_eq!(requests(10_000, 10_001), 11);
        assert_eq!(requests(4, 5), 1);
        assert_eq!(requests(2, 1_000_000), 2);
    }

    #[test]
    fn a_directory_of_strangers_costs_at_most_twice_what_asking_for_each_does() {
        for wanted in [1, 3, 4, 10, 100, 5_000] {
            for there in [wanted, 1_000, 20_000, 1_000_000, 50_000_000] {
                let there = there.max(wanted);
                assert!(requests(wanted, there) <= 2 * wanted, "{wanted} of {there}: {}", requests(wanted, there));
            }
        }
    }

    #[test]
    fn what_lies_above_scattered_files_is_listed_while_that_is_quicker_than_asking() {
        assert!(!lists_above(100) && lists_above(10_000));
        // Of 10,000 the listing may cost as long as it takes to ask for them all.
        let answers = (1..1_000).find(|answers| !goes_on_above(*answers, 10_000)).unwrap();
        assert_eq!(answers, 157);
        assert!(goes_on_above(11, 10_000 - 10_000 / 2), "half of what is there is wanted");
    }
}
