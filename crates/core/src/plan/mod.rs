//! What to do: from an observation and the findings in it to a [`Plan`], or to the reasons why
//! there is none.
//!
//! Pure and deterministic. A plan leaves no choice to who carries it out: every step names a node
//! id, the change, what must hold on the wire immediately before, and what must hold after. One
//! plan is one round: steps whose outcome the next ones depend on end it, and the cluster is looked
//! at again. The order of the rounds raises safety first: members meet before anybody is
//! forgotten, a slot gets its owner before its keys are moved, nothing is dropped before the rest
//! is whole.
//!
//! Where a slot belongs follows from where its keys are ([`claim`]), never from one node's view.

mod attach;
mod census;
mod change;
mod circle;
mod claim;
mod fact;
mod finish;
mod forget;
mod gather;
mod give_up;
pub mod harm;
mod live;
mod load;
mod login;
mod meet;
mod missed;
mod newcomer;
mod outbid;
mod promote;
mod reason;
mod rejoin;
mod segments;
mod settle;
mod stamp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use census::Holding;
pub use change::{Change, Failover, KEYS_A_ROUND, SlotState};
pub use fact::{Fact, Holds};
pub use reason::Reason;
pub(crate) use reason::Why;
pub use stamp::stamp;

use crate::diagnose::{Found, Group, Report, Risk, Severity, Step as ByHandStep};
use crate::limits::PLAN_STEPS_MAX;
use crate::model::{Endpoint, Flag, NodeId, Slot, SlotSet, Version};
use crate::observation::{Observation, Picture};
use live::Live;

/// How long something that is under way is waited for where the user does not say: an election
/// takes seconds, the load of some gigabytes a minute.
const PATIENCE_MS: u64 = 120_000;

/// The number of the file format.
pub const FORMAT: u32 = 1;

/// Which part of the planner mends a finding. What no part mends is refused, with the way by hand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Repair {
    /// Members learn where the others are: MEET.
    Meet,
    /// Nodes announce the address where they are.
    Readdress,
    /// A node that lost its id takes over what it was.
    Rejoin,
    /// Replicas become primaries.
    Promote,
    /// The slots of nodes that the user knows to be gone for good go to the others.
    GiveUp,
    /// Slots get the owner that has their keys.
    Claim,
    /// Moves of slots are brought to their end, or taken back.
    Finish,
    /// Keys go to the owner of their slot.
    Gather,
    /// An owner outbids the epoch that others hold for its own.
    Outbid,
    /// Replicas go under a primary.
    Attach,
    /// Settings.
    Settle,
    /// Nodes get the password that lets them in at their primary.
    Login,
    /// Function libraries go to the primaries that lack them.
    Load,
    /// Members that are gone for good are forgotten.
    Forget,
}

impl Repair {
    /// In the order in which they are tried: each finds its ground prepared by those before it.
    pub const ALL: [Self; 14] = [
        Self::Meet,
        Self::Readdress,
        Self::Rejoin,
        Self::Promote,
        Self::GiveUp,
        Self::Claim,
        Self::Finish,
        Self::Gather,
        Self::Outbid,
        Self::Attach,
        Self::Settle,
        Self::Login,
        Self::Load,
        Self::Forget,
    ];
}

/// Keys of a slot that two nodes have with different values, as it came out when they were to be
/// moved. No look shows it: counts are the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Differing {
    /// Who was to give them.
    pub holder: NodeId,
    /// Who was to take them.
    pub owner: NodeId,
    /// Their slot.
    pub slot: Slot,
    /// How many.
    pub count: u64,
    /// The names of the first of them. A client's words: never print them raw.
    pub names: Vec<String>,
}

impl Differing {
    /// What is to be said of it.
    fn why(&self, seen: &Picture<'_>) -> String {
        let more = if self.count > self.names.len() as u64 { ", ..." } else { "" };
        let (keys, have) = if self.count == 1 { ("key", "has") } else { ("keys", "have") };
        let holder = seen.name(self.holder);
        let deletes = seen.version_of(self.holder).is_some_and(Version::deletes_foreign_at_start);
        let until = if deletes {
            format!(". A restart of {holder} deletes the one there: settle it before")
        } else {
            String::new()
        };
        format!(
            "{} {keys} of slot {} {have} one value at {holder} and another at {}: {}{more}. All \
             others are where they belong. Which value is right only the application can say; both \
             stay until one is deleted{until}",
            self.count,
            self.slot,
            seen.name(self.owner),
            self.names.join(", ")
        )
    }
}

