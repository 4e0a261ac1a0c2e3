//! The five keys, the values of one source, and what they add up to.

use std::fmt;
use std::future::Future;

use secrecy::{ExposeSecret, SecretString};

use super::Origin;
use super::keeper::{Prover, Unproved};
use crate::error::ErrorClass;

/// Longest value that is taken for a credential.
const LONGEST: usize = 64 * 1024;

/// Whose credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The PingOne worker application's.
    PingOne,
    /// C1's.
    C1,
}

impl Side {
    /// A bounded label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PingOne => "pingone",
            Self::C1 => "c1",
        }
    }
}

/// A key of the Secret (connector-model.md §10 point 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// C1's client id.
    C1ClientId,
    /// C1's client secret.
    C1ClientSecret,
    /// The worker application's client id.
    PingOneClientId,
    /// The worker application's client secret.
    PingOneClientSecret,
    /// The environment.
    PingOneEnvironmentId,
}

impl Key {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::C1ClientId,
        Self::C1ClientSecret,
        Self::PingOneClientId,
        Self::PingOneClientSecret,
        Self::PingOneEnvironmentId,
    ];

    /// C1's two.
    pub const C1: [Self; 2] = [Self::C1ClientId, Self::C1ClientSecret];

    /// As the Secret, the directory and the environment call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::C1ClientId => "BATON_CLIENT_ID",
            Self::C1ClientSecret => "BATON_CLIENT_SECRET",
            Self::PingOneClientId => "BATON_PINGONE_CLIENT_ID",
            Self::PingOneClientSecret => "BATON_PINGONE_CLIENT_SECRET",
            Self::PingOneEnvironmentId => "BATON_PINGONE_ENVIRONMENT_ID",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with credentials; never their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No source has this key.
    #[error("{0} is missing")]
    Missing(Key),
    /// The key is there and empty.
    #[error("{key} is empty in the {} source", .origin.as_str())]
    Empty {
        /// Which.
        key: Key,
        /// Where.
        origin: Origin,
    },
    /// The value cannot be one.
    #[error("{key} is malformed: {why}")]
    Malformed {
        /// Which.
        key: Key,
        /// In what way.
        why: &'static str,
    },
    /// The running process serves one environment and one C1 tenant; another needs a new start.
    #[error("{0} belongs to another tenant or environment than the one in use; restart to serve that one")]
    OtherTenant(Key),
    /// The Secret or the directory is gone.
    #[error("the {} source is gone", .0.as_str())]
    Gone(Origin),
    /// The token request was refused.
    #[error("the token request was refused: {0}")]
    Refused(String),
    /// The token request could not be made; it is tried again.
    #[error("the token request failed: {0}")]
    Unreachable(String),
}

impl Problem {
    /// What kind of failure it is.
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::Refused(_) => ErrorClass::Auth,
            Self::Unreachable(_) => ErrorClass::Transient { retry_after: None },
            Self::Missing(_) | Self::Empty { .. } | Self::Malformed { .. } | Self::OtherTenant(_) | Self::Gone(_) => {
                ErrorClass::Rejected
            }
        }
    }
}

#[derive(Clone)]
enum Value {
    Text(SecretString),
    Bad(Problem),
}

/// The values of one source, or of several laid over each other.
#[derive(Clone, Default)]
pub struct Values {
    entries: Vec<(Key, Value)>,
    trimmed: Vec<Key>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.entries.iter().map(|(key, value)| match value {
            Value::Text(_) => (key, "…".to_owned()),
            Value::Bad(problem) => (key, problem.to_string()),
        });
        f.debug_map().entries(keys).finish()
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        Key::ALL.iter().all(|key| match (self.get(*key), other.get(*key)) {
            (None, None) => true,
            (Some(Value::Text(a)), Some(Value::Text(b))) => a.expose_secret() == b.expose_secret(),
            (Some(Value::Bad(a)), Some(Value::Bad(b))) => a == b,
            _ => false,
        })
    }
}

