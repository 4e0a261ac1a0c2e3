//! A provisioner on a hand-made directory, asked through the dispatcher as C1 would.

use std::sync::{Arc, Mutex};

use baton::task::{
    ActionCall, ActionState, ActionStatus, Dispatcher, NoEventFeed, Parts, Reply, SyncProgress, SyncRequest, SyncRun,
    SyncRunner, Task, TaskError, TaskId, TaskKind, TaskRunner, Writes,
};
use baton_ping_one::provision::{AuditSink, Change, PingOneActions, PingOneProvisioner, ProvisionOptions};
use sandbox::pingone::{Directory, DirectoryBuilder, Fault, Options, Snapshot, UserState, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stand_in::{UNLIMITED, Watched, client};

/// Keeps audit lines.
#[derive(Debug, Default)]
pub struct Lines(Mutex<Vec<Change>>);

impl AuditSink for Lines {
    fn record(&self, change: &Change) {
        self.0.lock().unwrap().push(change.clone());
    }
}

struct NoSyncs;

impl SyncRunner for NoSyncs {
    fn run(&self, _: SyncRequest, _: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        Box::pin(async { Err(TaskError::cancelled("no syncs here")) })
    }
}

pub struct Rig {
    pub server: Watched,
    pub audit: Arc<Lines>,
    directory: Directory,
    dispatcher: Dispatcher,
}

/// Users: `mara` has everything; the others differ in what their names say.
pub fn directory() -> DirectoryBuilder {
    directory_on(Directory::builder())
}

/// The same, added to what is there.
pub fn directory_on(builder: DirectoryBuilder) -> DirectoryBuilder {
    let external = json!({"identityProvider": {"id": "x", "type": "SAML"}, "passwordStatus": "NO_PASSWORD"});
    builder
        .population("staff", json!({"default": true}))
        .population("guests", json!({}))
        .user(
            "mara",
            "staff",
            json!({
                "title": "Controller", "employeeNumber": "100482", "sessions": 3, "devices": 2, "passwordStatus": "OK",
                "name": {"given": "Mara", "family": "Lindqvist", "middle": "E"},
            }),
        )
        .user(
            "off",
            "staff",
            json!({
                "enabled": false, "account": {"canAuthenticate": false, "status": "OK"}, "passwordStatus": "OK",
            }),
        )
        .user("bare", "staff", json!({"name": null, "email": null}))
        .user("external", "staff", external)
        .user(
            "locked",
            "staff",
            json!({
                "account": {"canAuthenticate": false, "status": "LOCKED"}, "passwordStatus": "PASSWORD_LOCKED_OUT",
            }),
        )
        .group("staff-only", json!({"population": "staff"}))
        .member("staff-only", "mara")
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|_| {}, ProvisionOptions::default()).await
    }

    pub async fn with(set: impl FnOnce(&mut Options), options: ProvisionOptions) -> Self {
        let directory = directory().build();
        let mut sandbox = Options {
            custom: Some(directory.clone()),
            ..Options::default()
        };
        set(&mut sandbox);
        let server = start(sandbox).await.unwrap();
        let audit = Arc::new(Lines::default());
        let provisioner =
            PingOneProvisioner::new(options, client(&server, UNLIMITED)).with_audit(Arc::clone(&audit) as _);
        let parts = Parts {
            syncs: Arc::new(NoSyncs),
            writes: Writes::Enabled(Arc::new(provisioner)),
            actions: Arc::new(PingOneActions::default()),
            events: Arc::new(NoEventFeed),
        };
        let dispatcher = Dispatcher::new(parts, CancellationToken::new());
        Self {
            server: server.into(),
            audit,
            directory,
            dispatcher,
        }
    }

    pub fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }

    /// Invokes an action; a user is the argument `user_id` as C1 would write it.
    pub async fn invoke(&self, name: &str, user: &str, more: Value) -> Result<ActionState, TaskError> {
        let id = self.id(user).to_string();
        let scoped = !matches!(name, "enable_user" | "disable_user" | "update_user");
        let user_id = if scoped {
            json!({"resource_type_id": "user", "resource_id": id})
        } else {
            json!(id)
        };
        let mut args = json!({ "user_id": user_id });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call(name, scoped.then_some("user"), args).await
    }

    pub async fn call(&self, name: &str, resource_type: Option<&str>, args: Value) -> Result<ActionState, TaskError> {
        let call = ActionCall {
            name: name.to_owned(),
            resource_type_id: resource_type.map(str::to_owned),
            args: args.as_object().unwrap().clone(),
        };
        let task = Task {
            id: TaskId::new("2Nd9e1V3s0p8Jr3bX5q0bWw9u7P"),
            kind: TaskKind::InvokeAction(Ok(call)),
        };
        match self.dispatcher.run(task, CancellationToken::new()).await? {
            Reply::ActionInvoked(state) => Ok(state),
            other => panic!("{other:?}"),
        }
    }

    /// What a running action came to.
    pub async fn settled(&self, state: &ActionState) -> ActionState {
        self.dispatcher.settled().await;
        let task = Task {
            id: TaskId::new("2Nd9e1V3s0p8Jr3bX5q0bWw9u7Q"),
            kind: TaskKind::ActionStatus(Ok(state.id.clone())),
        };
        match self.dispatcher.run(task, CancellationToken::new()).await.unwrap() {
            Reply::ActionStatus(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// Invokes an action that succeeds; its message.
    pub async fn done(&self, name: &str, user: &str, more: Value) -> String {
        let state = self.complete(name, user, more).await;
        state.response["message"].as_str().unwrap().to_owned()
    }

    /// Invokes an action that succeeds.
    pub async fn complete(&self, name: &str, user: &str, more: Value) -> ActionState {
        let mut state = self.invoke(name, user, more).await.unwrap();
        if state.status == ActionStatus::Running {
            state = self.settled(&state).await;
        }
        assert_eq!(state.status, ActionStatus::Complete, "{state:?}");
        assert_eq!(state.response["success"], true);
        state
    }

    /// Invokes an action that fails, however long it takes; its message.
    pub async fn failure(&self, name: &str, user: &str, more: Value) -> String {
        let state = match self.invoke(name, user, more).await {
            Err(error) => return error.message,
            Ok(running) => self.settled(&running).await,
        };
        assert_eq!(state.status, ActionStatus::Failed, "{state:?}");
        state.response["error"].as_str().unwrap().to_owned()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.server.snapshot()
    }

    pub fn user(&self, label: &str) -> UserState {
        self.snapshot().users[&self.id(label)].clone()
    }

    pub fn writes(&self) -> u64 {
        self.server.requests().writes()
    }

    pub fn fault(&self, fault: Fault) {
        self.server.set_faults(vec![fault]);
    }

    /// Audit lines of what changed or may have changed: operation, object, before, after, how sure.
    pub fn audited(&self) -> Vec<[String; 5]> {
        let lines = self.audit.0.lock().unwrap();
        let line = |change: &Change| {
            [
                change.operation.to_owned(),
                change.object.clone(),
                change.before.clone(),
                change.after.clone(),
                change.outcome.as_str().to_owned(),
            ]
        };
        let mut lines: Vec<_> = lines.iter().map(line).collect();
        lines.retain(|line| line[4] != "refused");
        lines
    }

    /// Whether every line names the task, and those with an answer PingOne's id of it.
    pub fn lines_are_complete(&self) -> bool {
        let lines = self.audit.0.lock().unwrap();
        lines.iter().all(|change| {
            change.task_id.as_str().len() == 27 && (change.outcome.as_str() != "done" || change.request_id.is_some())
        })
    }
}
