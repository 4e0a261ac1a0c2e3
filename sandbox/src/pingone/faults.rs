//! Planned faults (points 55 to 57): which requests they hit and what happens to them. Knows nothing of the directory.

use super::changes::Changes;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

mod actions;

pub(crate) use actions::ACTIONS;

/// One planned fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Method, any if absent
    #[serde(default)]
    pub method: Option<String>,
    /// Path below `/v1` (or of the token listener), `*` stands for anything; it is compared with the path and with its shape
    /// (`/environments/{id}/users`)
    pub path: String,
    /// Text that the decoded query contains
    #[serde(default)]
    pub query: Option<String>,
    /// The first of the matching requests that is hit, from 1
    #[serde(default = "one")]
    pub nth: u64,
    /// How many are hit from there on; 0: all
    #[serde(default = "one")]
    pub times: u64,
    /// What happens
    pub action: FaultAction,
}

fn one() -> u64 {
    1
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultAction {
    /// A status with a body of the given kind
    Status {
        /// HTTP status
        status: u16,
        /// `Retry-After` as it is written
        #[serde(default)]
        retry_after: Option<String>,
        /// Whose body
        #[serde(default)]
        body: FaultBody,
    },
    /// This answer under this media type
    Answer {
        /// HTTP status
        status: u16,
        /// Media type
        content_type: String,
        /// Body
        body: String,
    },
    /// A platform error of any code
    Refuse {
        /// HTTP status
        status: u16,
        /// Top-level code
        code: String,
        /// Detail code
        #[serde(default)]
        detail: Option<String>,
        /// Target of the detail
        #[serde(default)]
        target: Option<String>,
        /// Message of both
        #[serde(default)]
        message: String,
    },
    /// The true answer cut to so many percent, as a well-formed HTTP message
    Truncated(u8),
    /// The true answer's status with an HTML page
    Html,
    /// The connection breaks after so many percent of the true answer
    ResetMidBody(u8),
    /// The connection breaks before any answer
    Reset,
    /// The answer comes so many milliseconds later
    Slow(u64),
    /// The body comes in 64 pieces, this many milliseconds apart
    Trickle(u64),
    /// No answer at all
    Hang,
    /// 401 as for an expired token
    ExpiredToken,
    /// The gateway's 403
    Gateway,
    /// The true answer under another content type
    ContentType(String),
    /// The true answer's status with this body
    Body(String),
    /// 400 as for an expired cursor, whether there is one or not
    CursorExpired,
    /// `next` is the request's own address
    EndlessPage,
    /// The page's first row stands in it twice
    DuplicateRow,
    /// No rows, but `next`
    EmptyPage,
    /// At most this many rows
    ShortPage(usize),
    /// The request takes effect, its answer does not come
    AnswerLost(Lost),
    /// The true answer; with `before-effect` a write that is confirmed and never made
    AsIs,
    /// A write is not made, and answered as the inner action says
    BeforeEffect(Box<FaultAction>),
    /// A write is made, then answered as the inner action says
    AfterEffect(Box<FaultAction>),
    /// A 200 without `_links` and `_embedded`
    Bare,
    /// Each list of `_embedded` is null
    NullList,
    /// A list: the environment's object. An object: another one of its kind. Nothing: the environment's object with 200
    OtherObject,
    /// The answer with the id of the other environment in every place
    OtherEnvironment,
    /// The answer of a node that is so many milliseconds behind
    Stale(u64),
    /// Adds to the numbers under a key (`count`, `userCount`, `directMemberCounts.users`, …) anywhere in the answer
    Miscount {
        /// Key, or the last two keys with a dot between
        key: String,
        /// What is added; below zero counts as zero
        by: i64,
    },
    /// The page lacks its first row, which no other page has
    SkipRow,
    /// The rows of the page before in place of this page's
    RepeatPage,
    /// A filter is taken and matches nobody
    FilterMatchesNobody,
    /// A filter is taken and everything is answered
    FilterIgnored,
    /// Every so manieth row is on no page, and `count` does not know of it; the first row is one of them
    Hidden(u32),
    /// What a worker with rights over this many populations would see
    Narrowed(u32),
    /// The directory changes first, then the request is answered
    Changes(Changes),
}

/// Whose body a status carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultBody {
    /// The platform's error body
    #[default]
    Platform,
    /// An HTML page
    Html,
    /// Nothing
    Empty,
    /// The gateway's `{"message": …}`
    Gateway,
    /// A gateway's `{"status":"ok"}`
    GatewayOk,
}

