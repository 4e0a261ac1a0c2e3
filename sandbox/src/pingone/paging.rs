//! Pages and cursors (pingone-api.md §4, points 13 to 18). A cursor is opaque and sealed: it names the last row seen,
//! the listing it belongs to and when it was made; whatever does not fit is refused. Rows are named by their number,
//! ascending.

use super::answer::Refusal;
use super::faults::FaultAction;
use super::ids::{draw, hash_text, mix};
use super::options::{Drift, Paging};
use super::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;
use std::ops::Range;

/// Decoded query parameters, with their raw text.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    pairs: Vec<(&'a str, Cow<'a, str>, &'a str)>,
}

impl<'a> Query<'a> {
    /// Reads `a=b&c=d`; percent escapes that are none or no UTF-8 are refused (pingone-api.md §3.4 `INVALID_PARAMETER`).
    pub(crate) fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let mut pairs = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.push((key, percent_decode(value).ok_or_else(|| Refusal::parameter(key))?, part));
        }
        Ok(Self { pairs })
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, ..)| *known == key)
            .map(|(_, value, _)| value.as_ref())
    }

    fn raw_without_cursor(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.pairs
            .iter()
            .filter(|(key, ..)| *key != "cursor")
            .map(|(.., raw)| *raw)
    }
}

/// Percent-decodes a query value, `+` meaning a space; `None` if it is malformed.
pub(crate) fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
                out.push(digit(bytes.next())? << 4 | digit(bytes.next())?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// The rows of a listing, by number.
pub(crate) enum Rows<'a> {
    /// All numbers of a range
    Range(Range<u32>),
    /// A sorted list
    List(&'a [u32]),
    /// A sorted list made for this call
    Owned(Vec<u32>),
}

impl Rows<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Rows::Range(range) => range.len(),
            Rows::List(list) => list.len(),
            Rows::Owned(list) => list.len(),
        }
    }

    fn at(&self, position: usize) -> Option<u32> {
        match self {
            Rows::Range(range) => range.clone().nth(position),
            Rows::List(list) => list.get(position).copied(),
            Rows::Owned(list) => list.get(position).copied(),
        }
    }

    /// How many rows come before this number.
    fn before(&self, number: u32) -> usize {
        match self {
            Rows::Range(range) => number.clamp(range.start, range.end).saturating_sub(range.start) as usize,
            Rows::List(list) => list.partition_point(|row| *row < number),
            Rows::Owned(list) => list.partition_point(|row| *row < number),
        }
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// First number of the page (or, going back, the first number after it); with offset cursors its position.
    from: u32,
    back: bool,
    page: u32,
}

/// A page to write.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) rows: Vec<u32>,
    /// `None`: not told
    pub(crate) count: Option<usize>,
    pub(crate) next: Option<String>,
    pub(crate) prev: Option<String>,
}

/// What a listing is asked with.
pub(crate) struct Ask<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a Query<'a>,
    pub(crate) raw_query: &'a str,
    pub(crate) token: u64,
    pub(crate) fault: Option<&'a FaultAction>,
    /// Rows of a page that is asked for without a limit; `None`: as many as the endpoint gives at most.
    pub(crate) usual: Option<usize>,
    /// What a POST asks in its body instead of the query.
    pub(crate) search: Option<Search<'a>>,
}

/// What the body of a search says (pingone-api.md §6.11, D).
pub(crate) struct Search<'a> {
    pub(crate) filter: &'a str,
    pub(crate) limit: Option<String>,
    /// The cursor of a `next` link: what the text means is not documented (G).
    pub(crate) offset: Option<&'a str>,
}

impl Ask<'_> {
    fn filter(&self) -> Option<&str> {
        match &self.search {
            Some(search) => Some(search.filter),
            None => self.query.get("filter"),
        }
    }

    fn cursor(&self) -> Option<&str> {
        match &self.search {
            Some(search) => search.offset,
            None => self.query.get("cursor"),
        }
    }

    fn limit(&self) -> Option<&str> {
        match &self.search {
            Some(search) => search.limit.as_deref(),
            None => self.query.get("limit"),
        }
    }
}

