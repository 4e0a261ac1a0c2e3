//! The users: one listing, or in big environments several side by side, one population after the other in each
//! (pingone-api.md §8). The order of rows depends only on the directory: lanes give fixed blocks in turn.

use crate::model::ROLE;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::SyncError;
use super::options::SyncOptions;
use super::population::{PopulationNames, PopulationPlan, UserRow, users_told};
use super::read::Reads;
use super::translate::{Membership, UserRules};
use ::pingone::types::Population;
use process::runtime::spawn::{Task, spawn};

/// Users per turn of a lane: a page, as PingOne documents it.
const BLOCK: usize = 200;
/// Users one after the other of whom none says whether he is enabled, at most.
const SILENT_MOST: usize = 4;
/// Listings side by side, at most.
const LANES: usize = 6;
/// Below this many users one listing is quick enough.
const LANES_FROM_USERS: u64 = 20_000;

/// The lists that are read side by side: in each lane filters one after the other. An absent filter is the whole list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lanes {
    filters: Vec<Vec<Option<String>>>,
    by_population: bool,
    /// A list whose cursor is rejected starts anew by itself.
    restart: bool,
}

impl Lanes {
    /// Every filter.
    pub(crate) fn filters(&self) -> impl Iterator<Item = Option<&str>> {
        self.filters.iter().flatten().map(Option::as_deref)
    }

    /// One list per population.
    pub(crate) const fn is_by_population(&self) -> bool {
        self.by_population
    }

    /// The same, for whom nothing smaller is left to read.
    pub(crate) fn restarting(self) -> Self {
        Self { restart: true, ..self }
    }
}

/// What is read: one list, or in big environments one per population.
pub(crate) fn lanes(populations: &[PopulationPlan], options: &SyncOptions) -> Result<Lanes, SyncError> {
    if options.population_filter.is_empty() && !worth_it(populations, options) {
        return Ok(whole(populations, options));
    }
    by_population(populations, options)
}

/// One list of all that the settings choose, whatever their population.
pub(crate) fn whole(populations: &[PopulationPlan], options: &SyncOptions) -> Lanes {
    Lanes {
        filters: vec![vec![options.extra_filter().map(str::to_owned)]],
        by_population: false,
        restart: populations.len() <= 1,
    }
}

/// One list per population that the settings choose, the largest first.
pub(crate) fn by_population(populations: &[PopulationPlan], options: &SyncOptions) -> Result<Lanes, SyncError> {
    let extra = options.extra_filter();
    let mut by_size = chosen(populations, &options.population_filter, "population-filter")?;
    by_size.sort_by_key(|population| (std::cmp::Reverse(population.user_count.unwrap_or(0)), population.id));
    let mut lanes: Vec<(u64, Vec<Option<String>>)> = vec![(0, Vec::new()); LANES.min(by_size.len()).max(1)];
    for population in by_size {
        if let Some(lane) = lanes.iter_mut().min_by_key(|(load, _)| *load) {
            lane.0 = lane.0.saturating_add(population.user_count.unwrap_or(0).max(1));
            lane.1.push(Some(population_filter(population.id, extra)));
        }
    }
    Ok(Lanes {
        filters: lanes.into_iter().map(|(_, filters)| filters).collect(),
        by_population: true,
        restart: true,
    })
}

fn population_filter(id: Uuid, extra: Option<&str>) -> String {
    match extra {
        Some(extra) => format!("population.id eq \"{id}\" and ({extra})"),
        None => format!("population.id eq \"{id}\""),
    }
}

/// Whether a setting names only populations that are among these, by id or exact name.
pub fn check_populations(populations: &[Population], names: &[String], setting: &'static str) -> Result<(), SyncError> {
    let plan = |population: &Population| PopulationPlan {
        id: population.id,
        name: super::translate::population(population, Membership::Shown).display_name,
        user_count: population.user_count,
    };
    let plans: Vec<_> = populations.iter().map(plan).collect();
    chosen(&plans, names, setting).map(drop)
}

