//! Reads the activities since a time, completely or not at all (pingone-api.md §6.11). Whatever is odd about them is a gap.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hasher;
use std::time::Duration;

use jiff::Timestamp;

use super::record::Seconds;
use super::rules::OVERLAP;
use super::touched::Touched;
use pingone::types::Activity;
use pingone::{Budget, Client, PingOneError};
use process::error::ErrorClass;

/// How far back PingOne answers, less an hour for the reading.
pub(crate) const KEPT: Seconds = 14 * 86_400 - 3_600;
/// Activities asked for at a time, PingOne's own default.
const PAGE: u32 = 100;
/// A sync does not wait longer for them.
const PATIENCE: Budget = Budget(Duration::from_mins(3));

/// Why the activities prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Our client may not read them.
    Forbidden,
    /// They could not be read.
    Unavailable,
    /// Something else answered, or a page was no page.
    Foreign,
    /// There are fewer than the list says, or one is missing that was there before.
    Incomplete,
    /// There are none at all, which is what a list looks like that was narrowed.
    Unproved,
    /// What is kept of them does not reach back far enough.
    Retention,
    /// PingOne's clock or ours was set, or PingOne tells no time.
    Clock,
    /// Reading them costs more than it saves.
    TooMany,
}

impl Gap {
    pub(crate) const ALL: [Self; 8] = [
        Self::Forbidden,
        Self::Unavailable,
        Self::Foreign,
        Self::Incomplete,
        Self::Unproved,
        Self::Retention,
        Self::Clock,
        Self::TooMany,
    ];

    /// The label in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Foreign => "foreign",
            Self::Incomplete => "incomplete",
            Self::Unproved => "unproved",
            Self::Retention => "retention",
            Self::Clock => "clock",
            Self::TooMany => "too_many",
        }
    }

    fn of(error: &PingOneError) -> Self {
        match error.class() {
            ErrorClass::Forbidden => Self::Forbidden,
            ErrorClass::Corrupt | ErrorClass::Rejected | ErrorClass::NotFound => Self::Foreign,
            _ => Self::Unavailable,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "our client may not read audit activities; give the application a role that may",
            Self::Unavailable => "audit activities could not be read",
            Self::Foreign => "what answered for audit activities is no list of them",
            Self::Incomplete => "audit activities are missing from their list",
            Self::Unproved => "there is not one audit activity, so nothing proves that all are listed",
            Self::Retention => "audit activities are not kept as long as the last sync is ago",
            Self::Clock => "PingOne's clock or ours was set, or PingOne tells no time",
            Self::TooMany => "reading the audit activities would cost more than it saves",
        })
    }
}

/// Activities of a stretch of time, all of them.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    pub(crate) touched: Touched,
    /// How many were read.
    pub(crate) read: u64,
    /// The newest one.
    pub(crate) newest: Option<(u64, Seconds)>,
}

impl Trail {
    fn keep_newest(&mut self, id: Option<u64>, at: Seconds) {
        if let Some(id) = id
            && self.newest.is_none_or(|(_, newest)| at > newest)
        {
            self.newest = Some((id, at));
        }
    }
}

/// An activity's id as a number.
fn digest(id: &str) -> u64 {
    // Without keys, so that it is the same in the next process.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(id.to_ascii_lowercase().as_bytes());
    hasher.finish()
}

/// Seconds of a time, for times that fit.
pub(crate) fn seconds(at: Timestamp) -> Seconds {
    Seconds::try_from(at.as_second()).unwrap_or(0)
}

