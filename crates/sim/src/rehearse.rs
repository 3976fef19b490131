//! A plan carried out in the twin of its cluster, under random faults, before it is carried out in
//! the cluster.
//!
//! Pure: everything follows from the observation, the plan and the numbers of the schedules. How
//! many there are is for the caller, who has a clock. Schedule 1 has no fault. In every other
//! something goes wrong on the way: a node dies, restarts, freezes or is cut off, replies or
//! commands are lost, we are killed and started again, or somebody else recovers the same cluster
//! at the same time.
//!
//! A key counts as lost through us when it is gone at the end, is not gone when the same faults
//! happen and nobody does anything, and the plan did not say that it may be lost. One such key in
//! one schedule is enough: the rehearsal has failed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use slotwright_core::diagnose::{Report, diagnose};
use slotwright_core::drive::Outcome;
use slotwright_core::model::SlotSet;
use slotwright_core::observation::Observation;
use slotwright_core::plan::{Change, Plan, Policy, plan as plan_for};

use crate::fault::Fault;
use crate::planted::Bug;
use crate::server::{Cause, Key, slot_of};
use crate::tool::{Mishaps, Over, Tool};
use crate::twin::Twin;
use crate::world::World;

/// Schedules of a rehearsal where the user does not say.
pub const SCHEDULES: u32 = 300;
/// Nodes up to which a rehearsal is tried. One schedule of so many takes about a second, and grows
/// with the square.
pub const NODES_MAX: usize = 64;
/// Faults of one schedule: what befalls a cluster while it is mended is seldom more.
const FAULTS_MAX: usize = 2;
/// Mishaps between us and the servers, in thousandths of commands, where there are any.
const MISHAPS: u32 = 60;
/// Faults without an own time end, and mishaps with them.
const CALM_AFTER_MS: u64 = 8_000;
/// Until the servers have taken in that faults ended, or that who was silent returned.
const SETTLE_MS: u64 = 10_000;
/// Longer than any recovery that waits for a ban.
const PATIENCE_MS: u64 = 400_000;
/// The user starts us again so often.
const STARTS_MAX: usize = 8;

/// What came of all schedules.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// Schedules that were tried.
    pub schedules: u32,
    /// Ended healthy.
    pub healthy: u32,
    /// Ended with something left, in how many schedules by its code.
    pub not_mended: BTreeMap<String, u32>,
    /// Wanted a further word of the user: data may be lost.
    pub declined: u32,
    /// Never ended.
    pub unfinished: u32,
    /// Schedules in which a step of ours lost a key.
    pub losing: u32,
    /// Schedules in which the faults alone lost a key.
    pub losing_without_us: u32,
    /// Modelled keys: each stands for all of its slot, or for those of many slots.
    pub keys: usize,
    /// Slots without a running owner at the beginning.
    pub unserved: u16,
    /// The same at the worst moment of a schedule without faults.
    pub unserved_worst: u16,
    /// From the first step to healthy at the slowest, in the servers' time.
    pub slowest_ms: u64,
    /// The worst of all, if any was worse than the one without faults.
    pub worst: Option<Case>,
    /// What is in the cluster and not in the model. May hold a peer's words: never print it raw.
    pub not_rehearsed: Vec<String>,
}

impl Rehearsal {
    /// Why the plan must not be carried out without a further word.
    pub fn objection(&self) -> Option<String> {
        (self.losing > 0).then(|| {
            format!(
                "steps of this plan lost keys in {} of {} schedules",
                self.losing, self.schedules
            )
        })
    }
}

/// One schedule.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Its number: with the same observation it tells the same story again.
    pub schedule: u64,
    /// What went wrong, in order. May hold a peer's words: never print it raw.
    pub faults: Vec<String>,
    /// How it ended. May hold a peer's words: never print it raw.
    pub ended: String,
    /// Modelled keys that a step of ours lost.
    pub lost: usize,
    /// Modelled keys that the faults lost by themselves.
    pub lost_without_us: usize,
    /// Slots without a running owner, at the worst moment.
    pub unserved: u16,
    /// How long it took, in the servers' time.
    pub took_ms: u64,
    /// What was done, line by line. May hold a peer's words: never print it raw.
    #[serde(skip)]
    pub story: Vec<String>,
    /// It ended healthy.
    pub healthy: bool,
}

