//! Prints the events of the feed, oldest first, one line of proto3 JSON each, and ends (c1-protocol.md §12.3). Whether the
//! feed is offered to C1 (`event-feed-enabled`) plays no part.

use std::io::{self, Write as _};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::connect;
use crate::config::{Config, OneShot};
use crate::feed::FEED_ID;
use baton::session::event_json;
use baton::task::{EventFeed as _, EventQuery};

/// Events asked for at a time (c1-protocol.md §12.3).
const PAGE_SIZE: u32 = 100;

/// Prints until there is no more; the log says where the next run goes on.
pub(super) async fn run(config: &Config, cancel: CancellationToken) -> anyhow::Result<u8> {
    let OneShot::EventFeed { feed, cursor, start_at } = config.one_shot.clone() else {
        return Ok(0);
    };
    let (client, _) = connect::pingone(&config.pingone, None)?;
    let events = super::audit_feed(config, &client);
    let mut query = EventQuery {
        feed_id: feed.unwrap_or_else(|| FEED_ID.to_owned()),
        cursor,
        start_at,
        page_size: PAGE_SIZE,
    };
    let mut printed = 0usize;
    loop {
        let page = events.events(query.clone(), cancel.clone()).await?;
        printed = printed.saturating_add(page.events.len());
        let mut lines = String::new();
        for event in page.events {
            lines.push_str(&event_json(event)?.to_string());
            lines.push('\n');
        }
        io::stdout()
            .lock()
            .write_all(lines.as_bytes())
            .context("print the events")?;
        if !page.has_more {
            tracing::info!(
                events = printed,
                cursor = page.cursor,
                "the event feed was read to its end"
            );
            return Ok(0);
        }
        query.cursor = Some(page.cursor);
    }
}
