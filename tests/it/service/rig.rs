//! A session and a stand-in for C1, joined by streams within the process.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use baton::session::{C1Credentials, Dialer, Io, Session, SessionConfig, SessionParts, Trust, Verdicts};
use baton::task::{
    ActionCatalog, Dispatcher, EventFeed, NoEventFeed, PROVISIONING_DISABLED, Parts, Provisioner, TaskKind,
    TaskObserver, TaskRunner, Writes,
};
use futures_util::future::BoxFuture;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::{Condition, Readiness};
use process::runtime::shutdown::{Shutdown, Signal};
use process::runtime::supervisor::{Ending, Policy, Stage, Supervisor};
use process::telemetry::Metrics;
use prost::Message as _;
use sandbox::c1::proto::connector::{ConnectorCapabilities, ConnectorMetadata};
use sandbox::c1::{Identity, Options, Server};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::fake::{FakeProvisioner, FakeSyncs, actions};

pub const CLIENT_ID: &str = "blue-fox-12345@acme.conductor.one/baton";
pub const GRACE: Duration = Duration::from_secs(25);

/// How a rig differs from the usual.
pub struct Setup {
    pub client_id: &'static str,
    pub slots: usize,
    pub batched: bool,
    pub provisioning: bool,
    /// In the place of the one that only notes what it is asked.
    pub provisioner: Option<Arc<dyn Provisioner>>,
    pub events: Arc<dyn EventFeed>,
    pub idle_poll: Duration,
    pub token_lifetime: i64,
    pub user_agent_suffix: Option<String>,
    /// The connector's metadata never comes.
    pub metadata_hangs: bool,
    pub guard: LeaderGuard,
    pub observer: Option<Arc<dyn TaskObserver>>,
    /// The shutdown's budget.
    pub grace: Duration,
    /// In the place of the dispatcher with the parts above.
    pub runner: Option<Arc<dyn TaskRunner>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID,
            slots: 3,
            batched: false,
            provisioning: true,
            provisioner: None,
            events: Arc::new(NoEventFeed),
            idle_poll: Duration::from_secs(1),
            token_lifetime: 3600,
            user_agent_suffix: None,
            metadata_hangs: false,
            guard: LeaderGuard::always(),
            observer: None,
            grace: GRACE,
            runner: None,
        }
    }
}

pub struct Rig {
    pub server: Arc<Server>,
    frozen: Arc<AtomicU64>,
    pub syncs: Arc<FakeSyncs>,
    pub writes: Arc<FakeProvisioner>,
    pub session: Arc<Session>,
    /// The credentials in force.
    pub credentials: watch::Sender<Arc<C1Credentials>>,
    pub readiness: Readiness,
    pub liveness: Liveness,
    pub metrics: Arc<Metrics>,
    shutdown: Shutdown,
    grace: Duration,
    running: JoinSet<Ending>,
    signals: Option<mpsc::Sender<Signal>>,
    _dir: tempfile::TempDir,
}

struct Within<F> {
    open: F,
    count: AtomicU64,
    frozen: Arc<AtomicU64>,
}

impl<F: Fn() -> DuplexStream + Send + Sync> Dialer for Within<F> {
    fn dial<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Box<dyn Io>>> {
        let stream = HalfOpen {
            inner: (self.open)(),
            number: self.count.fetch_add(1, Ordering::SeqCst),
            frozen: Arc::clone(&self.frozen),
        };
        Box::pin(async move { Ok(Box::new(stream) as Box<dyn Io>) })
    }
}

/// A stream that can be frozen: it takes what is written, passes on nothing and gives nothing.
struct HalfOpen {
    inner: DuplexStream,
    number: u64,
    /// Streams with a smaller number are frozen.
    frozen: Arc<AtomicU64>,
}

impl HalfOpen {
    fn is_frozen(&self) -> bool {
        self.number < self.frozen.load(Ordering::SeqCst)
    }
}