/// What the user knows and no look can show, and what the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Heads of the ids of nodes that will never come back: their disks are gone.
    pub gone: BTreeSet<String>,
    /// How long something that is under way in the cluster is waited for, in milliseconds.
    pub patience_ms: u64,
    /// What earlier rounds found out about keys that two nodes have.
    pub differing: Vec<Differing>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { gone: BTreeSet::new(), patience_ms: PATIENCE_MS, differing: Vec::new() }
    }
}

/// What a plan may cost: keys that nobody will have afterwards.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Loss {
    /// Whose copy is given up; `None`: nobody who answers knows who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<NodeId>,
    /// Of which slots.
    pub slots: SlotSet,
    /// How many keys, as far as it can be guessed.
    pub keys: Option<u64>,
    /// What the guess rests on. May hold a peer's words: never print it raw.
    pub why: String,
}

/// What is to be done in one round.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Plan {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The version of slotwright that made it.
    pub tool: String,
    /// The [`stamp`] of the observation it was made from. Another stamp: the cluster has changed,
    /// and the plan is stale.
    pub parent: String,
    /// Every node that a step, a fact or the census is about and that answers, and where it is
    /// dialled.
    pub nodes: BTreeMap<NodeId, Endpoint>,
    /// In this order.
    pub steps: Vec<Step>,
    /// What they may cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loss: Vec<Loss>,
    /// Who has what of the slots of which a copy is dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub census: Vec<Holding>,
}

/// One change of one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// The code of the finding that it mends.
    pub mends: String,
    /// Who gets the command.
    pub on: NodeId,
    /// What it gets.
    pub change: Change,
    /// The worst that it can cost.
    pub risk: Risk,
    /// Why, in one sentence.
    pub why: String,
    /// What must hold immediately before, read on the wire.
    pub guard: Vec<Fact>,
    /// What must hold after. When it holds before, the step is skipped: it has been done.
    pub expect: Vec<Fact>,
    /// How long that may take, in milliseconds.
    pub within_ms: u64,
    /// Neighbours of one stage are sent one after another, and waited for together; the next
    /// stage begins when all that this one expects has come.
    pub stage: u32,
}

/// Why something is not mended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// The code of the finding.
    pub code: String,
    /// What was found, in its own sentence.
    pub finding: String,
    /// Why no command of ours mends it.
    pub why: String,
}

/// What came of planning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Planning {
    /// The next round; without steps when there is none.
    pub plan: Plan,
    /// What is not mended by us, and why.
    pub refusals: Vec<Refusal>,
    /// What the servers are about to mend themselves, or what must pass first.
    pub waiting: Vec<String>,
    /// The codes whose repair comes in a later round.
    pub later: Vec<String>,
}

impl Plan {
    /// Tells this plan from every other: 16 hexadecimal signs of a hash over all of it.
    pub fn mark(&self) -> String {
        stamp::mark(self)
    }

    /// The greatest risk among the steps.
    pub fn risk(&self) -> Risk {
        self.steps.iter().map(|step| step.risk).max().unwrap_or(Risk::ReadOnly)
    }

    /// The codes that the steps mend, in order of the steps.
    pub fn mends(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let codes = self.steps.iter().map(|step| step.mends.as_str());
        codes.filter(|code| seen.insert(*code)).collect()
    }
}

/// A plan that grows.
struct Draft<'a> {
    seen: &'a Picture<'a>,
    report: &'a Report,
    policy: &'a Policy,
    live: Vec<Live<'a>>,
    /// Nodes that are nobody's yet beside a cluster: they hear nothing of it and say nothing to it.
    blank: Vec<Live<'a>>,
    steps: Vec<Step>,
    loss: Vec<Loss>,
    refusals: BTreeMap<Refusal, Reason>,
    waiting: BTreeMap<String, Reason>,
}

