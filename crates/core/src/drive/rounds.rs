//! Round after round: look, plan, act, look again, until the cluster is healthy or it can be said
//! truthfully why not.

use super::End;
use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::diagnose::{Found, Report, Risk, Settling, Severity};
use crate::model::NodeId;
use crate::observation::{Census, Observation, Picture, Said, Silence};
use crate::plan::{
    Change, Differing, Holds, Planning, Policy, Reason, Refusal, Repair, repairs_of, stamp,
    unstamped,
};

/// Until the next look while the servers mend something themselves, in milliseconds.
const LOOK_EVERY_MS: u64 = 200;
/// How long the servers may take to say `ok` after the last step: the wait of a primary that was
/// in a minority is five seconds at most (`clusterUpdateState`), and gossip takes a second or two.
const GRACE_MS: u64 = 12_000;
/// The same round so often is no progress.
const REPEATS_MAX: u32 = 3;
/// Rounds in all.
const ROUNDS_MAX: u32 = 50;
/// A node that was forgotten cannot be met again before the ban is over (`CLUSTER_BLACKLIST_TTL`).
const BAN_MS: u64 = 61_000;

/// What to do after a look.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Carry out this round.
    Act(Box<Planning>),
    /// Look again in so many milliseconds; the servers are at it.
    LookAgain {
        /// When.
        in_ms: u64,
        /// What is waited for.
        why: String,
    },
    /// It is over.
    Finished(Outcome),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing at or above [`Severity::Error`] is left, and nothing that we could mend.
    Healthy,
    /// Something is left that no command of ours mends.
    Stuck(Vec<Refusal>),
}

/// The rounds so far.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    policy: Policy,
    before: Option<Settling>,
    acted: u32,
    repeats: u32,
    last: Vec<(NodeId, Change)>,
    /// Rounds that met members whom those who met them did not know, and what was done between
    /// them before the ban was over; and how often.
    met: Vec<(Vec<(NodeId, Change)>, u32)>,
    since_act_ms: Option<u64>,
    waiting_since_ms: Option<u64>,
    banned_until_ms: Option<u64>,
    /// Members were met that may be banned.
    met_the_banned: bool,
    /// The last look that showed a member which somebody did not list.
    unlisted_at_ms: Option<u64>,
    /// Since when some of what is found was not there in the look before.
    unsure_since_ms: Option<u64>,
    /// All that was found in the last look was there in the one before it.
    was_sure: bool,
    /// Since when there is nothing to do.
    quiet_since_ms: Option<u64>,
    /// Since when nothing but copies of primaries are waited for.
    copying_since_ms: Option<u64>,
    /// Since when the keys of somebody who answers could not be counted to the end.
    uncounted_since_ms: Option<u64>,
    /// Who was given slots whose keys may be lost, by the user's word.
    heirs: BTreeSet<NodeId>,
    /// Since when each round of the last steps found everything done already.
    idle_since_ms: Option<u64>,
    end: Option<End>,
    /// What a server refused to do in the last round.
    refused: Option<(NodeId, Change)>,
    /// Why something was refused or waited for, so far.
    reasons: BTreeSet<Reason>,
}

impl Rounds {
    /// Before the first look.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Why something was refused or waited for, at any time so far.
    pub const fn reasons(&self) -> &BTreeSet<Reason> {
        &self.reasons
    }

    /// How many rounds were acted in.
    pub const fn acted(&self) -> u32 {
        self.acted
    }

    /// A round was carried out, or ended early. `sent` is how many steps were sent: in a round of
    /// which everything was so already nothing was done.
    pub fn has_acted(&mut self, now_ms: u64, sent: usize, end: &End) {
        if sent == 0 && *end == End::Done {
            self.idle_since_ms.get_or_insert(now_ms);
        } else {
            self.idle_since_ms = None;
            self.acted += 1;
            self.since_act_ms = Some(now_ms);
        }
        if let End::Differ { keys } = end {
            let same = |a: &Differing, b: &Differing| (a.holder, a.slot) == (b.holder, b.slot);
            self.policy.differing.retain(|old| !keys.iter().any(|new| same(old, new)));
            self.policy.differing.extend(keys.iter().cloned());
        }
        self.refused = match end {
            End::Refused { step, .. } => self.last.get(*step).cloned(),
            _ => None,
        };
        self.end = Some(end.clone());
        self.waiting_since_ms = None;
        self.unsure_since_ms = None;
        self.quiet_since_ms = None;
        self.copying_since_ms = None;
        // What was seen before it says nothing about what is seen now.
        self.before = None;
    }

