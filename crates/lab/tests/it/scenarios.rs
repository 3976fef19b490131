//! Every finding's own scenario, on every server. Part of `cargo xtask test`, which runs it by
//! name and makes `docs/track-record.md` of its results.

use std::path::PathBuf;

use slotwright_core::scenario::Server;
use slotwright_lab::outcome::{self, Outcome};
use slotwright_lab::{run, servers};

#[test]
#[ignore = "minutes long: `cargo xtask test` runs it"]
fn every_scenario_yields_its_finding_on_every_server() {
    let binaries = servers::ensure(&Server::ALL, &|_| ()).expect("the servers");
    servers::ensure_network_tools(&|_| ()).expect("the network tools");
    let trials = run::trials(&[], &Server::ALL).expect("trials");
    let outcomes = run::run_all(&trials, &binaries, 4, &|_| ());
    if let Some(path) = std::env::var_os("LAB_RESULTS") {
        outcome::write(&PathBuf::from(path), &outcomes).expect("written");
    }
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.is_fine()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
