//! HAL listings (pingone-api.md §4): follow `_links.next` as it is, until it is absent. `count` decides nothing, a
//! short or an empty page ends nothing, a link to a foreign host or to itself is an error.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::marker::PhantomData;

use reqwest::Url;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::client::Client;
use super::error::{PingOneError, Reason};
use super::lenient;
use super::operation::Operation;
use super::types::SAFE;

/// Pages of one listing: ten times what 50 million users make at 100 a page.
const PAGES_MAX: u64 = 5_000_000;
/// Pages without any item, one after the other.
const EMPTY_MAX: u32 = 1_000;

/// One page was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageInfo {
    /// How many items it had.
    pub items: usize,
    /// The listing had to start again before this page, because its cursor was rejected: items may come again.
    pub restarted: bool,
}

/// A listing that is read page by page.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    operation: Operation,
    object: String,
    /// Name of the array under `_embedded`.
    key: &'static str,
    first: Url,
    next: Option<Url>,
    seen: HashSet<u64>,
    hasher: RandomState,
    restarted: bool,
    read: u64,
    empty: u32,
    /// The newest token when the listing began.
    token: Option<u64>,
    item: PhantomData<fn() -> T>,
}

impl<T: for<'de> Deserialize<'de>> Pages<T> {
    pub(crate) fn new(
        client: Client,
        operation: Operation,
        object: impl Into<String>,
        key: &'static str,
        first: Url,
    ) -> Self {
        Self {
            client,
            operation,
            object: object.into(),
            key,
            next: Some(first.clone()),
            first,
            seen: HashSet::new(),
            hasher: RandomState::new(),
            restarted: false,
            read: 0,
            empty: 0,
            token: None,
            item: PhantomData,
        }
    }

    /// Reads the next page and hands out each item while the body is parsed, so that no page exists twice in memory.
    /// `None` after the last page.
    pub async fn next_with(&mut self, mut each: impl FnMut(T) + Send) -> Result<Option<PageInfo>, PingOneError> {
        let mut restarted = false;
        let (url, answer) = loop {
            let Some(url) = self.next.clone() else { return Ok(None) };
            if self.read >= PAGES_MAX {
                return Err(self.failed(Reason::Endless, None));
            }
            self.seen.insert(self.hasher.hash_one(url.as_str()));
            self.read += 1;
            match self.client.get(self.operation, &self.object, url.clone()).await {
                Ok(answer) => break (url, answer),
                Err(error) if url != self.first && !self.restarted && self.is_chain_broken(&error) => {
                    // Once per listing.
                    (self.restarted, restarted) = (true, true);
                    self.seen.clear();
                    self.token = None;
                    self.next = Some(self.first.clone());
                }
                Err(error) => return Err(error),
            }
        };
        if url == self.first {
            self.token = Some(self.client.token_serial());
        }
        let mut items = 0;
        let mut count = |item| {
            items += 1;
            each(item);
        };
        let seed = PageSeed {
            key: self.key,
            each: &mut count,
            item: PhantomData::<T>,
        };
        let Ok(body) = std::str::from_utf8(&answer.body) else {
            return Err(self.failed(not_text(), answer.request_id));
        };
        lenient::take_misfits();
        let mut parser = serde_json::Deserializer::from_str(body);
        let parsed = seed
            .deserialize(&mut parser)
            .and_then(|next| parser.end().map(|()| next));
        self.client.note_misfits(self.operation);
        let next = parsed.map_err(|error| self.failed(corrupt(&error), answer.request_id.clone()))?;
        self.empty = if items == 0 { self.empty + 1 } else { 0 };
        if next.is_some() && self.empty >= EMPTY_MAX {
            return Err(self.failed(Reason::Endless, answer.request_id));
        }
        self.next = match next {
            Some(href) => match self.client.hosts().follow(&href) {
                Some(url) if self.seen.contains(&self.hasher.hash_one(url.as_str())) => {
                    return Err(self.failed(Reason::Endless, answer.request_id));
                }
                Some(url) => Some(url),
                None => return Err(self.failed(Reason::ForeignHost, answer.request_id)),
            },
            None => None,
        };
        Ok(Some(PageInfo { items, restarted }))
    }

    /// The page's address does not hold any more: the cursor was rejected, or the token changed inside the chain
    /// (pingone-api.md §2.2).
    fn is_chain_broken(&self, error: &PingOneError) -> bool {
        let renewed = self.token.is_some_and(|token| token != self.client.token_serial());
        error.is_cursor_rejected() || renewed && matches!(error.status(), Some(400 | 401 | 403))
    }

    /// Every item of every page. What came before a restart is dropped, since it comes again.
    pub async fn all(self) -> Result<Vec<T>, PingOneError>
    where
        T: Send,
    {
        self.all_as(|item| item).await
    }

