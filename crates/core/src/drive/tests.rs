//! The drive against a toy cluster on paper: what it sends, when, and what it never does.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::diagnose::{Risk, diagnose};
use crate::journal::Story;
use crate::model::{Endpoint, Flag, SlotSet};
use crate::observation::sketch::Sketch;
use crate::observation::{Census, LinkState, Picture, Said, Silence};
use crate::plan::{Change, Holds, Policy, Reason, SlotState};

/// A step that gives slot `slot` to node 1 in the table of node `on`.
fn step(on: usize, slot: u16, stage: u32) -> Step {
    let slots = SlotSet::range(slot, slot);
    let (owner, id) = (Sketch::id(1), Sketch::id(on));
    Step {
        mends: "SLOT_OWNER_DISAGREEMENT".to_owned(),
        on: id,
        change: Change::SetSlots { slots: slots.clone(), to: SlotState::Node(owner) },
        risk: Risk::MovesOwnership,
        why: String::new(),
        guard: vec![Fact::new(id, Holds::IsPrimary)],
        expect: vec![Fact::new(id, Holds::Owns { owner, slots })],
        within_ms: 1_000,
        stage,
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    let nodes = (0..3).map(|n| (Sketch::id(n), Sketch::at(n)));
    Plan {
        format: crate::plan::FORMAT,
        tool: "test".to_owned(),
        parent: String::new(),
        nodes: nodes.collect::<BTreeMap<_, Endpoint>>(),
        steps,
        loss: Vec::new(),
        census: Vec::new(),
    }
}

/// A cluster on paper that obeys, or does not.
struct World {
    sketch: Sketch,
    reply: fn(usize) -> Reply,
    /// Whether a step that was sent takes effect.
    takes_effect: fn(usize) -> bool,
    /// Looks after which an effect is seen.
    lag: u32,
    pending: Vec<(u32, usize, SlotSet)>,
    sent: Vec<usize>,
    entries: Vec<Entry>,
    now_ms: u64,
    /// How long a record takes.
    record_ms: u64,
    /// How long the second and later looks take.
    look_ms: u64,
    looks: u32,
    /// Node 0 is no primary any more in this look and after it.
    demoted_at: Option<u32>,
}

impl World {
    fn new() -> Self {
        Self {
            sketch: Sketch::healthy(3, 0),
            reply: |_| Reply::Accepted,
            takes_effect: |_| true,
            lag: 0,
            pending: Vec::new(),
            sent: Vec::new(),
            entries: Vec::new(),
            now_ms: 0,
            record_ms: 0,
            look_ms: 0,
            looks: 0,
            demoted_at: None,
        }
    }

    fn give(&mut self, on: usize, slots: &SlotSet) {
        for about in 0..3 {
            self.sketch.row(on, about, |row| row.slots = row.slots.difference(slots));
        }
        self.sketch.row(on, 1, |row| row.slots = row.slots.union(slots));
    }

    fn look(&mut self) -> Observation {
        self.looks += 1;
        if self.looks > 1 {
            self.now_ms += self.look_ms;
        }
        if self.demoted_at == Some(self.looks) {
            self.sketch.row(0, 0, |row| {
                row.flags = row.flags.without(Flag::Primary).with(Flag::Replica);
            });
        }
        let due = std::mem::take(&mut self.pending);
        for (lag, on, slots) in due {
            match lag {
                0 => self.give(on, &slots),
                _ => self.pending.push((lag - 1, on, slots)),
            }
        }
        self.sketch.build()
    }

    /// Runs a drive to its end, and holds what it does against the rules.
    fn run(&mut self, drive: &mut Drive) -> End {
        let mut story = Story::default();
        let begun = Entry::RunBegun { tool: String::new(), at_ms: 0, target: String::new() };
        story.take(&begun).expect("a beginning");
        let planned = Entry::Planned { plan: Box::new(drive.plan().clone()) };
        story.take(&planned).expect("a round");
        let mut event = None;
        for _ in 0..10_000 {
            event = Some(match drive.next(self.now_ms, event.take()) {
                Next::Look { .. } => Event::Looked(self.look()),
                Next::Record(entry) => {
                    story.take(&entry).expect("entries are in order");
                    self.entries.push(entry);
                    self.now_ms += self.record_ms;
                    Event::Recorded
                }
                Next::Send(number) => {
                    assert_eq!(self.entries.last(), Some(&Entry::StepBegun { step: number }));
                    assert!(!self.sent.contains(&number), "step {number} was sent twice");
                    self.sent.push(number);
                    self.obey(drive.plan(), number)
                }
                Next::Pause(ms) => {
                    self.now_ms += ms;
                    Event::Paused
                }
                Next::Stop(end) => return end,
            });
        }
        panic!("the drive does not end");
    }

    fn obey(&mut self, plan: &Plan, number: usize) -> Event {
        let step = &plan.steps[number];
        let on = (0..3).find(|n| Sketch::id(*n) == step.on).expect("a node of the sketch");
        if let (Change::SetSlots { slots, .. }, true) = (&step.change, (self.takes_effect)(number))
        {
            self.pending.push((self.lag, on, slots.clone()));
        }
        Event::Sent((self.reply)(number))
    }
}

#[test]
fn every_step_is_recorded_sent_and_seen() {
    let mut world = World::new();
    let steps = vec![step(0, 5, 0), step(2, 5, 0), step(0, 6, 1)];
    assert_eq!(world.run(&mut Drive::new(plan(steps))), End::Done);
    assert_eq!(world.sent, [0, 1, 2]);
    let seen = |step| Entry::StepEnded { step, ended: Ended::Seen };
    for step in 0..3 {
        assert!(world.entries.contains(&seen(step)), "{:?}", world.entries);
    }
}

#[test]
fn a_stage_waits_for_the_one_before_it() {
    let mut world = World::new();
    world.lag = 5;
    let steps = vec![step(0, 5, 0), step(2, 5, 0), step(0, 6, 1)];
    assert_eq!(world.run(&mut Drive::new(plan(steps))), End::Done);
    let at = |entry: &Entry| world.entries.iter().position(|e| e == entry).expect("recorded");
    let seen = |step| Entry::StepEnded { step, ended: Ended::Seen };
    assert!(at(&Entry::StepBegun { step: 1 }) < at(&seen(0)), "a stage is sent at once");
    assert!(at(&seen(0)) < at(&Entry::StepBegun { step: 2 }));
    assert!(at(&seen(1)) < at(&Entry::StepBegun { step: 2 }));
}

#[test]
fn what_is_so_already_is_not_sent() {
    let mut world = World::new();
    let steps = vec![step(0, 5, 0), step(2, 5, 1)];
    assert_eq!(world.run(&mut Drive::new(plan(steps.clone()))), End::Done);
    let mut again = Drive::new(plan(steps));
    world.sent.clear();
    assert_eq!(world.run(&mut again), End::Done);
    assert!(world.sent.is_empty(), "running a plan twice is running it once");
}

#[test]
fn a_guard_that_does_not_hold_stops_before_anything_is_sent() {
    let mut world = World::new();
    world.sketch.row(0, 0, |row| {
        row.flags = row.flags.without(crate::model::Flag::Primary);
    });
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0)])));
    assert!(matches!(end, End::Changed { step: 0, .. }), "{end:?}");
    assert!(world.sent.is_empty());
}

