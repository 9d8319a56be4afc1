//! What the README's section on security says: each of its lines names tests, here and elsewhere.

mod admin_port;
mod paths;
mod secrets;
mod separation;
mod unsafe_code;

use crate::documents::{names, pages};

#[test]
fn each_line_of_the_threat_model_has_tests_that_are_there() {
    let page = pages::text("README.md");
    let tests = names::tests();
    let rows = pages::rows(&page, "| who | can | can't | shown by |");
    assert!(rows.len() > 6, "{rows:?}");
    for row in &rows {
        let named = pages::quoted(&row[3]);
        assert!(!named.is_empty(), "nothing shows {row:?}");
        for name in named {
            assert!(tests.is_test(&name), "{}: there is no test {name}", row[0]);
        }
    }
}
