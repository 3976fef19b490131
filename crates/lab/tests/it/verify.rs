//! Verifying real clusters: what is whole passes, what is broken is named, and nothing of ours is
//! left behind, also when a node hangs in the middle.

use std::time::Duration;

use slotwright_core::model::Endpoint;
use slotwright_core::observation::{Observation, Said};
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_core::verify::{Gathered, Outcome, Verification, What, verify};
use slotwright_lab::client::{Client, Value};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;
use slotwright_net::act::{ActToken, canary::canaries, names_held_twice};
use slotwright_net::{Limits, Target, block_on, observe_and_trust};

const KEYS: usize = 2_000;

/// Builds and breaks a cluster, on each server.
fn on_each(scenario: &Scenario, then: impl Fn(Server, &mut Cluster)) {
    let binaries = servers::ensure(&Server::ALL, &|_| {}).expect("the servers");
    for server in Server::ALL {
        let mut cluster = Cluster::build(scenario, server, &binaries).expect("a cluster");
        for act in &scenario.acts {
            cluster.act(act).expect("the act");
        }
        then(server, &mut cluster);
    }
}

fn target(cluster: &mut Cluster) -> Target {
    let seed = cluster.addresses(&[0])[0];
    let mut target = Target::new(vec![Endpoint::new(seed.ip().to_string(), seed.port())]);
    target.census = true;
    target
}

/// All of `slotwright verify`, with what happens once the canaries are written.
fn verified(target: &Target, meanwhile: impl FnOnce()) -> (Verification, Observation) {
    let limits = Limits::default();
    block_on(async {
        let (seen, trusted) = observe_and_trust(target, &limits).await;
        let gathered = Gathered { before: None, after: &seen, canaries: None, names: &[] };
        let held = verify(&gathered).held_twice;
        let token = ActToken::agreed();
        let names = names_held_twice(target, &limits, (&seen, &trusted), &held, &token).await;
        let never = async {
            meanwhile();
            std::future::pending().await
        };
        let told = canaries(target, &limits, (&seen, &trusted), "test1", token, never).await;
        let gathered = Gathered { canaries: Some(&told), names: &names, ..gathered };
        (verify(&gathered), seen)
    })
    .expect("a runtime")
}

fn says(verification: &Verification, what: What) -> &Outcome {
    &verification.check(what).expect("asked for").outcome
}

fn sizes(cluster: &mut Cluster, nodes: usize) -> Vec<Value> {
    (0..nodes).map(|node| cluster.ask(node, "DBSIZE").expect("a size")).collect()
}

fn nothing_is_left(cluster: &mut Cluster) {
    for node in 0..3 {
        let answer = cluster.ask(node, "KEYS slotwright:*").expect("an answer");
        assert_eq!(answer, Value::List(Vec::new()), "node {node}");
    }
}

#[test]
fn a_healthy_cluster_passes_and_nothing_is_left_behind() {
    on_each(&Scenario::of(3, 1).keys(KEYS), |server, cluster| {
        let before = sizes(cluster, 6);
        let (whole, _) = verified(&target(cluster), || {});
        assert!(!whole.has_failed() && whole.is_complete(), "{server:?}: {whole:#?}");
        assert_eq!(whole.checks.len(), 10);
        let keys: u64 = whole.distribution.iter().map(|share| share.keys).sum();
        assert_eq!(keys, KEYS as u64);
        assert_eq!(whole.canaries.len(), 3, "one in the only range of each primary");
        for canary in &whole.canaries {
            assert_eq!((canary.read_from, canary.not_read_from), (6, 0), "{canary:?}");
            assert_eq!(canary.removed, Said::This(true));
        }
        nothing_is_left(cluster);
        // A replica is told of the removal a moment later.
        cluster.wait(&Until::Settled, 10_000).expect("settled");
        for (node, size) in before.iter().enumerate() {
            let size = size.text();
            cluster.wait(&Until::Answers(node, "DBSIZE".to_owned(), size), 10_000).expect("equal");
        }
    });
}

#[test]
fn a_hole_fails_the_coverage() {
    let scenario =
        Scenario::of(3, 0).send_all("CLUSTER DELSLOTS 100 101").wait(Until::State(0, "fail"));
    on_each(&scenario, |server, cluster| {
        let (broken, _) = verified(&target(cluster), || {});
        let coverage = says(&broken, What::Coverage);
        let expected = Outcome::Failed("2 slots without an owner: 100-101".to_owned());
        assert_eq!(coverage, &expected, "{server:?}");
        assert!(matches!(says(&broken, What::State), Outcome::Failed(_)), "{broken:#?}");
        assert!(matches!(says(&broken, What::Canary), Outcome::Failed(_)), "{broken:#?}");
    });
}

