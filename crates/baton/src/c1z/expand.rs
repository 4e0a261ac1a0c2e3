//! Grant expansion (c1z.md §11): whoever holds a source entitlement also holds the destination. Loads only entitlements
//! that occur in the graph. What it adds comes in an order that depends on the rows alone, whatever engine stores them.

mod graph;

use std::collections::{BTreeMap, HashMap};

use super::C1zError;
use super::principal::Principals;
use crate::wire::stored::{self, StoredExpandable};
use graph::{Condensed, Edge, Graph};

/// What expansion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expanded {
    /// Grants that were added.
    pub created: u64,
    /// Grants that got sources.
    pub updated: u64,
    /// Edges left out because an entitlement is missing.
    pub edges_dropped: u64,
}

/// An entitlement of the graph.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) at: Place,
}

/// Where an entitlement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) resource_type: String,
    pub(super) resource_id: String,
    /// Its number in the store, where the store numbers entitlements.
    pub(super) number: u32,
}

/// An expandable grant, kept in memory from its row on.
#[derive(Debug, Clone)]
pub(super) struct ExpandableGrant {
    /// Its entitlement.
    pub(super) destination: String,
    pub(super) principal_type: String,
    pub(super) principal_id: String,
    pub(super) expandable: StoredExpandable,
}

/// What a row's `GrantExpandable` says.
pub(super) fn expandable(expansion: &[u8]) -> Result<StoredExpandable, C1zError> {
    stored::expandable(expansion).map_err(|error| undecodable("GrantExpandable", &error))
}

/// Where expansion reads grants and puts what it finds.
pub(super) trait GrantStore {
    /// How the store finds a grant again.
    type Row: Copy;

    /// The principals of grants that were handed out.
    fn principals(&self) -> &Principals;
    /// Every expandable grant, in the order of rows.
    fn expandable_grants(&self) -> Vec<ExpandableGrant>;
    /// Says for each wanted entitlement where it is, if it is stored.
    fn find_entitlements(&self, wanted: &mut BTreeMap<String, Option<Place>>) -> Result<(), C1zError>;
    /// The raw grants on an entitlement: row and principal.
    fn own_grants(&mut self, node: &Node) -> Result<Vec<(Self::Row, u32)>, C1zError>;
    /// Merges sources into a grant that is there.
    fn add_sources(
        &mut self,
        node: &Node,
        row: Self::Row,
        principal: u32,
        sources: &Sources<'_>,
    ) -> Result<(), C1zError>;
    /// Adds a grant with these sources.
    fn create(&mut self, node: &Node, principal: u32, sources: &Sources<'_>) -> Result<(), C1zError>;
}

/// A principal that holds an entitlement: 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    principal: u32,
    direct: bool,
}

/// What flows to a principal: the source entitlement, and whether it is held directly there. 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Contribution {
    principal: u32,
    source: u32,
    direct: bool,
}

/// Where a grant comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    nodes: &'a [Node],
    flows: &'a [Contribution],
}

impl<'a> Sources<'a> {
    /// Source entitlements, and whether they are held directly.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a Node, bool)> + use<'a> {
        let nodes = self.nodes;
        self.flows.iter().filter_map(move |one| {
            let node = usize::try_from(one.source).ok().and_then(|at| nodes.get(at))?;
            Some((node, one.direct))
        })
    }

    /// The same by id.
    pub(super) fn ids(&self) -> impl Iterator<Item = (&'a str, bool)> + use<'a> {
        self.iter().map(|(node, direct)| (node.id.as_str(), direct))
    }
}

/// Expands the grants of a store. Once, after every raw grant is in it.
pub(super) fn run<S: GrantStore>(store: &mut S) -> Result<Expanded, C1zError> {
    let mut expanded = Expanded::default();
    let (nodes, graph) = load_graph(store, &mut expanded)?;
    let condensed = graph.condense();
    if condensed.rings > 0 {
        tracing::warn!(
            rings = condensed.rings,
            "groups are nested in rings; members do not flow inside a ring"
        );
    }
    let mut work = Expander {
        store,
        holders: vec![None; nodes.len()],
        left: condensed.readers(),
        nodes,
        condensed,
        expanded,
    };
    for destination in work.condensed.order.clone() {
        work.expand_node(destination)?;
    }
    Ok(work.expanded)
}

/// The edges of every expandable grant whose entitlements exist (c1z.md §11.2).
fn load_graph<S: GrantStore>(store: &S, expanded: &mut Expanded) -> Result<(Vec<Node>, Graph), C1zError> {
    let mut wanted: BTreeMap<String, Option<Place>> = BTreeMap::new();
    let edges = store.expandable_grants();
    for grant in &edges {
        wanted.insert(grant.destination.clone(), None);
        for source in &grant.expandable.entitlement_ids {
            wanted.insert(source.clone(), None);
        }
    }
    store.find_entitlements(&mut wanted)?;
    build(edges, &wanted, expanded)
}

pub(super) fn undecodable(what: &str, error: &dyn std::fmt::Display) -> C1zError {
    C1zError::Invariant {
        invariant: "expansion",
        what: format!("a {what} does not decode: {error}"),
    }
}