impl AsyncRead for HalfOpen {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_frozen() {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for HalfOpen {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_frozen() {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_frozen() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_frozen() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

pub fn metadata() -> Vec<u8> {
    ConnectorMetadata {
        display_name: "PingOne".to_owned(),
        help_url: "https://example.org".to_owned(),
        capabilities: Some(ConnectorCapabilities::default()),
        ..ConnectorMetadata::default()
    }
    .encode_to_vec()
}

impl Rig {
    /// Everything built, nothing started.
    #[expect(clippy::too_many_lines, reason = "a list of parts")]
    pub async fn new(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::from_seed(CLIENT_ID, [7; 32]).unwrap();
        let secret = identity.client_secret.clone();
        let mut options = Options::new(identity, dir.path().join("uploads"));
        options.idle_poll = setup.idle_poll;
        options.token_lifetime = setup.token_lifetime;
        let server = Arc::new(sandbox::c1::start(options).await.unwrap());
        let frozen = Arc::new(AtomicU64::new(0));
        let syncs = FakeSyncs::new(dir.path().join("syncs"));
        let writes = Arc::new(FakeProvisioner::default());
        let shutdown = Shutdown::new();
        let parts = Parts {
            syncs: Arc::clone(&syncs) as _,
            writes: if setup.provisioning {
                Writes::Enabled(setup.provisioner.unwrap_or_else(|| Arc::clone(&writes) as _))
            } else {
                Writes::Refused(PROVISIONING_DISABLED)
            },
            actions: Arc::new(actions()) as Arc<dyn ActionCatalog>,
            events: setup.events,
        };
        let metrics = Arc::new(Metrics::new(baton_ping_one::BUILD, &TaskKind::NAMES).unwrap());
        let (readiness, liveness) = (Readiness::new(), Liveness::new());
        readiness.meet(Condition::Configuration);
        readiness.meet(Condition::Credentials);
        let reports = Duration::from_secs(5).min(setup.grace / 2);
        let config = SessionConfig {
            api_host: Some("localhost:9443".to_owned()),
            host_id: Some("pod-1".to_owned()),
            batched: setup.batched,
            task_concurrency: setup.slots,
            token_limit: Duration::from_mins(5),
            user_agent_suffix: setup.user_agent_suffix,
            trust: Trust::Only(vec![server.ca_der().clone()]),
            drain_limit: setup.grace.checked_sub(reports).unwrap(),
            reports,
        };
        let session_parts = SessionParts {
            runner: match setup.runner {
                Some(runner) => runner,
                None => Arc::new(Dispatcher::new(parts, shutdown.process().clone())),
            },
            metadata: Arc::new(move || {
                Box::pin(async move {
                    if setup.metadata_hangs {
                        std::future::pending::<()>().await;
                    }
                    Ok(metadata())
                })
            }),
            dialer: Arc::new(Within {
                open: server.dialer(),
                count: AtomicU64::new(0),
                frozen: Arc::clone(&frozen),
            }),
            readiness: readiness.clone(),
            liveness: liveness.clone(),
            telemetry: Arc::clone(&metrics),
            build: baton_ping_one::BUILD,
            guard: setup.guard,
            observer: setup.observer,
            verdicts: Verdicts::default(),
        };
        let credentials = C1Credentials::parse(setup.client_id, &secret).unwrap();
        let (credentials, in_force) = watch::channel(Arc::new(credentials));
        let session = Arc::new(Session::new(config, in_force.into(), session_parts).unwrap());
        Self {
            server,
            frozen,
            syncs,
            writes,
            session,
            credentials,
            readiness,
            liveness,
            metrics,
            shutdown,
            grace: setup.grace,
            running: JoinSet::new(),
            signals: None,
            _dir: dir,
        }
    }

    /// Built and started under a supervisor.
    pub async fn started(setup: Setup) -> Self {
        let mut rig = Self::new(setup).await;
        rig.start();
        rig
    }

    pub fn start(&mut self) {
        let mut supervisor = Supervisor::new(self.shutdown.clone(), self.readiness.clone());
        let (session, term) = (Arc::clone(&self.session), self.shutdown.term());
        supervisor.start("session", Stage::Work, Policy::MustRun, async move {
            session.run(&term).await.map_err(Into::into)
        });
        let (sender, signals) = mpsc::channel(2);
        self.signals = Some(sender);
        self.running.spawn(supervisor.run(signals, self.grace));
    }

    /// Every connection that is open now stays open and goes silent; new ones work.
    pub fn freeze(&self) {
        let opened = u64::try_from(self.server.count("Connection")).unwrap();
        self.frozen.store(opened, Ordering::SeqCst);
    }

    pub async fn signal(&self) {
        self.signals.as_ref().unwrap().send(Signal::Terminate).await.unwrap();
    }

    /// How the process ended, once it has.
    pub async fn ending(&mut self) -> Ending {
        self.running.join_next().await.unwrap().unwrap()
    }

    /// A signal, and how the process ended.
    pub async fn stop(&mut self) -> Ending {
        self.signal().await;
        self.ending().await
    }

    /// Whether the session's loop is watched, and in time.
    pub fn is_alive(&self) -> bool {
        let states = self.liveness.states();
        let session: Vec<_> = states.iter().filter(|one| one.name == "session").collect();
        session.len() == 1 && session[0].late_by.is_none()
    }

    pub fn metric(&self, line: &str) -> bool {
        self.metrics.render().unwrap().lines().any(|one| one == line)
    }
}

/// Gaps between times, in seconds.
pub fn gaps(times: &[Duration]) -> Vec<f64> {
    times
        .windows(2)
        .map(|pair| pair[1].checked_sub(pair[0]).unwrap().as_secs_f64())
        .collect()
}

/// Whether each gap is as wanted, give or take a tenth.
pub fn close(gaps: &[f64], wanted: &[f64]) -> bool {
    gaps.len() >= wanted.len()
        && gaps
            .iter()
            .zip(wanted)
            .all(|(gap, want)| (gap - want).abs() <= want * 0.1 + 0.05)
}

/// Runs a script; what is still waiting after a virtual quarter of an hour has failed.
pub async fn bounded(script: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::time::timeout(Duration::from_mins(15), script)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("still waiting after a quarter of an hour")))
}