/// A rehearsal under way.
#[derive(Debug)]
pub struct Rehearsing {
    twin: Twin,
    plan: Plan,
    policy: Policy,
    bug: Option<Bug>,
    /// Slots whose keys the user is told may be lost.
    announced: SlotSet,
    sum: Rehearsal,
}

/// What goes wrong in one schedule.
#[derive(Clone, PartialEq, Debug, Default)]
struct Script {
    faults: Vec<(u64, Fault)>,
    mishaps: Mishaps,
    two: bool,
    calm_at: u64,
}

impl Rehearsing {
    /// Before the first schedule. `report` is what was found, `plan` what was planned for it.
    pub fn new(seen: &Observation, report: &Report, plan: &Plan, policy: &Policy) -> Self {
        let twin = Twin::of(seen, plan, policy);
        let mut missing: BTreeSet<String> = twin.left_out.clone();
        let world = twin.world(0);
        let found = diagnose(&world.look(twin.seeds()));
        missing.extend(differences(report, &found));
        let (plan, left) = modelled(&twin, plan, &mut missing);
        let policy = Policy { gone: gone(&twin, seen, policy), ..policy.clone() };
        let own = plan_for(&world.look(twin.seeds()), &found, &policy).plan;
        if left && lines(&own) != lines(&plan) {
            missing.insert("what the model shows would be mended by other steps".to_owned());
        }
        let sum = Rehearsal {
            keys: world.all_keys().len(),
            unserved: unserved(&world),
            not_rehearsed: missing.into_iter().collect(),
            ..Rehearsal::default()
        };
        Self { announced: announced(&plan), twin, plan, policy, bug: None, sum }
    }

    /// The same with a planner or a shell that behaves badly, to try whether that is noticed.
    #[must_use]
    pub fn behaving(mut self, bug: Bug) -> Self {
        let seen = self.twin.world(0).look(self.twin.seeds());
        self.plan = bug.spoil_plan(self.plan, &seen);
        self.bug = Some(bug);
        self
    }

    /// Why no schedule should be tried.
    pub fn obstacle(&self) -> Option<String> {
        let nodes = self.twin.size();
        (nodes > NODES_MAX).then(|| {
            format!("all of it: a cluster of {nodes} nodes is too large, {NODES_MAX} are the most")
        })
    }

    /// Carries out the next schedule.
    pub fn go_on(&mut self) {
        let number = u64::from(self.sum.schedules) + 1;
        let (case, over) = self.schedule(number);
        self.count(over.as_ref());
        self.sum.schedules += 1;
        self.sum.losing += u32::from(case.lost > 0);
        self.sum.losing_without_us += u32::from(case.lost_without_us > 0);
        if case.healthy {
            self.sum.slowest_ms = self.sum.slowest_ms.max(case.took_ms);
        }
        if number == 1 {
            self.sum.unserved_worst = case.unserved;
        }
        let rank = |case: &Case| (case.lost, !case.healthy, case.unserved, case.took_ms);
        if self.sum.worst.as_ref().is_none_or(|worst| rank(&case) > rank(worst)) {
            self.sum.worst = Some(case);
        }
    }

    /// How many were tried.
    pub const fn schedules(&self) -> u32 {
        self.sum.schedules
    }

    /// What came of them.
    pub fn finish(mut self) -> Rehearsal {
        self.sum.not_rehearsed.extend(self.obstacle());
        self.sum
    }

    /// Carries out the schedule of this number, and tells it.
    pub fn replay(&self, number: u64) -> Case {
        self.schedule(number).0
    }

    fn script(&self, number: u64) -> Script {
        let mut rng = fastrand::Rng::with_seed(number ^ 0x0e5e_a25a_1000_0001);
        let targets = self.twin.speaking();
        if number <= 1 || targets.is_empty() {
            return Script::default();
        }
        let chance = |rng: &mut fastrand::Rng| if rng.u32(0..4) == 0 { MISHAPS } else { 0 };
        let mishaps = Mishaps {
            reply_lost: chance(&mut rng),
            command_lost: chance(&mut rng),
            killed: chance(&mut rng),
            stalled: 0,
        };
        let two = rng.u32(0..8) == 0;
        let least = usize::from(mishaps == Mishaps::default() && !two);
        let mut faults: Vec<(u64, Fault)> = (0..rng.usize(least..=FAULTS_MAX))
            .map(|_| {
                // As many in the first second as in the ten that follow.
                let scale = 1 << rng.u32(6..15);
                (scale + rng.u64(0..scale), fault(&mut rng, &targets))
            })
            .collect();
        faults.sort_by_key(|(at, _)| *at);
        let last = faults.last().map_or(0, |(at, _)| *at);
        Script { faults, mishaps, two, calm_at: last + CALM_AFTER_MS }
    }

