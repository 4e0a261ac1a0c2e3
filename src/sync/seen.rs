//! What roles were held over in the last sync, for a task that names a binding by its id alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// The types of scopes by their ids. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct SeenScopes(Arc<Mutex<BTreeMap<Uuid, String>>>);

impl SeenScopes {
    /// These are the scopes of the last sync: types in lower case, and ids.
    pub fn learn(&self, scopes: &[(String, Uuid)]) {
        let scopes = scopes.iter().map(|(kind, id)| (*id, kind.clone())).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = scopes;
    }

    /// The type of a scope, where the last sync had it.
    pub fn kind(&self, id: Uuid) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}