#[test]
fn a_silent_node_stops_before_anything_is_sent() {
    let mut world = World::new();
    world.sketch.silence(0, crate::observation::Silence::Refused, None);
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0)])));
    assert!(matches!(end, End::Blind { step: 0, .. }), "{end:?}");
    assert!(world.sent.is_empty());
}

#[test]
fn a_refusal_stops_and_nothing_is_sent_after_it() {
    let mut world = World::new();
    world.reply = |_| Reply::Refused("ERR no".to_owned());
    world.takes_effect = |_| false;
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0), step(2, 5, 0)])));
    assert_eq!(end, End::Refused { step: 0, reply: "ERR no".to_owned() });
    assert_eq!(world.sent, [0]);
}

#[test]
fn no_reply_is_neither_done_nor_failed_until_it_is_looked_at() {
    let unknown = |_| Reply::Unknown("closed".to_owned());
    let mut world = World::new();
    world.reply = unknown;
    assert_eq!(world.run(&mut Drive::new(plan(vec![step(0, 5, 0)]))), End::Done);
    let mut world = World::new();
    world.reply = unknown;
    world.takes_effect = |_| false;
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0), step(2, 5, 1)])));
    assert!(matches!(end, End::NotSeen { step: 0, .. }), "{end:?}");
    assert_eq!(world.sent, [0]);
}