impl<'a> Draft<'a> {
    fn live(&self, id: NodeId) -> Option<&Live<'a>> {
        self.live.iter().find(|node| node.id == id)
    }

    /// Whether it answered: one of the cluster, or nobody's yet.
    fn answers(&self, id: NodeId) -> bool {
        self.live.iter().chain(&self.blank).any(|node| node.id == id)
    }

    /// Whether the user said that it is gone for good.
    fn is_given_up(&self, id: NodeId) -> bool {
        self.policy.gone.iter().any(|head| id.to_string().starts_with(head))
    }

    /// The findings that this part of the planner mends. What follows from a root cause that none
    /// mends is left alone: mended, it would come back, or the cause would do its harm.
    fn found(&self, repair: Repair) -> impl Iterator<Item = &'a Found> {
        let roots =
            self.report.roots.iter().filter(|root| !repairs_of(&root.found.code).is_empty());
        roots
            .flat_map(|root| std::iter::once(&root.found).chain(&root.consequences))
            .filter(move |found| repairs_of(&found.code).contains(&repair))
    }

    /// The code that a step of this part is for: of a finding about this node, else of any.
    fn code(&self, repair: Repair, about: NodeId) -> String {
        let here = self.found(repair).find(|found| found.subject.nodes.contains(&about));
        let found = here.or_else(|| self.found(repair).next());
        found.map(|found| found.code.clone()).unwrap_or_default()
    }

    fn refuse(&mut self, found: &Found, why: Why) {
        let (code, finding) = (found.code.clone(), found.message.clone());
        self.refusals.insert(Refusal { code, finding, why: why.text }, why.reason);
    }

    /// Refuses every finding of a part.
    fn refuse_all(&mut self, repair: Repair, why: &Why) {
        let found: Vec<&Found> = self.found(repair).collect();
        for found in found {
            self.refuse(found, why.clone());
        }
    }

    /// Whether a finding of a part is refused.
    fn is_refused(&self, repair: Repair) -> bool {
        self.found(repair).any(|found| self.refusals.keys().any(|one| one.code == found.code))
    }

    /// Of these slots those in which a node has no other keys than such whose values differ at the
    /// one that should get them: refused, and named.
    fn known_to_differ(&mut self, repair: Repair, holder: NodeId, slots: &SlotSet) -> SlotSet {
        let left = |one: &Differing| {
            let census = self.live(holder).and_then(Live::census);
            census.and_then(|census| census.keys_in(one.slot)).is_some_and(|n| n <= one.count)
        };
        let known = self.policy.differing.iter();
        let known: Vec<&Differing> = known
            .filter(|one| one.holder == holder && slots.contains(one.slot) && left(one))
            .collect();
        for one in &known {
            let why = Reason::KeysDiffer.says(one.why(self.seen));
            self.refuse_all(repair, &why);
        }
        known.into_iter().map(|one| one.slot).collect()
    }

    fn wait(&mut self, why: Why) {
        self.waiting.insert(why.text, why.reason);
    }
}

/// The parts of the planner that mend a finding.
pub fn repairs_of(code: &str) -> &'static [Repair] {
    crate::diagnose::known(code).map_or(&[], |known| known.entry.repair)
}

/// Makes the plan of the next round.
pub fn plan(seen: &Observation, report: &Report, policy: &Policy) -> Planning {
    let (mut planning, _) = unstamped(&Picture::new(seen), report, policy);
    planning.plan.parent = stamp(seen);
    planning
}

