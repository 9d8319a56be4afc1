mod properties;

use serde_json::json;

use super::*;

fn options() -> Options {
    Options {
        image: "savepointd:1".to_owned(),
        record: None,
        sidecar: Sidecar::Native,
        grace: 120,
        entrypoint: vec!["/docker-entrypoint.sh".to_owned()],
        handover: None,
        port: DEFAULT_PORT,
        agent: None,
        job_managers: Vec::new(),
        task_managers: Vec::new(),
        rbac: true,
        settings: Vec::new(),
    }
}

fn pod(container: &Value) -> Value {
    json!({"metadata": {"labels": {"app": "orders"}}, "spec": {"containers": [container]}})
}

fn job_manager() -> Value {
    json!({"name": "main", "image": "flink:1.20", "args": ["standalone-job", "--job-classname", "X"]})
}

fn task_manager() -> Value {
    json!({"name": "main", "image": "flink:1.20", "args": ["taskmanager"]})
}

/// A workload of this kind, with this pod.
fn workload(kind: &str, name: &str, pod: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": "shop"});
    match kind {
        "Pod" => {
            let spec = pod["spec"].clone();
            json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})
        }
        "PodTemplate" => json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "template": pod}),
        "Job" => json!({"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": {"template": pod}}),
        "CronJob" => {
            let job = json!({"spec": {"template": pod}});
            json!({"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": {"schedule": "@daily", "jobTemplate": job}})
        }
        _ => json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": {"template": pod}}),
    }
}

const KINDS: [&str; 7] = ["Deployment", "StatefulSet", "ReplicaSet", "Job", "CronJob", "Pod", "PodTemplate"];