/// How an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// The connection breaks
    Reset,
    /// Nothing comes
    Hang,
    /// This status comes instead
    Status(u16),
}

impl Fault {
    /// The first request of a method (empty: any) on a path.
    pub fn on(method: &str, path: &str, action: FaultAction) -> Self {
        let method = (!method.is_empty()).then(|| method.to_owned());
        Self {
            method,
            path: path.to_owned(),
            query: None,
            nth: 1,
            times: 1,
            action,
        }
    }

    /// Starts at the n-th matching request.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        Self { nth, ..self }
    }

    /// Hits so many requests; 0: all from the n-th on.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// Only requests whose decoded query contains the text.
    #[must_use]
    pub fn query(self, text: &str) -> Self {
        Self {
            query: Some(text.to_owned()),
            ..self
        }
    }

    fn fits(&self, seen: &Seen<'_>) -> bool {
        self.method
            .as_deref()
            .is_none_or(|method| method.eq_ignore_ascii_case(seen.method))
            && self.query.as_deref().is_none_or(|text| seen.query.contains(text))
            && (glob(&self.path, seen.path) || glob(&self.path, seen.shape))
    }
}

impl FaultAction {
    /// A status with the platform's body.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
            body: FaultBody::Platform,
        }
    }

    /// A status with a body of somebody else.
    pub fn foreign(status: u16, body: FaultBody) -> Self {
        Self::Status {
            status,
            retry_after: None,
            body,
        }
    }

    /// This action in place of a write.
    #[must_use]
    pub fn before_effect(self) -> Self {
        Self::BeforeEffect(Box::new(self))
    }

    /// This action once a write is made.
    #[must_use]
    pub fn after_effect(self) -> Self {
        Self::AfterEffect(Box::new(self))
    }

    /// Whether it needs to know how the directory was before.
    fn looks_back(&self) -> bool {
        match self {
            Self::Stale(_) => true,
            Self::BeforeEffect(inner) | Self::AfterEffect(inner) => inner.looks_back(),
            _ => false,
        }
    }

    /// 429 with so many seconds.
    pub fn too_many(retry_after: Option<u64>) -> Self {
        let retry_after = retry_after.map(|seconds| seconds.to_string());
        Self::Status {
            status: 429,
            retry_after,
            body: FaultBody::Platform,
        }
    }
}

/// Reads a fault from JSON.
pub fn parse_fault(text: &str) -> Result<Fault, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// A request as faults see it.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) shape: &'a str,
    pub(crate) query: &'a str,
}

/// A fault that hits a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) action: FaultAction,
    /// Whether a write is made all the same; `None`: as is usual for the action
    pub(crate) takes_effect: Option<bool>,
}

impl Due {
    fn of(action: &FaultAction) -> Self {
        let (action, takes_effect) = match action {
            FaultAction::BeforeEffect(inner) => (&**inner, Some(false)),
            FaultAction::AfterEffect(inner) => (&**inner, Some(true)),
            other => (other, None),
        };
        Self {
            action: action.clone(),
            takes_effect,
        }
    }
}

/// The plan with its counts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    any: AtomicBool,
    looks_back: AtomicBool,
    faults: Mutex<Vec<Planned>>,
}

/// A fault, and how often it was met.
#[derive(Debug, Serialize)]
pub(crate) struct Planned {
    fault: Fault,
    /// Requests that it names
    matched: u64,
    /// Of these, hit
    hits: u64,
}

impl Plan {
    pub(crate) fn set(&self, faults: Vec<Fault>) {
        let mut plan = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.any.store(!faults.is_empty(), Ordering::Release);
        let looks_back = faults.iter().any(|fault| fault.action.looks_back());
        self.looks_back.store(looks_back, Ordering::Release);
        *plan = faults
            .into_iter()
            .map(|fault| Planned {
                fault,
                matched: 0,
                hits: 0,
            })
            .collect();
    }

    /// How often each fault hit a request since they were planned, in their order.
    pub(crate) fn hits(&self) -> Vec<u64> {
        let plan = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        plan.iter().map(|planned| planned.hits).collect()
    }

    /// The faults with their counts.
    pub(crate) fn told(&self) -> serde_json::Result<serde_json::Value> {
        let plan = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        serde_json::to_value(&*plan)
    }

