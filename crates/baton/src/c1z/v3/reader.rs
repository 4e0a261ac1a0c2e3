//! Reads a store back without unpacking it: one table at a time in memory, every size checked before memory is taken,
//! every checksum compared. Reads what [`super::Writer`] writes and refuses by name what only the SDK's engine can read.

mod walk;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh64::xxh64;

use super::block::TableReader;
use super::envelope::{self, Frame, Manifest, Packed};
use super::rows::{Decode, ENTITLEMENTS, Family, GRANTS, RESOURCE_TYPES, RESOURCES, entitlement, grant, resource};
use super::summary::{self, StoredRun};
use super::version::{self, Refused, TableMeta};
use super::{FORMAT_MARKER, key};
use crate::c1z::stats::{Stats, bump};
use crate::c1z::sync::{SyncRun, SyncType};
use crate::c1z::{C1zError, Limits, time};
use crate::wire::stored::{StoredEntitlement, StoredGrant, StoredResource, StoredResourceType};
use walk::Walk;
pub(in crate::c1z) use walk::{Side, differing};

/// Largest single file of a store that is unpacked into memory.
const RAW_MAX: u64 = 256 << 20;
/// Bytes that are reserved before a frame has shown that it is as large as it claims.
const TRUSTED: u64 = 8 << 20;
/// Formats of the store that the SDK opens.
const FORMATS: std::ops::RangeInclusive<u64> = 13..=envelope::FORMAT_VERSION;
/// Before the name of the MANIFEST in use.
const MANIFEST_MARKER: &str = "marker.manifest.";
/// Longest name of a file.
const NAME_MAX: usize = 4096;
const SHA256_BYTES: usize = 32;

#[derive(Debug)]
pub(crate) struct Reader {
    file: File,
    path: PathBuf,
    limits: Limits,
    frames: BTreeMap<String, Frame>,
    tables: Vec<TableMeta>,
    run: SyncRun,
}

impl Reader {
    pub(crate) fn open(path: &Path, limits: Limits) -> Result<Self, C1zError> {
        let file = File::open(path).map_err(C1zError::read(path))?;
        let mut reader = Self {
            file,
            path: path.to_owned(),
            limits,
            frames: BTreeMap::new(),
            tables: Vec::new(),
            run: SyncRun {
                sync_id: String::new(),
                started_at: String::new(),
                ended_at: String::new(),
                sync_type: String::new(),
                token: String::new(),
                supports_diff: false,
                stats: Stats::default(),
            },
        };
        reader.open_envelope()?;
        reader.open_store()?;
        reader.open_sync()?;
        Ok(reader)
    }

    pub(crate) fn run(&self) -> &SyncRun {
        &self.run
    }

