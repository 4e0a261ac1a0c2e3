//! Members and links that nobody knows yet (pingone-api.md §3.2 forward compatibility, D; §9 point 37): laid over every
//! object and list of a finished answer, so that no handler can leave them out.

use super::answer::Answer;
use serde_json::{Map, Value, json};

/// The answer with an unknown member and link in each object and list; refusals and bodies that are no JSON stay.
pub(crate) fn extended(answer: Answer) -> Answer {
    if !(200..300).contains(&answer.status) || answer.content_type.is_some() {
        return answer;
    }
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else {
        return answer;
    };
    extend(&mut body);
    Answer {
        body: Value::Object(body).to_string().into(),
        ..answer
    }
}

fn extend(object: &mut Map<String, Value>) {
    let member = json!({"list": [1, {"deep": null}], "text": "new"});
    object.insert("futureMember".to_owned(), member);
    if let Value::Object(links) = object.entry("_links").or_insert_with(|| json!({})) {
        let link = json!({"href": "https://example.com/new", "templated": true});
        links.insert("somethingNew".to_owned(), link);
    }
    let Some(Value::Object(embedded)) = object.get_mut("_embedded") else {
        return;
    };
    for inside in embedded.values_mut() {
        match inside {
            Value::Object(one) => extend(one),
            Value::Array(rows) => rows.iter_mut().filter_map(Value::as_object_mut).for_each(extend),
            _ => {}
        }
    }
}
