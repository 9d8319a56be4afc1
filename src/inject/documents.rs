//! The edge of `inject`: text into documents, documents into text. A document that nothing was changed in comes out byte for byte.

use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};

/// Why the input can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the document that begins in line {line} can't be read: {problem}; inject reads Kubernetes objects as YAML or JSON"
)]
pub struct ReadError {
    /// Where the document begins.
    pub line: usize,
    /// What is wrong with it, without an excerpt: it may be a Secret.
    pub problem: String,
}

/// One document as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its text, without the `---` before it; `None` if it was not YAML.
    text: Option<String>,
    /// What it says; `None` if it says nothing.
    value: Option<Value>,
}

impl Document {
    /// What it says; null if it says nothing.
    pub fn value(&self) -> Value {
        self.value.clone().unwrap_or_default()
    }
}

/// Reads JSON, or YAML of any number of documents.
///
/// # Errors
/// [`ReadError`], for the first document that is neither, or that is no mapping.
pub fn read(text: &str) -> Result<Vec<Document>, ReadError> {
    if text.trim_start().starts_with('{')
        && let Ok(values) = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>()
    {
        return Ok(values.into_iter().map(|value| Document { text: None, value: Some(value) }).collect());
    }
    split(text.trim_start_matches('\u{feff}')).into_iter().map(|(line, text)| parse(line, text)).collect()
}

/// Cuts at the lines that YAML reserves for it, wherever they stand, and gives each part with its first line's number.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(1, String::new())];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = line.strip_prefix("---").filter(|rest| rest.starts_with(char::is_whitespace) || rest.is_empty());
        match (marker, parts.last_mut()) {
            (Some(rest), _) => parts.push((number + 1, rest.trim_start_matches(['\n', '\r', ' ', '\t']).to_owned())),
            (None, Some((_, part))) if !line.trim_end().eq("...") => part.push_str(line),
            (None, _) => {}
        }
    }
    parts.retain(|(_, part)| !part.trim().is_empty());
    parts
}

fn parse(line: usize, text: String) -> Result<Document, ReadError> {
    let says_nothing = text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#')));
    if says_nothing {
        return Ok(Document { text: Some(text), value: None });
    }
    // As kubectl and Helm read it: YAML 1.1's octal numbers, and of a key that is given twice the last.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    let wrong = |problem| ReadError { line, problem };
    let value: Value = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| wrong(error.without_snippet().to_string()))?;
    match value {
        Value::Object(_) => Ok(Document { text: Some(text), value: Some(value) }),
        Value::Null => Ok(Document { text: Some(text), value: None }),
        _ => Err(wrong("it is no mapping".to_owned())),
    }
}

/// Writes YAML: the documents with what they say now, then those that were added.
///
/// # Errors
/// In words, if a value can't be written.
pub fn write(before: &[Document], after: &[Value]) -> Result<String, String> {
    let mut result = String::new();
    for (index, value) in after.iter().enumerate() {
        result.push_str("---\n");
        let kept =
            before.get(index).filter(|document| document.value() == *value).and_then(|document| document.text.as_ref());
        match kept {
            Some(text) => result.push_str(text),
            None => result.push_str(&yaml(value)?),
        }
        if !result.ends_with('\n') {
            result.push('\n');
        }
    }
    Ok(result)
}

