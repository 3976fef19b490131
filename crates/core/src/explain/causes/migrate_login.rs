//! The login of MIGRATE at the target: which refusal it got, and what follows from that one.

use super::command_line::{Call, calls};
use super::fitting;
use super::old_migrate;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::stated::dotted;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "MIGRATE_AUTH_OR_TLS_FAILED",
    title: "The target of a move refuses the login of MIGRATE[[: <<refusal>>]]",
    side: Side::Cluster,
    when: |seen| refused(seen).map(|hit| fitting::import(seen, hit)),
    cause: "MIGRATE is carried out by the source server, which opens its own connection to the \
        target and must log in there; that the tool itself could log in says nothing of it.[[ \
        <<here>>]]",
    check: "Which login does the tool hand on in MIGRATE? redis-trib: none; redis-cli with -a: a \
        password from 5.0 on; with --user: a user from 6.0.2 on.",
    fix: &[
        "Run the tool of a current redis-cli or valkey-cli with -a (or --user and --pass); by hand \
         MIGRATE ... AUTH <password> or AUTH2 <user> <password>.",
        "Then close the slot that was left open.",
    ],
    never: &[
        "Do not remove the password for the time of the move.",
        "Do not give the default user all rights for it.",
    ],
    like: &["SLOT_OPEN"],
}];

/// What the target answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    None,
    Wrong,
    WithoutUser,
    NotWanted,
    Rights,
}

const REFUSALS: [(&str, Refusal); 6] = [
    ("noauth", Refusal::None),
    ("wrongpass", Refusal::Wrong),
    ("invalid password", Refusal::Wrong),
    ("without any password configured", Refusal::WithoutUser),
    ("but no password is set", Refusal::NotWanted),
    ("noperm", Refusal::Rights),
];

fn refused(seen: &Seen) -> Option<Hit> {
    let mark = ["target instance replied with error", "calling migrate", "migrate "];
    let found = REFUSALS.iter().find_map(|(word, refusal)| {
        let at = seen.lines.iter().position(|line| {
            let of_migrate = mark.iter().any(|mark| line.lower.contains(mark));
            of_migrate && line.lower.contains(word)
        })?;
        Some((at, *refusal))
    });
    let Some((at, refusal)) = found else {
        return seen.line_says(92, &["target instance replied with error", " auth "]);
    };
    let call = calls(seen).into_iter().find(|call| call.line < at || seen.lines.len() < 40);
    let moves = seen.has(&["moving slot", "--cluster reshard"]);
    let import = !moves && seen.has(&["importing data from", "--cluster import"]);
    let hit = Hit::of(94).quote(at).quotes(call.as_ref().map(|call| call.line));
    let hit = match refusal {
        Refusal::None => none_sent(seen, hit, call.as_ref()),
        Refusal::Wrong => wrong(hit),
        Refusal::WithoutUser => without_user(seen, hit, call.as_ref()),
        Refusal::NotWanted => not_wanted(hit),
        Refusal::Rights => rights(seen, hit, at),
    };
    if import {
        return Some(Hit { steps: Vec::new(), check: None, ..hit });
    }
    let hit = if refusal == Refusal::None { old_migrate::first_with_keys(seen, hit) } else { hit };
    let hit = open_slot(seen, hit);
    let old = old_migrate::without_auth(seen).filter(|_| refusal == Refusal::None);
    let hit = if old.is_some() { old_migrate::upgraded(hit) } else { hit };
    Some(hit.only_these_steps())
}

/// NOAUTH: MIGRATE carried no login.
fn none_sent(seen: &Seen, hit: Hit, call: Option<&Call>) -> Hit {
    if let Some(own) = old_migrate::without_auth(seen) {
        return old_migrate::none_sent(own, hit);
    }
    let ruby = call.is_some_and(|call| call.ruby) || seen.has(&["redis-trib"]);
    let tool = if ruby {
        "redis-trib.rb has none to hand on."
    } else {
        "redis-trib and redis-cli before 5.0 hand none on, and later ones only the -a that they \
         were given."
    };
    hit.fact("refusal", "it sent no password")
        .fact(
            "here",
            format!("NOAUTH: the target demands a password and MIGRATE carried none. {tool}"),
        )
        .step(
            "Run the move with a current redis-cli (or valkey-cli) --cluster and -a <password> (or \
             --user and --pass). The servers' MIGRATE knows AUTH from 4.0.7 on.",
        )
}

/// WRONGPASS: the passwords differ.
fn wrong(hit: Hit) -> Hit {
    hit.fact("refusal", "the password is not that of the target")
        .fact(
            "here",
            "WRONGPASS: a login was sent, and the target does not take it: the password (or the \
             user) there is another one than at the source, or the user is off.",
        )
        .check(
            "redis-cli -h <target> -p <port> with the same login: PING. Refused there, PONG at the \
             source: the two differ.",
        )
        .step(
            "Give all nodes the same requirepass (or the same ACL user), then run the move again.",
        )
}