    /// What to do after this look. `now_ms` only ever grows.
    pub fn decide(&mut self, now_ms: u64, seen: &Observation, report: &Report) -> Decision {
        self.decide_on(now_ms, &Picture::new(seen), report)
    }

    /// [`Self::decide`], for whoever has the index of the observation already.
    pub fn decide_on(&mut self, now_ms: u64, seen: &Picture<'_>, report: &Report) -> Decision {
        if report.all().any(|found| found.code == "MEMBERSHIP_ASYMMETRIC") {
            self.unlisted_at_ms = Some(now_ms);
        }
        let first = self.before.is_none();
        let before = self.before.replace(report.settling()).unwrap_or_default();
        let unsure = self.is_unsure(now_ms, report, &before);
        let confirmed = if unsure {
            Cow::Owned(report.clone().without_roots(|found| before.confirms(found)))
        } else {
            Cow::Borrowed(report)
        };
        // Nothing is done with half of what is wrong known: a cause that comes first may be seen
        // to last with the next look.
        let in_doubt = |found: &Found| is_ours(found) && !before.confirms(found);
        if unsure && first && report.roots.iter().any(|root| in_doubt(&root.found)) {
            return self.again(Reason::MayPass, "some of this may pass by itself");
        }
        if let Some(why) = self.count_broke_off(now_ms, seen, &confirmed) {
            return self.again(Reason::CountBrokeOff, &why);
        }
        let (planning, reasons) = unstamped(seen, &confirmed, &self.policy);
        self.reasons.extend(reasons);
        let in_grace = self.since_act_ms.is_some_and(|since| now_ms < since + GRACE_MS);
        if !planning.plan.steps.is_empty() {
            if let Some(decision) = self.stands_still(now_ms, &planning, seen, in_grace) {
                return decision;
            }
            return self.act(now_ms, planning, seen);
        }
        if !planning.waiting.is_empty() {
            return self.wait(now_ms, planning);
        }
        if unsure {
            return self.again(Reason::MayPass, "some of this may pass by itself");
        }
        let healthy = self.is_healthy(&confirmed);
        if healthy && all_say_ok(seen) {
            return self.seems_healthy(now_ms, &planning, seen);
        }
        let settled = all_say_ok(seen) && !confirmed.all().any(is_ours);
        // One that has just been started says fail for some seconds, and nothing is wrong with it.
        let since = *self.quiet_since_ms.get_or_insert(now_ms);
        let passes = is_unexplained(&confirmed).then(|| until_forgiven(seen));
        let moves =
            healthy || is_untold(&confirmed, &planning) || is_being_forgotten(&confirmed, seen);
        let patience = passes.or(moves.then_some(GRACE_MS)).unwrap_or(0);
        // A member that runs and that somebody forgot joins again by itself after the ban.
        let returns = is_untold(&confirmed, &planning) && is_returning(&confirmed, seen);
        let patience = if returns { BAN_MS } else { patience };
        // One that bans a member has it come and go: a look that misses the break is no end of it.
        let comes_and_goes = self.unlisted_at_ms.is_some_and(|at| now_ms < at + BAN_MS);
        let in_grace =
            in_grace || now_ms < since + patience || (passes.is_some() && comes_and_goes);
        if in_grace && !settled {
            return self.again(Reason::ServersTakeItIn, "the servers take in what was done");
        }
        let mut refusals = planning.refusals;
        if healthy && !is_explained(seen, &confirmed) {
            self.reasons.insert(Reason::FailUnexplained);
            refusals.push(Refusal {
                code: "CLUSTER_DOWN".to_owned(),
                finding: "a node says cluster_state:fail".to_owned(),
                why: "nothing that was found explains it".to_owned(),
            });
        }
        Decision::Finished(Outcome::Stuck(refusals))
    }

