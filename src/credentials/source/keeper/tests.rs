use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::ExposeSecret;

use super::*;
use crate::runtime::spawn::{Task, spawn};

const ENV: &str = "11111111-2222-4333-8444-555555555555";
const OTHER_ENV: &str = "99999999-2222-4333-8444-555555555555";

/// Accepts secrets that begin with `good`, hangs for `hang`, is down for `down`, refuses the rest.
#[derive(Default)]
struct Fake {
    proofs: AtomicUsize,
}

impl Fake {
    async fn prove(&self, secret: &str) -> Result<(), Unproved> {
        self.proofs.fetch_add(1, Ordering::SeqCst);
        match secret {
            "hang" => std::future::pending().await,
            "down" if self.proofs.load(Ordering::SeqCst) < 4 => Err(Unproved::Unreachable("503".into())),
            secret if secret.starts_with("good") || secret == "down" => Ok(()),
            _ => Err(Unproved::Refused("invalid_client".into())),
        }
    }
}

impl Prover for Fake {
    async fn pingone(&self, values: &PingOneValues) -> Result<(), Unproved> {
        self.prove(values.client_secret.expose_secret()).await
    }

    async fn c1(&self, values: &C1Values) -> Result<(), Unproved> {
        self.prove(values.client_secret.expose_secret()).await
    }
}

struct Bench {
    offers: mpsc::Sender<Offer>,
    state: watch::Receiver<CredentialState>,
    told: Arc<Mutex<Vec<String>>>,
    fake: Arc<Fake>,
    run: Task<Result<(), Problem>>,
}

fn bench(fixed: Values, awaited: &'static [Origin], wants_c1: bool) -> Bench {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&told);
    let notice: NoticeFn = Arc::new(move |notice| log.lock().unwrap().push(format!("{notice:?}")));
    let fake = Arc::new(Fake::default());
    let (keeper, state) = Keeper::new(Arc::clone(&fake), fixed, wants_c1, notice);
    let (offers, receiver) = mpsc::channel(4);
    let run = spawn(async move { keeper.run(receiver, awaited, CancellationToken::new()).await });
    Bench {
        offers,
        state,
        told,
        fake,
        run,
    }
}

fn values(pingone: Option<&str>, c1: Option<&str>) -> Values {
    in_environment(ENV, pingone, c1)
}