    fn schedule(&self, number: u64) -> (Case, Option<Over>) {
        let script = self.script(number);
        let mut stage = Stage::new(&self.twin, &script, number);
        let before = stage.world.all_keys();
        let mut story = Vec::new();
        let over = self.recover(&mut stage, &mut story);
        let took_ms = stage.elapsed();
        stage.close();
        let lost = missing(&before, &stage.world.all_keys());
        let alone = if lost.is_empty() {
            BTreeSet::new()
        } else {
            lost_without_us(&self.twin, &script, number, took_ms)
        };
        // A server that starts, and on Valkey one that is elected, deletes what is not its own:
        // with the bus mended the servers elect, and nobody else has a say in it.
        let thrown = stage.world.deleted.iter().filter(|one| one.cause == Cause::StartCheck);
        let alone: BTreeSet<Key> = alone.into_iter().chain(thrown.map(|one| one.key)).collect();
        let ours = lost.difference(&alone).filter(|key| !self.announced.contains(slot_of(**key)));
        let said = |line: &String| self.twin.names().told(line);
        let case = Case {
            schedule: number,
            faults: self.describe(&script),
            ended: said(&ending(over.as_ref())),
            lost: ours.count(),
            lost_without_us: lost.intersection(&alone).count(),
            unserved: stage.unserved,
            took_ms,
            story: story.iter().map(said).collect(),
            healthy: over == Some(Over::Ended(Outcome::Healthy)),
        };
        (case, over)
    }

    fn count(&mut self, over: Option<&Over>) {
        match over {
            Some(Over::Ended(Outcome::Healthy)) => self.sum.healthy += 1,
            Some(Over::Ended(Outcome::Stuck(refusals))) => {
                let codes: BTreeSet<&String> = refusals.iter().map(|one| &one.code).collect();
                for code in codes {
                    *self.sum.not_mended.entry(code.clone()).or_default() += 1;
                }
            }
            Some(Over::Declined) => self.sum.declined += 1,
            Some(Over::Killed) | None => self.sum.unfinished += 1,
        }
    }

    /// The user starts us, and starts us again where we were killed or where faults were in the
    /// way.
    fn recover(&self, stage: &mut Stage<'_>, story: &mut Vec<String>) -> Option<Over> {
        let mut last = None;
        for start in 0..STARTS_MAX {
            if start > 0 && !stage.calm && !matches!(last, Some(Over::Killed)) {
                stage.pass_until(stage.script.calm_at + SETTLE_MS);
            }
            let was_calm = stage.calm;
            last = self.start(stage, start == 0, story);
            if last.is_none() || (was_calm && last != Some(Over::Killed)) {
                break;
            }
        }
        last
    }

    /// One start of us; of two, the second plans for itself.
    fn start(&self, stage: &mut Stage<'_>, first: bool, story: &mut Vec<String>) -> Option<Over> {
        let mishaps = if stage.calm { Mishaps::default() } else { stage.script.mishaps };
        let count = if stage.script.two { 2 } else { 1 };
        let mut tools: Vec<Tool> = (0..count)
            .map(|n| {
                let plan = if first && n == 0 { self.plan.clone() } else { nothing(&self.plan) };
                let tool = Tool::new(&stage.world, &self.policy, mishaps, self.bug);
                let mut tool = tool.carrying(plan, self.twin.seeds().clone());
                if let Some(bug) = self.bug {
                    let lines = bug.sends_first(&stage.world);
                    tool.misbehave(&mut stage.world, &lines);
                }
                tool
            })
            .collect();
        let until = stage.world.now + PATIENCE_MS;
        let mut over: Vec<Option<Over>> = vec![None; count];
        while stage.world.now < until && over.iter().any(Option::is_none) {
            for (tool, over) in tools.iter_mut().zip(&mut over).filter(|(_, over)| over.is_none()) {
                let (ms, ended) = tool.step(&mut stage.world);
                stage.watch();
                stage.pass(ms);
                *over = ended;
            }
        }
        tools.iter_mut().for_each(|tool| story.append(&mut tool.story));
        let rank = |over: &Option<Over>| match over {
            None => 0,
            Some(Over::Killed) => 1,
            Some(Over::Declined) => 2,
            Some(Over::Ended(Outcome::Stuck(_))) => 3,
            Some(Over::Ended(Outcome::Healthy)) => 4,
        };
        over.into_iter().min_by_key(rank).flatten()
    }

