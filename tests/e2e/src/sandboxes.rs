//! PingOne and C1 as pods, with Services, C1's TLS from a Secret, and their side doors.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::options::Options;
use crate::world::{World, restricted};
use crate::{run, wait};

/// Where the stand-ins live.
pub const NAMESPACE: &str = "baton-e2e-sandbox";
/// Ports that their pods listen at.
pub const PORTS: [u16; 2] = [8443, 8080];
/// Time for a stand-in to come up.
const START: Duration = Duration::from_mins(1);

/// Addresses, the certificate authority and the first credentials.
#[derive(Debug)]
pub struct Sandboxes {
    /// Certificate authority that C1's certificate comes from, PEM.
    pub ca: String,
    /// The five values by their names, as they are now.
    credentials: Mutex<Vec<(&'static str, String)>>,
    /// C1's log as far as it was read.
    seen: tokio::sync::Mutex<Vec<Seen>>,
}

/// One request that C1 received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it began, in milliseconds since C1 started.
    pub begun_ms: u64,
    /// `Hello`, `GetTask` and so on.
    pub method: String,
    /// Who sent it; empty where the method does not say.
    pub host: String,
    /// The whole request.
    pub request: Value,
}

impl Sandboxes {
    /// Makes the namespace, the certificate and both pods, and reads what they print.
    pub async fn start(kube: &Client, options: &Options) -> anyhow::Result<Self> {
        restricted(kube, NAMESPACE).await?;
        let (ca, certificate, key) = certificate(&format!("c1.{NAMESPACE}.svc"))?;
        let list = objects(options, &certificate, &key);
        let config = options
            .kubeconfig
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default();
        let arguments = [
            "--kubeconfig",
            &config,
            "--namespace",
            NAMESPACE,
            "apply",
            "--filename",
            "-",
        ];
        run::with_input(&options.kubectl, &arguments, &list.to_string()).await?;
        let pods: Api<Pod> = Api::namespaced(kube.clone(), NAMESPACE);
        let c1 = first_line(&pods, "c1").await?;
        let pingone = first_line(&pods, "pingone").await?;
        let text = |line: &Value, path: &str| {
            let found = line.pointer(path).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("the stand-in did not print {path}"))
        };
        Ok(Self {
            ca,
            seen: tokio::sync::Mutex::default(),
            credentials: Mutex::new(vec![
                ("BATON_CLIENT_ID", text(&c1, "/environment/BATON_CLIENT_ID")?),
                ("BATON_CLIENT_SECRET", text(&c1, "/environment/BATON_CLIENT_SECRET")?),
                ("BATON_PINGONE_CLIENT_ID", text(&pingone, "/client_id")?),
                ("BATON_PINGONE_CLIENT_SECRET", text(&pingone, "/client_secret")?),
                ("BATON_PINGONE_ENVIRONMENT_ID", text(&pingone, "/environment_id")?),
            ]),
        })
    }

    /// The five values by their names, as they are now.
    pub fn credentials(&self) -> Vec<(&'static str, String)> {
        self.credentials.lock().map(|all| all.clone()).unwrap_or_default()
    }

    fn keep(&self, key: &str, text: &str) {
        if let Ok(mut all) = self.credentials.lock() {
            all.iter_mut()
                .filter(|(have, _)| *have == key)
                .for_each(|(_, old)| text.clone_into(old));
        }
    }

    /// Another PingOne, with the directory of this preset; its three values, and the settings that point at it.
    pub async fn another(
        &self,
        world: &World,
        name: &str,
        preset: &str,
    ) -> anyhow::Result<(Vec<(&'static str, String)>, Value)> {
        let base = format!("--public-base=http://{name}.{NAMESPACE}.svc:8080/v1");
        let preset = format!("--preset={preset}");
        let arguments = [
            "pingone",
            "--api-addr=0.0.0.0:8080",
            "--auth-addr=0.0.0.0:8443",
            &base,
            &preset,
        ];
        let items = json!([pod(&world.options, name, &arguments), service(name, 8443, 8080)]);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        world
            .kubectl_with(
                &["--namespace", NAMESPACE, "apply", "--filename", "-"],
                &list.to_string(),
            )
            .await?;
        let line = first_line(&world.api::<Pod>(NAMESPACE), name).await?;
        let names = [
            ("BATON_PINGONE_CLIENT_ID", "client_id"),
            ("BATON_PINGONE_CLIENT_SECRET", "client_secret"),
            ("BATON_PINGONE_ENVIRONMENT_ID", "environment_id"),
        ];
        let values = names.map(|(key, member)| (key, line[member].as_str().unwrap_or_default().to_owned()));
        let config = json!({
            "pingone-base-url": format!("http://{name}.{NAMESPACE}.svc:8080"),
            "pingone-auth-url": format!("http://{name}.{NAMESPACE}.svc:8443"),
            // The stand-in has no limit, and a directory of this size is to take its memory, not its time.
            "pingone-rate-limit": 100_000,
        });
        Ok((values.to_vec(), config))
    }

    /// Settings that point the daemon at the stand-ins.
    pub fn config() -> Value {
        json!({
            "pingone-base-url": format!("http://pingone.{NAMESPACE}.svc:8080"),
            "pingone-auth-url": format!("http://pingone.{NAMESPACE}.svc:8443"),
            "insecure": true,
            "provisioning": true,
        })
    }

    /// Everything C1 received.
    pub async fn seen(&self, world: &World) -> anyhow::Result<Vec<Seen>> {
        let mut all = self.seen.lock().await;
        let path = format!("/log?since={}", all.len());
        let log: Value = serde_json::from_str(&world.through_service(NAMESPACE, "c1", 8080, &path).await?)?;
        let entries = log.get("entries").and_then(Value::as_array).context("C1's log")?;
        let seen = entries.iter().map(|entry| {
            let text = |path: &str| {
                entry
                    .pointer(path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            Seen {
                begun_ms: entry.get("begun_ms").and_then(Value::as_u64).unwrap_or(0),
                method: text("/method"),
                host: text("/request/hostId"),
                request: entry.get("request").cloned().unwrap_or_default(),
            }
        });
        all.extend(seen);
        Ok(all.clone())
    }

    /// How many uploads were complete.
    pub async fn uploads(&self, world: &World) -> anyhow::Result<usize> {
        let seen = self.seen(world).await?;
        Ok(seen
            .iter()
            .filter(|seen| seen.method == "UploadAsset" && seen.request["file"].is_string())
            .count())
    }

    /// Rules of the protocol that were broken.
    pub async fn violations(&self, world: &World) -> anyhow::Result<Vec<Value>> {
        Ok(serde_json::from_str(
            &world.through_service(NAMESPACE, "c1", 8080, "/violations").await?,
        )?)
    }

    /// Queues a task at C1; its id.
    pub async fn task(&self, world: &World, task: &Value) -> anyhow::Result<String> {
        let answer = post(world, "c1", "/tasks", task).await?;
        answer
            .pointer("/ids/0")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .context("the task's id")
    }

    /// Offers tasks again that a connector took with it.
    pub async fn requeue(&self, world: &World) -> anyhow::Result<()> {
        post(world, "c1", "/requeue", &json!({})).await.map(|_| ())
    }

    /// Plans faults at PingOne, in place of earlier ones.
    pub async fn faults(&self, world: &World, faults: &Value) -> anyhow::Result<()> {
        post(world, "pingone", "/sandbox/faults", faults).await.map(|_| ())
    }

    /// Deletes this share, in percent, of the users of a PingOne.
    pub async fn lose_users(&self, world: &World, name: &str, percent: u64) -> anyhow::Result<()> {
        let sizes: Value =
            serde_json::from_str(&world.through_service(NAMESPACE, name, 8080, "/sandbox/state").await?)?;
        let users = sizes["users"].as_u64().context("how many users there are")?;
        let changes = json!({"count": users * percent / 100, "kinds": ["delete-user"]});
        post(world, name, "/sandbox/changes", &changes).await.map(|_| ())
    }

    /// What PingOne counted: `method`, `path`, `status`, `count`.
    pub async fn counts(&self, world: &World) -> anyhow::Result<Vec<Value>> {
        let counts = self
            .requests(world)
            .await?
            .get("counts")
            .and_then(Value::as_array)
            .cloned();
        Ok(counts.unwrap_or_default())
    }

    /// How many requests PingOne received with a token of an older secret than the newest.
    pub async fn with_old_token(&self, world: &World) -> anyhow::Result<u64> {
        let requests = self.requests(world).await?;
        let by_secret = requests
            .get("by_secret")
            .and_then(Value::as_object)
            .context("by_secret")?;
        let mut numbered = Vec::new();
        for (number, count) in by_secret {
            numbered.push((number.parse::<u64>()?, count.as_u64().context("a count")?));
        }
        let newest = requests
            .get("secret")
            .and_then(Value::as_u64)
            .context("the newest secret")?;
        Ok(numbered
            .iter()
            .filter(|(number, _)| *number < newest)
            .map(|(_, count)| count)
            .sum())
    }

    async fn requests(&self, world: &World) -> anyhow::Result<Value> {
        let text = world
            .through_service(NAMESPACE, "pingone", 8080, "/sandbox/requests")
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Forgets the counts.
    pub async fn forget(&self, world: &World) -> anyhow::Result<()> {
        post(world, "pingone", "/sandbox/requests/reset", &json!({}))
            .await
            .map(|_| ())
    }

    /// A row of PingOne's true state that satisfies `wanted`.
    pub async fn row(&self, world: &World, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let text = world
            .through_service(NAMESPACE, "pingone", 8080, "/sandbox/state?full=true")
            .await?;
        let mut rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        rows.find(|row| wanted(row)).context("no such object at PingOne")
    }

    /// A new secret of the worker application, beside the old one until [`Sandboxes::retire`].
    pub async fn rotate_pingone(&self, world: &World) -> anyhow::Result<String> {
        let secret = new_secret(world, "pingone", "/sandbox/secret").await?;
        self.keep("BATON_PINGONE_CLIENT_SECRET", &secret);
        Ok(secret)
    }

    /// A new secret of the connector at C1, beside the old one until [`Sandboxes::retire`].
    pub async fn rotate_c1(&self, world: &World) -> anyhow::Result<String> {
        let secret = new_secret(world, "c1", "/identity").await?;
        self.keep("BATON_CLIENT_SECRET", &secret);
        Ok(secret)
    }

    /// From now on old secrets, and tokens made with them, are refused.
    pub async fn retire(&self, world: &World) -> anyhow::Result<()> {
        post(world, "pingone", "/sandbox/secret/retire", &json!({})).await?;
        post(world, "c1", "/identity/retire", &json!({})).await?;
        Ok(())
    }

    /// No faults.
    pub async fn calm(&self, world: &World) -> anyhow::Result<()> {
        self.faults(world, &json!([])).await
    }
}

/// Both pods, their Services and the certificate.
fn objects(options: &Options, certificate: &str, key: &str) -> Value {
    let tls = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "c1-tls"}, "stringData": {"tls.crt": certificate, "tls.key": key}});
    let client_id = format!("--client-id=e2e@c1.{NAMESPACE}.svc/baton");
    let c1 = pod(
        options,
        "c1",
        &[
            "c1",
            "--listen=0.0.0.0:8443",
            "--admin=0.0.0.0:8080",
            &client_id,
            "--tls-cert=/tls/tls.crt",
            "--tls-key=/tls/tls.key",
            "--upload-dir=/tmp",
            "--idle-poll-ms=500",
        ],
    );
    let base = format!("--public-base=http://pingone.{NAMESPACE}.svc:8080/v1");
    let pingone = pod(
        options,
        "pingone",
        &["pingone", "--api-addr=0.0.0.0:8080", "--auth-addr=0.0.0.0:8443", &base],
    );
    let items = json!([
        tls,
        c1,
        service("c1", 443, 8080),
        pingone,
        service("pingone", 8443, 8080)
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

async fn new_secret(world: &World, service: &str, path: &str) -> anyhow::Result<String> {
    let answer = post(world, service, path, &json!({"keep_old": true})).await;
    let answer = answer.with_context(|| format!("the stand-in {service} has no POST {path}"))?;
    answer["client_secret"]
        .as_str()
        .map(str::to_owned)
        .context("the new secret")
}

async fn post(world: &World, service: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let uri = format!("/api/v1/namespaces/{NAMESPACE}/services/http:{service}:8080/proxy{path}");
    let request = http::Request::post(uri)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())?;
    let text = tokio::time::timeout(Duration::from_secs(20), world.kube.request_text(request)).await??;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// The JSON line that a stand-in prints first.
async fn first_line(pods: &Api<Pod>, name: &str) -> anyhow::Result<Value> {
    let what = format!("the stand-in {name} to print its addresses (does its image know the options that are used?)");
    let (_, line) = wait::until(&what, START, || async {
        let log = pods.logs(name, &LogParams::default()).await?;
        let line = log.lines().next().map(serde_json::from_str::<Value>);
        ensure!(line.as_ref().is_none_or(Result::is_ok), "it printed: {log}");
        Ok(line.and_then(Result::ok))
    })
    .await?;
    Ok(line)
}

fn pod(options: &Options, name: &str, arguments: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": name, "image": options.sandbox_image, "imagePullPolicy": "IfNotPresent", "args": arguments,
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "tls", "mountPath": "/tls"}],
            }],
            "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "tls", "secret": {"secretName": "c1-tls", "defaultMode": 0o440}}],
        },
    })
}

/// `port` leads to 8443, and 8080 to itself.
fn service(name: &str, port: u16, plain: u16) -> Value {
    let [main, admin] = PORTS;
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [
            {"name": "main", "port": port, "targetPort": main},
            {"name": "plain", "port": plain, "targetPort": admin},
        ]},
    })
}

/// A certificate authority, and a certificate with its key for a host: PEM each.
fn certificate(host: &str) -> anyhow::Result<(String, String, String)> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![host.to_owned()])?.signed_by(&key, &issuer)?;
    Ok((issuer.pem(), leaf.pem(), key.serialize_pem()))
}
