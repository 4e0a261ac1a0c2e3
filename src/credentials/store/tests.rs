use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret;

use super::*;
use process::error::ErrorClass;
use process::runtime::spawn::{Task, spawn};

const ENV: &str = "11111111-2222-4333-8444-555555555555";
const OTHER_ENV: &str = "99999999-2222-4333-8444-555555555555";

/// Accepts what begins with `good`, hangs for `hang`, is down for `down` and for a while for `later`, refuses the rest:
/// with another request id in its words each time.
#[derive(Default)]
struct Fake {
    proofs: AtomicUsize,
}

impl Fake {
    async fn prove(&self, secret: &str) -> Result<(), ProofError> {
        let number = self.proofs.fetch_add(1, Ordering::SeqCst);
        match secret {
            "hang" => std::future::pending().await,
            "down" => Err(ProofError::Unreachable(format!("try {number}"))),
            "later" if number < 3 => Err(ProofError::Unreachable("503".into())),
            secret if secret.starts_with("good") || secret == "later" => Ok(()),
            _ => Err(ProofError::Refused {
                text: format!("invalid_client (request {number})"),
                code: "401 invalid_client".into(),
                class: ErrorClass::Auth,
            }),
        }
    }
}

impl Prover for Fake {
    async fn pingone(&self, values: &PingOneValues) -> Result<(), ProofError> {
        self.prove(values.credentials.secret().expose_secret()).await
    }

    async fn c1(&self, values: &C1Values) -> Result<(), ProofError> {
        self.prove(values.credentials.client_id.name()).await
    }
}

struct Bench {
    offers: mpsc::Sender<Offer>,
    state: watch::Receiver<CredentialState>,
    told: Arc<Mutex<Vec<String>>>,
    fake: Arc<Fake>,
    run: Task<Result<(), Problem>>,
}

/// A store with these sources; `settings` are offered at once.
fn bench(settings: Option<Values>, sources: &[Origin], need: C1Need) -> Bench {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&told);
    let notice: NoticeFn = Arc::new(move |notice| log.lock().unwrap().push(format!("{notice:?}")));
    let fake = Arc::new(Fake::default());
    let mut sources = sources.to_vec();
    let (offers, receiver) = mpsc::channel(4);
    if let Some(values) = settings {
        sources.push(Origin::Settings);
        let offer = Offer {
            origin: Origin::Settings,
            values: Some(values),
        };
        offers.try_send(offer).unwrap();
    }
    let (store, state) = CredentialStore::new(Arc::clone(&fake), sources, need, notice);
    let liveness = Liveness::new();
    let register = liveness.clone();
    let run = spawn(async move { store.run(receiver, &register, CancellationToken::new()).await });
    Bench {
        offers,
        state,
        told,
        fake,

        run,
    }
}

fn secret_only(need: C1Need) -> Bench {
    bench(None, &[Origin::Secret], need)
}

fn values(pingone: Option<&str>, c1: Option<&str>) -> Values {
    in_environment(ENV, pingone, c1)
}

/// PingOne's secret, and the name in C1's client id; the other values are always the same.
fn in_environment(env: &str, pingone: Option<&str>, c1: Option<&str>) -> Values {
    let mut values = Values::default();
    let mut add = |key, text: &str| values.insert(key, Origin::Secret, text.as_bytes());
    if let Some(secret) = pingone {
        add(Key::PingOneClientId, "id");
        add(Key::PingOneClientSecret, secret);
        add(Key::PingOneEnvironmentId, env);
    }
    if let Some(name) = c1 {
        let id = format!("{name}@tenant.example/c");
        let identity = sandbox::c1::Identity::from_seed(&id, [7; 32]).unwrap();
        add(Key::C1ClientId, &id);
        add(Key::C1ClientSecret, &identity.client_secret);
    }
    values
}

impl Bench {
    async fn offer(&self, values: Option<Values>) {
        self.from(Origin::Secret, values).await;
    }

    async fn from(&self, origin: Origin, values: Option<Values>) {
        self.offers.send(Offer { origin, values }).await.unwrap();
        self.settle().await;
    }

