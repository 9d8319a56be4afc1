//! Flink's configuration as flat properties, from each of the forms in which Flink accepts it.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Keys and values in the order in which they were given: of duplicates the later one counts.
pub(super) type Properties = Vec<(String, String)>;

/// Reads `flink-conf.yaml`, which only looks like YAML: a `key: value` on each line, everything behind a `#` is a comment, and lines
/// of any other form are passed over.
pub(super) fn legacy(text: &str) -> Properties {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split('#').next()?.split_once(": ")?;
            let (key, value) = (key.trim(), value.trim());
            (!key.is_empty() && !value.is_empty()).then(|| (key.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Reads `config.yaml`: real YAML, nested or with dotted keys.
///
/// The error is a text without an excerpt of the file, which may hold secrets.
pub(super) fn standard(text: &str) -> Result<Properties, String> {
    let mut properties = Properties::new();
    if text.lines().all(|line| matches!(line.trim().chars().next(), None | Some('#'))) {
        return Ok(properties);
    }
    let node: Node = serde_saphyr::from_str(text).map_err(|error| match error.location() {
        Some(at) => format!("line {}, column {}: not the YAML of a mapping", at.line(), at.column()),
        None => "not the YAML of a mapping".to_owned(),
    })?;
    node.flatten(String::new(), &mut properties);
    Ok(properties)
}

/// Reads the variable `FLINK_PROPERTIES` as the entrypoint of Flink 1.19 and later does: it strips all white space before it splits.
pub(super) fn variable(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Properties {
    text.lines()
        .filter_map(|line| {
            let line: String = line.chars().filter(|letter| !letter.is_whitespace()).collect();
            let (key, value) = line.split_once(':')?;
            Some((key.to_owned(), substitute(value, env)))
        })
        .collect()
}

/// Replaces `$NAME` and `${NAME}` as `envsubst` does: by nothing where the variable is not set.
pub(super) fn substitute(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let (body, braced) = after.strip_prefix('{').map_or((after, false), |body| (body, true));
        let end = body.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(body.len());
        let (name, tail) = body.split_at(end);
        let tail = if braced { tail.strip_prefix('}') } else { Some(tail) };
        match tail {
            Some(tail) if !name.is_empty() && !name.starts_with(|letter: char| letter.is_ascii_digit()) => {
                result.push_str(&env(name).unwrap_or_default());
                rest = tail;
            }
            _ => {
                result.push('$');
                rest = after;
            }
        }
    }
    result.push_str(rest);
    result
}

enum Node {
    Null,
    Scalar(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Node {
    fn flatten(self, key: String, properties: &mut Properties) {
        match self {
            Self::Null => {}
            Self::Map(entries) => {
                for (name, node) in entries {
                    let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                    node.flatten(key, properties);
                }
            }
            Self::Scalar(value) => properties.push((key, value)),
            Self::List(nodes) => {
                let values: Vec<_> = nodes.into_iter().filter_map(Self::scalar).collect();
                properties.push((key, values.join(";")));
            }
        }
    }

    fn scalar(self) -> Option<String> {
        match self {
            Self::Scalar(value) => Some(value),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = sequence.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, node)) = map.next_entry::<Node, Node>()? {
            let key = key.scalar().ok_or_else(|| Error::custom("a key that is not a scalar"))?;
            entries.insert(key, node);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(expected: &[(&str, &str)]) -> Properties {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn env(name: &str) -> Option<String> {
        matches!(name, "BUCKET" | "_A1").then(|| "b".to_owned())
    }

    #[test]
    fn standard_yaml_is_flattened() {
        for (text, expected) in [
            ("", pairs(&[])),
            ("# only a comment\n\n", pairs(&[])),
            ("a:\n  b: 1\n  c.d: true\n", pairs(&[("a.b", "1"), ("a.c.d", "true")])),
            ("a.b: file:///x\n", pairs(&[("a.b", "file:///x")])),
            ("a: [x, 2]\nb: ~\nc:\n", pairs(&[("a", "x;2")])),
            ("a: 1.5\nb: '007'\nc: \"x # y\"\n", pairs(&[("a", "1.5"), ("b", "007"), ("c", "x # y")])),
            ("ha: zookeeper\nha.dir: x\n", pairs(&[("ha", "zookeeper"), ("ha.dir", "x")])),
        ] {
            assert_eq!(standard(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn an_error_shows_nothing_of_the_file() {
        let error = standard("password: hunter2\n  broken: [\n").unwrap_err();
        assert!(!error.contains("hunter2") && error.starts_with("line "), "{error}");
    }

    #[test]
    fn legacy_lines_are_read_as_flink_does() {
        let text = "# c\na.b : x # y\nnot a pair\nk:v\nempty: \nurl: file:///d: e\na.b: z\n";
        assert_eq!(legacy(text), pairs(&[("a.b", "x"), ("url", "file:///d: e"), ("a.b", "z")]));
    }

    #[test]
    fn the_variable_is_read_as_the_entrypoint_does() {
        let text = "\n  a.b : s3://${BUCKET}/x y\nnope\nc:$_A1$NOT_SET\n";
        assert_eq!(variable(text, &env), pairs(&[("a.b", "s3://b/xy"), ("c", "b")]));
    }

    #[test]
    fn only_variables_are_substituted() {
        for (text, expected) in [
            ("$BUCKET", "b"),
            ("${BUCKET}s", "bs"),
            ("$BUCKETs", ""),
            ("${BUCKET", "${BUCKET"),
            ("${BUCKET:-x}", "${BUCKET:-x}"),
            ("$1 $ $$BUCKET", "$1 $ $b"),
        ] {
            assert_eq!(substitute(text, &env), expected, "{text}");
        }
    }
}
