use std::collections::BTreeSet;

use sandbox::pingone::{Fault, FaultAction};

use super::*;
use crate::{Known, MemberKind, Operation, Reason, UsersQuery, equals};

const USERS: &str = "/environments/{id}/users";

/// All users, with how many pages there were and how often the listing began again.
async fn walk(client: &Client) -> Result<(Vec<Uuid>, usize, usize), crate::PingOneError> {
    let mut pages = client.users(&UsersQuery::default());
    let (mut ids, mut count, mut restarts) = (Vec::new(), 0, 0);
    while let Some(page) = pages.next_with(|user| ids.push(user.id)).await? {
        count += 1;
        restarts += usize::from(page.restarted);
    }
    Ok((ids, count, restarts))
}

#[tokio::test]
async fn every_shape_of_pages_yields_every_row_once() {
    let shapes: [fn(&mut Options); 7] = [
        |_| {},
        |options| options.paging.max_page_users = 2,
        |options| options.paging.uneven_pages = true,
        |options| (options.paging.max_page_users, options.paging.empty_page_every) = (1, 2),
        |options| options.paging.trailing_empty_page = true,
        |options| (options.paging.no_count, options.paging.no_size) = (true, true),
        |options| {
            options.listen.public_base = Some("https://api.pingone.com/v1".to_owned());
            options.paging.max_page_users = 4;
            options.listen.gzip = true;
        },
    ];
    for (index, shape) in shapes.into_iter().enumerate() {
        let pair = pair(shape).await;
        let (ids, pages, restarts) = walk(&pair.client).await.unwrap();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(
            (ids.len(), distinct.len(), restarts),
            (6, 6, 0),
            "shape {index} in {pages} pages"
        );
    }
}

#[tokio::test]
async fn a_cursor_that_expired_starts_the_listing_again_and_not_for_ever() {
    let pair = pair(|options| options.paging.max_page_users = 2).await;
    let expired = || Fault::on("GET", USERS, FaultAction::CursorExpired);
    pair.server.set_faults(vec![expired().nth(3)]);
    let (ids, pages, restarts) = walk(&pair.client).await.unwrap();
    assert_eq!((ids.len(), pages, restarts), (10, 5, 1));
    pair.server.reset_requests();
    pair.server.set_faults(vec![expired().query("cursor").times(0)]);
    let error = walk(&pair.client).await.unwrap_err();
    assert!(
        matches!(error.reason, Reason::CursorRejected { restarts: 3, .. }) && !error.is_filter_refused(),
        "{error}"
    );
    assert_eq!((error.page, pair.server.requests().of("GET", USERS)), (Some(2), 8));
}

#[tokio::test]
async fn a_token_that_changed_inside_a_chain_starts_it_again() {
    let pair = pair(|options| (options.paging.max_page_users, options.auth.cursor_bound_to_token) = (2, true)).await;
    pair.server
        .set_faults(vec![Fault::on("GET", USERS, FaultAction::CursorExpired).nth(2)]);
    assert_eq!(
        pair.client.user_ids(None).await.unwrap().len(),
        6,
        "what came before is dropped"
    );
    let mut pages = pair.client.users(&UsersQuery::default());
    let mut ids = Vec::new();
    pages.next_with(|user| ids.push(user.id)).await.unwrap();
    pair.server.expire_tokens();
    let second = pages.next_with(|user| ids.push(user.id)).await.unwrap().unwrap();
    assert!(second.restarted);
    while pages.next_with(|user| ids.push(user.id)).await.unwrap().is_some() {}
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6);
}

#[tokio::test]
async fn a_chain_keeps_its_token_while_that_lives() {
    let pair = pair(|options| (options.paging.max_page_users, options.auth.cursor_bound_to_token) = (2, true)).await;
    let mut pages = pair.client.users(&UsersQuery::default());
    pages.next_with(drop).await.unwrap();
    // Somebody else needs a new token meanwhile; the old one lives on.
    pair.server
        .set_faults(vec![Fault::on("GET", "/environments/{id}", FaultAction::ExpiredToken)]);
    pair.client.environment().await.unwrap();
    assert_eq!(pair.token_requests(), 2);
    let mut restarts = 0;
    while let Some(page) = pages.next_with(drop).await.unwrap() {
        restarts += usize::from(page.restarted);
    }
    assert_eq!(restarts, 0);
}

