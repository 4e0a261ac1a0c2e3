//! Starting and stopping the fake, and what tests ask of it.

use super::changes::{Changed, Changes};
use super::clock::Clock;
use super::faults::{Fault, Plan};
use super::http::{Shared, Side};
use super::ids::Ids;
use super::ledger::{Ledger, Requests};
use super::limits::Buckets;
use super::options::Options;
use super::recorder::{Recorded, Recorder};
use super::state::{self, Membership, Sizes, Snapshot};
use super::token::Tokens;
use super::world::{Assignment, World};
use anyhow::Context as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// A running fake. Dropping it ends its listeners and connections.
pub struct Server {
    shared: Arc<Shared>,
    api: SocketAddr,
    auth: SocketAddr,
    listeners: JoinSet<()>,
}

/// Starts the fake on the addresses of the options.
pub async fn start(options: Options) -> anyhow::Result<Server> {
    let api = TcpListener::bind(options.listen.api_addr)
        .await
        .context("API listener")?;
    let auth = TcpListener::bind(options.listen.auth_addr)
        .await
        .context("token listener")?;
    let (api_addr, auth_addr) = (api.local_addr()?, auth.local_addr()?);
    let base = options.listen.public_base.clone();
    let base = base.map_or_else(
        || format!("http://{api_addr}/v1"),
        |base| base.trim_end_matches('/').to_owned(),
    );
    let buckets = Buckets::new(&options.limits)?;
    let faults = Plan::default();
    faults.set(options.timing.fault.clone());
    let mut world = World::build(options.clone(), base, Clock::start())?;
    world.told_rates = buckets.told();
    let shared = Arc::new(Shared {
        ids: Ids::new(world.spec.seed),
        world: RwLock::new(world),
        past: super::lag::Past::default(),
        tokens: Tokens::default(),
        buckets,
        faults,
        ledger: Ledger::default(),
        recorder: Recorder::default(),
        options,
        serial: AtomicU64::new(0),
    });
    let mut listeners = JoinSet::new();
    listeners.spawn(accept(Arc::clone(&shared), api, Side::Api));
    listeners.spawn(accept(Arc::clone(&shared), auth, Side::Auth));
    Ok(Server {
        shared,
        api: api_addr,
        auth: auth_addr,
        listeners,
    })
}

/// Accepts connections until the task is aborted, which ends them all.
async fn accept(shared: Arc<Shared>, listener: TcpListener, side: Side) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    stream.set_nodelay(true).unwrap_or_default();
                    shared.ledger.connection();
                    connections.spawn(connection(Arc::clone(&shared), stream, side));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// HTTP/1.1 or HTTP/2 with prior knowledge, as the client begins.
async fn connection(shared: Arc<Shared>, stream: tokio::net::TcpStream, side: Side) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.serve(side, request).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // No timer: a test that pauses time must not see its connections close.
    builder.http1().max_buf_size(256 * 1024);
    builder
        .http2()
        .max_concurrent_streams(1024)
        .max_header_list_size(64 * 1024);
    // A client that leaves or a planned fault ends the connection; that is no error of the sandbox.
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
        .unwrap_or_default();
}

impl Server {
    /// Where the API is, without `/v1`.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// Where tokens are.
    pub fn auth_url(&self) -> String {
        format!("http://{}", self.auth)
    }

    /// The environment that holds the directory.
    pub fn environment_id(&self) -> Uuid {
        self.shared.read_world().environment
    }

    /// A second environment with nobody in it, home of the foreign worker.
    pub fn other_environment_id(&self) -> Uuid {
        self.shared.read_world().other_environment
    }

    /// The organization of both.
    pub fn organization_id(&self) -> Uuid {
        self.shared.read_world().organization
    }

    /// The worker's application.
    pub fn client_id(&self) -> Uuid {
        self.application(0).0
    }

    /// Its secret; the private key in PEM form where it authenticates by one.
    pub fn client_secret(&self) -> String {
        self.application(0).1
    }

    /// The `kid` of its newest private key.
    pub fn key_id(&self) -> String {
        super::assertion::key_id(self.shared.secret_number())
    }

    /// Id and secret of the worker that lives in the other environment (point 5).
    pub fn foreign_client(&self) -> (Uuid, String) {
        self.application(1)
    }

    fn application(&self, number: usize) -> (Uuid, String) {
        let world = self.shared.read_world();
        world
            .applications
            .get(number)
            .map(|found| (found.id, found.secret.clone()))
            .unwrap_or_default()
    }

    /// What was asked so far.
    pub fn requests(&self) -> Requests {
        self.shared.ledger.read()
    }

    /// Starts counting anew.
    pub fn reset_requests(&self) {
        self.shared.ledger.reset();
    }

    /// Keeps every request from now on, one by one.
    pub fn record(&self) {
        self.shared.recorder.start();
    }

