//! `kubectl savepoints`: all clusters by their records, and one of them by its agent. Whatever the API server is asked is asked by
//! kubectl itself, which this is a plugin of: so every way to log in that works there works here.

mod child;
mod clusters;
mod json;
mod pods;

use jiff::Timestamp;

use self::child::Child;
use self::clusters::{Listed, clusters, in_namespace, table};
use super::{complain, paint};
use crate::cli::Output;
use crate::cli::kubectl::{Kubectl, Verb};
use crate::exit::Exit;

/// Answers.
///
/// # Errors
/// If there is no kubectl, or it does not answer.
pub fn kubectl(asked: &Kubectl) -> anyhow::Result<Exit> {
    match &asked.verb {
        Some(verb) => one(asked, verb),
        None => all(asked),
    }
}

fn all(asked: &Kubectl) -> anyhow::Result<Exit> {
    let mut child = Child::of(&asked.place);
    if asked.all_namespaces {
        child = child.with(&["--all-namespaces"]);
    }
    let list = match child.list("configmaps", clusters::SELECTOR)? {
        Ok(list) => list,
        Err(exit) => return Ok(exit),
    };
    let found = clusters(&list);
    match asked.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&found)?),
        Output::Table if found.is_empty() => {
            complain(
                "no record is found: there is a ConfigMap for each cluster once its first JobManager has started, unless its record is \
                 in an object store, where only its agent sees it. Other namespaces: --all-namespaces",
            );
        }
        Output::Table => print!("{}", table(&found, Timestamp::now(), asked.all_namespaces, paint::out())),
    }
    Ok(Exit::Done)
}

/// Has the cluster's agent answer: it alone has the credentials of its store.
fn one(asked: &Kubectl, verb: &Verb) -> anyhow::Result<Exit> {
    let (cluster, words) = verb.words();
    let child = Child::of(&asked.place);
    let list = match child.list("configmaps", clusters::SELECTOR)? {
        Ok(list) => list,
        Err(exit) => return Ok(exit),
    };
    let found = clusters(&list);
    let Some(Listed { name, namespace, holder, .. }) = found.iter().find(|found| found.name == cluster.name) else {
        complain(&unknown(&cluster.name, asked.place.namespace.as_deref(), &found));
        return Ok(Exit::Refused);
    };
    let pods = match child.list("pods", "")? {
        Ok(pods) => pods,
        Err(exit) => return Ok(exit),
    };
    let holder = holder.as_ref().map(|holder| (holder.pod.as_str(), holder.uid.as_str()));
    let agent = match pods::agent(&pods, namespace, name, holder, cluster.pod.as_deref()) {
        Ok(agent) => agent,
        Err(why) => {
            complain(&why);
            return Ok(Exit::Later);
        }
    };
    let output: &[&str] = if asked.output == Output::Json { &["--output", "json"] } else { &[] };
    let words: Vec<&str> = words.into_iter().chain(output.iter().copied()).collect();
    child.exec(&agent, &words)
}

fn unknown(name: &str, namespace: Option<&str>, found: &[Listed]) -> String {
    let place = in_namespace(namespace);
    if found.is_empty() {
        return format!("there is no record {name:?} in {place}, nor any other: -n NAMESPACE names another namespace");
    }
    let names: Vec<&str> = found.iter().map(|cluster| cluster.name.as_str()).collect();
    format!("there is no record {name:?} in {place}. There are: {}", names.join(", "))
}
