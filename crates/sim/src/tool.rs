//! slotwright inside the world: the real [`Rounds`] and [`Drive`], step by step, so that two of
//! them can take turns.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use slotwright_core::diagnose::{Risk, diagnose, judge};
use slotwright_core::drive::{
    Decision, Drive, End, Event, GUARD_HOLDS_MS, Next, Outcome, Reply, Rounds,
};
use slotwright_core::journal::Entry;
use slotwright_core::model::{NodeId, SlotSet};
use slotwright_core::observation::{Observation, Picture};
use slotwright_core::plan::{Change, KEYS_A_ROUND, Plan, Policy, Step};

use crate::checkers::{
    Deed, Ledger, crash_safe, idempotent, never_worse, read_only::Untouched, stable,
};
use crate::commands::{Answer, addr_of};
use crate::fault::Fault;
use crate::marks;
use crate::planted::Bug;
use crate::server::Addr;
use crate::trial::Strike;
use crate::view::Asked;
use crate::world::World;

/// A look at a cluster takes so long.
const LOOK_MS: u64 = 15;
/// A wait between looks is so many times as long as it should be: a look costs more than anything
/// else in a schedule, and a shell may be slow. Each wait in a row is longer by one, and later by
/// more.
const LAZY: u64 = 3;
/// The longest.
const LAZIEST: u64 = 25;
/// So many waits are patient ones.
const PATIENT: u64 = 6;
/// A step has about so many records: the chance of being killed after one is shared among them.
const RECORDS_A_STEP: u32 = 3;
/// From the reading of a guard to its step it takes no longer.
const GUARD_MS: u64 = 2 * LOOK_MS;
/// A command takes so long.
const SEND_MS: u64 = 2;
/// How long an answer is waited for.
const REPLY_MS: u64 = 5_000;
/// Each so-manieth step is sent twice, to a copy of the world.
const TWICE_EVERY: usize = 8;

/// What may go wrong between the tool and a server, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mishaps {
    /// The command is carried out and its answer is lost.
    pub reply_lost: u32,
    /// The command never arrives, and no answer comes.
    pub command_lost: u32,
    /// The tool is killed: before or after a command, or after a line of its journal.
    pub killed: u32,
    /// The tool stands still for longer than a guard holds, with a line of its journal written.
    #[serde(default, skip_serializing_if = "is_never")]
    pub stalled: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_never(thousandths: &u32) -> bool {
    *thousandths == 0
}

/// The moment at which a run is killed, by its journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Kill {
    /// The record.
    pub record: usize,
    /// Before it is written, and after all that led to it; else right after it is.
    pub before: bool,
}

/// How a run of the tool is over.
#[derive(Clone, PartialEq, Debug)]
pub enum Over {
    /// By itself.
    Ended(Outcome),
    /// It was killed.
    Killed,
    /// A step needs a word that the user of this world does not give: data may be lost.
    Declined,
}

/// A run of `recover --yes`.
#[derive(Debug)]
pub struct Tool {
    seeds: BTreeSet<Addr>,
    mishaps: Mishaps,
    pub(crate) bug: Option<Bug>,
    policy: Policy,
    begun_ms: u64,
    rounds: Rounds,
    drive: Option<Drive>,
    event: Option<Event>,
    sent: usize,
    sends: usize,
    /// Waits since something was done.
    waits: u64,
    killed_at: Option<Kill>,
    /// What befalls the cluster right before a reading of a guard or an expectation.
    pub(crate) strike: Option<Strike>,
    /// It did, just now, in this way.
    pub(crate) struck: Option<Fault>,
    /// Readings of drives so far.
    readings: usize,
    /// A step of the round was not answered.
    unanswered: bool,
    /// A bug changed a plan.
    spoiled: bool,
    ledger: Ledger,
    /// What the drive saw last.
    looked: Option<Observation>,
    /// When that was, and what was so then.
    guarded: Option<(u64, never_worse::Fence)>,
    /// The first look of the run, which a bug may cling to.
    pub(crate) first_look: Option<Observation>,
    /// What a checker saw while it was at it.
    pub violations: Vec<String>,
    /// The commands that servers got.
    pub deeds: Vec<Deed>,
    /// Steps of the longest plan.
    pub longest: usize,
    /// The story tells what each look shows, too.
    pub tells: bool,
    /// Everything sent so far, for a story.
    pub story: Vec<String>,
    /// Commands that were sent.
    pub commands: usize,
    /// The journal.
    pub journal: Vec<Entry>,
    /// What came up: findings, ends of drives.
    pub marks: BTreeSet<String>,
}

