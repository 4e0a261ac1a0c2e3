//! Reads a file back, whatever its version: the rows of its latest finished sync. Used by `inspect`, by the shrink check
//! and by tests; never writes to the file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::engine::StorageEngine;
use super::sync::SyncRun;
use super::{C1zError, Limits, v1, v3};
use crate::wire::stored::{StoredEntitlement, StoredGrant, StoredResource, StoredResourceType};

/// First bytes of a file.
const MAGIC_BYTES: usize = 5;

/// An open file.
#[derive(Debug)]
pub struct Reader {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Box<v1::Reader>),
    Pebble(Box<v3::Reader>),
}

macro_rules! either {
    ($self:ident, $reader:ident => $call:expr) => {
        match &$self.engine {
            Engine::Sqlite($reader) => $call,
            Engine::Pebble($reader) => $call,
        }
    };
}

impl Reader {
    /// Opens a file and finds its latest finished sync. A v1 file is unpacked under `temp_dir`.
    pub fn open(path: &Path, temp_dir: &Path, limits: Limits) -> Result<Self, C1zError> {
        let mut magic = Vec::with_capacity(MAGIC_BYTES);
        std::fs::File::open(path)
            .and_then(|file| file.take(5).read_to_end(&mut magic))
            .map_err(C1zError::read(path))?;
        let engine = if magic == v1::container::MAGIC {
            Engine::Sqlite(Box::new(v1::Reader::open(path, temp_dir, limits)?))
        } else if magic == v3::MAGIC {
            Engine::Pebble(Box::new(v3::Reader::open(path, limits)?))
        } else {
            return Err(C1zError::Magic { path: path.to_owned() });
        };
        Ok(Self { engine })
    }

    /// What wrote the file.
    pub fn engine(&self) -> StorageEngine {
        match self.engine {
            Engine::Sqlite(_) => StorageEngine::Sqlite,
            Engine::Pebble(_) => StorageEngine::Pebble,
        }
    }

    /// The store, where it is version 3.
    pub(super) fn store(&self) -> Option<&v3::Reader> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Pebble(reader) => Some(reader),
        }
    }

    /// The sync.
    pub fn run(&self) -> &SyncRun {
        either!(self, reader => reader.run())
    }

    /// Every resource type.
    pub fn resource_types(&self, each: impl FnMut(StoredResourceType) -> Result<(), C1zError>) -> Result<(), C1zError> {
        either!(self, reader => reader.resource_types(each))
    }

    /// Every resource.
    pub fn resources(&self, each: impl FnMut(StoredResource) -> Result<(), C1zError>) -> Result<(), C1zError> {
        either!(self, reader => reader.resources(each))
    }

    /// Every entitlement.
    pub fn entitlements(&self, each: impl FnMut(StoredEntitlement) -> Result<(), C1zError>) -> Result<(), C1zError> {
        either!(self, reader => reader.entitlements(each))
    }

    /// Every grant.
    pub fn grants(&self, each: impl FnMut(StoredGrant) -> Result<(), C1zError>) -> Result<(), C1zError> {
        either!(self, reader => reader.grants(each))
    }

    /// One resource.
    pub fn resource(&self, resource_type: &str, id: &str) -> Result<Option<StoredResource>, C1zError> {
        either!(self, reader => reader.resource(resource_type, id))
    }

    /// One entitlement.
    pub fn entitlement(&self, id: &str) -> Result<Option<StoredEntitlement>, C1zError> {
        either!(self, reader => reader.entitlement(id))
    }

    /// One grant.
    pub fn grant(&self, id: &str) -> Result<Option<StoredGrant>, C1zError> {
        either!(self, reader => reader.grant(id))
    }

    /// Grants on resources of this type that a connector gave, without those that expansion made: those carry an empty
    /// `GrantImmutable` and sources without their own entitlement. By the type of their principals.
    pub fn raw_grants(&self, resource_type_id: &str) -> Result<BTreeMap<String, u64>, C1zError> {
        let mut counts = BTreeMap::new();
        either!(self, reader => reader.grants_on(resource_type_id, |grant| {
            let expanded = grant.immutable == "expanded" && !grant.sources.contains(&grant.entitlement_id);
            if !expanded {
                *counts.entry(grant.principal_type).or_default() += 1;
            }
            Ok(())
        }))?;
        Ok(counts)
    }
}
