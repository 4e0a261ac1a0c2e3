//! The real provisioner over a stand-in for PingOne, in a runtime of its own whose clock runs: calls over sockets take
//! real time, and the session's clock stands still meanwhile. Beside it the keys of whoever reads the secrets.

use std::str::FromStr as _;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P384, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as URL};
use baton::crypto::{ClientKey, KeySource};
use baton::session::SigningKey;
use baton::task::{
    AccountCreated, ActionCall, ActionOutcome, Annotation, CreateAccountRequest, DeleteResourceRequest, GrantReply,
    GrantRequest, IssueCredentialRequest, Provisioner, RevokeReply, RevokeRequest, RotateCredentialsRequest, Rotated,
    TaskError, WriteContext,
};
use baton_ping_one::provision::{PingOneProvisioner, ProvisionOptions};
use futures_util::future::BoxFuture;
use sandbox::c1::Identity;
use sandbox::c1::proto::connector as cv2;
use sandbox::pingone::{Directory, Options, start};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::rig::CLIENT_ID;
use crate::stand_in::{UNLIMITED, Watched, client};

/// A directory with one population, and who provisions it.
pub struct Accounts {
    directory: Directory,
    server: Watched,
    provisioner: Arc<Elsewhere>,
    public: Vec<u8>,
    key_id: String,
}

impl Accounts {
    pub async fn start() -> Self {
        let runtime = Arc::new(RealTime(Some(
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        )));
        let directory = Directory::builder()
            .population("staff", json!({"default": true}))
            .user("ann", "staff", json!({}))
            .user("bob", "staff", json!({}))
            .user("eve", "staff", json!({}))
            .build();
        let options = Options {
            custom: Some(directory.clone()),
            ..Options::default()
        };
        let server = runtime.run(start(options)).await.unwrap();
        let client = client(&server, UNLIMITED);
        // As the daemon does: the key is the one in the text of the client secret.
        let identity = Identity::from_seed(CLIENT_ID, [7; 32]).unwrap();
        let secret = identity.client_secret.clone();
        let key = move || {
            let (seed, kid) = SigningKey::seed_of(&secret).unwrap();
            ClientKey::from_seed(&seed, kid.as_deref()).unwrap()
        };
        let key_id = key().id().to_owned();
        let inner = PingOneProvisioner::new(ProvisionOptions::default(), client)
            .with_client_key(KeySource::new(move || Some(key())));
        Self {
            directory,
            server: server.into(),
            provisioner: Arc::new(Elsewhere {
                runtime,
                inner: Arc::new(inner),
            }),
            public: identity.public_key,
            key_id,
        }
    }

    pub fn provisioner(&self) -> Arc<dyn Provisioner> {
        Arc::clone(&self.provisioner) as _
    }

    /// Id and password of the user of that name.
    pub fn user(&self, name: &str) -> Option<(String, Option<String>)> {
        let snapshot = self.server.snapshot();
        let (id, state) = snapshot.user_named(name)?;
        Some((id.to_string(), state.password.clone()))
    }

    pub fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap()
    }

    pub fn role(&self, name: &str) -> Uuid {
        let roles = self.server.directory().roles();
        roles.iter().find(|(_, known, _)| known == name).unwrap().0
    }

    pub fn holds(&self, user: &str, role: Uuid, scope: Uuid) -> bool {
        self.server.snapshot().has_role(self.id(user), role, scope)
    }

    /// How often PingOne was asked for anything.
    pub fn asked(&self) -> u64 {
        self.server.requests().total
    }

    /// The daemon's key, as C1 knows it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// A password as C1 seals it to the daemon's key.
    pub fn sealed(&self, password: &str, key_id: &str) -> cv2::EncryptedData {
        let to = age::ssh::Recipient::from_str(&ssh("ssh-ed25519", &[&self.public])).unwrap();
        let file = age::encrypt(&to, password.as_bytes()).unwrap();
        cv2::EncryptedData {
            provider: "baton/jwk/v1".to_owned(),
            encrypted_bytes: STANDARD.encode(file).into_bytes(),
            key_ids: vec![key_id.to_owned()],
            ..Default::default()
        }
    }
}

