//! The part of JSON Schema that our schemas use: enough to say where a document departs from one.

use serde_json::Value;

/// What is wrong with a value, or nothing. A keyword that this does not know is wrong too: it
/// would be passed over in silence otherwise.
pub fn departures(root: &Value, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    hold(root, root, value, "$", &mut out);
    out
}

fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let mut out = Vec::new();
    hold(root, schema, value, "", &mut out);
    out.is_empty()
}

fn hold(root: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            out.push(format!("{at}: nothing may stand here"));
        }
        return;
    };
    for (keyword, wanted) in keywords {
        let fine = match keyword.as_str() {
            "$ref" => {
                let path = wanted.as_str().and_then(|path| path.strip_prefix('#'));
                let target = path.and_then(|path| root.pointer(path)).expect("a reference leads");
                hold(root, target, value, at, out);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is_a(one, value)),
                one => is_a(one, value),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "oneOf" => choices(root, wanted, value) == 1,
            "anyOf" => choices(root, wanted, value) > 0,
            "minimum" => value.as_f64() >= wanted.as_f64(),
            "maximum" => value.as_f64() <= wanted.as_f64(),
            "required" => wanted
                .as_array()
                .into_iter()
                .flatten()
                .all(|name| name.as_str().is_some_and(|name| value.get(name).is_some())),
            "properties" | "additionalProperties" => {
                members(root, keywords, keyword, value, at, out);
                true
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    hold(root, wanted, item, &format!("{at}[{number}]"), out);
                }
                true
            }
            "prefixItems" => {
                let items = value.as_array().into_iter().flatten();
                for (item, wanted) in items.zip(wanted.as_array().into_iter().flatten()) {
                    hold(root, wanted, item, at, out);
                }
                true
            }
            // The one pattern there is: an id.
            "pattern" if wanted == "^[0-9a-f]{40}$" => value.as_str().is_none_or(|id| {
                id.len() == 40 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
            }),
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(at, item)| !items[..at].contains(item))
            }),
            "minItems" => value.as_array().map(Vec::len) >= wanted.as_u64().map(|n| n as usize),
            "maxItems" => value.as_array().map(Vec::len) <= wanted.as_u64().map(|n| n as usize),
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            unknown => {
                out.push(format!("{at}: the schema says {unknown}, which is not checked here"));
                true
            }
        };
        if !fine {
            out.push(format!("{at}: {value} is not {keyword} {wanted}"));
        }
    }
}

fn members(
    root: &Value,
    keywords: &serde_json::Map<String, Value>,
    keyword: &str,
    value: &Value,
    at: &str,
    out: &mut Vec<String>,
) {
    let named = keywords.get("properties").and_then(Value::as_object);
    for (name, member) in value.as_object().into_iter().flatten() {
        let own = named.and_then(|named| named.get(name));
        let schema = match (keyword, own) {
            ("properties", own) => own,
            (_, Some(_)) => None,
            (_, None) => keywords.get(keyword),
        };
        if let Some(schema) = schema {
            hold(root, schema, member, &format!("{at}.{name}"), out);
        }
        if keyword == "properties"
            && own.is_none()
            && !keywords.contains_key("additionalProperties")
        {
            out.push(format!("{at}.{name}: the schema does not name it"));
        }
    }
}

fn choices(root: &Value, wanted: &Value, value: &Value) -> usize {
    let choices = wanted.as_array().into_iter().flatten();
    choices.filter(|schema| fits(root, schema, value)).count()
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

#[test]
fn departures_are_found() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "a": { "$ref": "#/$defs/small" }, "b": { "oneOf": [
            { "type": "null" }, { "type": "array", "items": { "enum": ["x"] } } ] } },
        "required": ["a"],
        "$defs": { "small": { "type": "integer", "minimum": 0, "maximum": 9 } }
    });
    let wrong = |value: Value| departures(&schema, &value).len();
    assert_eq!(wrong(serde_json::json!({ "a": 3, "b": ["x"] })), 0);
    assert_eq!(wrong(serde_json::json!({ "a": 3, "b": null })), 0);
    assert_eq!(wrong(serde_json::json!({ "a": 10 })), 1);
    assert_eq!(wrong(serde_json::json!({ "b": null })), 1);
    assert_eq!(wrong(serde_json::json!({ "a": 3, "b": ["y"] })), 1);
    assert_eq!(wrong(serde_json::json!({ "a": 3, "c": 1 })), 1);
    assert_eq!(wrong(serde_json::json!([])), 2);
}
