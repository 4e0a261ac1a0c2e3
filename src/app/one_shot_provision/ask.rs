//! From the settings to a task, as C1 would have sent it.

use serde_json::{Map, Value};

use super::Unfit;
use super::secret::Key;
use crate::config::{Config, OneShot};
use crate::provision::is_identity_provider;
use baton::c1z::{Limits, Reader};
use baton::task::{
    AccountInfo, ActionCall, Code, CreateAccountRequest, CredentialOptions, DeleteResourceRequest, Email,
    EntitlementRef, GrantRequest, Password, ResourceRef, RevokeRequest, RotateCredentialsRequest, TaskError, TaskKind,
};
use baton::wire::stored::{StoredEntitlement, StoredResource};

/// Characters of a generated password (c1-protocol.md §12.3).
const PASSWORD_LENGTH: u32 = 20;

fn settings(message: impl Into<String>) -> Unfit {
    Unfit::Settings(message.into())
}

fn not_found(message: impl Into<String>) -> Unfit {
    Unfit::Task(TaskError::new(Code::NotFound, message))
}

/// The task that the settings ask for. `key` is whom secrets are encrypted to.
pub(super) fn task(config: &Config, key: &Key) -> Result<TaskKind, Unfit> {
    Ok(match &config.one_shot {
        OneShot::Grant {
            entitlement,
            principal,
            principal_type,
        } => {
            let file = Rows::open(config)?;
            TaskKind::Grant(Ok(GrantRequest {
                entitlement: file.entitlement(entitlement)?,
                principal: file.resource(principal_type, principal)?,
            }))
        }
        OneShot::Revoke(id) => TaskKind::Revoke(Ok(Rows::open(config)?.grant(id)?)),
        OneShot::CreateAccount {
            login,
            email,
            profile,
            resource_type,
        } => {
            let profile = match profile {
                Some(text) => object("create-account-profile", text)?,
                None => Map::new(),
            };
            TaskKind::CreateAccount(Ok(Box::new(CreateAccountRequest {
                credentials: Some(credentials(&profile)),
                account: AccountInfo {
                    emails: email.iter().map(|address| primary(address)).collect(),
                    login: login.clone().unwrap_or_default(),
                    login_aliases: Vec::new(),
                    profile,
                },
                encryption: vec![key.target()],
                resource_type_id: resource_type.clone().unwrap_or_default(),
            })))
        }
        OneShot::InvokeAction {
            name,
            args,
            resource_type,
        } => TaskKind::InvokeAction(Ok(ActionCall {
            name: name.clone(),
            resource_type_id: resource_type.clone(),
            args: object("invoke-action-args", args)?,
        })),
        OneShot::ListActions(resource_type_id) => TaskKind::ListActionSchemas {
            resource_type_id: resource_type_id.clone(),
        },
        OneShot::Delete { id, resource_type } => TaskKind::DeleteResource(Ok(DeleteResourceRequest {
            resource: named("delete-resource", id, resource_type)?,
        })),
        OneShot::Rotate { id, resource_type } => TaskKind::RotateCredentials(Ok(RotateCredentialsRequest {
            resource: named("rotate-credentials", id, resource_type)?,
            credentials: Some(random()),
            encryption: vec![key.target()],
        })),
        OneShot::EventFeed { .. } | OneShot::Sync => return Err(settings("this is no provisioning task")),
    })
}

fn object(flag: &str, text: &str) -> Result<Map<String, Value>, Unfit> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        // The value may hold personal data, so it is not repeated.
        _ => Err(settings(format!("--{flag} must be a JSON object"))),
    }
}

fn named(flag: &str, id: &str, resource_type: &str) -> Result<ResourceRef, Unfit> {
    if resource_type.is_empty() {
        return Err(settings(format!("--{flag} needs --{flag}-type, such as user")));
    }
    Ok(ResourceRef {
        resource_type: resource_type.to_owned(),
        id: id.to_owned(),
        ..ResourceRef::default()
    })
}

fn primary(address: &str) -> Email {
    Email {
        address: address.to_owned(),
        is_primary: true,
    }
}

const fn random() -> CredentialOptions {
    CredentialOptions {
        password: Password::Random {
            length: PASSWORD_LENGTH,
            rules: Vec::new(),
        },
        force_change_at_next_login: false,
    }
}

/// A random password, but none for users who sign on elsewhere.
fn credentials(profile: &Map<String, Value>) -> CredentialOptions {
    let elsewhere = profile
        .iter()
        .any(|(name, value)| is_identity_provider(name) && !value.is_null());
    if elsewhere {
        return CredentialOptions {
            password: Password::None,
            force_change_at_next_login: false,
        };
    }
    random()
}

/// An id of the command line in an error.
fn short(id: &str) -> std::borrow::Cow<'_, str> {
    baton::model::cut(id, 200)
}

/// The file that ids are looked up in.
struct Rows {
    reader: Reader,
    name: String,
}

impl Rows {
    fn open(config: &Config) -> Result<Self, Unfit> {
        Ok(Self {
            reader: Reader::open(&config.file, &config.temp_dir, Limits::default())?,
            name: config.file.display().to_string(),
        })
    }

    fn grant(&self, id: &str) -> Result<RevokeRequest, Unfit> {
        let Some(grant) = self.reader.grant(id)? else {
            return Err(not_found(format!(
                "grant {} is not in {}; sync first",
                short(id),
                self.name
            )));
        };
        Ok(RevokeRequest {
            entitlement: self.entitlement(&grant.entitlement_id)?,
            principal: self.resource(&grant.principal_type, &grant.principal_id)?,
            grant_id: grant.id,
            metadata: None,
        })
    }

    fn entitlement(&self, id: &str) -> Result<EntitlementRef, Unfit> {
        let Some(found) = self.reader.entitlement(id)? else {
            return Err(not_found(format!(
                "entitlement {id} is not in {}; sync first",
                self.name
            )));
        };
        let StoredEntitlement {
            resource_type,
            resource_id,
            slug,
            description,
            ..
        } = found;
        Ok(EntitlementRef {
            id: id.to_owned(),
            slug,
            description,
            binding: self.stored(&resource_type, &resource_id)?.binding,
            resource: self.resource(&resource_type, &resource_id)?,
        })
    }

    fn stored(&self, resource_type: &str, id: &str) -> Result<StoredResource, Unfit> {
        let found = self.reader.resource(resource_type, id)?;
        found.ok_or_else(|| not_found(format!("{resource_type} {id} is not in {}; sync first", self.name)))
    }

    fn resource(&self, resource_type: &str, id: &str) -> Result<ResourceRef, Unfit> {
        let StoredResource {
            resource_type,
            id,
            display_name,
            foreign,
            ..
        } = self.stored(resource_type, id)?;
        if foreign {
            return Err(Unfit::Task(TaskError::new(
                Code::FailedPrecondition,
                format!("{resource_type} {id} is another connector's (BatonID) and is not changed by this one"),
            )));
        }
        Ok(ResourceRef {
            resource_type,
            id,
            parent: None,
            display_name,
        })
    }
}
