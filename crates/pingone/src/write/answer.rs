//! Whether a 2xx is PingOne's answer to a write, and whether it proves the change. A proxy, a login page or an older
//! node may answer 200 to anything; whatever is not certain is an unknown outcome, which a read decides.

use serde_json::Value;

use super::{Operation, WriteCall};
use crate::error::Reason;
use crate::transport::is_json;

/// The answer of a call that was met with a 2xx. `true`: it holds the object that was asked for, as it was asked for.
/// `false`: 204, which PingOne answers where there is nothing to show. Everything else is not to be believed.
pub(super) fn judge(
    call: &WriteCall,
    environment: &str,
    status: u16,
    media_type: Option<&str>,
    body: &[u8],
) -> Result<bool, Reason> {
    if status == 204 {
        return Ok(false);
    }
    let foreign = || Reason::Foreign {
        status,
        media_type: media_type.unwrap_or("none").to_owned(),
        length: body.len(),
    };
    if !matches!(status, 200 | 201) || !media_type.is_some_and(is_json) {
        return Err(foreign());
    }
    let object: Value = serde_json::from_slice(body).map_err(|_| foreign())?;
    if !object.is_object() || call.shows.is_empty() {
        return Err(foreign());
    }
    if let Some(other) = names_another(call, environment, &object) {
        return Err(corrupt(other));
    }
    for (pointer, wanted) in &call.shows {
        match object.pointer(pointer) {
            Some(found) if same(found, wanted) => {}
            Some(_) => return Err(corrupt(&format!("has another value at {pointer}"))),
            None => return Err(corrupt(&format!("has nothing at {pointer}"))),
        }
    }
    Ok(true)
}

fn corrupt(what: &str) -> Reason {
    Reason::Corrupt {
        what: format!("the answer is not the object that was asked for: it {what}"),
    }
}

/// Links and the environment are not promised (pingone-api.md §3.2). Where they are there, they are those of the call.
fn names_another(call: &WriteCall, environment: &str, object: &Value) -> Option<&'static str> {
    let text = |pointer: &str| Some(object.pointer(pointer)?.as_str()?.to_ascii_lowercase());
    if text("/environment/id").is_some_and(|id| id != environment.to_ascii_lowercase()) {
        return Some("is of another environment");
    }
    let object_id = match call.operation {
        Operation::SetEnabled | Operation::SetMfa => text("/id"),
        _ => None,
    };
    if object_id.is_some_and(|id| id != call.object.to_ascii_lowercase()) {
        return Some("is another object");
    }
    let link = text("/_links/self/href")?;
    let leads = link.contains(&call.object.to_ascii_lowercase()) && link.contains(&environment.to_ascii_lowercase());
    (!leads).then_some("links to another object")
}

/// Ids, user names and states are compared without case (pingone-api.md §3.2, §6.4).
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => found.to_lowercase() == wanted.to_lowercase(),
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::write::{devices, membership, users};

    const USER: Uuid = Uuid::from_u128(7);
    const OTHER: Uuid = Uuid::from_u128(8);
    const HOME: &str = "5f0c6a52-6a1e-4f0b-9a43-2f9a1c0d7e11";
    const HAL: Option<&str> = Some("application/hal+json");

    fn answered(status: u16, media_type: Option<&str>, body: &Value) -> Result<bool, Reason> {
        let call = users::set_enabled(USER, false);
        judge(&call, HOME, status, media_type, body.to_string().as_bytes())
    }

    #[test]
    fn the_object_that_was_asked_for_is_proof_and_no_content_is_none() {
        let link =
            json!({"self": {"href": format!("https://api.pingone.eu/v1/environments/{HOME}/users/{USER}/enabled")}});
        for body in [
            json!({"enabled": false}),
            json!({"enabled": false, "_links": link, "new": [1]}),
        ] {
            for media_type in [HAL, Some("application/json")] {
                assert_eq!(answered(200, media_type, &body), Ok(true), "{body}");
                assert_eq!(answered(201, media_type, &body), Ok(true), "{body}");
            }
        }
        assert_eq!(judge(&users::delete(USER), HOME, 204, None, b""), Ok(false));
        assert_eq!(judge(&users::set_enabled(USER, false), HOME, 204, None, b""), Ok(false));
    }

    #[test]
    fn ids_are_compared_without_case() {
        let group = Uuid::from_u128(0xabc);
        let body = json!({"id": group.to_string().to_uppercase()}).to_string();
        assert_eq!(
            judge(&membership::add(USER, group), HOME, 201, HAL, body.as_bytes()),
            Ok(true)
        );
    }

    #[test]
    fn whatever_else_is_answered_with_2xx_is_not_believed() {
        let other =
            json!({"self": {"href": format!("https://api.pingone.eu/v1/environments/{HOME}/users/{OTHER}/enabled")}});
        let elsewhere =
            json!({"self": {"href": format!("https://api.pingone.eu/v1/environments/{OTHER}/users/{USER}")}});
        let right = json!({"enabled": false});
        let cases = [
            (200, Some("text/html"), right.clone()),
            (200, None, right.clone()),
            (202, HAL, right.clone()),
            (206, HAL, right.clone()),
            (299, HAL, right),
            (200, HAL, json!({"message": "ok"})),
            (200, HAL, json!({"enabled": true})),
            (200, HAL, json!({"enabled": "false"})),
            (200, HAL, json!([{"enabled": false}])),
            (200, HAL, json!({"enabled": false, "_links": other})),
            (200, HAL, json!({"enabled": false, "_links": elsewhere})),
            (200, HAL, json!({"enabled": false, "environment": {"id": OTHER}})),
            (200, HAL, json!({"enabled": false, "id": OTHER})),
        ];
        for (status, media_type, body) in cases {
            assert!(
                answered(status, media_type, &body).is_err(),
                "{status} {media_type:?} {body}"
            );
        }
        for body in ["", "{", "<html>", "\u{0}"] {
            let judged = judge(&users::set_enabled(USER, false), HOME, 200, HAL, body.as_bytes());
            assert!(matches!(judged, Err(Reason::Foreign { status: 200, .. })), "{body:?}");
        }
        // PingOne answers deletions without content.
        assert!(judge(&devices::delete_device(USER, "d"), HOME, 200, HAL, b"{\"id\":\"d\"}").is_err());
    }
}
