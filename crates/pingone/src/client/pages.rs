//! HAL listings (pingone-api.md §4): follow `_links.next` as it is, until it is absent. `count` ends nothing, nor does a
//! short or an empty page. A link to a foreign host, to another listing or to itself is an error.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use uuid::Uuid;

use super::Client;
use super::call::{Answer, Call};
use crate::auth::Token;
use crate::error::{PingOneError, Reason};
use crate::lenient;
use crate::operation::Operation;
use crate::page::{Page, PageSeed};
use crate::parse::{corrupt, text};
use crate::types::{IdOnly, Identified, Reference};

/// Pages of one listing: ten times what 50 million users make at 100 a page.
const PAGES_MAX: u64 = 5_000_000;
/// Pages without any item, one after the other.
const EMPTY_MAX: u32 = 1_000;
/// Items beyond twice what a listing says it holds: then it repeats itself.
const ITEMS_BEYOND: u64 = 10_000;
/// How often a listing may start anew because its cursor was rejected.
const RESTARTS: u32 = 3;

/// One page was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageInfo {
    /// How many items it had.
    pub items: usize,
    /// The listing had to start again before this page, because its cursor was rejected: items may come again.
    pub restarted: bool,
    /// How many items the whole listing has, where the page says so.
    pub count: Option<u64>,
}

/// What tells that a page is no new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All that it holds was on earlier pages. Where a count is told, that proves more.
    Items,
    /// It holds the same as an earlier page: for long listings, since no item is remembered. As above where a count is told.
    Pages,
    /// All that it holds, which is more than one, was on earlier pages, whatever is counted: for listings that grow meanwhile,
    /// so that the last item of a page may move onto the next one.
    Always,
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
    restarts: u32,
    /// How often it may start anew.
    restarts_max: u32,
    read: u64,
    /// The page that is asked for, from 1.
    page: u64,
    empty: u32,
    /// Items since the first page.
    items: u64,
    /// The token that the last page was asked with.
    token: Option<Token>,
    /// The token changed inside the chain.
    renewed: bool,
    /// What the listing said of itself, and what it held, when it was read to its end before.
    told: Option<u64>,
    found: u64,
    /// What the first page said that the listing holds.
    first_told: Option<u64>,
    /// A link to the next page lacked the filter.
    filter_lost: bool,
    /// Hashes of what the pages held, where that is to tell whether one is new.
    held: HashSet<u64>,
    /// A page held nothing new, and there the listing ended.
    repeated: bool,
    item: PhantomData<fn() -> T>,
}

/// The ids of a listing, each once, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// The ids.
    pub ids: Vec<Uuid>,
    /// How many there are, where the pages say so.
    pub told: Option<u64>,
    /// Pages after the first may not have been filtered, and no count tells.
    pub unproved: bool,
}

impl Ids {
    /// There are fewer than the listing says.
    pub fn is_short(&self) -> bool {
        self.told.is_some_and(|told| told > length(&self.ids))
    }
}

impl Pages<IdOnly> {
    /// The ids of the whole listing. One that holds fewer than it says is read once more, and both count.
    pub(crate) async fn ids(mut self) -> Result<Ids, PingOneError> {
        let (ids, told) = self.gather_ids().await?;
        let mut found = Ids {
            ids,
            told,
            unproved: self.is_unproved(),
        };
        found.sort();
        if found.is_short() || self.repeated {
            self.begin_again();
            let (again, told) = self.gather_ids().await?;
            if self.repeated {
                return Err(self.repetition());
            }
            found.ids.extend(again);
            found.told = told;
            found.unproved |= self.is_unproved();
            found.sort();
        }
        Ok(found)
    }