impl Tool {
    /// Before its first look.
    pub fn new(world: &World, policy: &Policy, mishaps: Mishaps, bug: Option<Bug>) -> Self {
        let policy = bug.map_or_else(|| policy.clone(), |bug| bug.spoil_policy(policy, world));
        let begun = Entry::RunBegun {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: world.now,
            target: "10.0.0.1:6379".to_owned(),
        };
        Self {
            seeds: world.nodes.iter().map(|node| node.addr).collect(),
            mishaps,
            bug,
            begun_ms: world.now,
            rounds: Rounds::new(policy.clone()),
            policy,
            drive: None,
            event: None,
            sent: 0,
            sends: 0,
            waits: 0,
            killed_at: None,
            strike: None,
            struck: None,
            readings: 0,
            unanswered: false,
            spoiled: false,
            ledger: world.kept_keys(),
            looked: None,
            guarded: None,
            first_look: None,
            violations: Vec::new(),
            deeds: Vec::new(),
            longest: 0,
            tells: false,
            story: Vec::new(),
            commands: 0,
            journal: vec![begun],
            marks: BTreeSet::new(),
        }
    }

    /// It will be killed then.
    pub const fn killed_at(mut self, kill: Option<Kill>) -> Self {
        self.killed_at = kill;
        self
    }

    /// The first round is this plan, made from a look that was had before; these are the addresses
    /// that the user knows.
    #[must_use]
    pub fn carrying(mut self, plan: Plan, seeds: BTreeSet<Addr>) -> Self {
        self.seeds = seeds;
        self.drive = (!plan.steps.is_empty()).then(|| Drive::new(plan));
        self
    }

    /// What is found now, in a sentence each.
    pub fn found(world: &World) -> Vec<String> {
        let seeds = world.nodes.iter().map(|node| node.addr).collect();
        let report = diagnose(&world.look(&seeds));
        report.all().map(|found| format!("{}: {}", found.code, found.message)).collect()
    }

    /// Rounds in which something was sent.
    pub const fn rounds(&self) -> u32 {
        self.rounds.acted()
    }

    /// Does the next thing. How long it takes, and whether that was the last one.
    pub fn step(&mut self, world: &mut World) -> (u64, Option<Over>) {
        // Pods come back elsewhere; whoever starts the tool knows where they are.
        self.seeds.extend(world.nodes.iter().filter(|node| node.up).map(|node| node.addr));
        if self.drive.is_some() { self.go_on(world) } else { self.decide(world) }
    }

    fn decide(&mut self, world: &mut World) -> (u64, Option<Over>) {
        let untouched = Untouched::now(world);
        let seen = self.look(world);
        let picture = Picture::new(&seen);
        let report = judge(&picture);
        self.violations.extend(untouched.check(world));
        self.marks.extend(report.all().map(|found| marks::of_finding(&found.code)));
        if self.tells {
            let codes: BTreeSet<&str> = report.all().map(|found| found.code.as_str()).collect();
            let codes: Vec<&str> = codes.into_iter().collect();
            self.tell(world, &format!("sees {}", codes.join(" ")));
        }
        let now = world.now - self.begun_ms;
        let decision = self.rounds.decide_on(now, &picture, &report);
        let decision = match self.bug {
            Some(bug) => bug.spoil_decision(decision, &seen, self.rounds.acted()),
            None => decision,
        };
        match decision {
            Decision::Finished(outcome) => self.finish(world, outcome),
            Decision::LookAgain { in_ms, why } => {
                self.tell(world, &format!("waits: {why}"));
                self.waits += 1;
                let lazy = if self.waits > PATIENT { LAZIEST } else { LAZY + self.waits - 1 };
                (LOOK_MS + in_ms * lazy, None)
            }
            Decision::Act(planning) => self.begin(planning.plan, &seen),
        }
    }

