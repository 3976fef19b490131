//! Two primaries that were started on each other's data. Up to Redis 8.2 they keep it, marked as
//! importing, and say `ok`: every client misses these keys, and nothing is red.

use slotwright_core::scenario::{Act, At, Reply, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;

use super::world::slotwright;

const KEYS: usize = 2_000;
const DATA: &str = "dump.rdb";

fn exchanged(server: Server) -> Cluster {
    let binaries = servers::ensure(&[server], &|_| ()).expect("a server");
    let mut cluster =
        Cluster::build(&Scenario::of(3, 0).keys(KEYS), server, &binaries).expect("a cluster");
    let data = [0, 1].map(|on| {
        cluster.act(&Act::Send(on, "SAVE".to_owned(), Reply::Fine)).expect("a data file");
        let folder = cluster.ask(on, "CONFIG GET dir").expect("an answer").text();
        let folder = folder.split_whitespace().last().expect("a folder").to_owned();
        std::fs::read(std::path::Path::new(&folder).join(DATA)).expect("a data file")
    });
    for (on, data) in [1, 0].into_iter().zip(data) {
        let start = Act::Start(on, At::Same, Vec::new());
        for act in [Act::Stop(on), Act::File(on, DATA.to_owned(), data), start] {
            cluster.act(&act).expect("it breaks");
        }
    }
    for on in 0..3 {
        cluster.act(&Act::Wait(Until::State(on, "ok"), 20_000)).expect("it says ok");
    }
    cluster
}

#[test]
fn their_keys_are_found_out_of_reach_and_go_home() {
    for server in [Server::Redis70, Server::Redis82] {
        let mut cluster = exchanged(server);
        let seed = cluster.addresses(&[0])[0].to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let journals = folder.path().to_str().expect("a name");

        let check = slotwright(&["check", &seed]);
        let page = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(page.contains("ERROR KEYS_IN_FOREIGN_SLOT"), "{page}");
        assert_eq!(check.status.code(), Some(3), "{page}");

        let recover = slotwright(&["recover", &seed, "--yes", "--journal-dir", journals]);
        let page = String::from_utf8_lossy(&recover.stdout).into_owned();
        assert_eq!(recover.status.code(), Some(0), "{page}");
        assert!(page.contains(&format!("keys     {KEYS} before, {KEYS} after")), "{page}");
        assert!(page.contains("mends    KEYS_IN_FOREIGN_SLOT\n"), "{page}");
        assert!(page.contains("keys at home"), "{page}");
    }
}