/// The default user was meant, and it has no password.
fn without_user(seen: &Seen, hit: Hit, call: Option<&Call>) -> Hit {
    let user = call.and_then(|call| call.option(&["--user"])).map(str::to_owned);
    let default = seen.lines.iter().position(|line| line.lower.contains("user default on"));
    let row = user.as_ref().and_then(|user| {
        let row = format!("user {} on", user.to_lowercase());
        seen.lines.iter().position(|line| line.lower.contains(&row))
    });
    let hit = hit
        .quotes(row)
        .quotes(default)
        .fact("refusal", "a password was sent without a user")
        .check(
            "ACL LIST on the target: has 'default' a password (#...), or nopass? And \
             <tool> --version: 6.0.2 or later hands the user on.",
        );
    let sent = "The answer is about the default user: so AUTH <password> WAS sent, without a name, \
        and the default user of the target has no password.";
    let Some(user) = user else {
        return hit
            .fact(
                "here",
                format!(
                    "{sent} Either the login has a user of its own and the tool left its name out \
                     (redis-cli before 6.0.2 knows no AUTH2 in MIGRATE, redis/redis#7166), or the \
                     target has no password at all while the source has one."
                ),
            )
            .step(
                "With a user: a redis-cli or valkey-cli of 6.0.2 or later, with --user and --pass. \
                 Without one: give the target the same requirepass as the others have.",
            );
    };
    let hit = Hit { side: Some(Side::Command), ..hit };
    let version = seen.stated(&["redis-cli", "valkey-cli"]).filter(|own| *own < (6, 0, 2));
    let own = version.map_or_else(String::new, |own| format!(" (here it is {})", dotted(own)));
    hit.fact(
        "here",
        format!(
            "{sent} The tool was called with --user {user}, and with it read the nodes and planned \
             the move: that login is right. It left the name out in MIGRATE: redis-cli hands a \
             user on (AUTH2) only from 6.0.2{own} (redis/redis#7166, #7175)."
        ),
    )
    .step(format!(
        "Once no slot is open any more, run it with a redis-cli of 6.0.2 or later (the newest, or \
         valkey-cli; it works with these servers), with the same --user {user} and --pass."
    ))
}

/// Servers before 6 that have no password.
fn not_wanted(hit: Hit) -> Hit {
    hit.fact("refusal", "a password was sent and the target has none")
        .fact(
            "here",
            "A password was sent, and the target has no requirepass: the nodes differ, or none has \
             one and -a is too much.",
        )
        .check("CONFIG GET requirepass on source and target.")
        .step("Set the same requirepass and masterauth on all nodes, then run the move again.")
}

/// NOPERM: what the user may not do.
fn rights(seen: &Seen, hit: Hit, at: usize) -> Hit {
    let command = seen.lines.get(at).and_then(|line| {
        let (_, rest) = line.text.split_once("run the '")?;
        rest.split('\'').next().map(str::to_owned)
    });
    let what = command.map_or_else(String::new, |name| format!(" (here: {name})"));
    hit.fact("refusal", "the user lacks rights there")
        .fact(
            "here",
            format!(
                "NOPERM: the login was taken, and the user has no right to what MIGRATE sends to \
                 the target{what}: RESTORE-ASKING and SELECT, on every key."
            ),
        )
        .check("ACL GETUSER <user> on the target: its commands and its key patterns.")
        .step(
            "On every node: ACL SETUSER <user> +migrate +restore +restore-asking +select ~* (and \
             ACL SAVE, or in the file), for the user of administration only.",
        )
}

/// The slot that was under way: `Moving slot 5461 from A to B:`.
fn open_slot(seen: &Seen, hit: Hit) -> Hit {
    let found = seen.lines.iter().enumerate().rev().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("moving slot ")?;
        let mut words = rest.split_whitespace();
        let slot = words.next().filter(|slot| slot.parse::<u16>().is_ok())?;
        let from = words.nth(1)?;
        let to = words.nth(1)?.trim_end_matches(':');
        Some((at, slot.to_owned(), from.to_owned(), to.to_owned()))
    });
    let Some((at, slot, from, to)) = found else {
        return hit.step(
            "Then the slot that was left open (--cluster check names it): CLUSTER COUNTKEYSINSLOT \
             on both ends. None at the target: SETSLOT STABLE there, then at the source, and run \
             the move again. Keys at both: MIGRATE the rest with AUTH, then SETSLOT NODE, at the \
             target first.",
        );
    };
    let (first, then, rest) = old_migrate::words(seen, &slot, &to);
    hit.quote(at).step(format!(
        "{first} slot {slot}, which was left open: CLUSTER COUNTKEYSINSLOT {slot} on {from} and on \
         {to}. None on {to} (nothing could be sent there): CLUSTER SETSLOT {slot} STABLE on {to}, \
         then on {from}{then}. Keys on both: {rest}"
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("MIGRATE_AUTH_OR_TLS_FAILED");
    }
}
