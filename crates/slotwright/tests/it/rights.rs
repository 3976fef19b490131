//! The least rights of an ACL user, on real servers: with them nothing is refused.

use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;
use slotwright_net::rights::{self, Rights};

use super::world::program;

const ALL: [Server; 3] = [Server::Redis70, Server::Redis82, Server::Valkey91];
const KEYS: usize = 300;

/// The rules that a server knows.
fn known(rights: &Rights, server: Server) -> String {
    let knows = |servers: &str| servers.starts_with("Valkey") && server == Server::Valkey91;
    let later = rights.later.iter().filter(|(_, servers)| knows(servers));
    let later = later.map(|(rule, _)| (*rule).to_owned());
    rights.rules.iter().cloned().chain(later).collect::<Vec<_>>().join(" ")
}

/// A cluster with a move that was left half-way, and a user with those rights alone.
fn half_moved(server: Server, rules: &str) -> Cluster {
    let scenario = Scenario::of(3, 1).keys(KEYS);
    let binaries = servers::ensure(&[server], &|_| ()).expect("a server");
    let mut cluster = Cluster::build(&scenario, server, &binaries).expect("a cluster");
    cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it settles");
    cluster.ask(1, "CLUSTER SETSLOT 7 IMPORTING {id0}").expect("an answer");
    cluster.ask(0, "CLUSTER SETSLOT 7 MIGRATING {id1}").expect("an answer");
    for node in 0..6 {
        let answer = cluster.ask(node, &format!("ACL SETUSER ops on >word -@all {rules}"));
        assert_eq!(answer.expect("an answer").text(), "OK", "{server:?} knows {rules}");
        cluster.ask(node, "ACL LOG RESET").expect("an answer");
    }
    cluster
}

fn run(cluster: &mut Cluster, args: &[&str]) -> (Option<i32>, String) {
    let seeds = cluster.addresses(&[]);
    let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let folder = tempfile::tempdir().expect("a folder");
    let fill = |arg: &&str| match *arg {
        "TARGET" => target.clone(),
        "FOLDER" => folder.path().to_str().expect("a name").to_owned(),
        other => other.to_owned(),
    };
    let filled: Vec<String> = args.iter().map(fill).collect();
    let words: Vec<&str> = filled.iter().map(String::as_str).collect();
    let login = [("SLOTWRIGHT_USER", "ops"), ("SLOTWRIGHT_PASSWORD", "word")];
    let output = program(&words).envs(login).output().expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// What a node refused for want of a right.
fn refused(cluster: &mut Cluster) -> Vec<String> {
    let logs = (0..6).map(|node| cluster.ask(node, "ACL LOG").expect("an answer").text());
    logs.filter(|log| !log.is_empty()).collect()
}

#[test]
fn who_may_only_look_is_refused_nothing_when_looking() {
    for server in ALL {
        let mut cluster = half_moved(server, &known(&rights::to_look(), server));
        for args in [
            &["check", "TARGET", "--census"][..],
            &["check", "TARGET", "--as-client"],
            &["plan", "TARGET"],
            &["verify", "TARGET", "--no-canary"],
        ] {
            let (code, text) = run(&mut cluster, args);
            assert_ne!(code, Some(1), "{server:?} {args:?}: {text}");
            assert!(!text.contains("ACL_DENIES"), "{server:?} {args:?}: {text}");
            assert_eq!(refused(&mut cluster), [""; 0], "{server:?} {args:?}: {text}");
        }
    }
}

#[test]
fn who_may_act_mends_and_who_may_only_look_is_told_what_is_lacking() {
    for server in ALL {
        let look = known(&rights::to_look(), server);
        let all = format!("~* {look} {}", known(&rights::to_act(), server));
        let recover = ["recover", "TARGET", "--yes", "--journal-dir", "FOLDER"];

        let mut cluster = half_moved(server, &all.replace("+cluster|setslot", ""));
        let (code, text) = run(&mut cluster, &recover);
        assert_eq!(code, Some(8), "{server:?}: {text}");
        let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            told.contains("Give the user that right there (ACL SETUSER)"),
            "{server:?}: {text}"
        );

        for node in 0..6 {
            cluster.ask(node, "ACL SETUSER ops +cluster|setslot").expect("an answer");
            cluster.ask(node, "ACL LOG RESET").expect("an answer");
        }
        let (code, text) = run(&mut cluster, &recover);
        assert_eq!(code, Some(0), "{server:?}: {text}");
        assert_eq!(refused(&mut cluster), [""; 0], "{server:?}: {text}");
    }
}
