//! Made-up users, computed from their number alone: nothing of a user is held in memory. Same seed, same directory, byte for
//! byte. Contract: pingone-api.md §7 (the user object), §9 point 60.

use super::clock::write_stamp;
use super::ids::{Ids, Kind, draw};
use super::names::{FAMILY, GIVEN, PLACES, TITLES, TYPES};
use super::options::{Preset, Shape};
use uuid::Uuid;

/// Sizes of a generated directory.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are the flags of the same names, explained there")]
pub struct Spec {
    pub seed: u64,
    pub users: u32,
    pub groups: u32,
    pub populations: u32,
    pub roles: u32,
    pub memberships_per_user: f64,
    pub dynamic_share: f64,
    pub filtered_groups: f64,
    pub nested_groups: f64,
    pub external_groups: f64,
    pub users_with_roles: f64,
    pub incomplete_users: f64,
    pub rings: u32,
    pub dynamic_rings: u32,
    pub applications: u32,
    pub group_conditions: u32,
    pub workers: u32,
    pub gateways: u32,
}

impl Spec {
    /// One population and the built-in roles.
    pub fn empty(seed: u64) -> Self {
        Self {
            seed,
            users: 0,
            groups: 0,
            populations: 1,
            roles: 0,
            memberships_per_user: 0.0,
            dynamic_share: 0.0,
            filtered_groups: 0.0,
            nested_groups: 0.0,
            external_groups: 0.0,
            users_with_roles: 0.0,
            incomplete_users: 0.0,
            rings: 0,
            dynamic_rings: 0,
            applications: 0,
            group_conditions: 0,
            workers: 0,
            gateways: 0,
        }
    }

    /// A ready-made size.
    pub fn preset(preset: Preset, seed: u64) -> Self {
        let bench = Self {
            populations: 40,
            roles: 20,
            filtered_groups: 0.05,
            nested_groups: 0.05,
            external_groups: 0.02,
            users_with_roles: 0.02,
            dynamic_share: 0.2,
            ..Self::empty(seed)
        };
        let demo = Self {
            users: 240,
            groups: 40,
            populations: 4,
            roles: 16,
            memberships_per_user: 5.0,
            users_with_roles: 0.05,
            incomplete_users: 0.05,
            external_groups: 0.05,
            ..bench.clone()
        };
        match preset {
            Preset::Empty => Self::empty(seed),
            Preset::Demo => demo,
            Preset::Rings => Self { rings: 3, ..demo },
            Preset::Apps1k => Self {
                applications: 1000,
                group_conditions: 300,
                workers: 40,
                gateways: 14,
                ..demo
            },
            Preset::Bench2k => Self {
                users: 2000,
                groups: 100,
                memberships_per_user: 24.0,
                ..bench
            },
            Preset::Bench50k => Self {
                users: 50_000,
                groups: 1000,
                memberships_per_user: 24.0,
                dynamic_share: 0.7,
                ..bench
            },
            Preset::Bench1m => Self {
                users: 1_000_000,
                groups: 10_000,
                memberships_per_user: 3.4,
                ..bench
            },
        }
    }

    /// The preset with the single flags laid over it.
    pub fn of(shape: &Shape) -> Self {
        let base = Self::preset(shape.preset, shape.seed);
        Self {
            seed: shape.seed,
            users: shape.users.unwrap_or(base.users),
            groups: shape.groups.unwrap_or(base.groups),
            populations: shape.populations.unwrap_or(base.populations).max(1),
            roles: shape.roles.unwrap_or(base.roles),
            memberships_per_user: shape.memberships_per_user.unwrap_or(base.memberships_per_user),
            dynamic_share: shape.dynamic_share.unwrap_or(base.dynamic_share),
            filtered_groups: shape.filtered_groups.unwrap_or(base.filtered_groups),
            nested_groups: shape.nested_groups.unwrap_or(base.nested_groups),
            external_groups: shape.external_groups.unwrap_or(base.external_groups),
            users_with_roles: shape.users_with_roles.unwrap_or(base.users_with_roles),
            incomplete_users: shape.incomplete_users.unwrap_or(base.incomplete_users),
            rings: shape.rings.unwrap_or(base.rings),
            dynamic_rings: shape.dynamic_rings.unwrap_or(base.dynamic_rings),
            applications: shape.applications.unwrap_or(base.applications),
            group_conditions: shape.group_conditions.unwrap_or(base.group_conditions),
            workers: shape.workers.unwrap_or(base.workers),
            gateways: shape.gateways.unwrap_or(base.gateways),
        }
    }
}

/// Departments, an attribute made for user filters of any width.
pub(crate) const DEPARTMENTS: u64 = 1000;

