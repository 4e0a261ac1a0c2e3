//! An API server that knows Secrets (list, watch), Leases, Deployments and Events of one namespace, with
//! `resourceVersion` and scripted faults.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

/// How the next watches behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// As they should.
    Proper,
    /// They say nothing and never end.
    Silent,
    /// They answer 410 inside the stream.
    Gone,
    /// They end in the middle of a line.
    Broken,
}

#[derive(Debug)]
pub struct Data {
    pub version: u64,
    pub secret: Option<Value>,
    pub lease: Option<Value>,
    /// Who holds the Lease renews it before each look of somebody else, however slow the machine is.
    pub renews: bool,
    /// `ConfigMaps` by name.
    pub config_maps: BTreeMap<String, Value>,
    pub events: Vec<Value>,
    /// `verb resource` that are not allowed.
    pub forbidden: HashSet<&'static str>,
    /// Requests are not answered.
    pub hangs: bool,
    pub watching: Watching,
    /// When the Deployment was made.
    pub deployed: jiff::Timestamp,
    /// Method and path with query of each request.
    pub requests: Vec<String>,
    history: Vec<(u64, Value)>,
}

impl Data {
    /// An annotation of the Lease.
    pub fn annotation(&self, key: &str) -> Option<String> {
        let value = self.lease.as_ref()?["metadata"]["annotations"][key].as_str()?;
        Some(value.to_owned())
    }
}

#[derive(Clone)]
pub struct Fake {
    data: Arc<Mutex<Data>>,
    changed: Arc<watch::Sender<u64>>,
    address: std::net::SocketAddr,
}

type Pairs = Query<Vec<(String, String)>>;

impl Fake {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            data: Arc::new(Mutex::new(Data {
                version: 1,
                secret: None,
                lease: None,
                renews: false,
                config_maps: BTreeMap::new(),
                events: Vec::new(),
                forbidden: HashSet::new(),
                hangs: false,
                watching: Watching::Proper,
                deployed: "2020-01-01T00:00:00Z".parse().unwrap(),
                requests: Vec::new(),
                history: Vec::new(),
            })),
            changed: Arc::new(watch::channel(1).0),
            address: listener.local_addr().unwrap(),
        };
        let leases = "/apis/coordination.k8s.io/v1/namespaces/here/leases";
        let router = Router::new()
            .route("/api/v1/namespaces/here/secrets", get(secrets))
            .route("/api/v1/namespaces/here/configmaps", post(create_config_map))
            .route(
                "/api/v1/namespaces/here/configmaps/{name}",
                get(get_config_map).put(put_config_map),
            )
            .route(leases, post(create_lease))
            .route(&format!("{leases}/{{name}}"), get(get_lease).put(put_lease))
            .route("/apis/apps/v1/namespaces/here/deployments/{name}", get(deployment))
            .route("/apis/events.k8s.io/v1/namespaces/here/events", post(create_event))
            .route("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", post(review))
            .layer(axum::middleware::from_fn_with_state(fake.clone(), note))
            .with_state(fake.clone());
        let serving = process::runtime::spawn::spawn(async move { axum::serve(listener, router).await.unwrap() });
        std::mem::forget(serving);
        fake
    }

    pub fn uri(&self) -> axum::http::Uri {
        format!("http://{}/", self.address).parse().unwrap()
    }

    pub fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap()
    }

    /// Changes something under a new version and wakes the watches.
    pub fn change<T>(&self, what: impl FnOnce(&mut Data, u64) -> T) -> T {
        let (result, version) = {
            let mut data = self.data();
            data.version += 1;
            let version = data.version;
            (what(&mut data, version), version)
        };
        self.changed.send_replace(version);
        result
    }

    /// Stores the Secret `credentials` with these values.
    pub fn put_secret(&self, values: &[(&str, &str)]) {
        self.change(|data, version| {
            use base64::Engine;
            let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
            let map: serde_json::Map<_, _> = values
                .iter()
                .map(|(key, text)| ((*key).to_owned(), json!(encode(text))))
                .collect();
            let kind = if data.secret.is_some() { "MODIFIED" } else { "ADDED" };
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "data": map,
                "metadata": {"name": "credentials", "namespace": "here", "uid": "s", "resourceVersion": version.to_string()},
            });
            data.secret = Some(secret.clone());
            data.history.push((version, json!({"type": kind, "object": secret})));
        });
    }

    pub fn label_secret(&self) {
        self.change(|data, version| {
            let secret = data.secret.as_mut().unwrap();
            secret["metadata"]["resourceVersion"] = json!(version.to_string());
            secret["metadata"]["labels"] = json!({"edited": version.to_string()});
            let event = json!({"type": "MODIFIED", "object": secret});
            data.history.push((version, event));
        });
    }

    pub fn delete_secret(&self) {
        self.change(|data, version| {
            let mut secret = data.secret.take().unwrap();
            secret["metadata"]["resourceVersion"] = json!(version.to_string());
            data.history
                .push((version, json!({"type": "DELETED", "object": secret})));
        });
    }

    pub fn put_lease(&self, spec: &Value) {
        self.change(|data, version| {
            data.lease = Some(json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
                "metadata": {"name": "leader", "namespace": "here", "uid": format!("u{version}"),
                    "resourceVersion": version.to_string(), "labels": {"kept": "yes"}},
            }));
        });
    }

    pub fn holder(&self) -> Option<String> {
        let data = self.data();
        let holder = data.lease.as_ref()?["spec"]["holderIdentity"].as_str()?;
        Some(holder.to_owned())
    }

    /// As `kubectl annotate` does: the same object under a new version.
    pub fn annotate_lease(&self, key: &str, value: &str) {
        self.change(|data, version| {
            let lease = data.lease.as_mut().unwrap();
            lease["metadata"]["annotations"][key] = json!(value);
            lease["metadata"]["resourceVersion"] = json!(version.to_string());
        });
    }

    pub fn count(&self, part: &str) -> usize {
        self.data()
            .requests
            .iter()
            .filter(|request| request.contains(part))
            .count()
    }

    /// Waits until this is so; looked at after each request and change.
    pub async fn until(&self, mut is_so: impl FnMut(&Data) -> bool) {
        let mut changed = self.changed.subscribe();
        loop {
            if is_so(&self.data()) {
                return;
            }
            changed.changed().await.unwrap();
        }
    }
}