fn since(from: Seconds) -> String {
    let at = Timestamp::from_second(i64::from(from)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("recordedAt ge \"{at:.3}\"")
}

/// Reads what was recorded from `began` less the overlap until `now`. `newest` must be among it. At most `pages_most` requests.
pub(crate) async fn read(
    client: &Client,
    (began, now): (Seconds, Seconds),
    newest: Option<(u64, Seconds)>,
    pages_most: u64,
) -> Result<Trail, Gap> {
    let (oldest, from) = (now.saturating_sub(KEPT), began.saturating_sub(OVERLAP));
    if began > now || from < oldest {
        return Err(if began > now { Gap::Clock } else { Gap::Retention });
    }
    // The last activity that was seen lies at the beginning, so that a list without it is known to lack something.
    let known = newest.filter(|(_, at)| *at >= oldest);
    let from = known.map_or(from, |(_, at)| from.min(at));
    let client = client.with_budget(PATIENCE);
    let mut trail = Trail::default();
    let (mut found_known, mut told, mut pages) = (known.is_none(), None, 0);
    let (mut foreign, mut full) = (false, false);
    let mut seen = HashSet::<u64>::new();
    let mut list = client.activities(&since(from), PAGE);
    loop {
        let mut ids = Vec::new();
        let page = list.next_with(|activity| {
            let (id, at) = place(&activity, now);
            ids.push(id);
            foreign |= is_before(at, from);
            found_known |= known.is_some_and(|(known, _)| Some(known) == id);
            trail.keep_newest(id, at);
            trail.touched.note(&activity, at);
        });
        let Some(page) = page.await.map_err(|error| gap(&error))? else {
            break;
        };
        if page.restarted {
            (told, trail.read) = (None, 0);
            seen.clear();
        }
        // One that an earlier page had, or that has no id to tell, stands for no other; what the list names twice it counts
        // twice.
        let fresh = ids.iter().flatten().filter(|id| !seen.contains(id)).count();
        seen.extend(ids.iter().flatten());
        trail.read += u64::try_from(fresh).unwrap_or(u64::MAX);
        let may_have_moved = page.items == 1 && page.count.is_some();
        if page.items > 0 && fresh == 0 && !may_have_moved {
            // The same page twice stands where another one should.
            return Err(Gap::Incomplete);
        }
        // What comes while they are read belongs to the next sync.
        told = told.or(page.count);
        if foreign {
            // The filter was not applied, so nothing says that what it asks for is among them.
            return Err(Gap::Foreign);
        }
        full = page.items >= PAGE as usize;
        pages += 1;
        if pages > pages_most || trail.touched.is_too_much() {
            return Err(Gap::TooMany);
        }
    }
    // After a full page without a count another one may be missing.
    if !found_known || told.map_or(full, |told| told > trail.read) {
        return Err(Gap::Incomplete);
    }
    trail.newest = trail.newest.or(known);
    if trail.read > 0 || lives(&client, oldest).await? {
        Ok(trail)
    } else {
        Err(Gap::Unproved)
    }
}

fn gap(error: &PingOneError) -> Gap {
    let gap = Gap::of(error);
    tracing::debug!(error = %error, gap = gap.as_str(), "audit activities were not read");
    gap
}

/// Whether anything at all was recorded lately.
async fn lives(client: &Client, oldest: Seconds) -> Result<bool, Gap> {
    let mut list = client.activities(&since(oldest), PAGE);
    let mut foreign = false;
    let page = list.next_with(|activity| foreign |= is_before(place(&activity, oldest).1, oldest));
    let page = page.await.map_err(|error| gap(&error))?;
    if foreign {
        return Err(Gap::Foreign);
    }
    Ok(page.is_some_and(|page| page.items > 0))
}

/// Whether something happened before the time that was asked for. The time of the record may be missing, and what stands in
/// its place is some milliseconds off.
fn is_before(at: Seconds, from: Seconds) -> bool {
    at.saturating_add(1) < from
}

/// Id and time; one without a time counts as happening now.
fn place(activity: &Activity, now: Seconds) -> (Option<u64>, Seconds) {
    let at = activity.recorded_at.or(activity.created_at).map_or(now, seconds);
    (activity.id.as_deref().map(digest), at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pingone::{ClientConfig, Credentials, Region};
    use sandbox::pingone::{Fault, FaultAction, Options, Server, start};
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;

    fn client(server: &Server) -> Client {
        let config = ClientConfig {
            region: Region::Eu,
            api_url: Some(server.api_url()),
            auth_url: Some(server.auth_url()),
            environment_id: server.environment_id(),
            auth_environment_id: server.environment_id(),
            rate_limit: 100_000,
            max_in_flight: 1,
            insecure: false,
            timeout: Duration::from_secs(30),
        };
        let credentials = Credentials::with_secret(server.client_id().to_string(), server.client_secret().into());
        Client::new(&config, watch::channel(Arc::new(credentials)).1, None).unwrap()
    }

    #[tokio::test]
    async fn what_came_again_or_has_no_id_is_no_activity_of_its_own() {
        let mut options = Options::default();
        options.paging.no_count = true;
        options.paging.max_page = 1;
        let server = start(options).await.unwrap();
        for age in 1..=3 {
            server.add_activity(&json!({"action": {"type": "USER.UPDATED"}}), Duration::from_secs(age));
        }
        let client = client(&server);
        let now = seconds(Timestamp::now());
        let read = || read(&client, (now - 60, now), None, 100);
        assert_eq!(read().await.unwrap().read, 3);
        server.set_faults(vec![
            Fault::on("GET", "*/activities", FaultAction::RepeatPage).query("cursor"),
        ]);
        assert_eq!(read().await.unwrap_err(), Gap::Incomplete);
        let nameless = json!({"recordedAt": Timestamp::now().to_string(), "action": {"type": "USER.UPDATED"}});
        let page = json!({"_links": {}, "_embedded": {"activities": [nameless, nameless]}});
        server.set_faults(vec![Fault::on(
            "GET",
            "*/activities",
            FaultAction::Body(page.to_string()),
        )]);
        assert_eq!(read().await.unwrap_err(), Gap::Incomplete);
    }
}
