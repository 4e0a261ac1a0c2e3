use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use baton_ping_one::k8s::K8sError;
use baton_ping_one::k8s::lease::{
    Claim, Election, ElectionNotice, KubeLeases, Leadership, LeaseStore, Observed, Record, Timing,
};
use process::runtime::liveness::Liveness;
use process::runtime::spawn::{Task, spawn};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;
use super::{client, soon};

struct Running {
    terms: mpsc::Receiver<Leadership>,
    told: Arc<Mutex<Vec<String>>>,
    /// Ends the process.
    stop: CancellationToken,
    /// Lets the work end after `stop` or a loss.
    finish: CancellationToken,
    run: Task<()>,
}

fn timing() -> Timing {
    let millis = Duration::from_millis;
    Timing::new(millis(3_000), millis(2_400), millis(200)).unwrap()
}

/// With a lease that outlasts whatever holds the machine up.
fn stand(fake: &Fake, pod: &str) -> Running {
    let second = Duration::from_secs(1);
    stand_with(fake, pod, Timing::new(second * 600, second * 300, second / 5).unwrap())
}

fn stand_with(fake: &Fake, pod: &str, timing: Timing) -> Running {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&told);
    let notice = Arc::new(move |notice: &ElectionNotice<'_>| log.lock().unwrap().push(format!("{notice:?}")));
    let election = Election::new(KubeLeases::new(&client(fake), "leader"), pod, timing, notice);
    let (sender, terms) = mpsc::channel(4);
    let (stop, finish) = (CancellationToken::new(), CancellationToken::new());
    let (stopping, finishing) = (stop.clone(), finish.clone());
    let run = spawn(election.run(stop.clone(), move |leadership| {
        let (sender, stopping, finishing) = (sender.clone(), stopping.clone(), finishing.clone());
        async move {
            let lost = leadership.lost.clone();
            sender.send(leadership).await.unwrap();
            tokio::select! {
                () = stopping.cancelled() => {}
                () = lost.cancelled() => {}
            }
            finishing.cancelled().await;
        }
    }));
    Running {
        terms,
        told,
        stop,
        finish,
        run,
    }
}

impl Running {
    async fn leads(&mut self) -> Leadership {
        soon(self.terms.recv()).await.unwrap()
    }

    fn told(&self, part: &str) -> usize {
        self.told
            .lock()
            .unwrap()
            .iter()
            .filter(|told| told.contains(part))
            .count()
    }
}

/// As its last holder left it.
fn given_back(fake: &Fake) {
    fake.put_lease(
        &json!({"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 4,
        "acquireTime": "2020-01-01T00:00:00.000000Z", "renewTime": "2020-01-01T00:00:00.000000Z"}),
    );
}

#[tokio::test]
async fn the_lease_is_given_back_after_the_work_has_stopped_and_taken_at_once() {
    let fake = Fake::start().await;
    given_back(&fake);
    let mut first = stand(&fake, "pod-a");
    let leadership = first.leads().await;
    assert_eq!(leadership.term, 5);
    assert!(leadership.guard.may_begin());
    let holder = fake.holder().unwrap();
    assert!(
        holder.starts_with("pod-a_") && holder.len() == "pod-a_".len() + 32,
        "{holder}"
    );
    let mut second = stand(&fake, "pod-b");
    first.stop.cancel();
    // Work goes on: the lease is renewed and not given back.
    let renewed = fake.count("update ");
    soon(fake.until(|data| {
        data.requests
            .iter()
            .filter(|request| request.starts_with("update "))
            .count()
            >= renewed + 3
    }))
    .await;
    assert_eq!(fake.holder().as_deref(), Some(holder.as_str()));
    assert!(leadership.guard.may_begin() && !leadership.lost.is_cancelled());
    first.finish.cancel();
    soon(first.run).await;
    assert!(!leadership.guard.may_begin());
    assert_eq!(second.leads().await.term, 6);
    let data = fake.data();
    assert_eq!(data.lease.as_ref().unwrap()["metadata"]["labels"]["kept"], "yes");
}

#[tokio::test]
async fn a_lease_that_is_not_there_is_made_at_once_and_taken_after_its_duration() {
    let fake = Fake::start().await;
    let started = Instant::now();
    let mut running = stand_with(&fake, "pod-a", timing());
    soon(fake.until(|data| data.lease.is_some())).await;
    assert_eq!(fake.holder(), None);
    assert_eq!(running.leads().await.term, 1);
    assert!(started.elapsed() >= timing().duration(), "{:?}", started.elapsed());
    assert_eq!(fake.count("create "), 1);
    // Several looks went before.
    assert!(fake.count("get ") > 3);
}

#[tokio::test]
async fn the_first_lease_of_a_new_deployment_belongs_to_it_and_is_taken_soon() {
    let fake = Fake::start().await;
    fake.data().deployed = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap();
    // Far below the duration, whatever the machine does meanwhile.
    let mut running = stand(&fake, "pod-a");
    assert_eq!(running.leads().await.term, 1);
    let lease = fake.data().lease.clone().unwrap();
    let owner = &lease["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["uid"], &owner["apiVersion"]),
        (&json!("Deployment"), &json!("uid-d"), &json!("apps/v1"))
    );
    let mark = &lease["metadata"]["annotations"]["baton-ping-one/never-held"];
    assert!(mark.is_null(), "somebody holds it: {mark}");
}

