//! A provisioner over a small directory, with keys to seal passwords to and to open them with.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use baton::crypto::{ClientKey, KeySource};
use baton::model::{Resource, StatusKind};
use baton::task::{
    AccountCreated, AccountInfo, AccountResult, Annotation, Code, CreateAccountRequest, CredentialOptions,
    DeleteResourceRequest, EncryptedSecret, EncryptionTarget, Password, Provisioner as _, ResourceRef,
    RotateCredentialsRequest, Rotated, TaskError, TaskId, WriteContext,
};
use baton_ping_one::provision::{AuditSink, Change, PingOneProvisioner, ProvisionOptions};
use pingone::Client;
use sandbox::pingone::{Directory, Fault, Options, UserState, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use crate::stand_in::refuse;
use crate::stand_in::{self, UNLIMITED, Watched};

const AGE: &str = "age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm";
const AGE_IDENTITY: &str = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU";
/// Public half of the key that [`client_key`] makes (c1-protocol.md §2.5).
const CLIENT_PUBLIC: &str = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";

pub const USERS: &str = "/environments/{id}/users";
pub const USER: &str = "/environments/{id}/users/{id}";
pub const ENABLED: &str = "/environments/{id}/users/{id}/enabled";
pub const PASSWORD: &str = "/environments/{id}/users/{id}/password";
/// A listing of no users.
pub const NOBODY: &str = r#"{"_embedded":{"users":[]},"count":0,"size":0}"#;

#[derive(Debug, Default)]
pub struct Audited {
    lines: Mutex<Vec<Change>>,
    /// Cancelled by the first line: between the first write of a task and its second.
    cancels: Mutex<Option<CancellationToken>>,
}

impl AuditSink for Audited {
    fn record(&self, change: &Change) {
        self.lines.lock().unwrap().push(change.clone());
        if let Some(token) = self.cancels.lock().unwrap().take() {
            token.cancel();
        }
    }
}

pub struct Rig {
    pub server: Watched,
    pub client: Client,
    pub provisioner: PingOneProvisioner,
    pub token: CancellationToken,
    directory: Directory,
    audited: Arc<Audited>,
}

/// Populations: staff is the default, two share a name. Users differ in what their names say.
pub fn directory() -> Directory {
    let external = json!({"identityProvider": {"id": "x", "type": "SAML"}, "passwordStatus": "NO_PASSWORD"});
    Directory::builder()
        .population("staff", json!({"default": true}))
        .population("guests", json!({}))
        .population("twin a", json!({"name": "Twin"}))
        .population("twin b", json!({"name": "Twin"}))
        .user("mara", "staff", json!({"passwordStatus": "OK"}))
        .user("gus", "guests", json!({}))
        .user("off", "staff", json!({"enabled": false}))
        .user("external", "staff", external)
        .user("gateway", "staff", json!({"passwordStatus": "EXTERNAL"}))
        .build()
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(|_| {}, ProvisionOptions::default()).await
    }

    pub async fn bent(change: impl FnOnce(&mut Options)) -> Self {
        Self::with(change, ProvisionOptions::default()).await
    }

    pub async fn set(change: impl FnOnce(&mut ProvisionOptions)) -> Self {
        let mut options = ProvisionOptions::default();
        change(&mut options);
        Self::with(|_| {}, options).await
    }

    pub async fn with(change: impl FnOnce(&mut Options), options: ProvisionOptions) -> Self {
        let mut sandbox = Options::default();
        change(&mut sandbox);
        let directory = sandbox.custom.get_or_insert_with(directory).clone();
        let server = start(sandbox).await.unwrap();
        let client = stand_in::client(&server, UNLIMITED);
        // The token is there, so that tests count only what they ask for.
        client.prove().await.unwrap();
        server.reset_requests();
        let audited = Arc::new(Audited::default());
        let provisioner = PingOneProvisioner::new(options, client.clone())
            .with_client_key(KeySource::new(|| Some(client_key())))
            .with_audit(Arc::clone(&audited) as Arc<dyn AuditSink>);
        Self {
            server: server.into(),
            client,
            provisioner,
            token: CancellationToken::new(),
            directory,
            audited,
        }
    }

    pub fn id(&self, label: &str) -> Uuid {
        self.directory.id(label).unwrap_or_else(|| panic!("no {label}"))
    }

    pub fn context(&self) -> WriteContext {
        WriteContext {
            task_id: TaskId::new("2abcDEFghiJKLmnoPQRstuVWXyz"),
            token: self.token.clone(),
        }
    }

    /// Creates an account without a password.
    pub async fn create(&self, profile: Value) -> Result<AccountCreated, TaskError> {
        self.create_with(profile, None, Vec::new()).await
    }

    pub async fn create_with(
        &self,
        profile: Value,
        password: Option<CredentialOptions>,
        encryption: Vec<EncryptionTarget>,
    ) -> Result<AccountCreated, TaskError> {
        let request = CreateAccountRequest {
            account: AccountInfo {
                profile: profile.as_object().unwrap().clone(),
                ..AccountInfo::default()
            },
            credentials: password,
            encryption,
            resource_type_id: String::new(),
        };
        self.provisioner.create_account(request, self.context()).await
    }

    pub async fn delete(&self, resource_type: &str, id: &str) -> Result<Vec<Annotation>, TaskError> {
        let resource = resource(resource_type, id);
        self.provisioner
            .delete_resource(DeleteResourceRequest { resource }, self.context())
            .await
    }

    pub async fn rotate(
        &self,
        id: &str,
        credentials: Option<CredentialOptions>,
        encryption: Vec<EncryptionTarget>,
    ) -> Result<Rotated, TaskError> {
        let request = RotateCredentialsRequest {
            resource: resource("user", id),
            credentials,
            encryption,
        };
        self.provisioner.rotate_credentials(request, self.context()).await
    }

    pub fn user(&self, label: &str) -> UserState {
        self.server.snapshot().users[&self.id(label)].clone()
    }

    /// The user of that name.
    pub fn named(&self, username: &str) -> Option<(Uuid, UserState)> {
        let snapshot = self.server.snapshot();
        snapshot.user_named(username).map(|(id, state)| (id, state.clone()))
    }

    pub fn writes(&self) -> u64 {
        self.server.requests().writes()
    }

    pub fn calls(&self, method: &str, path: &str) -> u64 {
        self.server.requests().of(method, path)
    }

    pub fn fault(&self, fault: Fault) {
        self.server.set_faults(vec![fault]);
    }

    /// The task is cancelled right after its first write.
    pub fn cancel_after_the_first_write(&self) {
        *self.audited.cancels.lock().unwrap() = Some(self.token.clone());
    }

    /// Audit lines of what changed or may have changed: operation, object, before, after, how sure.
    pub fn audited(&self) -> Vec<String> {
        let lines = self.audited.lines.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.outcome.as_str() != "refused")
            .map(|line| {
                assert!(line.outcome.as_str() != "done" || line.request_id.is_some());
                let outcome = line.outcome.as_str();
                format!(
                    "{} {}: {} -> {} ({outcome})",
                    line.operation, line.object, line.before, line.after
                )
            })
            .collect()
    }
}