/// The populations that a setting names, by id or exact name; all of them for an empty setting.
pub(crate) fn chosen<'a>(
    populations: &'a [PopulationPlan],
    names: &[String],
    setting: &'static str,
) -> Result<Vec<&'a PopulationPlan>, SyncError> {
    if names.is_empty() {
        return Ok(populations.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let found = populations
            .iter()
            .find(|population| population.id.to_string().eq_ignore_ascii_case(name) || population.name == *name)
            .ok_or_else(|| SyncError::UnknownPopulation {
                setting,
                value: name.clone(),
            })?;
        if !chosen.contains(&found) {
            chosen.push(found);
        }
    }
    Ok(chosen)
}

/// Several lanes cost up to one more request per population: worth it where that is at most a hundredth of all.
fn worth_it(populations: &[PopulationPlan], options: &SyncOptions) -> bool {
    let Some(users) = users_told(populations).filter(|users| *users >= LANES_FROM_USERS && populations.len() > 1)
    else {
        return false;
    };
    let pages = users / 200;
    let scans_everybody = options.has(ROLE)
        && !options.skip_grants
        && !options.skip_entitlements_and_grants
        && options.role_scan == super::options::RoleScan::All;
    let requests = pages.saturating_add(if scans_everybody { users } else { 0 });
    u64::try_from(populations.len()).is_ok_and(|extra| extra.saturating_mul(100) <= requests)
}

/// One row may leave out whether its user is enabled. Where none of several says it, they come from something that hides it.
fn say_whether_enabled(rows: &[UserRow]) -> Result<(), SyncError> {
    if rows.len() > SILENT_MOST && rows.iter().all(|row| !row.has_status) {
        return Err(SyncError::WithoutStatus { users: rows.len() });
    }
    Ok(())
}

/// A block of users, or why there is none.
type Block = Result<Vec<UserRow>, SyncError>;

/// The users of all lanes, in blocks, in the order that the plan gives.
#[derive(Debug)]
pub(crate) struct UserBlocks {
    lanes: Vec<Option<(mpsc::Receiver<Block>, Task<()>)>>,
    next: usize,
    told: Arc<Told>,
}

/// How many users the lists say they hold.
#[derive(Debug, Default)]
struct Told {
    users: AtomicU64,
    /// A list said nothing.
    silent: AtomicBool,
}

impl UserBlocks {
    /// Starts every lane.
    pub(crate) fn start(
        reads: &Arc<Reads>,
        lanes: Lanes,
        names: &Arc<PopulationNames>,
        rules: &Arc<UserRules>,
    ) -> Self {
        let mut started = Vec::new();
        let told = Arc::<Told>::default();
        let restart = lanes.restart;
        for filters in lanes.filters {
            let told = Arc::clone(&told);
            let (sender, receiver) = mpsc::channel(1);
            let (reads, names, rules) = (Arc::clone(reads), Arc::clone(names), Arc::clone(rules));
            let task = spawn(async move {
                if let Err(error) = read_lane(&reads, filters, restart, (&names, &rules), &told, &sender).await {
                    // Nobody listens any more: the sync ended for another reason.
                    sender.send(Err(error)).await.ok();
                }
            });
            started.push(Some((receiver, task)));
        }
        Self {
            lanes: started,
            next: 0,
            told,
        }
    }

    /// How many users the lists say they hold together; `None` where one says nothing. Right after the last block.
    pub(crate) fn told(&self) -> Option<u64> {
        (!self.told.silent.load(Ordering::Relaxed)).then(|| self.told.users.load(Ordering::Relaxed))
    }

    /// The next block, `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        for _ in 0..self.lanes.len() {
            let position = self.next;
            self.next = (self.next + 1) % self.lanes.len();
            let Some(lane) = self.lanes.get_mut(position) else {
                continue;
            };
            if let Some((receiver, _)) = lane {
                if let Some(block) = receiver.recv().await {
                    return Some(block);
                }
                // A lane that panicked is no lane that ended: the panic goes on here.
                if let Some((_, task)) = lane.take() {
                    task.await;
                }
            }
        }
        None
    }
}