    /// What was kept since then, in the order of arrival.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.recorder.read()
    }

    /// Replaces the planned faults; their counts start anew.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.faults.set(faults);
    }

    /// How often each planned fault hit a request, in the order of the plan.
    pub fn fault_hits(&self) -> Vec<u64> {
        self.shared.faults.hits()
    }

    /// Makes every token given out so far unknown.
    pub fn expire_tokens(&self) {
        self.shared.tokens.expire_all();
    }

    /// Gives the worker a new secret; the text of it. Without `keep_old` older ones end at once.
    pub fn replace_secret(&self, keep_old: bool) -> String {
        self.shared.replace_secret(keep_old)
    }

    /// From now on only the newest secret is taken, and only tokens made with it.
    pub fn retire_secrets(&self) {
        self.shared.retire_secrets();
    }

    /// The true state, to compare with.
    pub fn directory(&self) -> Truth {
        Truth {
            shared: Arc::clone(&self.shared),
        }
    }

    /// A comparable copy of everything that calls can change.
    pub fn snapshot(&self) -> Snapshot {
        state::snapshot(&self.shared.read_world())
    }

    /// Gives the worker another role (`NAME[@SCOPE[:n]]`), effective after the rights delay (point 10).
    pub fn grant_worker_role(&self, role: &str) -> anyhow::Result<()> {
        let mut world = self.shared.write_world();
        let id = world.fresh_id();
        let mut assignment = world.worker_role(id, role)?;
        assignment.effective_from = Some(Instant::now() + Duration::from_millis(world.options.access.rights_delay_ms));
        if let Some(worker) = world.applications.first_mut() {
            worker.assignments.push(assignment);
        }
        Ok(())
    }

    /// Takes every role from the worker, at once.
    pub fn revoke_worker_roles(&self) {
        if let Some(worker) = self.shared.write_world().applications.first_mut() {
            worker.assignments.clear();
        }
    }

    /// Adds an audit activity of somebody else's doing, recorded `age` ago (point 59); `members` such as `action` and
    /// `resources` go over the usual ones. Answers its id.
    pub fn add_activity(&self, members: &serde_json::Value, age: Duration) -> Uuid {
        self.shared.write_world().record_foreign(members, age)
    }

    /// The application that is read by id and stands in no list (point 109).
    pub fn hidden_application_id(&self) -> Uuid {
        let world = self.shared.read_world();
        let hidden = world.applications.iter().find(|found| !found.listed);
        hidden.map(|found| found.id).unwrap_or_default()
    }

    /// Changes the directory as administrators and other programs would; what was changed.
    pub fn change(&self, changes: &Changes) -> Vec<Changed> {
        self.shared.write_world().change(changes)
    }

    /// Ends listeners and connections.
    pub async fn shutdown(mut self) {
        self.listeners.shutdown().await;
    }

    /// Runs until the process is told to stop.
    pub async fn wait(&mut self) {
        while self.listeners.join_next().await.is_some() {}
    }
}

/// The true state of a running fake.
pub struct Truth {
    shared: Arc<Shared>,
}

impl Truth {
    /// How much there is, and the least calls of a sync.
    pub fn sizes(&self) -> Sizes {
        state::sizes(&self.shared.read_world())
    }

    /// Every user, in listing order.
    pub fn users(&self) -> Vec<Uuid> {
        let world = self.shared.read_world();
        world.living().map(|number| world.user_id(number)).collect()
    }

    /// Every group, in listing order.
    pub fn groups(&self) -> Vec<Uuid> {
        self.shared
            .read_world()
            .groups
            .iter()
            .filter(|group| !group.gone)
            .map(|group| group.id)
            .collect()
    }

    /// Every population, in listing order, with its number of users.
    pub fn populations(&self) -> Vec<(Uuid, usize)> {
        self.shared
            .read_world()
            .populations
            .iter()
            .filter(|found| !found.gone)
            .map(|found| (found.id, found.users.len()))
            .collect()
    }

    /// Every role: id, name, whether custom.
    pub fn roles(&self) -> Vec<(Uuid, String, bool)> {
        self.shared
            .read_world()
            .roles
            .iter()
            .map(|role| (role.id, role.name.clone(), role.custom))
            .collect()
    }

    /// Members of a group and how they belong; empty for an unknown one.
    pub fn members(&self, group: Uuid) -> Vec<(Uuid, Membership)> {
        let world = self.shared.read_world();
        let Some(number) = world.group_number(group) else {
            return Vec::new();
        };
        state::members(&world, number)
            .into_iter()
            .map(|(user, how)| (world.user_id(user), how))
            .collect()
    }

    /// Groups nested directly into a group.
    pub fn children(&self, group: Uuid) -> Vec<Uuid> {
        let world = self.shared.read_world();
        let found = world.group_number(group).and_then(|number| world.group(number));
        let children = found.map(|group| group.children.clone()).unwrap_or_default();
        children
            .into_iter()
            .filter_map(|child| world.group(child))
            .map(|child| child.id)
            .collect()
    }

    /// Own assignments of a user or a group.
    pub fn assignments(&self, holder: Uuid) -> Vec<super::state::AssignmentState> {
        let world = self.shared.read_world();
        let items: (&'static str, Vec<Assignment>) = match (world.user_number(holder), world.group_number(holder)) {
            (Some(user), _) => ("user", world.own_assignments(user)),
            (None, Some(group)) => (
                "group",
                world
                    .group(group)
                    .map(|found| found.assignments.clone())
                    .unwrap_or_default(),
            ),
            (None, None) => ("", Vec::new()),
        };
        state::states(items.0, holder, &items.1).collect()
    }

    /// Every audit event, the oldest first.
    pub fn activities(&self) -> Vec<serde_json::Value> {
        self.shared.read_world().events()
    }

    /// The user object as the API shows it.
    pub fn user(&self, id: Uuid) -> Option<serde_json::Value> {
        let world = self.shared.read_world();
        world.user_number(id).map(|number| world.user_value(number))
    }
}
