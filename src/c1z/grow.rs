//! Grant expansion over the growing file (c1z.md §11): who holds a source entitlement also holds the destination.
//! Loads only entitlements that occur in the graph; every produced row is appended in an order that depends on the
//! rows alone.

mod graph;
mod principal;

use std::collections::{BTreeMap, HashMap};

use rusqlite::params;

use super::C1zError;
use super::row::GrantRow;
use super::writer::Writer;
use crate::model::grant_id;
use crate::wire::stored::{self, StoredExpandable};
use graph::{Condensed, Edge, Graph};
use principal::{IdBuffer, Principals};

/// What expansion did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grown {
    /// Grants that were added.
    pub created: u64,
    /// Grants that got sources.
    pub updated: u64,
    /// Edges left out because an entitlement is missing.
    pub edges_dropped: u64,
}

/// An entitlement of the graph.
#[derive(Debug, Clone)]
struct Node {
    id: String,
    resource_type: String,
    resource_id: String,
}

/// A principal's standing on one entitlement: 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
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

impl Writer {
    /// Expands the grants of the file. Once, after every raw grant is in it and before it is finished.
    pub fn expand(&mut self) -> Result<Grown, C1zError> {
        let mut grown = Grown::default();
        if self.expandable.is_empty() {
            return Ok(grown);
        }
        let (nodes, graph) = self.load_graph(&mut grown)?;
        let condensed = graph.condense();
        if condensed.rings > 0 {
            tracing::warn!(
                rings = condensed.rings,
                "groups are nested in rings; members do not flow inside a ring"
            );
        }
        let mut growth = Growth {
            standings: vec![None; nodes.len()],
            left: condensed.readers(),
            nodes,
            condensed,
            principals: Principals::default(),
            grown,
        };
        for destination in growth.condensed.order.clone() {
            growth.grow_node(self, destination)?;
        }
        Ok(growth.grown)
    }

    /// The edges of every expandable grant whose entitlements exist (c1z.md §11.2).
    fn load_graph(&self, grown: &mut Grown) -> Result<(Vec<Node>, Graph), C1zError> {
        let mut edges = Vec::new();
        let mut wanted: BTreeMap<String, Option<(String, String)>> = BTreeMap::new();
        for row in &self.expandable {
            let (destination, kind, id, expansion) = self
                .db
                .prepare_cached(
                    "SELECT entitlement_id, principal_resource_type_id, principal_resource_id, expansion FROM \
                     v1_grants WHERE id = ?",
                )?
                .query_row([row], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, Vec<u8>>(3)?,
                    ))
                })?;
            let expandable = stored::expandable(&expansion).map_err(|error| undecodable("GrantExpandable", &error))?;
            wanted.insert(destination.clone(), None);
            for source in &expandable.entitlement_ids {
                wanted.insert(source.clone(), None);
            }
            edges.push((destination, (kind, id), expandable));
        }
        self.find_entitlements(&mut wanted)?;
        build(edges, &wanted, grown)
    }

    fn find_entitlements(&self, wanted: &mut BTreeMap<String, Option<(String, String)>>) -> Result<(), C1zError> {
        let mut statement = self
            .db
            .prepare("SELECT external_id, resource_type_id, resource_id FROM v1_entitlements")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str().unwrap_or_default();
            if let Some(found) = wanted.get_mut(id) {
                *found = Some((row.get(1)?, row.get(2)?));
            }
        }
        Ok(())
    }
}

fn undecodable(what: &str, error: &dyn std::fmt::Display) -> C1zError {
    C1zError::Invariant {
        invariant: "expansion",
        what: format!("a {what} does not decode: {error}"),
    }
}

/// Nodes by first use, edges by their number. A source must belong to the grant's principal.
fn build(
    edges: Vec<(String, (String, String), StoredExpandable)>,
    found: &BTreeMap<String, Option<(String, String)>>,
    grown: &mut Grown,
) -> Result<(Vec<Node>, Graph), C1zError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut graph = Graph::default();
    let mut number = |id: &str, (resource_type, resource_id): &(String, String)| {
        *numbers.entry(id.to_owned()).or_insert_with(|| {
            let (resource_type, resource_id) = (resource_type.clone(), resource_id.clone());
            nodes.push(Node {
                id: id.to_owned(),
                resource_type,
                resource_id,
            });
            u32::try_from(nodes.len() - 1).unwrap_or(u32::MAX)
        })
    };
    for (destination, principal, expandable) in edges {
        let at = found.get(&destination).and_then(Option::as_ref);
        for source in expandable.entitlement_ids {
            let (Some(at), Some(from)) = (at, found.get(&source).and_then(Option::as_ref)) else {
                grown.edges_dropped += 1;
                continue;
            };
            if *from != principal {
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
            let (source, destination) = (number(&source, from), number(&destination, at));
            graph.add(source, destination, edge);
        }
    }
    graph.grow_to(nodes.len());
    Ok((nodes, graph))
}

struct Growth {
    nodes: Vec<Node>,
    condensed: Condensed,
    principals: Principals,
    /// Final standings of entitlements that a later destination still reads.
    standings: Vec<Option<Vec<Standing>>>,
    /// How many destinations still read a condensed node.
    left: Vec<usize>,
    grown: Grown,
}

