//! What NOPERM names: the user, the command or key that is refused, and what it needs.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// The text between the first pair of marks behind a phrase.
fn quoted(text: &str, phrase: &str, mark: char) -> Option<String> {
    let (_, rest) = text.split_once(phrase)?;
    let (word, _) = rest.trim_start().strip_prefix(mark)?.split_once(mark)?;
    (!word.is_empty() && word.len() < 60 && !word.contains(' ')).then(|| word.to_owned())
}

/// The user in `User NAME has no permissions`, or the only one whose rules are pasted.
fn user(seen: &Seen) -> Option<String> {
    let in_message = seen.lines.iter().find_map(|line| {
        let (before, _) = line.text.split_once(" has no permissions")?;
        let name = before.rsplit_once("User ").or_else(|| before.rsplit_once("user "))?.1;
        (!name.contains(' ') && !name.is_empty()).then(|| name.trim_matches('\'').to_owned())
    });
    in_message.filter(|name| name != "this").or_else(|| {
        let rules = seen.lines.iter().filter_map(|line| {
            let mut words = line.text.trim_start_matches(['"', ' ', '1', ')']).split_whitespace();
            let name = (words.next() == Some("user")).then(|| words.next()).flatten()?;
            matches!(words.next(), Some("on" | "off")).then(|| name.to_owned())
        });
        let names: Vec<String> = rules.filter(|name| name != "default").collect();
        match names.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        }
    })
}

/// Signs that the servers' own import of slots was refused.
const IMPORTS: [&str; 4] =
    ["slot-import-target", "slot-import-source", "new slot import job", "slot migration {"];

/// Fits the cure to the message.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    let said = ["permissions to run the", "no permissions to run"];
    let found = seen.lines.iter().find_map(|line| {
        let command = said.iter().find_map(|phrase| quoted(&line.lower, phrase, '\''))?;
        Some(command)
    });
    let Some(command) = found else { return key_or_channel(seen, hit) };
    let name = user(seen).unwrap_or_else(|| "<user>".to_owned());
    let check = format!("ACL GETUSER {name} and ACL LOG on every node.");
    let here = if name == "<user>" { String::new() } else { format!(" of {name}") };
    let hit = hit.check(check).note(format!("Here the rules{here} do not grant '{command}'."));
    if seen.has(&IMPORTS) {
        return import(&name, &command, hit);
    }
    if command == "cluster" || command.starts_with("cluster|") {
        return cluster(&name, &command, hit);
    }
    if ["psync", "replconf", "sync"].contains(&command.as_str()) {
        return hit
            .step(format!(
                "ACL SETUSER {name} +psync +replconf +ping on ALL nodes (it is the user of \
                 masteruser), and ACL SAVE or the aclfile."
            ))
            .only_these_steps();
    }
    if command == "client" || command.starts_with("client|setinfo") {
        return introduction(&name, seen, hit);
    }
    hit.step(format!(
        "If {name} is meant to do that: ACL SETUSER {name} +{command} on ALL nodes, and ACL SAVE (or \
         the aclfile); ACLs are per node. If it is not, the program sends what it should not."
    ))
    .only_these_steps()
}

/// The command is allowed, and the key or channel is not.
fn key_or_channel(seen: &Seen, hit: Hit) -> Hit {
    let name = user(seen).unwrap_or_else(|| "<user>".to_owned());
    if seen.has(&["access a key", "one of the keys"]) {
        if seen.has(&IMPORTS) {
            return import(&name, "select", hit);
        }
        return hit
            .step(format!(
                "ACL SETUSER {name} ~<pattern> on ALL nodes, with a pattern that fits the key's name \
                 (%R~ for reads only, 7.0 and later), and ACL SAVE (or the aclfile)."
            ))
            .only_these_steps();
    }
    if seen.has(&["one of the channels", "access a channel"]) {
        return hit
            .step(format!(
                "ACL SETUSER {name} &<pattern> on ALL nodes, with a pattern that fits the channel (since \
                 7.0 a new user may use none), and ACL SAVE (or the aclfile)."
            ))
            .only_these_steps();
    }
    hit
}

/// A client that tells its name when it connects.
fn introduction(name: &str, seen: &Seen, hit: Hit) -> Hit {
    let old = seen.version().is_some_and(|version| version < (7, 2));
    let unknown = if old {
        " This server does not even have the subcommand, and the ACL is looked at first, so it says \
         NOPERM where others get a harmless 'unknown subcommand'."
    } else {
        ""
    };
    hit.note(format!(
        "Client libraries since about 2023 send CLIENT SETINFO (their name and version, 7.2 and \
         later), CLIENT SETNAME or CLIENT ID when they connect; some take a refusal for a failed \
         connection (redis/jedis#3438), so that an upgrade of the library alone breaks with \
         such a user.{unknown}"
    ))
    .check(format!(
        "With that user: redis-cli --user {name} CLIENT SETINFO LIB-NAME test gets the same NOPERM; \
         ACL LOG on the node names the command. Did the release before work?"
    ))
    .step(format!(
        "ACL SETUSER {name} +client|setinfo +client|setname +client|id on ALL nodes (a subcommand can \
         be granted before the server has it; where the version does not take it: +client), and \
         ACL SAVE (or the aclfile)."
    ))
    .step(
        "Or upgrade the library once more (Jedis 4.4.2 and later go on after a refusal), or switch \
         it off: redis-py lib_name=None, go-redis DisableIdentity, Jedis \
         ClientSetInfoConfig.DISABLED, node-redis disableClientInfo.",
    )
    .only_these_steps()
}

/// A client that reads the map.
fn cluster(name: &str, command: &str, hit: Hit) -> Hit {
    let sub = if command.contains('|') {
        format!("+{command}")
    } else {
        "+cluster|slots +cluster|shards +cluster|nodes +cluster|info".to_owned()
    };
    hit.step(format!(
        "ACL SETUSER {name} {sub} on ALL nodes (before 7.0 only +cluster as a whole can be given), and \
         ACL SAVE (or the aclfile). A cluster client also wants +readonly +asking +ping +info."
    ))
    .only_these_steps()
}

/// The stream of an import is made of any write to any key of the slots.
fn import(name: &str, command: &str, hit: Hit) -> Hit {
    let grant = if command == "select" { String::new() } else { format!("+{command} ") };
    hit.note(
        "It is the servers' own move of slots that was refused: the target runs the source's stream \
         as this user, so it needs the commands of replication and every command that writes, for \
         all keys. The job ended as failed and cleaned up after itself: the slots stay with the \
         source, which goes on serving them, and no key is lost.",
    )
    .step(format!(
        "On ALL nodes: ACL SETUSER {name} {grant}+select +ping +multi +exec +@write +@scripting \
         ~* &* (it is the user of the servers among themselves, primaryuser or masteruser, so \
         +@all ~* &* is usual for it; as well +psync +replconf +cluster|syncslots), and ACL SAVE, \
         the aclfile, or the operator's setting."
    ))
    .step(
        "Then start the same migration again (CLUSTER MIGRATESLOTS at the source) and follow it with \
         CLUSTER GETSLOTMIGRATIONS. Who owns the slots, CLUSTER NODES shows: the source, until then.",
    )
    .only_these_steps()
}