    fn describe(&self, script: &Script) -> Vec<String> {
        let mut out: Vec<String> = script
            .faults
            .iter()
            .map(|(at, fault)| {
                let (who, what) = told(&self.twin, *fault);
                format!("{who} {what} after {}.{} s", at / 1_000, at % 1_000 / 100)
            })
            .collect();
        let Mishaps { reply_lost, command_lost, killed, stalled } = script.mishaps;
        let more = [
            (reply_lost > 0, "some replies are lost"),
            (command_lost > 0, "some commands are lost"),
            (killed > 0, "we are killed and started again"),
            (stalled > 0, "we stand still for seconds"),
            (script.two, "a second run recovers the same cluster"),
        ];
        out.extend(more.iter().filter(|(on, _)| *on).map(|(_, what)| (*what).to_owned()));
        out
    }
}

/// A fault that befalls one of these, or the way between two.
fn fault(rng: &mut fastrand::Rng, targets: &[usize]) -> Fault {
    let at = rng.usize(0..targets.len());
    let node = targets[at];
    let other = targets[(at + rng.usize(0..targets.len())) % targets.len()];
    match rng.u32(0..9) {
        0 | 1 => Fault::Kill { node },
        2 | 3 => Fault::Restart { node, fresh: false },
        4 => Fault::Restart { node, fresh: true },
        5 | 6 => Fault::Freeze { node },
        7 if other != node => Fault::Cut { from: node, to: other, both: rng.bool() },
        _ => Fault::CutClient { node },
    }
}

fn told(twin: &Twin, fault: Fault) -> (&str, String) {
    match fault {
        Fault::Kill { node } => (twin.who(node), "dies and comes back later".to_owned()),
        Fault::Restart { node, fresh: false } => (twin.who(node), "restarts".to_owned()),
        Fault::Restart { node, .. } => (twin.who(node), "restarts at a new address".to_owned()),
        Fault::Freeze { node } => (twin.who(node), "freezes for a while".to_owned()),
        Fault::Cut { from, to, both } => {
            let way = if both { "and the bus of" } else { "no more reaches the bus of" };
            let end = if both { " are cut off from each other" } else { "" };
            (twin.who(from), format!("{way} {}{end}", twin.who(to)))
        }
        Fault::CutClient { node } => (twin.who(node), "is out of our reach for a while".to_owned()),
        _ => ("something", "happens".to_owned()),
    }
}

fn ending(over: Option<&Over>) -> String {
    match over {
        None => "it never ends".to_owned(),
        Some(Over::Killed) => "killed too often".to_owned(),
        Some(Over::Declined) => "data may be lost: it needs a further word".to_owned(),
        Some(Over::Ended(Outcome::Healthy)) => "healthy".to_owned(),
        Some(Over::Ended(Outcome::Stuck(refusals))) => {
            let first = refusals.first().map(|one| format!("{}: {}", one.code, one.why));
            let others: BTreeSet<&str> =
                refusals.iter().skip(1).map(|one| one.code.as_str()).collect();
            let others = others.into_iter().map(|code| format!("; {code}"));
            format!("not mended: {}{}", first.unwrap_or_default(), others.collect::<String>())
        }
    }
}

/// The world and what befalls it.
struct Stage<'a> {
    twin: &'a Twin,
    script: &'a Script,
    world: World,
    begun: u64,
    next: usize,
    calm: bool,
    /// Slots without a running owner, at the worst moment.
    unserved: u16,
}

impl<'a> Stage<'a> {
    fn new(twin: &'a Twin, script: &'a Script, number: u64) -> Self {
        let world = twin.world(number);
        let (begun, calm) = (world.now, script.calm_at == 0);
        Self { twin, script, unserved: unserved(&world), world, begun, next: 0, calm }
    }

