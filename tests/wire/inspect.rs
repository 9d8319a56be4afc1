//! `inspect` as people call it: on real savepoints and checkpoints, on damaged ones, and on nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::process::binary;
use crate::world::Said;

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn said(command: &mut Command) -> Said {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SAVEPOINTD_")) {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn inspect(arguments: &[&str]) -> Said {
    said(Command::new(binary()).arg("inspect").args(arguments))
}

const VECTOR: &str = "2.3.0-checkpoint-changelog-rocksdb";

#[test]
fn json_is_what_flinks_own_reader_finds() {
    let vector = vector(VECTOR);
    let expected: Value = serde_json::from_slice(&std::fs::read(vector.join("expected.json")).unwrap()).unwrap();
    for path in [vector.clone(), vector.join("_metadata")] {
        let said = inspect(&["--output", "json", path.to_str().unwrap()]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), expected);
    }
    let relative = format!("tests/vectors/{VECTOR}");
    let mut command = Command::new(binary());
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["inspect", "--output", "json", &relative]);
    assert_eq!(serde_json::from_str::<Value>(&said(&mut command).out).unwrap(), expected);
}

#[test]
fn the_table_fits_a_terminal_and_names_operators_and_directories() {
    let said = inspect(&[vector(VECTOR).to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    for shown in ["checkpoint 3, format version 6: ", "4 operators", "zähler-🐿", "DIRECTORY", "/taskowned", "/dstl"]
    {
        assert!(said.out.contains(shown), "{shown} is not in\n{}", said.out);
    }
    // Paths are not cut: people copy them.
    let lines = said.out.lines().filter(|line| !line.contains("file:/"));
    for line in lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_uid_tells_its_operator_and_whether_the_state_has_it() {
    let id = "286653ddc94fb0c6b5c0db8c404a79ab";
    let said = inspect(&["--uid", "zähler-🐿"]);
    assert_eq!((said.code, said.out.trim()), (0, id), "{said:?}");

    // Also where the format has no uids.
    for version in ["1.20.5-canonical-hashmap", "2.3.0-canonical-rocksdb"] {
        let path = vector(version);
        let path = path.to_str().unwrap();
        let said = inspect(&["--uid", "zähler-🐿", "--output", "json", path]);
        let answer: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((said.code, &answer["operator_id"], &answer["found"]), (0, &id.into(), &true.into()), "{answer}");
        assert_eq!(
            (&answer["operator"]["parallelism"], &answer["operator"]["max_parallelism"]),
            (&2.into(), &8.into())
        );
        assert!(inspect(&["--uid", "zähler-🐿", path]).out.contains(id));

        let said = inspect(&["--uid", "nobody", path]);
        assert_eq!((said.code, said.out.contains(" is not in file:///")), (65, true), "{said:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().to_owned();
    let whole = std::fs::read(vector("1.20.5-native-rocksdb").join("_metadata")).unwrap();
    let said_of = |bytes: &[u8]| {
        std::fs::write(dir.path().join("_metadata"), bytes).unwrap();
        inspect(&[&path])
    };
    let said = said_of(&whole[..500]);
    assert_eq!(said.code, 65, "{said:?}");
    assert!(
        said.err.contains(&format!("file://{path}/_metadata")) && said.err.contains("the file ends within"),
        "{said:?}"
    );
    assert_eq!(said_of(&[]).code, 65, "empty");
    let mut newer = whole;
    newer[7] = 8;
    let said = said_of(&newer);
    assert_eq!((said.code, said.err.contains("format version 8")), (77, true), "{said:?}");

    let said = inspect(&[&format!("{path}/nothing")]);
    assert_eq!((said.code, said.err.contains("nothing is there")), (65, true), "{said:?}");
    std::fs::remove_file(dir.path().join("_metadata")).unwrap();
    std::fs::create_dir(dir.path().join("_metadata")).unwrap();
    assert_ne!(inspect(&[&path]).code, 0, "a directory in its place");
    assert_eq!(inspect(&["viewfs://name/a"]).code, 77);
    assert_eq!(inspect(&[]).code, 64);
}

#[test]
fn a_hostile_file_takes_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(vector("1.20.5-canonical-hashmap").join("_metadata")).unwrap();
    // As many operators as there can be; and as many bytes of inlined state, of the second's coordinator.
    let mut operators = whole;
    operators[20..24].copy_from_slice(&i32::MAX.to_be_bytes());
    operators.truncate(24);
    let mut inlined = operators.clone();
    inlined.extend([7; 16]);
    inlined.extend([0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
    for bytes in [operators, inlined] {
        std::fs::write(dir.path().join("_metadata"), bytes).unwrap();
        let mut command = Command::new("bash");
        // In KiB of addresses: enough for the program, not for what the file says.
        command.args(["-c", "ulimit -v 1000000 && exec \"$0\" inspect \"$1\""]).arg(binary()).arg(dir.path());
        let said = said(&mut command);
        assert_eq!((said.code, said.err.contains("the file ends within")), (65, true), "{said:?}");
    }
}
