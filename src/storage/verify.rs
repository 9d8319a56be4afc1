//! Proves a point whole: reads its `_metadata` to the end and finds every file that it refers to, with its length.
//!
//! Flink itself starts a job whose files are missing, and then fails again and again. So this is done before, with few
//! requests: a restart of a job with much state costs a few listings.

mod damage;
mod requests;
mod scattered;
mod wanted;

use std::cell::RefCell;
use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hyper::body::Bytes;
use jiff::Timestamp;

pub use damage::{Damage, Wrong};
use requests::{ASKED_AT_ONCE, PAGE, goes_on, goes_on_above, lists, lists_above};
use scattered::together;
use wanted::{Files, Length, Wanted};

use super::pull::pull;
use super::{Error, Listed, Place, Storage};
use crate::flink::metadata::{self, HEAD, Head, Metadata, ReadError};
use crate::report;

/// So many directories are listed at once.
const LISTED_AT_ONCE: usize = 16;

/// What is known of a point. While it is being verified, what is known so far.
#[derive(Debug, Default)]
pub struct Report {
    /// What it comes to; none as long as it is not known.
    pub verdict: Option<Verdict>,
    /// The point's number.
    pub checkpoint_id: Option<u64>,
    /// The version of its `_metadata`.
    pub version: Option<u32>,
    /// When the store last changed `_metadata`.
    pub completed_at: Option<Timestamp>,
    /// Files that it needs, besides `_metadata`.
    pub files: usize,
    /// Files that were looked at.
    pub checked: usize,
    /// Bytes of these files and of `_metadata`.
    pub bytes: u64,
    /// Bytes of `_metadata` that were read.
    pub read: u64,
    /// Requests to the store.
    pub requests: u64,
    /// What is wrong.
    pub damages: Vec<Damage>,
    /// Files that could not be looked at.
    pub unseen: usize,
    /// Why the first of them could not.
    pub doubt: Option<String>,
}

/// What verifying a point comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every file is there, with its length.
    Whole,
    /// There is no `_metadata`, and the place could be read.
    Absent,
    /// It is damaged; the text names the first few damages.
    Broken(String),
    /// It can't be told, and won't be by waiting.
    Doubtful(String),
    /// It can't be told now.
    Unreadable(String),
}

/// Verifies a point; `progress` can be read meanwhile, and is the result.
pub async fn verify(storage: &Storage, point: &Place, progress: &RefCell<Report>) {
    let verdict = examine(storage, point, progress).await.unwrap_or_else(|error| {
        let why = report::chain(&error);
        if error.passes() { Verdict::Unreadable(why) } else { Verdict::Doubtful(why) }
    });
    progress.borrow_mut().verdict = Some(verdict);
}

async fn examine(storage: &Storage, point: &Place, progress: &RefCell<Report>) -> Result<Verdict, Error> {
    let file = point.join("_metadata");
    count_request(progress);
    let Some((bytes, modified)) = file.stat().await? else { return absent(point, progress).await };
    {
        let mut report = progress.borrow_mut();
        (report.completed_at, report.bytes) = (modified, bytes);
    }
    let (read, wanted) = read(&file, point.url(), progress).await?;
    match read {
        Ok(metadata) => {
            let mut report = progress.borrow_mut();
            report.version = Some(metadata.version);
            report.checkpoint_id = Some(metadata.checkpoint_id);
            report.files = wanted.count();
        }
        Err(error @ ReadError::Damaged { .. }) => return Ok(Verdict::Broken(error.to_string())),
        Err(ReadError::Unknown { offset, what }) => {
            let why = format!("{what} in _metadata, at byte {offset}, is not known to this build of savepointd");
            return Ok(Verdict::Doubtful(why));
        }
        Err(error @ ReadError::Io(_)) => return Ok(Verdict::Unreadable(report::chain(&error))),
    }
    find(storage, wanted, progress).await?;
    Ok(progress.borrow().judge())
}

impl Report {
    /// The first few damages in one sentence.
    #[must_use]
    pub fn words_of_damage(&self) -> String {
        damage::sentence(&self.damages)
    }

    fn judge(&self) -> Verdict {
        match (&self.doubt, self.unseen) {
            _ if !self.damages.is_empty() => Verdict::Broken(self.words_of_damage()),
            (Some(why), 0 | 1) => Verdict::Doubtful(why.clone()),
            (Some(why), files) => Verdict::Doubtful(format!("{why}; {files} of {} files can't be seen", self.files)),
            (None, _) => Verdict::Whole,
        }
    }

    fn saw(&mut self, path: impl FnOnce() -> String, length: Length, size: Option<u64>) {
        self.checked += 1;
        self.bytes += size.unwrap_or_default();
        self.damages.extend(Damage::of(path, length, size));
    }

    fn doubts(&mut self, error: &Error, files: usize) {
        self.unseen += files;
        self.checked += files;
        self.doubt.get_or_insert_with(|| report::chain(error));
    }
}

fn count_request(progress: &RefCell<Report>) {
    progress.borrow_mut().requests += 1;
}

/// Nothing is there, or something that is no file is in the way.
async fn absent(point: &Place, progress: &RefCell<Report>) -> Result<Verdict, Error> {
    count_request(progress);
    let (folders, _) = point.children().await?;
    if folders.iter().any(|name| name == "_metadata") {
        return Ok(Verdict::Broken(format!("{}/_metadata is a directory", point.url())));
    }
    Ok(Verdict::Absent)
}

