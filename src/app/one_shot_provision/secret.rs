//! A created password: it comes encrypted to a key that lives as long as this process, and goes to a terminal or into a
//! file that only its owner can read, or nowhere. In between it lives in zeroizing memory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use age::x25519;
use zeroize::Zeroizing;

use super::Unfit;
use crate::config::{Config, OneShot};
use baton::task::{EncryptedSecret, EncryptionTarget};
use process::error::io_words;

/// Of an `age` file encrypted to one recipient.
const PROVIDER: &str = "baton/age/v1";

/// A key pair for one task.
pub(super) struct Key(x25519::Identity);

impl Key {
    pub(super) fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// Whom secrets are to be encrypted to.
    pub(super) fn target(&self) -> EncryptionTarget {
        EncryptionTarget {
            provider: PROVIDER.to_owned(),
            jwk: None,
            age_recipient: Some(self.0.to_public().to_string()),
        }
    }

    fn open(&self, secret: &EncryptedSecret) -> anyhow::Result<Zeroizing<String>> {
        let decryptor = age::Decryptor::new(secret.bytes.as_slice())?;
        let mut reader = decryptor.decrypt(std::iter::once(&self.0 as &dyn age::Identity))?;
        // Far more than a password has: the text does not move while it grows.
        let mut text = Zeroizing::new(String::with_capacity(4096));
        reader.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Where a password goes.
pub(super) enum Delivery {
    /// Printed with the result.
    Terminal,
    /// Into this file, which was made for it.
    File(NewFile),
    /// Nowhere: nobody asked for it.
    Nowhere,
}

/// A file that was made for a password. Until it holds one, it goes with its owner: it would be in the way of the next try.
pub(super) struct NewFile {
    path: PathBuf,
    file: File,
    is_used: bool,
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_used {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// What became of a password.
pub(super) enum Delivered {
    /// To be printed.
    Shown(Zeroizing<String>),
    /// Is in this file.
    Written(PathBuf),
    /// Nobody has it.
    Dropped,
    /// It is set, and nobody has it although it was asked for.
    Lost(String),
}

impl Delivery {
    /// Decided before anything is written to `PingOne`, so that no account gets a password that nobody can be told.
    pub(super) fn prepare(config: &Config, terminal: bool) -> Result<Self, Unfit> {
        let makes_one = matches!(config.one_shot, OneShot::CreateAccount { .. } | OneShot::Rotate { .. });
        if !makes_one {
            return Ok(Self::Nowhere);
        }
        if config.show_password && !terminal {
            let message =
                "--show-password prints to a terminal only, and stdout is not a terminal; use --password-file";
            return Err(Unfit::Settings(message.to_owned()));
        }
        let rotates = matches!(config.one_shot, OneShot::Rotate { .. });
        if rotates && !config.show_password && config.password_file.is_none() && !config.provision.dry_run {
            let message = "--rotate-credentials needs --show-password or --password-file: the old password would be lost \
                           and nobody would have the new one";
            return Err(Unfit::Settings(message.to_owned()));
        }
        let Some(path) = config.password_file.clone().filter(|_| !config.provision.dry_run) else {
            return Ok(if config.show_password {
                Self::Terminal
            } else {
                Self::Nowhere
            });
        };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match made {
            Ok(file) => Ok(Self::File(NewFile {
                path,
                file,
                is_used: false,
            })),
            Err(error) => Err(Unfit::Settings(format!(
                "--password-file must name a file that does not exist yet and can be made: {} ({})",
                path.display(),
                io_words(&error)
            ))),
        }
    }

    /// There is no password: the file that was made for it goes again.
    pub(super) fn discard(self) {
        drop(self);
    }

    /// Hands over the one secret that there is; nothing where there is none.
    pub(super) fn deliver(self, key: &Key, secrets: &[EncryptedSecret]) -> Option<Delivered> {
        let Some(secret) = secrets.first() else {
            self.discard();
            return None;
        };
        Some(match self {
            Self::Nowhere => Delivered::Dropped,
            Self::Terminal => match key.open(secret) {
                Ok(password) => Delivered::Shown(password),
                Err(_) => Delivered::Lost("the password could not be decrypted".to_owned()),
            },
            Self::File(mut new) => {
                new.is_used = true;
                let written = key.open(secret).and_then(|password| {
                    new.file.write_all(password.as_bytes())?;
                    new.file.write_all(b"\n")?;
                    Ok(new.file.sync_all()?)
                });
                let path = new.path.clone();
                match written {
                    Ok(()) => Delivered::Written(path),
                    Err(_) => Delivered::Lost(format!("the password could not be written to {}", path.display())),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
