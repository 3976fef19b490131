//! Seeds with names: looked up once, dialled under the name, told when they do not resolve.

use std::time::Duration;

use slotwright_core::model::Endpoint;
use slotwright_core::observation::Silence;
use slotwright_net::{Limits, Target, block_on, observe};

use super::fakes::{Fakes, cluster};

#[test]
fn a_name_is_looked_up_and_dialled() {
    let fakes = Fakes::start(2, cluster);
    let named = Endpoint::new("localhost", fakes.at[0].port);
    let nobody = Endpoint::new("no-such-pod.invalid", 6379);
    let mut target = Target::new(vec![named.clone(), nobody.clone()]);
    target.timeout = Duration::from_secs(20);
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    let sighting = |at: &Endpoint| seen.sightings.iter().find(|s| s.from == *at).expect("dialled");
    assert_eq!(sighting(&nobody).ping.silence(), Some(&Silence::NameNotFound));
    assert!(sighting(&fakes.at[1]).nodes.get().is_some(), "found through the table");
    let lookup = seen.names.iter().find(|lookup| lookup.name == "localhost").expect("looked up");
    let found = lookup.said.get().expect("it resolves");
    assert!(found.iter().any(|ip| ip == "127.0.0.1"), "{found:?}");
    assert_eq!(seen.names.len(), 2);
}
