//! Whose certificates are believed.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use process::runtime::anchors;

/// Whom to believe.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The system's anchors and those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name (c1-protocol.md §2.4).
    #[default]
    System,
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
}

/// There is no anchor to believe.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no trusted certificate was found (SSL_CERT_FILE, SSL_CERT_DIR)")]
pub struct NoTrust;

pub(super) fn roots(trust: &Trust) -> Result<Arc<RootCertStore>, NoTrust> {
    let store = match trust {
        Trust::Only(certificates) => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(certificates.iter().cloned());
            Arc::new(store)
        }
        Trust::System => anchors::store(),
    };
    if store.is_empty() { Err(NoTrust) } else { Ok(store) }
}
