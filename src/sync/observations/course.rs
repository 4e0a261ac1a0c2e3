//! Where a sync takes up what others left, and what becomes of it at its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use uuid::Uuid;

use super::keeper::Keeper;
use super::loaded::{Loaded, read_through};
use super::record::Seconds;
use super::rules::{OVERLAP, Rules, Turn};
use super::segment::Head;
use super::store::Store;
use super::tally::{ObservationReport, Tally};
use super::trail::{self, Gap, Trail};
use crate::sync::SyncError;
use crate::sync::options::{ObservationSettings, Reuse, SyncOptions};
use pingone::Client;
use process::error::ErrorClass;

/// Requests that reading the activities may always take.
const PAGES_FEW: u64 = 20;

/// What we wrote ourselves less long ago counts as touched, whether its activity can be read or not.
const OWN_WRITES: Duration = Duration::from_mins(2);

/// What a sync has of observations, until it ends.
#[derive(Debug)]
pub(crate) struct Kept(Option<Arc<Keeper>>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(keeper) = &self.0 {
            keeper.close();
        }
    }
}

/// Takes up what is kept for the sync that begins.
pub(crate) async fn open(client: &Client, options: &SyncOptions, environment: Uuid) -> Kept {
    Kept(found(client, options, environment).await.map(Arc::new))
}

/// `None` where nothing is to be kept, or cannot be.
async fn found(client: &Client, options: &SyncOptions, environment: Uuid) -> Option<Keeper> {
    let settings = options.observations.as_ref().filter(|_| options.is_whole())?;
    if settings.reuse == Reuse::Resume && settings.resume_max_age.is_zero() {
        return None;
    }
    let Some((told, heard)) = client.stats().clock() else {
        tracing::warn!("PingOne tells no time: observations are neither kept nor used");
        return None;
    };
    let client_id = client.client_id();
    let identity = identity(&client_id, options, environment);
    let store = match Store::open(&settings.dir, &identity) {
        Ok(Some(store)) => store,
        Ok(None) => {
            tracing::info!("another sync uses the observations; this one reads everything and keeps none");
            return None;
        }
        Err(error) => {
            tracing::warn!(error = %error, "observations cannot be kept (state-dir); everything is read");
            return None;
        }
    };
    let clock = (trail::seconds(told), heard);
    Some(Box::pin(take_up((client, client_id), settings, store, identity, clock)).await)
}

async fn take_up(
    (client, client_id): (&Client, String),
    settings: &ObservationSettings,
    mut store: Store,
    identity: [u8; 32],
    clock: (Seconds, Instant),
) -> Keeper {
    let now = clock
        .0
        .saturating_add(u32::try_from(clock.1.elapsed().as_secs()).unwrap_or(0));
    let age = match settings.reuse {
        Reuse::Resume => settings.resume_max_age,
        Reuse::Verify | Reuse::All => settings.max_age,
    };
    let max_age = Seconds::try_from(age.as_secs()).unwrap_or(Seconds::MAX);
    let ahead = i64::from(now) - jiff::Timestamp::now().as_second();
    let was_set = store.drop_set(ahead);
    let (stored, times) = read_through(&mut store, now, max_age);
    let last = store.segments.iter().map(|segment| segment.head.began).max();
    let mut tally = Tally::default();
    if was_set {
        tell(Gap::Clock, &mut tally);
    }
    let pages_most = PAGES_FEW.max(u64::try_from(times.len() / 2).unwrap_or(u64::MAX));
    let (touched, newest) = match Box::pin(meanwhile(client, &store, now, pages_most)).await {
        Ok(trail) => {
            tally.activities = trail.read;
            (Some(trail.touched), trail.newest)
        }
        Err(gap) => {
            tell(gap, &mut tally);
            (None, None)
        }
    };
    let rules = Rules {
        now,
        overlap: OVERLAP,
        max_age,
        touched,
    };
    let elapsed = last.map_or(0, |last| now.saturating_sub(last));
    let turn = match settings.reuse {
        Reuse::All => Turn::of(times, elapsed, max_age),
        Reuse::Resume | Reuse::Verify => Turn::default(),
    };
    let head = Head {
        identity,
        began: now,
        ahead,
        newest,
    };
    let out = store.begin(&head);
    if let Err(error) = &out {
        tracing::warn!(error = %error, "observations cannot be written (state-dir)");
    }
    let loaded = Loaded {
        store,
        out: out.ok(),
        stored,
        turn,
        tally,
    };
    let client = (client.clone(), client_id);
    Keeper::new((client, settings.reuse), (clock, pages_most), rules, loaded)
}

/// The activities since the first of the syncs that left something, with what we wrote ourselves just before.
async fn meanwhile(client: &Client, store: &Store, now: Seconds, pages_most: u64) -> Result<Trail, Gap> {
    let Some(first) = store.segments.iter().map(|segment| segment.head.began).min() else {
        return Ok(Trail::default());
    };
    let (asked, newest) = (
        Instant::now(),
        store.segments.iter().find_map(|segment| segment.head.newest),
    );
    let mut trail = trail::read(client, (first, now), newest, pages_most).await?;
    touch_own_writes(client, &mut trail, asked.elapsed(), now);
    Ok(trail)
}

/// What we wrote during this time, or shortly before it, counts as touched.
fn touch_own_writes(client: &Client, trail: &mut Trail, during: Duration, now: Seconds) {
    for id in client.stats().written_within(OWN_WRITES + during) {
        trail.touched.wrote(id, now);
    }
}

fn tell(gap: Gap, tally: &mut Tally) {
    tally.gap = Some(gap);
    tracing::warn!(reason = gap.as_str(), "everything is read again: {gap}");
}

/// A digest of whatever an observation depends on that is no part of the directory.
fn identity(client_id: &str, options: &SyncOptions, environment: Uuid) -> [u8; 32] {
    let text = format!(
        "{environment} {client_id} {:?} {:?} {:?} {:?} {}",
        options.resource_types,
        options.role_scan,
        options.population_filter,
        options.user_filter,
        options.skip_external_groups,
    );
    let mut identity = [0; 32];
    let found = digest::digest(&digest::SHA256, text.as_bytes());
    for (to, from) in identity.iter_mut().zip(found.as_ref()) {
        *to = *from;
    }
    identity
}

impl Kept {
    pub(crate) fn keeper(&self) -> Option<Arc<Keeper>> {
        self.0.clone()
    }

    /// The sync is done.
    pub(crate) async fn finish(&self, client: &Client) -> Option<ObservationReport> {
        let keeper = self.0.as_ref()?;
        if keeper.differs() {
            // What changed while the sync ran, an activity tells.
            let until = keeper.now();
            let meanwhile = trail::read(client, (keeper.began(), until), None, keeper.pages_most());
            match Box::pin(meanwhile).await {
                Ok(mut trail) => {
                    touch_own_writes(client, &mut trail, keeper.ran(), until);
                    keeper.explain(&trail.touched);
                }
                Err(gap) => keeper.leave_unexplained(gap),
            }
        }
        Some(keeper.replace())
    }

    /// The sync failed. What it saw counts where nothing is wrong with the data: it was ended, or somebody was not reached.
    pub(crate) fn fail(&self, error: &SyncError) {
        let ended = matches!(
            error.class(),
            ErrorClass::Cancelled
                | ErrorClass::Transient { .. }
                | ErrorClass::Throttled { .. }
                | ErrorClass::Auth
                | ErrorClass::Local
        );
        if let Some(keeper) = self.0.as_ref().filter(|_| !ended) {
            keeper.discard();
        }
    }
}
