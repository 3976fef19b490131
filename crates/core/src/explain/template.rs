//! Filling texts of causes with figures from the paste.
//!
//! `<<name>>` is a figure; `[[ ... ]]` is said only when every figure within is known.

use std::collections::BTreeMap;

/// Figures by name.
pub(super) type Facts = BTreeMap<&'static str, String>;

/// Fills a text. A figure that is not known and stands outside `[[ ]]` becomes "?".
pub(super) fn fill(text: &str, facts: &Facts) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("[[") {
        let (inner, after) = tail.split_once("]]").unwrap_or((tail, ""));
        out.push_str(&plain(before, facts).0);
        let (said, whole) = plain(inner, facts);
        if whole {
            out.push_str(&said);
        }
        rest = after;
    }
    out.push_str(&plain(rest, facts).0);
    out
}

/// Fills a text without `[[ ]]`; the second value says whether every figure was known.
fn plain(text: &str, facts: &Facts) -> (String, bool) {
    let (mut out, mut whole, mut rest) = (String::new(), true, text);
    while let Some((before, tail)) = rest.split_once("<<") {
        let (name, after) = tail.split_once(">>").unwrap_or((tail, ""));
        out.push_str(before);
        match facts.get(name) {
            Some(value) => out.push_str(value),
            None => {
                whole = false;
                out.push('?');
            }
        }
        rest = after;
    }
    out.push_str(rest);
    (out, whole)
}

/// `a`, `a and b`, `a, b and c`; beyond `most`, how many more there are.
pub(super) fn list(words: &[String], most: usize) -> String {
    let shown = words.get(..most.min(words.len())).unwrap_or(&[]);
    if words.len() > most {
        return format!("{} and {} more", shown.join(", "), words.len() - most);
    }
    match shown {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_figure_takes_its_clause_with_it() {
        let facts = Facts::from([("port", "16379".to_owned())]);
        assert_eq!(
            fill("Open <<port>>[[ on <<host>>]][[ (<<port>>)]].", &facts),
            "Open 16379 (16379)."
        );
        assert_eq!(fill("on <<host>>", &facts), "on ?");
    }

    #[test]
    fn lists_read_like_sentences() {
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(list(&words, 3), "a, b and c");
        assert_eq!(list(&words, 2), "a, b and 1 more");
    }
}
