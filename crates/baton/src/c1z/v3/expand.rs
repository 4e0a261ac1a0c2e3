//! Expansion over the waiting grants: what it adds goes to a spool, by entitlement.

use std::collections::BTreeMap;

use super::writer::Writer;
use crate::c1z::C1zError;
use crate::c1z::expand::{ExpandableGrant, Expanded, GrantStore, Node, Place, Sources, run};
use crate::c1z::principal::{IdBuffer, Principals};
use crate::c1z::stats::bump;

impl Writer {
    pub(crate) fn expand(&mut self) -> Result<Expanded, C1zError> {
        if self.expandable.is_empty() {
            return Ok(Expanded::default());
        }
        run(self)
    }

    fn add_product(&mut self, node: &Node, principal: u32, sources: &Sources<'_>) -> Result<(), C1zError> {
        self.check_cancel()?;
        let start = self.products.len();
        let mut bytes = principal.to_le_bytes().to_vec();
        let count = u32::try_from(sources.iter().count()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for (source, direct) in sources.iter() {
            bytes.extend_from_slice(&source.at.number.to_le_bytes());
            bytes.push(u8::from(direct));
        }
        self.products.append(&bytes)?;
        let end = self.products.len();
        if let Some(one) = self.grants.entitlement_mut(node.at.number) {
            // Products of one entitlement come together.
            if one.products == (0, 0) {
                one.products.0 = start;
            }
            one.products.1 = end;
        }
        Ok(())
    }
}

impl GrantStore for Writer {
    /// An entitlement and a principal are one grant.
    type Row = ();

    fn principals(&self) -> &Principals {
        &self.principals
    }

    fn expandable_grants(&self) -> Vec<ExpandableGrant> {
        let grants = self.expandable.iter().filter_map(|one| {
            let mut buffer: IdBuffer = [0; 36];
            let (kind, id) = self.principals.get(one.principal, &mut buffer);
            Some(ExpandableGrant {
                destination: self.grants.entitlement(one.entitlement)?.id.to_string(),
                principal_type: kind.to_owned(),
                principal_id: id.to_owned(),
                expandable: one.edge.clone(),
            })
        });
        grants.collect()
    }

    fn find_entitlements(&self, wanted: &mut BTreeMap<String, Option<Place>>) -> Result<(), C1zError> {
        for (number, one) in (0_u32..).zip(&self.grants.entitlements) {
            if let Some(found) = wanted.get_mut(&*one.id).filter(|_| one.stored) {
                let mut buffer: IdBuffer = [0; 36];
                let (kind, id) = self.principals.get(one.resource, &mut buffer);
                *found = Some(Place {
                    resource_type: kind.to_owned(),
                    resource_id: id.to_owned(),
                    number,
                });
            }
        }
        Ok(())
    }

    fn own_grants(&mut self, node: &Node) -> Result<Vec<((), u32)>, C1zError> {
        let mut grants = Vec::new();
        if let Some(one) = self.grants.entitlement(node.at.number) {
            self.grants.each(one, false, |waiting| {
                grants.push(((), waiting.principal));
                Ok(())
            })?;
        }
        Ok(grants)
    }

    fn add_sources(&mut self, node: &Node, (): (), principal: u32, sources: &Sources<'_>) -> Result<(), C1zError> {
        self.add_product(node, principal, sources)
    }

    fn create(&mut self, node: &Node, principal: u32, sources: &Sources<'_>) -> Result<(), C1zError> {
        self.stats.grants += 1;
        bump(&mut self.stats.grants_by_resource_type, &node.at.resource_type);
        self.add_product(node, principal, sources)
    }
}

/// What expansion adds to an entitlement, by principal.
#[derive(Debug)]
pub(super) struct Products {
    bytes: Vec<u8>,
    /// Rank of the principal, and where its sources are.
    index: Vec<(u32, u32)>,
}

/// Bytes before a product's sources: its principal and their count.
const HEAD: usize = 8;
/// Bytes of a source.
const SOURCE: usize = 5;

impl Products {
    /// The products of an entitlement, in the order of `ranks`.
    pub(super) fn read(writer: &Writer, range: (u64, u64), ranks: &[u32]) -> Result<Self, C1zError> {
        let too_large = || C1zError::Invariant {
            invariant: "size",
            what: "expansion adds more than 4 GiB to one entitlement".to_owned(),
        };
        let length = u32::try_from(range.1 - range.0).map_err(|_| too_large())?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        writer.products.read(range.0, &mut bytes)?;
        let mut products = Self {
            bytes,
            index: Vec::new(),
        };
        let mut at = 0;
        while let Some((principal, count)) = products.head(at) {
            let rank = usize::try_from(principal).ok().and_then(|at| ranks.get(at));
            products
                .index
                .push((rank.copied().unwrap_or(u32::MAX), u32::try_from(at).unwrap_or(u32::MAX)));
            at += HEAD + count * SOURCE;
        }
        products.index.sort_unstable();
        Ok(products)
    }

    fn head(&self, at: usize) -> Option<(u32, usize)> {
        let [p0, p1, p2, p3, c0, c1, c2, c3] = *self.bytes.get(at..)?.first_chunk::<HEAD>()?;
        let count = usize::try_from(u32::from_le_bytes([c0, c1, c2, c3])).ok()?;
        Some((u32::from_le_bytes([p0, p1, p2, p3]), count))
    }

    /// Ranks of principals, and where the sources of each are.
    pub(super) fn index(&self) -> &[(u32, u32)] {
        &self.index
    }

    /// Source entitlements by number, and whether they are held directly.
    pub(super) fn sources(&self, at: u32) -> impl Iterator<Item = (u32, bool)> {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let count = self.head(at).map_or(0, |(_, count)| count);
        let sources = self.bytes.get(at.saturating_add(HEAD)..).unwrap_or_default();
        sources
            .as_chunks::<SOURCE>()
            .0
            .iter()
            .take(count)
            .map(|[a, b, c, d, direct]| (u32::from_le_bytes([*a, *b, *c, *d]), *direct != 0))
    }
}
