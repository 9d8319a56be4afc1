//! Command lines, and the paths that are put into them.

use savepointd::cli::{self, Cli};
use savepointd::flink::setup;
use savepointd::protocol::inject::{InjectError, Injection, inject};
use savepointd::protocol::options::{Name, launch};
use savepointd::protocol::point::{normalize, same};
use savepointd::storage::{Options, Storage};

/// Words after each other, with a zero byte between: a restore path, then a command line.
pub fn line(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split('\0').take(200).map(str::to_owned);
    let path = words.next().unwrap_or_default();
    let argv: Vec<String> = words.collect();
    injected(&argv, &path);
    let typed: Vec<String> = std::iter::once("savepointd".to_owned()).chain(argv.iter().cloned()).collect();
    let words = cli::words(typed.clone(), None);
    assert!(words.len() == typed.len() || words.ends_with(argv.as_slice()), "words are lost: {words:?}");
    let _ = <Cli as clap::Parser>::try_parse_from(words);
    let nowhere = |_: &std::path::Path| Err(std::io::ErrorKind::NotFound.into());
    let _ = setup::learn(&argv, &|_| None, &nowhere);
}

/// The path is one word and nothing but the path, the program's own words are as they were, and a second time changes nothing.
pub fn injected(argv: &[String], path: &str) {
    let injection = Injection {
        restore: Some(path.to_owned()),
        job_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
        retention: true,
        keep_running: true,
        ..Injection::default()
    };
    let Ok(words) = inject(argv, &injection) else { return };
    assert_eq!(inject(&words, &injection).unwrap(), words);
    let (Ok(before), Ok(after)) = (launch(argv), launch(&words)) else { return };
    assert_eq!((before.head, before.mode), (after.head, after.mode));
    assert_eq!(before.program, after.program, "program arguments have changed");
    let own = ["execution.savepoint.path", "execution.state-recovery.path"];
    let mut told = after.options.iter().filter_map(|given| match given.name() {
        Name::FromSavepoint => given.value(),
        Name::Dynamic => given.property().filter(|(key, _)| own.contains(key)).map(|(_, value)| value),
        _ => None,
    });
    assert!(
        told.clone().count() > 0 && told.all(|told| told == path),
        "{words:?} restores something else than {path:?}"
    );
}

/// A path as somebody writes it into a pin, a command line or a listing.
pub fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let path = normalize(&text);
    assert!(same(&path, &path), "{path:?} is not itself");
    let argv = ["/docker-entrypoint.sh", "standalone-job", "--job-classname", "J", "x"].map(str::to_owned);
    injected(&argv, &path);
    let refused = inject(&argv, &Injection { restore: Some(path.clone()), ..Injection::default() });
    if path.starts_with('-') {
        assert!(matches!(refused, Err(InjectError::Value { .. })), "{path:?} would be an option: {refused:?}");
    }
    let storage = Storage::new(Options::default(), std::iter::empty());
    let Ok(place) = storage.place(&path) else { return };
    let below = place.join("marker").join("cluster.json");
    assert!(below.url().ends_with("/marker/cluster.json"), "{}", below.url());
    let is_up = |part: &str| matches!(part, "." | "..");
    assert!(!place.url().trim_start_matches("file:///").split('/').skip(3).any(is_up), "{} leads out", place.url());
}
