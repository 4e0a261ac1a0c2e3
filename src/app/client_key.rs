//! The client secret's key, for passwords that C1 encrypts to us (c1-protocol.md §10.5).

use secrecy::ExposeSecret as _;
use tokio::sync::watch;

use crate::credentials::{C1Values, CredentialState};
use baton::crypto::{ClientKey, KeySource};
use baton::session::SigningKey;

/// The key of whatever client secret is in use when it is asked for.
pub(super) fn source(state: watch::Receiver<CredentialState>) -> KeySource {
    KeySource::new(move || key(state.borrow().c1.current.as_ref()?))
}

/// `None` where the secret is none: no session runs with it either.
fn key(values: &C1Values) -> Option<ClientKey> {
    let (seed, kid) = SigningKey::seed_of(values.client_secret.expose_secret()).ok()?;
    ClientKey::from_seed(&seed, kid.as_deref()).ok()
}