impl World {
    /// The page that a listing call asks for. `most` is the endpoint's largest page.
    pub(crate) fn page(&self, ask: &Ask<'_>, rows: &Rows<'_>, most: usize) -> Result<Page, Refusal> {
        let paging = &self.options.paging;
        let usual = ask.usual.map_or(most, |usual| usual.min(most));
        let limit = limit(ask.limit(), most, usual, paging.clamp_small_limits)?;
        let listing = self.listing_key(ask);
        let cursor = match (ask.cursor(), ask.fault) {
            (_, Some(FaultAction::CursorExpired)) => return Err(self.cursor_refusal()),
            (Some(text), _) => Some(self.open(text, listing)?),
            (None, _) => None,
        };
        let at = cursor.unwrap_or(Cursor {
            from: 0,
            back: false,
            page: 0,
        });
        let size = page_size(paging, ask.fault, at, limit);
        let bent = bent(ask, rows);
        let rows = bent.as_ref().unwrap_or(rows);
        let by_offset = paging.offset_cursors;
        let from = if by_offset {
            at.from as usize
        } else {
            rows.before(at.from)
        };
        let (start, end) = bounds(rows.len(), from, at.back, size);
        let numbers = numbers(paging.drift, ask.fault, rows, at.page, start..end, size);
        let more = end < rows.len() || (paging.trailing_empty_page && end > start && end == rows.len());
        let name = |position: usize| match rows.at(position) {
            _ if by_offset => u32::try_from(position).unwrap_or(u32::MAX),
            Some(number) => number,
            None => rows.at(position.saturating_sub(1)).map_or(0, |last| last + 1),
        };
        let seal = |from, back| {
            self.seal(
                Cursor {
                    from,
                    back,
                    page: at.page + 1,
                },
                listing,
            )
        };
        let next = match ask.fault {
            Some(FaultAction::EndlessPage) => Some(format!("{}{}?{}", self.base, ask.path, ask.raw_query)),
            _ if more => Some(self.href(ask, &seal(name(end), false))),
            _ => None,
        };
        let prev = (start > 0 && !paging.no_prev).then(|| self.href(ask, &seal(name(start), true)));
        Ok(Page {
            rows: numbers,
            count: Some(rows.len()),
            next,
            prev,
        })
    }

    fn href(&self, ask: &Ask<'_>, cursor: &str) -> String {
        let mut href = format!("{}{}?", self.base, ask.path);
        for raw in ask.query.raw_without_cursor() {
            href.push_str(raw);
            href.push('&');
        }
        href.push_str("cursor=");
        href.push_str(cursor);
        href
    }

    /// `self` of a listing, by default with its parameters in another order than asked (pingone-api.md §3.2, S).
    pub(crate) fn self_href(&self, ask: &Ask<'_>) -> String {
        if self.options.paging.self_as_asked || ask.raw_query.is_empty() {
            let mark = if ask.raw_query.is_empty() { "" } else { "?" };
            return format!("{}{}{mark}{}", self.base, ask.path, ask.raw_query);
        }
        let mut parts: Vec<&str> = ask.query.pairs.iter().map(|(.., raw)| *raw).collect();
        parts.reverse();
        format!("{}{}?{}", self.base, ask.path, parts.join("&"))
    }

    /// Binds a cursor to path, filter and, if so set, the token.
    fn listing_key(&self, ask: &Ask<'_>) -> u64 {
        let token = if self.options.auth.cursor_bound_to_token {
            ask.token
        } else {
            0
        };
        let filter = ask.filter().map_or(1, hash_text);
        mix(hash_text(ask.path).rotate_left(7) ^ filter ^ token.rotate_left(21))
    }

    fn seal(&self, cursor: Cursor, listing: u64) -> String {
        let mut raw = [0_u8; 25];
        let born = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(0);
        let page = u64::from(cursor.page) << 1 | u64::from(cursor.back);
        let mac = self.mac(u64::from(cursor.from), page, born, listing);
        let (from, page) = (cursor.from.to_be_bytes(), page.to_be_bytes());
        let fields = from
            .into_iter()
            .chain(page.into_iter().skip(3))
            .chain(born.to_be_bytes())
            .chain(mac.to_be_bytes());
        for (slot, byte) in raw.iter_mut().zip(fields) {
            *slot = byte;
        }
        URL_SAFE_NO_PAD.encode(raw)
    }

    fn mac(&self, from: u64, page: u64, born: u64, listing: u64) -> u64 {
        draw(self.spec.seed ^ listing, 0xcafe, draw(from, page, born))
    }

    /// 400, 401 or 403 (pingone-api.md §2.2, §9 point 16, G).
    fn cursor_refusal(&self) -> Refusal {
        Refusal::parameter("cursor").with_status(self.options.paging.cursor_status)
    }

    /// Opens a cursor; tampered, foreign or expired: refused.
    fn open(&self, text: &str, listing: u64) -> Result<Cursor, Refusal> {
        let refused = || self.cursor_refusal();
        let raw = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let raw: [u8; 25] = raw.try_into().map_err(|_| refused())?;
        let number = |range: Range<usize>| {
            raw.get(range)
                .unwrap_or_default()
                .iter()
                .fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
        };
        let (from, page, born, mac) = (number(0..4), number(4..9), number(9..17), number(17..25));
        if mac != self.mac(from, page, born, listing) {
            return Err(refused());
        }
        let life = self.options.paging.cursor_seconds.saturating_mul(1000);
        if life != 0 && self.clock.elapsed().as_millis() > u128::from(born + life) {
            return Err(refused());
        }
        let from = u32::try_from(from).map_err(|_| refused())?;
        Ok(Cursor {
            from,
            back: page & 1 == 1,
            page: u32::try_from(page >> 1).map_err(|_| refused())?,
        })
    }
}

