//! A user that one node knows and another one does not: what each of them was told and answers.

use super::sessions::{Turn, turns};
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// What a node has shown of a user.
struct Shown {
    place: String,
    line: usize,
    knows: Knows,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    /// It was made there, it is in the list, or it logs in.
    Yes,
    /// The list of users was printed, and it is not in it.
    No,
    /// Its login is refused.
    Refused,
}

/// The users of whom somebody speaks: made, asked for or logged in.
fn users(turns: &[Turn<'_>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for turn in turns {
        let word = |at: usize| turn.words.get(at).map(|word| (*word).to_owned());
        let named = if turn.is(&["acl", "setuser"]) || turn.is(&["acl", "getuser"]) {
            word(2)
        } else if turn.is(&["auth"]) && turn.words.len() == 3 {
            word(1)
        } else {
            turn.user.map(str::to_owned)
        };
        let new = named.filter(|name| name != "default" && !found.contains(name));
        found.extend(new);
    }
    found
}

/// What the turn shows of the user at its node, and in which line.
fn shown(turn: &Turn<'_>, user: &str) -> Option<(usize, Knows)> {
    let (first, answer) = turn.first()?;
    let third = || turn.words.get(2).is_some_and(|word| *word == user);
    let list = turn.is(&["acl", "list"]);
    if list || turn.is(&["acl", "users"]) {
        let has = |line: &str| {
            let mut words =
                line.split(|c: char| c.is_whitespace() || c == '"').filter(|w| !w.is_empty());
            if list {
                words.any(|w| w == "user") && words.next() == Some(user)
            } else {
                words.any(|w| w == user)
            }
        };
        let row = turn.answer.iter().find(|(_, line)| has(line));
        let printed = turn.says("default");
        let none = || printed.then_some((first, Knows::No));
        return row.map(|(at, _)| (*at, Knows::Yes)).or_else(none);
    }
    if turn.is(&["acl", "getuser"]) && third() {
        let none = answer.contains("(nil)");
        return Some((first, if none { Knows::No } else { Knows::Yes }));
    }
    if turn.is(&["acl", "setuser"]) && third() {
        return (answer == "OK").then_some((turn.line, Knows::Yes));
    }
    let logs_in = turn.is(&["auth"]) && turn.words.get(1).is_some_and(|word| *word == user);
    if logs_in || turn.user == Some(user) {
        if turn.says("wrongpass") || turn.says("invalid username-password") {
            return Some((first, Knows::Refused));
        }
        let well = !answer.contains("(error)") && !answer.contains("NOAUTH");
        return well.then_some((turn.line, Knows::Yes));
    }
    None
}

/// The same user is known at one node, and missing or refused at another.
pub(super) fn missing(seen: &Seen) -> Option<Hit> {
    let turns = turns(seen);
    users(&turns).iter().find_map(|user| {
        let all: Vec<Shown> = (turns.iter())
            .filter_map(|turn| {
                let (line, knows) = shown(turn, user)?;
                Some(Shown { place: turn.place.clone(), line, knows })
            })
            .collect();
        let with = all.iter().find(|one| one.knows == Knows::Yes)?;
        let differs = |one: &&Shown, knows| one.knows == knows && one.place != with.place;
        let without = all.iter().find(|one| differs(one, Knows::No));
        let refused = all.iter().find(|one| differs(one, Knows::Refused));
        let lacking = without.or(refused)?;
        // Who was shown to have it later is not without it.
        let later = all.iter().any(|one| {
            one.place == lacking.place && one.knows == Knows::Yes && one.line > lacking.line
        });
        (!later).then(|| told(user, with, without, refused, &all))
    })
}

fn told(
    user: &str,
    with: &Shown,
    without: Option<&Shown>,
    refused: Option<&Shown>,
    all: &[Shown],
) -> Hit {
    let mut bare: Vec<String> = Vec::new();
    for one in all.iter().filter(|one| one.knows != Knows::Yes && one.place != with.place) {
        if !bare.contains(&one.place) {
            bare.push(one.place.clone());
        }
    }
    let proved = without.is_some();
    let hit = Hit::of(if proved { 94 } else { 82 })
        .quotes(refused.map(|one| one.line))
        .quotes(without.map(|one| one.line))
        .quote(with.line);
    let here = match without {
        Some(one) => format!(
            "Here {} knows the user '{user}', and the list of users of {} has no such name: hence \
             WRONGPASS there, whatever the password.",
            with.place, one.place
        ),
        None => format!(
            "Here {} takes the login of '{user}', and {} refuses it: it has no such user, or one \
             with another password (ACL LIST there tells which).",
            with.place,
            list(&bare, 4)
        ),
    };
    hit.note(here)
        .note(
            "ACL SETUSER changes the one node that it is sent to: neither the cluster bus nor \
             replication carries users, so the replicas lack it as well, and a node that is added \
             later begins without it. Neither the password nor the client nor the cluster is at \
             fault.",
        )
        .check(format!(
            "ACL LIST on every node, replicas too: where is the row of 'user {user}', and is it \
             the same everywhere?"
        ))
        .step(format!(
            "Make it on ALL nodes, primaries and replicas: redis-cli --cluster call {} ACL SETUSER \
             {user} ... (the rule as ACL LIST of {} shows it, with the password as #<hash>; \
             each part in single quotes, for a shell takes # and > for its own), then ACL SAVE the \
             same way, or CONFIG REWRITE where no aclfile is set.",
            with.place, with.place
        ))
        .step(
            "Better for many nodes: one aclfile, the same on all of them by the configuration \
             management, and ACL LOAD on each after a change; nodes that are added get it before \
             they join.",
        )
        .only_these_steps()
}