    /// What `part` takes of every item.
    pub(crate) async fn all_as<P: Send>(mut self, part: impl Fn(T) -> P + Send + Sync) -> Result<Vec<P>, PingOneError> {
        let mut items = Vec::new();
        loop {
            let before = items.len();
            match self.next_with(|item| items.push(part(item))).await? {
                Some(page) if page.restarted => drop(items.drain(..before)),
                Some(_) => {}
                None => return Ok(items),
            }
        }
    }

    fn failed(&self, reason: Reason, request_id: Option<String>) -> PingOneError {
        PingOneError {
            request_id,
            ..PingOneError::new(self.operation, self.object.as_str(), reason)
        }
    }
}

/// Hands out the items of one page's body while it is parsed, as a listing does.
pub fn each_item<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    key: &'static str,
    mut each: impl FnMut(T) + Send,
) -> Result<(), serde_json::Error> {
    let seed = PageSeed {
        key,
        each: &mut each,
        item: PhantomData,
    };
    seed.deserialize(&mut serde_json::Deserializer::from_slice(body))
        .map(drop)
}

/// A body that is no UTF-8. Checked for the whole body at once, which is faster than text by text.
pub(crate) fn not_text() -> Reason {
    let what = "the body is not UTF-8".to_owned();
    Reason::Corrupt { what }
}

/// What a body lacks, without its content: serde's texts can quote values, so only those are shown that we wrote or
/// that name a member.
pub(crate) fn corrupt(error: &serde_json::Error) -> Reason {
    let place = format!("line {} column {}", error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Eof => format!("the body ends too early ({place})"),
        serde_json::error::Category::Syntax => format!("the body is not JSON ({place})"),
        _ => {
            let text = error.to_string();
            let ours = text.split(SAFE).nth(1).map(str::to_owned);
            let missing = text
                .strip_prefix("missing field `")
                .and_then(|rest| rest.split('`').next());
            match (ours, missing) {
                (Some(ours), _) => format!("{ours} ({place})"),
                (None, Some(member)) => format!("the member {member} is missing ({place})"),
                (None, None) => format!("a member of the body has the wrong type ({place})"),
            }
        }
    };
    Reason::Corrupt { what }
}

struct PageSeed<'a, T> {
    key: &'static str,
    each: &'a mut (dyn FnMut(T) + Send),
    item: PhantomData<T>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(default)]
    next: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PageSeed<'_, T> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for PageSeed<'_, T> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut next = None;
        while let Some(member) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match member.as_ref() {
                "_links" => {
                    next = map
                        .next_value::<Option<Links>>()?
                        .and_then(|links| links.next)
                        .map(|link| link.href);
                }
                "_embedded" => {
                    map.next_value_seed(Embedded {
                        key: self.key,
                        each: &mut *self.each,
                        item: PhantomData,
                    })?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(next)
    }
}

struct Embedded<'a, T> {
    key: &'static str,
    each: &'a mut (dyn FnMut(T) + Send),
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Embedded<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Embedded<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the embedded list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if member == self.key {
                map.next_value_seed(Items {
                    each: &mut *self.each,
                    item: PhantomData,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Items<'a, T> {
    each: &'a mut (dyn FnMut(T) + Send),
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.each)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<(Option<String>, Vec<u64>), serde_json::Error> {
        let mut items = Vec::new();
        let mut each = |item: u64| items.push(item);
        let seed = PageSeed {
            key: "users",
            each: &mut each,
            item: PhantomData,
        };
        let mut parser = serde_json::Deserializer::from_str(body);
        let next = seed.deserialize(&mut parser)?;
        parser.end()?;
        Ok((next, items))
    }

    #[test]
    fn a_page_may_come_in_any_shape_that_the_contract_allows() {
        let next = Some("https://x/2".to_owned());
        let cases = [
            (
                r#"{"_links":{"self":{"href":"https://x/1"},"next":{"href":"https://x/2"}},"_embedded":{"users":[1,2]},"size":2}"#,
                next.clone(),
                vec![1, 2],
            ),
            (
                r#"{"_embedded":{"other":[9],"users":[1]},"count":700,"_links":{"next":{"href":"https://x/2","more":[]}}}"#,
                next.clone(),
                vec![1],
            ),
            (
                r#"{"_embedded":{"users":[]},"_links":{"next":{"href":"https://x/2"}}}"#,
                next.clone(),
                vec![],
            ),
            (r#"{"_embedded":{},"_links":{}}"#, None, vec![]),
            (r#"{"_embedded":null,"_links":null}"#, None, vec![]),
            (r#"{"count":3}"#, None, vec![]),
        ];
        for (body, next, items) in cases {
            assert_eq!(parse(body).unwrap(), (next, items), "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_page_is_an_error_and_never_an_empty_one() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            r#"{"_embedded":{"users":[1,"#,
            r#"{"_embedded":{"users":{}}}"#,
            "{} {}",
        ] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