fn in_environment(env: &str, pingone: Option<&str>, c1: Option<&str>) -> Values {
    let mut values = Values::default();
    let mut add = |key, text: &str| values.insert(key, Origin::Secret, text.as_bytes());
    if let Some(secret) = pingone {
        add(Key::PingOneClientId, "id");
        add(Key::PingOneClientSecret, secret);
        add(Key::PingOneEnvironmentId, env);
    }
    if let Some(secret) = c1 {
        add(Key::C1ClientId, "name@tenant.example/c");
        add(Key::C1ClientSecret, secret);
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
        Some(current.client_secret.expose_secret().to_owned())
    }

    fn c1(&self) -> Option<String> {
        let current = self.state.borrow().c1.current.clone()?;
        Some(current.client_secret.expose_secret().to_owned())
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
    let bench = bench(Values::default(), &[Origin::Secret], true);
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert!(bench.state.borrow().is_loaded());
    assert_eq!(bench.told(), ["Loaded(C1)", "Loaded(PingOne)"]);
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert!(bench.told().is_empty());
    assert_eq!(bench.fake.proofs.load(Ordering::SeqCst), 2);
    bench.offer(Some(values(Some("good2"), Some("good1")))).await;
    assert_eq!(bench.told(), ["Reloaded(PingOne)"]);
    assert_eq!(bench.pingone().as_deref(), Some("good2"));
    assert_eq!(bench.state.borrow().pingone.generation, 2);
    assert_eq!(bench.state.borrow().c1.generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_bad_value_keeps_the_old_one_and_is_told_once() {
    let cases: [(Option<Values>, &str); 5] = [
        (Some(values(Some("bad"), Some("good"))), "Refused"),
        (Some(values(Some(""), Some("good"))), "Empty"),
        (Some(values(None, Some("good"))), "Missing"),
        (
            Some(in_environment(OTHER_ENV, Some("good2"), Some("good"))),
            "OtherTenant",
        ),
        (Some(in_environment("prod", Some("good2"), Some("good"))), "Malformed"),
    ];
    for (offer, expected) in cases {
        let bench = bench(Values::default(), &[Origin::Secret], true);
        bench.offer(Some(values(Some("good"), Some("good")))).await;
        bench.told();
        bench.offer(offer).await;
        let told = bench.told();
        assert!(
            told.len() == 1 && told[0].contains(expected) && told[0].contains("kept: true"),
            "{told:?}"
        );
        assert_eq!(bench.pingone().as_deref(), Some("good"));
        assert!(bench.state.borrow().is_loaded() && bench.state.borrow().pingone.problem.is_some());
        // Tried again without being told again.
        tokio::time::sleep(AGAIN * 3).await;
        assert!(bench.told().is_empty(), "{expected}");
        // Back to the old content: settled.
        bench.offer(Some(values(Some("good"), Some("good")))).await;
        assert!(bench.told().is_empty() && bench.state.borrow().pingone.problem.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_keeps_the_old_ones_even_where_a_later_source_has_others() {
    let bench = bench(values(Some("good-fixed"), Some("good-fixed")), &[Origin::Secret], true);
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    bench.told();
    bench.offer(None).await;
    assert_eq!(bench.pingone().as_deref(), Some("good1"));
    assert!(bench.told().iter().all(|told| told.contains("Gone")));
    bench.offer(Some(values(Some("good1"), Some("good1")))).await;
    assert!(bench.told().is_empty() && bench.state.borrow().pingone.problem.is_none());
    bench.offer(Some(values(Some("good2"), Some("good2")))).await;
    assert_eq!(bench.pingone().as_deref(), Some("good2"));
}

#[tokio::test(start_paused = true)]
async fn each_side_goes_its_own_way() {
    let bench = bench(Values::default(), &[Origin::Secret], true);
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
    let bench = bench(Values::default(), &[Origin::Secret], false);
    bench.offer(Some(values(Some("hang"), None))).await;
    tokio::time::sleep(PROOF * 4).await;
    let told = bench.told();
    assert!(told.len() == 1 && told[0].contains("kept: false"), "{told:?}");
    assert!(bench.fake.proofs.load(Ordering::SeqCst) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_down_is_tried_until_it_is_back() {
    let bench = bench(Values::default(), &[Origin::Secret], false);
    bench.offer(Some(values(Some("down"), None))).await;
    assert!(!bench.state.borrow().is_loaded());
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(bench.state.borrow().is_loaded());
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_again_for_the_other_end_may_change() {
    let bench = bench(Values::default(), &[Origin::Secret], false);
    bench.offer(Some(values(Some("bad"), None))).await;
    let before = bench.fake.proofs.load(Ordering::SeqCst);
    tokio::time::sleep(AGAIN * 2).await;
    assert!(bench.fake.proofs.load(Ordering::SeqCst) > before);
}

#[tokio::test(start_paused = true)]
async fn the_secret_outranks_the_directory_and_the_directory_the_rest() {
    let bench = bench(
        values(Some("good-fixed"), Some("good-fixed")),
        &[Origin::Secret, Origin::Directory],
        true,
    );
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
    assert_eq!(bench.pingone().as_deref(), Some("good-fixed"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_at_the_start_waits_for_it() {
    let bench = bench(Values::default(), &[Origin::Secret], true);
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
async fn with_a_static_source_a_fault_ends_the_run() {
    for (fixed, expected) in [
        (values(None, None), "missing"),
        (values(Some("bad"), None), "refused"),
        (values(Some("\n"), None), "empty"),
    ] {
        let problem = bench(fixed, &[], false).run.await.unwrap_err();
        assert!(problem.to_string().contains(expected), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_static_source_an_endpoint_that_is_down_is_waited_for() {
    let bench = bench(values(Some("down"), None), &[], false);
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert!(bench.state.borrow().is_loaded());
}

#[tokio::test(start_paused = true)]
async fn notices_and_states_hold_no_secret() {
    let bench = bench(Values::default(), &[Origin::Secret], true);
    bench.offer(Some(values(Some("good-hush"), Some("bad-hush")))).await;
    let shown = format!("{:?} {:?}", bench.told(), bench.state.borrow());
    assert!(!shown.contains("hush"), "{shown}");
}
