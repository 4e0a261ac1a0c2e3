//! Who is in the sync: every user's id in listing order, with its population. 16 bytes of id, 2 of population and
//! about 6 of hash table per user (at most 24 are allowed): nothing else of a user stays in memory.

use pingone::id::UserId;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Marks a user whose population is not in the population list.
const NO_POPULATION: u16 = u16::MAX;

/// Users that share a table. A table has room for a power of two less an eighth: filled like this, and many of them,
/// they stay nearly full, and none is copied into one of twice its size.
const PER_TABLE: usize = 3_200;
/// Most users that room is made for in advance; a count is a promise that need not be kept.
const EXPECTED_MOST: usize = 4_000_000;

/// The users of one sync.
#[derive(Debug)]
pub(crate) struct UserIndex {
    ids: Vec<u128>,
    populations: Vec<u16>,
    /// Never empty.
    tables: Vec<HashTable<u32>>,
    hasher: RandomState,
}

impl Default for UserIndex {
    fn default() -> Self {
        Self::for_about(0)
    }
}

impl UserIndex {
    /// An empty index that is at its best with so many users.
    pub(crate) fn for_about(users: u64) -> Self {
        let users = usize::try_from(users).unwrap_or(usize::MAX).min(EXPECTED_MOST);
        Self {
            ids: Vec::with_capacity(users),
            populations: Vec::with_capacity(users),
            tables: (0..=users / PER_TABLE).map(|_| HashTable::new()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The table of a hash: from its middle, because the table itself uses both ends.
    fn table_of(&self, hash: u64) -> usize {
        usize::try_from((hash >> 24) & 0xffff_ffff).unwrap_or(0) % self.tables.len().max(1)
    }

    /// Adds a user. `false` when it is there already (pingone-api.md §4: listings may repeat rows); then its population is
    /// the one of this observation. `population` is the position in the sync's population list.
    pub(crate) fn observe(&mut self, id: UserId, population: Option<usize>) -> bool {
        let id = id.0.as_u128();
        let hash = self.hasher.hash_one(id);
        let position = self.table_of(hash);
        let Self {
            ids, tables, hasher, ..
        } = self;
        let stored = |slot: &u32| usize::try_from(*slot).ok().and_then(|slot| ids.get(slot)).copied();
        let known = |slot: &u32| stored(slot) == Some(id);
        let rehash = |slot: &u32| hasher.hash_one(stored(slot).unwrap_or_default());
        let Some(table) = tables.get_mut(position) else {
            return false;
        };
        let population = population
            .and_then(|position| u16::try_from(position).ok())
            .unwrap_or(NO_POPULATION);
        match table.entry(hash, known, rehash) {
            Entry::Occupied(known) => {
                let slot = usize::try_from(*known.get()).ok();
                if let Some(stored) = slot.and_then(|slot| self.populations.get_mut(slot)) {
                    *stored = population;
                }
                return false;
            }
            Entry::Vacant(vacant) => {
                let Ok(slot) = u32::try_from(ids.len()) else {
                    return false;
                };
                vacant.insert(slot);
            }
        }
        self.ids.push(id);
        self.populations.push(population);
        true
    }

    /// Whether this user is in the sync.
    pub(crate) fn contains(&self, id: UserId) -> bool {
        self.position(id).is_some()
    }

    /// Where this user stands in the listing.
    pub(crate) fn position(&self, id: UserId) -> Option<usize> {
        let id = id.0.as_u128();
        let hash = self.hasher.hash_one(id);
        let is_it = |slot: &u32| usize::try_from(*slot).ok().and_then(|slot| self.ids.get(slot)) == Some(&id);
        let slot = self.tables.get(self.table_of(hash))?.find(hash, is_it)?;
        usize::try_from(*slot).ok()
    }

    /// The position of this user's population.
    pub(crate) fn population(&self, id: UserId) -> Option<usize> {
        let population = *self.populations.get(self.position(id)?)?;
        (population != NO_POPULATION).then_some(usize::from(population))
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Every user with its population's position, in the order of the listing.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UserId, Option<usize>)> + Clone + '_ {
        let position = |population: &u16| (*population != NO_POPULATION).then_some(usize::from(*population));
        let users = self.ids.iter().zip(&self.populations);
        users.map(move |(id, population)| (UserId(uuid::Uuid::from_u128(*id)), position(population)))
    }

    /// How many users each of `populations` populations has.
    pub(crate) fn by_population(&self, populations: usize) -> Vec<u64> {
        let mut counts = vec![0; populations];
        for population in &self.populations {
            if let Some(count) = counts.get_mut(usize::from(*population)) {
                *count += 1;
            }
        }
        counts
    }

    /// How many users are in no population that the sync knows.
    pub(crate) fn outside_populations(&self) -> usize {
        self.populations
            .iter()
            .filter(|population| **population == NO_POPULATION)
            .count()
    }

    /// Takes users out again that vanished while the sync ran.
    pub(crate) fn remove(&mut self, gone: &std::collections::HashSet<UserId>) {
        if gone.is_empty() {
            return;
        }
        let mut rebuilt = Self::for_about(u64::try_from(self.ids.len()).unwrap_or(u64::MAX));
        for (id, population) in self.ids.iter().zip(&self.populations) {
            let id = UserId(uuid::Uuid::from_u128(*id));
            if !gone.contains(&id) {
                rebuilt.observe(id, (*population != NO_POPULATION).then_some(usize::from(*population)));
            }
        }
        *self = rebuilt;
    }

    /// The users by population, then id: what population grants are written from. Drops the hash tables first, so
    /// that the order costs no more memory than they did; `contains` answers no from here on.
    pub(crate) fn into_population_order(self) -> PopulationOrder {
        let Self {
            ids,
            populations,
            tables,
            ..
        } = self;
        drop(tables);
        let mut order: Vec<u32> = (0..u32::try_from(ids.len()).unwrap_or(u32::MAX)).collect();
        let key = |slot: &u32| {
            let slot = usize::try_from(*slot).unwrap_or(usize::MAX);
            (
                populations.get(slot).copied().unwrap_or(NO_POPULATION),
                ids.get(slot).copied().unwrap_or_default(),
            )
        };
        order.sort_unstable_by_key(key);
        PopulationOrder {
            ids,
            populations,
            order,
        }
    }
}

/// The users of a sync ordered by population, then id.
#[derive(Debug)]
pub(crate) struct PopulationOrder {
    ids: Vec<u128>,
    populations: Vec<u16>,
    order: Vec<u32>,
}

impl PopulationOrder {
    /// Every user with its population's position, `None` last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<usize>, UserId)> + '_ {
        self.order.iter().filter_map(|slot| {
            let slot = usize::try_from(*slot).ok()?;
            let population = *self.populations.get(slot)?;
            let id = UserId(uuid::Uuid::from_u128(*self.ids.get(slot)?));
            Some(((population != NO_POPULATION).then_some(usize::from(population)), id))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_user_seen_before_is_no_second_one_and_the_last_population_counts() {
        // However many were promised.
        for promised in [0, 1, 5_000, 10_000, 100_000, u64::MAX] {
            let mut index = UserIndex::for_about(promised);
            for n in 0..10_000 {
                assert!(index.observe(user(n), Some(0)));
            }
            assert!((0..10_000).all(|n| !index.observe(user(n), Some(1))));
            assert_eq!(index.len(), 10_000);
            assert_eq!(
                (index.by_population(2), index.outside_populations()),
                (vec![0, 10_000], 0)
            );
            assert!((0..10_000).all(|n| index.contains(user(n))) && !index.contains(user(10_000)));
        }
    }

    #[test]
    fn tables_stay_nearly_full() {
        let mut index = UserIndex::for_about(200_000);
        for n in 0..200_000_u128 {
            index.observe(user(n << 64), Some(0));
        }
        let bytes: usize = index.tables.iter().map(HashTable::allocation_size).sum();
        assert!(bytes < 200_000 * 7, "{bytes} bytes of table");
    }

    #[test]
    fn orders_by_population_then_id() {
        let mut index = UserIndex::default();
        for (n, population) in [(5, Some(1)), (9, None), (4, Some(1)), (7, Some(0))] {
            index.observe(user(n), population);
        }
        index.remove(&HashSet::from([user(4)]));
        let order: Vec<_> = index.into_population_order().iter().collect();
        assert_eq!(order, [(Some(0), user(7)), (Some(1), user(5)), (None, user(9))]);
    }
}
