//! Codes of findings on the command line.

use slotwright_core::diagnose::Entry;
use slotwright_core::findings;

use super::failure::Failure;

/// The finding of a code, in any case and with dashes or underscores.
///
/// # Errors
/// A usage error that names the nearest codes.
pub fn find(code: &str) -> Result<&'static Entry, Failure> {
    let wanted = normal(code);
    if let Some(entry) = findings::ALL.iter().find(|entry| entry.code() == wanted) {
        return Ok(entry);
    }
    let near = nearest(&wanted);
    Err(Failure::with_hint(
        format!("there is no finding {code}"),
        format!("did you mean {}?", near.join(", ")),
    ))
}

/// Whether a word looks like a code: what a file is rarely called.
pub fn looks_like_one(word: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !word.is_empty() && word.chars().all(legal) && word.chars().any(|c| c.is_ascii_alphabetic())
}

fn normal(code: &str) -> String {
    code.trim().to_uppercase().replace('-', "_")
}

/// The three codes with the fewest letters to change.
fn nearest(wanted: &str) -> Vec<String> {
    let mut codes: Vec<(usize, String)> = findings::ALL
        .iter()
        .map(|entry| entry.code())
        .map(|code| {
            let part = code.contains(wanted) || wanted.contains(&code);
            (if part { 1 } else { distance(wanted, &code) }, code)
        })
        .collect();
    codes.sort();
    codes.into_iter().take(3).map(|(_, code)| code).collect()
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, from) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, to) in b.iter().enumerate() {
            let swapped = before + usize::from(from != *to);
            before = row[column + 1];
            row[column + 1] = swapped.min(before + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_code() {
        assert_eq!(nearest("SLOT_OPNE")[0], "SLOT_OPEN");
        assert!(find("slot-open").is_ok());
    }

    #[test]
    fn distances_are_those_of_the_book() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