#[test]
fn an_agreement_is_not_believed() {
    let mut world = World::new();
    world.takes_effect = |number| number != 0;
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0), step(2, 5, 0)])));
    assert!(matches!(end, End::NotSeen { step: 0, .. }), "{end:?}");
    assert!(world.now_ms >= 1_000, "it was waited for");
    assert!(world.entries.contains(&Entry::StepEnded { step: 1, ended: Ended::Seen }));
}

#[test]
fn an_interrupt_ends_the_step_at_hand_and_begins_no_other() {
    let mut world = World::new();
    let mut drive = Drive::new(plan(vec![step(0, 5, 0), step(2, 5, 1)]));
    drive.interrupt();
    assert_eq!(world.run(&mut drive), End::Interrupted { step: 0 });
    assert!(world.sent.is_empty());
}

#[test]
fn keys_that_differ_end_their_step_and_not_the_round() {
    let mut world = World::new();
    world.reply = |number| match number {
        0 => Reply::Differ { count: 2, names: vec!["a".to_owned()] },
        _ => Reply::Accepted,
    };
    let mut first = step(0, 5, 0);
    let (slot, to) = (crate::model::Slot::new(5).expect("a slot"), Sketch::id(1));
    first.change = Change::MoveKeys { slot, to, at: Sketch::at(1) };
    first.expect = vec![Fact::new(Sketch::id(0), Holds::KnowsNot { about: to })];
    let end = world.run(&mut Drive::new(plan(vec![first, step(2, 6, 1)])));
    let (holder, owner, names) = (Sketch::id(0), to, vec!["a".to_owned()]);
    assert_eq!(end, End::Differ { keys: vec![Differing { holder, owner, slot, count: 2, names }] });
    assert_eq!(world.sent, [0, 1], "what does not hang on them goes on");
}

#[test]
fn a_run_that_stood_still_before_a_step_looks_anew() {
    for (record_ms, looks) in [(GUARD_FRESH_MS, 2), (GUARD_FRESH_MS + 1, 3)] {
        let mut world = World::new();
        world.record_ms = record_ms;
        assert_eq!(world.run(&mut Drive::new(plan(vec![step(0, 5, 0)]))), End::Done);
        assert_eq!(world.looks, looks, "the guard, again if it is old, and the outcome");
    }
}

#[test]
fn what_changed_while_a_step_was_recorded_stops_it() {
    let mut world = World::new();
    world.record_ms = GUARD_FRESH_MS + 1;
    world.demoted_at = Some(2);
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0)])));
    assert!(matches!(&end, End::Changed { step: 0, .. }), "{end:?}");
    assert_refused(&world);
}

#[test]
fn a_run_that_stands_still_at_the_last_look_sends_nothing() {
    let mut world = World::new();
    world.record_ms = GUARD_FRESH_MS + 1;
    world.look_ms = GUARD_HOLDS_MS + 1;
    let end = world.run(&mut Drive::new(plan(vec![step(0, 5, 0)])));
    assert!(
        matches!(&end, End::Changed { step: 0, fact } if fact.contains("stood still")),
        "{end:?}"
    );
    assert_refused(&world);
}

fn assert_refused(world: &World) {
    assert!(world.sent.is_empty());
    let last = world.entries.last();
    assert!(matches!(last, Some(Entry::StepReplied { reply: Reply::Refused(_), .. })), "{last:?}");
}