/// The plan of the next round without the stamp of what it was made from, for whoever may wait
/// instead: a stamp costs as much as all the rest. With the reasons for what is refused and waited
/// for.
pub(crate) fn unstamped(
    picture: &Picture<'_>,
    report: &Report,
    policy: &Policy,
) -> (Planning, BTreeSet<Reason>) {
    let mut draft = Draft {
        seen: picture,
        report,
        policy,
        live: Vec::new(),
        blank: Vec::new(),
        steps: Vec::new(),
        loss: Vec::new(),
        refusals: BTreeMap::new(),
        waiting: BTreeMap::new(),
    };
    refuse_what_nothing_mends(&mut draft);
    match live::all(picture) {
        Ok(live) => {
            let (blank, of_clusters): (Vec<_>, Vec<_>) =
                live.iter().cloned().partition(|node| node.is_blank(picture, &live));
            (draft.live, draft.blank) =
                if of_clusters.is_empty() { (blank, of_clusters) } else { (of_clusters, blank) };
        }
        Err(why) => Repair::ALL.into_iter().for_each(|repair| draft.refuse_all(repair, &why)),
    }
    what_must_pass(&mut draft);
    let mut later = BTreeSet::new();
    for repair in Repair::ALL {
        if draft.found(repair).next().is_none() || draft.live.is_empty() {
            continue;
        }
        if !draft.steps.is_empty() || !draft.waiting.is_empty() {
            later.extend(draft.found(repair).map(|found| found.code.clone()));
            continue;
        }
        if !matches!(
            repair,
            Repair::Meet | Repair::Readdress | Repair::Rejoin | Repair::Settle | Repair::Login
        ) && let Some(why) = several_clusters(&draft)
        {
            draft.refuse_all(repair, &why);
            continue;
        }
        if matches!(repair, Repair::Finish | Repair::Gather) && !may_move_keys(&mut draft, repair) {
            continue;
        }
        match repair {
            Repair::Meet => meet::draft(&mut draft),
            Repair::Readdress | Repair::Settle => settle::draft(&mut draft, repair),
            Repair::Rejoin => rejoin::draft(&mut draft),
            Repair::Promote => promote::draft(&mut draft),
            Repair::GiveUp => give_up::draft(&mut draft),
            Repair::Claim => claim::draft(&mut draft),
            Repair::Finish => finish::draft(&mut draft),
            Repair::Gather => gather::draft(&mut draft),
            Repair::Outbid => outbid::draft(&mut draft),
            Repair::Attach => attach::draft(&mut draft),
            Repair::Login => login::draft(&mut draft),
            Repair::Load => load::draft(&mut draft),
            Repair::Forget => forget::draft(&mut draft),
        }
    }
    finish_plan(draft, later)
}

fn finish_plan(mut draft: Draft<'_>, mut later: BTreeSet<String>) -> (Planning, BTreeSet<Reason>) {
    draft.steps.truncate(PLAN_STEPS_MAX);
    let census = census::take(&draft);
    let about = draft.steps.iter().flat_map(|step| {
        let facts = step.guard.iter().chain(&step.expect).map(|fact| fact.on);
        facts.chain([step.on])
    });
    let nodes = about
        .chain(census.iter().map(|holding| holding.node))
        .collect::<BTreeSet<NodeId>>()
        .into_iter()
        .filter_map(|id| {
            let blank = || draft.blank.iter().find(|node| node.id == id);
            Some((id, draft.live(id).or_else(blank)?.dial.clone()))
        })
        .collect();
    for step in &draft.steps {
        later.remove(&step.mends);
    }
    // One part may have had nothing to do for a finding that another part mends, or will.
    let mended: BTreeSet<&str> = draft.steps.iter().map(|step| step.mends.as_str()).collect();
    draft.refusals.retain(|refusal, _| {
        !mended.contains(refusal.code.as_str()) && !later.contains(&refusal.code)
    });
    let reasons = draft.refusals.values().chain(draft.waiting.values()).copied().collect();
    let planning = Planning {
        plan: Plan {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            parent: String::new(),
            nodes,
            steps: draft.steps,
            loss: draft.loss,
            census,
        },
        refusals: draft.refusals.into_keys().collect(),
        waiting: draft.waiting.into_keys().collect(),
        later: later.into_iter().collect(),
    };
    (planning, reasons)
}

/// Root causes that no command to a server mends: a person must.
fn refuse_what_nothing_mends(draft: &mut Draft<'_>) {
    let roots = draft.report.roots.iter().map(|root| &root.found);
    let by_hand =
        |found: &&Found| found.severity > Severity::Info && repairs_of(&found.code).is_empty();
    let found: Vec<&Found> = roots.filter(by_hand).collect();
    for found in found {
        let obstacle = crate::diagnose::known(&found.code).map_or("", |known| known.entry.obstacle);
        // What comes after a command or a question to the servers makes no sense without it.
        let mut deeds =
            found.by_hand.steps.iter().filter(|step| !matches!(step, ByHandStep::Check(_)));
        let why = match deeds.next() {
            Some(ByHandStep::Do(first)) => format!("{obstacle}. By hand: {first}"),
            Some(_) => format!("{obstacle}. `check` tells the way by hand"),
            None => obstacle.to_owned(),
        };
        draft.refuse(found, Reason::ByHandOnly.says(why));
    }
}