fn spec_of(object: &Value) -> &Value {
    let places = ["/spec/jobTemplate/spec/template/spec", "/spec/template/spec", "/template/spec", "/spec"];
    places.iter().find_map(|place| object.pointer(place).filter(|spec| spec.get("containers").is_some())).unwrap()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

fn kinds(injected: &Injected) -> Vec<&str> {
    injected.documents.iter().map(|document| document["kind"].as_str().unwrap()).collect()
}

fn done(documents: &[Value], options: &Options) -> Injected {
    inject(documents.to_vec(), options).unwrap()
}

fn deployment() -> Value {
    workload("Deployment", "orders", &pod(&job_manager()))
}

#[test]
fn every_kind_of_workload_gets_agent_run_and_companions() {
    for kind in KINDS {
        let injected = done(&[workload(kind, "orders", &pod(&job_manager()))], &options());
        assert_eq!(kinds(&injected), [kind, "Service", "ServiceAccount", "Role", "RoleBinding"]);
        let spec = spec_of(&injected.documents[0]);
        let agent = named(&spec["initContainers"], "savepointd");
        assert_eq!((&agent["restartPolicy"], &agent["args"]), (&json!("Always"), &json!(["agent"])), "{kind}");
        assert_eq!(named(&agent["env"], "SAVEPOINTD_RECORD")["value"], "configmap:///orders-savepointd");
        assert_eq!(named(&agent["env"], "SAVEPOINTD_POD__IP")["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
        // One container before Flink's, and no probe that the kubelet would wait for before it starts that.
        assert_eq!(spec["initContainers"].as_array().unwrap().len(), 1);
        let hook = &agent["lifecycle"]["postStart"]["exec"]["command"];
        assert_eq!(hook, &json!(["/bin/savepointd", "install", "/savepointd/bin"]));
        assert!(agent.get("startupProbe").is_none() && agent.get("livenessProbe").is_some());
        let main = named(&spec["containers"], "main");
        assert_eq!(main["command"], json!(["/savepointd/bin/savepointd", "run", "--", "/docker-entrypoint.sh"]));
        assert_eq!(main["args"][0], "standalone-job");
        assert_eq!(named(&main["volumeMounts"], "savepointd")["readOnly"], true);
        assert_eq!(main["readinessProbe"]["httpGet"]["path"], "/readyz");
        assert_eq!(spec["terminationGracePeriodSeconds"], 120);
        assert_eq!(spec["serviceAccountName"], "orders-savepointd");
        for document in injected.documents.iter().skip(1) {
            assert_eq!(document["metadata"]["namespace"], "shop", "{document:#}");
        }
        assert_eq!(injected.documents[1]["spec"]["selector"]["savepointd/agent"], "orders-savepointd");
    }
}

#[test]
fn a_task_manager_gets_a_guard_that_knows_its_agent() {
    let documents = [deployment(), workload("Deployment", "workers", &pod(&task_manager()))];
    let injected = done(&documents, &options());
    let spec = spec_of(&injected.documents[1]);
    let main = named(&spec["containers"], "main");
    assert_eq!(main["command"][1], "guard");
    assert_eq!(named(&main["env"], "SAVEPOINTD_GUARD__AGENT")["value"], "orders-savepointd:9250");
    assert_eq!(named(&main["env"], "SAVEPOINTD_STOP__GRACE")["value"], "120s");
    assert_eq!(spec["initContainers"].as_array().unwrap().len(), 1);
    assert!(spec.get("serviceAccountName").is_none() && main.get("readinessProbe").is_none());
}

#[test]
fn each_task_manager_goes_to_the_job_manager_that_it_is_most_alike() {
    let labelled = |container: &Value, app: &str| json!({"metadata": {"labels": {"app": app, "part-of": "shop"}}, "spec": {"containers": [container]}});
    let mut documents = Vec::new();
    for app in ["orders", "refunds"] {
        documents.push(workload("Deployment", app, &labelled(&job_manager(), app)));
        documents.push(workload("StatefulSet", &format!("{app}-workers"), &labelled(&task_manager(), app)));
    }
    documents.push(workload("StatefulSet", "any", &labelled(&task_manager(), "else")));
    let injected = done(&documents, &options());
    let agent = |at: usize| {
        let env = spec_of(&injected.documents[at])["containers"][0]["env"].clone();
        env.as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "SAVEPOINTD_GUARD__AGENT")
            .map(|one| one["value"].clone())
    };
    assert_eq!(agent(1), Some(json!("orders-savepointd:9250")));
    assert_eq!(agent(3), Some(json!("refunds-savepointd:9250")));
    assert_eq!(agent(4), None);
    let unclear: Vec<_> = injected.notes.iter().filter(|note| note.contains("--agent HOST:PORT")).collect();
    assert!(
        matches!(unclear.as_slice(), [note] if note.starts_with("StatefulSet/any container main: ")),
        "{unclear:?}"
    );

    let one_record = Options { record: Some("configmap:///mine".to_owned()), ..options() };
    let Err(Refusal::Usage(problems)) = inject(documents, &one_record) else { panic!() };
    assert!(problems[0].contains("Deployment/orders and Deployment/refunds"), "{problems:?}");
}

#[test]
fn a_guard_alone_is_told_where_its_agent_is() {
    let documents = [workload("Deployment", "workers", &pod(&task_manager()))];
    let injected = done(&documents, &Options { agent: Some("elsewhere:9250".to_owned()), ..options() });
    assert_eq!(kinds(&injected), ["Deployment"]);
    let env = &spec_of(&injected.documents[0])["containers"][0]["env"];
    assert_eq!(named(env, "SAVEPOINTD_GUARD__AGENT")["value"], "elsewhere:9250");
}

#[test]
fn a_list_is_changed_where_it_is() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [{"kind": "List", "apiVersion": "v1", "items": [deployment()]}]});
    let injected = done(&[list], &options());
    assert_eq!(kinds(&injected).len(), 5);
    let inner = &injected.documents[0]["items"][0]["items"][0];
    assert_eq!(spec_of(inner)["containers"][0]["command"][1], "run");
    let again = done(&injected.documents, &options());
    assert_eq!(again.documents, injected.documents);
}

#[test]
fn what_is_not_ours_to_change_is_left_alone() {
    let mut hook = workload("Job", "submit", &pod(&job_manager()));
    hook["metadata"]["annotations"] = json!({"helm.sh/hook": "pre-install"});
    let mut owned = workload("ReplicaSet", "orders-5f", &pod(&job_manager()));
    owned["metadata"]["ownerReferences"] = json!([{"kind": "Deployment", "controller": true}]);
    let mut foreign = workload("Deployment", "other", &pod(&job_manager()));
    foreign["apiVersion"] = json!("example.com/v1");
    let others = [
        hook,
        owned,
        foreign,
        workload("Deployment", "web", &pod(&json!({"name": "main", "image": "nginx", "args": ["serve"]}))),
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}, "data": {"a": "standalone-job"}}),
        json!({"some": "thing"}),
        Value::Null,
    ];
    let documents: Vec<Value> = others.iter().cloned().chain([deployment()]).collect();
    let injected = done(&documents, &options());
    assert_eq!(injected.documents[..others.len()], others);
    let Err(Refusal::Documents(problems)) = inject(others.to_vec(), &options()) else { panic!() };
    assert!(problems[0].contains("no JobManager and no TaskManager was found"), "{problems:?}");
}