impl Values {
    /// Reads the known keys out of what a source holds; `lookup` answers with the raw bytes. Line ends at the end of a value
    /// are cut off and remembered in [`Values::trimmed`]. A key that is there with an empty or impossible value counts as there:
    /// no later source covers the mistake up.
    pub fn read<'a>(origin: Origin, mut lookup: impl FnMut(Key) -> Option<&'a [u8]>) -> Self {
        let mut values = Self::default();
        for key in Key::ALL {
            if let Some(bytes) = lookup(key) {
                values.insert(key, origin, bytes);
            }
        }
        values
    }

    /// Adds one value of a source.
    pub fn insert(&mut self, key: Key, origin: Origin, bytes: &[u8]) {
        let ends_at = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
        let cut = ends_at.map_or(0, |last| last + 1);
        let kept = bytes.get(..cut).unwrap_or(bytes);
        let value = match std::str::from_utf8(kept) {
            Ok("") => Value::Bad(Problem::Empty { key, origin }),
            Ok(_) if kept.len() > LONGEST => Value::Bad(Problem::Malformed { key, why: "too long" }),
            Ok(text) if text.chars().any(char::is_control) => Value::Bad(Problem::Malformed {
                key,
                why: "it has line breaks or control characters inside",
            }),
            Ok(text) => Value::Text(SecretString::from(text)),
            Err(_) => Value::Bad(Problem::Malformed { key, why: "not UTF-8" }),
        };
        if cut < bytes.len() && matches!(value, Value::Text(_)) {
            self.trimmed.push(key);
        }
        self.entries.retain(|(old, _)| *old != key);
        self.entries.push((key, value));
    }

    /// Keys whose value ended in a line end that was cut off.
    pub fn trimmed(&self) -> &[Key] {
        &self.trimmed
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether one of these keys is there, with whatever value.
    pub fn has_any(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.get(*key).is_some())
    }

    /// Fills what is missing from a later source.
    pub(super) fn fill(&mut self, later: &Self) {
        for (key, value) in &later.entries {
            if self.get(*key).is_none() {
                self.entries.push((*key, value.clone()));
            }
        }
    }

    fn get(&self, key: Key) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(have, _)| *have == key)
            .map(|(_, value)| value)
    }

    fn text(&self, key: Key) -> Result<&SecretString, Problem> {
        match self.get(key) {
            None => Err(Problem::Missing(key)),
            Some(Value::Bad(problem)) => Err(problem.clone()),
            Some(Value::Text(text)) => Ok(text),
        }
    }
}

/// One side's credentials as the sources hold them: complete and well-formed, not yet proved.
pub(super) trait Credentials: Sized + Send + Sync + 'static {
    const SIDE: Side;

    fn build(values: &Values) -> Result<Self, Problem>;

    fn same(&self, other: &Self) -> bool;

    /// Why `next` may not take this one's place while the process runs.
    fn refuses(&self, next: &Self) -> Option<Problem>;

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), Unproved>> + Send;
}

/// PingOne's three values.
#[derive(Clone)]
pub struct PingOneValues {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: SecretString,
    /// Environment that is served; the same for the life of the process.
    pub environment_id: String,
}

impl fmt::Debug for PingOneValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client_id,
            client_secret: _,
            environment_id,
        } = self;
        f.debug_struct("PingOneValues")
            .field("client_id", client_id)
            .field("client_secret", &"…")
            .field("environment_id", environment_id)
            .finish()
    }
}

impl Credentials for PingOneValues {
    const SIDE: Side = Side::PingOne;

    fn build(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            client_id: word(values, Key::PingOneClientId)?,
            client_secret: values.text(Key::PingOneClientSecret)?.clone(),
            environment_id: environment(values)?,
        })
    }

    fn same(&self, other: &Self) -> bool {
        self.client_id == other.client_id
            && self.environment_id == other.environment_id
            && self.client_secret.expose_secret() == other.client_secret.expose_secret()
    }

    fn refuses(&self, next: &Self) -> Option<Problem> {
        let other = !self.environment_id.eq_ignore_ascii_case(&next.environment_id);
        other.then_some(Problem::OtherTenant(Key::PingOneEnvironmentId))
    }

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), Unproved>> + Send {
        prover.pingone(self)
    }
}

/// C1's two values.
#[derive(Clone)]
pub struct C1Values {
    /// Client id, `NAME@HOST/PATH` (c1-protocol.md §3).
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretString,
}

impl fmt::Debug for C1Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client_id,
            client_secret: _,
        } = self;
        f.debug_struct("C1Values")
            .field("client_id", client_id)
            .field("client_secret", &"…")
            .finish()
    }
}

impl C1Values {
    /// The tenant's host in the client id; the whole id if it has none.
    fn tenant(&self) -> &str {
        let after = self
            .client_id
            .split_once('@')
            .map_or(self.client_id.as_str(), |(_, after)| after);
        after.split('/').next().unwrap_or(after)
    }
}

impl Credentials for C1Values {
    const SIDE: Side = Side::C1;

    fn build(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            client_id: word(values, Key::C1ClientId)?,
            client_secret: values.text(Key::C1ClientSecret)?.clone(),
        })
    }

    fn same(&self, other: &Self) -> bool {
        self.client_id == other.client_id && self.client_secret.expose_secret() == other.client_secret.expose_secret()
    }

    fn refuses(&self, next: &Self) -> Option<Problem> {
        let other = !self.tenant().eq_ignore_ascii_case(next.tenant());
        other.then_some(Problem::OtherTenant(Key::C1ClientId))
    }

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), Unproved>> + Send {
        prover.c1(self)
    }
}

