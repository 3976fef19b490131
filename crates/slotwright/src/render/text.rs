//! The one place where a peer's words become something that may be printed.
//!
//! Invariant: whatever leaves this program as text for a person has passed [`plain`]; whatever
//! leaves it as JSON has passed [`json`]. Nothing that a terminal, a browser or an editor obeys
//! survives either.

/// Whether a character does something to whoever shows it, instead of being shown.
///
/// Control characters move cursors and begin escape sequences; bidirectional controls reorder what
/// is read; invisible ones hide differences between names.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// A text on one line, with everything that would be obeyed shown as an escape.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_obeyed(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON text with the same characters as `\u` escapes. They stand only inside of strings, where
/// the escape means the same character: nothing is lost.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) && c != '\n' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A number of things: `1 node`, `2 nodes`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A word for a shell, quoted when it must be, so that it is read back as this very word.
pub fn shell_word(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+%[]<>*".contains(c);
    let globs = |c: char| "[]<>*".contains(c);
    if !word.is_empty() && word.chars().all(safe) && !word.chars().any(globs) {
        return word.to_owned();
    }
    format!("'{}'", plain(word).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        assert_eq!(plain("\u{1b}]0;owned\u{7}"), "\\u{1b}]0;owned\\u{7}");
        assert_eq!(plain("a\r\nb"), "a\\r\\nb");
        assert_eq!(plain("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert_eq!(plain("zero\u{200b}width"), "zero\\u{200b}width");
        assert_eq!(plain("größe 漢字"), "größe 漢字");
    }

    #[test]
    fn shell_words_are_quoted_when_they_must() {
        assert_eq!(shell_word("10.0.0.1"), "10.0.0.1");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("a'b; rm"), r"'a'\''b; rm'");
        assert_eq!(shell_word("[5->-x]"), "'[5->-x]'");
    }

    proptest! {
        #[test]
        fn nothing_that_is_obeyed_survives(text in any::<String>()) {
            prop_assert!(!plain(&text).chars().any(is_obeyed));
            let as_json = json(&serde_json::to_string(&text).expect("a string"));
            prop_assert!(!as_json.chars().any(|c| is_obeyed(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&as_json).expect("still JSON"), text);
        }
    }
}