#[test]
fn grace_is_raised_and_never_lowered() {
    for (given, expected, said) in
        [(None, 120, true), (Some(30), 120, true), (Some(120), 120, false), (Some(600), 600, false)]
    {
        let mut deployment = deployment();
        if let Some(given) = given {
            deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(given);
        }
        let injected = done(&[deployment], &options());
        let spec = spec_of(&injected.documents[0]);
        assert_eq!(spec["terminationGracePeriodSeconds"], expected);
        assert_eq!(injected.notes.iter().any(|note| note.contains("raised from")), said, "{:?}", injected.notes);
        let grace = json!(format!("{expected}s"));
        for container in [&spec["initContainers"][0], &spec["containers"][0]] {
            assert_eq!(named(&container["env"], "SAVEPOINTD_STOP__GRACE")["value"], grace);
        }
    }
}

#[test]
fn a_rolling_update_asks_for_the_hand_over_and_nothing_else_does() {
    let handover = |document: &Value, options: &Options| {
        let injected = done(std::slice::from_ref(document), options);
        let env = spec_of(&injected.documents[0])["initContainers"][0]["env"].clone();
        let asks =
            env.as_array().unwrap().iter().any(|one| one["name"] == "SAVEPOINTD_HANDOVER" && one["value"] == "request");
        (asks, injected.notes.iter().any(|note| note.contains("a rolling update never ends")))
    };
    let mut recreate = deployment();
    recreate["spec"]["strategy"] = json!({"type": "Recreate"});
    let wait = Options { handover: Some(Handover::Wait), ..options() };
    let request = Options { handover: Some(Handover::Request), ..options() };
    assert_eq!(handover(&deployment(), &options()), (true, false));
    assert_eq!(handover(&deployment(), &wait), (false, true));
    assert_eq!(handover(&recreate, &options()), (false, false));
    assert_eq!(handover(&recreate, &request), (true, false));
    assert_eq!(handover(&workload("StatefulSet", "s", &pod(&job_manager())), &options()), (false, false));
}

#[test]
fn only_the_agent_gets_the_token_unless_others_need_one() {
    let token = |pod: &Value, more: &[Value]| {
        let documents: Vec<Value> =
            [workload("StatefulSet", "s", pod)].into_iter().chain(more.iter().cloned()).collect();
        let injected = done(&documents, &options());
        let spec = spec_of(&injected.documents[0]).clone();
        let mounts = spec["initContainers"][0]["volumeMounts"].to_string();
        assert_eq!(mounts.contains("savepointd-token"), spec["volumes"].to_string().contains("serviceAccountToken"));
        (spec.get("automountServiceAccountToken").cloned(), mounts.contains("savepointd-token"))
    };
    let own = (Some(json!(false)), true);
    assert_eq!(token(&pod(&job_manager()), &[]), own);
    let mut other = pod(&job_manager());
    other["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "vault", "image": "vault"}));
    assert_eq!(token(&other, &[]), (None, false));
    other["spec"]["automountServiceAccountToken"] = json!(false);
    assert_eq!(token(&other, &[]), own);
    let mut wanted = pod(&job_manager());
    wanted["spec"]["automountServiceAccountToken"] = json!(true);
    assert_eq!(token(&wanted, &[]), (Some(json!(true)), false));
    let mut elected = pod(&job_manager());
    elected["spec"]["containers"][0]["env"] =
        json!([{"name": "FLINK_PROPERTIES", "value": "a: b\nhigh-availability.type: kubernetes\n"}]);
    assert_eq!(token(&elected, &[]), (None, false));
    let config = json!({"kind": "ConfigMap", "data": {"config.yaml": "high-availability: org.apache.flink.kubernetes.highavailability.KubernetesHaServicesFactory"}});
    assert_eq!(token(&pod(&job_manager()), &[config]), (None, false));
}

#[test]
fn an_existing_service_account_stays_and_is_given_the_rights() {
    let mut deployment = deployment();
    deployment["spec"]["template"]["spec"]["serviceAccountName"] = json!("flink");
    let injected = done(&[deployment.clone()], &options());
    assert_eq!(kinds(&injected), ["Deployment", "Service", "Role", "RoleBinding"]);
    assert_eq!(
        injected.documents[3]["subjects"][0],
        json!({"kind": "ServiceAccount", "name": "flink", "namespace": "shop"})
    );
    let injected = done(&[deployment], &Options { rbac: false, ..options() });
    assert_eq!(kinds(&injected), ["Deployment", "Service"]);
    assert!(injected.notes.iter().any(|note| note.contains("ServiceAccount flink needs a Role with these rules: [{")));

    let known = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "orders-savepointd", "namespace": "shop", "annotations": {"identity": "mine"}}});
    let injected = done(&[self::deployment(), known.clone()], &options());
    assert_eq!(injected.documents[1], known, "what it carries is kept");
}

