//! Rule 23: credentials are not sent to an address that only one peer claims, nor to where a
//! redirection points.

use slotwright_core::diagnose::Risk;
use slotwright_core::drive::End;
use slotwright_core::journal::Entry;
use slotwright_core::model::{Endpoint, NodeId, Slot};
use slotwright_core::observation::{Observation, Said, Silence};
use slotwright_core::plan::{Change, Fact, Holds, Plan, Step};
use slotwright_core::verify::Canary;
use slotwright_net::act::canary::canaries;
use slotwright_net::act::{ActToken, JournalFile, Stop, carry_out, may_change};
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
fn whom_a_replica_copies_is_asked_without_the_password() {
    // No table shows the second peer.
    let peers = |at: &[Endpoint]| {
        let id = NodeId::made_up(0);
        let copies = Manner::Copies { id, table: table(&at[..1], 0), from: at[1].clone() };
        vec![copies, locked(at)[1].clone()]
    };
    let fakes = Fakes::start(2, peers);
    let seen = look(&fakes.at[..1]);
    assert!(seen.sightings.iter().any(|sighting| sighting.from == fakes.at[1]), "{seen:?}");
    assert!(!fakes.heard(1).is_empty() && !told_password(&fakes, 1), "{:?}", fakes.heard(1));
}

#[test]
fn whom_an_earlier_look_saw_is_asked_again_without_the_password() {
    // No table shows the second and the third peer any more; the third has no password.
    let peers = |at: &[Endpoint]| {
        let alone = |n: usize| {
            let id = NodeId::made_up(u32::try_from(n).expect("few"));
            let first = NodeId::made_up(0).to_string();
            let table = table(&at[n..=n], 0).replace(&first, &id.to_string());
            Manner::Node { id, table, locked: n < 2 }
        };
        (0..3).map(alone).collect()
    };
    let fakes = Fakes::start(3, peers);
    let mut target = target(&fakes.at[..1]);
    target.known.extend(fakes.at[1..].iter().cloned());
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    assert_eq!(seen.named, fakes.at[..1]);
    for peer in 1..3 {
        assert!(!fakes.heard(peer).is_empty() && !told_password(&fakes, peer));
        let sighting = seen.sightings.iter().find(|s| s.from == fakes.at[peer]).expect("dialled");
        assert_eq!(sighting.nodes.get().is_some(), peer == 2, "{sighting:?}");
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

/// Peers of which the first is trusted, and the last is known by its word alone and answers to
/// anybody; and the end of a plan of one step on the peer with number `on`.
fn carried_out(on: u32, change: impl FnOnce(&[Endpoint]) -> Change) -> (Fakes, End) {
    let fakes = Fakes::start(2, |at| vec![locked(at)[0].clone(), cluster(at)[1].clone()]);
    let ids = [0, 1].map(NodeId::made_up);
    let step = Step {
        mends: "SLOT_OPEN".to_owned(),
        on: NodeId::made_up(on),
        change: change(&fakes.at),
        risk: Risk::MovesOwnership,
        why: String::new(),
        guard: ids.map(|id| Fact::new(id, Holds::Answers)).to_vec(),
        expect: vec![Fact::new(ids[1], Holds::Calls { itself: "nobody".to_owned() })],
        within_ms: 1,
        stage: 0,
    };
    let plan = Plan {
        format: 1,
        tool: String::new(),
        parent: String::new(),
        nodes: ids.into_iter().zip(fakes.at.clone()).collect(),
        steps: vec![step],
        loss: Vec::new(),
        census: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = JournalFile::begin(folder.path(), "run").expect("a journal");
    let target = target(&fakes.at[..1]);
    let end = block_on(async {
        let limits = Limits::default();
        let (_, trusted) = observe_and_trust(&target, &limits).await;
        let (within, stop, token) = ((&limits, &trusted), Stop::default(), ActToken::agreed());
        let mut tell = |_: &Plan, _: &Entry| {};
        carry_out(&target, within, plan, &token, &mut journal, &stop, &mut tell).await
    });
    (fakes, end.expect("a runtime").expect("a journal"))
}

#[test]
fn who_answers_to_anybody_gets_no_password_for_a_step() {
    let (fakes, end) = carried_out(1, |_| Change::BumpEpoch);
    assert!(matches!(end, End::Refused { .. }), "the peer knows no such command: {end:?}");
    let heard = fakes.heard(1);
    assert!(heard.iter().any(|line| line.concat() == b"CLUSTERBUMPEPOCH"), "{heard:?}");
    assert!(!told_password(&fakes, 1), "{heard:?}");
}

#[test]
fn keys_are_not_moved_with_a_password_to_where_it_may_not_go() {
    let (fakes, end) = carried_out(0, |at| Change::MoveKeys {
        slot: Slot::new(7).expect("a slot"),
        to: NodeId::made_up(1),
        at: at[1].clone(),
    });
    let withheld =
        |reply: &str| reply.starts_with("credentials withheld: only one peer says that this");
    assert!(matches!(&end, End::Refused { reply, .. } if withheld(reply)), "{end:?}");
    let keys_asked = |line: &Vec<Vec<u8>>| line.iter().any(|word| word == b"GETKEYSINSLOT");
    assert!(!fakes.heard(0).iter().any(keys_asked) && !told_password(&fakes, 1));
}
