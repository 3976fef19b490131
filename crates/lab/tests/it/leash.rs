//! A few scripts on real servers and in the model: `cargo xtask leash` runs more.

use slotwright_core::scenario::Server;
use slotwright_lab::leash::run_all;
use slotwright_lab::servers;
use slotwright_sim::leash::Script;

/// Restarts, places, identities, slots, moves, roles: each of these seeds has others.
const SEEDS: [u64; 9] = [4, 5, 6, 13, 14, 21, 25, 98, 105];

#[test]
fn the_model_shows_what_real_servers_show() {
    let binaries = servers::ensure(&Server::ALL, &|_| ()).expect("the servers");
    // The servers go round with the seed, as they do in the command.
    let scripts = SEEDS.iter().map(|seed| {
        let turn = usize::try_from(seed % 3).unwrap_or(0);
        Script::of(*seed, Server::ALL[turn])
    });
    let outcomes = run_all(scripts.collect(), &binaries, 4, &|_| ());
    assert_eq!(outcomes.len(), SEEDS.len());
    for outcome in outcomes {
        let Script { seed, server, moves, .. } = &outcome.script;
        let what: Vec<&str> = moves.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(outcome.broken, None, "seed {seed} on {server:?}: {what:?}");
        assert_eq!(outcome.unexplained, [], "seed {seed} on {server:?}: {what:?}");
        assert!(outcome.compared > 1, "seed {seed} on {server:?}: {what:?}");
    }
}