/// Nodes that were named together and are of clusters that do not know each other: what one of them
/// says about a slot is no reason to take it from the other. A node without slots and keys is
/// nobody's.
fn several_clusters(draft: &Draft<'_>) -> Option<Why> {
    let matters = |id: &NodeId| {
        draft.live(*id).is_some_and(|node| {
            !node.own.slots.is_empty()
                || node.own.primary.is_some()
                || node.has_keys() != Some(false)
        })
    };
    let groups = meet::groups(draft);
    let firsts = groups.iter().filter_map(|group| group.iter().copied().find(matters));
    let names: Vec<String> = firsts.map(|id| draft.seen.name(id)).collect();
    (names.len() > 1).then(|| {
        Reason::SeveralClusters.says(format!(
            "the nodes that answer are of {} clusters that do not know each other, with {}: let \
             them meet, or name the nodes of one cluster only",
            names.len(),
            names.join(" and ")
        ))
    })
}

/// Whether keys can be moved: a server whose state is not ok refuses MIGRATE and what it brings
/// (`CLUSTERDOWN`). Where nothing else keeps the state from getting ok, it is waited for.
fn may_move_keys(draft: &mut Draft<'_>, repair: Repair) -> bool {
    let down = |node: &&Live<'_>| {
        let state = node.sighting.cluster_info.get();
        node.is_primary() && state.is_some_and(|info| info.is("cluster_state", "fail"))
    };
    let Some(node) = draft.live.iter().find(down) else { return true };
    let name = draft.seen.name(node.id);
    let why =
        Reason::StateNotOk.says(format!("keys can be moved once {name} says cluster_state:ok"));
    // What keeps clients away leaves the servers as they are.
    let of_clients = |refusal: &Refusal| {
        crate::diagnose::known(&refusal.code).is_some_and(|it| it.entry.group == Group::Clients)
    };
    if draft.refusals.keys().all(of_clients) {
        draft.wait(why);
    } else {
        draft.refuse_all(repair, &why);
    }
    false
}

/// What is under way in the cluster and must not be disturbed.
fn what_must_pass(draft: &mut Draft<'_>) {
    for (code, reason, why) in [
        ("NODE_LOADING", Reason::NodeLoads, "a node is still loading its data set"),
        ("MIGRATION_RUNNING", Reason::MigrationRuns, "a migration of slots is running"),
    ] {
        if draft.report.all().any(|found| found.code == code) {
            draft.wait(reason.says(why));
        }
    }
    let voters = draft.seen.voters();
    let away: Vec<NodeId> = voters.iter().copied().filter(|id| !draft.seen.is_alive(*id)).collect();
    let majority = draft.live.iter().any(|node| hears_a_majority(draft, node, &voters));
    for id in away {
        if !is_told(draft, id, majority) {
            let name = draft.seen.name(id);
            let why = if draft.seen.is_heard_from_elsewhere(id) {
                format!(
                    "{name} answers nobody at the address that is recorded for it, and the others \
                     hear it all the same: it runs elsewhere. Name that address beside the others"
                )
            } else {
                format!("the others are about to find out that {name} is down")
            };
            draft.wait(Reason::DownNotYetKnown.says(why));
        }
    }
}

/// Whether a node hears a majority of the voters, itself counted: only such nodes agree on who is
/// down.
fn hears_a_majority(draft: &Draft<'_>, node: &Live<'_>, voters: &[NodeId]) -> bool {
    let hears =
        |id: &&NodeId| **id == node.id || node.row(draft.seen, **id).is_some_and(fact::is_up);
    voters.iter().filter(hears).count() > voters.len() / 2
}

/// Whether the others have found out that an owner of slots is down: all hold it for failed where a
/// majority of the voters is left, else all suspect it. One without an address is never marked by
/// Redis (`clusterCron` passes over `noaddr`).
fn is_told(draft: &Draft<'_>, id: NodeId, majority: bool) -> bool {
    if draft.is_given_up(id) {
        return true;
    }
    let mut rows = draft.live.iter().filter_map(|node| node.row(draft.seen, id));
    rows.all(|row| {
        let failed = row.flags.has(Flag::Failed);
        failed || row.address.ip.is_empty() || (!majority && row.flags.has(Flag::Suspected))
    })
}