#[test]
fn a_record_in_another_namespace_needs_a_role_made_by_hand() {
    let elsewhere = Options { record: Some("configmap://records/orders".to_owned()), ..options() };
    let Err(Refusal::Usage(problems)) = inject(vec![deployment()], &elsewhere) else { panic!() };
    assert!(problems[0].contains("--no-rbac"), "{problems:?}");
    assert!(inject(vec![deployment()], &Options { rbac: false, ..elsewhere }).is_ok());
}

#[test]
fn probes_that_would_restart_a_waiting_job_manager_go() {
    let mut container = job_manager();
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        container[probe] = json!({"tcpSocket": {"port": 6123}});
    }
    container["lifecycle"] = json!({"preStop": {"exec": {"command": ["sleep", "5"]}}});
    let injected = done(&[workload("StatefulSet", "s", &pod(&container))], &options());
    let main = &spec_of(&injected.documents[0])["containers"][0];
    assert!(main.get("livenessProbe").is_none() && main.get("startupProbe").is_none());
    assert_eq!(main["readinessProbe"]["httpGet"]["port"], 9250);
    for hint in ["livenessProbe removed", "startupProbe removed", "readinessProbe replaced", "preStop hook"] {
        assert!(injected.notes.iter().any(|note| note.contains(hint)), "{hint}: {:?}", injected.notes);
    }
    let again = done(&injected.documents, &options());
    assert!(!again.notes.iter().any(|note| note.contains("Probe")), "{:?}", again.notes);
}

#[test]
fn the_agent_sees_the_state_where_flink_sees_it_and_as_the_same_user() {
    let mut pod = pod(&job_manager());
    pod["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "state", "mountPath": "/state"}, {"name": "conf", "mountPath": "/opt/flink/conf"},
        {"name": "tmp", "mountPath": "/tmp"}, {"name": "claimed", "mountPath": "/claimed", "subPath": "x"},
    ]);
    pod["spec"]["volumes"] = json!([
        {"name": "state", "nfs": {"server": "s", "path": "/"}}, {"name": "conf", "configMap": {"name": "c"}}, {"name": "tmp", "emptyDir": {}},
    ]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 1000});
    let injected = done(&[workload("StatefulSet", "s", &pod)], &options());
    let agent = &spec_of(&injected.documents[0])["initContainers"][0];
    let paths: Vec<_> =
        agent["volumeMounts"].as_array().unwrap().iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert_eq!(paths, ["/state", "/claimed", "/savepointd", "/run/savepointd", token]);
    assert_eq!(named(&agent["volumeMounts"], "claimed")["subPath"], "x");
    assert_eq!(agent["securityContext"]["runAsUser"], 1000);
}

#[test]
fn settings_port_and_record_reach_the_agent() {
    let options = Options {
        port: 9300,
        record: Some("file:///state/record".to_owned()),
        settings: vec![("SAVEPOINTD_SAVEPOINT__FORMAT".to_owned(), "canonical".to_owned())],
        ..options()
    };
    let injected = done(&[deployment(), workload("Deployment", "workers", &pod(&task_manager()))], &options);
    let spec = spec_of(&injected.documents[0]);
    let env = &spec["initContainers"][0]["env"];
    assert_eq!(named(env, "SAVEPOINTD_ADMIN__ADDRESS")["value"], "[::]:9300");
    assert_eq!(named(env, "SAVEPOINTD_SAVEPOINT__FORMAT")["value"], "canonical");
    assert_eq!(spec["containers"][0]["readinessProbe"]["httpGet"]["port"], 9300);
    let guard = &spec_of(&injected.documents[1])["containers"][0]["env"];
    assert_eq!(named(guard, "SAVEPOINTD_GUARD__AGENT")["value"], "orders-savepointd:9300");
    let role = injected.documents.iter().find(|document| document["kind"] == "Role").unwrap();
    assert!(!role.to_string().contains("configmaps"));
}