pub fn client_key() -> ClientKey {
    let seed: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    ClientKey::from_seed(&seed, None).unwrap()
}

pub fn resource(resource_type: &str, id: &str) -> ResourceRef {
    ResourceRef {
        resource_type: resource_type.into(),
        id: id.into(),
        ..ResourceRef::default()
    }
}

/// A generated password of 16 characters, to be changed.
pub fn random() -> Option<CredentialOptions> {
    Some(CredentialOptions {
        password: Password::Random {
            length: 16,
            rules: Vec::new(),
        },
        force_change_at_next_login: true,
    })
}

pub fn option(password: Password) -> Option<CredentialOptions> {
    Some(CredentialOptions {
        password,
        force_change_at_next_login: false,
    })
}

/// A password of C1's, sealed to the client secret's key.
pub fn sealed(password: &str) -> Option<CredentialOptions> {
    let public = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(CLIENT_PUBLIC)
        .unwrap();
    let wire = [b"\0\0\0\x0bssh-ed25519\0\0\0 ".as_slice(), &public].concat();
    let to = age::ssh::Recipient::from_str(&format!("ssh-ed25519 {}", STANDARD.encode(wire))).unwrap();
    let file = age::encrypt(&to, password.as_bytes()).unwrap();
    option(Password::Encrypted(vec![EncryptedSecret {
        provider: "baton/jwk/v1".into(),
        bytes: STANDARD.encode(file).into_bytes(),
        key_ids: vec![client_key().id().to_owned()],
        ..EncryptedSecret::default()
    }]))
}

/// Somebody to encrypt to.
pub fn to_us() -> Vec<EncryptionTarget> {
    vec![EncryptionTarget {
        age_recipient: Some(AGE.into()),
        ..EncryptionTarget::default()
    }]
}

/// Opens what was encrypted to [`to_us`].
pub fn open(secret: &EncryptedSecret) -> String {
    let identity = age::x25519::Identity::from_str(AGE_IDENTITY).unwrap();
    assert_eq!(
        (secret.provider.as_str(), secret.name.as_str()),
        ("baton/age/v1", "password")
    );
    String::from_utf8(age::decrypt(&identity, &secret.bytes).unwrap()).unwrap()
}

#[track_caller]
pub fn success(created: &AccountCreated) -> &Resource {
    match &created.result {
        AccountResult::Success { resource, .. } => resource,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn action_required(created: &AccountCreated) -> (Option<&Resource>, &str) {
    match &created.result {
        AccountResult::ActionRequired { resource, message } => (resource.as_ref(), message),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub fn already_exists(created: &AccountCreated) -> Option<&Resource> {
    match &created.result {
        AccountResult::AlreadyExists { resource } => resource.as_ref(),
        other => panic!("{other:?}"),
    }
}

pub fn is_disabled(resource: &Resource) -> bool {
    resource.status.as_ref().unwrap().kind == StatusKind::Disabled
}

/// Checks code and text of a refusal.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, TaskError>, code: Code, part: &str) {
    stand_in::refused(outcome, code, &[part]);
}