/// Streams of pseudo-random numbers, one per use.
pub(crate) mod stream {
    pub(crate) const PERSON: u64 = 1;
    pub(crate) const POPULATION: u64 = 2;
    pub(crate) const DEPARTMENT: u64 = 3;
    pub(crate) const STATE: u64 = 4;
    pub(crate) const TIMES: u64 = 5;
    pub(crate) const ROLE: u64 = 6;
    pub(crate) const ROLE_PICK: u64 = 7;
    pub(crate) const GROUP_RANK: u64 = 8;
    pub(crate) const GROUP_WEIGHT: u64 = 9;
    pub(crate) const GROUP_TRAIT: u64 = 10;
    pub(crate) const MEMBER: u64 = 11;
}

/// A share of all draws as a bound below which a draw counts.
pub(crate) fn threshold(share: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=1e9"
    )]
    let parts = (share.clamp(0.0, 1.0) * 1e9).round() as u64;
    parts
}

/// Whether a draw falls into a share given by [`threshold`].
pub(crate) fn within(draw: u64, threshold: u64) -> bool {
    draw % 1_000_000_000 < threshold
}

/// Everything that the users of one directory have in common.
#[derive(Clone, Debug)]
pub(crate) struct People {
    pub(crate) ids: Ids,
    pub(crate) seed: u64,
    pub(crate) count: u32,
    pub(crate) populations: u32,
    incomplete: u64,
    environment: [u8; 36],
    /// `<base>/environments/<env>`
    root: Vec<u8>,
}

/// Text form of an identifier.
pub(crate) fn id_text(id: Uuid) -> [u8; 36] {
    let mut out = [0; 36];
    id.hyphenated().encode_lower(&mut out);
    out
}

impl People {
    pub(crate) fn new(spec: &Spec, ids: &Ids, environment: Uuid, root: &str) -> Self {
        Self {
            ids: ids.clone(),
            seed: spec.seed,
            count: spec.users,
            populations: spec.populations.max(1),
            incomplete: threshold(spec.incomplete_users),
            environment: id_text(environment),
            root: root.as_bytes().to_vec(),
        }
    }

    pub(crate) fn id(&self, number: u32) -> Uuid {
        self.ids.encode(Kind::User, number.into())
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remainder of a u32")]
    pub(crate) fn population(&self, number: u32) -> u32 {
        (draw(self.seed, stream::POPULATION, number.into()) % u64::from(self.populations)) as u32
    }

    pub(crate) fn department(&self, number: u32) -> u64 {
        draw(self.seed, stream::DEPARTMENT, number.into()) % DEPARTMENTS
    }

    /// The number of the generated user with this user name.
    pub(crate) fn by_username(&self, username: &str) -> Option<u32> {
        let number = username.rsplit_once('.')?.1.parse().ok()?;
        let mut own = Vec::new();
        let person = (number < self.count).then(|| self.person(number))?;
        person.username(&mut own);
        own.eq_ignore_ascii_case(username.as_bytes()).then_some(number)
    }

    fn person(&self, number: u32) -> Person {
        let who = draw(self.seed, stream::PERSON, number.into());
        let state = draw(self.seed, stream::STATE, number.into());
        Person {
            number,
            given: pick(&GIVEN, who),
            family: pick(&FAMILY, who >> 8),
            place: pick(&PLACES, who >> 16),
            title: pick(&TITLES, who >> 24),
            kind: pick(&TYPES, who >> 32),
            state,
            times: draw(self.seed, stream::TIMES, number.into()),
            incomplete: within(
                draw(self.seed, stream::STATE, u64::from(number) | 1 << 40),
                self.incomplete,
            ),
        }
    }

    /// Appends the user object of pingone-api.md §7 (members S unless the table there says otherwise), about 1.9 KB.
    pub(crate) fn render(&self, number: u32, out: &mut Vec<u8>) {
        let id = id_text(self.id(number));
        let population = id_text(self.ids.encode(Kind::Population, self.population(number).into()));
        let person = self.person(number);
        self.links(&id, &population, out);
        put(out, b",\"id\":\"", &id);
        put(out, b"\",\"environment\":{\"id\":\"", &self.environment);
        out.extend_from_slice(b"\"}");
        person.account(out);
        person.address(out);
        person.login(out);
        if !person.incomplete {
            person.name(out);
        }
        put(out, b",\"population\":{\"id\":\"", &population);
        out.extend_from_slice(b"\"}");
        person.rest(out);
        out.extend_from_slice(b",\"department\":\"D-");
        decimal(out, self.department(number), 3);
        out.extend_from_slice(b"\"}");
    }

    fn links(&self, id: &[u8; 36], population: &[u8; 36], out: &mut Vec<u8>) {
        put(out, b"{\"_links\":{\"self\":{\"href\":\"", &self.root);
        put(out, b"/users/", id);
        put(out, b"\"},\"environment\":{\"href\":\"", &self.root);
        put(out, b"\"},\"population\":{\"href\":\"", &self.root);
        put(out, b"/populations/", population);
        put(out, b"\"},\"password\":{\"href\":\"", &self.root);
        put(out, b"/users/", id);
        put(out, b"/password\"},\"linkedAccounts\":{\"href\":\"", &self.root);
        put(out, b"/users/", id);
        out.extend_from_slice(b"/linkedAccounts\"}}");
    }
}

struct Person {
    number: u32,
    given: (&'static str, &'static str),
    family: (&'static str, &'static str),
    place: [&'static str; 7],
    title: &'static str,
    kind: &'static str,
    state: u64,
    times: u64,
    incomplete: bool,
}

/// 2024-01-01T00:00:00Z
pub(crate) const EPOCH_MS: i64 = 1_704_067_200_000;

impl Person {
    fn enabled(&self) -> bool {
        self.state % 100 >= 3
    }

