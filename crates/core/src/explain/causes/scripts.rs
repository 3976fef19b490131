//! Lua scripts that use keys which nobody declared.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// `redis.call('HGET', f3, ...)`: the command and its first argument.
fn call(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once("redis.call(").or_else(|| text.split_once("redis.pcall("))?;
    let mut words = rest.split([',', ')']).map(str::trim);
    let command = words.next()?.trim_matches(['"', '\'']);
    Some((command, words.next()?))
}

/// A variable of the script: a word that is neither a text nor one of `KEYS`.
fn is_variable(word: &str) -> bool {
    let first = word.chars().next();
    let named = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    named && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Names the call whose key is a value that the script read or put together.
pub(super) fn undeclared(seen: &Seen, hit: Hit) -> Hit {
    let calls = |text: &str| call(text).map(|(command, key)| (command.to_owned(), key.to_owned()));
    let found = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (command, key) = calls(&line.text).filter(|(_, key)| is_variable(key))?;
        let from = seen.lines.get(..at)?.iter().rposition(|before| {
            let name = before.text.split_once('=').map(|(name, _)| name.trim());
            let name = name.map(|name| name.strip_prefix("local ").unwrap_or(name).trim());
            name == Some(key.as_str())
        })?;
        // local k = KEYS[2] is declared all the same.
        let value = seen.lines.get(from)?.text.split_once('=')?.1.trim();
        let read = value.starts_with("redis.");
        (!value.starts_with("KEYS[")).then_some((at, from, command, key, read))
    });
    let Some((at, from, command, key, read)) = found else { return hit };
    let origin = if read { "a value that it read before" } else { "a name that it put together" };
    let hit = hit.quote(at).quote(from).note(format!(
        "In this script {command} is called on '{key}', {origin}: it is used as the name of a key \
         and does not stand in KEYS. The script was sent to the owner of KEYS[1]; that other key \
         has a slot of its own, here on another node, and passing it in ARGV would not move it."
    ));
    if read {
        return hit.step(format!(
            "Simplest: two calls from the client, first the one that reads '{key}', then {command} \
             on the key of that name; each goes to the node that has it."
        ));
    }
    hit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_what_they_are_called_on() {
        let text = " local f4=redis.call('HGET',f3,'1')";
        assert_eq!(call(text), Some(("HGET", "f3")));
        assert!(is_variable("f3"));
        assert!(!is_variable("KEYS[1]") && !is_variable("'a'"));
    }
}
