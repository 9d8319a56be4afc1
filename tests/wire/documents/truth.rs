//! What the pages name is there: messages, requests, files.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use clap::CommandFactory as _;
use savepointd::cli::Cli;
use savepointd::config::KEYS;

use super::pages::{self, files, root};
use crate::support::eventually;
use crate::support::process::Process;
use crate::world::{LONG, World};

/// All sources, with texts of several lines as they are said.
fn sources() -> String {
    let sources = files(&root().join("src"), "rs").into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let sources: String = sources.collect();
    let mut parts = sources.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.trim_start())
}

#[test]
fn each_message_of_the_troubleshooting_is_said_by_the_code() {
    let sources = sources();
    let rows = pages::rows(&pages::text("README.md"), "| it says | it means | do |");
    assert!(rows.len() > 15);
    for row in rows {
        for message in pages::quoted(&row[0]) {
            for part in message.split('…').filter(|part| !part.trim().is_empty()) {
                assert!(sources.contains(part), "nothing says {part:?} of {message:?}");
            }
        }
    }
}

#[test]
fn each_admin_endpoint_of_the_protocol_is_served() {
    let world = World::new();
    let agent = Process::start(world.command(&[]).arg("agent"));
    let address = agent.logged("agent is up", LONG)["admin"].as_str().unwrap().to_owned();
    let status = |request: &str| {
        let mut stream = TcpStream::connect(&address).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        line.split(' ').nth(1)?.parse::<u16>().ok()
    };
    let page = pages::text("src/protocol/README.md");
    let rows = pages::rows(&page[page.find("## Admin endpoints").unwrap()..], "| request | |");
    for row in rows {
        let request = row[0].trim_matches('`');
        let expected = if request.ends_with("/readyz") { 503 } else { 200 };
        assert_eq!(eventually(request, LONG, || status(request)), expected, "{request}");
    }
    assert_eq!(status("GET /nothing"), Some(404));
}

#[test]
fn each_link_leads_to_a_page_and_a_heading() {
    for page in pages::pages() {
        let text = pages::text(&page);
        let folder = root().join(&page).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            if target.starts_with("http") || target.contains(char::is_whitespace) {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            assert!(linked.exists(), "{page}: {target}");
            if !heading.is_empty() {
                let headings = std::fs::read_to_string(&linked).unwrap();
                let found = headings.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(found, "{page}: {target}");
            }
        }
    }
}

/// As GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn each_command_and_flag_of_the_readme_is_one_and_none_is_left_out() {
    let grammar = Cli::command();
    let flags = |verb: &clap::Command| -> Vec<String> {
        verb.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
    };
    let mut named = Vec::new();
    for row in pages::rows(&pages::text("README.md"), "| command | |") {
        for line in pages::quoted(&row[0]) {
            let mut words = line.split(|letter: char| letter.is_whitespace() || "[]|".contains(letter));
            let name = words.next().unwrap();
            let verb = grammar.find_subcommand(name).unwrap_or_else(|| panic!("there is no command {name}"));
            for flag in words.filter(|word| word.len() > 2 && word.starts_with("--")) {
                assert!(flags(verb).iter().any(|known| known == flag), "{name} has no flag {flag}");
            }
            named.push(name.to_owned());
        }
    }
    for verb in grammar.get_subcommands().filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
        assert!(named.iter().any(|name| name == verb.get_name()), "the README does not name {}", verb.get_name());
    }
}

#[test]
fn each_key_that_a_page_names_is_one() {
    let sections: BTreeSet<&str> = KEYS.iter().filter_map(|key| Some(key.name.split_once('.')?.0)).collect();
    for page in pages::pages() {
        for word in pages::text(&page).lines().flat_map(pages::quoted) {
            let key = word.split([' ', '=']).next().unwrap_or_default();
            let Some((section, name)) = key.split_once('.') else { continue };
            let is_key = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if sections.contains(section) && is_key && !matches!(name, "yaml" | "rs" | "json") {
                assert!(KEYS.iter().any(|known| known.name == key), "{page}: there is no key {key}");
            }
        }
    }
}
