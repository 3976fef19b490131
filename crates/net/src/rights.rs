//! The least rights of an ACL user under whom this program works: the lists of what may be sent,
//! as rules of `ACL SETUSER`.

use crate::act::MAY_CHANGE;
use crate::command::ALLOWED;

/// Rules that older servers do not know, for which they refuse the whole `ACL SETUSER`.
const LATER: [(&str, &str); 2] = [
    ("+cluster|getslotmigrations", "Valkey 9.0 and later"),
    ("+cluster|migration", "Redis 8.4 and later"),
];

/// A canary key is written, read and removed with these.
const CANARY: [&str; 3] = ["+set", "+get", "+del"];

/// What `MIGRATE` sends to the receiver, under the same user (`migrateCommand`).
const AT_THE_RECEIVER: [&str; 2] = ["+select", "+restore-asking"];

/// Rules of `ACL SETUSER`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Known to every server since 7.0.
    pub rules: Vec<String>,
    /// Known only to some servers, and to which.
    pub later: Vec<(&'static str, &'static str)>,
}

/// For whatever only looks: `check`, `plan`, `verify --no-canary`.
pub fn to_look() -> Rights {
    let rules = rules_of(ALLOWED).filter(|rule| !is_later(rule)).collect();
    Rights { rules, later: LATER.to_vec() }
}

/// For whatever acts, beside [`to_look`]: `recover`, and `verify` with its canary keys.
pub fn to_act() -> Rights {
    let mut rules: Vec<String> = rules_of(MAY_CHANGE).collect();
    rules.extend(CANARY.into_iter().chain(AT_THE_RECEIVER).map(str::to_owned));
    Rights { rules, later: Vec::new() }
}

/// A rule names a command, or a command and its first word.
fn rules_of(lines: &'static [&[&str]]) -> impl Iterator<Item = String> {
    lines.iter().map(|line| {
        let words: Vec<String> = line.iter().take(2).map(|word| word.to_lowercase()).collect();
        format!("+{}", words.join("|"))
    })
}

fn is_later(rule: &str) -> bool {
    LATER.iter().any(|(later, _)| *later == rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_lists() {
        let look = to_look();
        assert!(look.rules.iter().any(|rule| rule == "+cluster|nodes"), "{look:?}");
        let later = rules_of(ALLOWED).filter(|rule| is_later(rule)).count();
        assert_eq!(later, LATER.len(), "each stems from the list");
        assert!(!look.rules.iter().any(|rule| is_later(rule)), "{look:?}");
        let act = to_act();
        assert!(act.rules.iter().any(|rule| rule == "+cluster|setslot"), "{act:?}");
        for rule in look.rules.iter().chain(&act.rules) {
            assert!(!rule.contains("@") && !rule.contains("flush"), "{rule}");
        }
    }
}
