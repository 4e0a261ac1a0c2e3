//! The stand-in as tests hold it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::pki_types::CertificateDer;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::ids::ksuid;
use super::link::Link;
use super::listener::{self, Connections};
use super::log::{Entry, Received, Upload};
use super::options::{Identity, Options};
use super::proto::baton as pb;
use super::proto::baton::task::TaskType;
use super::script::{Rpc, Step, TokenStep};
use super::state::State;
use super::tls;

/// Bytes that a stream within the process buffers.
const STREAM_BYTES: usize = 64 * 1024;

/// A running stand-in. Dropping it ends it.
pub struct Server {
    state: Arc<State>,
    connections: Arc<Connections>,
    link: Link,
    streams: mpsc::UnboundedSender<DuplexStream>,
    down: watch::Sender<bool>,
    address: Option<SocketAddr>,
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    _tasks: JoinSet<()>,
}

/// Starts a stand-in. Must be called inside a runtime.
pub async fn start(options: Options) -> anyhow::Result<Server> {
    std::fs::create_dir_all(&options.upload_dir)?;
    let tls = match &options.certificate {
        None => tls::make(options.identity.audience())?,
        Some((certificate, key)) => tls::read(certificate, key)?,
    };
    let listener = match options.listen {
        Some(address) => Some(TcpListener::bind(address).await.context("listen")?),
        None => None,
    };
    let address = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let state = State::new(options);
    let connections = Arc::new(Connections::default());
    let link = Link::default();
    let (streams, incoming) = mpsc::unbounded_channel();
    let (down, is_down) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let acceptor = TlsAcceptor::from(tls.config);
    tasks.spawn(listener::serve(
        Arc::clone(&state),
        acceptor,
        listener,
        incoming,
        (Arc::clone(&connections), link.clone()),
        is_down,
    ));
    Ok(Server {
        state,
        connections,
        link,
        streams,
        down,
        address,
        ca_pem: tls.ca_pem,
        ca_der: tls.ca_der,
        _tasks: tasks,
    })
}

