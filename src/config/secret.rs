//! What must not be shown: no key is for a secret, but a URL may have one in it.

/// The text with the passwords of its URLs, and all that follows a question mark in them (signatures), left out.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    text.split_inclusive([',', ' ']).map(of_one).collect()
}

fn of_one(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?***"));
    // A password may have a slash in it, so that what looks like a path may be a part of one.
    let place = match place.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) if scheme != "file" => format!("{user}:***@{host}"),
        _ => place.to_owned(),
    };
    format!("{scheme}://{place}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_without_the_secrets_of_its_urls() {
        for (text, shown) in [
            ("s3://KEY:SE/CRET@bucket/state", "s3://KEY:***@bucket/state"),
            ("s3://KEY:SECRET@bucket/state", "s3://KEY:***@bucket/state"),
            ("s3://KEY:SEC@RET@bucket/state", "s3://KEY:***@bucket/state"),
            ("https://store/x?sig=SECRET&se=1", "https://store/x?***"),
            ("http://u:SECRET@one:9870,http://u:SECRET@two:9870", "http://u:***@one:9870,http://u:***@two:9870"),
            ("abfss://container@account.dfs.core.windows.net/a", "abfss://container@account.dfs.core.windows.net/a"),
            ("wasbs://c:d@account/a", "wasbs://c:***@account/a"),
            ("configmap:///orders", "configmap:///orders"),
            ("file:///a:b@c/d", "file:///a:b@c/d"),
            ("30s", "30s"),
        ] {
            assert_eq!(without_secrets(text), shown, "{text}");
        }
    }
}