    fn damaged(&self, what: impl Into<String>) -> C1zError {
        C1zError::Damaged {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    pub(super) fn refused(&self, refused: Refused) -> C1zError {
        match refused {
            Refused::Damaged(what) => self.damaged(what),
            Refused::Foreign => self.foreign("its tables are in a newer layout, as the Go SDK writes them"),
        }
    }

    fn foreign(&self, what: impl Into<String>) -> C1zError {
        C1zError::Foreign {
            path: self.path.clone(),
            what: what.into(),
        }
    }

    /// Bytes of the file at a place that is known to be inside of it.
    fn bytes(&self, at: u64, count: u64) -> Result<Vec<u8>, C1zError> {
        let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
        self.file
            .read_exact_at(&mut bytes, at)
            .map_err(C1zError::read(&self.path))?;
        Ok(bytes)
    }

    /// Manifest, footer and index.
    fn open_envelope(&mut self) -> Result<(), C1zError> {
        let size = self.file.metadata().map_err(C1zError::read(&self.path))?.len();
        if size < envelope::HEAD_BYTES + envelope::FOOTER_BYTES {
            return Err(self.damaged("it ends too early"));
        }
        let head = self.bytes(0, envelope::HEAD_BYTES)?;
        let length = head.last_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let length = u64::from(length);
        let payload = envelope::HEAD_BYTES + length;
        if length > envelope::MANIFEST_MAX || payload + envelope::FOOTER_BYTES > size {
            return Err(self.damaged(format!("its manifest claims {length} bytes")));
        }
        let manifest = self.bytes(envelope::HEAD_BYTES, length)?;
        let parsed = Manifest::of(&manifest).map_err(|_| self.damaged("its manifest does not decode"))?;
        if !parsed.engine_known() {
            return Err(self.foreign(format!("it names the engine {:?}", parsed.engine)));
        }
        if !parsed.indexed() {
            return Err(self.foreign(format!("its payload has the encoding {}", parsed.encoding)));
        }
        let (frames, hash, end) = self.open_index(size, payload)?;
        if hash != 0 && hash != xxh64(&manifest, 0) {
            return Err(self.damaged("its manifest is not the one that its index names"));
        }
        let mut raw: u64 = 0;
        for frame in frames {
            self.check_frame(&frame, payload, end)?;
            raw = raw.saturating_add(frame.raw);
            if let Some(twice) = self.frames.insert(frame.name.clone(), frame) {
                return Err(self.damaged(format!("its index names {} twice", twice.name)));
            }
        }
        if raw > self.limits.decoded_bytes {
            return Err(C1zError::Oversize {
                path: self.path.clone(),
                claimed_bytes: raw,
                limit_bytes: self.limits.decoded_bytes,
            });
        }
        Ok(())
    }

    /// The index, the hash of the manifest in it, and where the frames end.
    fn open_index(&self, size: u64, payload: u64) -> Result<(Vec<Frame>, u64, u64), C1zError> {
        let footer = self.bytes(size - envelope::FOOTER_BYTES, envelope::FOOTER_BYTES)?;
        let Some((at, rest)) = footer.split_first_chunk() else {
            return Err(self.damaged("it ends too early"));
        };
        let Some((length, rest)) = rest.split_first_chunk() else {
            return Err(self.damaged("it ends too early"));
        };
        let Some((hash, magic)) = rest.split_first_chunk() else {
            return Err(self.damaged("it ends too early"));
        };
        if magic != envelope::INDEX_MAGIC {
            return Err(self.damaged("it does not end with an index: it is cut off, or something follows it"));
        }
        let (at, length) = (u64::from_be_bytes(*at), u64::from(u32::from_be_bytes(*length)));
        if length > envelope::INDEX_MAX || at < payload || at.checked_add(length + envelope::FOOTER_BYTES) != Some(size)
        {
            return Err(self.damaged("its footer does not say where the index is"));
        }
        let index = self.bytes(at, length)?;
        if u64::from_be_bytes(*hash) != xxh64(&index, 0) {
            return Err(self.damaged("the checksum of its index is wrong"));
        }
        let (frames, manifest) = envelope::index(&index).map_err(|_| self.damaged("its index does not decode"))?;
        Ok((frames, manifest, at))
    }

    fn check_frame(&self, frame: &Frame, payload: u64, end: u64) -> Result<(), C1zError> {
        let name = &frame.name;
        let plain =
            !name.is_empty() && name.len() <= NAME_MAX && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !plain {
            return Err(self.damaged(format!(
                "its index names a file {:?}",
                name.chars().take(60).collect::<String>()
            )));
        }
        let inside = frame.offset >= payload && frame.offset.checked_add(frame.packed).is_some_and(|last| last <= end);
        if frame.packed == 0 || !inside {
            return Err(self.damaged(format!("its index places {name} outside of the payload")));
        }
        if frame.sha256.len() != SHA256_BYTES {
            return Err(self.damaged(format!("its index holds no SHA-256 of {name}")));
        }
        Ok(())
    }

    /// A file of the store, unpacked.
    fn unpack(&self, frame: &Frame) -> Result<Vec<u8>, C1zError> {
        if frame.raw > RAW_MAX {
            return Err(self.foreign(format!("{} unpacks to {} bytes", frame.name, frame.raw)));
        }
        let packed = Packed {
            file: &self.file,
            at: frame.offset,
            end: frame.offset + frame.packed,
        };
        let fault = |error: std::io::Error| self.damaged(format!("{} does not unpack ({error})", frame.name));
        let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(fault)?;
        decoder.window_log_max(self.limits.window_log).map_err(fault)?;
        let mut bytes = Vec::with_capacity(usize::try_from(frame.raw.min(TRUSTED)).unwrap_or(0));
        decoder.take(frame.raw + 1).read_to_end(&mut bytes).map_err(fault)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) != frame.raw {
            return Err(self.damaged(format!("{} is not as large as its index says", frame.name)));
        }
        if xxh64(&bytes, 0) != frame.xxh64 {
            return Err(self.damaged(format!("the checksum of {} is wrong", frame.name)));
        }
        Ok(bytes)
    }

    /// Markers and MANIFEST: which tables there are.
    fn open_store(&mut self) -> Result<(), C1zError> {
        let format = self.marker(FORMAT_MARKER.rsplit_once("000001").map_or("", |(name, _)| name));
        let format = format.ok_or_else(|| self.damaged("no marker names the format of its store"))?;
        if !format.parse().is_ok_and(|format: u64| FORMATS.contains(&format)) {
            return Err(self.foreign(format!("its store has the format {format}")));
        }
        let manifest = self.marker(MANIFEST_MARKER);
        let manifest = manifest.ok_or_else(|| self.damaged("no marker names its MANIFEST"))?;
        let frame = self.frames.get(manifest);
        let frame = frame.ok_or_else(|| self.damaged(format!("its {manifest} is missing")))?;
        self.tables = version::decode(&self.unpack(frame)?).map_err(|refused| self.refused(refused))?;
        for table in &self.tables {
            let name = table.file_name();
            let frame = self.frames.get(&name);
            let frame = frame.ok_or_else(|| self.damaged(format!("its table {name} is missing")))?;
            if frame.raw != table.bytes {
                return Err(self.damaged(format!("its table {name} has not the size that its MANIFEST says")));
            }
        }
        Ok(())
    }

    /// What the marker with the highest number says.
    fn marker(&self, prefix: &str) -> Option<&str> {
        let markers = self
            .frames
            .keys()
            .filter_map(|name| name.strip_prefix(prefix)?.split_once('.'));
        markers.max_by_key(|(number, _)| *number).map(|(_, value)| value)
    }

    /// The row of the sync and its counts.
    fn open_sync(&mut self) -> Result<(), C1zError> {
        let keyspace = self.get(key::KEYSPACE_VERSION)?;
        if keyspace.as_deref() != Some(&key::FORMAT) {
            return Err(self.foreign("its keys are of another version"));
        }
        let run = self.get(&key::SYNC_RUN)?;
        let run = run.ok_or_else(|| self.damaged("it holds no sync"))?;
        let run = StoredRun::decode(&run).map_err(|_| self.damaged("the row of its sync does not decode"))?;
        let (Some(started_at), Some(ended_at)) = (run.started_at, run.ended_at) else {
            return Err(self.damaged("it holds no finished sync"));
        };
        let stats = self.get(key::STATS)?;
        let stats = stats.map(|stats| summary::decode_stats(&stats)).transpose();
        let stats = stats.map_err(|_| self.damaged("its counts do not decode"))?;
        let mut stats = match stats {
            Some((sync_id, stats)) if sync_id == run.sync_id => stats,
            _ => self.counted()?,
        };
        // A v1 file counts the types without resources, too.
        self.resource_types(|item| {
            stats.resources_by_resource_type.entry(item.id).or_default();
            Ok(())
        })?;
        self.run = SyncRun {
            sync_id: run.sync_id,
            started_at: time::text(started_at),
            ended_at: time::text(ended_at),
            sync_type: run.sync_type.map_or("unknown", SyncType::as_str).to_owned(),
            token: run.token,
            supports_diff: run.supports_diff,
            stats,
        };
        Ok(())
    }

    /// The counts, from the rows.
    fn counted(&self) -> Result<Stats, C1zError> {
        let mut stats = Stats::default();
        self.resource_types(|_| {
            stats.resource_types += 1;
            Ok(())
        })?;
        self.resources(|item| {
            stats.resources += 1;
            bump(&mut stats.resources_by_resource_type, &item.resource_type);
            Ok(())
        })?;
        self.entitlements(|item| {
            stats.entitlements += 1;
            bump(&mut stats.entitlements_by_resource_type, &item.resource_type);
            Ok(())
        })?;
        self.rows(&key::GRANTS, |key, _| {
            stats.grants += 1;
            let kind = key.get(3..).unwrap_or_default().split(|byte| *byte == 0).next();
            bump(
                &mut stats.grants_by_resource_type,
                &String::from_utf8_lossy(kind.unwrap_or_default()),
            );
            Ok(true)
        })?;
        Ok(stats)
    }

    /// Hands out rows whose keys begin with `prefix`, until `each` has enough.
    fn rows(
        &self,
        prefix: &[u8],
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, C1zError>,
    ) -> Result<(), C1zError> {
        let mut walk = self.walk(prefix);
        while walk.advance()? {
            if !each(walk.key(), walk.value())? {
                break;
            }
        }
        Ok(())
    }

    /// Rows whose keys begin with `prefix`.
    fn walk(&self, prefix: &[u8]) -> Walk<'_> {
        let first = self.tables.partition_point(|table| table.largest.as_slice() < prefix);
        Walk::new(self, self.tables.get(first..).unwrap_or_default(), prefix)
    }

