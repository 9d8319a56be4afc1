//! What Flink can delete in the store's place: savepoints, each with every file that its `_metadata` names, wherever that lies.

use super::{Inventory, Line, Reading, Verdict, What};

/// Leaves to Flink only savepoints that it deletes alone. Gives those that are still to be read to tell.
pub(super) fn leave_to_flink(lines: &mut [Line], inventory: &Inventory) -> Vec<String> {
    let mut unread = Vec::new();
    for line in lines.iter_mut().filter(|line| line.verdict == Verdict::Delete) {
        let stays = if line.what == What::Savepoint {
            match inventory.read.get(&line.path) {
                Some(Reading::Needs(elsewhere)) => elsewhere.first().map(|directory| {
                    (Verdict::Keep, format!("Flink would delete what it refers to in {directory} with it"))
                }),
                Some(Reading::Unreadable(why)) => {
                    Some((Verdict::Keep, format!("nobody knows what Flink would delete with it: {why}")))
                }
                None => {
                    unread.push(line.path.clone());
                    Some((Verdict::Keep, "it is not known yet what Flink would delete with it".to_owned()))
                }
            }
        } else {
            Some((Verdict::Report, "Flink disposes of whole savepoints only: prune without --by flink".to_owned()))
        };
        if let Some((verdict, why)) = stays {
            (line.verdict, line.reason) = (verdict, format!("{}, but {why}", line.reason));
        }
    }
    unread
}
