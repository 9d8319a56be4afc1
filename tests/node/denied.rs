//! The agent's rights: what is granted is enough, and what is missing is named.

use super::application::{Application, STOP, eventually};
use super::manifest::{self, Shape};
use super::{node, on_the_node};

on_the_node!(without_any_of_its_rights_the_agent_names_the_rule_and_starts_nothing);

fn without_any_of_its_rights_the_agent_names_the_rule_and_starts_nothing() {
    let app = Application::prepare("denied", Shape::default());
    let role = |without| node::feed(&["apply"], &[manifest::role(&app.place.namespace, without)]);
    let workload = || [manifest::job_manager(&app.place, &app.shape, "jobmanager")];
    // While there is no record yet, it has to be made.
    let mut missing: Vec<&str> = manifest::rules(&app.place.namespace).into_iter().map(|(what, _)| what).collect();
    missing.sort_unstable();
    let mut ended = Vec::new();
    for without in missing {
        role(Some(without));
        node::feed(&["apply"], &workload());
        let pod = app.job_manager_but(&ended.iter().collect::<Vec<_>>());
        let (verb, resource) = without.split_once(' ').unwrap();
        let missing_rule = [format!("resources: [{resource}]"), format!("verbs: [{verb}]")];
        let named = eventually(without, STOP, || {
            let lines = app.log(&pod, "agent");
            let texts = lines.into_iter().map(|line| line.says.to_string());
            texts.into_iter().find(|text| missing_rule.iter().all(|part| text.contains(part)))
        });
        println!("without {without}: {named}");
        // An Event is good to have, and nothing depends on it.
        if without != "create events" {
            assert!(app.all_said(&pod, "jobmanager", "the entrypoint is started").is_empty(), "{without}");
        }
        app.kubectl(&["delete", "deployment", "jobmanager"]);
        app.gone(&pod);
        ended.push(pod);
    }
    role(None);
    app.apply();
    app.started_but(&ended.iter().collect::<Vec<_>>());
    app.progress(100);
    app.assert_exactly_once(1);
}