    fn locked(&self) -> bool {
        self.state >> 8 & 0x7f == 5
    }

    fn created(&self) -> i64 {
        EPOCH_MS + i64::try_from(self.times % 60_000_000_000).unwrap_or(0)
    }

    fn username(&self, out: &mut Vec<u8>) {
        put(out, self.given.1.as_bytes(), b".");
        put(out, self.family.1.as_bytes(), b".");
        decimal(out, self.number.into(), 1);
    }

    fn account(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.enabled(), self.locked()) {
            (true, false) => b",\"account\":{\"canAuthenticate\":true,\"status\":\"OK\"}",
            (false, false) => b",\"account\":{\"canAuthenticate\":false,\"status\":\"OK\"}",
            (_, true) => {
                b",\"account\":{\"canAuthenticate\":false,\"status\":\"LOCKED\",\"lockedAt\":\"2026-03-01T08:00:00.000Z\"}"
            }
        });
        out.extend_from_slice(b",\"accountId\":\"ACC-");
        decimal(out, self.number.into(), 7);
        out.push(b'"');
    }

    fn address(&self, out: &mut Vec<u8>) {
        let [locality, region, postal, country, ..] = self.place;
        out.extend_from_slice(b",\"address\":{\"streetAddress\":\"");
        decimal(out, self.state % 200 + 1, 1);
        put(out, b" Harbour Street\",\"locality\":\"", locality.as_bytes());
        put(out, b"\",\"region\":\"", region.as_bytes());
        put(out, b"\",\"postalCode\":\"", postal.as_bytes());
        put(out, b"\",\"countryCode\":\"", country.as_bytes());
        out.extend_from_slice(b"\"},\"createdAt\":\"");
        write_stamp(out, self.created());
        out.push(b'"');
    }

    fn login(&self, out: &mut Vec<u8>) {
        if !self.incomplete {
            out.extend_from_slice(b",\"email\":\"");
            self.username(out);
            out.extend_from_slice(b"@example.com\",\"emailVerified\":true");
        }
        out.extend_from_slice(if self.enabled() {
            b",\"enabled\":true"
        } else {
            b",\"enabled\":false"
        });
        out.extend_from_slice(b",\"externalId\":\"E-");
        decimal(out, u64::from(self.number) * 7 % 10_000_000, 7);
        out.extend_from_slice(match self.state >> 16 & 0xf {
            0 => b"\",\"identityProvider\":{\"type\":\"SAML\"}".as_slice(),
            1 => b"\",\"identityProvider\":{\"type\":\"MICROSOFT\"}",
            _ => b"\",\"identityProvider\":{\"type\":\"PING_ONE\"}",
        });
        if !self.incomplete {
            out.extend_from_slice(b",\"lastSignOn\":{\"at\":\"");
            write_stamp(out, self.created() + 3_600_000);
            out.extend_from_slice(b"\",\"remoteIp\":\"203.0.113.");
            decimal(out, self.state >> 24 & 0xff, 1);
            out.extend_from_slice(b"\"}");
        }
        out.extend_from_slice(match self.state >> 32 & 0x3f {
            0 => b",\"lifecycle\":{\"status\":\"VERIFICATION_REQUIRED\"}".as_slice(),
            _ => b",\"lifecycle\":{\"status\":\"ACCOUNT_OK\"}",
        });
    }

