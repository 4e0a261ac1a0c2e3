//! Every row once, in the order of keys: tables that go to the packing threads, and the MANIFEST that lists them.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::expand::Products;
use super::grants::{Entitlement, Waiting};
use super::pack::{Packed, Packer};
use super::sorter::Pairs;
use super::table::{Builder, shared};
use super::version::{self, FIRST_TABLE, TableMeta};
use super::writer::Writer;
use super::{envelope, key};
use crate::c1z::C1zError;
use crate::c1z::principal::IdBuffer;
use crate::wire::fields::{put_bytes, put_head, put_number, put_text};
use crate::wire::record::{self, GrantExtra};

/// Bytes of a table; larger ones cost memory and save nothing (c1z-v3.md §9.1).
const TABLE_BYTES: usize = 2 << 20;
/// Bytes of a table beside its rows: the index, and the last block's overshoot.
const BESIDE_ROWS: usize = 64 << 10;
/// Rows between two looks at the cancellation.
const LOOK_EVERY: u64 = 512;

/// Where rows go.
#[derive(Debug)]
pub(super) struct Out {
    builder: Builder,
    packer: Packer,
    tables: Vec<TableMeta>,
    rows: u64,
    target: PathBuf,
    cancel: CancellationToken,
}

impl Out {
    pub(super) fn new(packer: Packer, target: &Path, cancel: &CancellationToken) -> Self {
        Self {
            builder: Builder::behind(Vec::new(), packer.buffer(TABLE_BYTES + BESIDE_ROWS)),
            packer,
            tables: Vec::new(),
            rows: 0,
            target: target.to_owned(),
            cancel: cancel.clone(),
        }
    }

    /// Adds a row. A reader would never find one that does not ascend.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), C1zError> {
        let last = self.builder.last();
        let common = shared(key, last);
        if key.get(common) <= last.get(common) {
            let same = key == last;
            return Err(C1zError::Invariant {
                invariant: if same { "unique" } else { "order" },
                what: format!(
                    "the row {} {}",
                    printable(key),
                    if same { "came twice" } else { "is out of order" }
                ),
            });
        }
        self.builder.add(key, common, value);
        self.rows += 1;
        if self.rows.is_multiple_of(LOOK_EVERY) && self.cancel.is_cancelled() {
            return Err(C1zError::Cancelled);
        }
        if self.builder.len() >= TABLE_BYTES {
            self.end_table()?;
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<(), C1zError> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let next = Builder::behind(
            self.builder.last().to_vec(),
            self.packer.buffer(TABLE_BYTES + BESIDE_ROWS),
        );
        let table = std::mem::replace(&mut self.builder, next).finish();
        let number = FIRST_TABLE + u64::try_from(self.tables.len()).unwrap_or(0);
        let meta = TableMeta::of(number, &table);
        self.add_file(meta.file_name(), table.bytes)?;
        self.tables.push(meta);
        Ok(())
    }

    fn add_file(&mut self, name: String, bytes: Vec<u8>) -> Result<(), C1zError> {
        self.packer.add(name, bytes).map_err(C1zError::write(&self.target))
    }

    /// The last table, the MANIFEST, the markers, the index.
    pub(super) fn finish(mut self) -> Result<Packed, C1zError> {
        self.end_table()?;
        let manifest = version::encode(&self.tables);
        self.add_file(super::MANIFEST.to_owned(), manifest)?;
        self.add_file(
            format!("{}{:03}", super::FORMAT_MARKER, envelope::FORMAT_VERSION),
            Vec::new(),
        )?;
        self.add_file(super::MANIFEST_MARKER.to_owned(), Vec::new())?;
        self.packer.finish().map_err(C1zError::write(&self.target))
    }
}

/// A key as text, for an error.
fn printable(key: &[u8]) -> String {
    String::from_utf8_lossy(key).escape_debug().to_string()
}

/// A grant that is about to be written.
#[derive(Debug, Clone, Copy)]
struct Own {
    rank: u32,
    waiting: Waiting,
}

/// Rows that follow from grants, and what is needed to write them.
pub(super) struct GrantRows<'a> {
    writer: &'a Writer,
    /// Principals by rank.
    order: Vec<u32>,
    /// Ranks by principal.
    ranks: Vec<u32>,
    /// Keys of entitlements by number.
    keys: Vec<Vec<u8>>,
    /// Entitlements with grants, by key.
    entitlements: Vec<u32>,
    by_principal: Pairs,
    /// Place of the entitlement and rank of the principal, in the order of grants.
    needs_expansion: Vec<(u32, u32)>,
    pub(super) written: u64,
    key: Vec<u8>,
    value: Vec<u8>,
    scratch: Vec<u8>,
    /// What was read last, by its number.
    extra: (u32, GrantExtra),
}

fn at<T>(list: &[T], number: u32) -> Option<&T> {
    usize::try_from(number).ok().and_then(|at| list.get(at))
}