    fn look(&mut self, world: &mut World) -> Observation {
        if let Some(bug) = self.bug {
            let lines = bug.sends_while_looking(world);
            self.misbehave(world, &lines);
        }
        let seen = world.look(&self.seeds);
        let Some(bug) = self.bug else { return seen };
        let first = self.first_look.get_or_insert_with(|| seen.clone());
        bug.spoil_seen(seen, first)
    }

    fn finish(&mut self, world: &World, outcome: Outcome) -> (u64, Option<Over>) {
        if outcome == Outcome::Healthy {
            self.violations.extend(stable::claimed_too_early(world));
        }
        let word = if outcome == Outcome::Healthy { "healthy" } else { "stuck" };
        let ended = Entry::RunEnded { at_ms: world.now, outcome: word.to_owned() };
        let over = if self.record(ended) { Over::Killed } else { Over::Ended(outcome) };
        (LOOK_MS, Some(over))
    }

    fn begin(&mut self, plan: Plan, seen: &Observation) -> (u64, Option<Over>) {
        if plan.risk() >= Risk::MayLoseData && self.bug.is_none_or(|bug| !bug.agrees_to_loss()) {
            return (LOOK_MS, Some(Over::Declined));
        }
        let plan = match self.bug {
            Some(bug) => {
                let spoiled = bug.spoil_plan(plan.clone(), seen);
                self.spoiled |= spoiled != plan;
                spoiled
            }
            None => plan,
        };
        (self.sent, self.waits) = (0, 0);
        self.longest = self.longest.max(plan.steps.len());
        if self.record(Entry::Planned { plan: Box::new(plan.clone()) }) {
            return (LOOK_MS, Some(Over::Killed));
        }
        self.drive = Some(Drive::new(plan));
        (LOOK_MS + self.bug.map_or(0, Bug::dawdles_ms), None)
    }

    /// Sends what a bug makes it send, beside any plan.
    pub fn misbehave(&mut self, world: &mut World, lines: &[(usize, Vec<String>)]) {
        self.commands += lines.len();
        for (n, words) in lines {
            let answer = self.command(world, *n, words);
            self.tell(world, &format!("of itself, node {n}: {} -> {answer:?}", words.join(" ")));
        }
    }

    /// Writes an entry down. True when the run is killed over it.
    fn record(&mut self, entry: Entry) -> bool {
        let at = self.killed_at.filter(|kill| kill.record == self.journal.len());
        if at.is_some_and(|kill| kill.before) {
            return true;
        }
        let full = self.bug.is_some_and(|bug| bug.disk_is_full(self.journal.len()));
        if !full {
            self.journal.push(entry);
        }
        at.is_some()
    }

    fn tell(&mut self, world: &World, what: &str) {
        if self.story.last().is_none_or(|last| !last.ends_with(what)) {
            self.story.push(format!("{:>8} {what}", world.now - self.begun_ms));
        }
    }