/// Nodes by first use, edges by their number. A source must belong to the grant's principal.
fn build(
    edges: Vec<ExpandableGrant>,
    found: &BTreeMap<String, Option<Place>>,
    expanded: &mut Expanded,
) -> Result<(Vec<Node>, Graph), C1zError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut graph = Graph::default();
    let mut number = |id: &str, at: &Place| {
        *numbers.entry(id.to_owned()).or_insert_with(|| {
            nodes.push(Node {
                id: id.to_owned(),
                at: at.clone(),
            });
            u32::try_from(nodes.len() - 1).unwrap_or(u32::MAX)
        })
    };
    for grant in edges {
        let expandable = grant.expandable;
        let at = found.get(&grant.destination).and_then(Option::as_ref);
        for source in expandable.entitlement_ids {
            let (Some(at), Some(from)) = (at, found.get(&source).and_then(Option::as_ref)) else {
                expanded.edges_dropped += 1;
                continue;
            };
            if (&from.resource_type, &from.resource_id) != (&grant.principal_type, &grant.principal_id) {
                let what = format!("source {source} of an expandable grant does not belong to its principal");
                return Err(C1zError::Invariant {
                    invariant: "expansion",
                    what,
                });
            }
            let edge = Edge {
                shallow: expandable.shallow,
                types: expandable.resource_type_ids.clone(),
            };
            let (source, destination) = (number(&source, from), number(&grant.destination, at));
            graph.add(source, destination, edge);
        }
    }
    graph.reserve(nodes.len());
    Ok((nodes, graph))
}

struct Expander<'s, S> {
    store: &'s mut S,
    nodes: Vec<Node>,
    condensed: Condensed,
    /// Final holders of entitlements that a later destination still reads.
    holders: Vec<Option<Vec<Holder>>>,
    /// How many destinations still read a condensed node.
    left: Vec<usize>,
    expanded: Expanded,
}

impl<S: GrantStore> Expander<'_, S> {
    /// Every entitlement of a condensed node: its own grants, then what flows in.
    fn expand_node(&mut self, node: usize) -> Result<(), C1zError> {
        let incoming = self.condensed.incoming.get(node).cloned().unwrap_or_default();
        let members = self.condensed.members.get(node).cloned().unwrap_or_default();
        let contributions = self.contributions(&incoming);
        for entitlement in members {
            let holders = self.apply(entitlement, &contributions)?;
            if let Some(slot) = usize::try_from(entitlement)
                .ok()
                .and_then(|at| self.holders.get_mut(at))
            {
                *slot = Some(holders);
            }
        }
        for (source, _) in incoming {
            self.release(source);
        }
        if self.left.get(node) == Some(&0) {
            self.forget(node);
        }
        Ok(())
    }

    fn release(&mut self, source: usize) {
        if let Some(left) = self.left.get_mut(source) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.forget(source);
            }
        }
    }

    fn forget(&mut self, node: usize) {
        for entitlement in self.condensed.members.get(node).into_iter().flatten() {
            if let Some(slot) = usize::try_from(*entitlement)
                .ok()
                .and_then(|at| self.holders.get_mut(at))
            {
                *slot = None;
            }
        }
    }

    /// Who contributes what, by principal and source (c1z.md §11.4).
    fn contributions(&self, incoming: &[(usize, Edge)]) -> Vec<Contribution> {
        let mut contributions = Vec::new();
        for (node, edge) in incoming {
            let passes = self.store.principals().passes(&edge.types);
            for source in self.condensed.members.get(*node).into_iter().flatten() {
                let holders = usize::try_from(*source).ok().and_then(|at| self.holders.get(at));
                let holders = holders.into_iter().flatten().flatten();
                let flows = holders.filter(|one| passes.principal(one.principal) && (!edge.shallow || one.direct));
                contributions.extend(flows.map(|one| Contribution {
                    principal: one.principal,
                    source: *source,
                    direct: one.direct,
                }));
            }
        }
        contributions.sort_unstable();
        contributions.dedup_by(|next, kept| {
            let same = (next.principal, next.source) == (kept.principal, kept.source);
            kept.direct |= same && next.direct;
            same
        });
        contributions
    }

    /// Updates the grants that are there, creates those that are not, and answers the final holders.
    fn apply(&mut self, entitlement: u32, contributions: &[Contribution]) -> Result<Vec<Holder>, C1zError> {
        let Self {
            store, nodes, expanded, ..
        } = self;
        let Some(node) = usize::try_from(entitlement).ok().and_then(|at| nodes.get(at)) else {
            return Ok(Vec::new());
        };
        let mut holders = Vec::new();
        for (row, principal) in store.own_grants(node)? {
            holders.push(Holder {
                principal,
                direct: true,
            });
            let first = contributions.partition_point(|one| one.principal < principal);
            let flows = contributions.get(first..).unwrap_or_default();
            if let Some(flows) = flows.chunk_by(|a, b| a.principal == b.principal).next()
                && flows.first().is_some_and(|one| one.principal == principal)
            {
                store.add_sources(node, row, principal, &Sources { nodes, flows })?;
                expanded.updated += 1;
            }
        }
        holders.sort_unstable();
        holders.dedup();
        let present = |principal| holders.binary_search_by_key(&principal, |one| one.principal).is_ok();
        let flows = contributions.chunk_by(|a, b| a.principal == b.principal);
        let mut created: Vec<(u32, &[Contribution])> = flows
            .filter_map(|flows| Some((flows.first()?.principal, flows)))
            .filter(|(principal, _)| !present(*principal))
            .collect();
        created.sort_unstable_by(|(one, _), (other, _)| store.principals().compare(*one, *other));
        for (principal, flows) in created {
            store.create(node, principal, &Sources { nodes, flows })?;
            expanded.created += 1;
            holders.push(Holder {
                principal,
                direct: false,
            });
        }
        Ok(holders)
    }
}

#[cfg(test)]
mod tests;