    const fn elapsed(&self) -> u64 {
        self.world.now - self.begun
    }

    fn watch(&mut self) {
        self.unserved = self.unserved.max(unserved(&self.world));
    }

    fn pass_until(&mut self, at: u64) {
        let ms = at.saturating_sub(self.elapsed());
        self.pass(ms);
    }

    /// Time goes on, and the script with it.
    fn pass(&mut self, ms: u64) {
        let until = self.elapsed() + ms;
        if !self.calm && until >= self.script.calm_at {
            self.befall(self.script.calm_at.max(self.elapsed()));
            self.calm_down();
        }
        self.befall(until);
    }

    fn befall(&mut self, until: u64) {
        while let Some((at, fault)) = self.script.faults.get(self.next).copied() {
            if at > until {
                break;
            }
            self.world.advance(at.saturating_sub(self.elapsed()));
            fault.apply(&mut self.world);
            self.next += 1;
        }
        self.world.advance(until.saturating_sub(self.elapsed()));
    }

    /// What the script did ends. What was so before stays.
    fn calm_down(&mut self) {
        self.calm = true;
        for (_, fault) in &self.script.faults {
            match *fault {
                Fault::Kill { node } if !self.world.nodes[node].up => {
                    let addr = self.world.nodes[node].addr;
                    let free = self.world.listener(addr).is_none();
                    let addr = if free { addr } else { self.world.fresh_addr() };
                    self.world.start(node, addr);
                }
                Fault::Freeze { node } => self.world.freeze(node, false),
                Fault::Cut { from, to, .. } => {
                    self.world.mend(|pair| [(from, to), (to, from)].contains(pair));
                }
                Fault::CutClient { node } => {
                    self.world.client_cut.remove(&node);
                }
                _ => {}
            }
        }
    }

    /// After the end: who was silent all the time returns, with the data that it has.
    fn close(&mut self) {
        self.pass_until(self.script.calm_at);
        if self.twin.return_the_silent(&mut self.world) {
            self.world.advance(3 * SETTLE_MS);
        }
    }
}

/// The keys that the same faults lose when nobody does anything.
fn lost_without_us(twin: &Twin, script: &Script, number: u64, took_ms: u64) -> BTreeSet<Key> {
    let mut stage = Stage::new(twin, script, number);
    let before = stage.world.all_keys();
    stage.pass_until(took_ms.max(script.calm_at));
    stage.close();
    let mut lost = missing(&before, &stage.world.all_keys());
    // What a server throws away when it starts is gone, whatever its replica still shows.
    let thrown = stage.world.deleted.iter().filter(|one| one.cause == Cause::StartCheck);
    lost.extend(thrown.map(|one| one.key));
    lost
}

fn missing(before: &BTreeMap<Key, u64>, after: &BTreeMap<Key, u64>) -> BTreeSet<Key> {
    let gone = |key: &Key, version: &u64| after.get(key).is_none_or(|now| now < version);
    before.iter().filter(|(key, version)| gone(key, version)).map(|(key, _)| *key).collect()
}

/// Slots that no running primary owns.
fn unserved(world: &World) -> u16 {
    let owners = world.nodes.iter().filter(|node| node.is_live() && node.primary.is_none());
    let served = owners.fold(SlotSet::new(), |all, node| all.union(&node.slots));
    SlotSet::all().difference(&served).len()
}

/// Codes that only the cluster has, or only the model.
fn differences(real: &Report, modelled: &Report) -> BTreeSet<String> {
    let codes = |report: &Report| -> BTreeSet<String> {
        report.all().map(|found| found.code.clone()).collect()
    };
    let (real, modelled) = (codes(real), codes(modelled));
    let only = real.difference(&modelled).map(|code| format!("{code}: not in the model"));
    let more = modelled.difference(&real).map(|code| format!("{code}: in the model only"));
    only.chain(more).collect()
}

