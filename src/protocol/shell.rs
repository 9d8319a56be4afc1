//! The strings for a shell that Flink's native mode writes: `bash -c "kubernetes-jobmanager.sh kubernetes-application …"`.

/// The words of a shell's command, if that is all it is: words, quoted or not. Whatever a shell would expand, join or redirect has
/// a meaning that can't be kept, so then there are none.
#[must_use]
pub fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                            letter => word.extend(['\\', letter]),
                        },
                        '$' | '`' => return None,
                        letter => word.push(letter),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next().filter(|letter| *letter != '\n')?),
            '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '?' | '[' | ']' | '!' | '\n'
            | '\r' => return None,
            '#' | '~' if word.is_none() => return None,
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

/// The words of a command that is only looked at and goes to its shell as it is. A word that a shell would change is empty.
#[must_use]
pub fn readable(text: &str) -> Vec<String> {
    let (mut quote, mut escaped) = (None, false);
    let is_between = |letter: char| {
        match (quote, letter) {
            _ if std::mem::take(&mut escaped) => {}
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, ' ' | '\t') => return true,
            _ => {}
        }
        false
    };
    let written = text.split(is_between).filter(|word| !word.is_empty());
    written.map(|word| words(word).unwrap_or_default().concat()).collect()
}

/// The words as a shell's command.
#[must_use]
pub fn command<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_shell_would_change_has_no_words() {
        for (text, expected) in [
            ("", Some(vec![])),
            (" a  b\t", Some(vec!["a", "b"])),
            ("a 'b c' \"d e\"f \\g ''", Some(vec!["a", "b c", "d ef", "g", ""])),
            ("-D'$internal.x=1' \"\\$y\" a#b", Some(vec!["-D$internal.x=1", "$y", "a#b"])),
            ("a $B", None),
            ("a \"$B\"", None),
            ("a; b", None),
            ("a && b", None),
            ("a > b", None),
            ("a `b`", None),
            ("a *.jar", None),
            ("a # b", None),
            ("a 'b", None),
            ("a \"b", None),
            ("a \\", None),
            ("a\nb", None),
        ] {
            let expected: Option<Vec<String>> = expected.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[test]
    fn of_words_that_are_only_looked_at_those_that_change_are_empty() {
        assert_eq!(
            readable(" a 'b c'd $e \"f\\\" g\" -D$h='i j' k\\ l '' "),
            ["a", "b cd", "", "f\" g", "", "k l", ""]
        );
        assert_eq!(readable(""), [""; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_real_shell_reads_what_was_written_and_we_read_what_it_does(
            given in prop::collection::vec("[ -~\\n]{0,8}", 1..5)
        ) {
            let text = command(&given);
            let output = Command::new("sh").args(["-c", &format!("printf '%s\\0' {text}")]).output().unwrap();
            let mut read: Vec<String> = String::from_utf8(output.stdout).unwrap().split('\0').map(str::to_owned).collect();
            read.pop();
            prop_assert_eq!(&read, &given);
            prop_assert_eq!(&readable(&text), &given);
            prop_assert_eq!(words(&text), Some(given));
        }
    }
}
