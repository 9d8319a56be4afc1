//! Which containers make one cluster, and what lies beside its pods.

use serde_json::{Value, json};

use super::companions::{self, Companions};
use super::json;
use super::role::Role;
use super::target::Member;
use super::workload;
use super::{Options, Refusal};

/// One cluster: a `JobManager` and what belongs to it.
#[derive(Debug)]
pub(super) struct Cluster {
    job_manager: Member,
    labels: json::Object,
    pub(super) companions: Companions,
    /// Whose rights the agent has.
    pub(super) service_account: String,
}

/// One for each `JobManager`.
pub(super) fn of(members: &[Member], documents: &[Value], options: &Options) -> Result<Vec<Cluster>, Refusal> {
    let job_managers: Vec<&Member> = members.iter().filter(|member| member.role == Role::JobManager).collect();
    if let (Some(record), true) = (&options.record, job_managers.len() > 1) {
        let titles: Vec<String> = job_managers.iter().map(|member| member.workload.title()).collect();
        let problem =
            format!("one record for each cluster, but --record {record} would be that of {}", titles.join(" and "));
        return Err(Refusal::Usage(vec![problem]));
    }
    let mut clusters = Vec::new();
    for member in job_managers {
        let name = companions::name(&member.workload.name);
        let record = options.record.clone().unwrap_or_else(|| format!("configmap:///{name}"));
        let companions = Companions { name, namespace: member.workload.namespace.clone(), record, port: options.port };
        if companions.is_elsewhere() && options.rbac {
            return Err(Refusal::Usage(vec![format!(
                "{}: the record {} lies in another namespace than the pods, so its Role has to be made there: use --no-rbac and \
                 make one with the rules that are said then",
                member.workload.title(),
                companions.record
            )]));
        }
        let pod = member.workload.pod(documents);
        let labels = pod.and_then(|pod| json::at(pod, &["metadata", "labels"])).cloned().unwrap_or_default();
        let given = pod.and_then(|pod| {
            json::text(pod, &["spec", "serviceAccountName"]).or_else(|| json::text(pod, &["spec", "serviceAccount"]))
        });
        let service_account = match given {
            Some(given) if given != "default" => given.to_owned(),
            _ if options.rbac => companions.name.clone(),
            _ => "default".to_owned(),
        };
        clusters.push(Cluster { job_manager: member.clone(), labels, companions, service_account });
    }
    Ok(clusters)
}

impl Cluster {
    pub(super) fn is_of(&self, member: &Member) -> bool {
        self.job_manager == *member
    }

    /// Where a guard finds the agent.
    pub(super) fn agent(&self) -> String {
        format!("{}:{}", self.companions.name, self.companions.port)
    }

    fn likeness(&self, labels: &json::Object) -> usize {
        labels.iter().filter(|(key, value)| self.labels.get(*key) == Some(value)).count()
    }

    pub(super) fn add_companions(&self, documents: &mut Vec<Value>, options: &Options) -> Vec<String> {
        let companions = &self.companions;
        let own = self.service_account == companions.name;
        workload::put(documents, companions.service());
        if !options.rbac {
            return vec![format!(
                "{}: its ServiceAccount {} needs a Role with these rules: {}",
                self.job_manager.workload.title(),
                self.service_account,
                companions.rules()
            )];
        }
        let mut exists = false;
        workload::each(documents, &mut |object, _| {
            let text = |fields| json::text(object, fields);
            exists |= text(&["kind"]) == Some("ServiceAccount")
                && text(&["metadata", "name"]) == Some(&self.service_account)
                && text(&["metadata", "namespace"]) == companions.namespace.as_deref();
        });
        // One that is there may carry an identity or a pull secret.
        if own && !exists {
            workload::put(documents, companions.service_account());
        }
        workload::put(documents, companions.role());
        workload::put(documents, companions.role_binding(&self.service_account));
        Vec::new()
    }
}

/// The agent that a `TaskManager`'s guard listens to, or why that is not clear.
pub(super) fn agent_of(
    member: &Member,
    labels: &json::Object,
    clusters: &[Cluster],
    options: &Options,
) -> Result<String, String> {
    let namespace = member.workload.namespace.as_ref();
    let near: Vec<&Cluster> =
        clusters.iter().filter(|cluster| cluster.companions.namespace.as_ref() == namespace).collect();
    let most = near.iter().map(|cluster| cluster.likeness(labels)).max().unwrap_or_default();
    let alike: Vec<&&Cluster> = near.iter().filter(|cluster| cluster.likeness(labels) == most).collect();
    match (&options.agent, near.as_slice(), alike.as_slice()) {
        (_, [one], _) => Ok(one.agent()),
        (Some(agent), _, _) => Ok(agent.clone()),
        (None, _, [one]) if most > 0 => Ok(one.agent()),
        _ => Err(
            "which JobManager it belongs to is not clear from the documents, so its guard looks for the agent at the \
                  JobManager's RPC address; name the agent with --agent HOST:PORT"
                .to_owned(),
        ),
    }
}

/// Whether Flink itself uses the API server: for leader election, or to make pods.
pub(super) fn flink_uses_kubernetes(member: &Member, container: &json::Object, documents: &[Value]) -> bool {
    fn mentions(text: &str) -> bool {
        text.lines().any(|line| line.contains("high-availability") && line.to_ascii_lowercase().contains("kubernetes"))
    }
    let mut texts = vec![json!([container.get("command"), container.get("args"), container.get("env")]).to_string()];
    workload::each(documents, &mut |object, _| {
        if json::text(object, &["kind"]) == Some("ConfigMap") {
            let data = json::at(object, &["data"]);
            texts.extend(data.into_iter().flat_map(|data| data.values()).filter_map(Value::as_str).map(str::to_owned));
        }
    });
    // Strings of JSON keep their line ends escaped.
    member.native || texts.iter().any(|text| mentions(&text.replace("\\n", "\n").replace("\",\"", "\n")))
}