#[tokio::test]
async fn a_lease_that_was_made_without_an_owner_gets_it_with_the_next_term() {
    let fake = Fake::start().await;
    given_back(&fake);
    let mut running = stand(&fake, "pod-a");
    running.leads().await;
    let lease = fake.data().lease.clone().unwrap();
    assert_eq!(lease["metadata"]["ownerReferences"][0]["name"], "baton-ping-one");
    assert_eq!(lease["metadata"]["labels"]["kept"], "yes");
}

#[tokio::test]
async fn an_edited_label_ends_no_term() {
    let fake = Fake::start().await;
    given_back(&fake);
    let mut running = stand(&fake, "pod-a");
    let leadership = running.leads().await;
    for edits in 1..4 {
        fake.change(|data, version| {
            data.lease.as_mut().unwrap()["metadata"]["resourceVersion"] = json!(version.to_string());
        });
        let renewed = fake.count("update ");
        soon(fake.until(|data| {
            data.requests
                .iter()
                .filter(|request| request.starts_with("update "))
                .count()
                >= renewed + 2 * edits
        }))
        .await;
    }
    assert!(leadership.guard.may_begin() && running.told("Lost") == 0);
}

#[tokio::test]
async fn a_deleted_or_taken_lease_ends_the_term() {
    for deleted in [true, false] {
        let fake = Fake::start().await;
        given_back(&fake);
        let mut running = stand_with(&fake, "pod-a", timing());
        let leadership = running.leads().await;
        if deleted {
            fake.change(|data, _| data.lease = None);
        } else {
            fake.put_lease(&json!({"holderIdentity": "thief", "leaseDurationSeconds": 2, "leaseTransitions": 9}));
        }
        soon(leadership.lost.cancelled()).await;
        assert!(!leadership.guard.may_begin());
        assert_eq!(running.told(if deleted { "Deleted" } else { "Taken" }), 1);
        // The next term begins only after the work of this one has ended.
        assert!(running.terms.try_recv().is_err());
        running.finish.cancel();
        let next = running.leads().await;
        assert_ne!(next.term, leadership.term);
        assert!(next.guard.may_begin() && !leadership.guard.may_begin());
    }
}

#[tokio::test]
async fn a_server_that_hangs_ends_the_term_by_the_deadline_and_a_new_one_follows() {
    let fake = Fake::start().await;
    given_back(&fake);
    let mut running = stand_with(&fake, "pod-a", timing());
    let leadership = running.leads().await;
    fake.data().hangs = true;
    soon(leadership.lost.cancelled()).await;
    assert!(!leadership.guard.may_begin());
    assert_eq!(running.told("Expired"), 1);
    fake.data().hangs = false;
    running.finish.cancel();
    assert_eq!(running.leads().await.term, leadership.term + 1);
}

#[tokio::test]
async fn a_missing_right_is_told_once_with_verb_and_object() {
    for (right, text) in [
        ("get leases", "verb: Get, object: \"leases/leader\""),
        ("update leases", "verb: Update, object: \"leases/leader\""),
    ] {
        let fake = Fake::start().await;
        given_back(&fake);
        fake.data().forbidden.insert(right);
        let running = stand(&fake, "pod-a");
        let verb = right.split(' ').next().unwrap();
        soon(fake.until(move |data| data.requests.iter().filter(|request| request.starts_with(verb)).count() >= 3))
            .await;
        let told = running.told.lock().unwrap().clone();
        assert_eq!(running.told(text), 1, "{told:?}");
    }
}

#[tokio::test]
async fn a_standby_that_stops_leaves_the_lease_alone() {
    let fake = Fake::start().await;
    fake.put_lease(&json!({"holderIdentity": "other", "leaseDurationSeconds": 30, "leaseTransitions": 1}));
    let running = stand(&fake, "pod-b");
    soon(fake.until(|data| !data.requests.is_empty())).await;
    running.stop.cancel();
    soon(running.run).await;
    assert_eq!(fake.count("update "), 0);
    assert_eq!(fake.holder().as_deref(), Some("other"));
}

/// An API server whose answer never comes, and a deadline that is not kept.
struct Stuck;

impl LeaseStore for Stuck {
    async fn look(&mut self, _deadline: Duration) -> Result<Observed, K8sError> {
        std::future::pending().await
    }

    async fn create(&mut self, _deadline: Duration) -> Result<Record, K8sError> {
        std::future::pending().await
    }

    async fn update(&mut self, _seen: &Record, _claim: &Claim, _deadline: Duration) -> Result<Record, K8sError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_election_that_is_wedged_fails_liveness() {
    let liveness = Liveness::new();
    let is_late = || liveness.states()[0].late_by.is_some();
    let pulse = liveness.register("lease", timing().request());
    let election = Election::new(Stuck, "a", timing(), Arc::new(|_: &ElectionNotice<'_>| {})).with_pulse(pulse);
    let _run = spawn(election.run(CancellationToken::new(), |_| async {}));
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(!is_late());
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(is_late());
}
