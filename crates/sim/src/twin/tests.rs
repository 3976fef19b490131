//! Tests of the twin, and clusters that the model broke for them.

use super::*;
use crate::trial::Script;
use slotwright_core::diagnose::diagnose;
use slotwright_core::observation::Said;
use slotwright_core::plan::plan as plan_for;

/// When the cluster is looked at.
const LOOK_AT_MS: u64 = 15_000;

/// What a look shows of a cluster that a random script broke.
pub(crate) fn broken(seed: u64) -> Observation {
    let script = Script::of(seed);
    let mut world = World::healthy(script.shape, seed);
    let begun = world.now;
    for (at, fault) in script.faults.iter().filter(|(at, _)| *at < LOOK_AT_MS) {
        world.advance(at.saturating_sub(world.now - begun));
        fault.apply(&mut world);
    }
    world.advance(LOOK_AT_MS.saturating_sub(world.now - begun));
    world.look(&world.nodes.iter().map(|node| node.addr).collect())
}

fn twin_of(seen: &Observation) -> (Plan, Twin) {
    let plan = plan_for(seen, &diagnose(seen), &Policy::default()).plan;
    let twin = Twin::of(seen, &plan, &Policy::default());
    (plan, twin)
}

fn codes(seen: &Observation) -> Vec<String> {
    let mut codes: Vec<String> = diagnose(seen).all().map(|found| found.code.clone()).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn a_twin_shows_the_same_findings_and_gets_the_same_plan() {
    let mut steps = 0;
    for seed in 1..=150 {
        let seen = broken(seed);
        let (plan, twin) = twin_of(&seen);
        let shown = twin.world(1).look(twin.seeds());
        assert_eq!(codes(&shown), codes(&seen), "state {seed}");
        let theirs = plan_for(&shown, &diagnose(&shown), &Policy::default()).plan;
        let lines = |plan: &Plan| -> Vec<String> {
            let line = |step: &slotwright_core::plan::Step| {
                format!("{} {} {:?} {:?}", step.on, step.change.line(), step.guard, step.expect)
            };
            plan.steps.iter().map(line).collect()
        };
        let translated = twin.names().plan(&plan).expect("all that it names is named");
        assert_eq!(lines(&theirs), lines(&translated), "state {seed}");
        steps += plan.steps.len();
    }
    assert!(steps > 300, "only {steps} steps were compared");
}

#[test]
fn who_is_silent_is_silent_in_the_same_way() {
    let shape = crate::world::Shape {
        primaries: 3,
        replicas_each: 1,
        kind: Kind::Redis70,
        keys: 60,
        timeout_ms: 2_000,
    };
    let mut world = World::healthy(shape, 1);
    world.stop(0);
    world.freeze(1, true);
    world.client_cut.insert(2);
    world.advance(8_000);
    let seen = world.look(&world.nodes.iter().map(|node| node.addr).collect());
    let (_, twin) = twin_of(&seen);
    let mut world = twin.world(1);
    let states: BTreeSet<(bool, bool, bool)> = (0..world.nodes.len())
        .filter(|n| !world.is_reached(*n))
        .map(|n| (world.nodes[n].up, world.nodes[n].frozen, world.client_cut.contains(&n)))
        .collect();
    let expected = [(false, false, false), (true, true, false), (true, false, true)];
    assert_eq!(states, expected.into());
    assert_eq!(twin.speaking().len(), 3);
    assert!(twin.return_the_silent(&mut world));
    assert!((0..6).all(|n| world.is_reached(n)));
}

#[test]
fn a_million_keys_stay_cheap_and_each_holder_stays_one() {
    let mut seen = broken(2);
    let full = |first: u16, last: u16| Census {
        counted: SlotSet::all(),
        keys: (first..=last).map(|slot| (slot, 60)).collect(),
    };
    for sighting in seen.sightings.iter_mut().filter(|one| one.census.get().is_some()) {
        sighting.census = Said::This(full(0, 16_383));
    }
    let (_, twin) = twin_of(&seen);
    let nodes = twin.world(1).nodes;
    let most = nodes.iter().map(|node| node.keys.len()).max();
    // Every slot has keys on nodes of other shards here: none may be left out.
    assert_eq!(most, Some(16_384));

    let mut seen = World::healthy(
        crate::world::Shape {
            primaries: 3,
            replicas_each: 1,
            kind: Kind::Redis82,
            keys: 60,
            timeout_ms: 2_000,
        },
        1,
    )
    .look(&[1].into());
    let ranges = [(0, 5_460), (5_461, 10_921), (10_922, 16_383)];
    for (n, sighting) in seen.sightings.iter_mut().enumerate() {
        let (first, last) = ranges[n % 3];
        sighting.census = Said::This(full(first, last));
    }
    let (_, twin) = twin_of(&seen);
    let world = twin.world(1);
    let total: usize = world.nodes.iter().map(|node| node.keys.len()).sum();
    assert!(total > 1_000 && total < 2 * KEYS_MODELLED, "{total}");
    assert_eq!(world.all_keys().len() * 2, total, "a replica has its primary's keys");
    assert!(twin.left_out.iter().any(|what| what.contains("one of")), "{:?}", twin.left_out);
}

#[test]
fn where_nobody_counted_a_replica_has_what_its_primary_has() {
    let (mut pairs, mut keys) = (0, 0);
    for seed in 1..=10 {
        let mut seen = broken(seed);
        seen.sightings.iter_mut().for_each(|sighting| sighting.census = Said::default());
        let (_, twin) = twin_of(&seen);
        let nodes = twin.world(1).nodes;
        for replica in nodes.iter().filter(|node| node.primary.is_some()) {
            let primary = nodes.iter().find(|node| Some(node.id) == replica.primary);
            assert_eq!(Some(&replica.keys), primary.map(|node| &node.keys), "state {seed}");
            pairs += 1;
        }
        keys += nodes.iter().map(|node| node.keys.len()).sum::<usize>();
        assert!(twin.left_out.iter().any(|what| what.contains("not counted")));
    }
    assert!(pairs > 0 && keys > 0);
}

#[test]
fn what_the_model_has_not_is_said() {
    let mut seen = broken(2);
    let first = seen.sightings.iter_mut().find(|one| one.info.get().is_some());
    let sighting = first.expect("one answers");
    if let Said::This(info) = &mut sighting.info {
        info.set("redis_version", "6.2.7");
        info.set("valkey_version", "8.0.1");
        info.set("db3", "keys=1");
    }
    if let Said::This(config) = &mut sighting.config {
        config.set("cluster-require-full-coverage", "no");
    }
    let (_, twin) = twin_of(&seen);
    let all = twin.left_out.into_iter().collect::<Vec<_>>().join("; ");
    for said in ["Valkey 8.0.1: taken for Valkey 9.1", "databases other", "full-coverage"] {
        assert!(all.contains(said), "{said}: {all}");
    }
}
