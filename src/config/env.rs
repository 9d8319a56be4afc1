//! The sources of a configuration as figment providers.
//!
//! figment's own `Env` guesses types: a job id of digits becomes a number, and `true` a boolean. [`Layer`] keeps what was written, and
//! its metadata names each value the way the user knows it.

use std::{collections::BTreeMap, path::Path};

use figment::{
    Error, Metadata, Profile, Provider,
    providers::{Format, Toml},
    util::nest,
    value::{Dict, Map, Value},
};

use super::{ENTRYPOINT_VARIABLE, FILE_VARIABLE, error::Problem, keys::KEYS, schema};

const PREFIX: &str = "SAVEPOINTD_";
/// Short for `SAVEPOINTD_LOG__LEVEL`, which wins over it.
const LOG_VARIABLE: &str = "SAVEPOINTD_LOG";

/// One source of values.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    name: &'static str,
    values: Dict,
    place: Place,
}

/// How a key is called where it was written.
#[derive(Debug, Clone)]
enum Place {
    Default,
    File(String),
    Named(BTreeMap<String, String>),
}

impl Place {
    fn of(&self, key: &str) -> String {
        match self {
            Self::Default => format!("{key} (default)"),
            Self::File(path) => format!("{key} in {path}"),
            Self::Named(names) => names.get(key).cloned().unwrap_or_else(|| key.to_owned()),
        }
    }
}

impl Layer {
    /// The names of the layers; nobody set the first.
    pub(super) const DEFAULTS: &str = "defaults";
    pub(super) const FILE: &str = "file";
    pub(super) const ENVIRONMENT: &str = "environment";
    pub(super) const FLAGS: &str = "flags";

    pub(super) fn defaults() -> Self {
        let defaults = KEYS.iter().filter_map(|key| Some((key.name, key.value()?.to_owned())));
        Self { name: Self::DEFAULTS, values: dict(defaults), place: Place::Default }
    }

    /// Reads a file's text. A file with unknown keys is a layer all the same; `problems` tells.
    pub(super) fn file(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Result<Self, String> {
        let values = Toml::from_str::<Dict>(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let place = Place::File(path.display().to_string());
        let mut unknown = Vec::new();
        collect_unknown(&values, "", &mut unknown);
        problems
            .extend(unknown.iter().map(|key| Problem::unknown(place.of(key), schema::nearest(key).map(str::to_owned))));
        Ok(Self { name: Self::FILE, values, place })
    }

    /// Takes what is ours from an environment. Empty variables count as not set, as manifests can't leave one out.
    pub(super) fn environment(variables: impl Iterator<Item = (String, String)>, problems: &mut Vec<Problem>) -> Self {
        let mut found = BTreeMap::new();
        for (name, value) in variables.filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()) {
            if name == FILE_VARIABLE || name == ENTRYPOINT_VARIABLE {
                continue;
            }
            if name == LOG_VARIABLE {
                found.entry("log.level").or_insert((name, value));
            } else if let Some(key) = KEYS.iter().find(|key| variable(key.name) == name) {
                found.insert(key.name, (name, value));
            } else if !is_service_link(&name, &value) {
                let meant = name.trim_start_matches(PREFIX).to_lowercase().replace("__", ".");
                let suggestion = schema::nearest(&meant).map(variable);
                problems.push(Problem::unknown(name, suggestion));
            }
        }
        Self::named(Self::ENVIRONMENT, found.into_iter().map(|(key, (name, value))| (key.to_owned(), name, value)))
    }

    /// Takes what flags say: key, flag as it was written, value.
    pub(super) fn flags(entries: Vec<(String, String, String)>, problems: &mut Vec<Problem>) -> Self {
        let (known, unknown): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, ..)| schema::is_known(key));
        problems.extend(
            unknown.into_iter().map(|(key, name, _)| Problem::unknown(name, schema::nearest(&key).map(str::to_owned))),
        );
        Self::named(Self::FLAGS, known.into_iter())
    }

    fn named(name: &'static str, entries: impl Iterator<Item = (String, String, String)>) -> Self {
        let (mut names, mut values) = (BTreeMap::new(), BTreeMap::new());
        for (key, name, value) in entries {
            names.insert(key.clone(), name);
            values.insert(key, value);
        }
        Self { name, values: dict(values), place: Place::Named(names) }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let place = self.place.clone();
        Metadata::named(self.name).interpolater(move |_, keys| place.of(&keys.join(".")))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn dict(values: impl IntoIterator<Item = (impl AsRef<str>, String)>) -> Dict {
    let mut dict = Dict::new();
    for (key, value) in values {
        if let Value::Dict(_, nested) = nest(key.as_ref(), value.into()) {
            merge(&mut dict, nested);
        }
    }
    dict
}

fn merge(into: &mut Dict, from: Dict) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Dict(_, section)), Value::Dict(_, more)) => merge(section, more),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn collect_unknown(values: &Dict, section: &str, unknown: &mut Vec<String>) {
    for (name, value) in values {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Dict(_, _) if schema::is_known(&key) => {}
            Value::Dict(_, inner) if schema::is_section(&key) => {
                collect_unknown(inner, &key, unknown);
            }
            _ if schema::is_known(&key) => {}
            _ => unknown.push(key),
        }
    }
}

/// The variable for a key: `stop.grace` is `SAVEPOINTD_STOP__GRACE`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Whether the kubelet made this variable for a Service whose name begins with `savepointd`.
///
/// `…_PORT` alone could be a misspelt key of ours, so its value has to look like a link too.
fn is_service_link(name: &str, value: &str) -> bool {
    let words: Vec<_> = name.split('_').collect();
    let number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let by_port = |tail: &[&str]| match tail {
        ["PORT", port, "TCP" | "UDP" | "SCTP", "PROTO" | "PORT" | "ADDR"] => number(port),
        ["PORT", port, "TCP" | "UDP" | "SCTP"] => number(port) && link,
        ["PORT"] => link,
        ["SERVICE", "HOST"] => true,
        ["SERVICE", "PORT", ..] => number(value),
        _ => false,
    };
    (1..words.len()).any(|start| words.get(start..).is_some_and(by_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_links_are_told_from_misspelt_keys() {
        for (name, value, expected) in [
            ("SAVEPOINTD_PORT", "tcp://10.0.0.1:9250", true),
            ("SAVEPOINTD_SERVICE_HOST", "10.0.0.1", true),
            ("SAVEPOINTD_SERVICE_PORT", "9250", true),
            ("SAVEPOINTD_SERVICE_PORT_HTTP_METRICS", "9250", true),
            ("SAVEPOINTD_PORT_9250_TCP", "tcp://10.0.0.1:9250", true),
            ("SAVEPOINTD_PORT_9250_TCP_PROTO", "tcp", true),
            ("SAVEPOINTD_PORT_9250_TCP_PORT", "9250", true),
            ("SAVEPOINTD_PORT_9250_TCP_ADDR", "10.0.0.1", true),
            ("SAVEPOINTD_METRICS_PORT_53_UDP_ADDR", "10.0.0.1", true),
            ("SAVEPOINTD_METRICS_SERVICE_HOST", "fd00::1", true),
            ("SAVEPOINTD_ADMIN__PORT", "9250", false),
            ("SAVEPOINTD_FLINK__URLL", "tcp://10.0.0.1:9250", false),
            ("SAVEPOINTD_STOP__GRACES", "30s", false),
        ] {
            assert_eq!(is_service_link(name, value), expected, "{name}={value}");
        }
    }
}