/// The directories, outside its own, in which files lie that a point needs; the inner error is the reader's.
///
/// # Errors
/// If its `_metadata` can't be read, or is not there.
pub async fn directories(point: &Place) -> Result<Result<BTreeSet<String>, ReadError>, Error> {
    let (read, wanted) = read(&point.join("_metadata"), point.url(), &RefCell::default()).await?;
    let elsewhere = wanted.directories.into_keys().map(String::from).filter(|url| url != point.url());
    Ok(match wanted.nowhere.into_iter().next() {
        Some(path) => Err(ReadError::Unknown { offset: 0, what: format!("a reference to {path:?}") }),
        None => read.map(|_| elsewhere.collect()),
    })
}

/// Reads `_metadata` to its end.
async fn read(
    file: &Place,
    own: &str,
    progress: &RefCell<Report>,
) -> Result<(Result<Metadata, ReadError>, Wanted), Error> {
    count_request(progress);
    let mut head = Vec::with_capacity(HEAD);
    let seen = |piece: &Bytes| {
        let mut report = progress.borrow_mut();
        report.read += piece.len() as u64;
        if head.len() < HEAD {
            head.extend(piece.iter().take(HEAD - head.len()));
            let head = Head::parse(&head).ok().or_else(|| Head::of_newer(&head));
            report.checkpoint_id = head.map(|head| head.checkpoint_id);
        }
    };
    let own = own.to_owned();
    let read = pull(file, seen, move |input| {
        let mut wanted = Wanted::default();
        let read = metadata::read(input, &mut |file| wanted.add(&own, file));
        (read, wanted)
    });
    Ok(read.await?.unwrap_or_else(|error| (Err(ReadError::Io(error)), Wanted::default())))
}

/// Finds the files, and notes what is wrong with them.
async fn find(storage: &Storage, wanted: Wanted, progress: &RefCell<Report>) -> Result<(), Error> {
    for path in wanted.nowhere {
        progress.borrow_mut().damages.push(Damage { path, what: Wrong::Nowhere });
    }
    let listing = wanted.directories.into_iter().map(|(url, files)| list_own(storage, url, files, progress));
    let rest: Vec<_> = stream::iter(listing).buffer_unordered(LISTED_AT_ONCE).try_collect().await?;
    let rest = if lists_above(rest.iter().map(|(_, files)| files.len()).sum()) {
        let all = together(rest, super::is_in_a_bucket).into_iter();
        let listing = all.map(|(url, files)| list_above(storage, url, files, progress));
        stream::iter(listing).buffer_unordered(LISTED_AT_ONCE).try_collect().await?
    } else {
        rest
    };
    let asking = rest.into_iter().flat_map(|(directory, files)| {
        files.into_iter().map(move |(name, length)| ask(storage, format!("{directory}/{name}"), length, progress))
    });
    stream::iter(asking).buffer_unordered(ASKED_AT_ONCE).try_collect().await
}

/// Lists a directory, if that is cheaper; gives the files that have to be asked for.
async fn list_own(
    storage: &Storage,
    url: Box<str>,
    mut files: Files,
    progress: &RefCell<Report>,
) -> Result<(Box<str>, Files), Error> {
    if lists(files.len()) && list(storage, &url, &mut files, progress, goes_on).await? {
        for (name, length) in files.drain() {
            progress.borrow_mut().saw(|| format!("{url}/{name}"), length, None);
        }
    }
    Ok((url, files))
}

/// Lists everything below a directory, as long as that is quicker than asking. What it does not tell is asked for.
async fn list_above(
    storage: &Storage,
    url: Box<str>,
    mut files: Files,
    progress: &RefCell<Report>,
) -> Result<(Box<str>, Files), Error> {
    if lists_above(files.len()) && super::is_in_a_bucket(&url) {
        list(storage, &url, &mut files, progress, goes_on_above).await?;
    }
    Ok((url, files))
}

/// Takes those files out that a listing tells of. Whether it came to its end.
async fn list(
    storage: &Storage,
    url: &str,
    files: &mut Files,
    progress: &RefCell<Report>,
    goes_on: fn(usize, usize) -> bool,
) -> Result<bool, Error> {
    // What is wrong with the URL is found again for each file.
    let Ok(directory) = storage.place(url) else { return Ok(false) };
    let mut listing = directory.list();
    let mut seen = 0_usize;
    count_request(progress);
    loop {
        let Listed { name, bytes, .. } = match listing.next().await {
            Some(Ok(object)) => object,
            None => break,
            Some(Err(error)) if error.passes() => return Err(error),
            // Who may read need not be allowed to list.
            Some(Err(_)) => return Ok(false),
        };
        if let Some(length) = files.remove(name.as_str()) {
            progress.borrow_mut().saw(|| format!("{url}/{name}"), length, Some(bytes));
        }
        seen += 1;
        if seen.is_multiple_of(PAGE) {
            if !goes_on(seen / PAGE, files.len()) {
                return Ok(false);
            }
            count_request(progress);
        }
    }
    Ok(true)
}

async fn ask(storage: &Storage, url: String, length: Length, progress: &RefCell<Report>) -> Result<(), Error> {
    let asked = async {
        let file = storage.place(&url)?;
        count_request(progress);
        file.stat().await
    };
    match asked.await {
        Ok(found) => progress.borrow_mut().saw(|| url, length, found.map(|(size, _)| size)),
        Err(error) if error.passes() => return Err(error),
        Err(error) => progress.borrow_mut().doubts(&error, 1),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