    /// What to do about steps that the last round found done already, and that are planned again.
    fn stands_still(
        &mut self,
        now_ms: u64,
        planning: &Planning,
        seen: &Picture<'_>,
        in_grace: bool,
    ) -> Option<Decision> {
        let since = self.idle_since_ms.filter(|_| self.last == sends(planning))?;
        if in_grace {
            return Some(self.again(Reason::ServersTakeItIn, "the servers take in what was done"));
        }
        // One that bans a member forgets it with every ping of those who ban it, too: it is missing
        // in a look, and there again when it is to be met.
        if !meets_unknown(planning, seen) {
            return Some(Decision::Finished(Outcome::Stuck(self.no_progress(planning, seen))));
        }
        if now_ms < since + BAN_MS {
            return Some(self.again(Reason::BanNotOver, "a member comes and goes: it is banned"));
        }
        self.idle_since_ms = None;
        None
    }

    /// Whether some of what is found was not there in the look before, and may pass by itself. What
    /// comes and goes for longer than any ban lasts is no transient.
    fn is_unsure(&mut self, now_ms: u64, report: &Report, before: &Settling) -> bool {
        let sure = report.all().all(|found| before.confirms(found));
        let since = *self.unsure_since_ms.get_or_insert(now_ms);
        if sure && self.was_sure {
            self.unsure_since_ms = None;
        }
        self.was_sure = sure;
        !sure && now_ms < since + BAN_MS
    }

    /// Nothing is found any more, and all say ok.
    fn seems_healthy(&mut self, now_ms: u64, planning: &Planning, seen: &Picture<'_>) -> Decision {
        let mut undecided = self.undecided(planning);
        undecided.extend(self.unheard(seen));
        if !undecided.is_empty() {
            return Decision::Finished(Outcome::Stuck(undecided));
        }
        if let Some(copies) = self.unfinished_copies(now_ms, seen) {
            return self.again(Reason::ServersTakeItIn, &copies);
        }
        match self.until_it_stays(seen) {
            Some(until) if now_ms < until => self.again(
                Reason::WhetherItStays,
                "a member that was forgotten is forgotten again by every ping of one that bans it: \
                 whether it stays",
            ),
            _ => Decision::Finished(Outcome::Healthy),
        }
    }

    /// Replicas that are being given the data of their primaries after what was done: before that
    /// is over they are no copies. Where nothing was done, that is not waited for.
    fn unfinished_copies(&mut self, now_ms: u64, seen: &Picture<'_>) -> Option<String> {
        let names: Vec<String> = seen
            .members()
            .map(|(id, _)| id)
            .filter(|id| self.acted > 0 && seen.is_being_copied(*id))
            .map(|id| seen.name(id))
            .collect();
        if names.is_empty() {
            self.copying_since_ms = None;
            return None;
        }
        let since = *self.copying_since_ms.get_or_insert(now_ms);
        let why = format!("a replica gets the data of its primary: {}", names.join(", "));
        (now_ms < since.saturating_add(self.policy.patience_ms)).then_some(why)
    }

    /// Somebody answers, and the count of its keys broke off: where keys are decides what is done,
    /// so they are counted again for a while before anything is planned without them.
    fn count_broke_off(
        &mut self,
        now_ms: u64,
        seen: &Picture<'_>,
        report: &Report,
    ) -> Option<String> {
        let broke_off = |census: &Said<Census>| {
            let passing = [Silence::NoReply, Silence::Closed];
            census.silence().is_some_and(|silence| passing.contains(silence))
        };
        let names: Vec<String> = seen
            .members()
            .filter_map(|(id, _)| Some((id, seen.proved(id)?)))
            .filter(|(_, sighting)| sighting.nodes.get().is_some() && broke_off(&sighting.census))
            .map(|(id, _)| seen.name(id))
            .collect();
        if names.is_empty() || !report.all().any(is_ours) {
            self.uncounted_since_ms = None;
            return None;
        }
        let since = *self.uncounted_since_ms.get_or_insert(now_ms);
        let why = format!("the keys of {} could not be counted to the end", names.join(", "));
        (now_ms < since + GRACE_MS).then_some(why)
    }

