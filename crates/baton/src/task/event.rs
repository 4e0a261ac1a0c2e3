//! The event feed (c1-protocol.md §9.7, connector-model.md §7.8).

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Code, EntitlementRef, ResourceRef, TaskError};

/// Which events a feed gives (`c1.connector.v2.EventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// 1
    Usage,
    /// 4
    ResourceChange,
    /// 5
    CreateGrant,
    /// 6
    CreateRevoke,
}

/// What C1 is told of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFeedInfo {
    pub id: &'static str,
    /// What it gives.
    pub event_types: &'static [EventType],
}

/// What is asked of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// The feed's id; empty means the legacy feed.
    pub feed_id: String,
    /// Where to continue; wins over `start_at`. At most 4096 bytes.
    pub cursor: Option<String>,
    /// Where to start.
    pub start_at: Option<Timestamp>,
    /// At most so many; 0 is our choice. At most 1000.
    pub page_size: u32,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// Somebody used something.
    Usage {
        /// What.
        target: ResourceRef,
        /// Who.
        actor: ResourceRef,
    },
    /// A resource changed.
    ResourceChange {
        /// Which.
        resource: ResourceRef,
    },
    /// Somebody got something.
    CreateGrant {
        /// What.
        entitlement: EntitlementRef,
        /// Who.
        principal: ResourceRef,
    },
    /// Somebody lost something.
    CreateRevoke {
        /// What.
        entitlement: EntitlementRef,
        /// Who.
        principal: ResourceRef,
    },
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: String,
    /// When.
    pub occurred_at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// Where to continue.
    pub cursor: String,
    /// More is there now.
    pub has_more: bool,
}

/// Reads events of the target system.
pub trait EventFeed: Send + Sync {
    /// The feeds; empty when switched off.
    fn feeds(&self) -> BoxFuture<'_, Result<Vec<EventFeedInfo>, TaskError>>;

    /// A page of a feed; an unknown feed is code 5.
    fn events(&self, query: EventQuery, token: CancellationToken) -> BoxFuture<'_, Result<EventPage, TaskError>>;
}

/// The feed is switched off: no feeds, and every one is unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEventFeed;

impl EventFeed for NoEventFeed {
    fn feeds(&self) -> BoxFuture<'_, Result<Vec<EventFeedInfo>, TaskError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn events(&self, query: EventQuery, _: CancellationToken) -> BoxFuture<'_, Result<EventPage, TaskError>> {
        let message = format!(
            "event feed \"{}\" not found: the event feed is switched off",
            query.feed_id
        );
        Box::pin(async { Err(TaskError::new(Code::NotFound, message)) })
    }
}
