//! Both stand-ins, and the program between them, life after life.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sandbox::c1::Identity;
use sandbox::pingone::Options;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::facts::truth;
use crate::oracle::{End, State};
use crate::port;

pub const CLIENT_ID: &str = "blue-fox-12345@acme.conductor.one/baton";
/// `shutdown-grace` of the program.
const GRACE: Duration = Duration::from_secs(10);
/// A life that takes longer than this to end is ended.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub struct World {
    pub pingone: sandbox::pingone::Server,
    pub c1: sandbox::c1::Server,
    pub started: Instant,
    pub dir: tempfile::TempDir,
    c1_secret: String,
    pingone_secret: String,
    /// Every secret that there was.
    pub secrets: Vec<String>,
    /// Sets of values that were mounted.
    mounted: usize,
    /// Asks for tasks with `GetTasks`.
    batched: bool,
    child: Option<Child>,
    port: u16,
    /// How often the program was started.
    pub lives: usize,
    pub ends: Vec<End>,
    pub history: Vec<State>,
}

impl World {
    pub async fn new(options: Options, token_lifetime: i64, batched: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pingone = sandbox::pingone::start(options).await.unwrap();
        let identity = Identity::from_seed(CLIENT_ID, [7; 32]).unwrap();
        let c1_secret = identity.client_secret.clone();
        let mut options = sandbox::c1::Options::new(identity, dir.path().join("uploads"));
        options.listen = Some("127.0.0.1:0".parse().unwrap());
        options.idle_poll = Duration::from_secs(1);
        options.token_lifetime = token_lifetime;
        // What a life that was killed held does not count against the next one.
        options.slots = 1_000;
        let c1 = sandbox::c1::start(options).await.unwrap();
        let started = Instant::now();
        std::fs::write(dir.path().join("ca.pem"), c1.ca_pem()).unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let pingone_secret = pingone.client_secret();
        let mut world = Self {
            pingone,
            c1,
            started,
            dir,
            secrets: vec![c1_secret.clone(), pingone_secret.clone()],
            c1_secret,
            pingone_secret,
            mounted: 0,
            batched,
            child: None,
            port: 0,
            lives: 0,
            ends: Vec::new(),
            history: Vec::new(),
        };
        world.mount();
        world.look();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the credentials as the kubelet does: a new folder, and a link that flips to it.
    fn mount(&mut self) {
        let root = self.path("mount");
        self.mounted += 1;
        let generation = format!("..{}", self.mounted);
        let folder = root.join(&generation);
        std::fs::create_dir_all(&folder).unwrap();
        let values = [
            ("BATON_PINGONE_CLIENT_ID", self.pingone.client_id().to_string()),
            ("BATON_PINGONE_CLIENT_SECRET", self.pingone_secret.clone()),
            (
                "BATON_PINGONE_ENVIRONMENT_ID",
                self.pingone.environment_id().to_string(),
            ),
            ("BATON_CLIENT_ID", CLIENT_ID.to_owned()),
            ("BATON_CLIENT_SECRET", self.c1_secret.clone()),
        ];
        for (name, value) in values {
            std::fs::write(folder.join(name), value).unwrap();
            std::os::unix::fs::symlink(format!("..data/{name}"), root.join(name)).ok();
        }
        std::os::unix::fs::symlink(generation, root.join("..next")).unwrap();
        std::fs::rename(root.join("..next"), root.join("..data")).unwrap();
    }

    pub fn rotate_pingone(&mut self, keep_old: bool) {
        self.pingone_secret = self.pingone.replace_secret(keep_old);
        self.secrets.push(self.pingone_secret.clone());
        self.mount();
    }

    pub fn rotate_c1(&mut self) {
        self.c1_secret = self.c1.replace_secret(true).unwrap();
        self.secrets.push(self.c1_secret.clone());
        self.mount();
    }

    /// Starts the program, with nothing else from outside.
    pub fn start(&mut self) {
        self.lives += 1;
        self.port = port::free();
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_baton-ping-one"))
            .args(["--provisioning", "--leader-election=false", "--log-level=debug"])
            .env_clear()
            .env("TMPDIR", self.path("tmp"))
            .env("SSL_CERT_FILE", self.path("ca.pem"))
            .env(
                "BATON_C1_API_HOST",
                format!("localhost:{}", self.c1.address().unwrap().port()),
            )
            .env("BATON_PINGONE_BASE_URL", self.pingone.api_url())
            .env("BATON_PINGONE_AUTH_URL", self.pingone.auth_url())
            .env("BATON_PINGONE_RATE_LIMIT", "100000")
            .env("BATON_GET_TASKS", self.batched.to_string())
            .env("BATON_HEALTH_CHECK_PORT", self.port.to_string())
            .env("BATON_CREDENTIALS_DIR", self.path("mount"))
            .env("BATON_SHUTDOWN_GRACE", format!("{}s", GRACE.as_secs()))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Where metrics are.
    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Notes that the program has ended by itself.
    pub fn notice_death(&mut self) -> bool {
        let Some(child) = &mut self.child else { return false };
        let Some(status) = child.try_wait().unwrap() else {
            return false;
        };
        self.ends.push(End::Died(status.code()));
        self.child = None;
        true
    }

    pub async fn kill(&mut self) {
        if self.notice_death() {
            return;
        }
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
            self.ends.push(End::Killed);
        }
    }

    /// SIGTERM.
    pub async fn stop(&mut self) {
        if self.notice_death() {
            return;
        }
        // Before its handlers are there a signal ends any program at once.
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listens).await.ok();
        if self.notice_death() {
            return;
        }
        let Some(mut child) = self.child.take() else { return };
        let asked = Instant::now();
        let id = child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap();
        assert!(sent.success());
        let status = timeout(PATIENCE, child.wait()).await;
        let code = status.ok().and_then(|status| status.unwrap().code());
        self.ends.push(End::Stopped(code, asked.elapsed()));
    }

    /// The longest that a life may take to end, on a machine that has other things to do.
    pub const fn grace() -> Duration {
        GRACE.saturating_add(Duration::from_secs(40))
    }

    /// Keeps the directory as it is now, if that is news.
    pub fn look(&mut self) {
        let snapshot = self.pingone.snapshot();
        let facts = truth(&snapshot, self.pingone.environment_id(), |_| false);
        let name = |body: &Value| body.get("username").and_then(Value::as_str).map(str::to_owned);
        let names: BTreeSet<String> = snapshot.users.values().filter_map(|user| name(&user.body)).collect();
        let is_news = self
            .history
            .last()
            .is_none_or(|last| last.facts != facts || last.names != names);
        if is_news {
            let at = self.started.elapsed();
            self.history.push(State { at, facts, names });
        }
    }

    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What is in the temporary directory.
    pub fn left(&self) -> Vec<String> {
        names(&self.path("tmp"))
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
