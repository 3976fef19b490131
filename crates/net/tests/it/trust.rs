//! Rule 23: credentials are not sent to an address that only one peer claims, nor to where a
//! redirection points.

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::observation::{Observation, Said, Silence};
use slotwright_core::verify::Canary;
use slotwright_net::act::{ActToken, canary::canaries, may_change};
use slotwright_net::{Limits, Login, Secret, Target, block_on, observe, observe_and_trust};

use super::fakes::{Fakes, Manner, cluster, table};

fn locked(at: &[Endpoint]) -> Vec<Manner> {
    let lock = |manner| match manner {
        Manner::Node { id, table, .. } => Manner::Node { id, table, locked: true },
        other => other,
    };
    cluster(at).into_iter().map(lock).collect()
}

fn target(seeds: &[Endpoint]) -> Target {
    let mut target = Target::new(seeds.to_vec());
    target.login = Some(Login {
        user: Some("watcher".to_owned()),
        password: Secret::new("opensesame".to_owned()),
    });
    target
}

fn look(seeds: &[Endpoint]) -> Observation {
    block_on(observe(&target(seeds), &Limits::default())).expect("a runtime")
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

/// Canaries through the first peer, which sends every reader to the last one.
fn redirected(error: impl Fn(&Endpoint) -> String) -> (Fakes, Vec<Canary>) {
    let fakes = Fakes::start(2, |at| {
        let error = error(&at[1]);
        // The table knows the first peer alone.
        let lonely = table(&at[..1], 0);
        let redirects = Manner::Redirects { id: NodeId::made_up(0), table: lonely, error };
        vec![redirects, locked(at)[1].clone()]
    });
    let target = target(&fakes.at[..1]);
    let told = block_on(async {
        let limits = Limits::default();
        let (seen, trusted) = observe_and_trust(&target, &limits).await;
        let never = std::future::pending();
        canaries(&target, &limits, (&seen, &trusted), "r1", ActToken::agreed(), never).await
    });
    (fakes, told.expect("a runtime"))
}

#[test]
fn no_redirection_gets_the_password() {
    for kind in ["MOVED", "ASK"] {
        let (fakes, told) = redirected(|to| format!("{kind} 7 {}:{}", to.host, to.port));
        let heard = fakes.heard(1);
        assert!(heard.iter().any(|line| line[0] == b"GET"), "{kind}: it was followed: {heard:?}");
        assert!(!told_password(&fakes, 1), "{kind}: {heard:?}");
        assert!(heard.iter().all(|line| may_change(line)), "{kind}: {heard:?}");
        let failed = &told[0].failed_reads[0];
        assert_eq!(failed.via, fakes.at[1..]);
        assert!(
            matches!(&failed.said, Said::Nothing(Silence::AuthFailed(why))
                if why.starts_with("credentials withheld")),
            "{failed:?}"
        );
        assert_eq!(told[0].removed, Said::This(true), "and the canary is removed all the same");
    }
}

#[test]
fn a_ring_of_redirections_ends() {
    let (fakes, told) = redirected(|_| "MOVED 7 :1".to_owned());
    assert!(matches!(&told[0].failed_reads[0].said, Said::Nothing(Silence::Refused)), "{told:?}");
    let ring = Fakes::start(1, |at| {
        let error = format!("MOVED 7 {}:{}", at[0].host, at[0].port);
        vec![Manner::Redirects { id: NodeId::made_up(0), table: table(at, 0), error }]
    });
    let target = target(&ring.at);
    let told = block_on(async {
        let limits = Limits::default();
        let (seen, trusted) = observe_and_trust(&target, &limits).await;
        let never = std::future::pending();
        canaries(&target, &limits, (&seen, &trusted), "r2", ActToken::agreed(), never).await
    });
    let told = told.expect("a runtime");
    let expected = Silence::Error("redirected without end".to_owned());
    assert_eq!(told[0].failed_reads[0].said, Said::Nothing(expected));
    assert_eq!(ring.heard(0).iter().filter(|line| line[0] == b"GET").count(), 1);
    drop(fakes);
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
