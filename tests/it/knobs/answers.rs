//! What the stand-in answered, so that two runs can be compared: a knob that changes no answer turns nothing.

use std::collections::BTreeSet;

use sandbox::pingone::{Recorded, Server};
use serde_json::Value;

/// Each kind of answer once, without what is another in each run: addresses, cursors, times, tokens, ids of errors, and which
/// user is asked for his groups.
pub fn answers(server: &Server) -> BTreeSet<String> {
    let base = server.api_url();
    server.recorded().iter().map(|of| told(of, &base)).collect()
}

fn told(of: &Recorded, base: &str) -> String {
    let (by_lot, query) = (of.shape.ends_with("/{id}/memberOfGroups"), plain(&of.query, base));
    let path = if by_lot { &of.shape } else { &of.path };
    let Some(answer) = &of.answer else {
        return format!("{} {path}?{query}: none", of.method);
    };
    let body = match serde_json::from_str(&answer.body) {
        _ if by_lot => String::new(),
        Ok(mut body) => {
            strip(&mut body);
            plain(&body.to_string(), base)
        }
        Err(_) => plain(&answer.body, base),
    };
    let (status, headers, took) = (answer.status, &answer.headers, answer.took.as_millis());
    format!(
        "{} {path}?{query}: {status} {headers:?} after {took} ms {body}",
        of.method
    )
}

/// Leaves of a token its size, and of an error its text.
fn strip(body: &mut Value) {
    let Value::Object(members) = body else { return };
    if members.contains_key("code") {
        members.remove("id");
    }
    if let Some(token) = members.get_mut("access_token") {
        *token = (token.as_str().unwrap_or_default().len() / 100).into();
    }
}

fn plain(text: &str, base: &str) -> String {
    let text = text.replace(base, "");
    let mut parts = text.split("cursor=");
    let mut cut = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        cut.push_str("cursor=");
        cut.push_str(part.trim_start_matches(|char: char| char.is_ascii_alphanumeric() || "-_=".contains(char)));
    }
    without_times(&cut)
}

/// The text with `T` in place of each time such as `2026-05-01T10:00:00.000Z`.
fn without_times(text: &str) -> String {
    let mut parts = text.split('T');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let day = out.len().checked_sub(10).filter(|at| {
            let day = out.get(*at..).unwrap_or_default();
            day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && day.contains('-')
        });
        out.truncate(day.unwrap_or(out.len()));
        out.push('T');
        out.push_str(match day.and(part.split_once('Z')) {
            Some((_, after)) => after,
            None => part,
        });
    }
    out
}

#[test]
fn times_and_cursors_are_left_out() {
    let text = r#"The "2026-05-01T10:00:00.000Z" of http://x/v1/users?cursor=aB-_9&limit=2"#;
    assert_eq!(plain(text, "http://x"), r#"The "T" of /v1/users?cursor=&limit=2"#);
}
