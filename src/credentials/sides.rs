//! PingOne's and C1's credentials, built from values, and the request that proves them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use aws_lc_rs::hmac;
use baton::session::{C1Credentials, InvalidC1Credentials};
use pingone::AssertionKey;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::key::{Key, Side};
use super::problem::{Problem, ProofError};
use super::values::Values;

/// Makes the request that proves credentials, with a deadline of its own.
pub trait Prover: Send + Sync + 'static {
    /// Proves PingOne's.
    fn pingone(&self, values: &PingOneValues) -> impl Future<Output = Result<(), ProofError>> + Send;

    /// Proves C1's.
    fn c1(&self, values: &C1Values) -> impl Future<Output = Result<(), ProofError>> + Send;
}

/// One side's credentials as the sources hold them: complete and well-formed, not yet proved.
pub(super) trait SideCredentials: Clone + Send + Sync + 'static {
    const SIDE: Side;

    fn build(values: &Values) -> Result<Self, Problem>;

    fn same(&self, other: &Self) -> bool;

    /// Why `next` may not take this one's place while the process runs.
    fn refuses(&self, next: &Self) -> Option<Problem>;

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), ProofError>> + Send;

    /// Tells credentials apart and reveals nothing of them but that they are the same.
    fn fingerprint(&self) -> String;
}

/// The first 32 bits of a keyed hash over what may be known, with the secret as its key.
fn fingerprint(secret: &SecretString, known: &[&str]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let mut tag = hmac::Context::with_key(&key);
    tag.update(b"baton-ping-one credentials");
    for text in known {
        tag.update(b"\0");
        tag.update(text.as_bytes());
    }
    let tag = tag.sign();
    tag.as_ref()
        .iter()
        .take(4)
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// PingOne's values.
#[derive(Clone, Debug)]
pub struct PingOneValues {
    /// For the client.
    pub credentials: Arc<pingone::Credentials>,
    /// Environment that is served; the same for the life of the process.
    pub environment_id: Uuid,
}

impl SideCredentials for PingOneValues {
    const SIDE: Side = Side::PingOne;

    fn build(values: &Values) -> Result<Self, Problem> {
        let client_id = word(values, Key::PingOneClientId)?;
        let credentials = if values.has_any(&[Key::PingOnePrivateKey]) {
            pingone::Credentials::with_key(client_id, private_key(values)?)
        } else {
            pingone::Credentials::with_secret(client_id, values.text(Key::PingOneClientSecret)?.clone())
        };
        Ok(Self {
            credentials: Arc::new(credentials),
            environment_id: environment(values)?,
        })
    }

    fn same(&self, other: &Self) -> bool {
        self.environment_id == other.environment_id && self.credentials == other.credentials
    }

    fn refuses(&self, next: &Self) -> Option<Problem> {
        let other = self.environment_id != next.environment_id;
        other.then_some(Problem::OtherTenant(Key::PingOneEnvironmentId))
    }

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), ProofError>> + Send {
        prover.pingone(self)
    }

    fn fingerprint(&self) -> String {
        let environment = self.environment_id.to_string();
        let mut known = vec![self.credentials.client_id(), &environment];
        known.extend(self.credentials.key_id());
        fingerprint(self.credentials.secret(), &known)
    }
}

/// Makes what the sources hold of one side of use to somebody who only looks.
macro_rules! looked_at {
    ($($name:ident),+) => {$(impl $name {
        /// Complete and well-formed, not proved.
        pub fn of(values: &Values) -> Result<Self, Problem> {
            Self::build(values)
        }

        /// Tells credentials apart and reveals nothing of them but that they are the same.
        pub fn mark(&self) -> String {
            self.fingerprint()
        }
    })+};
}

looked_at!(PingOneValues, C1Values);

/// C1's two values.
#[derive(Clone)]
pub struct C1Values {
    /// For the session.
    pub credentials: Arc<C1Credentials>,
    /// The client secret as it was given, which passwords are encrypted to as well.
    pub client_secret: SecretString,
}