#[test]
fn nothing_is_called_healthy_while_an_owner_is_not_heard() {
    let mut sketch = Sketch::healthy(3, 1);
    sketch.silence(0, Silence::TimedOut, None);
    let decide = |seen: &Observation| {
        let mut rounds = Rounds::new(Policy::default());
        let report = diagnose(seen);
        let _unsure = rounds.decide(0, seen, &report);
        rounds.decide(60_000, seen, &report)
    };
    let Decision::Finished(Outcome::Stuck(refusals)) = decide(&sketch.build()) else {
        panic!("its own table may give up what the others say is its own")
    };
    assert!(refusals.iter().any(|refusal| refusal.code == "OWNER_NOT_HEARD"), "{refusals:?}");
    for why in [Silence::NoReply, Silence::Closed] {
        let mut blind = Sketch::healthy(3, 1);
        for node in 0..6 {
            blind.silence(node, why.clone(), None);
        }
        let blind = blind.build();
        let Decision::Finished(Outcome::Stuck(refusals)) = decide(&blind) else {
            panic!("nobody showed a table: {why:?}")
        };
        assert!(!refusals.is_empty(), "{why:?}");
    }
    let mut sketch = Sketch::healthy(3, 1);
    sketch.silence(3, Silence::TimedOut, None);
    let replica = decide(&sketch.build());
    assert_eq!(replica, Decision::Finished(Outcome::Healthy), "a replica serves no slot");
}

/// A look, and a second one, which says that what the first showed lasts.
fn decide_twice(rounds: &mut Rounds, now_ms: u64, seen: &Observation) -> Decision {
    let report = diagnose(seen);
    let _unsure = rounds.decide(now_ms, seen, &report);
    rounds.decide(now_ms + 200, seen, &report)
}

/// Node 0 of three is in nobody's table but its own.
fn forgotten_by_the_others() -> Observation {
    let mut sketch = Sketch::healthy(3, 0);
    let forgotten = Sketch::id(0);
    for observer in 1..3 {
        let table = sketch.nodes[observer].table.as_mut().expect("a table");
        table.retain(|row| row.id != forgotten);
    }
    sketch.build()
}

#[test]
fn what_was_quiet_before_a_ban_does_not_count_after_it() {
    let banned = forgotten_by_the_others();
    let mut sketch = Sketch::healthy(3, 0);
    sketch.cluster_info(1, "cluster_state", "fail");
    let says_fail = sketch.build();

    let mut rounds = Rounds::new(Policy::default());
    for turn in 0..2 {
        let acts = decide_twice(&mut rounds, turn * 1_000, &banned);
        assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
        rounds.has_acted(turn * 1_000 + 500, 1, &End::Done);
    }
    let waits = |decision: &Decision, what: &str| {
        assert!(
            matches!(decision, Decision::LookAgain { why, .. } if why.contains(what)),
            "{decision:?}"
        );
    };
    waits(&decide_twice(&mut rounds, 2_000, &banned), "cannot be met again");
    waits(&decide_twice(&mut rounds, 3_000, &says_fail), "take in what was done");
    waits(&decide_twice(&mut rounds, 4_000, &banned), "cannot be met again");
    waits(&decide_twice(&mut rounds, 50_000, &banned), "cannot be met again");
    waits(&decide_twice(&mut rounds, 51_000, &says_fail), "take in what was done");
    // It is not waited for without end.
    let end = decide_twice(&mut rounds, 120_000, &says_fail);
    assert!(matches!(end, Decision::Finished(Outcome::Stuck(_))), "{end:?}");
}

