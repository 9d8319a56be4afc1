//! Flink on Kubernetes: each way comes to the objects that the shipped overlay has, and those are tried out on the node
//! (`tests/node/manifests.rs`: a real API server takes them; `tests/node/native.rs`: Flink makes pods of them).

use std::fs;

use serde_json::Value;

use super::desk::Desk;
use super::pages;
use crate::inject::{agree, kustomize, objects};
use crate::world::World;

pub const RUN: &[&str] = &["manifests", "overlays", "helm", "helm_template", "kustomize", "argo_cd", "native"];

const CHART: &str = "apiVersion: v2\nname: orders\nversion: 0.1.0\n";
const KUSTOMIZATION: &str =
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [flink.yaml]\n";

/// A desk with an application as it was without savepointd: as a file, as a chart, and to be built by kustomize.
fn desk(world: &World, programs: &[&'static str]) -> Option<Desk> {
    let desk = Desk::with(world, programs)?;
    let plain = kustomize("flink/deployment")?.replace("image: flink\n", "image: flink:1.20-java17\n");
    let work = desk.work();
    for folder in ["chart/templates", "app", "deploy"] {
        fs::create_dir_all(work.join(folder)).unwrap();
    }
    for (file, text) in [
        ("flink.yaml", plain.as_str()),
        ("chart/Chart.yaml", CHART),
        ("chart/templates/flink.yaml", &plain),
        ("app/kustomization.yaml", KUSTOMIZATION),
        ("app/flink.yaml", &plain),
    ] {
        fs::write(work.join(file), text).unwrap();
    }
    Some(desk)
}

/// Asserts that these are the objects of the shipped Deployment.
fn assert_protected(objects: &str, what: &str) {
    agree(objects, &kustomize("overlays/deployment").unwrap(), what);
}

#[test]
fn manifests_are_applied_with_everything_that_is_needed() {
    let world = World::new();
    let Some(desk) = desk(&world, &["kubectl"]) else { return };
    desk.run(&world, &pages::only("manifests"));
    assert_protected(&desk.applied(), "manifests");
}

#[test]
fn a_chart_is_installed_with_everything_that_is_needed() {
    let world = World::new();
    let Some(desk) = desk(&world, &["kubectl", "helm"]) else { return };
    for name in ["helm", "helm_template"] {
        desk.run(&world, &pages::only(name));
        assert_protected(&desk.applied(), name);
    }
}

#[test]
fn kustomize_and_argo_cd_write_manifests_with_everything_that_is_needed() {
    let world = World::new();
    let Some(desk) = desk(&world, &["kubectl"]) else { return };
    desk.run(&world, &pages::only("kustomize"));
    assert_protected(&fs::read_to_string(desk.work().join("deploy/orders.yaml")).unwrap(), "kustomize");

    let plugin = &objects(&pages::only("argo_cd"))["ConfigManagementPlugin/savepointd"];
    let command = plugin["spec"]["generate"]["command"].as_array().unwrap();
    let [shell, flag, script] = command.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>()[..] else {
        panic!()
    };
    let written = desk.run(&world, &format!("cd app && {shell} {flag} '{script}'"));
    assert_protected(&written, "argo_cd");
}

#[test]
fn each_overlay_is_applied_as_it_is_written() {
    let world = World::new();
    let Some(desk) = desk(&world, &["kubectl"]) else { return };
    let mut overlays = Vec::new();
    for line in pages::run("overlays").iter().flat_map(|block| block.lines()) {
        let (command, others) = line.split_once('#').unwrap_or((line, ""));
        let Some((before, overlay)) = command.trim().rsplit_once('/') else { panic!("{line}") };
        let others = others.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '-'));
        for name in [overlay]
            .into_iter()
            .chain(others.filter(|word| pages::root().join("k8s/overlays").join(word).is_dir() && !word.is_empty()))
        {
            desk.run(&world, &format!("{before}/{name}"));
            let objects = objects(&desk.applied());
            assert!(objects.keys().any(|key| key.starts_with("Role/")), "{name}: {:?}", objects.keys());
            overlays.push(name.to_owned());
        }
    }
    overlays.sort();
    overlays.dedup();
    let shipped = fs::read_dir(pages::root().join("k8s/overlays")).unwrap();
    let mut shipped: Vec<String> = shipped.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    shipped.sort();
    assert_eq!(overlays, shipped, "each overlay is named by a page");
}

/// The client needs a cluster: `tests/node/native.rs` gives it this command, with the test's job and the memory of the test's machine.
#[test]
fn the_command_of_native_mode_is_the_one_that_the_node_is_given() {
    let given = pages::text("tests/node/native.rs");
    let block = pages::only("native");
    let options: Vec<&str> = block.split_whitespace().filter_map(|word| word.strip_prefix("-D")).collect();
    assert!(options.len() > 5, "{block}");
    for option in options {
        let (key, value) = option.split_once('=').unwrap();
        assert!(given.contains(&format!("(\"{key}\"")), "{key} is not in tests/node/native.rs");
        if let Some(template) = value.strip_prefix("k8s/") {
            assert!(pages::root().join("k8s").join(template).is_file(), "{value}");
        }
    }
    for word in ["run-application", "--target kubernetes-application"] {
        assert!(block.contains(word) && given.contains(word), "{word}");
    }
    let account = &objects(&kustomize("base").unwrap_or_default());
    let named =
        |object: &Value| object["metadata"]["name"].as_str().is_some_and(|name| block.contains(&format!("={name} ")));
    assert!(account.is_empty() || account.values().any(named), "{:?}", account.keys());
}
