//! Engines that do what a test says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton::task::{
    AccountCreated, ActionCall, ActionOutcome, ActionSchema, Annotation, Code, CreateAccountRequest,
    DeleteResourceRequest, EventFeed, EventFeedInfo, EventPage, EventQuery, EventType, GrantReply, GrantRequest,
    JsonObject, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated, SyncProgress, SyncRequest,
    SyncRun, SyncRunner, SyncedFile, TaskError, WriteContext,
};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// What a sync does.
#[derive(Debug, Clone, Copy)]
pub enum SyncPlan {
    /// Takes so long, then gives a file of so many bytes.
    File(Duration, usize),
    /// Gives a file of so many zeros that takes no room on the disk.
    Sparse(u64),
    /// Runs until it is cancelled.
    UntilCancelled,
    /// Does not even look at its token.
    Deaf,
    /// Fails with this code.
    Fail(Code),
    /// Panics.
    Panic,
}

/// Syncs by plan into a directory of its own.
#[derive(Debug)]
pub struct FakeSyncs {
    pub dir: PathBuf,
    pub plan: Mutex<SyncPlan>,
    pub requests: Mutex<Vec<SyncRequest>>,
}

impl FakeSyncs {
    pub fn new(dir: PathBuf) -> Arc<Self> {
        std::fs::create_dir_all(&dir).unwrap();
        Arc::new(Self {
            dir,
            plan: Mutex::new(SyncPlan::File(Duration::from_secs(1), 1_200_000)),
            requests: Mutex::default(),
        })
    }

    pub fn plan(&self, plan: SyncPlan) {
        *self.plan.lock().unwrap() = plan;
    }

    /// Files that were left behind.
    pub fn files(&self) -> usize {
        std::fs::read_dir(&self.dir).unwrap().count()
    }

    /// The bytes of a file of a size.
    pub fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }
}

impl SyncRunner for FakeSyncs {
    fn run(&self, request: SyncRequest, token: CancellationToken, _: SyncProgress) -> SyncRun<'_> {
        self.requests.lock().unwrap().push(request);
        let plan = *self.plan.lock().unwrap();
        Box::pin(async move {
            let file = tempfile::NamedTempFile::new_in(&self.dir).unwrap().into_temp_path();
            match plan {
                SyncPlan::File(time, size) => {
                    tokio::select! {
                        () = token.cancelled() => return Err(TaskError::cancelled("cancelled")),
                        () = tokio::time::sleep(time) => {}
                    }
                    std::fs::write(&file, Self::bytes(size)).unwrap();
                    Ok(SyncedFile::new(file, size as u64, "sync".to_owned()))
                }
                SyncPlan::Sparse(size) => {
                    std::fs::File::create(&file).unwrap().set_len(size).unwrap();
                    Ok(SyncedFile::new(file, size, "sync".to_owned()))
                }
                SyncPlan::UntilCancelled => {
                    token.cancelled().await;
                    Err(TaskError::cancelled("cancelled"))
                }
                SyncPlan::Deaf => std::future::pending().await,
                SyncPlan::Fail(code) => Err(TaskError::new(code, "planned")),
                SyncPlan::Panic => panic!("planned"),
            }
        })
    }
}

/// What the provisioner answers.
#[derive(Debug, Clone)]
pub enum WritePlan {
    Good(Vec<Annotation>),
    Declined,
    Fail(Code),
    Slow(Duration),
    Panic,
}

/// Writes by plan.
#[derive(Debug)]
pub struct FakeProvisioner {
    pub plan: Mutex<WritePlan>,
    pub account: Mutex<Option<AccountCreated>>,
    pub calls: AtomicUsize,
    pub accounts: Mutex<Vec<CreateAccountRequest>>,
    /// How long an action takes and whether it works.
    pub action: Mutex<(Duration, bool)>,
}

impl Default for FakeProvisioner {
    fn default() -> Self {
        Self {
            plan: Mutex::new(WritePlan::Good(Vec::new())),
            account: Mutex::default(),
            calls: AtomicUsize::new(0),
            accounts: Mutex::default(),
            action: Mutex::new((Duration::ZERO, true)),
        }
    }
}

