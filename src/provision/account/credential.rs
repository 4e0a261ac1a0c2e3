//! Which password the account gets (c1-protocol.md §10.4, §10.5). Pure: recipients are proven and C1's password is
//! opened here, before anything is asked of PingOne.

use super::fields::NewAccount;
use super::population::policy;
use crate::provision::context::TaskContext;
use crate::provision::error::Failure;
use crate::provision::password::{Wish, random};
use baton::crypto::{ClientKey, CryptoError, Plaintext, Recipient, recipients};
use baton::task::{CredentialOptions, EncryptionTarget, Password, PasswordRule};

/// A password to set.
#[derive(Debug)]
pub(crate) struct Secret {
    /// In the clear.
    pub(crate) plaintext: Plaintext,
    /// To whom it goes back; nobody for one that C1 chose.
    pub(crate) recipients: Vec<Recipient>,
    /// To be changed at the next sign-on.
    pub(crate) force_change: bool,
}

/// What is wished for.
#[derive(Debug)]
pub(super) enum Credential {
    /// No password.
    None,
    /// Sign-on through a provider, by id or exact name.
    Sso(String),
    /// A password.
    Password(PasswordWish),
}

/// Which password.
#[derive(Debug)]
pub(crate) enum PasswordWish {
    /// Chosen by C1.
    Given(Secret),
    /// To be generated.
    Random {
        length: u32,
        rules: Vec<PasswordRule>,
        recipients: Vec<Recipient>,
        force_change: bool,
    },
}

impl PasswordWish {
    /// A random password that nobody is to be told.
    pub(crate) fn is_for_nobody(&self) -> bool {
        matches!(self, Self::Random { recipients, .. } if recipients.is_empty())
    }

    /// The password; a random one keeps the policy with this id and holds nothing of the profile.
    pub(crate) async fn generate(
        self,
        task: &TaskContext,
        profile: &[&str],
        policy_id: Option<&str>,
    ) -> Result<Secret, Failure> {
        let (length, rules, recipients, force_change) = match self {
            Self::Given(secret) => return Ok(secret),
            Self::Random {
                length,
                rules,
                recipients,
                force_change,
            } => (length, rules, recipients, force_change),
        };
        let policy = policy(task, policy_id).await?;
        let plaintext = random(&Wish {
            length,
            rules: &rules,
            policy: policy.as_ref(),
            profile,
        })?;
        Ok(Secret {
            plaintext,
            recipients,
            force_change,
        })
    }
}

impl Credential {
    pub(super) fn read(
        options: Option<&CredentialOptions>,
        targets: &[EncryptionTarget],
        key: Option<&ClientKey>,
    ) -> Result<Self, Failure> {
        let Some(options) = options else {
            return Ok(Self::None);
        };
        let force_change = options.force_change_at_next_login;
        Ok(match &options.password {
            Password::None => Self::None,
            Password::Sso { provider } if provider.trim().is_empty() => {
                return Err(Failure::invalid("sso_provider names no identity provider"));
            }
            Password::Sso { provider } => Self::Sso(provider.clone()),
            Password::Random { length, rules } => Self::Password(PasswordWish::Random {
                length: *length,
                rules: rules.clone(),
                recipients: recipients(targets)?,
                force_change,
            }),
            Password::Encrypted(secrets) => {
                if !targets.is_empty() {
                    return Err(Failure::invalid(
                        "encryption configs should never be supplied for encrypted passwords",
                    ));
                }
                let plaintext = key.ok_or(CryptoError::NoClientKey)?.decrypt(secrets)?;
                if plaintext.expose().is_empty() {
                    return Err(Failure::invalid("the encrypted password is empty"));
                }
                Self::Password(PasswordWish::Given(Secret {
                    plaintext,
                    recipients: Vec::new(),
                    force_change,
                }))
            }
        })
    }

    /// A password that only our answer tells.
    pub(super) const fn is_random(&self) -> bool {
        matches!(self, Self::Password(PasswordWish::Random { .. }))
    }

    /// The provider of [`Credential::Sso`].
    pub(super) fn sso(&self) -> Option<&str> {
        match self {
            Self::Sso(provider) => Some(provider),
            _ => None,
        }
    }

    /// A user who signs on elsewhere has no password with PingOne.
    pub(super) fn agrees_with(&self, wanted: &NewAccount) -> Result<(), Failure> {
        match self {
            Self::Password(_) if wanted.identity_provider.is_some() => Err(Failure::invalid(
                "identity_provider_id does not go with a password: the user signs on with that provider",
            )),
            _ => Ok(()),
        }
    }
}

/// The password that a rotation asks for; anything else is none.
pub(crate) fn rotated(
    options: Option<&CredentialOptions>,
    targets: &[EncryptionTarget],
    key: Option<&ClientKey>,
) -> Result<PasswordWish, Failure> {
    match Credential::read(options, targets, key)? {
        Credential::Password(wish) => Ok(wish),
        Credential::None | Credential::Sso(_) => Err(Failure::invalid(
            "credentials are rotated with random_password or encrypted_password",
        )),
    }
}
