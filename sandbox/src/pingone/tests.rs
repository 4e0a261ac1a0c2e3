//! Tests of the fake through its own HTTP interface, named by the points of pingone-api.md §9.

use super::*;
use serde_json::Value;
use std::time::Duration;

mod access_model;
mod activities;
mod auth;
mod changes;
mod foreign;
mod future;
mod groups;
mod lag;
mod limits;
mod paging;
mod populations;
mod roles;
mod shape;
mod types;
mod writes;

/// A knob that no test turns is not known to work. The program's own flags are turned in `main.rs`.
#[test]
fn every_knob_is_turned_by_a_test() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut tests = std::fs::read_to_string(sources.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(sources.join("pingone/tests")).unwrap() {
        tests += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    for knob in knobs() {
        let turned = if let Some(action) = knob.strip_prefix("fault ") {
            let variant: String = action.split('-').map(capital).collect();
            let by_helper = ["Status", "BeforeEffect", "AfterEffect"].contains(&variant.as_str());
            by_helper
                || tests.contains(&format!("FaultAction::{variant}"))
                || tests.contains(&format!("{{\"{action}\":"))
        } else {
            let field = knob.trim_start_matches("--").replace('-', "_");
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            let mut members = tests.split('.').filter_map(|part| part.strip_prefix(field.as_str()));
            tests.contains(&knob) || members.any(ends)
        };
        assert!(turned, "no test turns {knob}");
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A fake and a client with a token.
pub(crate) struct Bench {
    pub(crate) server: Server,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// Identifier of a label of [`small`].
pub(crate) fn id(label: &str) -> String {
    small().build().id(label).unwrap().to_string()
}

/// Status and body of an answer; null for a body that is no JSON.
pub(crate) type Said = (u16, Value);

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A small directory: two populations, users, a static, a dynamic, an external group, nesting and a ring.
pub(crate) fn small() -> DirectoryBuilder {
    use serde_json::json;
    Directory::builder()
        .population("staff", json!({}))
        .population("guests", json!({}))
        .user("mara", "staff", json!({"department": "D-1", "title": "Boss \"B\""}))
        .user(
            "ivo",
            "staff",
            json!({"department": "D-2", "email": null, "name": null}),
        )
        .user("lena", "guests", json!({"department": "D-1"}))
        .group("top", json!({}))
        .group("mid", json!({}))
        .group("low", json!({}))
        .group("filtered", json!({"userFilter": "department eq \"D-1\""}))
        .group("outside", json!({"sourceType": "GATEWAY"}))
        .group("guests-only", json!({"population": "guests"}))
        .group("ring-a", json!({}))
        .group("ring-b", json!({}))
        .group("ring-c", json!({}))
        .member("top", "mara")
        .member("mid", "ivo")
        .member("low", "lena")
        .member("low", "mara")
        .member("outside", "ivo")
        .member("ring-a", "mara")
        .member("ring-b", "ivo")
        .nested("mid", "top")
        .nested("low", "mid")
        .nested("ring-a", "ring-b")
        .nested("ring-b", "ring-c")
        .nested("ring-c", "ring-a")
        .role("Desk", json!({"permissions": []}))
        .assignment(
            Holder::User("mara".into()),
            "Identity Data Read Only",
            ScopeOf::Environment,
        )
        .assignment(
            Holder::User("mara".into()),
            "Identity Data Read Only",
            ScopeOf::Population("guests".into()),
        )
        .assignment(Holder::Group("low".into()), "Help Desk Admin", ScopeOf::Environment)
}

impl Bench {
    pub(crate) async fn new(directory: Directory, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            custom: Some(directory),
            ..Options::default()
        };
        change(&mut options);
        Self::with(options).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let server = start(options).await.unwrap();
        let mut bench = Self {
            server,
            http: client(),
            token: String::new(),
        };
        bench.token = bench.fetch_token().await;
        bench
    }

    pub(crate) async fn fetch_token(&self) -> String {
        let url = format!("{}/{}/as/token", self.server.auth_url(), self.server.environment_id());
        let request = self.http.post(url).form(&[("grant_type", "client_credentials")]);
        let answer = request
            .basic_auth(self.server.client_id(), Some(self.server.client_secret()))
            .send()
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        body["access_token"].as_str().unwrap_or("").to_owned()
    }

    /// Path below the environment as a whole address.
    pub(crate) fn env(&self, tail: &str) -> String {
        format!(
            "{}/v1/environments/{}{tail}",
            self.server.api_url(),
            self.server.environment_id()
        )
    }

    pub(crate) async fn url(&self, url: &str) -> Said {
        let answer = self.http.get(url).bearer_auth(&self.token).send().await.unwrap();
        said(answer).await
    }

    pub(crate) async fn get(&self, tail: &str) -> Said {
        self.url(&self.env(tail)).await
    }

    /// A users listing by filter: sorted user names.
    pub(crate) async fn users(&self, filter: &str) -> Vec<String> {
        let (status, body) = self.filtered("/users", filter).await;
        assert_eq!(status, 200, "{filter} {body}");
        names(&body, "users", "username")
    }

    pub(crate) async fn filtered(&self, tail: &str, filter: &str) -> Said {
        let mut url = reqwest::Url::parse(&self.env(tail)).unwrap();
        url.query_pairs_mut().append_pair("filter", filter);
        self.url(url.as_str()).await
    }

    pub(crate) async fn send(&self, method: &str, tail: &str, media: &str, body: &Value) -> Said {
        let request = self
            .http
            .request(method.parse().unwrap(), self.env(tail))
            .bearer_auth(&self.token);
        let request = if media.is_empty() {
            request
        } else {
            request.header("content-type", media)
        };
        let request = if body.is_null() {
            request
        } else {
            request.body(body.to_string())
        };
        said(request.send().await.unwrap()).await
    }

    pub(crate) async fn json(&self, method: &str, tail: &str, body: &Value) -> Said {
        self.send(method, tail, "application/json", body).await
    }

    /// All pages of a listing by `next`; also the number of pages.
    pub(crate) async fn chain(&self, tail: &str, name: &str) -> (Vec<Value>, usize) {
        let (mut rows, mut pages, mut next) = (Vec::new(), 0, Some(self.env(tail)));
        while let Some(url) = next {
            let (status, body) = self.url(&url).await;
            assert_eq!(status, 200, "{body}");
            rows.extend(body["_embedded"][name].as_array().into_iter().flatten().cloned());
            next = body["_links"]["next"]["href"].as_str().map(str::to_owned);
            pages += 1;
            assert!(pages < 1000, "the chain does not end");
        }
        (rows, pages)
    }
}

pub(crate) async fn said(answer: reqwest::Response) -> Said {
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null),
    )
}

/// Sorted texts of one member of each row.
pub(crate) fn names(body: &Value, list: &str, key: &str) -> Vec<String> {
    let rows = body["_embedded"][list].as_array().into_iter().flatten();
    let mut names: Vec<String> = rows.map(|row| row[key].as_str().unwrap_or("?").to_owned()).collect();
    names.sort();
    names
}

/// Code and first detail of an error.
pub(crate) fn error(said: &Said) -> (u16, &str, &str, &str) {
    let (body, detail) = (&said.1, &said.1["details"][0]);
    (
        said.0,
        body["code"].as_str().unwrap_or(""),
        detail["code"].as_str().unwrap_or(""),
        detail["target"].as_str().unwrap_or(""),
    )
}

/// Clocks stand still otherwise, so that no limit of the stand-in ends because the machine is slow.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}