impl Growth {
    /// Every entitlement of a condensed node: its own grants, then what flows in.
    fn grow_node(&mut self, writer: &mut Writer, node: usize) -> Result<(), C1zError> {
        let incoming = self.condensed.incoming.get(node).cloned().unwrap_or_default();
        let members = self.condensed.members.get(node).cloned().unwrap_or_default();
        let contributions = self.contributions(&incoming);
        for entitlement in members {
            let standings = self.apply(writer, entitlement, &contributions)?;
            if let Some(slot) = usize::try_from(entitlement)
                .ok()
                .and_then(|at| self.standings.get_mut(at))
            {
                *slot = Some(standings);
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
                .and_then(|at| self.standings.get_mut(at))
            {
                *slot = None;
            }
        }
    }

    /// Who contributes what, by principal and source (c1z.md §11.4).
    fn contributions(&self, incoming: &[(usize, Edge)]) -> Vec<Contribution> {
        let mut contributions = Vec::new();
        for (node, edge) in incoming {
            let passes = self.principals.passes(&edge.types);
            for source in self.condensed.members.get(*node).into_iter().flatten() {
                let standings = usize::try_from(*source).ok().and_then(|at| self.standings.get(at));
                let standings = standings.into_iter().flatten().flatten();
                let flows = standings.filter(|one| passes.principal(one.principal) && (!edge.shallow || one.direct));
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

    /// Updates the grants that are there, creates those that are not, and answers the final standings.
    fn apply(
        &mut self,
        writer: &mut Writer,
        entitlement: u32,
        contributions: &[Contribution],
    ) -> Result<Vec<Standing>, C1zError> {
        let node = usize::try_from(entitlement).ok().and_then(|at| self.nodes.get(at));
        let Some(node) = node.cloned() else {
            return Ok(Vec::new());
        };
        let mut standings = Vec::new();
        for (row, principal) in self.own_grants(writer, &node.id)? {
            standings.push(Standing {
                principal,
                direct: true,
            });
            let first = contributions.partition_point(|one| one.principal < principal);
            let flows = contributions.get(first..).unwrap_or_default();
            if let Some(flows) = flows.chunk_by(|a, b| a.principal == b.principal).next()
                && flows.first().is_some_and(|one| one.principal == principal)
            {
                self.update(writer, row, flows)?;
            }
        }
        standings.sort_unstable();
        standings.dedup();
        let present = |principal| standings.binary_search_by_key(&principal, |one| one.principal).is_ok();
        let flows = contributions.chunk_by(|a, b| a.principal == b.principal);
        let mut created: Vec<(u32, &[Contribution])> = flows
            .filter_map(|flows| Some((flows.first()?.principal, flows)))
            .filter(|(principal, _)| !present(*principal))
            .collect();
        created.sort_unstable_by(|(one, _), (other, _)| self.principals.compare(*one, *other));
        for (principal, flows) in created {
            self.create(writer, &node, principal, flows)?;
            standings.push(Standing {
                principal,
                direct: false,
            });
        }
        Ok(standings)
    }

    /// The raw grants on this entitlement: row and principal.
    fn own_grants(&mut self, writer: &Writer, entitlement: &str) -> Result<Vec<(i64, u32)>, C1zError> {
        let mut statement = writer.db.prepare_cached(
            "SELECT id, principal_resource_type_id, principal_resource_id, entitlement_id FROM v1_grants WHERE id \
             BETWEEN ? AND ? ORDER BY id",
        )?;
        let mut grants = Vec::new();
        for (first, last) in writer.grant_rows(entitlement) {
            let mut rows = statement.query(params![first, last])?;
            while let Some(row) = rows.next()? {
                let text = |at: usize| row.get_ref(at).map(|value| value.as_str().unwrap_or_default());
                // Two ids may share a hash, so the range may hold another's rows.
                if text(3)? == entitlement {
                    grants.push((row.get(0)?, self.principals.number(text(1)?, text(2)?)));
                }
            }
        }
        Ok(grants)
    }

    fn sources<'a>(&'a self, flows: &'a [Contribution]) -> impl Iterator<Item = (&'a str, bool)> {
        flows.iter().filter_map(|one| {
            let node = usize::try_from(one.source).ok().and_then(|at| self.nodes.get(at))?;
            Some((node.id.as_str(), one.direct))
        })
    }

    fn update(&mut self, writer: &Writer, row: i64, flows: &[Contribution]) -> Result<(), C1zError> {
        let merged = writer
            .db
            .prepare_cached("SELECT data FROM v1_grants WHERE id = ?")?
            .query_row([row], |row| {
                let data = row.get_ref(0)?.as_blob().unwrap_or_default();
                Ok(stored::with_sources(data, self.sources(flows)))
            })?
            .map_err(|error| undecodable("Grant", &error))?;
        writer
            .db
            .prepare_cached("UPDATE v1_grants SET data = ? WHERE id = ?")?
            .execute(params![merged, row])?;
        self.grown.updated += 1;
        Ok(())
    }

    fn create(
        &mut self,
        writer: &mut Writer,
        node: &Node,
        principal: u32,
        flows: &[Contribution],
    ) -> Result<(), C1zError> {
        let mut buffer: IdBuffer = [0; 36];
        let (kind, id) = self.principals.get(principal, &mut buffer);
        let grant = grant_id(&node.id, kind, id);
        let entitlement = (node.id.as_str(), node.resource_type.as_str(), node.resource_id.as_str());
        let data = stored::expanded_grant(&grant, entitlement, (kind, id), self.sources(flows));
        writer.put_grant(&GrantRow {
            resource_type_id: &node.resource_type,
            resource_id: &node.resource_id,
            entitlement_id: &node.id,
            principal_type_id: kind,
            principal_id: id,
            id: &grant,
            expansion: None,
            data: &data,
        })?;
        self.grown.created += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
