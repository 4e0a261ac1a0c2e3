//! The event feed over PingOne's audit activities (connector-model.md §7.8, c1-protocol.md §9.7).
//!
//! Stateless: everything that the next page needs is in the cursor. An activity is handed out at least once, also one
//! that is recorded up to a minute late, and almost always exactly once. A failed read is an error and never an empty
//! page. Our own writes are left out: C1 asked for them.

mod applications;
mod cursor;
mod page;
mod translate;
mod window;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::{Timestamp, ToSpan as _};
use tokio_util::sync::CancellationToken;

use crate::provision::read_error;
use baton::task::{Code, EventFeed, EventFeedInfo, EventPage, EventQuery, EventType, TaskError};
use pingone::{Budget, Client, Known};

use applications::KnownApplications;
use cursor::{Cursor, Position};
use page::Gathered;
use translate::Places;
use window::Window;

/// The feed's id.
pub const FEED_ID: &str = "pingone_audit";
/// What the feed gives, in the order of the numbers on the wire.
const EVENT_TYPES: &[EventType] = &[
    EventType::Usage,
    EventType::ResourceChange,
    EventType::CreateGrant,
    EventType::CreateRevoke,
];
/// Events on a page when C1 names no number.
const DEFAULT_PAGE_SIZE: u32 = 100;
/// Activities asked for at a time, PingOne's own default.
const ACTIVITY_PAGE: u32 = 100;
/// Where a feed begins that is asked for neither a cursor nor a time (c1-protocol.md §12.2).
const DEFAULT_START_HOURS: i64 = 24;

/// Reads PingOne's audit activities.
#[derive(Debug, Clone)]
pub struct AuditFeed {
    client: Client,
    /// Set where applications are synced, all of them.
    applications: Option<KnownApplications>,
}

impl AuditFeed {
    /// A feed over the client's environment.
    pub fn new(client: &Client) -> Self {
        Self {
            client: client.with_budget(Budget::PROVISION),
            applications: None,
        }
    }

    /// The same feed, whose sign-ons name the application: for where a sync has all of them, and nowhere else.
    #[must_use]
    pub fn naming_applications(mut self, all_are_synced: bool) -> Self {
        self.applications = all_are_synced.then(KnownApplications::default);
        self
    }

    async fn page(&self, query: EventQuery) -> Result<EventPage, TaskError> {
        if query.feed_id != FEED_ID {
            let message = format!(
                "event feed \"{}\" not found: the only feed is \"{FEED_ID}\"",
                query.feed_id
            );
            return Err(TaskError::new(Code::NotFound, message));
        }
        let now = Timestamp::now();
        let cursor = self.start(&query, now)?;
        let size = match query.page_size {
            0 => DEFAULT_PAGE_SIZE,
            asked => asked,
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let now_ms = now.as_millisecond();
        let mut window = Window::first(&cursor, now_ms);
        let gathered = loop {
            match self.read(&window, &cursor, size).await? {
                Some(gathered) => break gathered,
                None => window = window.narrowed(),
            }
        };
        let left_out = gathered.left_out();
        let (events, next, has_more) = gathered.finish(&window, now_ms);
        tracing::debug!(events = events.len(), left_out, has_more, "audit activities were read");
        Ok(EventPage {
            events,
            cursor: next.encode(),
            has_more,
        })
    }

    /// Where to continue: the cursor wins over the time. Neither can lie before what PingOne keeps.
    fn start(&self, query: &EventQuery, now: Timestamp) -> Result<Cursor, TaskError> {
        let oldest_ms = window::oldest_ms(now.as_millisecond());
        let cursor = match (&query.cursor, query.start_at) {
            (Some(text), _) => Cursor::decode(text).ok_or_else(|| {
                let message = format!(
                    "the cursor is not one of feed \"{FEED_ID}\": ask without a cursor, with a start time instead"
                );
                TaskError::new(Code::InvalidArgument, message)
            })?,
            (None, Some(at)) => Cursor::starting(at.as_millisecond()),
            (None, None) => {
                let at = now.checked_sub(DEFAULT_START_HOURS.hours()).unwrap_or(now);
                Cursor::starting(at.as_millisecond())
            }
        };
        if cursor.floor().at_ms >= oldest_ms {
            return Ok(cursor);
        }
        tracing::warn!(
            environment = self.client.environment_id(),
            "PingOne no longer keeps activities that old; the feed starts at the oldest that it has. Run a full sync"
        );
        Ok(Cursor::starting(oldest_ms))
    }

    /// Reads a window, once more where a page stands in for another one. `None`: it holds too much for one page and should be
    /// narrowed.
    async fn read(&self, window: &Window, cursor: &Cursor, size: usize) -> Result<Option<Gathered>, TaskError> {
        let own_client = self.client.client_id();
        let applications = match &self.applications {
            Some(known) => known.ids(&self.client).await.map_err(|error| read_error(&error))?,
            None => Arc::default(),
        };
        let places = Places {
            environment: self.client.environment_id(),
            applications: &applications,
        };
        let mut gathered = Gathered::new(cursor, size);
        let list = || self.client.activities(&window.filter(), ACTIVITY_PAGE);
        let (mut pages, mut again) = (list(), false);
        let mut read = 0u32;
        loop {
            let more = pages
                .next_new(Known::Always, Position::of, |activity| {
                    let Some(position) = Position::of(&activity) else {
                        tracing::warn!("an audit activity without id or time was left out");
                        return;
                    };
                    gathered.offer(position, || translate::event(&activity, &places, &own_client));
                })
                .await
                .map_err(|error| read_error(&error))?;
            if more.is_none() {
                if !pages.is_repeated() {
                    gathered.pages = read;
                    return Ok(Some(gathered));
                }
                if again {
                    return Err(read_error(&pages.repetition()));
                }
                (pages, again) = (list(), true);
                continue;
            }
            read = read.saturating_add(1);
            if window.is_too_much(read) {
                return Ok(None);
            }
        }
    }
}

impl EventFeed for AuditFeed {
    fn feeds(&self) -> BoxFuture<'_, Result<Vec<EventFeedInfo>, TaskError>> {
        Box::pin(async {
            Ok(vec![EventFeedInfo {
                id: FEED_ID,
                event_types: EVENT_TYPES,
            }])
        })
    }

    fn events(&self, query: EventQuery, token: CancellationToken) -> BoxFuture<'_, Result<EventPage, TaskError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = token.cancelled() => Err(TaskError::cancelled("reading the event feed was cancelled")),
                page = self.page(query) => page,
            }
        })
    }
}
