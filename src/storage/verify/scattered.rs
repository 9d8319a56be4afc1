//! Files that lie in a directory each, as Flink scatters them over an object store (entropy injection): one listing of what lies above
//! all of them may tell of many.

use std::collections::BTreeMap;

use super::wanted::Files;

/// Puts files of many directories together below the deepest directory that holds all of one bucket. Object stores only: they list what is
/// below a name as quickly as what is in a directory.
pub(super) fn together(rest: Vec<(Box<str>, Files)>, in_buckets: impl Fn(&str) -> bool) -> Vec<(Box<str>, Files)> {
    let mut buckets: BTreeMap<String, Vec<(Box<str>, Files)>> = BTreeMap::new();
    let mut others = Vec::new();
    for (directory, files) in rest {
        match bucket(&directory).filter(|_| in_buckets(&directory)) {
            Some(bucket) => buckets.entry(bucket.to_owned()).or_default().push((directory, files)),
            None => others.push((directory, files)),
        }
    }
    others.extend(buckets.values().filter_map(|directories| below_one(directories)));
    others
}

fn bucket(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    url.get(..scheme.len() + "://".len() + authority.len())
}

fn below_one(directories: &[(Box<str>, Files)]) -> Option<(Box<str>, Files)> {
    let mut above: Box<str> = directories.first()?.0.clone();
    for (directory, _) in directories {
        while !(directory.strip_prefix(&*above)).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            above = above.rsplit_once('/')?.0.into();
        }
    }
    let below = |directory: &str, name: &str| -> Box<str> {
        let directory = directory.get(above.len() + 1..).unwrap_or_default();
        if directory.is_empty() { name.into() } else { format!("{directory}/{name}").into() }
    };
    let all = directories
        .iter()
        .flat_map(|(directory, files)| files.iter().map(|(name, length)| (below(directory, name), *length)));
    let all = all.collect();
    Some((above, all))
}

#[cfg(test)]
mod tests {
    use super::super::wanted::Length;
    use super::*;

    fn put_together(urls: &[&str]) -> Vec<(String, Vec<String>)> {
        let rest = urls.iter().map(|url| {
            let (directory, name) = url.rsplit_once('/').unwrap();
            (directory.into(), Files::from([(name.into(), Length { at_least: 1, at_most: 1 })]))
        });
        let together = together(rest.collect(), |url| url.starts_with("s3"));
        let sorted = |files: Files| {
            let mut names: Vec<String> = files.into_keys().map(String::from).collect();
            names.sort();
            names
        };
        together.into_iter().map(|(above, files)| (above.into(), sorted(files))).collect()
    }

    fn one(above: &str, names: &[&str]) -> (String, Vec<String>) {
        (above.to_owned(), names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn files_of_one_bucket_come_together_below_what_they_share() {
        let scattered = put_together(&["s3://b/flink/a1/chk/x", "s3://b/flink/a12/chk/y", "s3://b/flink/z"]);
        assert_eq!(scattered, [one("s3://b/flink", &["a1/chk/x", "a12/chk/y", "z"])]);
        assert_eq!(put_together(&["s3://b/a/x", "s3://b/z/y"]), [one("s3://b", &["a/x", "z/y"])]);
        assert_eq!(put_together(&["s3://b/a/x"]), [one("s3://b/a", &["x"])]);
        let two = put_together(&["s3://b/a/x", "s3://c/z/y"]);
        assert_eq!(two, [one("s3://b/a", &["x"]), one("s3://c/z", &["y"])]);
    }

    #[test]
    fn directories_of_this_machine_stay_as_they_are() {
        let apart = put_together(&["file:///a/x", "file:///b/y"]);
        assert_eq!(apart, [one("file:///a", &["x"]), one("file:///b", &["y"])]);
    }
}