impl<'a> GrantRows<'a> {
    pub(super) fn new(writer: &'a Writer, by_principal: Pairs) -> Self {
        let order = writer.principals.in_order();
        let mut ranks = vec![0; order.len()];
        for (rank, number) in (0_u32..).zip(&order) {
            if let Some(slot) = usize::try_from(*number).ok().and_then(|at| ranks.get_mut(at)) {
                *slot = rank;
            }
        }
        let all = &writer.grants.entitlements;
        let keys: Vec<Vec<u8>> = all
            .iter()
            .map(|one| {
                let mut buffer: IdBuffer = [0; 36];
                let (kind, id) = writer.principals.get(one.resource, &mut buffer);
                key::entitlement(kind, id, &one.id)
            })
            .collect();
        let with_grants = (0_u32..).zip(all).filter(|(_, one)| one.has_grants());
        let mut entitlements: Vec<u32> = with_grants.map(|(number, _)| number).collect();
        entitlements.sort_unstable_by_key(|number| at(&keys, *number));
        Self {
            by_principal,
            writer,
            order,
            ranks,
            keys,
            entitlements,
            needs_expansion: Vec::new(),
            written: 0,
            key: Vec::new(),
            value: Vec::new(),
            scratch: Vec::new(),
            extra: (0, GrantExtra::default()),
        }
    }

    fn rank(&self, principal: u32) -> u32 {
        at(&self.ranks, principal).copied().unwrap_or(u32::MAX)
    }

    /// The grants, and beside them what their indexes will need.
    pub(super) fn put_grants(&mut self, out: &mut Out) -> Result<(), C1zError> {
        for place in 0..self.entitlements.len() {
            let number = self.entitlements.get(place).copied().unwrap_or_default();
            if let Some(entitlement) = self.writer.grants.entitlement(number) {
                self.put_grants_of(out, u32::try_from(place).unwrap_or(u32::MAX), number, entitlement)?;
            }
        }
        Ok(())
    }

    fn put_grants_of(
        &mut self,
        out: &mut Out,
        place: u32,
        number: u32,
        entitlement: &'a Entitlement,
    ) -> Result<(), C1zError> {
        let writer = self.writer;
        let mut own: Vec<Own> = Vec::new();
        writer.grants.each(entitlement, false, |waiting| {
            let rank = self.rank(waiting.principal);
            own.push(Own { rank, waiting });
            Ok(())
        })?;
        if !own.is_sorted_by_key(|one| one.rank) {
            own.sort_by_key(|one| one.rank);
        }
        let products = Products::read(writer, entitlement.products, &self.ranks)?;
        let template = Template::new(
            writer,
            at(&self.keys, number).map_or(&[][..], Vec::as_slice),
            entitlement,
        );
        let mut added = products.index().iter().copied().peekable();
        for one in own {
            while let Some((rank, sources)) = added.next_if(|(rank, _)| *rank < one.rank) {
                self.put_grant(out, &template, place, rank, None, Some((&products, sources)))?;
            }
            let more = added.next_if(|(rank, _)| *rank == one.rank);
            let more = more.map(|(_, sources)| (&products, sources));
            self.put_grant(out, &template, place, one.rank, Some(one.waiting), more)?;
        }
        for (rank, sources) in added {
            self.put_grant(out, &template, place, rank, None, Some((&products, sources)))?;
        }
        Ok(())
    }

    /// Reads what a grant says beyond its references, if it says anything. Neighbours mostly share it.
    fn read_extra(&mut self, raw: Option<Waiting>) -> Result<bool, C1zError> {
        let number = raw.map_or(0, |waiting| waiting.extra);
        if number != 0 && number != self.extra.0 {
            self.extra = (number, self.writer.grants.extra(number)?);
        }
        Ok(number != 0)
    }

    /// One grant: a raw one, one that expansion added sources to, or one that it made.
    fn put_grant(
        &mut self,
        out: &mut Out,
        template: &Template<'_>,
        place: u32,
        rank: u32,
        raw: Option<Waiting>,
        product: Option<(&Products, u32)>,
    ) -> Result<(), C1zError> {
        let none = GrantExtra::default();
        let extra = if self.read_extra(raw)? { &self.extra.1 } else { &none };
        let time = match raw {
            Some(waiting) => at(&self.writer.times, waiting.time),
            None => self.writer.times.last(),
        };
        let mut buffer: IdBuffer = [0; 36];
        let principal = at(&self.order, rank).copied().unwrap_or(u32::MAX);
        let (kind, id) = self.writer.principals.get(principal, &mut buffer);
        self.key.clear();
        self.key.extend_from_slice(&template.key);
        key::push(&mut self.key, kind);
        key::push(&mut self.key, id);

        let value = &mut self.value;
        value.clear();
        if let Some(own) = &extra.id {
            put_text(value, 2, own);
        } else {
            put_head(value, 2, template.id.len() + kind.len() + id.len() + 2);
            for part in [template.id, ":", kind, ":", id] {
                value.extend_from_slice(part.as_bytes());
            }
        }
        value.extend_from_slice(&template.reference);
        let scratch = &mut self.scratch;
        scratch.clear();
        put_text(scratch, 1, kind);
        put_text(scratch, 2, id);
        scratch.extend_from_slice(&extra.parent);
        put_bytes(value, 4, scratch);
        put_bytes(value, 5, time.map_or(&[][..], Vec::as_slice));
        if let Some(expansion) = &extra.expansion {
            put_bytes(value, 6, expansion);
            put_number(value, 7, 1);
            self.needs_expansion.push((place, rank));
        }
        value.extend_from_slice(&extra.annotations);
        if raw.is_none() {
            record::immutable_annotation(value);
        }
        put_sources(
            value,
            self.writer,
            template.id,
            raw.is_some(),
            extra.sources.clone(),
            product,
        );
        out.put(&self.key, &self.value)?;
        self.by_principal.add(rank, place)?;
        self.written += 1;
        Ok(())
    }

