//! What only looks changes nothing: real servers count every command that they are sent, refused
//! ones too, and none may be there that is not on the list of looking.
//!
//! `MONITOR` would not do: servers do not show administrative commands there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use slotwright_core::findings;
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_core::wire::resp::Decoder;
use slotwright_lab::cluster::Cluster;
use slotwright_lab::liar::{Liar, Past, Strategy};
use slotwright_lab::servers;
use slotwright_net::command::is_allowed;

use super::world::program;

/// Situations in which there is something to do: a verb that acts would.
const SITUATIONS: [&str; 4] = ["SLOT_OPEN", "SLOTS_UNASSIGNED", "ALL_ADDRESSES_STALE", "NODE_DOWN"];

/// Everything that only looks, or has nobody to agree.
const LOOKING: [&[&str]; 7] = [
    &["check", "TARGET", "--census"],
    &["check", "TARGET", "--as-client"],
    &["plan", "TARGET"],
    &["plan", "TARGET", "-o", "json"],
    &["recover", "TARGET", "--dry-run", "--yes", "--journal-dir", "FOLDER"],
    &["recover", "TARGET", "--journal-dir", "FOLDER"],
    &["verify", "TARGET", "--no-canary"],
];

/// What we ask ourselves to find out, beside what servers ask each other.
const OURS: [&str; 4] = ["info", "config|resetstat", "replconf", "psync"];
/// How a user shows who he is; the arguments tell nobody anything but the server.
const LOGIN: [&str; 2] = ["auth", "hello"];
/// What is waited for in vain is waited for no longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn broken(code: Option<&str>) -> Cluster {
    let entry = code.map(|code| {
        findings::ALL.iter().find(|entry| entry.code() == code).expect("a finding of that code")
    });
    build(&entry.map_or_else(|| Scenario::of(3, 0), |entry| (entry.scenario)()))
}

fn build(scenario: &Scenario) -> Cluster {
    let binaries = servers::ensure(&[Server::Redis82], &|_| ()).expect("a server");
    let mut cluster = Cluster::build(scenario, Server::Redis82, &binaries).expect("a cluster");
    cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it settles");
    for act in &scenario.acts {
        cluster.act(act).expect("it breaks");
    }
    cluster
}

/// The number of its nodes, with those that do not run.
fn nodes(cluster: &mut Cluster) -> usize {
    (0..).take_while(|node| !cluster.addresses(&[*node]).is_empty()).count()
}

/// The commands that a node was sent since they were last forgotten, as `cluster|nodes`.
fn heard(cluster: &mut Cluster, node: usize) -> BTreeSet<String> {
    let Ok(answer) = cluster.ask(node, "INFO commandstats") else { return BTreeSet::new() };
    let text = answer.text();
    let names = text.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
    names.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

fn forget(cluster: &mut Cluster) {
    for node in 0..nodes(cluster) {
        // A node that was killed hears nothing.
        let _reset = cluster.ask(node, "CONFIG RESETSTAT");
    }
}

/// What servers heard that is not on the list of looking; and whether they heard anything.
fn beyond_the_list(cluster: &mut Cluster) -> (BTreeSet<String>, bool) {
    let all: BTreeSet<String> = (0..nodes(cluster)).flat_map(|node| heard(cluster, node)).collect();
    let asked = all.iter().any(|name| !OURS.contains(&name.as_str()));
    let beyond = |name: &String| {
        let words: Vec<String> = name.split('|').map(str::to_uppercase).collect();
        // The list has `CLUSTER MIGRATION STATUS ALL`; the statistics have two words of it.
        let whole = [words.clone(), vec!["STATUS".to_owned(), "ALL".to_owned()]].concat();
        let known = OURS.contains(&name.as_str()) || LOGIN.contains(&name.as_str());
        !known && !is_allowed(&words) && !is_allowed(&whole)
    };
    (all.into_iter().filter(beyond).collect(), asked)
}

/// A way to call the program.
struct Call<'a> {
    args: &'a [&'a str],
    /// The target; all that run if there is none.
    target: Option<String>,
    env: &'a [(&'a str, &'a str)],
}