fn status(code: u16) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "made up", "reason": "MadeUp"});
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}

/// Notes each request, refuses what is forbidden, and hangs where that is asked for.
async fn note(State(fake): State<Fake>, request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let uri = request.uri().to_string();
    let resource = uri.split("/namespaces/here/").nth(1).unwrap_or_default();
    let resource = resource.split(['/', '?']).next().unwrap_or_default();
    let watch = uri.contains("watch=true");
    let verb = match request.method().as_str() {
        "GET" if watch => "watch",
        "GET" if resource == "secrets" => "list",
        "GET" => "get",
        "PUT" => "update",
        _ => "create",
    };
    let (forbidden, hangs) = {
        let mut data = fake.data();
        data.requests.push(format!("{verb} {uri}"));
        let right = format!("{verb} {resource}");
        (data.forbidden.contains(right.as_str()), data.hangs)
    };
    fake.changed.send_modify(|_| {});
    if hangs {
        std::future::pending::<()>().await;
    }
    if forbidden {
        return status(403);
    }
    next.run(request).await
}

async fn secrets(State(fake): State<Fake>, Query(pairs): Pairs) -> Response {
    let value = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    if value("fieldSelector").as_deref() != Some("metadata.name=credentials") {
        return status(403);
    }
    if value("watch").is_none() {
        let data = fake.data();
        let items: Vec<_> = data.secret.iter().cloned().collect();
        let meta = json!({"resourceVersion": data.version.to_string()});
        return Json(json!({"kind": "SecretList", "apiVersion": "v1", "metadata": meta, "items": items}))
            .into_response();
    }
    let from: u64 = value("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
    let watching = fake.data().watching;
    Body::from_stream(stream(fake, from, watching)).into_response_with_json()
}

trait IntoJson {
    fn into_response_with_json(self) -> Response;
}

impl IntoJson for Body {
    fn into_response_with_json(self) -> Response {
        ([("content-type", "application/json")], self).into_response()
    }
}

fn stream(
    fake: Fake,
    from: u64,
    watching: Watching,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let changed = fake.changed.subscribe();
    futures_util::stream::unfold((fake, from, changed, watching, false), async |state| {
        let (fake, from, mut changed, watching, over) = state;
        let line = |value: &Value| Bytes::from(format!("{value}\n"));
        if over {
            return None;
        }
        match watching {
            Watching::Silent => std::future::pending().await,
            Watching::Gone => {
                fake.data().watching = Watching::Proper;
                let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"}});
                return Some((Ok(line(&gone)), (fake, from, changed, watching, true)));
            }
            Watching::Broken => {
                fake.data().watching = Watching::Proper;
                let half = Bytes::from_static(b"{\"type\":\"MODIFIED\",\"obj");
                return Some((Ok(half), (fake, from, changed, watching, true)));
            }
            Watching::Proper => {}
        }
        loop {
            let next = {
                let data = fake.data();
                data.history.iter().find(|(version, _)| *version > from).cloned()
            };
            if let Some((version, event)) = next {
                return Some((Ok(line(&event)), (fake, version, changed, watching, false)));
            }
            if changed.changed().await.is_err() {
                return None;
            }
        }
    })
}

async fn get_lease(State(fake): State<Fake>, Path(_name): Path<String>) -> Response {
    if fake.data().renews {
        fake.change(|data, version| {
            if let Some(lease) = &mut data.lease {
                lease["spec"]["renewTime"] = json!(jiff::Timestamp::now().to_string());
                lease["metadata"]["resourceVersion"] = json!(version.to_string());
            }
        });
    }
    match &fake.data().lease {
        Some(lease) => Json(lease.clone()).into_response(),
        None => status(404),
    }
}

async fn create_lease(State(fake): State<Fake>, Json(mut lease): Json<Value>) -> Response {
    if fake.data().lease.is_some() {
        return status(409);
    }
    fake.change(|data, version| {
        lease["metadata"]["uid"] = json!(format!("u{version}"));
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
        lease["metadata"]["creationTimestamp"] = json!(now.to_string());
        lease["metadata"]["resourceVersion"] = json!(version.to_string());
        data.lease = Some(lease.clone());
        Json(lease).into_response()
    })
}

async fn put_lease(State(fake): State<Fake>, Path(_name): Path<String>, Json(mut lease): Json<Value>) -> Response {
    {
        let data = fake.data();
        let Some(old) = &data.lease else {
            return status(404);
        };
        let same = |field: &str| old["metadata"][field] == lease["metadata"][field];
        if !same("resourceVersion") || !same("uid") {
            return status(409);
        }
    }
    fake.change(|data, version| {
        lease["metadata"]["resourceVersion"] = json!(version.to_string());
        data.lease = Some(lease.clone());
        Json(lease).into_response()
    })
}

async fn get_config_map(State(fake): State<Fake>, Path(name): Path<String>) -> Response {
    match fake.data().config_maps.get(&name) {
        Some(map) => Json(map.clone()).into_response(),
        None => status(404),
    }
}

async fn create_config_map(State(fake): State<Fake>, Json(map): Json<Value>) -> Response {
    let name = map["metadata"]["name"].as_str().unwrap().to_owned();
    if fake.data().config_maps.contains_key(&name) {
        return status(409);
    }
    fake.change(|data, _| data.config_maps.insert(name, map.clone()));
    Json(map).into_response()
}

async fn put_config_map(State(fake): State<Fake>, Path(name): Path<String>, Json(map): Json<Value>) -> Response {
    if !fake.data().config_maps.contains_key(&name) {
        return status(404);
    }
    fake.change(|data, _| data.config_maps.insert(name, map.clone()));
    Json(map).into_response()
}

async fn deployment(State(fake): State<Fake>, Path(name): Path<String>) -> Response {
    let created = fake.data().deployed.to_string();
    Json(json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "namespace": "here", "uid": "uid-d", "creationTimestamp": created}}))
    .into_response()
}

async fn review(State(fake): State<Fake>, Json(mut review): Json<Value>) -> Response {
    let asked = &review["spec"]["resourceAttributes"];
    let right = format!(
        "{} {}",
        asked["verb"].as_str().unwrap(),
        asked["resource"].as_str().unwrap()
    );
    let allowed = asked["namespace"] == "here" && !fake.data().forbidden.contains(right.as_str());
    review["status"] = json!({"allowed": allowed});
    Json(review).into_response()
}

async fn create_event(State(fake): State<Fake>, Json(event): Json<Value>) -> Response {
    fake.change(|data, _| data.events.push(event.clone()));
    Json(event).into_response()
}
