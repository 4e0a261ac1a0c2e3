//! An offered task is answered once: what was decided is kept, and given again where C1 did not take it.

use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use baton::task::{Code, Reply, Task, TaskEnd, TaskError, TaskObserver, TaskRunner};
use futures_util::future::BoxFuture;
use prost::Message as _;
use sandbox::c1::proto::baton::task::{CreateAccountTask, TaskType};
use sandbox::c1::proto::connector::credential_options::{self, RandomPassword};
use sandbox::c1::proto::connector::{AccountInfo, CredentialOptions};
use sandbox::c1::{Rpc, Step};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::field::Field;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::accounts::{Accounts, PrivateKeys};
use super::fake::{SyncPlan, WritePlan};
use super::rig::{Rig, Setup};
use super::script::{grant, sync};

#[derive(Default)]
struct Ends(Mutex<Vec<TaskEnd>>);

impl TaskObserver for Ends {
    fn ended(&self, end: &TaskEnd) {
        self.0.lock().unwrap().push(end.clone());
    }
}

/// Whether each end that was told was reported.
fn told(ends: &Ends) -> Vec<bool> {
    ends.0.lock().unwrap().iter().map(|end| end.reported).collect()
}

async fn rig() -> (Rig, Arc<Ends>) {
    let ends = Arc::new(Ends::default());
    let rig = Rig::started(Setup {
        observer: Some(Arc::clone(&ends) as _),
        ..Setup::default()
    })
    .await;
    (rig, ends)
}

fn clean(rig: &Rig) {
    assert!(rig.server.violations().is_empty(), "{:?}", rig.server.violations());
}

/// C1 refuses `FinishTask` for longer than it is tried.
async fn unreported(rig: &Rig, id: &str) {
    rig.server.plan(Rpc::FinishTask, [Step::Status(13)]);
    rig.server.wait_until(|server| !server.finishes(id).is_empty()).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.server.finishes(id).len(), 1);
    assert!(rig.metric("baton_ping_one_finish_failures_total 1"));
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_finish_was_lost_is_answered_again_and_not_done_again() {
    let (rig, ends) = rig().await;
    let id = rig.server.queue(grant());
    unreported(&rig, &id).await;
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"unreported\"} 1"));
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"success\"} 0"));
    assert_eq!(told(&ends), [false]);
    // Now it would fail.
    rig.writes.plan(WritePlan::Fail(Code::AlreadyExists));
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 2).await;
    sleep(Duration::from_secs(5)).await;
    let finishes = rig.server.finishes(&id);
    assert_eq!(finishes.len(), 2);
    assert_eq!(finishes[0], finishes[1]);
    assert_eq!(rig.writes.calls(), 1);
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"success\"} 1"));
    assert_eq!(told(&ends), [false, true]);
    // Also where C1 lost what it had taken.
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 3).await;
    assert_eq!(rig.server.finishes(&id)[2], finishes[0]);
    assert_eq!(rig.writes.calls(), 1);
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_sync_whose_finish_was_lost_is_not_made_and_not_uploaded_again() {
    let (rig, _) = rig().await;
    rig.syncs.plan(SyncPlan::File(Duration::from_secs(1), 1000));
    let id = rig.server.queue(sync());
    unreported(&rig, &id).await;
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 2).await;
    assert!(rig.server.finishes(&id)[1].status.is_none());
    assert_eq!(rig.server.uploads(&id).len(), 1);
    assert_eq!(rig.syncs.requests.lock().unwrap().len(), 1);
    sleep(Duration::from_secs(5)).await;
    // C1 has it: the same id is a new wish.
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 3).await;
    assert_eq!(rig.syncs.requests.lock().unwrap().len(), 2);
    clean(&rig);
}

