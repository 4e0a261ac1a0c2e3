//! The session over real sockets: TCP, a proxy, and the stand-in as it runs as a program. Real time, and short.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use baton::session::{C1Credentials, ProxyConfig, Session, SessionConfig, SessionParts, TcpDialer, Trust, Verdicts};
use baton::task::{Dispatcher, NoEventFeed, PROVISIONING_DISABLED, Parts, TaskKind, Writes};
use process::runtime::current::Current;
use process::runtime::leader_guard::LeaderGuard;
use process::runtime::liveness::Liveness;
use process::runtime::readiness::Readiness;
use process::runtime::shutdown::Shutdown;
use process::telemetry::Metrics;
use sandbox::c1::{Identity, Options, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::fake::{FakeSyncs, SyncPlan, actions};
use super::rig::{CLIENT_ID, metadata};
use super::script::{grant, sync};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Ready {
    server: Server,
    session: Session,
    shutdown: Shutdown,
    syncs: Arc<FakeSyncs>,
    _dir: tempfile::TempDir,
}

async fn ready(proxy: ProxyConfig, api_host: impl FnOnce(u16) -> Option<String>) -> Ready {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(
        Identity::from_seed(CLIENT_ID, [7; 32]).unwrap(),
        dir.path().join("uploads"),
    );
    options.listen = Some(LOOPBACK);
    let secret = options.identity.client_secret.clone();
    let server = sandbox::c1::start(options).await.unwrap();
    let shutdown = Shutdown::new();
    let config = SessionConfig {
        api_host: api_host(server.address().unwrap().port()),
        host_id: None,
        batched: false,
        task_concurrency: 3,
        token_limit: Duration::from_mins(5),
        user_agent_suffix: None,
        trust: Trust::Only(vec![server.ca_der().clone()]),
        drain_limit: Duration::from_secs(20),
        reports: Duration::from_secs(5),
    };
    let syncs = FakeSyncs::new(dir.path().join("syncs"));
    let parts = Parts {
        syncs: Arc::clone(&syncs) as _,
        writes: Writes::Refused(PROVISIONING_DISABLED),
        actions: Arc::new(actions()),
        events: Arc::new(NoEventFeed),
    };
    let parts = SessionParts {
        runner: Arc::new(Dispatcher::new(parts, shutdown.process().clone())),
        metadata: Arc::new(|| Box::pin(async { Ok(metadata()) })),
        dialer: Arc::new(TcpDialer {
            proxy,
            trust: Trust::System,
        }),
        readiness: Readiness::new(),
        liveness: Liveness::new(),
        telemetry: Arc::new(Metrics::new(baton_ping_one::BUILD, &TaskKind::NAMES).unwrap()),
        build: baton_ping_one::BUILD,
        guard: LeaderGuard::always(),
        observer: None,
        verdicts: Verdicts::default(),
    };
    let credentials = C1Credentials::parse(CLIENT_ID, &secret).unwrap();
    let session = Session::new(config, Current::fixed(credentials), parts).unwrap();
    Ready {
        server,
        session,
        shutdown,
        syncs,
        _dir: dir,
    }
}

impl Ready {
    /// Runs the session until `work` has ended.
    async fn beside(&self, work: impl Future<Output = ()>) {
        let term = self.shutdown.term();
        let ended = async {
            work.await;
            self.shutdown.draining().cancel();
        };
        let (served, ()) = tokio::join!(self.session.run(&term), ended);
        served.unwrap();
        assert!(self.server.violations().is_empty(), "{:?}", self.server.violations());
    }
}

#[tokio::test]
async fn a_sync_and_a_refused_grant_over_tcp_use_one_connection_for_calls_and_one_for_the_upload() {
    let ready = ready(ProxyConfig::default(), |port| Some(format!("localhost:{port}"))).await;
    let ids = [ready.server.queue(sync()), ready.server.queue(grant())];
    ready
        .beside(async {
            for id in &ids {
                ready.server.finished(id).await;
            }
        })
        .await;
    assert_eq!(
        ready.server.count("Connection"),
        3,
        "one for the token, one for all calls, one for the upload"
    );
    let times = |name: &str| ready.server.times(name)[0].as_millis();
    println!(
        "start to Hello: {} ms, FinishTask of the grant at {} ms",
        times("Hello"),
        times("FinishTask")
    );
}

/// A proxy that opens every tunnel to one address and notes what it was asked for.
async fn proxy(to: u16, listener: TcpListener, asked: tokio::sync::mpsc::UnboundedSender<String>) {
    let mut tunnels = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let asked = asked.clone();
        tunnels.spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            asked.send(line.clone()).unwrap();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            drop(copy_bidirectional(&mut stream, &mut far).await);
        });
    }
}

#[tokio::test]
async fn token_and_calls_go_through_the_proxy_to_the_host_of_the_client_id() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ProxyConfig::new(Some(&format!("http://u:p@{address}")), Some("other.example")).unwrap();
    let ready = ready(config, |_| None).await;
    let (asked, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(proxy(ready.server.address().unwrap().port(), listener, asked));
    ready.beside(ready.server.wait_for("GetTask", 1)).await;
    for _ in 0..2 {
        assert_eq!(
            seen.recv().await.unwrap(),
            "CONNECT acme.conductor.one:443 HTTP/1.1\r\n"
        );
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Both sides of the upload are in this process, so this bounds more than the connector's share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a gigabyte"]
async fn an_upload_of_a_gigabyte_is_never_in_memory() {
    let ready = ready(ProxyConfig::default(), |port| Some(format!("localhost:{port}"))).await;
    ready.syncs.plan(SyncPlan::Sparse(1 << 30));
    let mut peak = 0;
    let mut before = 0;
    ready
        .beside(async {
            ready.server.wait_for("GetTask", 1).await;
            before = resident_kib();
            let id = ready.server.queue(sync());
            let started = tokio::time::Instant::now();
            while ready.server.finishes(&id).is_empty() {
                peak = peak.max(resident_kib());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            println!(
                "1 GiB in {} ms, {} KiB more than before",
                started.elapsed().as_millis(),
                peak - before
            );
            assert!(ready.server.uploads(&id)[0].file.is_some());
        })
        .await;
    assert!(peak - before < 32 * 1024, "{} KiB", peak - before);
}