/// The limit asked for, within the endpoint's (pingone-api.md §4: more than the maximum is clamped, zero and text are
/// refused; D / G).
fn limit(asked: Option<&str>, most: usize, usual: usize, clamp: bool) -> Result<usize, Refusal> {
    let Some(text) = asked else {
        return Ok(usual);
    };
    match text.parse::<i64>() {
        Ok(asked) if asked >= 1 => Ok(usize::try_from(asked).unwrap_or(most).min(most)),
        Ok(_) if clamp => Ok(1),
        _ => Err(Refusal::parameter("limit")),
    }
}

/// The rows of the whole listing, where the fault leaves others.
fn bent(ask: &Ask<'_>, rows: &Rows<'_>) -> Option<Rows<'static>> {
    match ask.fault {
        Some(FaultAction::FilterMatchesNobody) if ask.filter().is_some() => Some(Rows::Range(0..0)),
        Some(FaultAction::Hidden(every)) => {
            let all = (0..rows.len()).filter_map(|position| rows.at(position));
            let kept = all.filter(|number| !number.is_multiple_of(*every));
            Some(Rows::Owned(kept.collect()))
        }
        _ => None,
    }
}

/// The rows of a page at these positions, as drift and fault leave them.
fn numbers(
    drift: Drift,
    fault: Option<&FaultAction>,
    rows: &Rows<'_>,
    page: u32,
    Range { start, end }: Range<usize>,
    size: usize,
) -> Vec<u32> {
    let at = |positions: Range<usize>| -> Vec<u32> { positions.filter_map(|position| rows.at(position)).collect() };
    let skip = usize::from(drift == Drift::Skip && page > 0 && end > start + 1);
    let repeat = usize::from(drift == Drift::Duplicate && page > 0 && start > 0);
    let mut numbers = at(start + skip - repeat.min(start + skip)..end);
    match fault {
        Some(FaultAction::DuplicateRow) => numbers.extend(numbers.first().copied()),
        Some(FaultAction::SkipRow) if !numbers.is_empty() => drop(numbers.remove(0)),
        Some(FaultAction::RepeatPage) => numbers = at(start.saturating_sub(size)..start),
        _ => {}
    }
    numbers
}

fn page_size(paging: &Paging, fault: Option<&FaultAction>, at: Cursor, limit: usize) -> usize {
    let empty_due = paging.empty_page_every != 0 && (u64::from(at.page) + 1).is_multiple_of(paging.empty_page_every);
    match fault {
        Some(FaultAction::EmptyPage) => 0,
        Some(FaultAction::ShortPage(rows)) => limit.min(*rows),
        _ if empty_due => 0,
        _ if paging.uneven_pages => {
            let drawn = mix(u64::from(at.from) ^ 0x7ea) % limit as u64;
            usize::try_from(drawn).unwrap_or(0) + 1
        }
        _ => limit,
    }
}

fn bounds(length: usize, from: usize, back: bool, size: usize) -> (usize, usize) {
    let from = from.min(length);
    if back {
        (from.saturating_sub(size), from)
    } else {
        (from, (from + size).min(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("limit=200&filter=a%20eq%20%22x%2B%22+y&flag").unwrap();
        assert_eq!(query.get("filter"), Some("a eq \"x+\" y"));
        assert_eq!((query.get("flag"), query.get("cursor")), (Some(""), None));
        for raw in ["filter=%zz", "filter=%2", "filter=%ff"] {
            assert!(Query::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn point_13_limits_are_clamped_and_nonsense_is_refused() {
        let ask = |raw: &str, clamp| limit(Query::parse(raw).unwrap().get("limit"), 200, 200, clamp).ok();
        for (raw, expected) in [
            ("", Some(200)),
            ("limit=1", Some(1)),
            ("limit=1000", Some(200)),
            ("limit=0", None),
            ("limit=-1", None),
            ("limit=x", None),
            ("limit=", None),
        ] {
            assert_eq!(ask(raw, false), expected, "{raw}");
        }
        assert_eq!(ask("limit=0", true), Some(1));
    }

    #[test]
    fn rows_are_found_by_number() {
        let list = [3, 5, 9];
        for rows in [Rows::List(&list), Rows::Owned(list.to_vec())] {
            assert_eq!(
                (rows.before(0), rows.before(5), rows.before(6), rows.before(99)),
                (0, 1, 2, 3)
            );
        }
        let rows = Rows::Range(0..10);
        assert_eq!(
            (rows.before(0), rows.before(7), rows.before(99), rows.at(9), rows.at(10)),
            (0, 7, 10, Some(9), None)
        );
    }
}
