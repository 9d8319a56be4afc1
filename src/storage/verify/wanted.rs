//! The files that a point needs, by directory: each physical file once, however many handles refer to it.

use std::collections::{BTreeMap, HashMap};

use crate::flink::metadata::{Extent, FileRef, Reference};
use crate::protocol::point::normalize;

/// How long a file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) at_least: u64,
    pub(super) at_most: u64,
}

/// The wanted files of one directory, by name.
pub(super) type Files = HashMap<Box<str>, Length>;

/// The files that a point needs, by the URL of their directory.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) directories: BTreeMap<Box<str>, Files>,
    /// References that name no file.
    pub(super) nowhere: Vec<String>,
}

impl Length {
    fn of(extent: Extent) -> Self {
        match extent {
            Extent::Whole(bytes) => Self { at_least: bytes, at_most: bytes },
            Extent::AtLeast(bytes) => Self { at_least: bytes, at_most: u64::MAX },
        }
    }

    /// What both handles say. If they contradict each other, no length is right.
    fn and(self, other: Self) -> Self {
        Self { at_least: self.at_least.max(other.at_least), at_most: self.at_most.min(other.at_most) }
    }
}

impl Wanted {
    /// Adds a file that the `_metadata` in the directory `own` refers to.
    pub(super) fn add(&mut self, own: &str, FileRef { place, extent }: FileRef) {
        let place = match place {
            Reference::Absolute(url) => url,
            Reference::Relative(path) if is_below(&path) => format!("{own}/{path}"),
            Reference::Relative(path) => return self.nowhere.push(path),
        };
        let Some((directory, name)) = place.rsplit_once('/').filter(|(_, name)| !name.is_empty()) else {
            return self.nowhere.push(place);
        };
        // Handles of one directory come together mostly, and all name it the same way.
        let files = match self.directories.get_mut(directory) {
            Some(files) => files,
            None => self.directories.entry(normalize(directory).into()).or_default(),
        };
        let length = Length::of(extent);
        files.entry(name.into()).and_modify(|known| *known = known.and(length)).or_insert(length);
    }

    /// How many files there are.
    pub(super) fn count(&self) -> usize {
        self.directories.values().map(HashMap::len).sum()
    }
}

/// Whether a relative path leads nowhere but down.
fn is_below(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(files: &[(Reference, Extent)]) -> Wanted {
        let mut wanted = Wanted::default();
        for (place, extent) in files {
            wanted.add("file:///points/1", FileRef { place: place.clone(), extent: *extent });
        }
        wanted
    }

    fn relative(path: &str) -> Reference {
        Reference::Relative(path.to_owned())
    }

    fn absolute(path: &str) -> Reference {
        Reference::Absolute(path.to_owned())
    }

    #[test]
    fn one_file_is_wanted_once_however_it_is_spelt() {
        let spellings =
            [relative("a"), absolute("file:/points/1/a"), absolute("/points/1/a"), absolute("file:///points/1/a")];
        let wanted = wanted(&spellings.map(|place| (place, Extent::Whole(7))));
        assert_eq!(wanted.count(), 1, "{wanted:?}");
        assert_eq!(wanted.directories["file:///points/1"]["a"], Length { at_least: 7, at_most: 7 });
    }

    #[test]
    fn segments_of_a_file_tell_how_long_it_must_be() {
        let shared = absolute("s3://flink/checkpoints/job/shared/x");
        let segments = wanted(&[(shared.clone(), Extent::AtLeast(10)), (shared.clone(), Extent::AtLeast(30))]);
        let length = segments.directories["s3://flink/checkpoints/job/shared"]["x"];
        assert_eq!(length, Length { at_least: 30, at_most: u64::MAX });
        let contradiction = wanted(&[(shared.clone(), Extent::Whole(10)), (shared, Extent::Whole(30))]);
        let length = contradiction.directories["s3://flink/checkpoints/job/shared"]["x"];
        assert!(length.at_least > length.at_most, "{length:?}");
    }

    #[test]
    fn a_reference_that_leads_out_of_its_directory_names_no_file() {
        for path in ["../a", "a/../../b", "/a", "", "a//b", "."] {
            assert_eq!(wanted(&[(relative(path), Extent::Whole(1))]).nowhere, [path], "{path:?}");
        }
        for url in ["s3://flink/", "nonsense"] {
            assert_eq!(wanted(&[(absolute(url), Extent::Whole(1))]).nowhere, [url], "{url:?}");
        }
        assert_eq!(wanted(&[(relative("b/a"), Extent::Whole(1))]).directories["file:///points/1/b"].len(), 1);
    }
}