impl FakeProvisioner {
    pub fn plan(&self, plan: WritePlan) {
        *self.plan.lock().unwrap() = plan;
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn answer(&self, context: &WriteContext) -> Result<Vec<Annotation>, TaskError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let plan = self.plan.lock().unwrap().clone();
        match plan {
            WritePlan::Good(annotations) => Ok(annotations),
            WritePlan::Declined => Err(TaskError::declined("not now")),
            WritePlan::Fail(code) => Err(TaskError::new(code, "planned")),
            WritePlan::Panic => panic!("planned"),
            WritePlan::Slow(time) => {
                tokio::select! {
                    () = context.token.cancelled() => Err(TaskError::cancelled("cancelled")),
                    () = tokio::time::sleep(time) => Ok(Vec::new()),
                }
            }
        }
    }
}

impl Provisioner for FakeProvisioner {
    fn grant(&self, _: GrantRequest, context: WriteContext) -> BoxFuture<'_, Result<GrantReply, TaskError>> {
        Box::pin(async move {
            let annotations = self.answer(&context).await?;
            Ok(GrantReply {
                resource: None,
                grants: Vec::new(),
                annotations,
            })
        })
    }

    fn revoke(&self, _: RevokeRequest, context: WriteContext) -> BoxFuture<'_, Result<RevokeReply, TaskError>> {
        Box::pin(async move {
            let annotations = self.answer(&context).await?;
            Ok(RevokeReply { annotations })
        })
    }

    fn create_account(
        &self,
        request: CreateAccountRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<AccountCreated, TaskError>> {
        Box::pin(async move {
            self.accounts.lock().unwrap().push(request);
            self.answer(&context).await?;
            self.account
                .lock()
                .unwrap()
                .clone()
                .ok_or_else(|| TaskError::new(Code::Internal, "nothing planned"))
        })
    }

    fn delete_resource(
        &self,
        _: DeleteResourceRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Vec<Annotation>, TaskError>> {
        Box::pin(async move { self.answer(&context).await })
    }

    fn rotate_credentials(
        &self,
        request: RotateCredentialsRequest,
        context: WriteContext,
    ) -> BoxFuture<'_, Result<Rotated, TaskError>> {
        Box::pin(async move {
            let annotations = self.answer(&context).await?;
            Ok(Rotated {
                resource: request.resource,
                secrets: Vec::new(),
                annotations,
            })
        })
    }

    fn run_action(&self, _: ActionCall, _: WriteContext) -> BoxFuture<'_, Result<ActionOutcome, TaskError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (time, works) = *self.action.lock().unwrap();
        Box::pin(async move {
            tokio::time::sleep(time).await;
            if works {
                let mut response = JsonObject::new();
                response.insert("success".to_owned(), true.into());
                Ok(ActionOutcome::Complete(response))
            } else {
                Ok(ActionOutcome::Failed {
                    message: "the user is gone".to_owned(),
                    response: JsonObject::new(),
                })
            }
        })
    }
}

/// A feed that fails.
#[derive(Debug)]
pub struct BrokenFeed;

impl EventFeed for BrokenFeed {
    fn feeds(&self) -> BoxFuture<'_, Result<Vec<EventFeedInfo>, TaskError>> {
        Box::pin(async {
            Ok(vec![EventFeedInfo {
                id: "pingone_audit",
                event_types: &[EventType::Usage],
            }])
        })
    }

    fn events(&self, _: EventQuery, _: CancellationToken) -> BoxFuture<'_, Result<EventPage, TaskError>> {
        Box::pin(async { Err(TaskError::new(Code::Unavailable, "planned")) })
    }
}

/// One global action and one of users.
pub fn actions() -> Vec<ActionSchema> {
    let schema = |name, resource_type_id| ActionSchema {
        name,
        display_name: name,
        description: "d",
        resource_type_id,
        action_types: &[],
        arguments: Vec::new(),
        return_types: Vec::new(),
        constraints: Vec::new(),
    };
    vec![schema("enable_user", None), schema("lock_user", Some("user"))]
}
