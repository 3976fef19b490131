//! The short form of `cargo xtask races` and `cargo xtask liar`: several of our runs, the peer
//! beside ours, and a member that lies, on real servers.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use slotwright_core::findings;
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::liar::{Liar, Past, Strategy};
use slotwright_lab::servers;

use super::world::program;

const PASSWORD: &str = "opensesame";

fn build(scenario: &Scenario, server: Server) -> Cluster {
    // Redis 7.0 brings redis-cli.
    let binaries = servers::ensure(&[Server::Redis70, server], &|_| ()).expect("servers");
    let mut cluster = Cluster::build(scenario, server, &binaries).expect("a cluster");
    cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it settles");
    cluster
}

fn broken(code: &str, server: Server) -> Cluster {
    let entry = findings::ALL.iter().find(|entry| entry.code() == code).expect("a finding");
    let mut scenario = (entry.scenario)();
    scenario.keys = scenario.keys.max(300);
    let mut cluster = build(&scenario, server);
    for act in &scenario.acts {
        cluster.act(act).expect("it breaks");
    }
    cluster
}

fn names(cluster: &mut Cluster) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for node in cluster.running() {
        let found = cluster.ask(node, "KEYS *").expect("it runs").text();
        all.extend(found.lines().map(str::to_owned));
    }
    all
}

fn target(cluster: &mut Cluster, of: &[usize]) -> String {
    let seeds = cluster.addresses(of);
    seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn recover(target: &str, journals: &Path, more: &[&str]) -> Child {
    let journals = journals.to_str().expect("a name");
    let args = [&["recover", target, "--yes", "--journal-dir", journals], more].concat();
    let mut command = program(&args);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// One more run, told nothing but the target, ends healthy, and no key is gone.
fn all_is_well(cluster: &mut Cluster, before: &BTreeSet<String>, what: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let target = target(cluster, &[]);
    let code = recover(&target, folder.path(), &[]).wait().expect("it ends").code();
    assert_eq!(code, Some(0), "{what}");
    let after = names(cluster);
    assert_eq!(before.difference(&after).count(), 0, "{what}: keys are gone");
}

#[test]
fn three_runs_at_once_end_healthy_with_every_key() {
    for (code, server) in [("SLOT_OPEN", Server::Valkey91), ("SLOTS_UNASSIGNED", Server::Redis82)] {
        let mut cluster = broken(code, server);
        let (before, target) = (names(&mut cluster), target(&mut cluster, &[]));
        let folder = tempfile::tempdir().expect("a folder");
        let runs: Vec<Child> = (0..3).map(|_| recover(&target, folder.path(), &[])).collect();
        for mut run in runs {
            run.wait().expect("it ends");
        }
        all_is_well(&mut cluster, &before, code);
    }
}

#[test]
fn the_peer_beside_us_ends_healthy_with_every_key() {
    let mut cluster = broken("SLOT_OPEN", Server::Redis70);
    let (before, target) = (names(&mut cluster), target(&mut cluster, &[]));
    let folder = tempfile::tempdir().expect("a folder");
    let seed = target.split(',').next().expect("a seed");
    let mut ours = recover(&target, folder.path(), &[]);
    let mut peer = Command::new("redis-cli")
        .args(["--cluster", "fix", seed])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-cli starts");
    ours.wait().expect("it ends");
    peer.wait().expect("it ends");
    all_is_well(&mut cluster, &before, "the peer beside us");
}

#[test]
fn a_member_that_lies_moves_nothing_and_learns_no_password_for_others() {
    for (strategy, server) in [
        (Strategy::AllMoved, Server::Redis82),
        (Strategy::TookOver, Server::Valkey91),
        (Strategy::KeysEverywhere, Server::Redis70),
    ] {
        let words = format!("--requirepass {PASSWORD} --masterauth {PASSWORD}");
        let mut cluster = build(&Scenario::of(3, 1).option(&words).keys(300), server);
        let past = Past::of(&mut cluster, 5).expect("it was honest");
        let (before, target) = (names(&mut cluster), target(&mut cluster, &[0, 1, 5]));
        cluster.act(&Act::Kill(5)).expect("it ran");
        let liar = Liar::start(&mut cluster, past, strategy).expect("a liar");
        let told = Until::Flag { on: 0, about: 5, flag: "fail" };
        cluster.act(&Act::Wait(told, 20_000)).expect("it is missed");
        let owners = |cluster: &mut Cluster| {
            let told = cluster.ask(0, "CLUSTER NODES").expect("it runs").text();
            let mut rows: Vec<String> = told
                .lines()
                .map(|line| line.split(' ').collect::<Vec<_>>())
                .map(|words| [words[0], words[3], words[6], words.get(8).unwrap_or(&"")].join(" "))
                .collect();
            rows.sort();
            rows
        };
        let at_first = owners(&mut cluster);
        let folder = tempfile::tempdir().expect("a folder");
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        let password = password.to_str().expect("a name");
        let hurry = ["--timeout", "2s", "--patience", "2s", "--password-file", password];
        recover(&target, &folder.path().join("journals"), &hurry).wait().expect("it ends");
        assert_eq!(owners(&mut cluster), at_first, "{strategy:?}");
        assert!(before.difference(&names(&mut cluster)).next().is_none(), "{strategy:?}");
        let heard = String::from_utf8_lossy(&liar.heard_by_attacker()).into_owned();
        // As a word of its own: settings that are asked for have names with it.
        for secret in ["\r\nAUTH\r\n", "\r\nHELLO\r\n", PASSWORD] {
            assert!(!heard.contains(secret), "{strategy:?}: the attacker heard {heard}");
        }
    }
}