#[test]
fn settings_that_guards_read_reach_them_too() {
    let documents = [deployment(), workload("Deployment", "workers", &pod(&task_manager()))];
    let of_both = ("SAVEPOINTD_GUARD__CHECKPOINT".to_owned(), "30s".to_owned());
    let of_the_agent = ("SAVEPOINTD_SAVEPOINT__FORMAT".to_owned(), "canonical".to_owned());
    let options = Options { settings: vec![of_both, of_the_agent], ..options() };
    let injected = done(&documents, &options);
    let agent = named(&spec_of(&injected.documents[0])["initContainers"], "savepointd")["env"].clone();
    let guard = spec_of(&injected.documents[1])["containers"][0]["env"].clone();
    for env in [&agent, &guard] {
        assert_eq!(named(env, "SAVEPOINTD_GUARD__CHECKPOINT")["value"], "30s");
    }
    assert!(agent.to_string().contains("SAVEPOINT__FORMAT") && !guard.to_string().contains("SAVEPOINT__FORMAT"));
}

#[test]
fn a_sidecar_becomes_the_other_kind_and_what_people_added_stays() {
    let mut injected = done(&[workload("Job", "orders", &pod(&job_manager()))], &options());
    let template = injected.documents[0].pointer_mut("/spec/template/spec").unwrap();
    let agent = &mut template["initContainers"][0];
    agent["resources"] = json!({"limits": {"memory": "1Gi"}});
    agent["lifecycle"]["preStop"] = json!({"sleep": {"seconds": 1}});
    agent["env"].as_array_mut().unwrap().push(json!({"name": "SAVEPOINTD_LOG", "value": "debug"}));
    let classic = done(
        &injected.documents,
        &Options { sidecar: Sidecar::Classic, image: "savepointd:2".to_owned(), ..options() },
    );
    let spec = spec_of(&classic.documents[0]);
    let agent = named(&spec["containers"], "savepointd");
    assert!(agent.get("restartPolicy").is_none());
    assert_eq!((&agent["image"], &agent["resources"]["limits"]["memory"]), (&json!("savepointd:2"), &json!("1Gi")));
    assert_eq!(named(&agent["env"], "SAVEPOINTD_LOG")["value"], "debug");
    assert_eq!(spec["initContainers"].as_array().unwrap().len(), 1);
    assert_eq!(spec["initContainers"][0]["args"], json!(["install", "/savepointd/bin"]));
    assert_eq!(spec["initContainers"][0]["image"], "savepointd:2");
    assert!(agent["lifecycle"].get("postStart").is_none() && agent["lifecycle"].get("preStop").is_some());
    assert!(classic.notes.iter().any(|note| note.contains("does not complete")), "{:?}", classic.notes);
    let native = done(&classic.documents, &options());
    assert_eq!(spec_of(&native.documents[0])["containers"].as_array().unwrap().len(), 1);
    let init = &spec_of(&native.documents[0])["initContainers"];
    assert_eq!((init.as_array().unwrap().len(), &init[0]["restartPolicy"]), (1, &json!("Always")));
}

#[test]
fn what_an_earlier_version_wrote_is_brought_up_to_date() {
    let mut injected = done(&[deployment()], &options());
    let now = injected.documents.clone();
    let spec = injected.documents[0].pointer_mut("/spec/template/spec").unwrap();
    let init = spec["initContainers"].as_array_mut().unwrap();
    init[0].as_object_mut().unwrap().remove("lifecycle");
    init[0]["startupProbe"] = json!({"httpGet": {"path": "/livez", "port": 9250}});
    init.insert(0, json!({"name": "savepointd-install", "image": "savepointd:0"}));
    assert_eq!(done(&injected.documents, &options()).documents, now);
}