fn yaml(value: &Value) -> Result<String, String> {
    // Nothing is folded: a wrong guess about blanks at the end of a line would change a value.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values(text: &str) -> Vec<Value> {
        read(text).unwrap().iter().map(Document::value).collect()
    }

    #[test]
    fn documents_are_cut_where_yaml_cuts_them() {
        let text = "# Source: a\na: 1\n---\n---\n# nothing\n---  \nb: |\n  --- not a marker\n  x\n...\n--- # and a comment\nc: 3\n";
        let documents = read(text).unwrap();
        let said: Vec<Value> = documents.iter().map(Document::value).collect();
        assert_eq!(said, [json!({"a": 1}), json!(null), json!({"b": "--- not a marker\nx\n"}), json!({"c": 3})]);
        let written = write(&documents, &said).unwrap();
        assert_eq!(values(&written), said);
        assert!(written.starts_with("---\n# Source: a\na: 1\n---\n# nothing\n"), "{written}");
        assert_eq!(write(&read(&written).unwrap(), &said).unwrap(), written, "once is enough");
    }

    #[test]
    fn yaml_is_read_as_kubectl_reads_it() {
        for (text, value) in [
            ("mode: 0644", json!({"mode": 420})),
            ("on: yes", json!({"on": true})),
            ("a: 1\na: 2", json!({"a": 2})),
            ("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2", json!({"x": {"a": 1}, "y": {"a": 1, "b": 2}})),
            ("a: '0644'\nb: \"yes\"\nc: 1.5\nd: ~", json!({"a": "0644", "b": "yes", "c": 1.5, "d": null})),
            ("a: \"x\\n  y\"", json!({"a": "x\n  y"})),
        ] {
            assert_eq!(values(text), [value], "{text}");
        }
        assert_eq!(values("{\"a\":\t[1,\n\t2]}\n{\"b\": null}"), [json!({"a": [1, 2]}), json!({"b": null})]);
        assert_eq!(values("{a: 1, b: [x]}"), [json!({"a": 1, "b": ["x"]})]);
        assert_eq!(values("\u{feff}a: 1"), [json!({"a": 1})]);
        assert_eq!(values(""), Vec::<Value>::new());
    }

    #[test]
    fn what_is_no_object_is_an_error_that_says_where() {
        for (text, line) in [
            ("a: 1\n---\n- x\n", 2),
            ("Error: no such chart", 0),
            ("a: [1", 1),
            ("a: *b", 1),
            ("\"\"", 1),
            ("%YAML", 1),
        ] {
            let found = read(text);
            match line {
                0 => assert!(found.is_ok(), "a mapping of one key: {found:?}"),
                line => assert_eq!(found.unwrap_err().line, line, "{text}"),
            }
        }
        let secret = read("kind: Secret\nstringData: {password: hunter2, b: [}").unwrap_err().to_string();
        assert!(!secret.contains("hunter2"), "{secret}");
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                    g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        assert!(read(bomb).is_err());
    }

    #[test]
    fn a_large_custom_resource_definition_is_no_bomb() {
        let property = |n: usize| {
            format!("  property{n}:\n    type: string\n    description: {}\n", "words and more words ".repeat(8))
        };
        let text = format!("kind: CustomResourceDefinition\nspec:\n{}", (0..4000).map(property).collect::<String>());
        assert!(text.len() > 700_000);
        assert_eq!(read(&text).map(|documents| documents.len()), Ok(1));
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            "[ \\n\\t#:'\"|>%@&*!-]{0,12}",
            "[a-z]{1,6}(\n[ ]{0,3}[a-z$#:]{0,9}){0,4}\n{0,3}",
            "\\PC{0,8}",
            prop::sample::select(vec![
                "yes",
                "no",
                "on",
                "off",
                "y",
                "N",
                "null",
                "~",
                "0644",
                "0o7",
                "1_000",
                "1e3",
                "12:30:45",
                "0x1f",
                "-",
                "---",
                "...",
                "<<",
                "=",
                ".inf",
                "2026-11-22",
                "true",
                "",
                " ",
                "\n",
                "a: b",
                "# c",
                "- d",
                "1.0",
                "+1",
                "*a",
                "&b",
                "\r\n",
            ])
            .prop_map(str::to_owned),
            Just("a word ".repeat(30)),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000.0..1000.0).prop_map(|number: f64| json!(number)),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let object = json!({ "key": value });
            let written = write(&[], std::slice::from_ref(&object)).unwrap();
            prop_assert_eq!(values(&written), vec![object], "{}", written);
        }

        #[test]
        fn no_text_is_a_panic(text in "([ -~\\n]{0,8}|---\n|[a-z]+: |\\[|\\{|&a |\\*a|!!binary |\\| |\n){0,12}\\PC{0,20}") {
            let _ = read(&text);
        }
    }
}