/// What is kept is what was sent: of a password only what whoever reads it can open.
#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_kept_holds_no_password() {
    let accounts = Accounts::start().await;
    let rig = Rig::started(Setup {
        provisioner: Some(accounts.provisioner()),
        ..Setup::default()
    })
    .await;
    let random = RandomPassword {
        length: 20,
        constraints: Vec::new(),
    };
    let id = rig.server.queue(TaskType::CreateAccount(CreateAccountTask {
        account_info: Some(AccountInfo {
            login: "nils".to_owned(),
            ..Default::default()
        }),
        credential_options: Some(CredentialOptions {
            options: Some(credential_options::Options::RandomPassword(random)),
            force_change_at_next_login: true,
        }),
        encryption_configs: PrivateKeys::new().configs(),
        ..Default::default()
    }));
    unreported(&rig, &id).await;
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 2).await;
    let finishes = rig.server.finishes(&id);
    assert_eq!(finishes[0], finishes[1], "it is the one that was kept");
    let kept = finishes[1].encode_to_vec();
    let password = accounts.user("nils").unwrap().1.unwrap();
    for form in [STANDARD.encode(&password), password] {
        let is_there = kept.windows(form.len()).any(|part| part == form.as_bytes());
        assert!(!is_there && form.len() >= 20, "{form}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_tried_again_is_tried_again_once_c1_knows() {
    let (rig, _) = rig().await;
    rig.syncs.plan(SyncPlan::Fail(Code::Unavailable));
    let id = rig.server.queue(sync());
    rig.server.finished(&id).await;
    sleep(Duration::from_secs(5)).await;
    rig.syncs.plan(SyncPlan::File(Duration::from_secs(1), 1000));
    rig.server.offer_again(&id);
    rig.server.wait_for("FinishTask", 2).await;
    assert!(rig.server.finishes(&id)[1].status.is_none(), "it ran again");
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_names_another_task_now_is_worked_on() {
    let (rig, _) = rig().await;
    let id = rig.server.queue(grant());
    rig.server.finished(&id).await;
    sleep(Duration::from_secs(2)).await;
    let mut other = grant();
    if let TaskType::Grant(grant) = &mut other {
        grant.principal = Some(super::script::resource("user", "somebody else"));
    }
    rig.server.queue_task(sandbox::c1::proto::baton::Task {
        id: id.clone(),
        task_type: Some(other),
        ..Default::default()
    });
    rig.server.wait_for("FinishTask", 2).await;
    assert_eq!(rig.writes.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_c1_did_not_take_is_sent_again_on_the_next_connection() {
    let (rig, ends) = rig().await;
    rig.server.plan(Rpc::FinishTask, vec![Step::Status(14); 100]);
    let id = rig.server.queue(grant());
    rig.server
        .wait_until(|_| rig.metric("baton_ping_one_finish_failures_total 1"))
        .await;
    sleep(Duration::from_mins(2)).await;
    let sent = rig.server.finishes(&id).len();
    assert!(
        rig.metric("baton_ping_one_finish_failures_total 1"),
        "not again on the same connection"
    );
    rig.server.set_down(true);
    sleep(Duration::from_secs(10)).await;
    rig.server.clear_plan(Rpc::FinishTask);
    rig.server.set_down(false);
    rig.server.wait_for("FinishTask", sent + 1).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.server.finishes(&id).len(), sent + 1);
    assert_eq!((told(&ends), rig.writes.calls()), (vec![false, true], 1));
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"success\"} 1"));
    clean(&rig);
}

/// Panics where this is logged.
struct PanicsAt(&'static str);

impl<S: Subscriber> Layer<S> for PanicsAt {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        event.record(&mut |_: &Field, value: &dyn Debug| write!(text, "{value:?} ").unwrap());
        assert!(!text.contains(self.0), "planted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_verdict_is_sent_again_frees_its_id() {
    let subscriber = tracing_subscriber::registry().with(PanicsAt("a verdict that C1 did not take"));
    let _guard = tracing::subscriber::set_default(subscriber);
    let (rig, _) = rig().await;
    rig.server.plan(Rpc::FinishTask, vec![Step::Status(14); 100]);
    let id = rig.server.queue(grant());
    rig.server
        .wait_until(|_| rig.metric("baton_ping_one_finish_failures_total 1"))
        .await;
    rig.server.set_down(true);
    sleep(Duration::from_secs(10)).await;
    rig.server.clear_plan(Rpc::FinishTask);
    rig.server.set_down(false);
    sleep(Duration::from_mins(2)).await;
    let sent = rig.server.finishes(&id).len();
    rig.server.offer_again(&id);
    let again = rig.server.wait_until(|server| server.finishes(&id).len() > sent);
    timeout(Duration::from_mins(5), again).await.expect("its id is busy");
    assert!(rig.server.finishes(&id)[sent].status.is_none() && rig.writes.calls() == 1);
    clean(&rig);
}

struct Panics;

impl TaskObserver for Panics {
    fn ended(&self, _: &TaskEnd) {
        panic!("planted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_around_a_task_frees_its_slot_its_id_and_its_gauge() {
    let rig = Rig::started(Setup {
        slots: 1,
        observer: Some(Arc::new(Panics)),
        ..Setup::default()
    })
    .await;
    rig.syncs.plan(SyncPlan::File(Duration::from_secs(1), 1000));
    for _ in 0..2 {
        let id = rig.server.queue(sync());
        rig.server.finished(&id).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.server.finishes(&id).len(), 1);
        assert!(rig.metric("baton_ping_one_tasks_in_flight 0"));
        let again = rig.server.finishes(&id).len();
        rig.server.offer_again(&id);
        rig.server.wait_until(|server| server.finishes(&id).len() > again).await;
    }
    clean(&rig);
}

/// Panics where it is first called, before there is any work, and fails later.
#[derive(Default)]
struct PanicsFirst(AtomicBool);

impl TaskRunner for PanicsFirst {
    fn run(&self, _: Task, _: CancellationToken) -> BoxFuture<'_, Result<Reply, TaskError>> {
        assert!(self.0.swap(true, Ordering::SeqCst), "planted");
        Box::pin(async { Err(TaskError::new(Code::Aborted, "planned")) })
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_beside_the_work_of_a_task_is_told_and_counted_and_frees_its_slot_and_its_id() {
    let ends = Arc::new(Ends::default());
    let rig = Rig::started(Setup {
        slots: 1,
        observer: Some(Arc::clone(&ends) as _),
        runner: Some(Arc::new(PanicsFirst::default())),
        ..Setup::default()
    })
    .await;
    let id = rig.server.queue(grant());
    let finish = timeout(Duration::from_mins(5), rig.server.finished(&id)).await;
    let finish = finish.expect("C1 never heard of it").unwrap();
    assert_eq!(finish.status.map(|status| status.code), Some(13));
    sleep(Duration::from_secs(5)).await;
    assert_eq!((rig.server.finishes(&id).len(), told(&ends)), (1, vec![true]));
    assert!(rig.metric("baton_ping_one_tasks_in_flight 0"));
    assert!(rig.metric("baton_ping_one_tasks_finished_total{kind=\"grant\",outcome=\"error\"} 1"));
    // Its id and the only slot are free again.
    let next = rig.server.queue(sync());
    rig.server.offer_again(&id);
    for (id, finishes) in [(&id, 2), (&next, 1)] {
        let again = rig.server.wait_until(|server| server.finishes(id).len() == finishes);
        timeout(Duration::from_mins(5), again).await.expect("never worked on");
    }
    clean(&rig);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_write_is_told_once_and_frees_its_slot() {
    let rig = Rig::started(Setup {
        slots: 1,
        ..Setup::default()
    })
    .await;
    rig.writes.plan(WritePlan::Panic);
    let id = rig.server.queue(grant());
    let finish = rig.server.finished(&id).await.unwrap();
    assert_eq!(finish.status.map(|status| status.code), Some(13));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.server.finishes(&id).len(), 1);
    assert!(rig.metric("baton_ping_one_tasks_in_flight 0"));
    rig.writes.plan(WritePlan::Good(Vec::new()));
    let next = rig.server.queue(grant());
    assert!(rig.server.finished(&next).await.unwrap().status.is_none());
    clean(&rig);
}
