//! The stand-ins, and the process between them.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sandbox::c1::Identity;
use tokio::process::{Child, Command};

use crate::k8s::fake::Fake;
use crate::port;
use crate::stand_in::Watched;

pub const CLIENT_ID: &str = "blue-fox-12345@acme.conductor.one/baton";
/// Everything here is over long before this; it only keeps a broken test from hanging.
const LONG: Duration = Duration::from_mins(5);

pub struct World {
    pub pingone: Watched,
    pub c1: sandbox::c1::Server,
    pub kube: Fake,
    pub dir: tempfile::TempDir,
    pub c1_secret: String,
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, what).await.expect("it did not happen")
}

impl World {
    pub async fn new() -> Self {
        Self::with(sandbox::pingone::Options::default()).await
    }

    pub async fn with(options: sandbox::pingone::Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pingone = sandbox::pingone::start(options).await.unwrap();
        let identity = Identity::from_seed(CLIENT_ID, [7; 32]).unwrap();
        let c1_secret = identity.client_secret.clone();
        let mut options = sandbox::c1::Options::new(identity, dir.path().join("uploads"));
        options.listen = Some("127.0.0.1:0".parse().unwrap());
        options.idle_poll = Duration::from_millis(100);
        let c1 = sandbox::c1::start(options).await.unwrap();
        std::fs::write(dir.path().join("ca.pem"), c1.ca_pem()).unwrap();
        let kube = Fake::start().await;
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\ncontexts: [{{name: it, context: {{cluster: it, user: it, \
             namespace: here}}}}]\nclusters: [{{name: it, cluster: {{server: \"{}\"}}}}]\nusers: [{{name: it, user: {{}}}}]\n",
            kube.uri()
        );
        std::fs::write(dir.path().join("kubeconfig"), kubeconfig).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        Self {
            pingone: pingone.into(),
            c1,
            kube,
            dir,
            c1_secret,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// PingOne's three values as the stand-in takes them.
    pub fn pingone_values(&self) -> [(&'static str, String); 3] {
        [
            ("BATON_PINGONE_CLIENT_ID", self.pingone.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", self.pingone.client_secret()),
            (
                "BATON_PINGONE_ENVIRONMENT_ID",
                self.pingone.environment_id().to_string(),
            ),
        ]
    }

    /// The Secret with these values for PingOne's and C1's secret.
    pub fn put_secret(&self, pingone: &str, c1: &str) {
        self.put_secret_with(&[("BATON_PINGONE_CLIENT_SECRET", pingone)], c1);
    }

    /// The Secret with these values beside PingOne's ids, and C1's.
    pub fn put_secret_with(&self, pingone: &[(&str, &str)], c1: &str) {
        let client = self.pingone.client_id().to_string();
        let environment = self.pingone.environment_id().to_string();
        let ids = [
            ("BATON_PINGONE_CLIENT_ID", client.as_str()),
            ("BATON_PINGONE_ENVIRONMENT_ID", &environment),
            ("BATON_CLIENT_ID", CLIENT_ID),
            ("BATON_CLIENT_SECRET", c1),
        ];
        self.kube.put_secret(&[&ids, pingone].concat());
    }

    /// Starts the program with these flags, and nothing else from outside.
    pub fn start(&self, flags: &[&str], env: &[(&str, String)]) -> Daemon {
        self.start_logging_to(flags, env, None)
    }

    /// The same with a log that goes into a pipe.
    pub fn start_logging_to(
        &self,
        flags: &[&str],
        env: &[(&str, String)],
        pipe: Option<std::io::PipeWriter>,
    ) -> Daemon {
        let port = port::free();
        let log = self.path(&format!("log-{port}"));
        let output = std::fs::File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
            .args(flags)
            .env_clear()
            .env("TMPDIR", self.path("tmp"))
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env(
                "BATON_C1_API_HOST",
                format!("localhost:{}", self.c1.address().unwrap().port()),
            )
            .env("BATON_PINGONE_BASE_URL", self.pingone.api_url())
            .env("BATON_PINGONE_AUTH_URL", self.pingone.auth_url())
            .env("BATON_PINGONE_RATE_LIMIT", "100000")
            .env("BATON_HEALTH_CHECK_PORT", port.to_string())
            .env("POD_NAME", "pod-a")
            .env("POD_UID", "uid-a")
            .envs(env.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(pipe.map_or_else(|| Stdio::from(output), Stdio::from))
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Daemon { child, port, log }
    }
}

pub struct Daemon {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Daemon {
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Status and body; nothing while it does not listen.
    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}{path}", self.port))
            .await
            .ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    /// Asks until the body is as wanted, and answers it.
    pub async fn until(&self, path: &str, is_so: impl Fn(u16, &str) -> bool) -> String {
        let waiting = async {
            loop {
                if let Some((status, body)) = self.get(path).await
                    && is_so(status, &body)
                {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(LONG, waiting).await {
            Ok(body) => body,
            Err(_) => panic!(
                "{path} did not come to that: {:?}\n{}",
                self.get(path).await,
                self.log()
            ),
        }
    }

    pub async fn ready(&self) {
        self.until("/readyz", |status, _| status == 200).await;
    }

    /// Waits until a metric's line is this.
    pub async fn metric(&self, line: &str) {
        self.until("/metrics", |_, body| body.lines().any(|have| have == line))
            .await;
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> (ExitStatus, String) {
        self.signal("-TERM");
        let status = self.ended().await;
        (status, self.log())
    }

    pub async fn ended(&mut self) -> ExitStatus {
        match tokio::time::timeout(LONG, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("it did not end\n{}", self.log()),
        }
    }
}