#[test]
fn a_forget_that_the_servers_pass_on_is_waited_for_and_not_without_end() {
    let mut sketch = Sketch::healthy(3, 1);
    let gone = Sketch::id(4);
    sketch.nodes[1].table.as_mut().expect("a table").retain(|row| row.id != gone);
    // A shard is down meanwhile: without that nothing is left to be done.
    for node in [0, 3, 4] {
        sketch.silence(node, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(node, Flag::Failed, LinkState::Disconnected);
    }
    let seen = sketch.build();
    let mut rounds = Rounds::new(Policy::default());
    let waits = decide_twice(&mut rounds, 0, &seen);
    assert!(matches!(waits, Decision::LookAgain { .. }), "{waits:?}");
    let end = decide_twice(&mut rounds, 60_000, &seen);
    let Decision::Finished(Outcome::Stuck(refusals)) = end else { panic!("{end:?}") };
    assert!(refusals.iter().any(|refusal| refusal.code == "FORGET_NODE_RETURNS"), "{refusals:?}");
}

#[test]
fn a_member_that_runs_and_was_forgotten_by_one_is_waited_for_until_the_ban_is_over() {
    let mut sketch = Sketch::healthy(3, 1);
    let banned = Sketch::id(4);
    sketch.nodes[0].table.as_mut().expect("a table").retain(|row| row.id != banned);
    let given = sketch.build();
    let given = Picture::new(&given).slots_of(Sketch::id(1));
    // It is for that one that the slots of another are not settled.
    sketch.row(0, 1, |row| row.slots = SlotSet::new());
    sketch.row(0, 2, |row| row.slots = row.slots.union(&given));
    let seen = sketch.build();
    let mut rounds = Rounds::new(Policy::default());
    let waits = decide_twice(&mut rounds, 30_000, &seen);
    assert!(matches!(waits, Decision::LookAgain { .. }), "{waits:?}");
    let waits = decide_twice(&mut rounds, 60_000, &seen);
    assert!(matches!(waits, Decision::LookAgain { .. }), "{waits:?}");
    let end = decide_twice(&mut rounds, 120_000, &seen);
    assert!(matches!(end, Decision::Finished(Outcome::Stuck(_))), "{end:?}");
}

#[test]
fn who_is_banned_and_comes_and_goes_is_met_again_after_the_ban() {
    let seen = forgotten_by_the_others();
    let mut rounds = Rounds::new(Policy::default());
    let acts = decide_twice(&mut rounds, 0, &seen);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
    // When it was to be met it was there.
    rounds.has_acted(500, 0, &End::Done);
    let waits = decide_twice(&mut rounds, 1_000, &seen);
    assert!(
        matches!(&waits, Decision::LookAgain { why, .. } if why.contains("banned")),
        "{waits:?}"
    );
    let acts = rounds.decide(62_000, &seen, &diagnose(&seen));
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
}

#[test]
fn an_heir_without_keys_is_healthy_when_the_user_agreed_to_that() {
    let mut sketch = Sketch::healthy(3, 0);
    sketch.silence(0, Silence::Refused, Some(Silence::Refused));
    sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
    let mut dead = sketch.build();
    for sighting in dead.sightings.iter_mut().filter(|sighting| sighting.nodes.get().is_some()) {
        sighting.census = Said::This(Census { counted: SlotSet::all(), keys: Vec::new() });
    }
    let mut sketch = Sketch::healthy(3, 0);
    sketch.info(0, "db0", "keys=1000,expires=0").info(2, "db0", "keys=1000,expires=0");
    sketch.info(1, "uptime_in_seconds", "30");
    sketch.config(1, "save", "").config(1, "appendonly", "no");
    let heir_is_empty = sketch.build();

    let mut agreed =
        Rounds::new(Policy { gone: BTreeSet::from([Sketch::id(0).short()]), ..Policy::default() });
    let acts = decide_twice(&mut agreed, 0, &dead);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
    agreed.has_acted(500, 1, &End::Done);
    let end = decide_twice(&mut agreed, 60_000, &heir_is_empty);
    assert_eq!(end, Decision::Finished(Outcome::Healthy));
    let end = decide_twice(&mut Rounds::new(Policy::default()), 60_000, &heir_is_empty);
    let Decision::Finished(Outcome::Stuck(refusals)) = end else { panic!("{end:?}") };
    assert!(refusals.iter().any(|refusal| refusal.code == "EMPTY_PRIMARY_RESTART_WIPED_SHARD"));
}

#[test]
fn what_our_user_may_not_do_is_not_tried_again() {
    let seen = forgotten_by_the_others();
    let after = |reply: &str| {
        let mut rounds = Rounds::new(Policy::default());
        let acts = decide_twice(&mut rounds, 0, &seen);
        assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
        rounds.has_acted(500, 1, &End::Refused { step: 0, reply: reply.to_owned() });
        decide_twice(&mut rounds, 1_000, &seen)
    };
    let once_more = after("ERR busy");
    assert!(matches!(once_more, Decision::Act(_)), "{once_more:?}");
    let end = after("NOPERM User ops has no permissions to run the 'cluster|meet' command");
    let Decision::Finished(Outcome::Stuck(refusals)) = end else { panic!("{end:?}") };
    let whys: Vec<&String> = refusals.iter().map(|refusal| &refusal.why).collect();
    assert!(
        whys.iter().any(|why| why.contains("10.0.0.") && why.contains("ACL SETUSER")),
        "{whys:?}"
    );
}

#[test]
fn what_was_done_is_not_over_before_replicas_have_the_data_of_their_primaries() {
    let lost = forgotten_by_the_others();
    let mut sketch = Sketch::healthy(3, 1);
    sketch.info(3, "master_link_status", "down").info(3, "master_sync_in_progress", "1");
    let copying = sketch.build();
    let mut rounds = Rounds::new(Policy::default());
    let end = decide_twice(&mut rounds, 0, &copying);
    assert_eq!(end, Decision::Finished(Outcome::Healthy), "nothing was done");

    let acts = decide_twice(&mut rounds, 1_000, &lost);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
    rounds.has_acted(2_000, 1, &End::Done);
    let patience = Policy::default().patience_ms;
    let waits = decide_twice(&mut rounds, 70_000, &copying);
    assert!(
        matches!(&waits, Decision::LookAgain { why, .. } if why.contains("gets the data")),
        "{waits:?}"
    );
    let end = decide_twice(&mut rounds, 71_000 + patience, &copying);
    assert_eq!(end, Decision::Finished(Outcome::Healthy), "not for ever");
}

#[test]
fn who_was_missing_in_a_look_and_is_there_must_stay_though_nobody_of_us_met_it() {
    let before = forgotten_by_the_others();
    let after = Sketch::healthy(3, 0).build();
    let mut rounds = Rounds::new(Policy::default());
    let _unsure = rounds.decide(0, &before, &diagnose(&before));
    let waits = decide_twice(&mut rounds, 500, &after);
    assert!(
        matches!(&waits, Decision::LookAgain { why, .. } if why.contains("whether it stays")),
        "{waits:?}"
    );
    let end = rounds.decide(30_000, &after, &diagnose(&after));
    assert_eq!(end, Decision::Finished(Outcome::Healthy));
}

#[test]
fn keys_whose_count_broke_off_are_counted_again_before_anything_is_planned() {
    let mut seen = forgotten_by_the_others();
    seen.sightings[1].census = Said::Nothing(Silence::NoReply);
    let mut rounds = Rounds::new(Policy::default());
    let waits = decide_twice(&mut rounds, 0, &seen);
    assert!(
        matches!(&waits, Decision::LookAgain { why, .. } if why.contains("counted to the end")),
        "{waits:?}"
    );
    assert!(rounds.reasons().contains(&Reason::CountBrokeOff));
    // A node that never tells is not waited for without end.
    let acts = decide_twice(&mut rounds, 60_000, &seen);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
    // Who may not be asked is not asked again.
    seen.sightings[1].census = Said::Nothing(Silence::Denied("NOPERM".to_owned()));
    let acts = decide_twice(&mut Rounds::new(Policy::default()), 0, &seen);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
}

#[test]
fn a_state_that_fails_while_a_member_comes_and_goes_is_waited_for_until_the_ban_is_over() {
    let banned = forgotten_by_the_others();
    let mut sketch = Sketch::healthy(3, 0);
    sketch.cluster_info(1, "cluster_state", "fail");
    let says_fail = sketch.build();
    let mut rounds = Rounds::new(Policy::default());
    let acts = decide_twice(&mut rounds, 0, &banned);
    assert!(matches!(acts, Decision::Act(_)), "{acts:?}");
    rounds.has_acted(500, 1, &End::Done);
    for at_ms in [15_000, 30_000, 45_000, 60_000] {
        let waits = decide_twice(&mut rounds, at_ms, &says_fail);
        assert!(matches!(waits, Decision::LookAgain { .. }), "{at_ms}: {waits:?}");
    }
    let end = decide_twice(&mut rounds, 90_000, &says_fail);
    assert!(matches!(end, Decision::Finished(Outcome::Stuck(_))), "{end:?}");
}
