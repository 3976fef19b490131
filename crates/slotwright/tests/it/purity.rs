//! What only looks changes nothing: real servers count every command that they are sent, refused
//! ones too, and none may be there that is not on the list of looking.
//!
//! `MONITOR` would not do: servers do not show administrative commands there.

use std::collections::BTreeSet;

use slotwright_core::findings;
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;
use slotwright_net::command::is_allowed;

use super::world::slotwright;

/// Situations in which there is something to do: a verb that acts would.
const SITUATIONS: [&str; 4] = ["SLOT_OPEN", "SLOTS_UNASSIGNED", "ALL_ADDRESSES_STALE", "NODE_DOWN"];

/// What we ask ourselves to find out, beside what servers ask each other.
const OURS: [&str; 3] = ["info", "config|resetstat", "replconf"];

fn broken(code: Option<&str>) -> Cluster {
    let binaries = servers::ensure(&[Server::Redis82], &|_| ()).expect("a server");
    let entry = code.map(|code| {
        findings::ALL.iter().find(|entry| entry.code() == code).expect("a finding of that code")
    });
    let scenario = entry.map_or_else(|| Scenario::of(3, 0), |entry| (entry.scenario)());
    let mut cluster = Cluster::build(&scenario, Server::Redis82, &binaries).expect("a cluster");
    cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it settles");
    for act in &scenario.acts {
        cluster.act(act).expect("it breaks");
    }
    cluster
}

/// The commands that a node was sent since they were last forgotten, as `cluster|nodes`.
fn heard(cluster: &mut Cluster, node: usize) -> BTreeSet<String> {
    let Ok(answer) = cluster.ask(node, "INFO commandstats") else { return BTreeSet::new() };
    let text = answer.text();
    let names = text.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    names.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

/// Runs the program against the cluster, and returns what servers heard that is not on the list.
fn forbidden(cluster: &mut Cluster, args: &[&str]) -> BTreeSet<String> {
    let seeds = cluster.addresses(&[]);
    let nodes = seeds.len();
    for node in 0..nodes {
        // A node that was killed hears nothing.
        let _reset = cluster.ask(node, "CONFIG RESETSTAT");
    }
    let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let folder = tempfile::tempdir().expect("a folder");
    let journals = folder.path().to_str().expect("a name").to_owned();
    let filled = args.iter().map(|arg| arg.replace("TARGET", &target).replace("FOLDER", &journals));
    let filled: Vec<String> = filled.collect();
    let words: Vec<&str> = filled.iter().map(String::as_str).collect();
    let output = slotwright(&words);
    assert_ne!(output.status.code(), Some(1), "{args:?}: {output:?}");
    let all: BTreeSet<String> = (0..nodes).flat_map(|node| heard(cluster, node)).collect();
    assert!(all.contains("cluster|nodes"), "{args:?} asked nobody: {all:?}, {output:?}");
    all.into_iter()
        .filter(|name| {
            let words: Vec<String> = name.split('|').map(str::to_uppercase).collect();
            // The list has `CLUSTER MIGRATION STATUS ALL`; the statistics have two words of it.
            let whole = [words.clone(), vec!["STATUS".to_owned(), "ALL".to_owned()]].concat();
            !OURS.contains(&name.as_str()) && !is_allowed(&words) && !is_allowed(&whole)
        })
        .collect()
}

#[test]
fn what_only_looks_sends_nothing_else_to_real_servers() {
    let looking: [&[&str]; 7] = [
        &["check", "TARGET", "--census"],
        &["check", "TARGET", "--as-client"],
        &["plan", "TARGET"],
        &["plan", "TARGET", "-o", "json"],
        &["recover", "TARGET", "--dry-run", "--yes", "--journal-dir", "FOLDER"],
        // Nobody is there to agree.
        &["recover", "TARGET", "--journal-dir", "FOLDER"],
        &["verify", "TARGET", "--no-canary"],
    ];
    for code in SITUATIONS.iter().copied().map(Some).chain([None]) {
        let mut cluster = broken(code);
        for args in looking {
            assert_eq!(forbidden(&mut cluster, args), BTreeSet::new(), "{code:?} {args:?}");
        }
    }
}

#[test]
fn what_acts_is_seen_by_the_same_eyes() {
    let mut cluster = broken(Some("SLOT_OPEN"));
    let args = ["recover", "TARGET", "--yes", "--journal-dir", "FOLDER"];
    let heard = forbidden(&mut cluster, &args);
    assert!(heard.contains("cluster|setslot") && heard.contains("set"), "{heard:?}");
}
