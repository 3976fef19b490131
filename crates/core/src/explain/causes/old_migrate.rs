//! MIGRATE of servers that know no login in it, and the first slot with a key, which needs it.

use super::server_age;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::stated::{Version, dotted};

/// From here on MIGRATE takes AUTH.
const AUTH: Version = (4, 0, 7);

/// From here on MIGRATE takes a user.
const AUTH2: Version = (6, 0, 0);

/// The version of the servers, if it is stated and their MIGRATE takes no password.
pub(super) fn without_auth(seen: &Seen) -> Option<Version> {
    server_age::stated(seen).filter(|version| *version < AUTH)
}

/// NOAUTH from servers that cannot send a password, whatever tool asks them.
pub(super) fn none_sent(own: Version, hit: Hit) -> Hit {
    let own = dotted(own);
    hit.fact("refusal", format!("MIGRATE of {own} cannot send a password"))
        .fact(
            "here",
            format!(
                "NOAUTH: the target demands a password and MIGRATE carried none. MIGRATE takes one \
                 (AUTH) only from 4.0.7 on, and the servers here are {own}: no tool, however new, \
                 and no command by hand can hand it on to them."
            ),
        )
        .check("redis_version in INFO server of source and target: below 4.0.7?")
}

/// What makes the move possible, after the open slot is closed.
pub(super) fn upgraded(hit: Hit) -> Hit {
    hit.step(
        "Then upgrade the nodes (5.0 or later: there redis-cli --cluster takes the place of \
         redis-trib), one at a time: the replicas, then CLUSTER FAILOVER on one of each shard, \
         then the former primaries. The passwords stay as they are.",
    )
    .step(
        "Then run the move with that version's redis-cli --cluster reshard and -a <password>: it \
         hands the password on in MIGRATE ... AUTH.",
    )
}

/// The words around the open slot: how the step begins, what follows its closing, and what is done
/// with keys on both sides.
pub(super) fn words(seen: &Seen, slot: &str, to: &str) -> (&'static str, &'static str, String) {
    let login = match server_age::stated(seen) {
        Some(version) if version < AUTH => {
            let rest =
                "leave it open until the nodes are upgraded, and let the new tool finish it.";
            return ("First", "", rest.to_owned());
        }
        Some(version) if version < AUTH2 => "AUTH",
        _ => "AUTH or AUTH2",
    };
    let rest = format!("MIGRATE the rest with {login}, then SETSLOT {slot} NODE, on {to} first.");
    ("Then", ", and run the move again", rest)
}

/// The slots that went before the one that stopped.
pub(super) fn first_with_keys(seen: &Seen, hit: Hit) -> Hit {
    let slot = |lower: &str| -> Option<String> {
        let (_, rest) = lower.split_once("moving slot ")?;
        let word = rest.split_whitespace().next()?;
        word.parse::<u16>().is_ok().then(|| word.to_owned())
    };
    let stopped = seen
        .lines
        .iter()
        .rposition(|line| slot(&line.lower).is_some() && line.lower.contains(" to "));
    let plain = "Slots without keys move all the same; the first one with a key stops.";
    let Some(stopped) = stopped else { return hit.note(plain) };
    // What stands above the question is the plan.
    let before = seen.lines.get(..stopped).unwrap_or_default();
    let asked = before.iter().rposition(|line| line.lower.contains("proceed with the proposed"));
    let done: Vec<(usize, String)> = (before.iter().enumerate())
        .filter(|(at, line)| match asked {
            Some(asked) => *at > asked,
            None => line.lower.contains(" to "),
        })
        .filter_map(|(at, line)| Some((at, slot(&line.lower)?)))
        .collect();
    let last = seen.lines.get(stopped).and_then(|line| slot(&line.lower)).unwrap_or_default();
    match done.as_slice() {
        [] => hit.note(plain),
        [one] => hit.quote(one.0).note(sentence(&format!("Slot {}", one.1), &last)),
        [first, .., end] => hit.quote(end.0).note(sentence(
            &format!("The {} slots before it ({} to {})", done.len(), first.1, end.1),
            &last,
        )),
    }
}

fn sentence(before: &str, last: &str) -> String {
    format!(
        "{before} went without an error because a slot without keys changes hands by SETSLOT \
         alone, and no server has to log in at another one; slot {last} is the first with a key."
    )
}
