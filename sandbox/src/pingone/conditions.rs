//! Made-up applications: each protocol and type, each form of an access condition, odd rows (access-model.md §11 points 102 to
//! 106, 117, 132).

use super::generate::stream;
use super::ids::{Kind, draw};
use super::options::AuthMethod;
use super::world::{Application, Assignment, World};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Protocols and types; the last of each is nobody's yet.
const FORMS: [(&str, &str); 9] = [
    ("OPENID_CONNECT", "WEB_APP"),
    ("SAML", "WEB_APP"),
    ("OPENID_CONNECT", "NATIVE_APP"),
    ("OPENID_CONNECT", "SINGLE_PAGE_APP"),
    ("OPENID_CONNECT", "SERVICE"),
    ("WS_FED", "CUSTOM_APP"),
    ("EXTERNAL_LINK", "PORTAL_LINK_APP"),
    ("OPENID_CONNECT", "TEMPLATE_APP"),
    ("TELEPATHY", "AI_AGENT"),
];
/// Distinct sets of groups of which members must be in all.
const SETS: u64 = 50;

impl World {
    /// The fixed ones that every environment has, then as many made-up ones as are wanted.
    pub(crate) fn generate_more_applications(&mut self) {
        let system = [
            (
                "PING_ONE_ADMIN_CONSOLE",
                json!({"role": {"type": "ADMIN_USERS_ONLY"}}),
                true,
            ),
            ("PING_ONE_PORTAL", Value::Null, true),
            ("PING_ONE_SELF_SERVICE", Value::Null, true),
            ("PINGFEDERATE_SSO", Value::Null, false),
        ];
        for ((kind, access, listed), number) in system.into_iter().zip(4..) {
            let over = json!({"accessControl": access});
            let name = kind.replace('_', " ").to_lowercase();
            let application = self.application(number, &name, ("OPENID_CONNECT", kind), over);
            self.applications.push(Application { listed, ..application });
        }
        let (all, workers) = (u64::from(self.spec.applications), u64::from(self.spec.workers));
        for number in 0..all {
            let application = if number < workers {
                self.made_up_worker(number)
            } else {
                self.made_up_application(number, number - workers)
            };
            self.applications.push(application);
        }
    }

    fn application(&self, number: u64, name: &str, form: (&'static str, &'static str), over: Value) -> Application {
        let over = if let Value::Object(over) = over {
            over
        } else {
            Map::new()
        };
        Application {
            id: self.ids.encode(Kind::Application, number),
            environment: self.environment,
            name: name.to_owned(),
            kind: form.1,
            protocol: form.0,
            enabled: true,
            method: AuthMethod::Basic,
            secret: format!("sbx~{:016x}_-", draw(self.spec.seed, 0x5ef, number)),
            former: Vec::new(),
            previous: None,
            replaced: 0,
            over,
            roles: form.1 == "WORKER",
            listed: true,
            assignments: Vec::new(),
        }
    }

    /// A worker with roles here, in the organization, over a population, over an application, in the other environment.
    fn made_up_worker(&self, number: u64) -> Application {
        let form = ("OPENID_CONNECT", "WORKER");
        let mut worker = self.application(100 + number, &format!("Machine {number}"), form, Value::Null);
        let population = self
            .populations
            .get(usize::try_from(number).unwrap_or(0) % self.populations.len().max(1));
        let kinds = [
            ("Identity Data Read Only", "ENVIRONMENT", self.environment),
            ("Organization Admin", "ORGANIZATION", self.organization),
            (
                "Identity Data Admin",
                "POPULATION",
                population.map(|found| found.id).unwrap_or_default(),
            ),
            ("Application Owner", "APPLICATION", worker.id),
            ("Environment Admin", "ENVIRONMENT", self.other_environment),
        ];
        let held = usize::try_from(number % 3).unwrap_or(0);
        let shifted = kinds.iter().cycle().skip(usize::try_from(number % 5).unwrap_or(0));
        for ((role, scope_type, scope), at) in shifted.take(held + 1).zip(0..) {
            let Some(role) = self.role_named(role) else { continue };
            let id = self.ids.encode(Kind::WorkerAssignment, 1_000_000 + number * 8 + at);
            worker.assignments.push(Assignment {
                read_only: number % 7 == 6,
                ..Assignment::new(id, role.id, scope_type, *scope)
            });
        }
        worker.enabled = number % 9 != 8;
        worker
    }

