//! Which certificate authorities are trusted: the system's, and those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name
//! (c1-protocol.md §2.4). One variable adds to the system's, as it does for Go programs; both together replace them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_certs_from_paths;

const FILE: &str = "SSL_CERT_FILE";
const DIRS: &str = "SSL_CERT_DIR";

/// Where the distributions keep their bundle.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// What the variables name.
#[derive(Debug, Default)]
struct Named {
    file: Option<PathBuf>,
    dirs: Vec<PathBuf>,
}

impl Named {
    #[expect(
        clippy::disallowed_methods,
        reason = "these are the TLS libraries' variables and no settings of ours"
    )]
    fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            file: set(FILE).map(PathBuf::from),
            dirs: set(DIRS).map_or_else(Vec::new, |dirs| std::env::split_paths(&dirs).collect()),
        }
    }

    /// Everything that they name and, unless both are set, what `bundles` has first. What cannot be read is logged.
    fn load(&self, bundles: &[&str]) -> Vec<CertificateDer<'static>> {
        let mut found = read(FILE, self.file.as_deref(), None);
        for dir in &self.dirs {
            found.extend(read(DIRS, None, Some(dir)));
        }
        if self.file.is_none() || self.dirs.is_empty() {
            let bundle = bundles.iter().map(Path::new).find(|bundle| bundle.exists());
            found.extend(read("the system's certificates", bundle, None));
        }
        found
    }
}

/// The certificates of a file or of a directory.
fn read(named_by: &str, file: Option<&Path>, dir: Option<&Path>) -> Vec<CertificateDer<'static>> {
    let found = load_certs_from_paths(file, dir);
    for error in &found.errors {
        tracing::warn!(error = %error, "{named_by}: some trusted certificates could not be read");
    }
    if found.certs.is_empty() && (file.is_some() || dir.is_some()) {
        tracing::warn!("{named_by} holds no certificate");
    }
    found.certs
}

/// All anchors, read once; empty where there are none. Shared, since a store of them is a fifth of a megabyte.
pub fn store() -> Arc<RootCertStore> {
    static STORE: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let named = Named::from_env();
        let certificates = if named.file.is_some() || !named.dirs.is_empty() {
            named.load(&BUNDLES)
        } else {
            rustls_native_certs::load_native_certs().certs
        };
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Arc::new(store)
    };
    Arc::clone(STORE.get_or_init(read))
}

/// TLS 1.2 or later without a client certificate, for a peer that one of `roots` vouches for.
pub fn client_config(roots: Arc<RootCertStore>, alpn: &[&[u8]]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in the form of a certificate: what is read, not what it says, is what these tests look at.
    fn pem(text: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn one_variable_adds_to_the_system_and_both_replace_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, pem(text)).unwrap();
            path
        };
        let bundle = place("system.pem", "AAAA");
        let file = place("own.pem", "BBBB");
        let dirs = vec![place("own/0f0f0f0f.0", "CCCC").parent().unwrap().to_owned()];
        let bundles = ["/no/such/bundle", bundle.to_str().unwrap()];
        let cases = [
            (Some(file.clone()), Vec::new(), vec![[4, 16, 65], [0, 0, 0]]),
            (None, dirs.clone(), vec![[8, 32, 130], [0, 0, 0]]),
            (Some(file), dirs, vec![[4, 16, 65], [8, 32, 130]]),
            (Some("/no/such/file".into()), Vec::new(), vec![[0, 0, 0]]),
        ];
        for (file, dirs, expected) in cases {
            let found = Named { file, dirs }.load(&bundles);
            let found: Vec<&[u8]> = found.iter().map(AsRef::as_ref).collect();
            assert_eq!(found, expected);
        }
    }
}
