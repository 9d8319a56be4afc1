//! What holds for every mixture of containers, workloads and options.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Handover, Options, Sidecar, inject};
use super::{KINDS, options, workload};

fn manifests() -> impl Strategy<Value = Vec<Value>> {
    let command = prop::sample::select(vec![
        json!({"args": ["standalone-job", "-j", "X"]}),
        json!({"command": ["/docker-entrypoint.sh"], "args": ["standalone-job"]}),
        json!({"command": ["tini", "--", "/docker-entrypoint.sh", "standalone-job"]}),
        json!({"args": ["taskmanager"]}),
        json!({"command": ["sh", "-c", "taskmanager.sh start-foreground"]}),
        json!({"args": ["serve"]}),
        json!({}),
    ]);
    let pod = (command, any::<bool>(), any::<bool>(), 0..3_u8, prop::option::of(0..400_u64)).prop_map(
        |(command, liveness, token, other, grace)| {
            let mut container =
                json!({"name": "main", "image": "flink:1", "volumeMounts": [{"name": "s", "mountPath": "/s"}]});
            container.as_object_mut().unwrap().extend(command.as_object().unwrap().clone());
            if liveness {
                container["livenessProbe"] = json!({"tcpSocket": {"port": 1}});
            }
            let mut pod = json!({"metadata": {"labels": null}, "spec": {"containers": [container], "volumes": null}});
            if token {
                pod["spec"]["automountServiceAccountToken"] = json!(true);
            }
            if let Some(grace) = grace {
                pod["spec"]["terminationGracePeriodSeconds"] = json!(grace);
            }
            match other {
                1 => pod["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "log", "image": "x"})),
                2 => pod["spec"]["initContainers"] = json!([{"name": "wait", "image": "x"}]),
                _ => {}
            }
            pod
        },
    );
    prop::collection::vec((prop::sample::select(KINDS.to_vec()), pod, any::<bool>()), 1..4).prop_map(|pods| {
        let workloads = pods.into_iter().enumerate().map(|(index, (kind, pod, listed))| {
            let one = workload(kind, &format!("w{index}"), &pod);
            if listed { json!({"apiVersion": "v1", "kind": "List", "items": [one]}) } else { one }
        });
        workloads.collect()
    })
}

fn any_options() -> impl Strategy<Value = Options> {
    (
        any::<bool>(),
        1..300_u64,
        any::<bool>(),
        prop::sample::select(vec!["savepointd:1", "registry:5000/savepointd@sha256:1"]),
        any::<bool>(),
    )
        .prop_map(|(native, grace, rbac, image, request)| Options {
            sidecar: if native { Sidecar::Native } else { Sidecar::Classic },
            grace,
            rbac,
            image: image.to_owned(),
            handover: request.then_some(Handover::Request),
            ..options()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn twice_is_once(documents in manifests(), options in any_options()) {
        if let Ok(once) = inject(documents, &options) {
            let twice = inject(once.documents.clone(), &options).unwrap();
            prop_assert_eq!(&twice.documents, &once.documents);
        }
    }

    #[test]
    fn whatever_came_before_only_the_last_time_counts(documents in manifests(), before in any_options(), options in any_options()) {
        // Rights and grace once given are not taken away.
        let before = Options { rbac: options.rbac, grace: options.grace, ..before };
        if let Ok(other) = inject(documents.clone(), &before) {
            let sorted = |value: &Value| {
                let mut text: Vec<char> = value.to_string().chars().collect();
                text.sort_unstable();
                text
            };
            let over = inject(other.documents, &options).unwrap().documents;
            let plain = inject(documents, &options).unwrap().documents;
            prop_assert_eq!(over.len(), plain.len());
            for (over, plain) in over.iter().zip(&plain) {
                // The order of fields and of containers may be another.
                prop_assert_eq!(sorted(over), sorted(plain), "{:#}\n{:#}", over, plain);
            }
        }
    }
}