#[tokio::test]
async fn a_listing_that_holds_less_than_it_says_is_read_again_and_then_an_error() {
    let pair = pair(|_| {}).await;
    let group = pair.id("outer");
    let short = |times| {
        let page = format!(r#"{{"_embedded":{{"groups":[{{"id":"{group}"}}]}},"count":3}}"#);
        Fault::on("GET", "*/groups", FaultAction::Body(page)).times(times)
    };
    pair.server.set_faults(vec![short(1)]);
    assert_eq!(pair.client.groups().all().await.unwrap().len(), 3);
    pair.server.set_faults(vec![short(2)]);
    let error = pair.client.groups().all().await.unwrap_err();
    assert_eq!(error.reason, Reason::Short { told: 3, found: 1 });
    pair.server.set_faults(vec![short(2)]);
    assert!(pair.client.nested_group_ids(group).await.is_err());
}

#[tokio::test]
async fn a_link_to_another_listing_is_not_followed() {
    let pair = pair(|_| {}).await;
    let page = r#"{"_embedded":{"users":[]},"_links":{"next":{"href":"/v1/environments/x/groups?cursor=1"}}}"#;
    pair.server
        .set_faults(vec![Fault::on("GET", USERS, FaultAction::Body(page.to_owned()))]);
    let text = walk(&pair.client).await.unwrap_err().to_string();
    assert!(text.contains("leads to another listing"), "{text}");
}

#[tokio::test]
async fn a_listing_that_does_not_end_is_an_error() {
    let pair = pair(|options| options.paging.max_page_users = 2).await;
    for action in [FaultAction::EndlessPage, FaultAction::EmptyPage] {
        pair.server.set_faults(vec![Fault::on("GET", USERS, action).times(0)]);
        let error = walk(&pair.client).await.unwrap_err();
        assert_eq!(error.reason, Reason::Endless);
        assert!(
            error.request_id.is_some() && error.to_string().contains("does not end"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_link_to_a_foreign_host_is_refused_before_the_token_goes_there() {
    let pair = pair(|options| {
        options.listen.public_base = Some("https://api.pingone.evil.example/v1".to_owned());
        options.paging.max_page_users = 2;
    })
    .await;
    assert_eq!(walk(&pair.client).await.unwrap_err().reason, Reason::ForeignHost);
}

#[tokio::test]
async fn a_body_that_is_no_page_is_corrupt_and_never_an_empty_page() {
    let pair = pair(|_| {}).await;
    let cases = [
        (
            FaultAction::Body(r#"{"message":"Back at noon","until":"12:00"}"#.to_owned()),
            "neither _links nor _embedded",
        ),
        (
            FaultAction::Body(r#"{"_embedded":{"users":[{"id":"7c2e1d94-55a0-4a34-9a1b-c0ffee001001"}}"#.to_owned()),
            "the body is not JSON (line 1 column",
        ),
        (
            FaultAction::Body(r#"{"_embedded":{"users":[{"username":"x"}]}}"#.to_owned()),
            "the member id is missing",
        ),
        (
            FaultAction::Body(r#"{"_embedded":{"users":[{"id":"secret@example.com"}]}}"#.to_owned()),
            "`id` of a user has no usable id",
        ),
        (
            FaultAction::Body(
                r#"{"_embedded":{"users":[{"id":"7c2e1d94-55a0-4a34-9a1b-c0ffee001001","population":{"id":7}}]}}"#
                    .to_owned(),
            ),
            "`population` of a user",
        ),
    ];
    for (action, expected) in cases {
        pair.server.set_faults(vec![Fault::on("GET", USERS, action.clone())]);
        let error = walk(&pair.client).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.class(), process::error::ErrorClass::Corrupt, "{text}");
        assert!(
            text.contains(expected) && !text.contains("example.com"),
            "{action:?}: {text}"
        );
        assert!(
            text.contains("request ") && text.contains("Nothing was synced"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn numbers_where_texts_belong_are_read_and_counted() {
    let pair = pair(|_| {}).await;
    let row =
        r#"{"_embedded":{"users":[{"id":"7c2e1d94-55a0-4a34-9a1b-c0ffee001001","username":7,"enabled":"true"}]}}"#;
    pair.server
        .set_faults(vec![Fault::on("GET", USERS, FaultAction::Body(row.to_owned()))]);
    let users = pair.client.users(&UsersQuery::default()).all().await.unwrap();
    assert_eq!(
        (users[0].username.as_deref(), users[0].enabled),
        (Some("7"), Some(true))
    );
    assert_eq!(pair.client.stats().lenient_fields(), 2);
}

#[tokio::test]
async fn members_nesting_and_memberships_are_told_apart() {
    let pair = pair(|_| {}).await;
    let client = &pair.client;
    let (outer, inner, filled) = (pair.id("outer"), pair.id("inner"), pair.id("filled"));
    let (ada, ben) = (pair.id("ada"), pair.id("ben"));
    assert_eq!(client.member_ids(outer, MemberKind::Direct).await.unwrap().ids, [ada]);
    let all: BTreeSet<_> = client
        .member_ids(outer, MemberKind::All)
        .await
        .unwrap()
        .ids
        .into_iter()
        .collect();
    assert_eq!(all, BTreeSet::from([ada, ben]));
    assert!(
        client
            .member_ids(filled, MemberKind::Direct)
            .await
            .unwrap()
            .ids
            .is_empty()
    );
    assert_eq!(
        client.member_ids(filled, MemberKind::All).await.unwrap().ids,
        [pair.id("dora")]
    );
    assert_eq!(client.nested_group_ids(outer).await.unwrap(), [inner]);
    assert_eq!(client.parents_of_group(inner).await.unwrap()[0].id, outer);
    assert!(!client.membership(ada, outer).await.unwrap().is_indirect());
    assert!(client.membership(ben, outer).await.unwrap().is_indirect());
    assert_eq!(client.groups_of_user(ben).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_refused_filter_is_told_from_other_refusals() {
    for request_failed in [false, true] {
        let pair = pair(|options| {
            options.filters.refuse_direct = true;
            options.filters.filter_request_failed = request_failed;
        })
        .await;
        let error = pair
            .client
            .member_ids(pair.id("outer"), MemberKind::Direct)
            .await
            .unwrap_err();
        assert!(error.is_filter_refused(), "{error}");
    }
}

#[tokio::test]
async fn settings_of_the_environment_can_be_read() {
    let pair = pair(|options| options.limits.rates_in_capabilities = true).await;
    let client = &pair.client;
    let environment = client.environment().await.unwrap();
    let organization = environment.organization.unwrap().id;
    assert!(client.organization(organization).await.unwrap().name.is_some());
    client.capabilities().await.unwrap();
    let policies = client.password_policies().await.unwrap();
    assert!(policies.iter().any(|policy| policy.default == Some(true)));
    assert_eq!(client.password_policy(policies[0].id).await.unwrap().id, policies[0].id);
    let schema = client.user_attributes().await.unwrap();
    assert!(schema.iter().any(|attribute| attribute.name == "username"));
    client.identity_providers().await.unwrap();
    let filter = equals("username", "ADA");
    assert_eq!(client.user_ids(Some(filter)).await.unwrap(), [pair.id("ada")]);
    assert!(
        client
            .stats()
            .by_operation()
            .contains_key(Operation::ListSchemaAttributes.as_str())
    );
}

#[tokio::test]
async fn a_page_of_another_principal_is_none_of_the_one_that_was_asked_for() {
    let pair = pair(|_| {}).await;
    let (ada, ben) = (pair.id("ada"), pair.id("ben"));
    let environment = pair.server.environment_id();
    let list = |of: Uuid, row: &str| {
        FaultAction::Body(format!(
            r#"{{"_links":{{"self":{{"href":"/v1/environments/{environment}/users/{of}/roleAssignments"}}}},
            "_embedded":{{"roleAssignments":[{{"id":"{ben}","role":{{"id":"{ben}"}},"scope":{{"id":"{ben}","type":"X"}}{row}}}]}}}}"#
        ))
    };
    let ask = async |action| {
        pair.server
            .set_faults(vec![Fault::on("GET", "*/roleAssignments", action)]);
        pair.client.role_assignments(crate::Principal::User(ada)).await
    };
    assert_eq!(ask(list(ada, "")).await.unwrap().len(), 1);
    let of_ada = format!(r#","user":{{"id":"{ada}"}},"environment":{{"id":"{environment}"}}"#);
    assert_eq!(ask(list(ada, &of_ada)).await.unwrap().len(), 1);
    let of_ben = format!(r#","user":{{"id":"{ben}"}}"#);
    let elsewhere = format!(r#","environment":{{"id":"{ben}"}}"#);
    for action in [list(ben, ""), list(ada, &of_ben), list(ada, &elsewhere)] {
        let error = ask(action.clone()).await.unwrap_err();
        assert!(matches!(error.reason, Reason::Corrupt { .. }), "{action:?}: {error}");
    }
}

#[tokio::test]
async fn an_item_that_comes_twice_does_not_stand_in_for_one_that_is_lost() {
    let pair = pair(|_| {}).await;
    let (outer, inner) = (pair.id("outer"), pair.id("inner"));
    let page = format!(
        r#"{{"_embedded":{{"groups":[{{"id":"{outer}","name":"old"}},{{"id":"{inner}"}},{{"id":"{outer}","name":"new"}}]}},"count":3}}"#
    );
    let twice = |times| Fault::on("GET", "*/groups", FaultAction::Body(page.clone())).times(times);
    pair.server.set_faults(vec![twice(1)]);
    assert_eq!(pair.client.groups().all().await.unwrap().len(), 3);
    pair.server.set_faults(vec![twice(2)]);
    let error = pair.client.groups().all().await.unwrap_err();
    assert_eq!(error.reason, Reason::Short { told: 3, found: 2 });
    let page = page.replace("\"count\":3", "\"count\":2");
    pair.server
        .set_faults(vec![Fault::on("GET", "*/groups", FaultAction::Body(page))]);
    let found = pair.client.groups().all().await.unwrap();
    let names: Vec<_> = found.iter().map(|group| group.name.as_deref()).collect();
    assert_eq!(
        names,
        [Some("new"), None],
        "the last one stays, where the first one stood"
    );
}

#[tokio::test(start_paused = true)]
async fn only_200_is_a_full_answer_to_a_read() {
    let pair = pair(|_| {}).await;
    for status in [202, 203, 206] {
        let body = r#"{"_embedded":{"users":[]},"count":0}"#.to_owned();
        let answer = |times| {
            let content_type = "application/json".to_owned();
            let body = body.clone();
            let action = FaultAction::Answer {
                status,
                content_type,
                body,
            };
            vec![Fault::on("GET", USERS, action).times(times)]
        };
        pair.server.set_faults(answer(1));
        assert_eq!(walk(&pair.client).await.unwrap().0.len(), 6, "{status}");
        pair.server.set_faults(answer(0));
        let text = walk(&pair.client).await.unwrap_err().to_string();
        assert!(text.contains(&format!("status {status}")), "{text}");
    }
}

/// Nothing tells whether another page follows: neither links nor a count that fits.
#[tokio::test]
async fn a_full_page_without_links_is_not_the_end_of_a_list() {
    let pair = pair(|_| {}).await;
    for (rows, count, ends) in [(200, None, false), (200, Some(200), true), (199, None, true)] {
        let users: Vec<_> = (1..=rows)
            .map(|number| serde_json::json!({"id": Uuid::from_u128(number)}))
            .collect();
        let page = serde_json::json!({"_embedded": {"users": users}, "size": rows, "count": count});
        let fault = Fault::on("GET", "/environments/{id}/users", FaultAction::Body(page.to_string())).times(0);
        pair.server.set_faults(vec![fault]);
        let found = pair.client.user_ids(None).await;
        assert_eq!(found.is_ok(), ends, "{rows} {count:?}: {found:?}");
    }
}

/// A page whose link leads on and which holds what was there before: with a count the count decides, without one that is an error.
#[tokio::test]
async fn where_nothing_counts_a_page_that_brings_nothing_new_is_asked_again_and_then_an_error() {
    let pair = pair(|options| {
        options.paging.no_count = true;
        (options.paging.max_page, options.paging.max_page_users) = (2, 2);
    })
    .await;
    let repeat = |path| Fault::on("GET", path, FaultAction::RepeatPage).query("cursor");
    for path in ["*/groups", USERS] {
        pair.server.set_faults(vec![repeat(path)]);
        let found = pair.client.groups().all().await.unwrap().len();
        assert_eq!((found, pair.client.user_ids(None).await.unwrap().len()), (3, 6));
        pair.server.set_faults(vec![repeat(path).times(0)]);
        let (groups, users) = (pair.client.groups().all().await, pair.client.user_ids(None).await);
        let error = groups.map(drop).and(users.map(drop)).unwrap_err();
        assert!(error.to_string().contains("brings nothing but"), "{path}: {error}");
    }
    // A listing that is not held in memory ends at such a page.
    let mut pages = pair.client.users(&UsersQuery::default());
    let mut count = 0;
    while pages
        .next_new(Known::Pages, |user| Some(user.id), drop)
        .await
        .unwrap()
        .is_some()
    {
        count += 1;
    }
    assert_eq!((count, pages.is_repeated()), (2, true));
}
