//! The event feed against the stand-in for PingOne: what it writes of itself, what others did, late records, an order
//! that nobody promised, limits and refusals.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use baton::task::{Code, EventFeed, EventKind, EventPage, EventQuery, EventType, TaskError};
use baton_ping_one::feed::{AuditFeed, FEED_ID};
use jiff::{Timestamp, ToSpan as _};
use pingone::write;
use sandbox::pingone::{Fault, FaultAction, Options, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stand_in::{UNLIMITED, Watched, client, client_of};

struct Bench {
    server: Watched,
    feed: AuditFeed,
}

async fn bench(change: impl FnOnce(&mut Options)) -> Bench {
    let mut options = Options::default();
    change(&mut options);
    let server = start(options).await.unwrap();
    let home = server.environment_id();
    let feed = AuditFeed::new(&client_of(
        &server,
        home,
        server.client_id(),
        &server.client_secret(),
        UNLIMITED,
    ));
    Bench {
        server: server.into(),
        feed,
    }
}

fn changed(user: Uuid) -> Value {
    json!({"action": {"type": "USER.UPDATED"}, "resources": [{"type": "USER", "id": user}]})
}

impl Bench {
    fn users(&self) -> Vec<Uuid> {
        self.server.directory().users()
    }

    fn update(&self, user: Uuid, age_s: u64) -> String {
        let id = self.server.add_activity(&changed(user), Duration::from_secs(age_s));
        id.to_string()
    }

    async fn ask(&self, cursor: Option<&str>, page_size: u32) -> Result<EventPage, TaskError> {
        let query = EventQuery {
            feed_id: FEED_ID.to_owned(),
            cursor: cursor.map(str::to_owned),
            start_at: None,
            page_size,
        };
        self.feed.events(query, CancellationToken::new()).await
    }

    /// Every page from the cursor on, and the last cursor.
    async fn all(&self, cursor: Option<&str>, page_size: u32) -> (Vec<String>, String) {
        let (mut ids, mut cursor) = (Vec::new(), cursor.map(str::to_owned));
        loop {
            let page = self.ask(cursor.as_deref(), page_size).await.unwrap();
            assert!(page.events.len() <= page_size as usize);
            ids.extend(page.events.into_iter().map(|event| event.id));
            if !page.has_more {
                return (ids, page.cursor);
            }
            cursor = Some(page.cursor);
        }
    }
}

#[tokio::test]
async fn one_feed_says_what_it_gives() {
    let bench = bench(|_| {}).await;
    let feeds = bench.feed.feeds().await.unwrap();
    assert_eq!(feeds.len(), 1);
    assert_eq!(feeds[0].id, "pingone_audit");
    let wanted = [
        EventType::Usage,
        EventType::ResourceChange,
        EventType::CreateGrant,
        EventType::CreateRevoke,
    ];
    assert_eq!(feeds[0].event_types, wanted);
    for feed_id in ["baton_feed_event", "PINGONE_AUDIT", ""] {
        let query = EventQuery {
            feed_id: feed_id.to_owned(),
            ..EventQuery::default()
        };
        let error = bench.feed.events(query, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{feed_id}");
    }
}

#[tokio::test]
async fn pages_hold_every_event_once_in_the_order_of_the_record() {
    for newest_first in [false, true] {
        let bench = bench(|options| {
            options.audit.newest_activity_first = newest_first;
            options.paging.max_page = 40;
        })
        .await;
        let user = bench.users()[0];
        // Recorded in no order, among much that is no event.
        let mut expected = BTreeMap::new();
        for n in 0..45u64 {
            let age_s = 1_000 + n * 7_919 % 3_000;
            expected.insert(std::cmp::Reverse(age_s), bench.update(user, age_s));
            bench
                .server
                .add_activity(&json!({"action": {"type": "FLOW.CREATED"}}), Duration::from_secs(age_s));
        }
        let expected: Vec<String> = expected.into_values().collect();
        let (ids, cursor) = bench.all(None, 30).await;
        assert_eq!(ids, expected);
        let late = bench.update(user, 5);
        assert_eq!(bench.all(Some(&cursor), 30).await.0, [late]);
    }
}

#[tokio::test]
async fn what_is_recorded_late_comes_and_nothing_comes_twice() {
    let bench = bench(|_| {}).await;
    let user = bench.users()[0];
    let first: Vec<_> = (0..5).map(|n| bench.update(user, 50 - n)).collect();
    let (ids, cursor) = bench.all(None, 100).await;
    assert_eq!(ids, first);
    let late = bench.update(user, 55);
    let (ids, cursor) = bench.all(Some(&cursor), 100).await;
    assert_eq!(ids, [late]);
    assert_eq!(bench.all(Some(&cursor), 100).await.0, Vec::<String>::new());
}

#[tokio::test]
async fn what_others_did_becomes_events_and_what_we_did_does_not() {
    let bench = bench(|_| {}).await;
    let (user, group) = (bench.users()[0], bench.server.directory().groups()[0]);
    let environment = bench.server.environment_id();
    let href = format!(
        "{}/v1/environments/{environment}/users/{user}/memberOfGroups/{group}",
        bench.server.api_url()
    );
    let member = json!([{"type": "MEMBER_OF_GROUP", "name": "g", "href": href}]);
    let own = json!({"client": {"id": bench.server.client_id(), "type": "CLIENT"}});
    for (age, members) in [
        (
            50,
            json!({"action": {"type": "MEMBER_OF_GROUP.CREATED"}, "resources": member}),
        ),
        (
            40,
            json!({"action": {"type": "MEMBER_OF_GROUP.CREATED"}, "resources": member, "actors": own}),
        ),
        (
            30,
            json!({"action": {"type": "USER.ACCESS_ALLOWED"}, "resources": [{"type": "USER", "id": user}]}),
        ),
        (
            20,
            json!({"action": {"type": "USER.ACCESS_DENIED"}, "resources": [{"type": "USER", "id": user}]}),
        ),
        (
            10,
            json!({"action": {"type": "MEMBER_OF_GROUP.DELETED"}, "resources": member}),
        ),
    ] {
        bench.server.add_activity(&members, Duration::from_secs(age));
    }
    let page = bench.ask(None, 0).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|event| &event.kind).collect();
    let [
        EventKind::CreateGrant { entitlement, principal },
        EventKind::Usage { target, actor },
        EventKind::CreateRevoke {
            entitlement: revoked, ..
        },
    ] = kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(entitlement.id, format!("group:{group}:member"));
    assert_eq!(revoked, entitlement);
    assert_eq!(
        (principal.resource_type.as_str(), &principal.id),
        ("user", &user.to_string())
    );
    assert_eq!(
        (target.resource_type.as_str(), &target.id),
        ("environment", &environment.to_string())
    );
    assert_eq!(actor, principal);
}

#[tokio::test]
async fn a_write_is_an_event_for_everybody_but_the_client_that_made_it() {
    let bench = bench(|options| options.access.foreign_worker_role = vec!["Identity Data Read Only".to_owned()]).await;
    let user = bench.users()[0];
    let (id, secret) = bench.server.foreign_client();
    let other = client_of(
        &bench.server,
        bench.server.other_environment_id(),
        id,
        &secret,
        UNLIMITED,
    );
    let own = client(&bench.server, UNLIMITED);
    own.write(&write::users::set_mfa(user, true)).await.unwrap();
    let query = EventQuery {
        feed_id: FEED_ID.to_owned(),
        ..EventQuery::default()
    };
    let page = bench.ask(None, 0).await.unwrap();
    assert_eq!(page.events, []);
    let page = AuditFeed::new(&other)
        .events(query, CancellationToken::new())
        .await
        .unwrap();
    let [event] = &page.events[..] else { panic!("{page:?}") };
    assert!(matches!(&event.kind, EventKind::ResourceChange { resource } if resource.id == user.to_string()));
}

#[tokio::test]
async fn an_old_cursor_starts_again_at_the_oldest_and_a_foreign_one_is_refused() {
    let bench = bench(|_| {}).await;
    let user = bench.users()[0];
    let (old, kept) = (15 * 86_400, 13 * 86_400);
    bench.update(user, old);
    let in_reach = bench.update(user, kept);
    let query = EventQuery {
        feed_id: FEED_ID.to_owned(),
        start_at: Some(Timestamp::now() - 400.hours()),
        ..EventQuery::default()
    };
    let page = bench
        .feed
        .events(query.clone(), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(
        page.events.iter().map(|event| &event.id).collect::<Vec<_>>(),
        [&in_reach]
    );
    // The cursor wins over the time.
    let query = EventQuery {
        cursor: Some(page.cursor),
        ..query
    };
    let page = bench.feed.events(query, CancellationToken::new()).await.unwrap();
    assert_eq!(page.events, []);
    for cursor in ["x", "eyJhIjoxfQ", "AQ"] {
        let error = bench.ask(Some(cursor), 0).await.unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{cursor}");
    }
    // Without either a day is read.
    assert_eq!(bench.ask(None, 0).await.unwrap().events, []);
    let yesterday = bench.update(user, 80_000);
    let page = bench.ask(None, 0).await.unwrap();
    assert_eq!(
        page.events.iter().map(|event| &event.id).collect::<Vec<_>>(),
        [&yesterday]
    );
}

#[tokio::test]
async fn a_read_that_fails_is_an_error_and_never_an_empty_page() {
    let fault = |action| Fault {
        method: Some("GET".to_owned()),
        path: "*/activities".to_owned(),
        query: None,
        nth: 2,
        times: 0,
        action,
    };
    let refuse = FaultAction::Refuse {
        status: 403,
        code: "ACCESS_FAILED".to_owned(),
        detail: Some("INSUFFICIENT_PERMISSIONS".to_owned()),
        target: None,
        message: "no".to_owned(),
    };
    for (action, code) in [
        (refuse, Code::PermissionDenied),
        (FaultAction::Truncated(50), Code::Internal),
    ] {
        let bench = bench(|options| options.paging.max_page = 10).await;
        let user = bench.users()[0];
        for n in 0..25 {
            bench.update(user, 20 + n);
        }
        bench.server.set_faults(vec![fault(action)]);
        let error = bench.ask(None, 0).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        bench.server.set_faults(Vec::new());
        assert_eq!(bench.ask(None, 0).await.unwrap().events.len(), 25);
    }
}

/// What came again stands where something else should: read again once, then an error and no cursor beyond it.
#[tokio::test]
async fn a_page_that_comes_again_is_asked_for_again_and_then_an_error() {
    for no_count in [false, true] {
        let bench = bench(|options| {
            options.paging.no_count = no_count;
            options.paging.max_page = 10;
        })
        .await;
        let user = bench.users()[0];
        for n in 0..20 {
            bench.update(user, 20 + n);
        }
        let again = |times| {
            let fault = Fault::on("GET", "*/activities", FaultAction::RepeatPage);
            bench.server.set_faults(vec![fault.query("cursor").times(times)]);
        };
        again(1);
        assert_eq!(bench.ask(None, 0).await.unwrap().events.len(), 20);
        again(0);
        let error = bench.ask(None, 0).await.unwrap_err();
        assert!(error.message.contains("brings nothing but"), "{error}");
    }
}

#[tokio::test]
async fn a_cancelled_read_ends_at_once() {
    let bench = bench(|_| {}).await;
    let token = CancellationToken::new();
    token.cancel();
    let query = EventQuery {
        feed_id: FEED_ID.to_owned(),
        ..EventQuery::default()
    };
    let error = bench.feed.events(query, token).await.unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
    assert_eq!(bench.server.requests().of("GET", "/environments/{id}/activities"), 0);
}

/// access-model.md §11 point 131: every target of a sign-on is in the file of a sync with applications.
#[tokio::test]
async fn sign_ons_name_applications_where_all_are_synced() {
    let mut bench = bench(|_| {}).await;
    let (user, app) = (bench.users()[0], bench.server.client_id());
    let listed = client(&bench.server, UNLIMITED).applications().all().await.unwrap();
    let other = listed.iter().filter_map(|row| row.id).find(|id| *id != app).unwrap();
    let signed_on = json!({
        "action": {"type": "USER.ACCESS_ALLOWED"}, "resources": [{"type": "USER", "id": user}],
        "actors": {"client": {"id": other}, "user": {"id": user}}
    });
    bench.server.add_activity(&signed_on, Duration::from_secs(5));
    for (naming, expected) in [
        (false, ("environment", bench.server.environment_id())),
        (true, ("application", other)),
    ] {
        bench.feed = bench.feed.naming_applications(naming);
        let page = bench.ask(None, 0).await.unwrap();
        let targets: Vec<_> = page
            .events
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::Usage { target, .. } => Some((target.resource_type, target.id)),
                _ => None,
            })
            .collect();
        assert_eq!(targets, [(expected.0.to_owned(), expected.1.to_string())]);
    }
    let lists = bench.server.requests().of("GET", "/environments/{id}/applications");
    bench.ask(None, 0).await.unwrap();
    assert_eq!(
        bench.server.requests().of("GET", "/environments/{id}/applications"),
        lists,
        "remembered"
    );
}
