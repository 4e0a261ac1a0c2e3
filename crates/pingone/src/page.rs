//! One page of a HAL listing (pingone-api.md §4), read while it is parsed. A body that is no page is an error: an empty
//! list is only what says that it is one.

use std::marker::PhantomData;

use reqwest::Url;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::lenient::{self, once};

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

/// Reads one page and hands out its items.
pub(crate) struct PageSeed<'a, T> {
    /// Name of the array under `_embedded`.
    pub(crate) key: &'static str,
    pub(crate) each: &'a mut (dyn FnMut(T) + Send),
    pub(crate) item: PhantomData<T>,
}

/// What a page says besides its items.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) next: Option<String>,
    /// Its own address.
    pub(crate) this: Option<String>,
    /// It says that another page comes before it.
    pub(crate) follows: bool,
    embedded: Found,
    pub(crate) count: Option<u64>,
    size: Option<u64>,
}

/// What stood under `_embedded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Found {
    /// There was none.
    #[default]
    Nothing,
    /// It was empty.
    Empty,
    /// The list, empty or not.
    List,
    /// Other lists than the one that was asked for.
    Others,
}

impl Page {
    /// Why this is not a page of the list `key` at the address `listing`, if it is none. `own` is the address that it gives
    /// itself (pingone-api.md §4).
    pub(crate) fn fault(&self, key: &str, items: usize, own: Option<&Url>, listing: &Url) -> Option<String> {
        // An object, too, has links and no list.
        let names_itself = own.is_some_and(|own| is_same_listing(own, listing)) || self.next.is_some();
        let counts = self.count.is_some() || self.size.is_some();
        match self.embedded {
            Found::Others => Some(format!("the page does not hold the list {key}")),
            Found::Nothing if !names_itself => {
                Some("the body is no page: it has neither _links nor _embedded of one".to_owned())
            }
            Found::Empty if !names_itself && !counts => {
                Some("the body is no page: it has neither a list, nor a count, nor links of one".to_owned())
            }
            _ if own.is_some_and(|own| names_other_ids(own, listing) || filters_other_ids(own, listing)) => {
                Some("the page is of another listing than the one that was asked for".to_owned())
            }
            _ if self
                .size
                .is_some_and(|size| size > u64::try_from(items).unwrap_or(u64::MAX)) =>
            {
                Some("the page says that it holds more items than it does".to_owned())
            }
            _ => None,
        }
    }
}

/// Whether two addresses name the same listing: the same path below the API's root, whatever stands before that.
fn is_same_listing(one: &Url, other: &Url) -> bool {
    let (mut one, mut other) = (below_root(one), below_root(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => {}
            _ => return false,
        }
    }
}

/// Whether an address names another environment, principal or group than the other one does. How PingOne writes the rest of
/// a listing's own address is not documented for each of them (G), so that alone makes no page foreign.
fn names_other_ids(one: &Url, other: &Url) -> bool {
    let ids = |url| below_root(url).filter_map(|segment| uuid::Uuid::try_parse(segment).ok());
    ids(one).zip(ids(other)).any(|(one, other)| one != other)
}

/// Whether an address filters by other ids than the other one: a group stands only there. The rest of a filter may be written
/// in other ways (G).
fn filters_other_ids(own: &Url, listing: &Url) -> bool {
    let ids = |url: &Url| -> Vec<uuid::Uuid> {
        let filter = url.query_pairs().find(|(key, _)| key == "filter");
        let filter = filter.map(|(_, filter)| filter).unwrap_or_default();
        filter
            .split('"')
            .filter_map(|part| uuid::Uuid::try_parse(part).ok())
            .collect()
    };
    let own = ids(own);
    !own.is_empty() && own != ids(listing)
}

fn below_root(url: &Url) -> impl Iterator<Item = &str> {
    let path = url.path();
    let below = path.split_once("/v1/").map_or(path, |(_, below)| below);
    below.split('/').filter(|segment| !segment.is_empty())
}