impl<'a> Call<'a> {
    fn of(args: &'a [&'a str]) -> Self {
        Self { args, target: None, env: &[] }
    }

    fn filled(&self, cluster: &mut Cluster, folder: &Path) -> Vec<String> {
        let all = |cluster: &mut Cluster| {
            let seeds = cluster.addresses(&[]);
            seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        let target = self.target.clone().unwrap_or_else(|| all(cluster));
        let folder = folder.to_str().expect("a name");
        let fill = |arg: &&str| arg.replace("TARGET", &target).replace("FOLDER", folder);
        self.args.iter().map(fill).collect()
    }

    fn run(&self, cluster: &mut Cluster) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        let filled = self.filled(cluster, folder.path());
        let words: Vec<&str> = filled.iter().map(String::as_str).collect();
        let mut command = program(&words);
        command.envs(self.env.iter().copied()).output().expect("the program starts")
    }
}

/// Runs the program against the cluster, and returns what servers heard that is not on the list.
fn forbidden(cluster: &mut Cluster, args: &[&str]) -> BTreeSet<String> {
    forget(cluster);
    let output = Call::of(args).run(cluster);
    assert_ne!(output.status.code(), Some(1), "{args:?}: {output:?}");
    let (beyond, asked) = beyond_the_list(cluster);
    assert!(asked, "{args:?} asked nobody: {output:?}");
    beyond
}

