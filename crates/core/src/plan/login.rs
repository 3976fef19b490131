//! Nodes that want a password and do not know it themselves get the one that the user logged in
//! with: as replicas they would be refused.
//!
//! The password is in no observation and no plan. That the user's is the right one follows from
//! who we are at the node: its default user, which wants a password.

use super::live::Live;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step};
use crate::diagnose::{Found, Risk};

pub(super) fn draft(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::Login).collect();
    for found in found {
        let about: Vec<&Live<'_>> =
            found.subject.nodes.iter().filter_map(|id| draft.live(*id)).collect();
        let lacking: Vec<&Live<'_>> = about.into_iter().filter(|node| lacks(node)).collect();
        let why = why_not(draft, &lacking);
        let on: Vec<_> = lacking.iter().map(|node| node.id).collect();
        if let Some(why) = why {
            draft.refuse(found, Reason::PasswordNotYours.says(why));
            continue;
        }
        for on in on {
            draft.steps.push(Step {
                mends: found.code.clone(),
                on,
                change: Change::LogInAsYou,
                risk: Risk::Reversible,
                why: "it wants this password itself, and its primary does: as a replica it would \
                      be refused. Until the next restart: write it into the configuration file as \
                      well"
                    .to_owned(),
                guard: vec![Fact::new(on, Holds::WantsAPassword)],
                expect: vec![Fact::new(on, Holds::LogsInAsItself)],
                within_ms: 2_000,
                stage: 0,
            });
        }
    }
}

/// A setting of a node.
fn setting<'a>(node: &Live<'a>, name: &str) -> Option<&'a str> {
    node.sighting.config.get()?.get(name)
}

/// Whether its `masterauth` is another password than the one that it wants.
fn lacks(node: &Live<'_>) -> bool {
    let wanted = setting(node, "requirepass").filter(|wanted| !wanted.is_empty());
    wanted.is_some() && setting(node, "masterauth") != wanted
}

fn why_not(draft: &Draft<'_>, lacking: &[&Live<'_>]) -> Option<String> {
    if lacking.is_empty() {
        return Some(
            "every node that it is about has the password that it wants itself: the replica's log \
             tells what its primary refuses"
                .to_owned(),
        );
    }
    let mut wanted: Vec<&str> =
        draft.live.iter().filter_map(|node| setting(node, "requirepass")).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() > 1 {
        return Some("the nodes want different passwords: let all take the same first".to_owned());
    }
    let own_user = |node: &&&Live<'_>| setting(node, "masteruser").is_none_or(|u| !u.is_empty());
    if let Some(node) = lacking.iter().find(own_user) {
        return Some(format!(
            "{} logs in to its primary as an ACL user, whose password we do not know: set masteruser \
             and masterauth by hand",
            draft.seen.name(node.id)
        ));
    }
    let not_default =
        |node: &&&Live<'_>| node.sighting.whoami.get().is_none_or(|user| user != "default");
    lacking.iter().find(not_default).map(|node| {
        format!(
            "we are not the default user at {}, whose password a replica needs: give that one \
             (--password-file without --user), or set masterauth by hand",
            draft.seen.name(node.id)
        )
    })
}