/// The plan in the words of the model, without what the model does not have; and whether that is
/// all of it.
fn modelled(twin: &Twin, plan: &Plan, missing: &mut BTreeSet<String>) -> (Plan, bool) {
    let mut plan = plan.clone();
    let all = plan.steps.len();
    plan.steps.retain(|step| !matches!(step.change, Change::ConfigSet { .. }));
    let left = plan.steps.len();
    if left < all {
        missing.insert(format!("{} steps that change settings", all - left));
    }
    match twin.names().plan(&plan) {
        Some(own) => (Plan { loss: plan.loss, ..own }, left == all),
        None => {
            missing.insert("the first round itself: it names what no node shows".to_owned());
            (nothing(&plan), false)
        }
    }
}

/// A plan without steps: the tool makes its own.
fn nothing(plan: &Plan) -> Plan {
    Plan { steps: Vec::new(), ..plan.clone() }
}

/// What a plan sends, and to whom.
fn lines(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {}", step.on, step.change.line())).collect()
}

/// The slots whose keys the plan says may be lost.
fn announced(plan: &Plan) -> SlotSet {
    plan.loss.iter().fold(SlotSet::new(), |all, loss| all.union(&loss.slots))
}

/// The modelled ids of those who are gone for good.
fn gone(twin: &Twin, seen: &Observation, policy: &Policy) -> BTreeSet<String> {
    let is_gone = |id: &str| policy.gone.iter().any(|head| id.starts_with(head.as_str()));
    let rows = seen.rows.as_slice().iter().map(|row| row.id);
    rows.filter(|id| is_gone(&id.to_string()))
        .filter_map(|id| twin.names().id(id))
        .map(|id| slotwright_core::model::NodeId::made_up(id).to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::tests::broken;

    fn rehearsing(seed: u64) -> (Rehearsing, Plan) {
        let seen = broken(seed);
        let report = diagnose(&seen);
        let plan = plan_for(&seen, &report, &Policy::default()).plan;
        (Rehearsing::new(&seen, &report, &plan, &Policy::default()), plan)
    }

    fn tried(mut rehearsing: Rehearsing, schedules: u32) -> Rehearsal {
        (0..schedules).for_each(|_| rehearsing.go_on());
        rehearsing.finish()
    }

    #[test]
    fn what_the_planner_plans_loses_no_key() {
        let (mut planned, mut healthy) = (0, 0);
        for seed in 1..=60 {
            let (rehearsing, plan) = rehearsing(seed);
            let sum = tried(rehearsing, 4);
            assert_eq!(sum.objection(), None, "state {seed}: {:?}", sum.worst);
            assert_eq!(sum.unfinished, 0, "state {seed}: {:?}", sum.worst);
            planned += usize::from(!plan.steps.is_empty());
            healthy += usize::from(sum.healthy > 0);
        }
        assert!(planned > 30 && healthy > 30, "{planned} plans, {healthy} ended healthy");
    }

    #[test]
    fn the_same_schedule_tells_the_same_story() {
        let once = |number| rehearsing(11).0.replay(number);
        assert_eq!(once(5), once(5));
        assert!(once(1).faults.is_empty() && !once(1).story.is_empty());
        assert!((2..20).all(|number| !once(number).faults.is_empty()));
    }

    #[test]
    fn a_bad_plan_is_caught() {
        for (bug, schedules) in [(Bug::FlushFirst, 1), (Bug::BumpByAll, 3)] {
            let objects = |seed: &u64| {
                let (rehearsing, _) = rehearsing(*seed);
                tried(rehearsing.behaving(bug), schedules).objection().is_some()
            };
            let caught = (1..=60).find(objects);
            assert!(caught.is_some(), "{bug:?} is not caught");
        }
    }

    #[test]
    fn a_loss_that_the_user_was_told_of_is_no_objection() {
        let (mut rehearsing, _) = rehearsing(11);
        rehearsing = rehearsing.behaving(Bug::FlushFirst);
        rehearsing.announced = SlotSet::all();
        assert_eq!(tried(rehearsing, 1).objection(), None);
    }

    #[test]
    fn without_a_plan_there_is_nothing_to_lose() {
        let seen = Observation::empty();
        assert_eq!(rehearsing(11).0.obstacle(), None);
        let (report, policy) = (diagnose(&seen), Policy::default());
        let plan = plan_for(&seen, &report, &policy).plan;
        let sum = tried(Rehearsing::new(&seen, &report, &plan, &policy), 3);
        assert_eq!((sum.schedules, sum.keys, sum.objection()), (3, 0, None));
    }
}
