use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_ping_one::credentials::Offer;
use baton_ping_one::k8s::{SecretWatch, WatchTiming};
use process::runtime::liveness::Liveness;
use process::runtime::spawn::{Task, spawn};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, Watching};
use super::{client, soon};

const SECRET: &str = "BATON_CLIENT_SECRET";

struct Watched {
    offers: mpsc::Receiver<Offer>,
    failures: Arc<Mutex<Vec<String>>>,
    _run: Task<()>,
}

fn watch(fake: &Fake, timing: WatchTiming) -> Watched {
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&failures);
    let failure = Arc::new(move |error: Option<&baton_ping_one::k8s::K8sError>| {
        log.lock()
            .unwrap()
            .push(error.map_or_else(|| "fine".to_owned(), ToString::to_string));
    });
    let (sender, offers) = mpsc::channel(4);
    let run = SecretWatch::new(&client(fake), "credentials", timing, failure);
    Watched {
        offers,
        failures,
        _run: spawn(run.run(sender, CancellationToken::new())),
    }
}

impl Watched {
    /// Whether the next offer has the key; `None` for a Secret that is gone.
    async fn next(&mut self) -> Option<String> {
        let offer = soon(self.offers.recv()).await.unwrap();
        offer.values.map(|values| format!("{values:?}"))
    }
}

#[tokio::test]
async fn a_change_is_offered_and_an_edited_label_is_not() {
    let fake = Fake::start().await;
    fake.put_secret(&[(SECRET, "one")]);
    let mut watched = watch(&fake, WatchTiming::default());
    assert!(watched.next().await.unwrap().contains("C1ClientSecret"));
    fake.label_secret();
    fake.put_secret(&[(SECRET, "one"), ("OTHER", "x")]);
    fake.put_secret(&[]);
    assert!(!watched.next().await.unwrap().contains("C1ClientSecret"));
    fake.delete_secret();
    assert_eq!(watched.next().await, None);
    fake.put_secret(&[(SECRET, "two")]);
    assert!(watched.next().await.unwrap().contains("C1ClientSecret"));
    // One list, one watch that is still open, by name, ended by the server within a minute.
    assert_eq!(fake.count("list "), 1);
    assert_eq!(fake.count("timeoutSeconds=60"), 1);
    assert_eq!(fake.count("fieldSelector=metadata.name%3Dcredentials"), 2);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_offered_as_such() {
    let fake = Fake::start().await;
    let mut watched = watch(&fake, WatchTiming::default());
    assert_eq!(watched.next().await, None);
    fake.put_secret(&[(SECRET, "one")]);
    assert!(watched.next().await.is_some());
}

#[tokio::test]
async fn a_version_that_is_too_old_and_a_stream_that_breaks_off_are_no_rotation() {
    // A stream that broke off is taken up again at the version it had come to; that needs no list.
    for (watching, lists) in [(Watching::Gone, 2), (Watching::Broken, 1)] {
        let fake = Fake::start().await;
        fake.put_secret(&[(SECRET, "one")]);
        fake.data().watching = watching;
        let mut watched = watch(&fake, WatchTiming::default());
        assert!(watched.next().await.is_some());
        soon(fake.until(|data| {
            data.requests
                .iter()
                .filter(|request| request.starts_with("watch "))
                .count()
                == 2
        }))
        .await;
        assert_eq!(fake.count("list "), lists, "{watching:?}");
        fake.delete_secret();
        assert_eq!(watched.next().await, None, "{watching:?}");
    }
}

#[tokio::test]
async fn a_watch_that_has_gone_silent_is_noticed() {
    let fake = Fake::start().await;
    fake.put_secret(&[(SECRET, "one")]);
    fake.data().watching = Watching::Silent;
    let timing = WatchTiming {
        watch: Duration::from_secs(1),
        grace: Duration::from_millis(200),
        ..WatchTiming::default()
    };
    let mut watched = watch(&fake, timing);
    assert!(watched.next().await.is_some());
    soon(fake.until(|data| data.requests.iter().any(|request| request.starts_with("watch ")))).await;
    fake.put_secret(&[]);
    fake.data().watching = Watching::Proper;
    assert!(watched.next().await.is_some());
    assert!(fake.count("list ") >= 2);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_on_and_asked_again() {
    let fake = Fake::start().await;
    fake.put_secret(&[(SECRET, "one")]);
    fake.data().hangs = true;
    let timing = WatchTiming {
        request: Duration::from_millis(200),
        ..WatchTiming::default()
    };
    let mut watched = watch(&fake, timing);
    soon(fake.until(|data| data.requests.len() >= 2)).await;
    fake.data().hangs = false;
    assert!(watched.next().await.is_some());
    let failures = watched.failures.lock().unwrap().clone();
    assert!(
        failures[0].contains("no answer within 200 ms to list secrets/credentials"),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_missing_right_is_told_once_with_verb_and_object() {
    for (right, text) in [
        (
            "list secrets",
            "not allowed to list secrets/credentials in namespace here",
        ),
        (
            "watch secrets",
            "not allowed to watch secrets/credentials in namespace here",
        ),
    ] {
        let fake = Fake::start().await;
        fake.put_secret(&[(SECRET, "one")]);
        fake.data().forbidden.insert(right);
        let mut watched = watch(&fake, WatchTiming::default());
        let asked = move |data: &super::fake::Data| {
            let verb = right.split(' ').next().unwrap();
            data.requests.iter().filter(|request| request.starts_with(verb)).count() >= 3
        };
        soon(fake.until(asked)).await;
        assert_eq!(
            watched
                .failures
                .lock()
                .unwrap()
                .iter()
                .filter(|told| told.starts_with(text))
                .count(),
            1
        );
        fake.data().forbidden.clear();
        fake.delete_secret();
        while watched.next().await.is_some() {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_wedged_fails_liveness() {
    let fake = Fake::start().await;
    fake.put_secret(&[(SECRET, "one")]);
    let liveness = Liveness::new();
    let is_late = || liveness.states()[0].late_by.is_some();
    let pulse = liveness.register("secret-watch", Duration::ZERO);
    // Nobody takes what is offered, and there is room for one.
    let (sender, _offers) = mpsc::channel(1);
    let run = SecretWatch::new(&client(&fake), "credentials", WatchTiming::default(), Arc::new(|_| {}));
    let _run = spawn(run.with_pulse(pulse).run(sender, CancellationToken::new()));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!is_late());
    }
    fake.put_secret(&[(SECRET, "two")]);
    tokio::time::sleep(Duration::from_mins(3)).await;
    assert!(is_late());
}
