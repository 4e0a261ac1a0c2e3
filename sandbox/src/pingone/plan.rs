//! What each generated group is and how many members it gets, so that the directory adds up to what was asked for.

use super::generate::{DEPARTMENTS, People, Spec, stream, threshold};
use super::ids::draw;

/// What a generated group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Plain,
    Filtered,
    External,
    Nested,
    Admin,
}

/// Which group is what, and how many members each gets.
pub(super) struct Plan {
    parts: Vec<Part>,
    sizes: Vec<u64>,
    pub(super) chains: Vec<[u32; 3]>,
    pub(super) rings: Vec<Vec<u32>>,
    pub(super) admins: Vec<u32>,
}

impl Plan {
    pub(super) fn new(spec: &Spec) -> Self {
        let mut order: Vec<u32> = (0..spec.groups).collect();
        order.sort_by_key(|number| draw(spec.seed, stream::GROUP_RANK, (*number).into()));
        let mut rest = order.into_iter();
        let mut parts = vec![Part::Plain; spec.groups as usize];
        let count =
            |share: f64| usize::try_from(threshold(share) * u64::from(spec.groups) / 1_000_000_000).unwrap_or(0);
        let mut take = |count: usize, part: Part| -> Vec<u32> {
            let taken: Vec<u32> = rest.by_ref().take(count).collect();
            for number in &taken {
                if let Some(slot) = parts.get_mut(*number as usize) {
                    *slot = part;
                }
            }
            taken
        };
        take(count(spec.filtered_groups), Part::Filtered);
        take(count(spec.external_groups), Part::External);
        let chained = take(count(spec.nested_groups) * 3, Part::Nested);
        let chains = chained.as_chunks().0.to_vec();
        let mut ring = |part: Part| Some(take(3, part)).filter(|ring| ring.len() == 3);
        let mut rings: Vec<Vec<u32>> = (0..spec.rings).filter_map(|_| ring(Part::Nested)).collect();
        rings.extend((0..spec.dynamic_rings).filter_map(|_| ring(Part::Filtered)));
        let admins = if spec.users_with_roles > 0.0 {
            spec.groups.div_ceil(500) as usize
        } else {
            0
        };
        let admins = take(admins, Part::Admin);
        let sizes = sizes(spec, &parts, &chains);
        Self {
            parts,
            sizes,
            chains,
            rings,
            admins,
        }
    }

    pub(super) fn role(&self, number: u32) -> Part {
        self.parts.get(number as usize).copied().unwrap_or(Part::Plain)
    }

    pub(super) fn size(&self, number: u32) -> u64 {
        self.sizes.get(number as usize).copied().unwrap_or(0)
    }
}

/// Whether a plain group belongs to one population.
pub(super) fn is_local(spec: &Spec, number: u32) -> bool {
    (draw(spec.seed, stream::GROUP_TRAIT, number.into()) >> 16).is_multiple_of(8)
}

/// Members per group, so that all memberships together, inherited ones included, come close to the wanted number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes below 2^32"
)]
fn sizes(spec: &Spec, parts: &[Part], chains: &[[u32; 3]]) -> Vec<u64> {
    let weights = weights(spec, parts);
    let users = f64::from(spec.users);
    let local = users / f64::from(spec.populations.max(1));
    let total = spec.memberships_per_user * users;
    let dynamic = if parts.contains(&Part::Filtered) {
        total * spec.dynamic_share
    } else {
        0.0
    };
    let mut scales = [1.0, 1.0];
    let size = |number: usize, scales: [f64; 2]| -> f64 {
        let weight = weights.get(number).copied().unwrap_or(0.0);
        let plain = parts.get(number) == Some(&Part::Plain);
        let cap = if plain && u32::try_from(number).is_ok_and(|number| is_local(spec, number)) {
            local
        } else {
            users
        };
        match parts.get(number) {
            Some(Part::Admin) => (3.0 + weight * 4.0).min(cap),
            Some(Part::Filtered) => (weight * scales[0]).min(cap),
            _ => (weight * scales[1]).min(cap),
        }
    };
    // Caps and overlaps make the sum sag below the scale, so the scale is drawn up a few times.
    for _ in 0..12 {
        let sum = |filtered: bool| -> f64 {
            let numbers = (0..parts.len()).filter(|number| (parts.get(*number) == Some(&Part::Filtered)) == filtered);
            numbers.map(|number| size(number, scales)).sum()
        };
        let inherited: f64 = chains
            .iter()
            .map(|chain| inherited(chain.map(|n| size(n as usize, scales)), users))
            .sum();
        scales = [
            scales[0] * dynamic / sum(true).max(1e-9),
            scales[1] * (total - dynamic) / (sum(false) + inherited).max(1e-9),
        ];
    }
    (0..parts.len())
        .map(|number| size(number, scales).round() as u64)
        .collect()
}

/// How many members the two upper groups of a chain get from below, on average.
fn inherited([top, middle, bottom]: [f64; 3], users: f64) -> f64 {
    let free = |size: f64| 1.0 - size / users.max(1.0);
    let union_middle = users * (1.0 - free(middle) * free(bottom));
    let union_top = users * (1.0 - free(top) * free(middle) * free(bottom));
    union_middle - middle + union_top - top
}

/// How large each group is beside the others of its kind.
#[expect(clippy::cast_precision_loss, reason = "below 1000")]
fn weights(spec: &Spec, parts: &[Part]) -> Vec<f64> {
    let drawn = |number: usize| (draw(spec.seed, stream::GROUP_WEIGHT, number as u64) % 1000) as f64 / 1000.0;
    let weight = |(number, part): (usize, &Part)| match part {
        Part::Filtered => 0.5 + drawn(number),
        Part::Admin => drawn(number),
        _ => 0.25 + 4.0 * drawn(number).powi(3),
    };
    parts.iter().enumerate().map(weight).collect()
}

/// Users by department.
pub(super) struct Departments {
    members: Vec<Vec<u32>>,
}

impl Departments {
    pub(super) fn new(people: &People) -> Self {
        let mut members = vec![Vec::new(); usize::try_from(DEPARTMENTS).unwrap_or(0)];
        for user in 0..people.count {
            if let Some(list) = usize::try_from(people.department(user))
                .ok()
                .and_then(|at| members.get_mut(at))
            {
                list.push(user);
            }
        }
        Self { members }
    }

    pub(super) fn range(&self, first: u64, end: u64) -> Vec<u32> {
        let (first, end) = (usize::try_from(first).unwrap_or(0), usize::try_from(end).unwrap_or(0));
        let mut all = self.members.get(first..end).unwrap_or_default().concat();
        all.sort_unstable();
        all
    }
}

/// A user filter for the departments `first..end`, as few prefixes as it takes.
pub(super) fn department_filter(first: u64, end: u64) -> String {
    let mut parts = Vec::new();
    let mut at = first;
    while at < end {
        if at.is_multiple_of(100) && at + 100 <= end {
            parts.push(format!("department sw \"D-{}\"", at / 100));
            at += 100;
        } else if at.is_multiple_of(10) && at + 10 <= end {
            parts.push(format!("department sw \"D-{:02}\"", at / 10));
            at += 10;
        } else {
            parts.push(format!("department eq \"D-{at:03}\""));
            at += 1;
        }
    }
    parts.join(" or ")
}