    fn again(&mut self, reason: Reason, why: &str) -> Decision {
        self.reasons.insert(reason);
        Decision::LookAgain { in_ms: LOOK_EVERY_MS, why: why.to_owned() }
    }

    fn act(&mut self, now_ms: u64, mut planning: Planning, seen: &Picture<'_>) -> Decision {
        let steps = sends(&planning);
        if self.is_denied() && self.refused.as_ref().is_some_and(|one| steps.contains(one)) {
            return Decision::Finished(Outcome::Stuck(self.no_progress(&planning, seen)));
        }
        let banned = meets_unknown(&planning, seen);
        // What a ban undoes is not only the MEET: until it is over, no round of that time is tried
        // without end.
        let in_turns = banned || self.banned_until_ms.is_some_and(|until| now_ms < until);
        if self.last != steps {
            // Rounds that forget each other's members may take turns for ever.
            let before = self.met.iter().find(|(old, _)| in_turns && *old == steps);
            self.repeats = before.map_or(0, |(_, times)| *times);
            self.last = steps;
            // That nothing was left to do was said of other steps.
            self.idle_since_ms = None;
        }
        self.repeats += 1;
        if self.repeats > REPEATS_MAX || self.acted >= ROUNDS_MAX {
            return Decision::Finished(Outcome::Stuck(self.no_progress(&planning, seen)));
        }
        if banned {
            self.met_the_banned = true;
        }
        if self.repeats > 1 && banned {
            self.banned_until_ms.get_or_insert(now_ms + BAN_MS);
        }
        if self.repeats == REPEATS_MAX && in_turns {
            // A member that was forgotten less than a minute ago is forgotten again with every
            // ping of those who ban it (the forgotten-node extension, since 7.2).
            let until = *self.banned_until_ms.get_or_insert(now_ms + BAN_MS);
            if now_ms < until {
                self.repeats -= 1;
                self.is_under_way(now_ms);
                self.reasons.insert(Reason::BanNotOver);
                return Decision::LookAgain {
                    in_ms: LOOK_EVERY_MS.max((until - now_ms).min(1_000)),
                    why: format!(
                        "a member that was forgotten cannot be met again for a minute; {} s left",
                        (until - now_ms).div_ceil(1_000)
                    ),
                };
            }
        }
        if in_turns {
            self.met.retain(|(old, _)| *old != self.last);
            self.met.push((self.last.clone(), self.repeats));
        }
        let inherits = planning.plan.steps.iter().filter(|step| step.risk == Risk::MayLoseData);
        self.heirs.extend(inherits.map(|step| step.on));
        planning.plan.parent = stamp(seen.observation());
        Decision::Act(Box::new(planning))
    }

    /// Nothing is wrong that matters now. That who inherited slots has no key of them is what the
    /// user agreed to.
    fn is_healthy(&self, report: &Report) -> bool {
        let agreed = |found: &Found| {
            found.code == "EMPTY_PRIMARY_RESTART_WIPED_SHARD"
                && found.subject.nodes.iter().any(|id| self.heirs.contains(id))
        };
        // Of an owner that is not heard it is told apart from all others: [`Self::unheard`].
        let apart = |found: &Found| found.code == "CLIENT_PORT_BLOCKED";
        // A cause may be less grave than what it leads to.
        report.all().all(|found| found.severity < Severity::Error || agreed(found) || apart(found))
    }

    /// Until when members that were met must stay known, so that it can be said that they do: until
    /// the ban is over where they were forgotten again once, else until everybody has had a ping
    /// of everybody. Who met them may have been a run before this one: then they were missing in
    /// a look of this one, and are there without having been met.
    fn until_it_stays(&self, seen: &Picture<'_>) -> Option<u64> {
        let pings = seen.node_timeout_ms() / 2 + 1_000;
        let met = self.since_act_ms.filter(|_| self.met_the_banned);
        self.banned_until_ms.or_else(|| Some(met.max(self.unlisted_at_ms)? + pings))
    }

