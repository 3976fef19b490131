//! Rule 23: credentials are not sent to an address that only one peer claims.

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::observation::{Observation, Silence};
use slotwright_net::{Limits, Login, Secret, Target, block_on, observe};

use super::fakes::{Fakes, Manner, cluster, table};

fn locked(at: &[Endpoint]) -> Vec<Manner> {
    let lock = |manner| match manner {
        Manner::Node { id, table, .. } => Manner::Node { id, table, locked: true },
        other => other,
    };
    cluster(at).into_iter().map(lock).collect()
}

fn look(seeds: &[Endpoint]) -> Observation {
    let mut target = Target::new(seeds.to_vec());
    target.login = Some(Login {
        user: Some("watcher".to_owned()),
        password: Secret::new("opensesame".to_owned()),
    });
    block_on(observe(&target, &Limits::default())).expect("a runtime")
}

fn told_password(fakes: &Fakes, peer: usize) -> bool {
    fakes.heard(peer).concat().iter().any(|word| word == b"opensesame")
}

#[test]
fn one_peers_word_does_not_get_the_password() {
    // The seed lists two nodes; their buses are closed, so nothing proves them.
    let fakes = Fakes::start(3, locked);
    let seen = look(&fakes.at[..1]);
    assert!(told_password(&fakes, 0));
    for peer in 1..3 {
        assert!(!told_password(&fakes, peer) && !fakes.heard(peer).is_empty());
        let sighting = seen.sightings.iter().find(|s| s.from == fakes.at[peer]).expect("dialled");
        let silence = sighting.nodes.silence().expect("refused");
        assert!(
            matches!(silence, Silence::AuthFailed(why) if why.starts_with("credentials withheld")),
            "{silence:?}"
        );
    }
}

#[test]
fn two_trusted_nodes_that_agree_are_proof() {
    let fakes = Fakes::start(3, locked);
    let seen = look(&fakes.at[..2]);
    assert!((0..3).all(|peer| told_password(&fakes, peer)));
    assert!(seen.sightings.iter().all(|sighting| sighting.nodes.get().is_some()));
}

#[test]
fn two_nodes_that_give_an_address_to_different_ids_prove_nothing() {
    let fakes = Fakes::start(3, |at| {
        let mut manners = locked(at);
        let other = NodeId::made_up(77).to_string();
        let torn = table(at, 1).replace(&NodeId::made_up(2).to_string(), &other);
        manners[1] = Manner::Node { id: NodeId::made_up(1), table: torn, locked: true };
        manners
    });
    look(&fakes.at[..2]);
    assert!(!told_password(&fakes, 2));
}