    fn name(&self, out: &mut Vec<u8>) {
        put(out, b",\"name\":{\"formatted\":\"", self.given.0.as_bytes());
        put(out, b" ", self.family.0.as_bytes());
        put(out, b"\",\"given\":\"", self.given.0.as_bytes());
        out.extend_from_slice(b"\",\"middle\":\"E\",\"family\":\"");
        out.extend_from_slice(self.family.0.as_bytes());
        out.extend_from_slice(b"\",\"honorificPrefix\":\"Mx.\",\"honorificSuffix\":\"CPA\"}");
    }

    fn rest(&self, out: &mut Vec<u8>) {
        let [_, _, _, _, locale, language, timezone] = self.place;
        put(out, b",\"locale\":\"", locale.as_bytes());
        out.extend_from_slice(if (self.state >> 40).is_multiple_of(4) {
            b"\",\"mfaEnabled\":false"
        } else {
            b"\",\"mfaEnabled\":true"
        });
        out.extend_from_slice(b",\"mobilePhone\":\"+46.70");
        decimal(out, u64::from(self.number), 7);
        put(out, b"\",\"nickname\":\"", self.given.0.as_bytes());
        out.extend_from_slice(b"\",\"photo\":{\"href\":\"https://example.com/p/");
        decimal(out, u64::from(self.number), 1);
        put(out, b".png\"},\"preferredLanguage\":\"", language.as_bytes());
        out.extend_from_slice(b"\",\"primaryPhone\":\"+46.40");
        decimal(out, u64::from(self.number), 7);
        put(out, b"\",\"timezone\":\"", timezone.as_bytes());
        put(out, b"\",\"title\":\"", self.title.as_bytes());
        put(out, b"\",\"type\":\"", self.kind.as_bytes());
        out.extend_from_slice(b"\",\"updatedAt\":\"");
        write_stamp(out, self.created() + 7_200_000);
        out.extend_from_slice(b"\",\"username\":\"");
        self.username(out);
        out.extend_from_slice(b"\",\"verifyStatus\":\"NOT_INITIATED\",\"employeeNumber\":\"");
        decimal(out, u64::from(self.number) + 100_000, 6);
        out.push(b'"');
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "a remainder of the list's length"
)]
pub(crate) fn pick<T: Copy, const N: usize>(list: &[T; N], draw: u64) -> T {
    list[(draw % N as u64) as usize]
}

#[inline]
fn put(out: &mut Vec<u8>, text: &[u8], value: &[u8]) {
    out.extend_from_slice(text);
    out.extend_from_slice(value);
}

/// Appends a number with at least `width` digits.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        if value == 0 && used >= width {
            break;
        }
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(incomplete: f64) -> People {
        let spec = Spec {
            incomplete_users: incomplete,
            ..Spec::preset(Preset::Bench2k, 3)
        };
        let ids = Ids::new(3);
        let environment = ids.encode(Kind::Environment, 0);
        People::new(
            &spec,
            &ids,
            environment,
            &format!("http://127.0.0.1:40000/v1/environments/{environment}"),
        )
    }

    #[test]
    fn point_60_users_come_from_their_number_alone() {
        let people = people(0.0);
        let mut sizes = 0;
        for number in 0..people.count {
            let mut out = Vec::new();
            people.render(number, &mut out);
            sizes += out.len();
            let user: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(user["id"], people.id(number).to_string());
            assert_eq!(people.by_username(user["username"].as_str().unwrap()), Some(number));
            for key in [
                "account",
                "address",
                "email",
                "lastSignOn",
                "name",
                "photo",
                "employeeNumber",
                "verifyStatus",
            ] {
                assert!(user.get(key).is_some(), "{key}");
            }
        }
        let average = sizes / people.count as usize;
        assert!((1800..2100).contains(&average), "{average} bytes per user");
    }

    #[test]
    fn point_37_incomplete_users_lack_name_email_and_sign_on() {
        let people = people(0.5);
        let count = (0..people.count).filter(|n| people.person(*n).incomplete).count();
        assert!((900..1100).contains(&count), "{count}");
        let number = (0..people.count).find(|n| people.person(*n).incomplete).unwrap();
        let mut out = Vec::new();
        people.render(number, &mut out);
        let user: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(
            ["name", "email", "lastSignOn"]
                .iter()
                .all(|key| user.get(key).is_none())
        );
    }

    #[test]
    fn numbers_are_written_with_their_width() {
        for (value, width, text) in [
            (0, 1, "0"),
            (7, 3, "007"),
            (1234, 3, "1234"),
            (u64::MAX, 1, "18446744073709551615"),
        ] {
            let mut out = Vec::new();
            decimal(&mut out, value, width);
            assert_eq!(out, text.as_bytes());
        }
    }
}
