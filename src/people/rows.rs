//! The record as people read it: a row for each point, and for each epoch or job that saved none.

use super::Row;
use crate::protocol::history::{Epoch, History};
use crate::protocol::id::JobId;

/// All recorded points, newest first.
pub(crate) fn rows(history: &History) -> Vec<Row> {
    let mut rows = Vec::new();
    for (&number, epoch) in history.epochs.iter().rev() {
        let Some(based) = &epoch.based else { continue };
        let row = Row {
            epoch: number,
            path: None,
            kind: None,
            job_id: epoch.claim.as_ref().and_then(|claim| claim.job_id),
            job_name: None,
            checkpoint_id: None,
            completed_at: None,
            bytes: None,
            duration_ms: None,
            predicted_ms: None,
            doubt: None,
            salvaged: false,
            base: based.base.as_ref().map(|base| base.path.clone()),
            confirmed: epoch.confirmed,
            restore_failed: epoch.restore_failed.as_ref().map(|failed| failed.reason.clone()),
            outcome: epoch.stopped.as_ref().map(|(outcome, ..)| *outcome),
            ended: epoch.ended.as_ref().map(|end| end.how),
        };
        let saved = epoch.saved.iter().rev().map(|saved| Row {
            path: Some(saved.point.path.clone()),
            kind: Some(saved.kind),
            job_id: Some(saved.job_id),
            job_name: saved.job_name.clone(),
            checkpoint_id: saved.point.checkpoint_id,
            completed_at: Some(saved.completed_at),
            bytes: saved.bytes,
            duration_ms: saved.duration_ms,
            predicted_ms: saved.predicted_ms,
            doubt: saved.doubt.clone(),
            salvaged: saved.salvaged,
            ..of_job(&row, epoch, saved.job_id)
        });
        let before = rows.len();
        rows.extend(saved);
        let pointless = epoch.jobs.iter().filter(|(id, _)| epoch.saved.iter().all(|saved| saved.job_id != **id));
        rows.extend(pointless.map(|(id, _)| of_job(&row, epoch, *id)));
        if rows.len() == before {
            rows.push(row);
        }
    }
    rows
}

/// A row with what is known of one job among several.
fn of_job(row: &Row, epoch: &Epoch, job_id: JobId) -> Row {
    let Some(past) = epoch.jobs.get(&job_id) else { return row.clone() };
    Row {
        job_id: Some(job_id),
        job_name: Some(past.name.clone()),
        base: past.restored.as_ref().map(|point| point.path.clone()),
        outcome: past.stopped.as_ref().map(|(outcome, _)| *outcome),
        ended: past.ended.as_ref().map(|end| end.how),
        ..row.clone()
    }
}