impl Server {
    /// Where it listens.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The authority that signed its certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The authority that signed its certificate.
    pub const fn ca_der(&self) -> &CertificateDer<'static> {
        &self.ca_der
    }

    /// A new stream to it within the process. While it is down the stream is closed at once.
    pub fn dial(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(STREAM_BYTES);
        // The listener lives as long as this.
        drop(self.streams.send(far));
        near
    }

    /// A handle that dials, for code that outlives the borrow.
    pub fn dialer(&self) -> impl Fn() -> DuplexStream + Send + Sync + 'static {
        let streams = self.streams.clone();
        move || {
            let (near, far) = tokio::io::duplex(STREAM_BYTES);
            drop(streams.send(far));
            near
        }
    }

    /// Puts a task into the queue and answers its id.
    pub fn queue(&self, kind: TaskType) -> String {
        let id = ksuid();
        self.queue_task(pb::Task {
            id: id.clone(),
            task_type: Some(kind),
            ..Default::default()
        });
        id
    }

    /// Puts a task into the queue as it is.
    pub fn queue_task(&self, task: pb::Task) {
        self.state.lock().queue.push_back(task);
    }

    /// Offers every task that is out and not finished again.
    pub fn requeue_unfinished(&self) {
        let mut inside = self.state.lock();
        let open: Vec<_> = inside
            .out
            .values()
            .filter(|out| out.finished.is_none() && !out.cancelled)
            .map(|out| out.task.clone())
            .collect();
        inside.queue.extend(open);
    }

    /// Tasks that wait to be handed out or finished.
    pub fn unfinished(&self) -> Vec<String> {
        let inside = self.state.lock();
        let queued = inside.queue.iter().map(|task| task.id.clone());
        let out = inside.out.values().filter(|out| out.finished.is_none());
        queued.chain(out.map(|out| out.task.id.clone())).collect()
    }

    /// Whether a task waits to be handed out.
    pub fn is_queued(&self, task_id: &str) -> bool {
        self.state.lock().queue.iter().any(|task| task.id == task_id)
    }

    /// Offers a task again, as if C1 had lost its `FinishTask`.
    pub fn offer_again(&self, task_id: &str) {
        let mut inside = self.state.lock();
        let task = inside.out.get(task_id).map(|out| out.task.clone());
        inside.queue.extend(task);
    }

    /// What is sent to the stand-in arrives at so many bytes a second, over all connections; `None` ends that.
    pub fn limit_link(&self, bytes_per_second: Option<u32>) {
        self.link.limit(bytes_per_second);
    }

    /// The next calls of a method get these answers.
    pub fn plan(&self, rpc: Rpc, steps: impl IntoIterator<Item = Step>) {
        self.state.plan(rpc, steps);
    }

    /// The next calls of a method are answered as usual again.
    pub fn clear_plan(&self, rpc: Rpc) {
        self.state.clear_plan(rpc);
    }

    /// The next token requests get these answers.
    pub fn plan_tokens(&self, steps: impl IntoIterator<Item = TokenStep>) {
        self.state.lock().token_steps.extend(steps);
    }

    /// No token that was issued so far is good any more.
    pub fn revoke_tokens(&self) {
        self.state.lock().tokens.clear();
    }

    /// A new secret of the connector, beside the old one; `keep_old` false ends the old one and its tokens at once.
    pub fn replace_secret(&self, keep_old: bool) -> anyhow::Result<String> {
        let mut seed = [0u8; 32];
        aws_lc_rs::rand::fill(&mut seed).context("no random bytes")?;
        let identity = Identity::from_seed(&self.state.options.identity.client_id, seed)?;
        self.state.add_key(identity.public_key);
        if !keep_old {
            self.state.retire_keys();
        }
        Ok(identity.client_secret)
    }

    /// From now on only the newest secret is good, and only tokens that were got with it.
    pub fn retire_secrets(&self) {
        self.state.retire_keys();
    }

    /// Ends all connections; while `down`, new ones are closed at once.
    pub fn set_down(&self, down: bool) {
        self.down.send_replace(down);
        if down {
            self.end_connections();
        }
    }

    /// How many connections are open now.
    pub fn open_connections(&self) -> usize {
        self.connections.count()
    }

    /// Ends all connections.
    pub fn end_connections(&self) {
        self.connections.end_all();
    }

    /// Everything received so far.
    pub fn log(&self) -> Vec<Entry> {
        self.state.lock().log.clone()
    }

    /// Rules that were broken so far.
    pub fn violations(&self) -> Vec<String> {
        self.state.lock().violations.clone()
    }

    /// When each call of a name was received.
    pub fn times(&self, name: &str) -> Vec<Duration> {
        self.log()
            .into_iter()
            .filter(|entry| entry.received.name() == name)
            .map(|entry| entry.at)
            .collect()
    }

    /// How many calls of a name were received.
    pub fn count(&self, name: &str) -> usize {
        self.times(name).len()
    }

    /// The `FinishTask` requests for a task.
    pub fn finishes(&self, task_id: &str) -> Vec<pb::BatonServiceFinishTaskRequest> {
        self.log()
            .into_iter()
            .filter_map(|entry| match entry.received {
                Received::Finish(request) if request.task_id == task_id => Some(request),
                _ => None,
            })
            .collect()
    }

    /// The uploads for a task, complete or not.
    pub fn uploads(&self, task_id: &str) -> Vec<Upload> {
        self.log()
            .into_iter()
            .filter_map(|entry| match entry.received {
                Received::Upload(upload) if upload.task_id == task_id => Some(upload),
                _ => None,
            })
            .collect()
    }

    /// Waits until `done` holds for the log.
    pub async fn wait_until(&self, done: impl Fn(&Self) -> bool) {
        let mut changes = self.state.changed.subscribe();
        while !done(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits for so many calls of a name.
    pub async fn wait_for(&self, name: &str, count: usize) {
        self.wait_until(|server| server.count(name) >= count).await;
    }

    /// Waits for a task's `FinishTask` and answers the first.
    pub async fn finished(&self, task_id: &str) -> Option<pb::BatonServiceFinishTaskRequest> {
        self.wait_until(|server| !server.finishes(task_id).is_empty()).await;
        self.finishes(task_id).into_iter().next()
    }

    pub(super) const fn state(&self) -> &Arc<State> {
        &self.state
    }
}