/// An id: one word.
fn word(values: &Values, key: Key) -> Result<String, Problem> {
    let text = values.text(key)?.expose_secret();
    if text.chars().any(char::is_whitespace) {
        return Err(Problem::Malformed {
            key,
            why: "an id has no spaces",
        });
    }
    Ok(text.to_owned())
}

fn environment(values: &Values) -> Result<String, Problem> {
    let key = Key::PingOneEnvironmentId;
    let text = word(values, key)?;
    match uuid::Uuid::try_parse(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(Problem::Malformed { key, why: "not a UUID" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENV: &[u8] = b"11111111-2222-4333-8444-555555555555";

    fn values(pairs: &[(Key, &[u8])]) -> Values {
        Values::read(Origin::Secret, |key| {
            pairs.iter().find(|(have, _)| *have == key).map(|(_, bytes)| *bytes)
        })
    }

    #[test]
    fn a_newline_at_the_end_is_cut_off_and_remembered() {
        let read = values(&[(Key::PingOneClientSecret, b"abc\r\n"), (Key::PingOneClientId, b"id")]);
        assert_eq!(read.trimmed(), [Key::PingOneClientSecret]);
        assert_eq!(read.text(Key::PingOneClientSecret).unwrap().expose_secret(), "abc");
    }

    #[test]
    fn bad_values_are_named_by_key_and_never_shown() {
        let long = vec![b'x'; LONGEST + 1];
        let cases: [(&[u8], &str); 6] = [
            (b"", "empty"),
            (b"\n", "empty"),
            (b"\xff\xfe", "UTF-8"),
            (b"hush\nhush", "line breaks"),
            (b"hush\0", "control"),
            (&long, "too long"),
        ];
        for (bytes, expected) in cases {
            let read = values(&[(Key::C1ClientId, b"a@b/c"), (Key::C1ClientSecret, bytes)]);
            let problem = C1Values::build(&read).unwrap_err();
            let shown = format!("{problem} {problem:?} {read:?}");
            assert!(problem.to_string().contains(expected), "{shown}");
            assert!(
                shown.contains("BATON_CLIENT_SECRET") && !shown.contains("hush"),
                "{shown}"
            );
        }
    }

    #[test]
    fn an_environment_that_is_no_uuid_is_malformed() {
        let pairs = |env| {
            values(&[
                (Key::PingOneClientId, b"id"),
                (Key::PingOneClientSecret, b"s"),
                (Key::PingOneEnvironmentId, env),
            ])
        };
        assert!(PingOneValues::build(&pairs(ENV)).is_ok());
        let problem = PingOneValues::build(&pairs(b"prod")).unwrap_err();
        assert_eq!(problem.class(), ErrorClass::Rejected);
        assert!(problem.to_string().contains("not a UUID"));
    }

    #[test]
    fn a_later_source_fills_what_is_missing_and_nothing_else() {
        let mut first = values(&[(Key::C1ClientId, b"first@t/c"), (Key::C1ClientSecret, b"")]);
        first.fill(&values(&[
            (Key::C1ClientId, b"second@t/c"),
            (Key::C1ClientSecret, b"good"),
            (Key::PingOneClientId, b"p"),
        ]));
        assert_eq!(first.text(Key::C1ClientId).unwrap().expose_secret(), "first@t/c");
        assert_eq!(first.text(Key::PingOneClientId).unwrap().expose_secret(), "p");
        // Empty is a mistake, not missing.
        assert!(matches!(C1Values::build(&first), Err(Problem::Empty { .. })));
    }

    #[test]
    fn another_environment_or_tenant_is_refused_while_running() {
        let pingone = |env: &str| PingOneValues {
            client_id: "a".into(),
            client_secret: "b".into(),
            environment_id: env.into(),
        };
        assert!(pingone("aa").refuses(&pingone("AA")).is_none());
        assert!(pingone("aa").refuses(&pingone("bb")).is_some());
        let c1 = |id: &str| C1Values {
            client_id: id.into(),
            client_secret: "b".into(),
        };
        assert!(c1("x@t.example/v").refuses(&c1("y@T.example/v")).is_none());
        assert!(c1("x@t.example/v").refuses(&c1("x@u.example/v")).is_some());
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let c1 = C1Values {
            client_id: "x".into(),
            client_secret: "hush".into(),
        };
        let pingone = PingOneValues {
            client_id: "x".into(),
            client_secret: "hush".into(),
            environment_id: "e".into(),
        };
        assert!(!format!("{c1:?}{pingone:?}").contains("hush"));
    }
}
