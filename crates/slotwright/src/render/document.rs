//! Results for programs.

use serde::Serialize;

use super::text;
use crate::cli::failure::Failure;

/// JSON, indented, with everything that a terminal would obey as `\u` escapes.
///
/// # Errors
/// When the value cannot be written, which is a bug.
pub fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(bug)?;
    Ok(text::json(&text) + "\n")
}

/// YAML. What a terminal would obey is shown as an escape: unlike JSON, this is for reading.
///
/// # Errors
/// When the value cannot be written, which is a bug.
pub fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    let mut value = serde_json::to_value(value).map_err(bug)?;
    make_plain(&mut value);
    serde_saphyr::to_string(&value).map_err(bug)
}

fn make_plain(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(string) => *string = text::plain(string),
        serde_json::Value::Array(items) => items.iter_mut().for_each(make_plain),
        serde_json::Value::Object(map) => {
            *map = std::mem::take(map)
                .into_iter()
                .map(|(name, mut value)| {
                    make_plain(&mut value);
                    (text::plain(&name), value)
                })
                .collect();
        }
        _ => {}
    }
}

fn bug(error: impl std::fmt::Display) -> Failure {
    Failure::Environment(format!("cannot write the result: {error}"))
}
