//! Writing listings (page shape of pingone-api.md §4: `_links` and `_embedded` D, `count` and `size` optional) and the
//! listings of users, groups and populations.

use super::access::Reach;
use super::answer::{Answer, Outcome, Refusal};
use super::applications::Intersections;
use super::call::Call;
use super::filter::{self, Filter, Hot, Literal, Op, Problem};
use super::generate::decimal;
use super::paging::{Ask, Page, Rows};
use super::world::World;
use serde_json::{Value, json};
use uuid::Uuid;

/// Filters of groups (pingone-api.md §4.1, D/S).
const GROUP_FILTERS: [(&str, &[Op]); 4] = [
    ("id", &[Op::Eq]),
    ("name", &[Op::Eq, Op::Sw]),
    ("population.id", &[Op::Eq]),
    ("externalId", &[Op::Eq, Op::Sw]),
];

/// Filters of populations (pingone-api.md §4.1, D).
const POPULATION_FILTERS: [(&str, &[Op]); 2] = [("id", &[Op::Eq]), ("name", &[Op::Sw])];

impl World {
    /// Writes a page; `row` appends one object.
    pub(crate) fn write_page(
        &self,
        call: &Call<'_>,
        name: &str,
        page: &Page,
        room: usize,
        mut row: impl FnMut(&mut Vec<u8>, u32),
    ) -> Answer {
        let paging = &self.options.paging;
        let mut out = Vec::with_capacity(1024 + page.rows.len() * room);
        out.extend_from_slice(b"{\"_links\":{\"self\":{\"href\":\"");
        put_href(&mut out, &self.self_href(&call.ask()));
        for (link, href) in [("next", &page.next), ("prev", &page.prev)] {
            if let Some(href) = href {
                out.extend_from_slice(b"\"},\"");
                out.extend_from_slice(link.as_bytes());
                out.extend_from_slice(b"\":{\"href\":\"");
                put_href(&mut out, href);
            }
        }
        out.extend_from_slice(b"\"}}");
        if !(page.rows.is_empty() && paging.no_embedded_when_empty) {
            out.extend_from_slice(b",\"_embedded\":{\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":[");
            for (at, number) in page.rows.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                row(&mut out, *number);
            }
            out.extend_from_slice(b"]}");
        }
        let told = |count: &usize| !paging.no_count && (paging.count_up_to == 0 || *count <= paging.count_up_to);
        if let Some(count) = page.count.filter(told) {
            out.extend_from_slice(b",\"count\":");
            decimal(&mut out, count as u64, 1);
        }
        if !paging.no_size {
            out.extend_from_slice(b",\"size\":");
            decimal(&mut out, page.rows.len() as u64, 1);
        }
        out.push(b'}');
        Answer {
            rows: page.rows.len(),
            ..Answer::bytes(200, out.into())
        }
    }

    /// The one page of a listing that the service never pages; a fault acts on pages all the same.
    pub(crate) fn whole_page(&self, call: &Call<'_>, rows: Vec<u32>) -> Result<Page, Refusal> {
        if call.fault.is_some() {
            return self.page(&call.ask(), &Rows::Owned(rows), self.options.paging.max_page);
        }
        Ok(Page {
            count: Some(rows.len()),
            rows,
            next: None,
            prev: None,
        })
    }

    /// A listing whose rows are at hand as objects (page shape: pingone-api.md §4).
    pub(crate) fn list_values(&self, call: &Call<'_>, name: &str, values: &[Value]) -> Outcome {
        self.list_asked(call, &call.ask(), name, values)
    }

    /// The same for what is not asked by the query alone.
    pub(crate) fn list_asked(&self, call: &Call<'_>, ask: &Ask<'_>, name: &str, values: &[Value]) -> Outcome {
        let rows = Rows::Range(0..u32::try_from(values.len()).unwrap_or(u32::MAX));
        let page = self.page(ask, &rows, self.options.paging.max_page)?;
        Ok(self.write_page(call, name, &page, 512, |out, number| {
            put_value(out, values.get(number as usize).unwrap_or(&Value::Null));
        }))
    }

    /// 200 with no row (pingone-api.md §4; no `_embedded` G).
    pub(crate) fn empty_list(&self, call: &Call<'_>, name: &str) -> Outcome {
        self.list_values(call, name, &[])
    }

    /// `GET …/users` (pingone-api.md §6.3: limit D/S, filters D?/S, users outside the reach left out G).
    pub(crate) fn list_users(&self, call: &Call<'_>) -> Outcome {
        let rows = match call.filter() {
            None => self.all_users(call),
            Some(text) => match filter::hot(text) {
                Some(hot) => self.hot_users(call, hot)?,
                None => self.filtered_users(call, text)?,
            },
        };
        let page = self.page(&call.ask(), &rows, self.options.paging.max_page_users)?;
        self.check_poison(&page)?;
        let expand = call.includes("expand", "population");
        Ok(self.write_page(call, "users", &page, 2150, |out, number| {
            if expand {
                put_value(out, &self.user_with_population(number));
            } else {
                self.render_user(number, out);
            }
        }))
    }

    /// Point 56 (S): a page with a row that cannot be served fails whole.
    fn check_poison(&self, page: &Page) -> Result<(), Refusal> {
        if !self.users.poisoned.is_empty() && page.rows.iter().any(|row| self.users.poisoned.contains(row)) {
            return Err(Refusal::unexpected());
        }
        Ok(())
    }

    fn all_users(&self, call: &Call<'_>) -> Rows<'_> {
        if call.reach == Reach::All && self.users_untouched() {
            return Rows::Range(0..self.users.next);
        }
        Rows::Owned(
            (0..self.users.next)
                .filter(|number| self.in_view(call, *number))
                .collect(),
        )
    }

    fn in_view(&self, call: &Call<'_>, number: u32) -> bool {
        self.user_listed(number, call.now) && call.reach.covers(self.user_population(number))
    }

    fn hot_users(&self, call: &Call<'_>, hot: Hot<'_>) -> Result<Rows<'_>, Refusal> {
        let list = match hot {
            Hot::Population(id) => Uuid::try_parse(id)
                .ok()
                .and_then(|id| self.population_by_id.get(&id))
                .and_then(|number| self.populations.get(*number as usize))
                .map_or([].as_slice(), |population| population.users.as_slice()),
            Hot::Member(id, direct) => {
                if direct && self.options.filters.refuse_direct {
                    return Err(self.filter_refusal(&Problem::Unsupported("memberOfGroups.type".to_owned())));
                }
                let group = Uuid::try_parse(id).ok().and_then(|id| self.group_number(id));
                group
                    .and_then(|number| self.group(number))
                    .map_or([].as_slice(), |group| {
                        if direct || self.options.filters.plain_means_direct {
                            group.direct_members(self.options.groups.external_members)
                        } else {
                            group.members()
                        }
                    })
            }
        };
        if call.reach == Reach::All && self.users_untouched() {
            return Ok(Rows::List(list));
        }
        Ok(Rows::Owned(
            list.iter()
                .copied()
                .filter(|number| self.in_view(call, *number))
                .collect(),
        ))
    }

    fn filtered_users(&self, call: &Call<'_>, text: &str) -> Result<Rows<'_>, Refusal> {
        let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
        filter::check_users(&parsed, &|name| Self::is_custom_attribute(name))
            .map_err(|problem| self.filter_refusal(&problem))?;
        if filter::memberships(&parsed) > 1 {
            match self.options.access_model.intersections {
                Intersections::Answer => {}
                Intersections::Refuse => {
                    return Err(self.filter_refusal(&Problem::Unsupported("memberOfGroups".to_owned())));
                }
                Intersections::Fail => return Err(Refusal::unexpected()),
            }
        }
        if filter::has_direct(&parsed) && self.options.filters.refuse_direct {
            return Err(self.filter_refusal(&Problem::Unsupported("memberOfGroups.type".to_owned())));
        }
        let fits = |number: &u32| {
            self.in_view(call, *number) && self.filter_fits(&parsed, *number, &self.user_body(*number).into())
        };
        if let Candidates::Of(candidate) = self.single_candidate(&parsed) {
            return Ok(Rows::Owned(candidate.into_iter().filter(fits).collect()));
        }
        Ok(Rows::Owned((0..self.users.next).filter(fits).collect()))
    }

    /// Where the filter demands one id or user name, the only user that can match.
    fn single_candidate(&self, filter: &Filter) -> Candidates {
        match filter {
            Filter::Compare(path, Op::Eq, Literal::Text(text)) if path == "username" => {
                Candidates::Of(self.user_named(text))
            }
            Filter::Compare(path, Op::Eq, Literal::Text(text)) if path == "id" => {
                Candidates::Of(Uuid::try_parse(text).ok().and_then(|id| self.user_number(id)))
            }
            Filter::And(left, right) => match self.single_candidate(left) {
                Candidates::All => self.single_candidate(right),
                found @ Candidates::Of(_) => found,
            },
            _ => Candidates::All,
        }
    }

    /// 400 for a filter (pingone-api.md §3.4, S): `INVALID_FILTER`, or `REQUEST_FAILED` for an attribute that the
    /// schema lacks.
    pub(crate) fn filter_refusal(&self, problem: &Problem) -> Refusal {
        let text = "The request could not be completed. The filter is invalid.";
        match problem {
            Problem::UnknownAttribute(name) => Refusal::new(400, "REQUEST_FAILED", text).detail(
                "INVALID_FILTER",
                Some("filter"),
                &format!("attribute {name} is not defined"),
            ),
            Problem::Syntax => {
                Refusal::new(400, "INVALID_REQUEST", text).detail("INVALID_FILTER", Some("filter"), "is malformed")
            }
            Problem::Unsupported(name) => {
                let code = if self.options.filters.filter_request_failed {
                    "REQUEST_FAILED"
                } else {
                    "INVALID_REQUEST"
                };
                let message = format!("{name} is not supported here");
                let refusal = Refusal::new(400, code, text).detail("INVALID_FILTER", Some("filter"), &message);
                if !self.options.filters.filter_hints {
                    return refusal;
                }
                refusal.inner(
                    json!({"supportedOperators": ["eq", "sw", "and", "or"], "supportedAttributes": ["id", "name"]}),
                )
            }
        }
    }

    /// `GET …/groups` (pingone-api.md §6.7, S; filters D/S).
    pub(crate) fn list_groups(&self, call: &Call<'_>) -> Outcome {
        let listed = |number: &u32| {
            self.group(*number).is_some_and(|group| {
                let all = self.options.access.scoped_worker_sees_all_groups;
                group.listed(call.now) && (all || call.reach.covers(group.population))
            })
        };
        let count = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let rows = match call.filter() {
            None => Rows::Owned((0..count).filter(listed).collect()),
            Some(text) => Rows::Owned(self.filtered_groups(text)?.into_iter().filter(listed).collect()),
        };
        let page = self.page(&call.ask(), &rows, self.options.paging.max_page)?;
        Ok(self.write_page(call, "groups", &page, 1200, |out, number| {
            put_value(out, &self.group_value(number, false));
        }))
    }

    fn filtered_groups(&self, text: &str) -> Result<Vec<u32>, Refusal> {
        let refuse = |problem: &Problem| self.filter_refusal(problem);
        if let Some(Hot::Member(id, direct)) = filter::hot(text) {
            self.nested_filter_allowed(direct)?;
            let mut nested = self.nested_in(id, direct);
            nested.sort_unstable();
            return Ok(nested);
        }
        let parsed = filter::parse(text).map_err(|problem| refuse(&problem))?;
        filter::check_listed(&parsed, &GROUP_FILTERS, true).map_err(|problem| refuse(&problem))?;
        if filter::has_member(&parsed) {
            self.nested_filter_allowed(filter::has_direct(&parsed))?;
        }
        let count = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let fits = |number: &u32| {
            let member = |group: &str, direct: bool| self.nested_in(group, direct).contains(number);
            filter::matches(&parsed, &self.group_value(*number, false), &member)
        };
        Ok((0..count).filter(fits).collect())
    }

    fn nested_filter_allowed(&self, direct: bool) -> Result<(), Refusal> {
        let filters = &self.options.filters;
        if filters.refuse_nested_filter || (direct && filters.refuse_direct) {
            return Err(self.filter_refusal(&Problem::Unsupported("memberOfGroups".to_owned())));
        }
        Ok(())
    }

    /// Groups nested in a group, directly or at any depth.
    fn nested_in(&self, group: &str, direct: bool) -> Vec<u32> {
        let Some(number) = Uuid::try_parse(group).ok().and_then(|id| self.group_number(id)) else {
            return Vec::new();
        };
        if direct || self.options.filters.plain_means_direct {
            return self
                .group(number)
                .map(|group| group.children.clone())
                .unwrap_or_default();
        }
        self.closure(number, |group| &group.children)
            .into_iter()
            .skip(1)
            .collect()
    }

    /// `GET …/populations` (pingone-api.md §6.2, S; filters D).
    pub(crate) fn list_populations(&self, call: &Call<'_>) -> Outcome {
        let parsed = match call.filter() {
            None => None,
            Some(text) => {
                let parsed = filter::parse(text).map_err(|problem| self.filter_refusal(&problem))?;
                filter::check_listed(&parsed, &POPULATION_FILTERS, false)
                    .map_err(|problem| self.filter_refusal(&problem))?;
                Some(parsed)
            }
        };
        let count = u32::try_from(self.populations.len()).unwrap_or(u32::MAX);
        let rows = (0..count).filter(|number| {
            let lives = self
                .populations
                .get(*number as usize)
                .is_some_and(|population| !population.gone);
            lives
                && call.reach.covers(Some(*number))
                && parsed
                    .as_ref()
                    .is_none_or(|parsed| filter::matches(parsed, &self.population_value(*number), &|_, _| false))
        });
        let page = self.page(&call.ask(), &Rows::Owned(rows.collect()), self.options.paging.max_page)?;
        Ok(self.write_page(call, "populations", &page, 900, |out, number| {
            put_value(out, &self.population_value(number));
        }))
    }
}

/// Which users a filter has to be tried on.
enum Candidates {
    All,
    Of(Option<u32>),
}

fn put_href(out: &mut Vec<u8>, href: &str) {
    for byte in href.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"%22"),
            b'\\' => out.extend_from_slice(b"%5C"),
            other => out.push(other),
        }
    }
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"null");
    }
}