    /// What a principal holds, then which grants expansion starts from.
    pub(super) fn put_indexes(self, out: &mut Out) -> Result<(), C1zError> {
        let Self {
            writer,
            order,
            keys,
            entitlements,
            by_principal,
            needs_expansion,
            mut key,
            ..
        } = self;
        let entitlement = |place| at(&entitlements, place).and_then(|number| at(&keys, *number));
        let put_principal = |key: &mut Vec<u8>, rank| {
            let mut buffer: IdBuffer = [0; 36];
            let principal = at(&order, rank).copied().unwrap_or(u32::MAX);
            let (kind, id) = writer.principals.get(principal, &mut buffer);
            key::push(key, kind);
            key::push(key, id);
        };
        // Who the key is of, and how much of it says so.
        let (mut whose, mut length) = (None, 0);
        by_principal.drain(|rank, place| {
            if whose != Some(rank) {
                key.clear();
                key.extend_from_slice(&key::BY_PRINCIPAL);
                put_principal(&mut key, rank);
                key.push(0);
                (whose, length) = (Some(rank), key.len());
            }
            key.truncate(length);
            key.extend_from_slice(entitlement(place).map_or(&[][..], Vec::as_slice));
            out.put(&key, b"")
        })?;
        for (place, rank) in needs_expansion {
            let mut key = key::of(&key::NEEDS_EXPANSION, entitlement(place).map_or(&[][..], Vec::as_slice));
            put_principal(&mut key, rank);
            out.put(&key, b"")?;
        }
        Ok(())
    }
}

/// What grants of one entitlement have in common.
struct Template<'a> {
    id: &'a str,
    key: Vec<u8>,
    /// The field of the record that names the entitlement.
    reference: Vec<u8>,
}

impl<'a> Template<'a> {
    fn new(writer: &Writer, key: &[u8], entitlement: &'a Entitlement) -> Self {
        let mut buffer: IdBuffer = [0; 36];
        let (kind, id) = writer.principals.get(entitlement.resource, &mut buffer);
        let mut reference = Vec::new();
        put_bytes(
            &mut reference,
            3,
            &record::entitlement_reference(kind, id, &entitlement.id),
        );
        Self {
            id: &entitlement.id,
            key: key::of(&key::GRANTS, key),
            reference,
        }
    }
}

/// The sources of a grant (c1z.md §11.4), by id. A raw grant without sources is direct on its own entitlement first.
fn put_sources(
    value: &mut Vec<u8>,
    writer: &Writer,
    own: &str,
    raw: bool,
    mut sources: Vec<(String, bool)>,
    product: Option<(&Products, u32)>,
) {
    if let Some((products, at)) = product {
        if raw && sources.is_empty() {
            sources.push((own.to_owned(), true));
        }
        for (number, direct) in products.sources(at) {
            let Some(source) = writer.grants.entitlement(number) else {
                continue;
            };
            match sources.iter_mut().find(|(id, _)| **id == *source.id) {
                Some(known) => known.1 |= direct,
                None => sources.push((source.id.to_string(), direct)),
            }
        }
    }
    sources.sort_unstable();
    for (id, direct) in &sources {
        record::put_source(value, id, *direct);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c1z::staging;

    #[test]
    fn cancelling_between_tables_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sync.c1z");
        std::fs::write(&target, b"the last good file").unwrap();
        let cancel = CancellationToken::new();
        let temp = staging::create(&target).unwrap();
        let packer = Packer::start(temp.as_file().try_clone().unwrap(), Vec::new()).unwrap();
        let mut out = Out::new(packer, &target, &cancel);
        let mut rows = (0_u32..).map(u32::to_be_bytes);
        while out.tables.len() < 2 {
            out.put(&rows.next().unwrap(), &[7; 900]).unwrap();
        }
        cancel.cancel();
        let stopped = rows.by_ref().take(1_000).find_map(|key| out.put(&key, b"").err());
        assert!(matches!(stopped, Some(C1zError::Cancelled)), "{stopped:?}");
        drop(out);
        drop(temp);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&target).unwrap(), b"the last good file");
    }

    #[test]
    fn a_row_that_does_not_ascend_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let mut out = Out::new(
            Packer::start(file, Vec::new()).unwrap(),
            Path::new("sync.c1z"),
            &CancellationToken::new(),
        );
        out.put(b"b", b"").unwrap();
        for (key, expected) in [(b"b", "came twice"), (b"a", "is out of order")] {
            let error = out.put(key, b"").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