    /// Something is waited for that ends. When it does, the servers need their time to say so, and
    /// what was quiet before says nothing.
    fn is_under_way(&mut self, now_ms: u64) {
        self.since_act_ms = Some(now_ms);
        self.quiet_since_ms = None;
    }

    fn wait(&mut self, now_ms: u64, planning: Planning) -> Decision {
        let since = *self.waiting_since_ms.get_or_insert(now_ms);
        self.is_under_way(now_ms);
        let why = planning.waiting.join("; ");
        if now_ms < since.saturating_add(self.policy.patience_ms) {
            return Decision::LookAgain { in_ms: LOOK_EVERY_MS, why };
        }
        self.reasons.insert(Reason::PatienceOver);
        let mut refusals = planning.refusals;
        refusals.push(Refusal {
            code: "WAITED".to_owned(),
            finding: why,
            why: format!("it did not pass within {} s", self.policy.patience_ms / 1_000),
        });
        Decision::Finished(Outcome::Stuck(refusals))
    }
}

/// Something that we mend is found, and there is neither anything to do about it nor a reason why
/// not: the servers are at it, maybe since a run before this one.
fn is_untold(report: &Report, planning: &Planning) -> bool {
    let told = |found: &Found| planning.refusals.iter().any(|refusal| refusal.code == found.code);
    report.all().any(|found| is_ours(found) && !told(found))
}

/// A silent member is listed by some and forgotten by others: since 7.2 the servers pass a FORGET
/// on with their pings (the forgotten-node extension), and what seemed half done is done by itself.
fn is_being_forgotten(report: &Report, seen: &Picture<'_>) -> bool {
    let of_silent = |found: &Found| found.subject.nodes.iter().any(|id| !seen.is_alive(*id));
    report.all().any(|found| found.code == "FORGET_NODE_RETURNS" && of_silent(found))
}

/// A member that runs was forgotten by some: it joins again by itself when the ban is over.
fn is_returning(report: &Report, seen: &Picture<'_>) -> bool {
    let of_living = |found: &Found| found.subject.nodes.iter().any(|id| seen.is_alive(*id));
    report.all().any(|found| found.code == "FORGET_NODE_RETURNS" && of_living(found))
}

/// Nothing that was found tells why nodes say fail.
fn is_unexplained(report: &Report) -> bool {
    let mut grave = report.all().filter(|found| found.severity >= Severity::Error).peekable();
    grave.peek().is_some() && grave.all(|found| found.code == "CLUSTER_DOWN")
}

/// Whether of every node that says fail something else was found, however grave.
fn is_explained(seen: &Picture<'_>, report: &Report) -> bool {
    let names = |id: NodeId| {
        let of_it =
            |found: &Found| found.code != "CLUSTER_DOWN" && found.subject.nodes.contains(&id);
        report.all().any(of_it)
    };
    let mut failing = seen.sightings().filter(|(_, sighting)| {
        sighting.cluster_info.get().is_some_and(|info| info.is("cluster_state", "fail"))
    });
    failing.all(|(number, _)| seen.id_of(number).is_some_and(names))
}

/// How long a node may say fail with nothing wrong any more: a voter that was held for failed is
/// held so for two more node timeouts (`clearNodeFailureIfNeeded`), and then the state is judged.
fn until_forgiven(picture: &Picture<'_>) -> u64 {
    GRACE_MS.max(2 * picture.node_timeout_ms() + 5_000)
}

/// Whether a part of the planner mends it.
fn is_ours(found: &Found) -> bool {
    !repairs_of(&found.code).is_empty()
}

/// Whether every node that answers says `cluster_state:ok`.
fn all_say_ok(seen: &Picture<'_>) -> bool {
    let mut said =
        seen.observation().sightings.iter().filter_map(|sighting| sighting.cluster_info.get());
    said.all(|info| info.is("cluster_state", "ok"))
}