#[test]
fn a_container_that_is_named_is_changed_whatever_it_looks_like() {
    let custom = json!({"name": "main", "image": "acme/job:1", "args": ["standalone-job"]});
    let own = Options { entrypoint: vec!["/own.sh".to_owned()], ..options() };
    let injected = done(&[workload("Deployment", "orders", &pod(&custom))], &own);
    assert_eq!(spec_of(&injected.documents[0])["containers"][0]["command"][3], "/own.sh");

    let hidden = json!({"name": "main", "image": "acme/worker:1"});
    let documents = [deployment(), workload("Deployment", "workers", &pod(&hidden))];
    let named_worker = Options {
        task_managers: vec!["deployment/workers".parse().unwrap()],
        entrypoint: vec!["/docker-entrypoint.sh".to_owned(), "taskmanager".to_owned()],
        ..options()
    };
    let injected = done(&documents, &named_worker);
    let command = &spec_of(&injected.documents[1])["containers"][0]["command"];
    assert_eq!(*command, json!(["/savepointd/bin/savepointd", "guard", "--", "/docker-entrypoint.sh", "taskmanager"]));

    let missing = Options { job_managers: vec!["Deployment/nowhere/main".parse().unwrap()], ..options() };
    let Err(Refusal::Usage(problems)) = inject(documents.to_vec(), &missing) else { panic!() };
    assert!(problems[0].contains("Deployment/nowhere/main: no such container"), "{problems:?}");
    let wrong = Options { job_managers: vec!["Deployment/workers/main".parse().unwrap()], ..options() };
    let Err(Refusal::Documents(problems)) = inject(documents.to_vec(), &wrong) else { panic!() };
    assert!(problems[0].contains("no JobManager's command line"), "{problems:?}");
    for text in ["", "a", "a/", "/b", "a/b/", "a/b/c/d"] {
        assert!(text.parse::<Target>().is_err(), "{text}");
    }
}

#[test]
fn a_pod_template_of_native_mode_gets_everything_but_the_command() {
    let template = workload("Pod", "jobmanager", &pod(&json!({"name": "flink-main-container", "image": "flink:1.20"})));
    let Err(Refusal::Documents(problems)) = inject(vec![template.clone()], &options()) else { panic!() };
    assert!(problems[0].contains("--jobmanager or --taskmanager Pod/jobmanager"), "{problems:?}");
    let named = Options { job_managers: vec!["Pod/jobmanager".parse().unwrap()], ..options() };
    let injected = done(&[template], &named);
    let spec = spec_of(&injected.documents[0]);
    let main = &spec["containers"][0];
    assert!(main.get("command").is_none() && main["readinessProbe"].is_object());
    assert!(spec.get("automountServiceAccountToken").is_none(), "Flink needs it");
    assert!(injected.notes.iter().any(|note| note.contains("kubernetes.entry.path")), "{:?}", injected.notes);
    assert_eq!(done(&injected.documents, &named).documents, injected.documents);
}

#[test]
fn what_can_not_be_protected_leaves_everything_unwritten() {
    let shell = json!({"name": "main", "command": ["sh", "-c", "/docker-entrypoint.sh standalone-job -j X"]});
    let session = json!({"name": "main", "command": ["kubernetes-jobmanager.sh", "kubernetes-session"]});
    for (container, hint) in [(shell, "give it as a list"), (session, "native session cluster")] {
        let documents = vec![deployment(), workload("StatefulSet", "bad", &pod(&container))];
        let Err(Refusal::Documents(problems)) = inject(documents, &options()) else { panic!() };
        assert!(
            matches!(problems.as_slice(), [one] if one.starts_with("StatefulSet/bad container main: ") && one.contains(hint)),
            "{problems:?}"
        );
    }
    let mut both = pod(&job_manager());
    both["spec"]["containers"].as_array_mut().unwrap().push(json!({"name": "worker", "args": ["taskmanager"]}));
    assert!(matches!(inject(vec![workload("Pod", "p", &both)], &options()), Err(Refusal::Documents(_))));
}

#[test]
fn unclear_containers_are_named_with_the_way_out() {
    let unclear = workload("Deployment", "custom", &pod(&json!({"name": "main", "image": "acme/flink-job:7"})));
    let injected = done(&[deployment(), unclear.clone()], &options());
    assert!(
        injected
            .notes
            .iter()
            .any(|note| note.starts_with("Deployment/custom container main: ") && note.contains("--entrypoint"))
    );
    assert_eq!(injected.documents[1], unclear);
}

#[test]
fn odd_shapes_are_errors_and_no_panics() {
    for broken in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [job_manager()], "volumes": "x"}}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"metadata": 7, "spec": {"containers": [job_manager()]}}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [job_manager()], "terminationGracePeriodSeconds": "x"}}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": [job_manager()], "initContainers": {}}}}}),
    ] {
        assert!(matches!(inject(vec![broken.clone()], &options()), Err(Refusal::Documents(_))), "{broken}");
    }
    for nothing in [
        json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {"containers": "x"}}}}),
        json!({"apiVersion": 1, "kind": []}),
        json!({"kind": "List", "items": {"a": 1}}),
        json!({"kind": "List", "apiVersion": "v1", "items": [1, null, []]}),
    ] {
        assert!(matches!(inject(vec![nothing.clone()], &options()), Err(Refusal::Documents(_))), "{nothing}");
    }
}