/// A runtime that may be dropped anywhere.
struct RealTime(Option<Runtime>);

impl RealTime {
    /// Runs there. The blocking thread that waits for it keeps the caller's paused clock from running ahead.
    async fn run<T: Send + 'static>(self: &Arc<Self>, work: impl Future<Output = T> + Send + 'static) -> T {
        let there = Arc::clone(self);
        tokio::task::spawn_blocking(move || there.0.as_ref().unwrap().block_on(work))
            .await
            .unwrap()
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Elsewhere {
    runtime: Arc<RealTime>,
    inner: Arc<PingOneProvisioner>,
}

macro_rules! elsewhere {
    ($($name:ident($request:ty) -> $reply:ty;)+) => {
        impl Provisioner for Elsewhere {
            fn refuse_issue(&self, request: &IssueCredentialRequest) -> TaskError {
                self.inner.refuse_issue(request)
            }

            $(fn $name(&self, request: $request, context: WriteContext) -> BoxFuture<'_, Result<$reply, TaskError>> {
                let inner = Arc::clone(&self.inner);
                Box::pin(self.runtime.run(async move { inner.$name(request, context).await }))
            })+
        }
    };
}

elsewhere! {
    grant(GrantRequest) -> GrantReply;
    revoke(RevokeRequest) -> RevokeReply;
    create_account(CreateAccountRequest) -> AccountCreated;
    delete_resource(DeleteResourceRequest) -> Vec<Annotation>;
    rotate_credentials(RotateCredentialsRequest) -> Rotated;
    run_action(ActionCall) -> ActionOutcome;
}

/// A public key line of OpenSSH.
fn ssh(name: &str, parts: &[&[u8]]) -> String {
    let mut wire = Vec::new();
    for part in std::iter::once(name.as_bytes()).chain(parts.iter().copied()) {
        wire.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        wire.extend_from_slice(part);
    }
    format!("{name} {}", STANDARD.encode(wire))
}

fn hex(data: &[u8]) -> String {
    let bytes: Vec<String> = digest(&SHA256, data)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    bytes.concat()
}

/// Fresh keys of each kind: Ed25519, RSA, P-384 and age, in this order.
pub struct PrivateKeys {
    ed25519: (Identity, ClientKey),
    rsa: (String, age::ssh::Identity),
    elliptic: (String, PrivateKey),
    age: age::x25519::Identity,
}

