//! Reading only, as the peers hear it.

use slotwright_core::model::NodeId;
use slotwright_core::observation::{Said, Silence};
use slotwright_net::command::is_allowed;
use slotwright_net::{Limits, Login, Secret, Target, block_on, observe};

use super::fakes::{Fakes, Manner, cluster, table};

fn login() -> Option<Login> {
    Some(Login { user: None, password: Secret::new("opensesame".to_owned()) })
}

#[test]
fn every_command_that_is_sent_is_on_the_list() {
    let fakes = Fakes::start(3, |at| {
        let mut manners = cluster(at);
        // An open slot, so that keys are counted too.
        let open = format!(" [5000->-{}]\n", NodeId::made_up(1));
        let torn = table(at, 0).replacen('\n', &open, 1);
        manners[0] = Manner::Node { id: NodeId::made_up(0), table: torn, locked: true };
        manners
    });
    let mut target = Target::new(fakes.at.clone());
    target.login = login();
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    assert!(seen.sightings.iter().all(|sighting| sighting.nodes.get().is_some()), "{seen:?}");
    for peer in 0..3 {
        let heard = fakes.heard(peer);
        assert!(heard.len() > 10);
        for words in heard {
            let shown = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
            assert!(shown == "AUTH opensesame" || is_allowed(&words), "peer {peer} heard {shown}");
        }
        let census = seen.sightings[peer].census.get().expect("counted");
        assert_eq!(
            (census.counted.to_string().as_str(), &census.keys[..]),
            ("5000", &[(5000, 3)][..])
        );
    }
}

#[test]
fn nodes_are_found_from_one_seed_and_every_view_is_kept() {
    let fakes = Fakes::start(5, cluster);
    let target = Target::new(vec![fakes.at[3].clone()]);
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    assert_eq!(seen.sightings.len(), 5);
    for sighting in &seen.sightings {
        assert_eq!(sighting.nodes.get().map(|view| view.rows.len()), Some(5));
        assert_eq!(sighting.slots.silence(), Some(&Silence::Error("ERR unknown command".into())));
        assert_eq!(sighting.census, Said::Nothing(Silence::NotAsked), "nothing is in doubt");
    }
    assert_eq!(
        seen.rows.as_slice().len(),
        10,
        "a row is kept once: as myself and as seen by others"
    );
    assert_eq!(seen.bus.len(), 1, "all show the same closed bus address");
}

#[test]
fn all_slots_are_counted_when_that_is_asked() {
    let fakes = Fakes::start(2, cluster);
    let mut target = Target::new(fakes.at.clone());
    target.census = true;
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    for sighting in &seen.sightings {
        let census = sighting.census.get().expect("counted");
        assert_eq!((census.counted.len(), census.keys.len()), (16_384, 16_384));
    }
}

/// A slot that was not counted must not pass for one without keys, whoever reads the census.
#[test]
fn a_count_that_is_not_whole_is_none() {
    let fakes = Fakes::start(2, |at| {
        let mut manners = cluster(at);
        manners[1] = Manner::CountsSome { id: NodeId::made_up(1), table: table(at, 1) };
        manners
    });
    let mut target = Target::new(fakes.at.clone());
    target.census = true;
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    let counted = |peer: u32| {
        let is_it = |id: &&NodeId| **id == NodeId::made_up(peer);
        let mut all = seen.sightings.iter();
        let sighting = all.find(|sighting| sighting.myid.get().as_ref().is_some_and(is_it));
        &sighting.expect("it answers").census
    };
    assert_eq!(counted(0).get().map(|census| census.counted.len()), Some(16_384));
    assert_eq!(counted(1).silence(), Some(&Silence::Loading("LOADING my data set".into())));
}