    fn go_on(&mut self, world: &mut World) -> (u64, Option<Over>) {
        let Some(mut drive) = self.drive.take() else { return (0, None) };
        let next = drive.next(world.now - self.begun_ms, self.event.take());
        let took;
        match next {
            Next::Look { nodes, slots, settings } => {
                let at = |id: &NodeId| addr_of(&drive.plan().nodes.get(id)?.host);
                let addrs: BTreeSet<Addr> = nodes.iter().filter_map(at).collect();
                let count = (!slots.is_empty()).then_some(&slots);
                self.strikes(world, &addrs, &slots);
                let seen = world.ask(&addrs, Asked { count, settings, client: false });
                self.looked = Some(seen.clone());
                self.guarded = Some((world.now, never_worse::Fence::now(world)));
                self.event = Some(Event::Looked(seen));
                took = self.stalls(world).unwrap_or(LOOK_MS);
            }
            Next::Record(entry) => {
                let chance = self.mishaps.killed / RECORDS_A_STEP;
                if self.record(entry) || self.happens(world, chance) {
                    return self.killed("killed after a record");
                }
                self.event = Some(Event::Recorded);
                took = self.stalls(world).unwrap_or(0);
            }
            Next::Pause(ms) => {
                self.event = Some(Event::Paused);
                took = ms;
            }
            Next::Send(number) => {
                let (ms, reply) = self.send_and_tell(world, drive.plan(), number);
                took = ms;
                let Some(reply) = reply else { return (took, Some(Over::Killed)) };
                self.event = Some(Event::Sent(reply));
            }
            Next::Stop(end) => return self.stop(world, drive.plan(), &end),
        }
        self.drive = Some(drive);
        (took, None)
    }

    /// Does what the script wants done before this reading.
    fn strikes(&mut self, world: &mut World, addrs: &BTreeSet<Addr>, slots: &SlotSet) {
        let number = self.readings;
        self.readings += 1;
        let Some(strike) = self.strike.take_if(|strike| strike.reading == number) else { return };
        let about = addrs.iter().find_map(|addr| world.listener(*addr)).filter(|_| strike.aimed);
        let fault = about.map_or(strike.fault, |node| strike.fault.aimed(node, slots));
        self.tell(world, &format!("befalls the cluster: {fault:?}"));
        fault.apply(world);
        self.struck = Some(fault);
    }

    fn stop(&mut self, world: &mut World, plan: &Plan, end: &End) -> (u64, Option<Over>) {
        self.marks.extend(marks::of_end(end, plan));
        if *end != End::Done {
            self.tell(world, &format!("{end:?}"));
        }
        self.event = None;
        if self.record(Entry::RoundEnded { end: end.clone() }) {
            return (0, Some(Over::Killed));
        }
        let now = world.now - self.begun_ms;
        self.rounds.has_acted(now, self.sent, end);
        let Some(bug) = self.bug else { return (0, None) };
        if bug.begins_anew() {
            self.rounds = Rounds::new(self.policy.clone());
        }
        if bug.repeats_rounds() && *end == End::Done {
            let addrs = plan.nodes.values().filter_map(|at| addr_of(&at.host)).collect();
            self.looked = Some(world.ask(&addrs, Asked::default()));
            for number in 0..plan.steps.len() {
                self.journal.push(Entry::StepBegun { step: number });
                let _said = self.send(world, plan, number);
            }
        }
        let consented = bug == Bug::SilenceIsConsent && std::mem::take(&mut self.unanswered);
        if consented || (bug.believes(self.spoiled) && *end == End::Done) {
            return self.finish(world, Outcome::Healthy);
        }
        (0, None)
    }

    /// Sends a step; no reply: the tool was killed over it.
    fn send_and_tell(
        &mut self,
        world: &mut World,
        plan: &Plan,
        number: usize,
    ) -> (u64, Option<Reply>) {
        if self.happens(world, self.mishaps.killed) {
            self.marks.insert("killed before a send".to_owned());
            return (0, None);
        }
        self.sent += 1;
        let (ms, reply) = self.send(world, plan, number);
        let line = plan.steps.get(number).map(|step| {
            let (code, on) = (&step.mends, step.on.short());
            format!("{code} {on}: {} -> {reply:?}", step.change.line())
        });
        self.tell(world, &line.unwrap_or_default());
        if self.happens(world, self.mishaps.killed) {
            self.marks.insert("killed after a send".to_owned());
            return (ms, None);
        }
        let Some(bug) = self.bug else { return (ms, Some(reply)) };
        self.unanswered |= matches!(reply, Reply::Unknown(_));
        if let (Reply::Unknown(_), Some(step)) = (&reply, plan.steps.get(number)) {
            let lines = bug.sends_on_silence(world, step);
            self.misbehave(world, &lines);
        }
        (ms, Some(bug.spoil_reply(reply)))
    }