impl fmt::Debug for C1Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            credentials,
            client_secret: _,
        } = self;
        f.debug_struct("C1Values")
            .field("client_id", &credentials.client_id.as_str())
            .field("client_secret", &"…")
            .finish()
    }
}

impl SideCredentials for C1Values {
    const SIDE: Side = Side::C1;

    fn build(values: &Values) -> Result<Self, Problem> {
        let client_id = word(values, Key::C1ClientId)?;
        let client_secret = values.text(Key::C1ClientSecret)?.clone();
        let parsed = C1Credentials::parse(&client_id, client_secret.expose_secret());
        let credentials = parsed.map_err(|error| match error {
            InvalidC1Credentials::ClientSecret(_) => Problem::Malformed {
                key: Key::C1ClientSecret,
                why: "not a client secret of C1",
            },
            InvalidC1Credentials::ClientId(_) => Problem::Malformed {
                key: Key::C1ClientId,
                why: "must be <name>@<host>[:<port>]/<use-case>",
            },
        })?;
        Ok(Self {
            credentials: Arc::new(credentials),
            client_secret,
        })
    }

    fn same(&self, other: &Self) -> bool {
        self.credentials.client_id == other.credentials.client_id
            && self.client_secret.expose_secret() == other.client_secret.expose_secret()
    }

    fn refuses(&self, next: &Self) -> Option<Problem> {
        let other = !self.credentials.client_id.same_host(&next.credentials.client_id);
        other.then_some(Problem::OtherTenant(Key::C1ClientId))
    }

    fn prove<P: Prover>(&self, prover: &P) -> impl Future<Output = Result<(), ProofError>> + Send {
        prover.c1(self)
    }

