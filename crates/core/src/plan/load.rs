//! Function libraries go to the primaries that lack them.
//!
//! A library is code: it is taken only where more than half of the primaries have it, never on the
//! word of one. Where fewer have it, a person says whether it was meant for all.
//!
//! `FUNCTION LOAD` without `REPLACE` only adds: a server refuses a library or a function of a name
//! that it has already.

use super::live::Live;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step};
use crate::diagnose::{Found, Risk};

pub(super) fn draft(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::Load).collect();
    let mut steps: Vec<Step> = Vec::new();
    for node in draft.live.iter().filter(|node| !node.claims().is_empty()) {
        for (name, giver) in missing(draft, node) {
            steps.push(Step {
                mends: draft.code(Repair::Load, node.id),
                on: node.id,
                change: Change::CopyLibrary {
                    name: name.clone(),
                    from: giver.id,
                    at: giver.dial.clone(),
                },
                risk: Risk::Reversible,
                why: format!("{} has it; nothing that is there is replaced", giver.id.short()),
                guard: vec![
                    Fact::new(node.id, Holds::IsPrimary),
                    Fact::new(giver.id, Holds::HasLibrary { name: name.clone() }),
                ],
                expect: vec![Fact::new(node.id, Holds::HasLibrary { name })],
                within_ms: 2_000,
                stage: 0,
            });
        }
    }
    if steps.is_empty() {
        for found in found {
            let why = "a library is code, and is taken only where more than half of the primaries have \
                       it: load its source on the others, or delete it where it is not meant to be";
            draft.refuse(found, Reason::NoLibraryToLoad.says(why));
        }
    }
    draft.steps.extend(steps);
}

/// The libraries that a primary lacks and most have, and for each the first primary that has it.
fn missing<'d, 'a>(draft: &'d Draft<'a>, node: &Live<'a>) -> Vec<(String, &'d Live<'a>)> {
    let Some(own) = node.sighting.functions.get() else { return Vec::new() };
    let primaries: Vec<&Live<'a>> =
        draft.live.iter().filter(|node| !node.claims().is_empty()).collect();
    let most_have = |name: &String| {
        let has = |node: &&&Live<'a>| {
            node.sighting.functions.get().is_some_and(|names| names.contains(name))
        };
        2 * primaries.iter().filter(has).count() > primaries.len()
    };
    let mut all: Vec<(String, &Live<'a>)> = Vec::new();
    for giver in primaries.iter().copied() {
        for name in giver.sighting.functions.get().into_iter().flatten() {
            let known = own.contains(name) || all.iter().any(|(other, _)| other == name);
            if !known && is_plain(name) && most_have(name) {
                all.push((name.clone(), giver));
            }
        }
    }
    all
}

/// As servers want a name (`functionsVerifyName`). Anything else would be read as a pattern.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