    async fn gather_ids(&mut self) -> Result<(Vec<Uuid>, Option<u64>), PingOneError> {
        let home = self.client.environment_id().to_owned();
        let elsewhere = AtomicBool::new(false);
        let part = |item: IdOnly| {
            let other = |of: Reference| !of.id.to_string().eq_ignore_ascii_case(&home);
            if item.environment.is_some_and(other) {
                elsewhere.store(true, Ordering::Relaxed);
            }
            item.id
        };
        let gathered = self.gather(part, |item| Some(item.id)).await?;
        if elsewhere.into_inner() {
            let what = "the list holds an object of another environment".to_owned();
            return Err(self.failed(Reason::Corrupt { what }, None));
        }
        Ok(gathered)
    }
}

impl Ids {
    fn sort(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
    }
}

/// A parameter of an address, decoded.
fn parameter<'a>(url: &'a Url, name: &str) -> Option<Cow<'a, str>> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Of equal items the last one, where the first one stood.
fn once_each<T, K: Eq + Hash>(items: Vec<T>, key: impl Fn(&T) -> Option<K>) -> Vec<T> {
    let mut positions = HashMap::new();
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        match key(&item).map(|key| positions.entry(key)) {
            Some(Entry::Occupied(known)) => {
                if let Some(stored) = kept.get_mut::<usize>(*known.get()) {
                    *stored = item;
                }
                continue;
            }
            Some(Entry::Vacant(vacant)) => {
                vacant.insert(kept.len());
            }
            None => {}
        }
        kept.push(item);
    }
    kept
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
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
            restarts: 0,
            restarts_max: RESTARTS,
            read: 0,
            page: 0,
            empty: 0,
            items: 0,
            token: None,
            renewed: false,
            told: None,
            found: 0,
            first_told: None,
            filter_lost: false,
            held: HashSet::new(),
            repeated: false,
            item: PhantomData,
        }
    }

    /// Links lacked the filter, so that later pages may hold what it does not match, and no page told a count
    /// (pingone-api.md §4).
    pub const fn is_unproved(&self) -> bool {
        self.filter_lost && self.first_told.is_none()
    }

    /// The same listing for a caller who reads it in smaller parts when its cursor dies: it never starts anew.
    #[must_use]
    pub fn without_restart(mut self) -> Self {
        self.restarts_max = 0;
        self
    }

    /// Reads the next page and hands out each item while the body is parsed, so that no page exists twice in memory.
    /// `None` after the last page.
    pub async fn next_with(&mut self, mut each: impl FnMut(T) + Send) -> Result<Option<PageInfo>, PingOneError> {
        let restarts = self.restarts;
        let Some((url, answer)) = self.fetch().await? else {
            return Ok(None);
        };
        let restarted = self.restarts > restarts;
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
        let body = text(&answer.body).map_err(|reason| self.failed(reason, answer.request_id.clone()))?;
        lenient::take_type_mismatches();
        let mut parser = serde_json::Deserializer::from_str(body);
        let parsed = seed
            .deserialize(&mut parser)
            .and_then(|page| parser.end().map(|()| page));
        self.client.note_type_mismatches(self.operation);
        let page = parsed.map_err(|error| self.failed(corrupt(&error), answer.request_id.clone()))?;
        let own = page.this.as_deref().and_then(|href| url.join(href).ok());
        if let Some(what) = page.fault(self.key, items, own.as_ref(), &self.first) {
            return Err(self.failed(Reason::Corrupt { what }, answer.request_id));
        }
        let has_cursor = || own.as_ref().is_some_and(|own| parameter(own, "cursor").is_some());
        if self.page == 1 && (page.follows || has_cursor()) {
            let what = "the first page was asked for, and this one says that it comes after another".to_owned();
            return Err(self.failed(Reason::Corrupt { what }, answer.request_id));
        }
        self.renewed |= self
            .token
            .as_ref()
            .is_some_and(|token| token.serial != answer.token.serial);
        self.next = self
            .after(&url, &page, items)
            .map_err(|reason| self.failed(reason, answer.request_id))?;
        self.token = Some(answer.token);
        let count = page.count;
        Ok(Some(PageInfo {
            items,
            restarted,
            count,
        }))
    }

    /// The same where `key` tells items apart. A page that follows another one and brings nothing new is none: the listing
    /// ends there, and [`Pages::is_repeated`] says so. What has no key is new.
    pub async fn next_new<K: Hash>(
        &mut self,
        known: Known,
        key: impl Fn(&T) -> Option<K> + Send + Sync,
        mut each: impl FnMut(T) + Send,
    ) -> Result<Option<PageInfo>, PingOneError> {
        let hasher = self.hasher.clone();
        let (mut keys, mut without) = (Vec::new(), false);
        let page = self
            .next_with(|item| {
                match key(&item) {
                    Some(key) => keys.push(hasher.hash_one(key)),
                    None => without = true,
                }
                each(item);
            })
            .await?;
        let counts = self.first_told.is_some() || page.is_none_or(|page| page.count.is_some());
        if counts && known != Known::Always || without || keys.is_empty() {
            return Ok(page);
        }
        if known == Known::Pages {
            // In whatever order they come.
            keys = vec![keys.into_iter().fold(0, u64::wrapping_add)];
        }
        let mut new = self.page == 1 || known == Known::Always && keys.len() == 1;
        for key in keys {
            new |= self.held.insert(key);
        }
        if !new {
            self.repeated = true;
            self.next = None;
        }
        Ok(page)
    }

    /// The listing ended with a page that brought nothing new.
    pub const fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// What is wrong with a listing that [`Pages::is_repeated`].
    pub fn repetition(&self) -> PingOneError {
        let what = "a page brings nothing but what earlier pages held".to_owned();
        self.failed(Reason::Corrupt { what }, None)
    }

    /// The answer of the next page, from the first page on where the chain broke.
    async fn fetch(&mut self) -> Result<Option<(Url, Answer)>, PingOneError> {
        loop {
            let Some(url) = self.next.clone() else { return Ok(None) };
            self.page += 1;
            if self.read >= PAGES_MAX {
                return Err(self.failed(Reason::Endless, None));
            }
            self.seen.insert(self.hasher.hash_one(url.as_str()));
            self.read += 1;
            let call = Call {
                token: self.token.as_ref(),
                ..Call::get(self.operation, &self.object, url.clone())
            };
            let error = match self.client.call(&call).await {
                Ok(answer) => return Ok(Some((url, answer))),
                Err(error) => PingOneError {
                    page: Some(self.page),
                    ..error
                },
            };
            if self.page == 1 || !self.is_chain_broken(&error) {
                return Err(error);
            }
            if self.restarts >= self.restarts_max {
                let reason = Reason::CursorRejected {
                    restarts: self.restarts,
                    status: error.status().unwrap_or_default(),
                };
                return Err(PingOneError { reason, ..error });
            }
            self.restarts += 1;
            self.begin_again();
        }
    }

    /// The address of the page that comes after this one; `None` after the last.
    fn after(&mut self, url: &Url, page: &Page, items: usize) -> Result<Option<Url>, Reason> {
        self.empty = if items == 0 { self.empty + 1 } else { 0 };
        self.items = self.items.saturating_add(u64::try_from(items).unwrap_or(u64::MAX));
        if self.page == 1 {
            self.first_told = page.count;
        }
        let Some(href) = &page.next else {
            if self.filter_lost && self.first_told.is_some_and(|told| told != self.items) {
                let what =
                    "the links to the next pages lack the filter, and the pages hold others than the first one counts";
                return Err(Reason::Corrupt { what: what.to_owned() });
            }
            let most = parameter(&self.first, "limit").and_then(|limit| limit.parse().ok());
            let is_full = most.is_some_and(|most: usize| items >= most);
            if is_full && page.this.is_none() && page.count.is_none_or(|told| told != self.items) {
                let what = "the page is full and has no links, so whether another one follows is not told".to_owned();
                return Err(Reason::Corrupt { what });
            }
            return Ok(None);
        };
        let most = page
            .count
            .map(|count| count.saturating_mul(2).saturating_add(ITEMS_BEYOND));
        if self.empty >= EMPTY_MAX || most.is_some_and(|most| self.items > most) {
            return Err(Reason::Endless);
        }
        self.follow(url, href).map(Some)
    }

    /// Where a page's link to the next leads.
    fn follow(&mut self, page: &Url, href: &str) -> Result<Url, Reason> {
        let url = self.client.hosts().follow(page, href).ok_or(Reason::ForeignHost)?;
        let asks_otherwise = url
            .query_pairs()
            .any(|(key, value)| key == "filter" && parameter(&self.first, "filter").as_deref() != Some(value.as_ref()));
        if url.path() != self.first.path() || asks_otherwise {
            let what = "the link to the next page leads to another listing".to_owned();
            return Err(Reason::Corrupt { what });
        }
        // A cursor may hold the filter; or it is lost.
        self.filter_lost |= parameter(&self.first, "filter").is_some() && parameter(&url, "filter").is_none();
        if self.seen.contains(&self.hasher.hash_one(url.as_str())) {
            return Err(Reason::Endless);
        }
        Ok(url)
    }

    /// The page's address does not hold any more: the cursor was rejected, or the token changed inside the chain
    /// (pingone-api.md §2.2).
    fn is_chain_broken(&self, error: &PingOneError) -> bool {
        let token = self.token.as_ref();
        let renewed = self.renewed || token.is_some_and(|token| !self.client.token_lives(token));
        error.is_cursor_rejected() || renewed && matches!(error.status(), Some(400 | 401 | 403))
    }

    /// Every item of every page, each once as it was seen last. A listing that holds fewer items than it says is read once
    /// more, and is an error where it still does.
    pub async fn all(self) -> Result<Vec<T>, PingOneError>
    where
        T: Identified + Send,
    {
        self.all_by(|item| Some(item.id()).filter(|id| !id.is_nil())).await
    }

    /// The same for items that `key` tells apart; what has none is never the same as another.
    pub(crate) async fn all_by<K: Eq + Hash + Send>(
        mut self,
        key: impl Fn(&T) -> Option<K> + Send + Sync,
    ) -> Result<Vec<T>, PingOneError>
    where
        T: Send,
    {
        for again in [false, true] {
            let (items, told) = self.gather(|item| item, &key).await?;
            let items = once_each(items, &key);
            if self.is_unproved() {
                let what = "the links to the next pages lack the filter, and nothing counts what it matches".to_owned();
                return Err(self.failed(Reason::Corrupt { what }, None));
            }
            if !self.repeated && told.is_none_or(|told| told <= length(&items)) {
                return Ok(items);
            }
            (self.told, self.found) = (told, length(&items));
            if again && self.repeated {
                return Err(self.repetition());
            }
            self.begin_again();
        }
        let (told, found) = (self.told.unwrap_or_default(), self.found);
        Err(self.failed(Reason::Short { told, found }, None))
    }

    /// What `part` takes of every item, and how many there are in all as far as the pages say. What came before a restart
    /// is dropped, since it comes again.
    async fn gather<P: Send, K: Hash>(
        &mut self,
        part: impl Fn(T) -> P + Send + Sync,
        key: impl Fn(&T) -> Option<K> + Send + Sync,
    ) -> Result<(Vec<P>, Option<u64>), PingOneError> {
        let (mut items, mut told) = (Vec::new(), None);
        loop {
            let before = items.len();
            let next = self.next_new(Known::Items, &key, |item| items.push(part(item)));
            let Some(page) = next.await? else {
                return Ok((items, told));
            };
            if page.restarted {
                drop(items.drain(..before));
                told = None;
            }
            told = told.max(page.count);
        }
    }

    fn begin_again(&mut self) {
        self.seen.clear();
        (self.page, self.items, self.token, self.renewed) = (0, 0, None, false);
        (self.first_told, self.filter_lost) = (None, false);
        self.held.clear();
        self.repeated = false;
        self.next = Some(self.first.clone());
    }

    fn failed(&self, reason: Reason, request_id: Option<String>) -> PingOneError {
        PingOneError {
            request_id,
            page: Some(self.page),
            ..PingOneError::new(self.operation, self.object.as_str(), reason)
        }
    }
}