    fn fingerprint(&self) -> String {
        fingerprint(&self.client_secret, &[self.credentials.client_id.as_str()])
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

/// The application has one way to show who it is: a secret beside the key is a mistake that nobody should have to guess at.
fn private_key(values: &Values) -> Result<AssertionKey, Problem> {
    let key = Key::PingOnePrivateKey;
    let malformed = |why| Problem::Malformed { key, why };
    if values.has_any(&[Key::PingOneClientSecret]) {
        return Err(malformed(
            "BATON_PINGONE_CLIENT_SECRET is there as well; keep the one that the application uses",
        ));
    }
    let id = values.has_any(&[Key::PingOnePrivateKeyId]);
    let id = id.then(|| word(values, Key::PingOnePrivateKeyId)).transpose()?;
    AssertionKey::parse(values.text(key)?, id).map_err(|invalid| malformed(invalid.why()))
}

fn environment(values: &Values) -> Result<Uuid, Problem> {
    let key = Key::PingOneEnvironmentId;
    Uuid::try_parse(&word(values, key)?).map_err(|_| Problem::Malformed { key, why: "not a UUID" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Origin;
    use crate::credentials::values::LONGEST;

    const ENV: &[u8] = b"11111111-2222-4333-8444-555555555555";

    fn values(pairs: &[(Key, &[u8])]) -> Values {
        Values::read(Origin::Secret, |key| {
            pairs.iter().find(|(have, _)| *have == key).map(|(_, bytes)| *bytes)
        })
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

    /// Well-formed, of a key of this byte.
    fn c1(id: &str, seed: u8) -> C1Values {
        let secret = sandbox::c1::Identity::from_seed("a@b/c", [seed; 32])
            .unwrap()
            .client_secret;
        C1Values::build(&values(&[
            (Key::C1ClientId, id.as_bytes()),
            (Key::C1ClientSecret, secret.as_bytes()),
        ]))
        .unwrap()
    }

    fn pingone(env: u128, secret: &str) -> PingOneValues {
        PingOneValues {
            credentials: Arc::new(pingone::Credentials::with_secret("id".into(), secret.into())),
            environment_id: Uuid::from_u128(env),
        }
    }

    #[test]
    fn another_environment_or_tenant_is_refused_while_running() {
        assert!(pingone(1, "a").refuses(&pingone(1, "b")).is_none());
        assert!(pingone(1, "a").refuses(&pingone(2, "a")).is_some());
        assert!(c1("x@t.example/v", 1).refuses(&c1("y@T.example/v", 2)).is_none());
        assert!(c1("x@t.example/v", 1).refuses(&c1("x@u.example/v", 1)).is_some());
    }

    #[test]
    fn a_private_key_takes_the_secrets_place_and_never_stands_beside_it() {
        let pem = sandbox::pingone::private_key();
        let build = |more: &[(Key, &[u8])]| {
            let all = [
                (Key::PingOneClientId, b"id".as_slice()),
                (Key::PingOneEnvironmentId, ENV),
            ];
            PingOneValues::build(&values(&[&all, more].concat()))
        };
        let lines = format!("{pem}\r\n");
        let read = values(&[(Key::PingOnePrivateKey, lines.as_bytes())]);
        assert!(read.trimmed().is_empty(), "a file of a key always ends in a line end");
        let key = (Key::PingOnePrivateKey, pem.as_bytes());
        let plain = build(&[key]).unwrap();
        let named = build(&[key, (Key::PingOnePrivateKeyId, b"k1")]).unwrap();
        assert_eq!(named.credentials.key_id(), Some("k1"));
        assert!(!plain.same(&named) && plain.fingerprint() != named.fingerprint());
        assert!(plain.same(&build(&[key]).unwrap()));
        let shown = format!("{plain:?}");
        assert!(!shown.contains("BEGIN"), "{shown}");
        let ec = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (more, why) in [
            (
                [key, (Key::PingOneClientSecret, b"hush")],
                "BATON_PINGONE_CLIENT_SECRET is there as well",
            ),
            ([key, (Key::PingOnePrivateKeyId, b"k 1")], "no spaces"),
            (
                [(Key::PingOnePrivateKey, b"hush"), (Key::PingOnePrivateKeyId, b"k1")],
                "PEM form",
            ),
            (
                [
                    (Key::PingOnePrivateKey, ec.as_bytes()),
                    (Key::PingOnePrivateKeyId, b"k1"),
                ],
                "RSA",
            ),
            (
                [(Key::PingOnePrivateKey, b""), (Key::PingOnePrivateKeyId, b"k1")],
                "empty",
            ),
        ] {
            let problem = build(&more).unwrap_err();
            let shown = format!("{problem} {problem:?}");
            assert!(problem.to_string().contains(why), "{why}: {shown}");
            assert!(
                shown.contains("PRIVATE_KEY") && !shown.contains("hush") && !shown.contains("BEGIN"),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_is_malformed_for_c1_is_named_by_key() {
        for (id, secret, key) in [
            ("marker", "marker", "BATON_CLIENT_ID"),
            ("a@b/c", "marker", "BATON_CLIENT_SECRET"),
        ] {
            let read = values(&[
                (Key::C1ClientId, id.as_bytes()),
                (Key::C1ClientSecret, secret.as_bytes()),
            ]);
            let problem = C1Values::build(&read).unwrap_err().to_string();
            assert!(problem.contains(key) && !problem.contains("marker"), "{problem}");
        }
    }

    #[test]
    fn a_fingerprint_tells_apart_and_is_no_part_of_the_secret() {
        let prints = [
            pingone(1, "hush").fingerprint(),
            pingone(1, "hush2").fingerprint(),
            pingone(2, "hush").fingerprint(),
            c1("a@b/c", 1).fingerprint(),
            c1("a@b/c", 2).fingerprint(),
        ];
        for (index, print) in prints.iter().enumerate() {
            assert_eq!(print.len(), 8);
            assert!(prints.iter().skip(index + 1).all(|other| other != print));
        }
        assert_eq!(pingone(1, "hush").fingerprint(), prints[0], "the same in each process");
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let c1 = c1("a@b/c", 1);
        let shown = format!("{c1:?}{:?}", pingone(1, "hush"));
        assert!(
            !shown.contains("hush") && !shown.contains(c1.client_secret.expose_secret()),
            "{shown}"
        );
    }
}
