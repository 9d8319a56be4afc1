//! What an example may differ in from what is printed: ids, addresses, blanks.

/// The text with addresses and ids taken out, and blanks made even.
pub fn masked(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        let word = match word.find("s3://").or_else(|| word.find("file://")) {
            Some(at) => {
                let (before, url) = word.split_at(at);
                let end = url.find('"').unwrap_or(url.len());
                format!("{before}URL{}", &url[end..])
            }
            None => word.to_owned(),
        };
        out.push_str(&without_ids(&word));
        out.push(' ');
    }
    out.trim_end().to_owned()
}

fn without_ids(word: &str) -> String {
    let is_hexadecimal = |letter: char| letter.is_ascii_digit() || ('a'..='f').contains(&letter);
    let id = word.split(|letter| !is_hexadecimal(letter)).find(|part| part.len() == 32);
    id.map_or_else(|| word.to_owned(), |id| word.replace(id, "ID"))
}

#[test]
fn ids_and_addresses_are_no_difference_and_all_else_is() {
    let id = "8db5bca0c5ea8fd0b2ac0d47b3ab7d3d";
    assert_eq!(masked(&format!("\"orders\"  ({id}),\n in s3://a/b")), "\"orders\" (ID), in URL");
    assert_eq!(masked("{\"path\":\"file:///a\"} x"), "{\"path\":\"URL\"} x");
}