#[test]
fn what_only_looks_sends_nothing_else_to_real_servers() {
    for code in SITUATIONS.iter().copied().map(Some).chain([None]) {
        let mut cluster = broken(code);
        for args in LOOKING {
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

/// Runs each verb that only looks, in a hurry; even where that ends with our own failure, nothing
/// else may have been sent.
fn all_look(cluster: &mut Cluster, what: &str, target: Option<&str>, env: &[(&str, &str)]) {
    for args in [LOOKING[0], LOOKING[2], LOOKING[4], LOOKING[6]] {
        let hurried = [args, &["--timeout", "700ms"][..]].concat();
        let target = target.map(str::to_owned);
        forget(cluster);
        let output = Call { args: &hurried, target, env }.run(cluster);
        let (beyond, asked) = beyond_the_list(cluster);
        assert!(asked, "{what} {args:?} asked nobody: {output:?}");
        assert_eq!(beyond, BTreeSet::new(), "{what} {args:?}: {output:?}");
    }
}

#[test]
fn nothing_else_is_sent_where_a_node_does_not_answer_as_it_should() {
    let codes = [
        "NODE_LOADING",
        "NODE_HUNG",
        "NOT_REDIS",
        "ACL_DENIES_CLUSTER_COMMANDS",
        "AUTH_MISMATCH",
        "MAXCLIENTS_EXHAUSTED",
        "PROTECTED_MODE",
    ];
    for code in codes {
        // A cluster in a namespace takes the thread with it.
        let look = move || {
            let mut cluster = broken(Some(code));
            let all: Vec<usize> = (0..nodes(&mut cluster)).collect();
            let seeds = cluster.addresses(&all);
            let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let env: &[(&str, &str)] = match code {
                "ACL_DENIES_CLUSTER_COMMANDS" => {
                    &[("SLOTWRIGHT_USER", "app"), ("SLOTWRIGHT_PASSWORD", "word")]
                }
                _ => &[],
            };
            all_look(&mut cluster, code, Some(&target), env);
            if code == "NODE_HUNG" {
                // What waited in its sockets is carried out when it goes on.
                cluster.act(&Act::Thaw(5)).expect("it goes on");
                cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it is back");
                assert_eq!(beyond_the_list(&mut cluster).0, BTreeSet::new(), "{code}, later");
            }
        };
        std::thread::spawn(look).join().expect("it holds");
    }
}

#[test]
fn nothing_else_is_sent_with_a_wrong_password() {
    let scenario = Scenario::of(3, 0).option("--requirepass right").send(0, "PING");
    let mut cluster = build(&scenario);
    for node in 0..3 {
        cluster.ask(node, "CLUSTER DELSLOTS 5").expect("it is known");
    }
    for env in [&[][..], &[("SLOTWRIGHT_PASSWORD", "wrong")]] {
        all_look(&mut cluster, "password", None, env);
    }
}

#[test]
fn nothing_is_sent_for_a_stale_plan_a_file_or_without_a_journal() {
    let mut cluster = broken(Some("SLOT_OPEN"));
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a name").to_owned();
    for (verb, file) in [("check", "seen.json"), ("plan", "plan.json")] {
        let output = Call::of(&[verb, "TARGET", "-o", "json"]).run(&mut cluster);
        std::fs::write(at(file), output.stdout).expect("a file");
    }
    std::fs::write(at("no-folder"), "a file").expect("a file");
    let seen = at("seen.json");
    let mut quiet = |args: &[&str], code: i32, asks: bool| {
        forget(&mut cluster);
        let output = Call::of(args).run(&mut cluster);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        let (beyond, asked) = beyond_the_list(&mut cluster);
        assert_eq!((beyond, asked), (BTreeSet::new(), asks), "{args:?}: {output:?}");
    };
    quiet(&["check", "--from", &seen], 0, false);
    quiet(&["plan", "--from", &seen], 0, false);
    let blocked = at("no-folder");
    quiet(&["recover", "TARGET", "--yes", "--journal-dir", &blocked], 1, false);
    cluster.ask(0, "CLUSTER SETSLOT 7 STABLE").expect("the plan is stale");
    let (plan, journals) = (at("plan.json"), at("journals"));
    let mut quiet = |args: &[&str]| {
        forget(&mut cluster);
        let output = Call::of(args).run(&mut cluster);
        assert_eq!(output.status.code(), Some(7), "{args:?}: {output:?}");
        let (beyond, asked) = beyond_the_list(&mut cluster);
        assert_eq!((beyond, asked), (BTreeSet::new(), true), "{args:?}: {output:?}");
    };
    quiet(&["recover", &plan, "--yes", "--journal-dir", &journals]);
}

#[test]
fn nothing_else_is_sent_when_it_is_interrupted() {
    let mut cluster = broken(Some("NODE_HUNG"));
    let seeds = cluster.addresses(&[0, 1, 2, 3, 4, 5]);
    let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    for args in [LOOKING[0], LOOKING[2], LOOKING[4], LOOKING[6]] {
        let folder = tempfile::tempdir().expect("a folder");
        // The node that hangs keeps it from ending by itself.
        let args = [args, &["--timeout", "3s"][..]].concat();
        let call = Call { args: &args, target: Some(target.clone()), env: &[] };
        let filled = call.filled(&mut cluster, folder.path());
        let words: Vec<&str> = filled.iter().map(String::as_str).collect();
        forget(&mut cluster);
        let mut command = program(&words);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let begun = Instant::now();
        while !heard(&mut cluster, 0).contains("cluster|nodes") {
            assert!(begun.elapsed() < PATIENCE, "{args:?} asks nobody");
        }
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::INT).expect("it runs");
        let status = child.wait().expect("it ends");
        assert_ne!(status.code(), Some(1), "{args:?}");
        assert_eq!(beyond_the_list(&mut cluster).0, BTreeSet::new(), "{args:?}");
    }
}

#[test]
fn nothing_else_is_sent_at_the_word_of_a_liar() {
    for strategy in [Strategy::AllSlots, Strategy::AllMoved, Strategy::Redirects] {
        let mut cluster = build(&Scenario::of(3, 1).keys(100));
        let past = Past::of(&mut cluster, 5).expect("it was honest");
        cluster.ask(0, "CLUSTER SETSLOT 7 MIGRATING {id1}").expect("it is known");
        let seeds = cluster.addresses(&[0, 5]);
        let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        cluster.act(&Act::Kill(5)).expect("it ran");
        let liar = Liar::start(&mut cluster, past, strategy).expect("a liar");
        all_look(&mut cluster, "liar", Some(&target), &[]);
        let mut decoder = Decoder::new();
        decoder.input().extend_from_slice(&liar.heard_by_attacker());
        while let Ok(Some(command)) = decoder.next_value() {
            let words = command.array().unwrap_or_default();
            let words: Vec<&[u8]> = words.iter().filter_map(|word| word.bytes()).collect();
            assert!(is_allowed(&words), "{strategy:?}: the attacker heard {words:?}");
        }
    }
}