    /// A table in memory.
    pub(super) fn table(&self, table: &TableMeta) -> Result<Option<TableReader>, C1zError> {
        let Some(frame) = self.frames.get(&table.file_name()) else {
            return Ok(None);
        };
        let bytes = self.unpack(frame)?;
        let reader = TableReader::open(bytes).map_err(|refused| self.refused(refused))?;
        let within = reader.is_within(&table.smallest, &table.largest);
        if within.map_err(|refused| self.refused(refused))? {
            Ok(Some(reader))
        } else {
            Err(self.damaged("a table holds rows that its MANIFEST does not tell of"))
        }
    }

    /// Keys and values of a family.
    #[cfg(test)]
    pub(in crate::c1z) fn stored(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        self.rows(prefix, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(true)
        })
        .unwrap();
        rows
    }

    fn get(&self, wanted: &[u8]) -> Result<Option<Vec<u8>>, C1zError> {
        let mut found = None;
        self.rows(wanted, |key, value| {
            if key == wanted {
                found = Some(value.to_vec());
            }
            Ok(false)
        })?;
        Ok(found)
    }

    fn decoded<T>(
        &self,
        prefix: &[u8],
        decode: Decode<T>,
        mut each: impl FnMut(T) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.rows(prefix, |key, value| {
            each(decode(key, value).map_err(|refused| self.refused(refused))?)?;
            Ok(true)
        })
    }

    fn family<T>(&self, family: &Family<T>, each: impl FnMut(T) -> Result<(), C1zError>) -> Result<(), C1zError> {
        self.decoded(&family.prefix, family.decode, each)
    }

    fn one<T>(&self, key: &[u8], decode: Decode<T>) -> Result<Option<T>, C1zError> {
        let value = self.get(key)?;
        let item = value.map(|value| decode(key, &value)).transpose();
        item.map_err(|refused| self.refused(refused))
    }

    pub(crate) fn resource_types(
        &self,
        each: impl FnMut(StoredResourceType) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.family(&RESOURCE_TYPES, each)
    }

    pub(crate) fn resources(&self, each: impl FnMut(StoredResource) -> Result<(), C1zError>) -> Result<(), C1zError> {
        self.family(&RESOURCES, each)
    }

    pub(crate) fn entitlements(
        &self,
        each: impl FnMut(StoredEntitlement) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        self.family(&ENTITLEMENTS, each)
    }

    pub(crate) fn grants(&self, each: impl FnMut(StoredGrant) -> Result<(), C1zError>) -> Result<(), C1zError> {
        self.family(&GRANTS, each)
    }

    /// Every grant on resources of a type.
    pub(crate) fn grants_on(
        &self,
        resource_type: &str,
        each: impl FnMut(StoredGrant) -> Result<(), C1zError>,
    ) -> Result<(), C1zError> {
        let mut prefix = key::GRANTS.to_vec();
        key::push(&mut prefix, resource_type);
        prefix.push(0);
        self.decoded(&prefix, grant, each)
    }

    pub(crate) fn resource(&self, resource_type: &str, id: &str) -> Result<Option<StoredResource>, C1zError> {
        self.one(&key::of(&key::RESOURCES, &key::pair(resource_type, id)), resource)
    }

    /// One entitlement: a scan, since an id does not say where the resource's id in it ends.
    pub(crate) fn entitlement(&self, id: &str) -> Result<Option<StoredEntitlement>, C1zError> {
        let mut found = None;
        self.rows(&ENTITLEMENTS.prefix, |key, value| {
            let item = entitlement(key, value).map_err(|refused| self.refused(refused))?;
            let is_it = item.id == id;
            if is_it {
                found = Some(item);
            }
            Ok(!is_it)
        })?;
        Ok(found)
    }

    /// One grant: found through the entitlements whose ids its own begins with, else by a scan.
    pub(crate) fn grant(&self, id: &str) -> Result<Option<StoredGrant>, C1zError> {
        let mut keys = Vec::new();
        self.entitlements(|item| {
            let rest = id.strip_prefix(&item.id).and_then(|rest| rest.strip_prefix(':'));
            for (at, _) in rest.unwrap_or_default().match_indices(':') {
                let (kind, principal) = rest.and_then(|rest| rest.split_at_checked(at)).unwrap_or_default();
                let mut key = key::entitlement(&item.resource_type, &item.resource_id, &item.id);
                key::push(&mut key, kind);
                key::push(&mut key, principal.strip_prefix(':').unwrap_or_default());
                keys.push(key::of(&key::GRANTS, &key));
            }
            Ok(())
        })?;
        for key in keys {
            if let Some(item) = self.one(&key, grant)?.filter(|item| item.id == id) {
                return Ok(Some(item));
            }
        }
        let mut found = None;
        self.rows(&GRANTS.prefix, |key, value| {
            let item = grant(key, value).map_err(|refused| self.refused(refused))?;
            let is_it = item.id == id;
            if is_it {
                found = Some(item);
            }
            Ok(!is_it)
        })?;
        Ok(found)
    }
}
