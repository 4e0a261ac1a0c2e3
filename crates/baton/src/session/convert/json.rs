//! `google.protobuf.Struct` ↔ JSON.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Proto};
use serde_json::{Map, Number, Value};

/// Whole numbers up to here are exact in a Struct.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn object(fields: Struct) -> Map<String, Value> {
    fields
        .fields
        .into_iter()
        .map(|(name, value)| (name, json(value)))
        .collect()
}

fn json(value: Proto) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => number(value),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(fields)) => object(fields).into(),
    }
}

/// Whole numbers stay whole; what JSON does not know becomes null.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within 2^53")]
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

pub(super) fn structure(fields: Map<String, Value>) -> Struct {
    Struct {
        fields: fields.into_iter().map(|(name, value)| (name, proto(value))).collect(),
    }
}

fn proto(value: Value) -> Proto {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(proto).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(structure(fields)),
    };
    Proto { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let value = json!({"a": null, "b": true, "c": "x", "d": 7, "e": 1.5, "f": [1, {"g": []}], "h": {}});
        let Value::Object(fields) = value.clone() else { panic!() };
        assert_eq!(Value::Object(object(structure(fields))), value);
    }

    #[test]
    fn numbers_that_json_does_not_know_become_null() {
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(number(value), Value::Null);
        }
        assert_eq!(number(1e300), json!(1e300));
    }
}