/// Whether somebody is met whom the one who meets does not know: it may have been forgotten, less
/// than a minute ago.
fn meets_unknown(planning: &Planning, picture: &Picture<'_>) -> bool {
    planning.plan.steps.iter().any(|step| {
        let knows = |about: NodeId| {
            let mut own = picture.observers().filter(|at| picture.id_of(*at) == Some(step.on));
            own.any(|at| picture.view_of(at, about).is_some())
        };
        matches!(step.change, Change::Meet { .. })
            && step.expect.iter().any(|fact| match fact.holds {
                Holds::Reaches { about, .. } => !knows(about),
                _ => false,
            })
    })
}

/// What a round sends, and to whom.
fn sends(planning: &Planning) -> Vec<(NodeId, Change)> {
    planning.plan.steps.iter().map(|step| (step.on, step.change.clone())).collect()
}

impl Rounds {
    /// Refusals about keys of which two nodes have different values. The cluster may be fine with
    /// them; nobody shall believe that it is over before they were read.
    fn undecided(&self, planning: &Planning) -> Vec<Refusal> {
        let moves = |refusal: &&Refusal| {
            let repairs = repairs_of(&refusal.code);
            repairs.contains(&Repair::Gather) || repairs.contains(&Repair::Finish)
        };
        let refusals = planning.refusals.iter().filter(moves);
        refusals.filter(|_| !self.policy.differing.is_empty()).cloned().collect()
    }

    /// Owners of slots that answered nobody: what they say of their slots nobody knows, and each
    /// may have given some up. Where nobody showed a table at all, nothing is known.
    fn unheard(&mut self, seen: &Picture<'_>) -> Vec<Refusal> {
        if seen.observers().next().is_none() {
            self.reasons.insert(Reason::OwnerNotHeard);
            return vec![Refusal {
                code: "OWNER_NOT_HEARD".to_owned(),
                finding: "no node shows the cluster".to_owned(),
                why: "nothing is known about it: run this again from where its nodes answer"
                    .to_owned(),
            }];
        }
        let silent = seen.silent_members();
        let voters = seen.voters().into_iter().filter(|id| silent.contains(id));
        let refusals: Vec<Refusal> = voters
            .map(|id| Refusal {
                code: "OWNER_NOT_HEARD".to_owned(),
                finding: format!("{} owns slots and does not answer from here", seen.name(id)),
                why: "all others say ok; whether it serves all that they give it, only its own \
                      table tells: run this again from where it answers"
                    .to_owned(),
            })
            .collect();
        if !refusals.is_empty() {
            self.reasons.insert(Reason::OwnerNotHeard);
        }
        refusals
    }

    /// Whether our user may not do what was sent last: to send it again does not help.
    fn is_denied(&self) -> bool {
        matches!(&self.end, Some(End::Refused { reply, .. }) if reply.starts_with("NOPERM"))
    }

    fn no_progress(&mut self, planning: &Planning, seen: &Picture<'_>) -> Vec<Refusal> {
        self.reasons.insert(Reason::NoProgress);
        let by = || {
            let refused = self.refused.as_ref();
            refused.map_or_else(|| "a server".to_owned(), |(on, _)| seen.name(*on))
        };
        let again = "the same round was tried again and again, and did not help";
        let why = match &self.end {
            Some(End::Refused { reply, .. }) if self.is_denied() => format!(
                "{} refused: {reply}. Give the user that right there (ACL SETUSER), or run this as \
                 one who has it",
                by()
            ),
            Some(End::Refused { reply, .. }) => format!("{again}; {} refused: {reply}", by()),
            Some(End::NotSeen { fact, .. }) => format!("{again}; what did not come: {fact}"),
            Some(End::Changed { fact, .. }) => format!(
                "{again}; something else changes the cluster, and this does not hold: {fact}"
            ),
            Some(End::Blind { fact, .. }) => format!("{again}; this could not be told: {fact}"),
            _ => again.to_owned(),
        };
        let mut refusals = planning.refusals.clone();
        refusals.extend(planning.plan.mends().into_iter().map(|code| Refusal {
            code: code.to_owned(),
            finding: format!("{code} is still there"),
            why: why.clone(),
        }));
        refusals
    }
}
