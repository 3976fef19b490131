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
    let (later, rules) = rules_of(ALLOWED).partition(|rule| since(rule).is_some());
    let later: Vec<String> = later;
    let later = LATER.into_iter().filter(|(rule, _)| later.iter().any(|one| one == rule));
    Rights { rules, later: later.collect() }
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

fn since(rule: &str) -> Option<&'static str> {
    LATER.iter().find(|(later, _)| *later == rule).map(|(_, since)| *since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_lists() {
        let look = to_look();
        assert!(look.rules.iter().any(|rule| rule == "+cluster|nodes"), "{look:?}");
        assert_eq!(look.later, LATER);
        assert!(!look.rules.iter().any(|rule| since(rule).is_some()), "{look:?}");
        let act = to_act();
        assert!(act.rules.iter().any(|rule| rule == "+cluster|setslot"), "{act:?}");
        for rule in look.rules.iter().chain(&act.rules) {
            assert!(!rule.contains("@") && !rule.contains("flush"), "{rule}");
        }
    }
}
