//! No false alarm on healthy clusters. Part of `cargo xtask test`, which runs it by name.

use slotwright_core::scenario::Server;
use slotwright_lab::{healthy, servers};

#[test]
#[ignore = "minutes long: `cargo xtask test` runs it"]
fn healthy_clusters_raise_no_alarm_on_any_server() {
    let binaries = servers::ensure(&Server::ALL, &|_| ()).expect("the servers");
    let all = healthy::look_at_all(&binaries, 3, &|_| ());
    // Two situations without replicas, four with them, on two shapes.
    assert_eq!(all.len(), Server::ALL.len() * (2 + 4 + 4));
    let wrong: Vec<_> = all.iter().filter(|health| !health.is_fine()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
