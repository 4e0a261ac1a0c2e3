//! The entitlement graph (c1z.md §11.2, §11.3): repeated edges merge to the widest, rings collapse into one node whose
//! inner edges are dropped, what remains is walked sources first.

use std::collections::{BTreeMap, BTreeSet};

/// What flows along an edge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Edge {
    /// Only principals that hold the source directly.
    pub(super) shallow: bool,
    /// Types of principals; empty is all.
    pub(super) types: BTreeSet<String>,
}

impl Edge {
    /// The widest of both: unfiltered beats filtered, deep beats shallow, filters unite.
    fn widen(&mut self, other: Self) {
        self.shallow &= other.shallow;
        if self.types.is_empty() || other.types.is_empty() {
            self.types.clear();
        } else {
            self.types.extend(other.types);
        }
    }
}

/// Entitlements by number and what flows between them.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// By source, then destination.
    edges: BTreeMap<(u32, u32), Edge>,
    size: usize,
}

/// The graph without rings.
#[derive(Debug, Default)]
pub(super) struct Condensed {
    /// Entitlements of each node.
    pub(super) members: Vec<Vec<u32>>,
    /// What flows into each node, by source node.
    pub(super) incoming: Vec<Vec<(usize, Edge)>>,
    /// Nodes, every source before its destinations.
    pub(super) order: Vec<usize>,
    /// How many rings there were.
    pub(super) rings: usize,
}

impl Condensed {
    /// How many nodes read each node.
    pub(super) fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.members.len()];
        for (source, _) in self.incoming.iter().flatten() {
            if let Some(count) = readers.get_mut(*source) {
                *count += 1;
            }
        }
        readers
    }
}

impl Graph {
    /// Adds an edge; a repeated one is merged.
    pub(super) fn add(&mut self, source: u32, destination: u32, edge: Edge) {
        match self.edges.get_mut(&(source, destination)) {
            Some(known) => known.widen(edge),
            None => {
                self.edges.insert((source, destination), edge);
            }
        }
        let highest = usize::try_from(source.max(destination)).unwrap_or(usize::MAX);
        self.size = self.size.max(highest.saturating_add(1));
    }

    pub(super) fn reserve(&mut self, size: usize) {
        self.size = self.size.max(size);
    }

    /// Collapses rings and orders the rest.
    pub(super) fn condense(&self) -> Condensed {
        let component = self.components();
        let count = component.iter().map(|node| node + 1).max().unwrap_or(0);
        let mut members = vec![Vec::new(); count];
        for (entitlement, node) in component.iter().enumerate() {
            if let (Some(list), Ok(entitlement)) = (members.get_mut(*node), u32::try_from(entitlement)) {
                list.push(entitlement);
            }
        }
        let node_of = |entitlement: u32| {
            usize::try_from(entitlement)
                .ok()
                .and_then(|at| component.get(at))
                .copied()
                .unwrap_or_default()
        };
        let mut between: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
        let mut ringed: BTreeSet<usize> = BTreeSet::new();
        for ((source, destination), edge) in &self.edges {
            let (from, to) = (node_of(*source), node_of(*destination));
            if from == to {
                ringed.insert(from);
                continue;
            }
            match between.get_mut(&(to, from)) {
                Some(known) => known.widen(edge.clone()),
                None => {
                    between.insert((to, from), edge.clone());
                }
            }
        }
        let mut incoming = vec![Vec::new(); count];
        for ((to, from), edge) in between {
            if let Some(list) = incoming.get_mut(to) {
                list.push((from, edge));
            }
        }
        let order = order(&incoming, &members);
        Condensed {
            members,
            incoming,
            order,
            rings: ringed.len(),
        }
    }

    /// The strongly connected component of each entitlement (Tarjan's algorithm, without recursion).
    fn components(&self) -> Vec<usize> {
        let mut next = vec![Vec::new(); self.size];
        for (source, destination) in self.edges.keys() {
            let to = usize::try_from(*destination).unwrap_or_default();
            if let Some(list) = usize::try_from(*source).ok().and_then(|from| next.get_mut(from)) {
                list.push(to);
            }
        }
        let mut search = Search {
            index: vec![None; self.size],
            low: vec![0; self.size],
            on_stack: vec![false; self.size],
            component: vec![0; self.size],
            stack: Vec::new(),
            counter: 0,
            components: 0,
        };
        for root in 0..self.size {
            search.visit(root, &next);
        }
        search.component
    }
}

struct Search {
    index: Vec<Option<usize>>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    component: Vec<usize>,
    stack: Vec<usize>,
    counter: usize,
    components: usize,
}

impl Search {
    fn enter(&mut self, node: usize) {
        set(&mut self.index, node, Some(self.counter));
        set(&mut self.low, node, self.counter);
        set(&mut self.on_stack, node, true);
        self.stack.push(node);
        self.counter += 1;
    }

    fn visit(&mut self, root: usize, next: &[Vec<usize>]) {
        if self.index.get(root).copied().flatten().is_some() {
            return;
        }
        self.enter(root);
        let mut path = vec![(root, 0)];
        while let Some((node, at)) = path.last_mut() {
            let node = *node;
            let Some(child) = next.get(node).and_then(|list| list.get(*at)).copied() else {
                path.pop();
                self.leave(node);
                if let Some((parent, _)) = path.last() {
                    let low = self.low.get(node).copied().unwrap_or_default();
                    self.lower(*parent, low);
                }
                continue;
            };
            *at += 1;
            match self.index.get(child).copied().flatten() {
                None => {
                    self.enter(child);
                    path.push((child, 0));
                }
                Some(index) if self.on_stack.get(child) == Some(&true) => self.lower(node, index),
                Some(_) => {}
            }
        }
    }

    fn lower(&mut self, node: usize, to: usize) {
        if let Some(low) = self.low.get_mut(node) {
            *low = (*low).min(to);
        }
    }

    fn leave(&mut self, node: usize) {
        if self.low.get(node).copied() != self.index.get(node).copied().flatten() {
            return;
        }
        while let Some(member) = self.stack.pop() {
            set(&mut self.on_stack, member, false);
            set(&mut self.component, member, self.components);
            if member == node {
                break;
            }
        }
        self.components += 1;
    }
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

/// Sources first; of several that are ready the one with the smallest entitlement number, so that the order depends on
/// the graph alone.
fn order(incoming: &[Vec<(usize, Edge)>], members: &[Vec<u32>]) -> Vec<usize> {
    let mut outgoing = vec![Vec::new(); incoming.len()];
    let mut waits: Vec<usize> = incoming.iter().map(Vec::len).collect();
    for (to, sources) in incoming.iter().enumerate() {
        for (from, _) in sources {
            if let Some(list) = outgoing.get_mut(*from) {
                list.push(to);
            }
        }
    }
    let key = |node: usize| {
        (
            members
                .get(node)
                .and_then(|list| list.first())
                .copied()
                .unwrap_or(u32::MAX),
            node,
        )
    };
    let ready = waits.iter().enumerate().filter(|(_, count)| **count == 0);
    let mut ready: BTreeSet<(u32, usize)> = ready.map(|(node, _)| key(node)).collect();
    let mut order = Vec::with_capacity(incoming.len());
    while let Some((_, node)) = ready.pop_first() {
        order.push(node);
        for to in outgoing.get(node).into_iter().flatten() {
            if let Some(count) = waits.get_mut(*to) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(key(*to));
                }
            }
        }
    }
    order
}