#[derive(Deserialize)]
struct Links {
    #[serde(default, rename = "self", deserialize_with = "lenient::object")]
    this: Option<Link>,
    #[serde(default)]
    next: Option<Link>,
    #[serde(default)]
    prev: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

/// A number as a page may or may not give it.
#[derive(Deserialize)]
struct Count(#[serde(deserialize_with = "lenient::count")] Option<u64>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PageSeed<'_, T> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for PageSeed<'_, T> {
    type Value = Page;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut page = Page::default();
        let [mut links, mut embedded, mut count, mut size] = [false; 4];
        while let Some(member) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match member.as_ref() {
                "_links" => {
                    once(std::mem::replace(&mut links, true), "_links")?;
                    if let Some(links) = map.next_value::<Option<Links>>()? {
                        page.this = links.this.map(|link| link.href);
                        page.next = links.next.map(|link| link.href);
                        page.follows = links.prev.is_some();
                    }
                }
                "_embedded" => {
                    once(std::mem::replace(&mut embedded, true), "_embedded")?;
                    page.embedded = map.next_value_seed(Embedded {
                        key: self.key,
                        each: &mut *self.each,
                        item: PhantomData,
                    })?;
                }
                "count" => {
                    once(std::mem::replace(&mut count, true), "count")?;
                    page.count = map.next_value::<Count>()?.0;
                }
                "size" => {
                    once(std::mem::replace(&mut size, true), "size")?;
                    page.size = map.next_value::<Count>()?.0;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(page)
    }
}

struct Embedded<'a, T> {
    key: &'static str,
    each: &'a mut (dyn FnMut(T) + Send),
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Embedded<'_, T> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Embedded<'_, T> {
    type Value = Found;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the embedded list")
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(Found::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::Empty;
        while let Some(member) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if member == self.key {
                once(found == Found::List, self.key)?;
                found = Found::List;
                map.next_value_seed(Items {
                    each: &mut *self.each,
                    item: PhantomData,
                })?;
            } else {
                if found == Found::Empty {
                    found = Found::Others;
                }
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Items<'a, T> {
    each: &'a mut (dyn FnMut(T) + Send),
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    /// Null is an empty list.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
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

    fn parse(body: &str) -> Result<(Option<String>, Vec<u64>), String> {
        let mut items = Vec::new();
        let mut each = |item: u64| items.push(item);
        let seed = PageSeed {
            key: "users",
            each: &mut each,
            item: PhantomData,
        };
        let mut parser = serde_json::Deserializer::from_str(body);
        let page = seed.deserialize(&mut parser).map_err(|error| error.to_string())?;
        parser.end().map_err(|error| error.to_string())?;
        let listing = Url::parse("https://x/1").unwrap();
        let own = page.this.as_deref().and_then(|href| listing.join(href).ok());
        match page.fault("users", items.len(), own.as_ref(), &listing) {
            Some(fault) => Err(fault),
            None => Ok((page.next, items)),
        }
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
                r#"{"_embedded":{"users":[]},"_links":{"next":{"href":"https://x/2"}},"count":700,"size":0}"#,
                next.clone(),
                vec![],
            ),
            (
                r#"{"_embedded":{},"_links":{"self":{"href":"https://x/1"}}}"#,
                None,
                vec![],
            ),
            (r#"{"_embedded":{},"count":0}"#, None, vec![]),
            (
                r#"{"_embedded":{"users":[1]},"_links":{"self":{"href":"https://other/proxy/v1/1?limit=7"}}}"#,
                None,
                vec![1],
            ),
            (r#"{"_embedded":{"users":null}}"#, None, vec![]),
            (r#"{"_links":{"self":{"href":"https://x/1"}},"size":0}"#, None, vec![]),
            (
                r#"{"_embedded":{"users":[7]},"count":"many","size":null}"#,
                None,
                vec![7],
            ),
        ];
        for (body, next, items) in cases {
            assert_eq!(parse(body), Ok((next, items)), "{body}");
        }
    }

    #[test]
    fn a_listing_is_named_by_its_path_below_the_root() {
        let url = |path: &str| Url::parse(&format!("https://x{path}")).unwrap();
        let asked = url("/v1/environments/E1/users/a-1/roleAssignments");
        for (own, same) in [
            ("/v1/environments/E1/users/a-1/roleAssignments?limit=2", true),
            ("/proxy/v1/environments/e1/users/A-1/roleAssignments/", true),
            ("/v1/environments/E1/users/b-2/roleAssignments", false),
            ("/v1/environments/E1/groups/a-1/roleAssignments", false),
            ("/v1/environments/E2/users/a-1/roleAssignments", false),
            ("/v1/environments/E1/users/a-1", false),
        ] {
            assert_eq!(is_same_listing(&url(own), &asked), same, "{own}");
        }
    }

    #[test]
    fn a_page_that_names_other_ids_is_of_another_listing() {
        let url = |path: String| Url::parse(&format!("https://x{path}")).unwrap();
        let [one, two, ada, ben] = [1, 2, 3, 4].map(uuid::Uuid::from_u128);
        let asked = url(format!("/v1/environments/{one}/users/{ada}/roleAssignments"));
        for (own, other) in [
            (
                format!("/v1/environments/{one}/users/{ada}/roleAssignments?limit=2"),
                false,
            ),
            (format!("/proxy/v1/environments/{one}/users/{ada}"), false),
            ("/v1/roleAssignments".to_owned(), false),
            (format!("/v1/environments/{one}/users/{ben}/roleAssignments"), true),
            (format!("/v1/environments/{two}/users/{ada}/roleAssignments"), true),
            (format!("/v1/environments/{two}/roleAssignments"), true),
        ] {
            let page = Page {
                embedded: Found::List,
                ..Page::default()
            };
            let own = url(own);
            assert_eq!(
                page.fault("roleAssignments", 1, Some(&own), &asked).is_some(),
                other,
                "{own}"
            );
        }
    }

    #[test]
    fn a_body_that_is_no_page_is_an_error_and_never_an_empty_one() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            "{}",
            r#"{"_embedded":{"users":[1,"#,
            r#"{"_embedded":{"users":{}}}"#,
            r#"{"_embedded":null,"_links":null}"#,
            r#"{"count":3}"#,
            r#"{"_embedded":{}}"#,
            r#"{"_embedded":{},"_links":{}}"#,
            r#"{"message":"Service temporarily unavailable"}"#,
            r#"{"message":"x","_links":{"about":{"href":"https://x"}}}"#,
            r#"{"message":"x","_links":{"self":{"href":"/"}},"_embedded":{"errors":[{"message":"gone"}]}}"#,
            r#"{"_embedded":{"users":[]},"size":7}"#,
            r#"{"_embedded":{"users":[1]},"size":2}"#,
            r#"{"_links":{"self":{"href":"https://x/environments/7"}},"id":"7","name":"an object"}"#,
            "{} {}",
            r#"{"_embedded":{"users":[1]},"_embedded":{"users":[2]}}"#,
            r#"{"_embedded":{"users":[1],"users":[2]}}"#,
            r#"{"_links":{"next":{"href":"https://x/2"}},"_embedded":{"users":[1]},"_links":{}}"#,
            r#"{"_embedded":{"users":[1]},"count":2,"count":1}"#,
        ] {
            assert!(parse(body).is_err(), "{body}");
        }
    }
}