#[test]
fn keys_in_a_foreign_slot_are_named() {
    on_each(&Scenario::of(3, 0).send(0, "DEBUG POPULATE 60 stray"), |server, cluster| {
        let (broken, _) = verified(&target(cluster), || {});
        let [misplaced] = &broken.misplaced[..] else { panic!("{server:?}: {broken:#?}") };
        // A third of the names hashes into the slots of the node itself, more or less.
        assert!((20..60).contains(&misplaced.keys), "{misplaced:?}");
        assert!(matches!(says(&broken, What::KeysAtHome), Outcome::Failed(_)));
        assert!(matches!(says(&broken, What::KeysHeldOnce), Outcome::Passed(_)));
    });
}

#[test]
fn keys_on_two_primaries_are_named_one_by_one() {
    let scenario = Scenario::of(3, 0).keys(300).send(1, "DEBUG POPULATE 300 key");
    on_each(&scenario, |server, cluster| {
        let (broken, seen) = verified(&target(cluster), || {});
        let first = broken.held_twice.first().expect("held twice");
        let names = first.names.get().expect("told");
        assert!(
            !names.is_empty() && names.iter().all(|name| name.starts_with("key:")),
            "{first:?}"
        );
        assert!(first.compared);
        assert!(matches!(says(&broken, What::KeysHeldOnce), Outcome::Failed(_)), "{server:?}");
        // Only the slots were counted in the look: names are asked apart.
        assert!(!serde_json::to_string(&seen).expect("a file").contains("key:1"));
    });
}

#[test]
fn a_node_that_hangs_in_the_middle_keeps_no_canary() {
    let scenario = Scenario::of(3, 0).keys(KEYS).node_timeout_ms(15_000);
    on_each(&scenario, |server, cluster| {
        let before = sizes(cluster, 3);
        let mut target = target(cluster);
        target.timeout = Duration::from_secs(1);
        let (hung, _) = verified(&target, || cluster.act(&Act::Freeze(1)).expect("frozen"));
        let stuck = hung.canaries.iter().filter(|one| one.removed.get().is_none()).count();
        assert_eq!(stuck, 1, "{server:?}: {hung:#?}");
        assert!(matches!(says(&hung, What::Canary), Outcome::Failed(_)));
        assert!(hung.canaries.iter().all(|one| one.written == Said::This(true)));
        cluster.act(&Act::Thaw(1)).expect("thawed");
        after_the_thaw(cluster, &before);
    });
}

#[test]
fn a_node_that_hangs_before_the_first_write_keeps_no_canary() {
    let scenario = Scenario::of(3, 0).keys(KEYS).node_timeout_ms(15_000);
    on_each(&scenario, |server, cluster| {
        let before = sizes(cluster, 3);
        let mut target = target(cluster);
        let limits = Limits::default();
        let (seen, trusted) = block_on(observe_and_trust(&target, &limits)).expect("a runtime");
        target.timeout = Duration::from_secs(1);
        cluster.act(&Act::Freeze(2)).expect("frozen");
        let never = std::future::pending();
        let token = ActToken::agreed();
        let told = canaries(&target, &limits, (&seen, &trusted), "test2", token, never);
        let told = block_on(told).expect("a runtime");
        let silent = told.iter().filter(|one| one.written.get().is_none()).count();
        assert_eq!(silent, 1, "{server:?}: {told:#?}");
        cluster.act(&Act::Thaw(2)).expect("thawed");
        after_the_thaw(cluster, &before);
    });
}

/// What waited at the server is carried out now: writing and removing.
fn after_the_thaw(cluster: &mut Cluster, before: &[Value]) {
    cluster.wait(&Until::Settled, 10_000).expect("settled");
    nothing_is_left(cluster);
    assert_eq!(sizes(cluster, 3), before);
}

#[test]
fn a_key_of_the_same_name_is_left_alone() {
    on_each(&Scenario::of(1, 0).keys(10), |server, cluster| {
        let target = target(cluster);
        let (first, _) = verified(&target, || {});
        let key = first.canaries.first().expect("a canary").key.clone();
        let at = cluster.addresses(&[0])[0];
        let mut client = Client::connect(at, Duration::from_secs(5)).expect("it listens");
        client.ask(&["SET", &key, "somebody's"]).expect("written");
        let (second, _) = verified(&target, || {});
        assert_eq!(second.canaries[0].written, Said::This(false), "{server:?}");
        assert!(matches!(says(&second, What::Canary), Outcome::Unknown(_)));
        let value = client.ask(&["GET", &key]).expect("read");
        assert_eq!(value, Value::Text("somebody's".to_owned()));
    });
}