    /// Whether a planned fault needs to know how the directory was before.
    pub(crate) fn looks_back(&self) -> bool {
        self.looks_back.load(Ordering::Acquire)
    }

    /// The fault for this request; counts it for every fault that it matches, the first one due wins.
    pub(crate) fn due(&self, seen: impl FnOnce() -> SeenOwned) -> Option<Due> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let seen = seen();
        let seen = Seen {
            method: &seen.method,
            path: &seen.path,
            shape: &seen.shape,
            query: &seen.query,
        };
        let mut plan = self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut due = None;
        for planned in plan.iter_mut().filter(|planned| planned.fault.fits(&seen)) {
            planned.matched += 1;
            let (fault, matched) = (&planned.fault, planned.matched);
            let over = fault.times != 0 && matched >= fault.nth + fault.times;
            if matched >= fault.nth && !over && due.is_none() {
                due = Some(Due::of(&fault.action));
                planned.hits += 1;
            }
        }
        due
    }
}

/// Owned form of [`Seen`], made only when there are faults.
pub(crate) struct SeenOwned {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) shape: String,
    pub(crate) query: String,
}

/// Whether `text` is `pattern` with each `*` standing for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str) -> SeenOwned {
        SeenOwned {
            method: "GET".into(),
            path: path.into(),
            shape: "/environments/{id}/users".into(),
            query: "limit=2".into(),
        }
    }

    #[test]
    fn point_55_a_fault_hits_the_requests_it_names() {
        let plan = Plan::default();
        plan.set(vec![
            Fault::on("get", "*/users", FaultAction::Hang)
                .nth(2)
                .times(2)
                .query("limit"),
        ]);
        let hit = |path: &str| plan.due(|| seen(path)).is_some();
        let results: Vec<bool> = (0..5).map(|_| hit("/environments/1/users")).collect();
        assert_eq!(results, [false, true, true, false, false]);
    }

    #[test]
    fn a_pattern_is_compared_with_path_and_shape() {
        for (pattern, text, expected) in [
            ("*", "/a", true),
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("*b*", "abc", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
        let plan = Plan::default();
        plan.set(vec![Fault::on("", "/environments/{id}/users", FaultAction::Reset)]);
        assert_eq!(plan.due(|| seen("/x")).map(|due| due.action), Some(FaultAction::Reset));
    }

    #[test]
    fn faults_are_written_as_json() {
        let fault =
            parse_fault(r#"{"path":"*/users","nth":3,"action":{"status":{"status":503,"retry_after":"2"}}}"#).unwrap();
        assert_eq!((fault.nth, fault.times), (3, 1));
        assert!(parse_fault(r#"{"path":"*","action":"explode"}"#).is_err());
        assert_eq!(
            parse_fault(r#"{"path":"*","action":"hang"}"#).unwrap().action,
            FaultAction::Hang
        );
        assert!(parse_fault(r#"{"path":"*","action":{"answer-lost":"reset"}}"#).is_ok());
    }

    #[test]
    fn the_table_of_actions_is_complete() {
        let unknown = parse_fault(r#"{"path":"*","action":"explode"}"#).unwrap_err();
        let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
        let named: Vec<&str> = ACTIONS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(named, known);
        for (name, example, _) in ACTIONS {
            let fault = parse_fault(&format!(r#"{{"path":"*","action":{example}}}"#)).expect(name);
            let written = serde_json::to_value(&fault.action).unwrap();
            let written = written.as_str().map_or_else(
                || written.as_object().unwrap().keys().next().unwrap().clone(),
                str::to_owned,
            );
            assert_eq!(written, *name);
        }
    }

    #[test]
    fn the_inner_action_of_an_effect_is_what_happens() {
        let plan = Plan::default();
        let wrapped = FaultAction::Stale(5).after_effect();
        plan.set(vec![Fault::on("", "*", wrapped)]);
        assert!(plan.looks_back());
        let due = plan.due(|| seen("/x")).unwrap();
        assert_eq!((due.action, due.takes_effect), (FaultAction::Stale(5), Some(true)));
        plan.set(vec![Fault::on("", "*", FaultAction::Bare.before_effect())]);
        assert!(!plan.looks_back());
        assert_eq!(plan.due(|| seen("/x")).unwrap().takes_effect, Some(false));
    }
}
