//! A scripted Kubernetes API server on the wire: a `ConfigMap`, pods, namespaces and Events in memory, answers that look like
//! the real one's, its clock and every fault in the test's hands.

mod objects;
mod status;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use objects::{Key, Objects};
pub use status::Answer;
pub use wire::Fault;

/// Which requests are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    verb: Option<&'static str>,
    resource: Option<&'static str>,
    name: Option<String>,
    word: Option<&'static str>,
}

impl Call {
    /// Every request.
    pub fn any() -> Self {
        Self { verb: None, resource: None, name: None, word: None }
    }

    /// Requests of this verb (`get`, `create`, `update`) for this resource (`configmaps`, `pods`, `namespaces`, `events`).
    pub fn to(verb: &'static str, resource: &'static str) -> Self {
        Self { verb: Some(verb), resource: Some(resource), ..Self::any() }
    }

    /// Of these, the ones whose body holds this word.
    pub fn saying(self, word: &'static str) -> Self {
        Self { word: Some(word), ..self }
    }

    /// Of these, the ones for the object of this name.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    pub fn matches(&self, request: &Request) -> bool {
        self.verb.is_none_or(|verb| verb == request.verb)
            && self.resource.is_none_or(|resource| resource == request.resource)
            && self.name.as_ref().is_none_or(|name| request.name.as_ref() == Some(name))
            && self.word.is_none_or(|word| request.body.contains(word))
    }
}

/// One request, as it came.
#[derive(Clone)]
pub struct Request {
    /// As a role's rule calls it: `get`, `list`, `create`, `update`, `patch`, `delete`.
    pub verb: &'static str,
    /// As a role's rule calls it: `configmaps`, `pods`, …
    pub resource: String,
    pub namespace: String,
    pub name: Option<String>,
    pub method: String,
    pub path: String,
    pub user_agent: String,
    pub token: Option<String>,
    pub body: String,
    pub at: Instant,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} by {:?} as {:?}", self.method, self.path, self.user_agent, self.token)
    }
}

#[derive(Debug)]
struct State {
    objects: Objects,
    /// How far the server's clock is off.
    skew: SignedDuration,
    token: String,
    faults: Vec<(Call, Fault, usize)>,
    log: Vec<Request>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

/// The fake.
#[derive(Debug)]
pub struct FakeKubernetes {
    shared: Arc<Shared>,
    address: SocketAddr,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// The namespace that is there from the beginning.
pub const NAMESPACE: &str = "shop";
/// Who the requests come from.
pub const USER: &str = "system:serviceaccount:shop:flink";

const FIRST_TOKEN: &str = "token-1";

impl FakeKubernetes {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            objects: Objects::default(),
            skew: SignedDuration::ZERO,
            token: FIRST_TOKEN.to_owned(),
            faults: Vec::new(),
            log: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let (end, ended) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&shared);
        let server = std::thread::spawn(move || wire::serve(&serving, listener, ended));
        let fake = Self { shared, address, end: Some(end), server: Some(server) };
        fake.create_namespace();
        fake
    }

    fn create_namespace(&self) {
        self.put("namespaces", json!({ "metadata": { "name": NAMESPACE }, "status": { "phase": "Active" } }));
    }

