//! slotwright inside the world: the real [`Rounds`] and [`Drive`], step by step, so that two of
//! them can take turns.

use std::collections::BTreeSet;

use slotwright_core::diagnose::{Risk, diagnose};
use slotwright_core::drive::{Decision, Drive, End, Event, Next, Outcome, Reply, Rounds};
use slotwright_core::journal::Entry;
use slotwright_core::model::NodeId;
use slotwright_core::plan::{Change, KEYS_A_ROUND, Plan, Policy};

use crate::commands::{Answer, addr_of};
use crate::server::Addr;
use crate::trial::Bug;
use crate::world::World;

/// A look at a cluster takes so long.
const LOOK_MS: u64 = 15;
/// A wait between looks is so many times as long as it should be: a look costs more than anything
/// else in a schedule, and a shell may be slow.
const LAZY: u64 = 3;
/// A command takes so long.
const SEND_MS: u64 = 2;
/// How long an answer is waited for.
const REPLY_MS: u64 = 5_000;

/// What may go wrong between the tool and a server, in thousandths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mishaps {
    /// The command is carried out and its answer is lost.
    pub reply_lost: u32,
    /// The command never arrives, and no answer comes.
    pub command_lost: u32,
    /// The tool is killed: before or after a command, or after a line of its journal.
    pub killed: u32,
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
    bug: Option<Bug>,
    begun_ms: u64,
    rounds: Rounds,
    drive: Option<Drive>,
    event: Option<Event>,
    sent: usize,
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
        Self {
            seeds: world.nodes.iter().map(|node| node.addr).collect(),
            mishaps,
            bug,
            begun_ms: world.now,
            rounds: Rounds::new(policy.clone()),
            drive: None,
            event: None,
            sent: 0,
            story: Vec::new(),
            commands: 0,
            journal: Vec::new(),
            marks: BTreeSet::new(),
        }
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

    fn decide(&mut self, world: &World) -> (u64, Option<Over>) {
        let seen = world.look(&self.seeds);
        let report = diagnose(&seen);
        self.marks.extend(report.all().map(|found| found.code.clone()));
        match self.rounds.decide(world.now - self.begun_ms, &seen, &report) {
            Decision::Finished(outcome) => (LOOK_MS, Some(Over::Ended(outcome))),
            Decision::LookAgain { in_ms, why } => {
                self.tell(world, &format!("waits: {why}"));
                (LOOK_MS + in_ms * LAZY, None)
            }
            Decision::Act(planning) => {
                let mut plan = planning.plan;
                if plan.risk() >= Risk::MayLoseData {
                    return (LOOK_MS, Some(Over::Declined));
                }
                if let Some(bug) = self.bug {
                    plan = bug.spoil_plan(plan, &seen);
                }
                self.sent = 0;
                self.drive = Some(Drive::new(plan));
                (LOOK_MS, None)
            }
        }
    }

    fn tell(&mut self, world: &World, what: &str) {
        if self.story.last().is_none_or(|last| !last.ends_with(what)) {
            self.story.push(format!("{:>8} {what}", world.now - self.begun_ms));
        }
    }

    fn go_on(&mut self, world: &mut World) -> (u64, Option<Over>) {
        let Some(mut drive) = self.drive.take() else { return (0, None) };
        let next = drive.next(world.now - self.begun_ms, self.event.take());
        let mut took = 0;
        match next {
            Next::Look { nodes, slots, .. } => {
                let at = |id: &NodeId| addr_of(&drive.plan().nodes.get(id)?.host);
                let addrs: BTreeSet<Addr> = nodes.iter().filter_map(at).collect();
                let counted = (!slots.is_empty()).then_some(&slots);
                self.event = Some(Event::Looked(world.ask(&addrs, counted, false)));
                took = LOOK_MS;
            }
            Next::Record(entry) => {
                self.journal.push(entry);
                self.event = Some(Event::Recorded);
            }
            Next::Pause(ms) => {
                self.event = Some(Event::Paused);
                took = ms;
            }
            Next::Send(number) => {
                if self.happens(world, self.mishaps.killed) {
                    return (0, Some(Over::Killed));
                }
                self.sent += 1;
                let (ms, reply) = self.send(world, drive.plan(), number);
                let line = drive.plan().steps.get(number).map(|step| {
                    let (code, on) = (&step.mends, step.on.short());
                    format!("{code} {on}: {} -> {reply:?}", step.change.line())
                });
                self.tell(world, &line.unwrap_or_default());
                if self.happens(world, self.mishaps.killed) {
                    return (ms, Some(Over::Killed));
                }
                let reply = self.bug.map_or(reply.clone(), |bug| bug.spoil_reply(reply));
                self.event = Some(Event::Sent(reply));
                took = ms;
            }
            Next::Stop(end) => {
                self.marks.insert(end_name(&end).to_owned());
                if end != End::Done {
                    self.tell(world, &format!("{end:?}"));
                }
                let now = world.now - self.begun_ms;
                self.rounds.has_acted(now, self.sent, &end);
                self.event = None;
                return (0, None);
            }
        }
        self.drive = Some(drive);
        (took, None)
    }

    fn happens(&self, world: &mut World, thousandths: u32) -> bool {
        thousandths > 0 && world.rng.u32(0..1_000) < thousandths
    }

    /// Sends a step as the shell does, and says how long it took.
    fn send(&mut self, world: &mut World, plan: &Plan, number: usize) -> (u64, Reply) {
        let Some(step) = plan.steps.get(number) else {
            return (0, Reply::Refused("no such step".to_owned()));
        };
        let addr = plan.nodes.get(&step.on).and_then(|at| addr_of(&at.host));
        let reached = addr.and_then(|addr| world.listener(addr));
        let Some(n) = reached.filter(|n| world.is_reached(*n)) else {
            return (REPLY_MS, Reply::Refused("cannot reach it: timed out".to_owned()));
        };
        if self.happens(world, self.mishaps.command_lost) {
            return (REPLY_MS, Reply::Unknown("no reply".to_owned()));
        }
        let reply = match &step.change {
            Change::MoveKeys { slot, at, .. } => {
                self.move_keys(world, n, &slot.to_string(), &at.host)
            }
            change => {
                let lines = change.commands();
                self.commands += lines.len();
                reply_of(lines.iter().map(|line| world.command(n, line)).collect())
            }
        };
        if self.happens(world, self.mishaps.reply_lost) {
            return (REPLY_MS, Reply::Unknown("no reply".to_owned()));
        }
        (SEND_MS, reply)
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
            match world.command(n, &migrate(to, &keys, false)) {
                Ok(_) => {}
                Err(text) if text.contains("BUSYKEY") => {
                    let (same, differ) = compare(world, n, to, keys);
                    differing.extend(differ);
                    if !same.is_empty()
                        && let Err(text) = world.command(n, &migrate(to, &same, true))
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

const fn end_name(end: &End) -> &'static str {
    match end {
        End::Done => "drive: done",
        End::Changed { .. } => "drive: a guard did not hold",
        End::Blind { .. } => "drive: a guard could not be told",
        End::Refused { .. } => "drive: refused",
        End::NotSeen { .. } => "drive: what was expected did not come",
        End::Differ { .. } => "drive: keys differ",
        End::Interrupted { .. } => "drive: interrupted",
    }
}