    /// Paused time moves only when nothing else can.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn pingone(&self) -> Option<String> {
        let current = self.state.borrow().pingone.current.clone()?;
        Some(current.credentials.secret().expose_secret().to_owned())
    }

    fn c1(&self) -> Option<String> {
        let current = self.state.borrow().c1.current.clone()?;
        Some(current.credentials.client_id.name().to_owned())
    }

    /// What was told, sorted: the two credentials are proved side by side.
    fn told(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.told.lock().unwrap());
        told.sort();
        told
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_value_is_proved_and_swapped_and_the_same_again_is_no_rotation() {
    let bench = secret_only(C1Need::Always);
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert!(bench.state.borrow().is_loaded());
    let told = bench.told();
    assert!(
        told[0].contains("Loaded { side: C1") && told[1].contains("Loaded { side: PingOne"),
        "{told:?}"
    );
    let before = bench.state.borrow().pingone.fingerprint.clone();
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert!(bench.told().is_empty());
    assert_eq!(bench.fake.proofs.load(Ordering::SeqCst), 2);
    bench.offer(Some(values(Some("good2"), Some("good1")))).await;
    let told = bench.told();
    assert!(
        told.len() == 1 && told[0].contains("Reloaded { side: PingOne"),
        "{told:?}"
    );
    assert_eq!(bench.pingone().as_deref(), Some("good2"));
    assert_ne!(bench.state.borrow().pingone.fingerprint, before);
    assert_eq!(bench.state.borrow().pingone.generation, 2);
    assert_eq!(bench.state.borrow().c1.generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_value_keeps_the_old_one_and_is_told_once_and_its_end_too() {
    let cases: [(Option<Values>, &str); 6] = [
        (Some(values(Some("bad"), Some("good"))), "Refused"),
        (Some(values(Some("down"), Some("good"))), "Unproved"),
        (Some(values(Some(""), Some("good"))), "Empty"),
        (Some(values(None, Some("good"))), "Missing"),
        (
            Some(in_environment(OTHER_ENV, Some("good2"), Some("good"))),
            "OtherTenant",
        ),
        (Some(in_environment("prod", Some("good2"), Some("good"))), "Malformed"),
    ];
    for (offer, expected) in cases {
        let bench = secret_only(C1Need::Always);
        bench.offer(Some(values(Some("good"), Some("good")))).await;
        bench.told();
        bench.offer(offer).await;
        let told = bench.told();
        assert!(
            told.len() == 1 && told[0].contains(expected) && told[0].contains("has_older: true"),
            "{told:?}"
        );
        assert_eq!(bench.pingone().as_deref(), Some("good"));
        assert!(bench.state.borrow().is_loaded() && bench.state.borrow().pingone.problem.is_some());
        // Tried again, with other words, without being told again.
        tokio::time::sleep(AGAIN * 3).await;
        assert!(bench.told().is_empty(), "{expected}");
        // Back to the old content: the problem is over.
        bench.offer(Some(values(Some("good"), Some("good")))).await;
        assert_eq!(bench.told(), ["Restored(PingOne)"], "{expected}");
        assert!(bench.state.borrow().pingone.problem.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn another_bad_value_is_told_although_it_is_refused_in_the_same_words() {
    let bench = secret_only(C1Need::IfOffered);
    for secret in ["bad1", "bad2"] {
        bench.offer(Some(values(Some(secret), None))).await;
        assert_eq!(bench.told().len(), 1, "{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_keeps_the_old_ones_even_where_a_later_source_has_others() {
    let settings = values(Some("good-settings"), Some("good-settings"));
    let bench = bench(Some(settings), &[Origin::Secret], C1Need::Always);
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    bench.told();
    bench.offer(None).await;
    assert_eq!(bench.pingone().as_deref(), Some("good1"));
    assert!(bench.told().iter().all(|told| told.contains("Gone")));
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert_eq!(bench.told(), ["Restored(C1)", "Restored(PingOne)"]);
    assert!(bench.state.borrow().pingone.problem.is_none());
    bench.offer(Some(values(Some("good2"), Some("good2")))).await;
    assert_eq!(bench.pingone().as_deref(), Some("good2"));
}

#[tokio::test(start_paused = true)]
async fn each_side_goes_its_own_way() {
    let bench = secret_only(C1Need::Always);
    bench.offer(Some(values(Some("good1"), Some("hang")))).await;
    assert_eq!((bench.pingone().as_deref(), bench.c1()), (Some("good1"), None));
    assert!(!bench.state.borrow().is_loaded());
    // A proof that hangs is overtaken by a newer value.
    bench.offer(Some(values(Some("good2"), Some("good2")))).await;
    assert_eq!(
        (bench.pingone().as_deref(), bench.c1().as_deref()),
        (Some("good2"), Some("good2"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_hangs_ends_and_is_tried_again() {
    let bench = secret_only(C1Need::IfOffered);
    bench.offer(Some(values(Some("hang"), None))).await;
    tokio::time::sleep(PROOF * 4).await;
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("has_older: false"), "{told:?}");
    assert!(bench.fake.proofs.load(Ordering::SeqCst) >= 2);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_is_tried_until_it_is_back() {
    let bench = secret_only(C1Need::IfOffered);
    bench.offer(Some(values(Some("later"), None))).await;
    assert!(!bench.state.borrow().is_loaded() && bench.pingone().is_none());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(bench.state.borrow().is_loaded());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_again_for_the_other_end_may_change() {
    let bench = secret_only(C1Need::IfOffered);
    bench.offer(Some(values(Some("bad"), None))).await;
    let before = bench.fake.proofs.load(Ordering::SeqCst);
    tokio::time::sleep(AGAIN * 2).await;
    assert!(bench.fake.proofs.load(Ordering::SeqCst) > before);
}

#[tokio::test(start_paused = true)]
async fn the_secret_outranks_the_directory_and_the_directory_the_settings() {
    let settings = values(Some("good-settings"), Some("good-settings"));
    let bench = bench(Some(settings), &[Origin::Secret, Origin::Directory], C1Need::Always);
    bench
        .from(Origin::Directory, Some(values(Some("good-dir"), Some("good-dir"))))
        .await;
    // Nothing is judged before all have reported.
    assert_eq!(bench.pingone(), None);
    bench
        .from(Origin::Secret, Some(values(None, Some("good-secret"))))
        .await;
    assert_eq!(bench.pingone().as_deref(), Some("good-dir"));
    assert_eq!(bench.c1().as_deref(), Some("good-secret"));
    bench.from(Origin::Directory, Some(Values::default())).await;
    assert_eq!(bench.pingone().as_deref(), Some("good-settings"));
}

#[tokio::test(start_paused = true)]
async fn what_lies_beside_credentials_is_told_once_for_each_set_of_names() {
    let bench = secret_only(C1Need::Always);
    for (secret, beside, told) in [
        ("good1", ["BATON_PROVISIONING"].as_slice(), 1),
        ("good2", &["BATON_PROVISIONING"], 0),
        ("good2", &["BATON_PROVISIONING", "BATON_FILE"], 1),
        ("good3", &[], 0),
        ("good3", &["BATON_PROVISIONING"], 1),
    ] {
        let offered = values(Some(secret), Some(secret)).beside(beside.iter().copied());
        bench.offer(Some(offered)).await;
        let ignored = bench.told().into_iter().filter(|told| told.starts_with("Ignored"));
        assert_eq!(ignored.count(), told, "{secret} {beside:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_at_the_start_waits_for_it() {
    let bench = secret_only(C1Need::Always);
    bench.offer(None).await;
    let told = bench.told();
    assert!(
        told.iter().any(|told| told.contains("Missing(PingOneClientId)")),
        "{told:?}"
    );
    assert!(!bench.state.borrow().is_loaded());
    bench.offer(Some(values(Some("good1\n"), Some("good1")))).await;
    assert!(bench.state.borrow().is_loaded());
    assert!(bench.told().iter().any(|told| told.contains("Trimmed")));
}

#[tokio::test(start_paused = true)]
async fn whether_c1_is_served_is_decided_when_the_sources_have_said_what_they_hold() {
    for (c1, wanted) in [(Some("good"), true), (None, false)] {
        let bench = bench(
            Some(values(Some("good"), None)),
            &[Origin::Secret, Origin::Directory],
            C1Need::IfOffered,
        );
        bench.from(Origin::Directory, None).await;
        bench.offer(None).await;
        assert_eq!(bench.state.borrow().wants_c1, None, "nothing is there yet");
        bench.offer(Some(values(Some("good2"), c1))).await;
        assert_eq!(bench.state.borrow().wants_c1, Some(wanted));
        assert!(bench.state.borrow().is_loaded());
    }
}

#[tokio::test(start_paused = true)]
async fn with_settings_alone_a_fault_ends_the_run() {
    for (settings, expected) in [
        (values(None, None), "missing"),
        (values(Some("bad"), None), "refused"),
        (values(Some("\n"), None), "empty"),
    ] {
        let problem = bench(Some(settings), &[], C1Need::IfOffered).run.await.unwrap_err();
        assert!(problem.to_string().contains(expected), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_alone_are_used_while_an_endpoint_that_is_down_is_waited_for() {
    let bench = bench(Some(values(Some("later"), None)), &[], C1Need::IfOffered);
    bench.settle().await;
    let first = bench.state.borrow().pingone.current.clone().unwrap();
    assert!(!bench.state.borrow().is_loaded());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(bench.state.borrow().is_loaded());
    let current = bench.state.borrow().pingone.current.clone().unwrap();
    assert!(Arc::ptr_eq(&first, &current), "a proof of what is in use is no swap");
}

#[tokio::test(start_paused = true)]
async fn loops_that_wait_are_alive_and_loops_that_are_wedged_are_late() {
    let (offers, receiver) = mpsc::channel(4);
    let notice: NoticeFn = Arc::new(|_| {});
    let (store, state) = CredentialStore::new(Arc::new(Fake::default()), vec![Origin::Secret], C1Need::Always, notice);
    let liveness = Liveness::new();
    let mut run = std::pin::pin!(store.run(receiver, &liveness, CancellationToken::new()));
    let late = || {
        let states = liveness.states();
        (
            states.len(),
            states.iter().filter(|state| state.late_by.is_some()).count(),
        )
    };
    let working = async {
        let values = Some(values(Some("good"), Some("good")));
        let origin = Origin::Secret;
        offers.send(Offer { origin, values }).await.unwrap();
        tokio::time::sleep(Duration::from_mins(10)).await;
    };
    tokio::select! {
        ended = &mut run => panic!("{ended:?}"),
        () = working => {}
    }
    assert!(state.borrow().is_loaded());
    assert_eq!(late(), (2, 0));
    // Nobody runs them.
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(late(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn notices_and_states_hold_no_secret() {
    let bench = secret_only(C1Need::Always);
    bench.offer(Some(values(Some("good-hush"), Some("bad")))).await;
    let c1 = values(None, Some("bad"));
    let shown = format!("{:?} {:?} {c1:?}", bench.told(), bench.state.borrow());
    assert!(!shown.contains("hush") && !shown.contains("secret-token"), "{shown}");
}
