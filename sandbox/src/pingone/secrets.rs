//! Secrets of the worker, replaced while it runs: the old ones may go on until they are retired. PingOne does this in its
//! console; here it is one of the sandbox's own paths, with counts by which a test tells who still uses what.

use super::assertion::private_key;
use super::http::Shared;
use super::ids::draw;
use super::options::AuthMethod;
use super::world::{Application, World};
use tokio::time::Instant;

/// Number of the worker's application.
const WORKER: usize = 0;

impl Application {
    /// Which of the secrets that are taken this is; counted from 0, each replacement is one more.
    pub(crate) fn secret_number(&self, text: &str) -> Option<u64> {
        self.number_of(|secret| secret == text)
    }

    /// Which of the secrets that are taken it is that this fits.
    pub(crate) fn number_of(&self, fits: impl Fn(&str) -> bool) -> Option<u64> {
        let former = self.former.iter().find(|(_, secret)| fits(secret));
        let current = fits(&self.secret).then_some(self.replaced);
        let valid = |(secret, until): &&(String, Instant)| Instant::now() < *until && fits(secret);
        let previous = self.previous.as_ref().filter(valid);
        current
            .or_else(|| previous.map(|_| self.replaced.saturating_sub(1)))
            .or_else(|| former.map(|(number, _)| *number))
    }
}

impl World {
    /// Gives the worker a new secret; the text of it.
    fn replace_secret(&mut self, keep_old: bool) -> String {
        let seed = self.spec.seed;
        let Some(worker) = self.applications.get_mut(WORKER) else {
            return String::new();
        };
        let before = worker.replaced;
        worker.replaced = before.wrapping_add(1);
        let part = |salt| draw(seed, salt, worker.replaced);
        let secret = match worker.method {
            AuthMethod::PrivateKeyJwt => private_key(),
            AuthMethod::Basic | AuthMethod::Post => format!("sbx~{:016x}.{:016x}_-", part(0x5ee), part(0x5ef)),
        };
        let old = std::mem::replace(&mut worker.secret, secret.clone());
        worker.former.push((before, old));
        if !keep_old {
            worker.former.clear();
        }
        secret
    }
}

impl Shared {
    /// A new secret of the worker. Without `keep_old` every older secret, and every token made with one, is refused at once.
    pub(crate) fn replace_secret(&self, keep_old: bool) -> String {
        let secret = self.write_world().replace_secret(keep_old);
        if !keep_old {
            self.retire_secrets();
        }
        secret
    }

    /// From now on only the newest secret of the worker is taken, and only tokens made with it.
    pub(crate) fn retire_secrets(&self) {
        let current = {
            let mut world = self.write_world();
            world.applications.get_mut(WORKER).map(|worker| {
                worker.former.clear();
                worker.replaced
            })
        };
        if let Some(current) = current {
            self.tokens.end_older(WORKER, current);
        }
    }

    /// Number of the worker's newest secret.
    pub(crate) fn secret_number(&self) -> u64 {
        self.read_world()
            .applications
            .get(WORKER)
            .map_or(0, |worker| worker.replaced)
    }

    /// Counts a request that came with a token of the worker's.
    pub(crate) fn count_secret(&self, token: &super::token::Token) {
        if token.worker == WORKER {
            self.ledger.secret(token.secret);
        }
    }
}
