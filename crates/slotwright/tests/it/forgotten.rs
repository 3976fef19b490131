//! An owner of slots that everybody has forgotten, and that nobody was told about: what it leaves
//! behind looks like slots that were never given to anybody.

use slotwright_core::scenario::{Act, Reply, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;

use super::world::slotwright;

/// Enough that a third of all slots does not stay empty by chance.
const KEYS: usize = 2_000;

/// Four primaries, the last of which the others have forgotten; it serves on by itself.
fn forgotten() -> Cluster {
    let server = Server::Redis82;
    let binaries = servers::ensure(&[server], &|_| ()).expect("a server");
    let mut cluster =
        Cluster::build(&Scenario::of(4, 0).keys(KEYS), server, &binaries).expect("a cluster");
    let mut acts = vec![Act::Wait(Until::Settled, 30_000)];
    // One tells the next: who has heard of it is not told again.
    acts.extend((0..3).map(|on| Act::Send(on, "CLUSTER FORGET {id3}".to_owned(), Reply::Any)));
    for on in 0..3 {
        acts.push(Act::Wait(Until::Knows { on, about: 3, known: false }, 10_000));
        acts.push(Act::Wait(Until::State(on, "fail"), 10_000));
    }
    for act in acts {
        cluster.act(&act).expect("it breaks");
    }
    cluster
}

#[test]
fn its_slots_are_given_away_on_the_users_word_only_and_come_back_when_it_is_named() {
    let mut cluster = forgotten();
    let all = cluster.addresses(&[]).iter().map(ToString::to_string).collect::<Vec<_>>();
    let folder = tempfile::tempdir().expect("a folder");
    let journals = folder.path().to_str().expect("a name");
    let keys = |cluster: &mut Cluster| cluster.ask(3, "DBSIZE").expect("an answer").text();
    let before = keys(&mut cluster);

    let blind = slotwright(&["recover", &all[0], "--yes", "--journal-dir", journals]);
    let page = String::from_utf8_lossy(&blind.stdout).into_owned();
    assert_eq!(blind.status.code(), Some(6), "{page}");
    assert!(page.contains("DATA MAY BE LOST") && page.contains("about 500 keys"), "{page}");
    let slots = cluster.ask(0, "CLUSTER INFO").expect("an answer").text();
    assert!(slots.contains("cluster_slots_assigned:12288"), "{slots}");

    let told = slotwright(&["recover", &all.join(","), "--yes", "--journal-dir", journals]);
    let page = String::from_utf8_lossy(&told.stdout).into_owned();
    assert_eq!(told.status.code(), Some(0), "{page}");
    assert_eq!(keys(&mut cluster), before, "{page}");
}
