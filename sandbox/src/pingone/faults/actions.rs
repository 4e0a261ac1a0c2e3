//! What each action of a fault is, for the table of knobs.

/// Name, example and explanation of every action, for the table of knobs.
pub(crate) const ACTIONS: &[(&str, &str, &str)] = &[
    (
        "status",
        r#"{"status":{"status":503,"retry_after":"2","body":"html"}}"#,
        "A status with the body of `platform`, `html` (a maintenance page), `empty`, `gateway` (a message) or `gateway-ok` (`{\"status\":\"ok\"}`); 200, 202 and 204 included",
    ),
    (
        "answer",
        r#"{"answer":{"status":200,"content_type":"application/json","body":"{}"}}"#,
        "This answer under this media type",
    ),
    (
        "refuse",
        r#"{"refuse":{"status":401,"code":"ACCESS_FAILED"}}"#,
        "A platform error of any code, with `detail`, `target` and `message` or without",
    ),
    (
        "truncated",
        r#"{"truncated":50}"#,
        "The true answer cut to so many percent, as a well-formed message",
    ),
    ("html", r#""html""#, "The true answer's status with an HTML page"),
    (
        "reset-mid-body",
        r#"{"reset-mid-body":50}"#,
        "The connection breaks after so many percent of the true answer",
    ),
    ("reset", r#""reset""#, "The connection breaks before any answer"),
    (
        "slow",
        r#"{"slow":1500}"#,
        "The answer comes so many milliseconds later",
    ),
    (
        "trickle",
        r#"{"trickle":20}"#,
        "The body comes in 64 pieces, so many milliseconds apart",
    ),
    ("hang", r#""hang""#, "No answer at all"),
    ("expired-token", r#""expired-token""#, "401 as for an expired token"),
    ("gateway", r#""gateway""#, "The gateway's 403"),
    (
        "content-type",
        r#"{"content-type":"text/plain"}"#,
        "The true answer under another media type",
    ),
    ("body", r#"{"body":"{}"}"#, "The true answer's status with this body"),
    (
        "cursor-expired",
        r#""cursor-expired""#,
        "400 as for an expired cursor, whether there is one or not",
    ),
    (
        "endless-page",
        r#""endless-page""#,
        "`next` is the request's own address",
    ),
    (
        "duplicate-row",
        r#""duplicate-row""#,
        "The page's first row stands in it twice",
    ),
    ("empty-page", r#""empty-page""#, "No rows, but `next`"),
    ("short-page", r#"{"short-page":3}"#, "At most so many rows"),
    (
        "answer-lost",
        r#"{"answer-lost":"reset"}"#,
        "The request takes effect, then the connection breaks (`reset`), nothing comes (`hang`) or a status comes (`{\"status\":502}`)",
    ),
    (
        "as-is",
        r#""as-is""#,
        "The true answer; inside `before-effect` a write that is confirmed and never made",
    ),
    (
        "before-effect",
        r#"{"before-effect":"as-is"}"#,
        "A write is not made, and answered as the inner action says",
    ),
    (
        "after-effect",
        r#"{"after-effect":{"status":{"status":200,"body":"html"}}}"#,
        "A write is made, then answered as the inner action says",
    ),
    ("bare", r#""bare""#, "The true answer without `_links` and `_embedded`"),
    ("null-list", r#""null-list""#, "`_embedded` has null for each list"),
    (
        "other-object",
        r#""other-object""#,
        "The environment's object instead of a list or of nothing; another object of the kind instead of one",
    ),
    (
        "other-environment",
        r#""other-environment""#,
        "The answer with the other environment's id in every place",
    ),
    (
        "stale",
        r#"{"stale":30000}"#,
        "The answer of a node that is so many milliseconds behind",
    ),
    (
        "miscount",
        r#"{"miscount":{"key":"directMemberCounts.users","by":-2}}"#,
        "Adds to the numbers under a key (`count`, `userCount`, `directMemberCounts.users`, `totalMemberCounts.users`)",
    ),
    (
        "skip-row",
        r#""skip-row""#,
        "The page lacks its first row, which no other page has",
    ),
    (
        "repeat-page",
        r#""repeat-page""#,
        "The rows of the page before in place of this page's",
    ),
    (
        "filter-matches-nobody",
        r#""filter-matches-nobody""#,
        "A filter is taken and matches nobody",
    ),
    (
        "filter-ignored",
        r#""filter-ignored""#,
        "A filter is taken and everything is answered",
    ),
    (
        "hidden",
        r#"{"hidden":3}"#,
        "One row in so many, the first among them, is on no page, and `count` does not know of it",
    ),
    (
        "narrowed",
        r#"{"narrowed":1}"#,
        "What a worker with rights over the first so many populations would see",
    ),
    (
        "changes",
        r#"{"changes":{"count":5,"kinds":["move-user"]}}"#,
        "The directory changes first, as by `POST /sandbox/changes`, then the request is answered",
    ),
];