impl PrivateKeys {
    pub fn new() -> Self {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).unwrap();
        let ed25519 = Identity::from_seed(CLIENT_ID, seed).unwrap();
        let pkcs8 = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = pkcs8.as_der().unwrap();
        // The 26 bytes before it say that it is RSA.
        let pkcs1 = &der.as_ref()[26..];
        let pem = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            STANDARD.encode(pkcs1)
        );
        // The modulus: 257 bytes with the sign's, after the sequence's head and the version; the exponent follows.
        let (n, e) = (URL.encode(&pkcs1[12..268]), URL.encode(&pkcs1[270..273]));
        let elliptic = PrivateKey::generate(&ECDH_P384).unwrap();
        let public = elliptic.compute_public_key().unwrap();
        let (x, y) = public.as_ref()[1..].split_at(48);
        Self {
            ed25519: (ed25519, ClientKey::from_seed(&seed, None).unwrap()),
            rsa: (
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
                age::ssh::Identity::from_buffer(pem.as_bytes(), None).unwrap(),
            ),
            elliptic: (
                format!(
                    r#"{{"crv":"P-384","kty":"EC","x":"{}","y":"{}"}}"#,
                    URL.encode(x),
                    URL.encode(y)
                ),
                elliptic,
            ),
            age: age::x25519::Identity::generate(),
        }
    }

    fn ed25519(&self) -> String {
        let x = URL.encode(&self.ed25519.0.public_key);
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
    }

    /// A configuration for each.
    pub fn configs(&self) -> Vec<cv2::EncryptionConfig> {
        use cv2::encryption_config::{AgeRecipientConfig, Config, JwkPublicKeyConfig};
        let jwk = |provider: &str, json: &str| cv2::EncryptionConfig {
            provider: provider.to_owned(),
            config: Some(Config::JwkPublicKeyConfig(JwkPublicKeyConfig { pub_key: json.into() })),
            ..Default::default()
        };
        let age = cv2::EncryptionConfig {
            config: Some(Config::AgeRecipientConfig(AgeRecipientConfig {
                recipient: self.age.to_public().to_string(),
            })),
            ..Default::default()
        };
        vec![
            jwk("baton/jwk/v1", &self.ed25519()),
            jwk("", &self.rsa.0),
            jwk("baton/jwk/v1/private", &self.elliptic.0),
            age,
        ]
    }

    /// The id of the n-th key (c1-protocol.md §10.2).
    pub fn id(&self, at: usize) -> String {
        match at {
            0 => {
                assert_eq!(hex(self.ed25519().as_bytes()), self.ed25519.1.id());
                self.ed25519.1.id().to_owned()
            }
            1 => hex(self.rsa.0.as_bytes()),
            2 => hex(self.elliptic.0.as_bytes()),
            _ => hex(self.age.to_public().to_string().as_bytes()),
        }
    }

    /// Opens what was sealed to the n-th key.
    pub fn open(&self, at: usize, bytes: &[u8]) -> anyhow::Result<String> {
        let plaintext = match at {
            0 => age::decrypt(&self.openssh()?, &STANDARD.decode(bytes)?)?,
            1 => age::decrypt(&self.rsa.1, &STANDARD.decode(bytes)?)?,
            2 => self.open_jwe(std::str::from_utf8(&STANDARD.decode(bytes)?)?)?,
            _ => age::decrypt(&self.age, bytes)?,
        };
        Ok(String::from_utf8(plaintext)?)
    }

    /// The Ed25519 key as the age crate reads it.
    fn openssh(&self) -> anyhow::Result<age::ssh::Identity> {
        let (seed, _) = SigningKey::seed_of(&self.ed25519.0.client_secret)?;
        let public = &self.ed25519.0.public_key;
        let string = |part: &[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        let blob = [string(b"ssh-ed25519"), string(public)].concat();
        let pair = [seed.as_slice(), public].concat();
        let mut private = [vec![0; 8], blob.clone(), string(&pair), string(b"")].concat();
        for padding in (1_u8..).take((8 - private.len() % 8) % 8) {
            private.push(padding);
        }
        let file = [
            b"openssh-key-v1\0".to_vec(),
            string(b"none"),
            string(b"none"),
            string(b""),
            vec![0, 0, 0, 1],
            string(&blob),
            string(&private),
        ]
        .concat();
        let text = format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            STANDARD.encode(file)
        );
        Ok(age::ssh::Identity::from_buffer(text.as_bytes(), None)?)
    }

    /// As RFC 7516 and RFC 7518 §4.6 say.
    fn open_jwe(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let parts: Vec<&str> = text.split('.').collect();
        let [header, "", nonce, body, tag] = parts.as_slice() else {
            anyhow::bail!("not a direct JWE")
        };
        let head: Value = serde_json::from_slice(&URL.decode(header)?)?;
        let part = |name: &str| URL.decode(head["epk"][name].as_str().unwrap_or_default());
        let point = [&[4], part("x")?.as_slice(), part("y")?.as_slice()].concat();
        let peer = UnparsedPublicKey::new(&ECDH_P384, point);
        let failed = || anyhow::anyhow!("not for this key");
        let key = agree(&self.elliptic.1, peer, failed(), |shared| {
            let info = [
                &1_u32.to_be_bytes(),
                shared,
                &7_u32.to_be_bytes(),
                b"A256GCM",
                &[0; 8],
                &256_u32.to_be_bytes(),
            ]
            .concat();
            Ok(digest(&SHA256, &info))
        })?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| failed())?);
        let nonce = Nonce::try_assume_unique_for_key(&URL.decode(nonce)?).map_err(|_| failed())?;
        let mut sealed = [URL.decode(body)?, URL.decode(tag)?].concat();
        let opened = key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut sealed);
        Ok(opened.map_err(|_| failed())?.to_vec())
    }
}