    fn killed(&mut self, how: &str) -> (u64, Option<Over>) {
        self.marks.insert(how.to_owned());
        (0, Some(Over::Killed))
    }

    /// What came up so far, with the reasons that the rounds gave.
    pub fn take_marks(&mut self) -> BTreeSet<String> {
        let reasons = self.rounds.reasons().iter();
        self.marks.extend(reasons.map(|reason| marks::of_reason(*reason)));
        std::mem::take(&mut self.marks)
    }

    /// For how long the tool stands still now, if it does.
    fn stalls(&self, world: &mut World) -> Option<u64> {
        let stalls = self.happens(world, self.mishaps.stalled / RECORDS_A_STEP);
        stalls.then(|| world.rng.u64(GUARD_HOLDS_MS + 1..3 * GUARD_HOLDS_MS))
    }

    fn happens(&self, world: &mut World, thousandths: u32) -> bool {
        thousandths > 0 && world.rng.u32(0..1_000) < thousandths
    }

    /// Sends a step as the shell does, and says how long it took.
    fn send(&mut self, world: &mut World, plan: &Plan, number: usize) -> (u64, Reply) {
        let Some(step) = plan.steps.get(number) else {
            return (0, Reply::Refused("no such step".to_owned()));
        };
        self.violations.extend(crash_safe::not_written_first(&self.journal, number));
        self.violations.extend(idempotent::needless(step, self.looked.as_ref()));
        let addr = plan.nodes.get(&step.on).and_then(|at| addr_of(&at.host));
        let addr = match self.bug {
            Some(bug) => bug.spoil_address(addr, step, self.looked.as_ref()),
            None => addr,
        };
        let reached = addr.and_then(|addr| world.listener(addr));
        let Some(n) = reached.filter(|n| world.is_reached(*n)) else {
            return (REPLY_MS, Reply::Refused("cannot reach it: timed out".to_owned()));
        };
        let asks = self.bug.is_none_or(|bug| !bug.asks_nobody());
        if asks && NodeId::made_up(world.nodes[n].id) != step.on {
            return (SEND_MS, Reply::Refused("another node answers there".to_owned()));
        }
        if self.happens(world, self.mishaps.command_lost) {
            return (REPLY_MS, Reply::Unknown("no reply".to_owned()));
        }
        let reply = self.carry_out(world, n, step);
        if self.happens(world, self.mishaps.reply_lost) {
            return (REPLY_MS, Reply::Unknown("no reply".to_owned()));
        }
        (SEND_MS, reply)
    }

    fn carry_out(&mut self, world: &mut World, n: usize, step: &Step) -> Reply {
        let first = self.deeds.len();
        let reply = self.carry_out_change(world, n, step);
        let agreed = step.risk >= Risk::DropsCopy;
        let read_at = self.guarded.as_ref().map(|(at_ms, _)| *at_ms);
        let known_at = read_at.filter(|at_ms| world.now - at_ms <= GUARD_MS);
        for deed in self.deeds.iter_mut().skip(first) {
            deed.agreed = agreed;
            deed.known_at = known_at.unwrap_or(deed.at);
        }
        reply
    }

    fn carry_out_change(&mut self, world: &mut World, n: usize, step: &Step) -> Reply {
        if let Change::MoveKeys { slot, at, .. } = &step.change {
            return self.move_keys(world, n, &slot.to_string(), &at.host);
        }
        let lines = step.change.commands();
        self.commands += lines.len();
        let reply = reply_of(lines.iter().map(|line| self.command(world, n, line)).collect());
        self.sends += 1;
        if self.sends % TWICE_EVERY == 1 {
            self.violations.extend(idempotent::sent_twice(world, n, &lines));
        }
        reply
    }