async fn read_lane(
    reads: &Reads,
    filters: Vec<Option<String>>,
    restart: bool,
    (names, rules): (&PopulationNames, &UserRules),
    told: &Told,
    sender: &mpsc::Sender<Block>,
) -> Result<(), SyncError> {
    let mut waiting: Vec<UserRow> = Vec::with_capacity(BLOCK);
    for filter in filters {
        let mut pages = reads.users(filter);
        if !restart {
            pages = pages.without_restart();
        }
        let (mut most, mut before) = (None, waiting.len());
        while let Some(page) = reads.next_users(&mut pages, names, rules, &mut waiting).await? {
            say_whether_enabled(waiting.get(before..).unwrap_or_default())?;
            most = if page.restarted {
                page.count
            } else {
                most.max(page.count)
            };
            while waiting.len() >= BLOCK {
                let rest = waiting.split_off(BLOCK);
                let block = std::mem::replace(&mut waiting, rest);
                say_whether_enabled(&block)?;
                if sender.send(Ok(block)).await.is_err() {
                    return Ok(());
                }
            }
            before = waiting.len();
        }
        match most {
            Some(count) => {
                told.users.fetch_add(count, Ordering::Relaxed);
            }
            None => told.silent.store(true, Ordering::Relaxed),
        }
    }
    say_whether_enabled(&waiting)?;
    if !waiting.is_empty() {
        sender.send(Ok(waiting)).await.ok();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn population(n: u128, users: u64) -> PopulationPlan {
        PopulationPlan {
            id: Uuid::from_u128(n),
            name: format!("p{n}"),
            user_count: Some(users),
        }
    }

    fn options() -> SyncOptions {
        SyncOptions::full("t".into(), "f".into())
    }

    #[test]
    fn one_listing_below_the_threshold_and_where_counts_are_missing() {
        let mut populations = vec![population(1, 9_999), population(2, 10_000)];
        assert_eq!(lanes(&populations, &options()).unwrap().filters, [[None]]);
        populations[0].user_count = Some(500_000);
        assert_eq!(lanes(&populations, &options()).unwrap().filters.len(), 2);
        populations[1].user_count = None;
        assert_eq!(lanes(&populations, &options()).unwrap().filters, [[None]]);
        // Counts are PingOne's word and may be anything.
        for population in &mut populations {
            population.user_count = Some(u64::MAX);
        }
        assert_eq!(lanes(&populations, &options()).unwrap().filters.len(), 2);
    }

    #[test]
    fn many_small_populations_are_not_worth_a_request_each() {
        let populations: Vec<_> = (0..2_000).map(|n| population(n, 15)).collect();
        assert_eq!(lanes(&populations, &options()).unwrap().filters.len(), 1);
    }

    #[test]
    fn every_population_is_in_exactly_one_lane() {
        let populations: Vec<_> = (0..40)
            .map(|n| population(n, 25_000 - u64::try_from(n).unwrap()))
            .collect();
        let lanes = lanes(&populations, &options()).unwrap().filters;
        assert_eq!(lanes.len(), LANES);
        let mut filters: Vec<_> = lanes.into_iter().flatten().flatten().collect();
        filters.sort();
        let mut expected: Vec<_> = populations
            .iter()
            .map(|population| format!("population.id eq \"{}\"", population.id))
            .collect();
        expected.sort();
        assert_eq!(filters, expected);
    }

    #[test]
    fn filters_narrow_the_listing_and_must_name_something() {
        let populations = vec![population(1, 5), population(2, 5)];
        let mut options = options();
        options.user_filter = Some("type eq \"Employee\"".to_owned());
        assert_eq!(
            lanes(&populations, &options).unwrap().filters,
            [[Some("type eq \"Employee\"".to_owned())]]
        );
        options.population_filter = vec!["p2".to_owned()];
        let filter = format!("population.id eq \"{}\" and (type eq \"Employee\")", Uuid::from_u128(2));
        assert_eq!(lanes(&populations, &options).unwrap().filters, [[Some(filter)]]);
        options.population_filter = vec!["p3".to_owned()];
        assert!(matches!(
            lanes(&populations, &options),
            Err(SyncError::UnknownPopulation { .. })
        ));
    }
}
