//! The rules of retention, one after the other: the first that speaks decides.

mod jobs;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::choose::{Choice, Decision, Situation, Standing, choose, completed, passed_over, standing};
use super::super::history::Epoch;
use super::super::point::{Found, Kind, Metadata, normalize, same};
use super::disposal::leave_to_flink;
use super::{Findings, Inventory, JobFolder, Line, Measured, Reading, Terms, Verdict, What};

pub(super) struct Rules<'a> {
    inventory: &'a Inventory,
    terms: &'a Terms,
    /// Whole points of this cluster, newest first.
    standing: Vec<Standing>,
    /// Why nothing at all goes.
    blocked: Option<String>,
    /// Points that no rule gives away.
    held: BTreeMap<String, String>,
    /// Points that a start could go back to.
    kept: BTreeMap<String, String>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(inventory: &'a Inventory, terms: &'a Terms) -> Self {
        let situation = &inventory.situation;
        let choice = choose(situation);
        let mut rules = Self {
            inventory,
            terms,
            standing: standing(situation),
            blocked: blocked(situation, &choice),
            held: BTreeMap::new(),
            kept: BTreeMap::new(),
        };
        rules.hold(&choice);
        if situation.session {
            rules.count_jobs();
        } else {
            rules.count();
        }
        if rules.of_several() {
            rules.hold_jobs();
        }
        rules
    }

    fn situation(&self) -> &'a Situation {
        &self.inventory.situation
    }

    /// What is in use, or wanted by a person.
    fn hold(&mut self, choice: &Choice) {
        let mut hold = |path: &str, why: String| {
            self.held.entry(normalize(path)).or_insert(why);
        };
        if let Decision::Restore(point) = &choice.decision {
            hold(&point.path, "the next start restores it".to_owned());
        }
        if let Some(pin) = self.inventory.situation.history.request.as_ref().and_then(|request| request.pin.as_ref()) {
            hold(pin, "pinned".to_owned());
        }
        let Some((number, epoch, based)) = newest(&self.inventory.situation) else { return };
        if let Some(explicit) = &based.explicit {
            hold(explicit, "Flink's own arguments or configuration name it".to_owned());
        }
        if let Some(pin) = epoch.used.as_ref().and_then(|used| used.pin.as_ref()).filter(|_| !epoch.confirmed) {
            hold(pin, format!("pinned for epoch {number}, whose restore is not confirmed"));
        }
        if let Some(base) = &based.base {
            let later = |one: &Standing| one.in_line && one.point.epoch == Some(number);
            if !epoch.confirmed {
                hold(&base.path, format!("epoch {number} restored it, which is not confirmed"));
            } else if !self.standing.iter().any(later) {
                hold(&base.path, format!("epoch {number} restored it and has completed nothing since"));
            }
        }
        if let Some(savepoint) = self.standing.iter().find(|one| one.in_line && !one.checkpoint) {
            hold(&savepoint.point.path, "the newest savepoint".to_owned());
        }
        if let Decision::Restore(point) = without_request(&self.inventory.situation).decision {
            hold(&point.path, "the next start restores it, should the pin be taken back".to_owned());
        }
        for path in passed_over(&self.inventory.situation) {
            hold(&path, "newer than what a start can restore: a person may want to look".to_owned());
        }
        for (epoch, failed) in self.inventory.situation.history.restore_failures() {
            hold(&failed.path, format!("Flink could not restore it in epoch {epoch}, and a person may want to look"));
        }
    }

    /// What `keep` leaves to go back to: of the line that the next start goes on, and of those that were left.
    fn count(&mut self) {
        let keep = self.terms.keep.max(1);
        let line = || self.standing.iter().filter(|one| one.in_line);
        let points = line().take(keep).map(|one| (one, format!("one of the {keep} newest points")));
        let savepoints = line().filter(|one| !one.checkpoint).take(keep);
        let savepoints = savepoints.map(|one| (one, format!("one of the {keep} newest savepoints")));
        let left = self.standing.iter().filter(|one| !one.in_line && !one.checkpoint).take(keep);
        let left =
            left.map(|one| (one, format!("one of the {keep} newest savepoints that the cluster did not go on from")));
        let kept = savepoints.chain(left).chain(points).map(|(one, why)| (one.point.path.clone(), why));
        let mut all = BTreeMap::new();
        for (path, why) in kept {
            all.entry(path).or_insert(why);
        }
        self.kept = all;
    }

    pub(super) fn findings(&self) -> Findings {
        let mut unmeasured = Vec::new();
        let mut lines = Vec::new();
        let mut found: Vec<&Found> = self.situation().found.iter().filter(|found| !found.checkpoint).collect();
        found.sort_by(|a, b| {
            let key = |found: &Found| (found.checkpoint_id().is_some(), found.epoch, found.checkpoint_id());
            key(b).cmp(&key(a)).then_with(|| a.path.cmp(&b.path))
        });
        lines.extend(found.into_iter().filter_map(|found| self.savepoint(found, &mut unmeasured)));
        lines.extend(self.inventory.folders.iter().map(|folder| self.folder(folder, &mut unmeasured)));
        for line in &mut lines {
            if let (Verdict::Delete, Some(why)) = (line.verdict, &self.blocked) {
                (line.verdict, line.reason) = (Verdict::Keep, format!("it might go ({}), but {why}", line.reason));
            }
        }
        self.spare_for_repair(&mut lines);
        let mut unread = if self.terms.by_flink { leave_to_flink(&mut lines, self.inventory) } else { Vec::new() };
        unread.extend(self.prove(&mut lines));
        for line in &lines {
            if line.verdict == Verdict::Delete && !self.inventory.measured.contains_key(&line.path) {
                unmeasured.push(line.path.clone());
            }
        }
        unmeasured.sort();
        unmeasured.dedup();
        Findings { lines, unread, unmeasured }
    }

    fn savepoint(&self, found: &Found, unmeasured: &mut Vec<String>) -> Option<Line> {
        let (situation, path) = (self.situation(), &found.path);
        let history = &situation.history;
        let recorded = history.saved().find(|(_, saved)| same(&saved.point.path, path)).map(|(_, saved)| saved);
        let own = self.own_epoch(found);
        let by_us = recorded.is_some_and(|saved| matches!(saved.kind, Kind::Final | Kind::Periodic));
        if own.is_none() && !by_us {
            return None;
        }
        let what = if found.metadata == Metadata::Missing { What::HalfWritten } else { What::Savepoint };
        let known = |epoch: u64| history.epochs.get(&epoch).is_some_and(|epoch| epoch.based.is_some());
        let held = self.held.iter().find(|(held, _)| same(held, path)).map(|(_, why)| why);
        let (verdict, reason) = if let Some(why) = held {
            (Verdict::Keep, why.clone())
        } else if history.is_pruned(path) {
            (Verdict::Delete, "given up by an earlier prune, which did not come to its end".to_owned())
        } else if let Some(epoch) = own.filter(|epoch| !known(*epoch)) {
            (Verdict::Report, format!("of epoch {epoch}, which the record does not know"))
        } else if what == What::HalfWritten && recorded.is_some() {
            (Verdict::Report, "it was recorded as whole, but its _metadata is gone".to_owned())
        } else if what == What::HalfWritten {
            self.half_written(path, own, unmeasured)
        } else if let Some(why) = self.damage(found) {
            (Verdict::Report, format!("it can't be restored: {why}"))
        } else if recorded.is_some_and(|saved| saved.kind == Kind::Manual) {
            (Verdict::Keep, "a person took it".to_owned())
        } else if let Some(age) = self.too_old(path) {
            (Verdict::Delete, age)
        } else if let Some(why) = self.kept.get(path) {
            (Verdict::Keep, why.clone())
        } else {
            (Verdict::Delete, format!("older than the {} newest savepoints", self.terms.keep.max(1)))
        };
        let bytes = self.measured(path).map(|measured| measured.bytes).or_else(|| recorded?.bytes);
        Some(Line { what, path: path.clone(), bytes, verdict, reason })
    }

    /// The epoch in whose own folder it lies. The folders of all directories that any epoch used are ours.
    fn own_epoch(&self, found: &Found) -> Option<u64> {
        let history = &self.situation().history;
        let directories = history.epochs.values().filter_map(|epoch| Some(&epoch.claim.as_ref()?.directories));
        let epoch = found.epoch?;
        let folder = format!("/{}/{epoch}/", self.situation().cluster);
        let below =
            |root: &str| found.path.strip_prefix(&*normalize(root)).is_some_and(|rest| rest.starts_with(&folder));
        directories.map(|directories| directories.savepoint.as_str()).any(below).then_some(epoch)
    }

    fn half_written(&self, path: &str, own: Option<u64>, unmeasured: &mut Vec<String>) -> (Verdict, String) {
        let history = &self.situation().history;
        let newest = history.newest_claim().map(|(number, _)| number);
        let under_way = |epoch: &Epoch| epoch.attempt.is_some() && epoch.stopped.is_none() && epoch.ended.is_none();
        if own.is_some()
            && own == newest
            && newest.and_then(|newest| history.epochs.get(&newest)).is_some_and(under_way)
        {
            return (Verdict::Keep, "a savepoint is under way, or nobody knows yet what came of it".to_owned());
        }
        match self.idle(path, unmeasured) {
            // In the newest epoch's folder a directory may have been made just now.
            Idle::Empty if own == newest => (Verdict::Keep, "it was made by the newest epoch".to_owned()),
            Idle::Empty => (Verdict::Delete, "empty".to_owned()),
            Idle::Unknown => (Verdict::Keep, "nobody knows when it was last written".to_owned()),
            Idle::Too(short) => (Verdict::Keep, format!("half-written, and {short}")),
            Idle::Long if own == newest && self.may_be_under_way(own, path) => {
                (Verdict::Keep, "half-written, and the epoch goes on: a savepoint may be under way".to_owned())
            }
            Idle::Long => (Verdict::Delete, "half-written: it has no _metadata, and nobody works on it".to_owned()),
        }
    }

    /// No savepoint of a job that goes on is noted before it is complete; none takes longer than a day.
    fn may_be_under_way(&self, own: Option<u64>, path: &str) -> bool {
        let epoch = own.and_then(|own| self.situation().history.epochs.get(&own));
        let goes_on = epoch.is_some_and(|epoch| epoch.stopped.is_none() && epoch.ended.is_none() && !epoch.left);
        let changed = self.measured(path).and_then(|measured| measured.changed);
        let is_recent = |changed| self.situation().now.duration_since(changed) < SignedDuration::from_hours(24);
        goes_on && changed.is_none_or(is_recent)
    }

    fn folder(&self, folder: &JobFolder, unmeasured: &mut Vec<String>) -> Line {
        let JobFolder { path, job_id } = folder;
        let (situation, history) = (self.situation(), &self.situation().history);
        let measured = self.measured(path);
        if measured.is_none() {
            unmeasured.push(path.clone());
        }
        let epoch = job_id.epoch_of(&situation.cluster).or_else(|| history.epoch_of_job(*job_id));
        let known = |epoch: u64| history.epochs.get(&epoch).is_some_and(|epoch| epoch.based.is_some());
        // Of epochs that came after it nobody knows yet what they came to.
        let newest = newest(situation).map(|(number, ..)| number);
        let claims = history.epochs.range(newest.unwrap_or(0)..).filter_map(|(_, epoch)| epoch.claim.as_ref());
        let in_use = epoch >= newest || claims.into_iter().any(|claim| claim.job_id == Some(*job_id));
        let inside = |points: &BTreeMap<String, String>| {
            let (point, why) = points.iter().find(|(point, _)| lies_in(point, path))?;
            Some(format!("it holds {}: {why}", point.rsplit('/').next().unwrap_or(point)))
        };
        let (verdict, reason) = match epoch {
            None => (Verdict::Report, "of a job that the record does not know".to_owned()),
            Some(epoch) if in_use => (Verdict::Keep, format!("of epoch {epoch}, which is in use or newer")),
            Some(epoch) if !known(epoch) => {
                (Verdict::Report, format!("of epoch {epoch}, in which Flink never started as far as the record knows"))
            }
            Some(epoch) => {
                if let Some(why) = inside(&self.held).or_else(|| inside(&self.kept)) {
                    (Verdict::Keep, why)
                } else if history.is_pruned(path) {
                    (Verdict::Delete, "given up by an earlier prune, which did not come to its end".to_owned())
                } else if !self.terms.checkpoints {
                    let way = "savepointd prune --checkpoints deletes it, unless a point that stays refers to it";
                    (Verdict::Report, format!("left over from epoch {epoch}; {way}"))
                } else {
                    match self.idle(path, unmeasured) {
                        Idle::Unknown => (Verdict::Keep, "nobody knows when it was last written".to_owned()),
                        Idle::Too(short) => (Verdict::Keep, format!("left over from epoch {epoch}, but {short}")),
                        Idle::Empty | Idle::Long => (Verdict::Delete, format!("left over from epoch {epoch}")),
                    }
                }
            }
        };
        Line { what: What::Checkpoints, path: path.clone(), bytes: measured.map(|one| one.bytes), verdict, reason }
    }

    /// Nothing goes that a point that stays refers to, and nothing at all while one of them can't be read. What stays for
    /// that reason may be a point with references of its own, so this goes on until nothing changes. Gives the points that
    /// are still to be read.
    fn prove(&self, lines: &mut [Line]) -> Vec<String> {
        loop {
            let going: BTreeSet<String> =
                lines.iter().filter(|line| line.verdict == Verdict::Delete).map(|line| line.path.clone()).collect();
            if going.is_empty() {
                return Vec::new();
            }
            let stays = |path: &str| !going.iter().any(|gone| lies_in(path, gone));
            let standing = self.standing.iter().map(|one| one.point.path.as_str());
            // What can't be restored needs nothing.
            let held = self.held.keys().filter(|path| !self.situation().broken.contains_key(*path)).map(String::as_str);
            let staying: BTreeSet<&str> = standing.chain(held).filter(|path| stays(path)).collect();
            let mut unread = Vec::new();
            let mut changed = false;
            for path in staying {
                let why = |gone: &str| match self.inventory.read.get(path) {
                    Some(Reading::Needs(directories)) => {
                        let refers = directories.iter().any(|directory| lies_in(directory, gone));
                        refers.then(|| format!("{path} refers to it"))
                    }
                    None => None,
                    Some(Reading::Unreadable(why)) => {
                        Some(format!("{path}, which may refer to it, can't be read: {why}"))
                    }
                };
                if !self.inventory.read.contains_key(path) {
                    unread.push(path.to_owned());
                }
                for line in lines.iter_mut().filter(|line| line.verdict == Verdict::Delete) {
                    if let Some(why) = why(&line.path) {
                        (line.verdict, line.reason) = (Verdict::Keep, format!("{}, but {why}", line.reason));
                        changed = true;
                    }
                }
            }
            if !changed {
                for line in lines.iter_mut().filter(|line| line.verdict == Verdict::Delete && !unread.is_empty()) {
                    let what = "it is not known yet whether a point that stays refers to it";
                    (line.verdict, line.reason) = (Verdict::Keep, format!("{}, but {what}", line.reason));
                }
                return unread;
            }
        }
    }

    /// What is damaged needs nothing as it is; but whoever repairs it should still find the files that it refers to.
    fn spare_for_repair(&self, lines: &mut [Line]) {
        let given_up = |line: &Line| self.situation().history.is_pruned(&line.path);
        let goes = |line: &Line| (line.what, line.verdict) == (What::Checkpoints, Verdict::Delete) && !given_up(line);
        let deleted = lines.iter().filter(|line| line.verdict == Verdict::Delete);
        let going: Vec<String> = deleted.map(|line| line.path.clone()).collect();
        let stays = |found: &Found| !going.iter().any(|gone| lies_in(&found.path, gone));
        let ours = |found: &&Found| found.epoch.is_some() || found.job_id.is_some();
        let points = self.situation().found.iter().filter(|found| found.metadata != Metadata::Missing);
        let Some(point) = points.filter(ours).find(|found| stays(found) && self.damage(found).is_some()) else {
            return;
        };
        for line in lines.iter_mut().filter(|line| goes(line)) {
            let why = format!("{}, which may refer to it, is damaged", point.path);
            (line.verdict, line.reason) = (Verdict::Keep, format!("{}, but {why}", line.reason));
        }
    }

    fn damage(&self, found: &Found) -> Option<String> {
        let broken = match &found.metadata {
            Metadata::Broken(why) => Some(why),
            Metadata::Whole { .. } | Metadata::Missing => None,
        };
        broken.or_else(|| self.situation().broken.get(&found.path)).cloned()
    }

    fn too_old(&self, path: &str) -> Option<String> {
        let limit = self.terms.max_age?;
        let age = self.situation().now.duration_since(completed(self.situation(), path)?);
        (age > limit).then(|| format!("older than {limit:#}"))
    }

    fn measured(&self, path: &str) -> Option<&Measured> {
        self.inventory.measured.get(path)
    }

    fn idle(&self, path: &str, unmeasured: &mut Vec<String>) -> Idle {
        let Some(measured) = self.measured(path) else {
            unmeasured.push(path.to_owned());
            return Idle::Unknown;
        };
        match measured.changed {
            _ if measured.files == 0 => Idle::Empty,
            None => Idle::Unknown,
            Some(changed) if self.young(changed) => {
                Idle::Too(format!("written within the last {:#}", self.terms.min_age))
            }
            Some(_) => Idle::Long,
        }
    }

    fn young(&self, changed: Timestamp) -> bool {
        self.situation().now.duration_since(changed) < self.terms.min_age
    }
}

/// How long nothing was written.
enum Idle {
    /// There is no file.
    Empty,
    Unknown,
    Too(String),
    Long,
}

/// What the next start does if a person takes back what was asked of it.
fn without_request(situation: &Situation) -> Choice {
    let mut situation = situation.clone();
    situation.history.request = None;
    choose(&situation)
}

fn newest(situation: &Situation) -> Option<(u64, &Epoch, &super::super::entry::Based)> {
    situation.history.newest_based(u64::MAX)
}

fn blocked(situation: &Situation, choice: &Choice) -> Option<String> {
    if newest(situation).is_none() {
        return Some("no start is recorded yet".to_owned());
    }
    (choice.decision == Decision::Refuse)
        .then(|| format!("the next start would be refused, and a person has to look first: {}", choice.reason))
}

/// Whether `path` is `directory` or lies in it. Scheme and authority are not compared: one store has several names
/// (`s3://` and `s3a://`), and what is kept because of a name that two stores share is only kept.
fn lies_in(path: &str, directory: &str) -> bool {
    let below = path_of(path).strip_prefix(path_of(directory));
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

fn path_of(url: &str) -> &str {
    url.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1)).unwrap_or(url)
}