    /// The namespace is another one of the same name: it has another uid.
    pub fn recreate_namespace(&self) {
        self.shared.state().objects.remove(&Key::new("namespaces", NAMESPACE, NAMESPACE)).expect("the namespace");
        self.create_namespace();
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Writes a kubeconfig for this server, and beside it the token file that it names.
    pub fn kubeconfig(&self, path: &Path) {
        let token = path.with_extension("token");
        std::fs::write(&token, &self.shared.state().token).unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{ "name": "fake", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "flink", "user": { "tokenFile": token } }],
            "contexts": [{ "name": "fake", "context": { "cluster": "fake", "user": "flink", "namespace": NAMESPACE } }],
        });
        // JSON is YAML.
        std::fs::write(path, kubeconfig.to_string()).unwrap();
    }

    /// From now on only this token is accepted; whoever holds the former gets 401.
    pub fn rotate(&self, token: &str) {
        token.clone_into(&mut self.shared.state().token);
    }

    /// Sets the server's clock off: `Date` headers and the times that it writes into objects.
    pub fn skew(&self, by: SignedDuration) {
        self.shared.state().skew = by;
    }

    /// Has these requests go wrong so many times, from now on.
    pub fn fault(&self, call: &Call, fault: &Fault, times: usize) {
        self.shared.state().faults.push((call.clone(), fault.clone(), times));
    }

    /// Ends every fault. What hangs already goes on hanging.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().log.clone()
    }

    pub fn count(&self, call: &Call) -> usize {
        self.shared.state().log.iter().filter(|request| call.matches(request)).count()
    }

    /// A ConfigMap, as it is stored.
    pub fn config_map(&self, name: &str) -> Option<Value> {
        self.shared.state().objects.get(&Key::new("configmaps", NAMESPACE, name))
    }

    /// Somebody changes a ConfigMap, which gets a new resource version by it.
    pub fn change_config_map(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.change("configmaps", name, change);
    }

    /// Somebody creates a ConfigMap.
    pub fn create_config_map(&self, name: &str, data: &Value) {
        self.put("configmaps", json!({ "metadata": { "name": name, "namespace": NAMESPACE }, "data": data }));
    }

    pub fn delete_config_map(&self, name: &str) {
        self.shared.state().objects.remove(&Key::new("configmaps", NAMESPACE, name)).expect("a ConfigMap");
    }

    /// A running pod that was created now; gives its uid.
    pub fn add_pod(&self, name: &str, ip: &str) -> String {
        let pod = json!({
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": { "app": "orders" } },
            "spec": { "containers": [{ "name": "jobmanager", "image": "flink" }], "terminationGracePeriodSeconds": 30 },
            "status": {
                "phase": "Running",
                "podIP": ip,
                "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": null }],
            },
        });
        self.put("pods", pod)["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// Somebody deletes a pod with this grace: it is there until its containers have ended.
    pub fn delete_pod(&self, name: &str, grace: u32) {
        let at = self.shared.state().now() + SignedDuration::from_secs(grace.into());
        self.change("pods", name, |pod| {
            pod["metadata"]["deletionTimestamp"] = objects::time(at).into();
            pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        });
    }

    /// The pod's object is gone: its containers have ended, or somebody forced the deletion.
    pub fn remove_pod(&self, name: &str) {
        self.shared.state().objects.remove(&Key::new("pods", NAMESPACE, name)).expect("a pod");
    }

    pub fn change_pod(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.change("pods", name, change);
    }

    /// How many pods there are.
    pub fn count_pods(&self) -> usize {
        self.shared.state().objects.count("pods")
    }

    /// The Events that were created, oldest first.
    pub fn events(&self) -> Vec<Value> {
        let created = |request: &Request| request.verb == "create" && request.resource == "events";
        let state = self.shared.state();
        let bodies = state.log.iter().filter(|request| created(request));
        bodies.map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    }

    fn put(&self, resource: &str, object: Value) -> Value {
        let mut state = self.shared.state();
        let now = state.now();
        state.objects.create(resource, NAMESPACE, object, now).expect("nothing of that name")
    }

    fn change(&self, resource: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.shared.state();
        let key = Key::new(resource, NAMESPACE, name);
        let mut object = state.objects.get(&key).expect("an object to change");
        change(&mut object);
        state.objects.replace(&key, object).unwrap();
    }
}

impl Drop for FakeKubernetes {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> Timestamp {
        Timestamp::now() + self.skew
    }

    fn fault(&mut self, request: &Request) -> Option<Fault> {
        let (_, fault, times) = self.faults.iter_mut().find(|(call, _, times)| call.matches(request) && *times > 0)?;
        *times = times.saturating_sub(1);
        Some(fault.clone())
    }

    /// The same, after somebody else was quicker.
    fn overtaken(&mut self, request: &Request) -> Answer {
        let key = Key::new(&request.resource, &request.namespace, request.name.as_deref().unwrap_or_default());
        if let Some(mut object) = self.objects.get(&key) {
            object["metadata"]["annotations"]["example.com/touched"] = self.log.len().to_string().into();
            self.objects.replace(&key, object).unwrap();
        }
        self.answer(request)
    }

    /// Does what the request asks for.
    fn answer(&mut self, request: &Request) -> Answer {
        if request.token.as_ref() != Some(&self.token) {
            return Answer::unauthorized();
        }
        let Request { verb, resource, namespace, name, .. } = request;
        let key = |name: &str| Key::new(resource, namespace, name);
        let object = || serde_json::from_str::<Value>(&request.body);
        match (*verb, resource.as_str(), name) {
            ("get", "configmaps" | "pods" | "namespaces", Some(name)) => match self.objects.get(&key(name)) {
                Some(object) => Answer::json(200, &object),
                None => Answer::not_found(resource, name),
            },
            ("create", "configmaps" | "events", None) => {
                let Ok(object) = object() else { return Answer::bad_request() };
                let now = self.now();
                self.objects
                    .create(resource, namespace, object, now)
                    .map_or_else(|no| *no, |made| Answer::json(201, &made))
            }
            ("update", "configmaps", Some(name)) => {
                let Ok(object) = object() else { return Answer::bad_request() };
                self.objects.replace(&key(name), object).map_or_else(|no| *no, |new| Answer::json(200, &new))
            }
            _ => Answer::method_not_allowed(),
        }
    }
}