    /// One with a condition by groups as long as those are wanted, then open ones, some with odd rows.
    fn made_up_application(&self, number: u64, at: u64) -> Application {
        let form = FORMS
            .get(usize::try_from(at).unwrap_or(0) % FORMS.len())
            .copied()
            .unwrap_or(("SAML", "WEB_APP"));
        let limited = at < u64::from(self.spec.group_conditions);
        let mut over = Map::new();
        let access = if limited {
            self.condition(at)
        } else {
            match at % 3 {
                0 => Value::Null,
                1 => json!({}),
                _ => json!({"role": {"type": "ADMIN_USERS_ONLY"}}),
            }
        };
        over.insert("accessControl".to_owned(), access);
        over.insert("futureMember".to_owned(), json!({"deep": [1, null]}));
        match at % 16 {
            5 => drop(over.insert("hiddenFromAppPortal".to_owned(), json!(true))),
            9 => drop(over.insert("name".to_owned(), Value::Null)),
            10 => drop(over.insert("enabled".to_owned(), Value::Null)),
            11 => drop(over.insert("protocol".to_owned(), Value::Null)),
            12 => over.extend(["createdAt", "updatedAt", "_links"].map(|key| (key.to_owned(), Value::Null))),
            13 if self.options.access_model.applications_without_id => drop(over.insert("id".to_owned(), Value::Null)),
            _ => {}
        }
        let name = format!("App {number}");
        let mut application = self.application(100 + number, &name, form, Value::Object(over));
        application.enabled = at % 11 != 10;
        // Now and then one that is no worker holds a role: a web application, or an agent. Its row has the link.
        if matches!(at % 90, 0 | 8) && at % 16 != 12 {
            application.roles = true;
            let id = self.ids.encode(Kind::WorkerAssignment, 1_000_000 + number * 8);
            let role = self.role_named("Identity Data Read Only");
            let held = role.map(|role| Assignment::new(id, role.id, "ENVIRONMENT", self.environment));
            application.assignments.extend(held);
        }
        application
    }

    /// Every form that a condition by groups can have, in turn (point 105).
    fn condition(&self, at: u64) -> Value {
        let groups = |count: u64, salt: u64| -> Vec<Value> {
            let living: Vec<Uuid> = self
                .groups
                .iter()
                .filter(|group| !group.gone)
                .map(|group| group.id)
                .collect();
            let drawn = (0..count).filter_map(|nth| {
                let pick = draw(self.spec.seed, stream::GROUP_TRAIT, (salt << 8) + nth);
                living
                    .get(usize::try_from(pick % living.len().max(1) as u64).ok()?)
                    .copied()
            });
            drawn.map(|id| json!({"id": id})).collect()
        };
        let of = |kind: &str, list: Vec<Value>| json!({"group": {"type": kind, "groups": list}});
        let deleted = self.ids.encode(Kind::Group, (1 << 39) + at);
        let set = 1_000_000 + at / 16 % SETS;
        match at % 16 {
            0..=3 => of("ANY_GROUP", groups(1, at)),
            4..=6 => of("ANY_GROUP", groups(3, at)),
            7 => of("ALL_GROUPS", groups(1, set)),
            8 | 9 => of("ALL_GROUPS", groups(2, set)),
            10 => of("ALL_GROUPS", groups(3, set)),
            11 => {
                json!({"role": {"type": "ADMIN_USERS_ONLY"}, "group": {"type": "ANY_GROUP", "groups": groups(2, at)}})
            }
            12 => of("ANY_GROUP", Vec::new()),
            13 => {
                json!({"role": {"type": "ANY_ADMIN_ON_TUESDAYS"}, "group": {"type": "ANY_GROUP", "groups": groups(1, at)}})
            }
            14 => of("MOST_GROUPS", groups(2, at)),
            _ => {
                let mut list = groups(1, at);
                list.push(json!({"id": deleted}));
                list.extend(list.first().cloned());
                of("ANY_GROUP", list)
            }
        }
    }
}