    /// One command line, with what it did to the world.
    fn command(&mut self, world: &mut World, n: usize, words: &[String]) -> Answer {
        let with_keys = never_worse::touches_keys(words);
        let before = never_worse::truth(world, &self.ledger, with_keys);
        let guarded = self.guarded.as_ref().filter(|(at_ms, _)| world.now - at_ms <= GUARD_MS);
        let guarded = guarded.map(|(_, fence)| fence);
        self.violations.extend(never_worse::usurps(world, n, words, guarded));
        let answer = Deed::carry_out(world, n, words, &mut self.deeds);
        let after = never_worse::truth(world, &self.ledger, with_keys);
        self.violations.extend(never_worse::check(&before, &after, words, guarded));
        answer
    }

    /// As `net::act::send` does it. A key that is at both ends goes when both have one version.
    fn move_keys(&mut self, world: &mut World, n: usize, slot: &str, to: &str) -> Reply {
        let mut differing = BTreeSet::new();
        loop {
            let count = (KEYS_A_ROUND + differing.len()).to_string();
            let ask = ["CLUSTER", "GETKEYSINSLOT", slot, &count].map(str::to_owned);
            let keys = match world.command(n, &ask) {
                Ok(keys) => keys,
                Err(text) => return Reply::Refused(text),
            };
            let keys: Vec<String> =
                keys.into_iter().filter(|key| !differing.contains(key)).collect();
            if keys.is_empty() {
                return if differing.is_empty() {
                    Reply::Accepted
                } else {
                    let names = differing.iter().take(3).cloned().collect();
                    Reply::Differ { count: differing.len() as u64, names }
                };
            }
            self.commands += 2;
            let replace = self.bug.is_some_and(Bug::replaces);
            match self.command(world, n, &migrate(to, &keys, replace)) {
                Ok(_) => {}
                Err(text) if text.contains("BUSYKEY") => {
                    let (same, differ) = compare(world, n, to, keys);
                    differing.extend(differ);
                    if !same.is_empty()
                        && let Err(text) = self.command(world, n, &migrate(to, &same, true))
                    {
                        return Reply::Unknown(text);
                    }
                }
                Err(text) if text.starts_with("IOERR") => return Reply::Unknown(text),
                Err(text) => return Reply::Refused(text),
            }
        }
    }
}

fn migrate(to: &str, keys: &[String], replace: bool) -> Vec<String> {
    let mut words: Vec<String> =
        ["MIGRATE", to, "6379", "", "0", "5000"].map(str::to_owned).to_vec();
    words.extend(replace.then(|| "REPLACE".to_owned()));
    words.push("KEYS".to_owned());
    words.extend_from_slice(keys);
    words
}

/// Keys that both ends have with one version, and those that differ.
fn compare(world: &World, n: usize, to: &str, keys: Vec<String>) -> (Vec<String>, Vec<String>) {
    let target = addr_of(to).and_then(|addr| world.listener(addr));
    let version = |at: usize, key: &String| world.nodes[at].keys.get(&key.parse().ok()?).copied();
    let there = |key: &String| target.and_then(|at| version(at, key));
    keys.into_iter()
        .filter(|key| version(n, key).is_some() && there(key).is_some())
        .partition(|key| version(n, key) == there(key))
}

/// The reply to all lines of a change, as the shell sums it up.
fn reply_of(answers: Vec<Answer>) -> Reply {
    let done = answers.iter().any(Result::is_ok);
    match answers.into_iter().find_map(Result::err) {
        None => Reply::Accepted,
        Some(text) if done => Reply::Unknown(text),
        Some(text) => Reply::Refused(text),
    }
}
