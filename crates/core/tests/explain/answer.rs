//! How an answer is given: how sure it is, what proves it, what else it leaves open, and the
//! footers. The cause itself is looked at elsewhere.

use std::fs;

use slotwright_core::explain::{Confidence, Explanation, Paste, explain};

use super::{files, fixtures, incidents, paste, testdata};

fn incident(number: &str) -> Explanation {
    let found = incidents().into_iter().find(|(name, _)| name.starts_with(number));
    found.expect("the incident").1
}

fn of_text(text: &str) -> Explanation {
    explain(&[Paste { name: "-".to_owned(), text: text.to_owned() }])
}

/// Each file of each incident alone, and each half of all its lines, with the cause of the whole.
fn parts() -> Vec<(String, String, Explanation)> {
    let mut parts = Vec::new();
    for folder in files(&testdata("incidents")) {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let pastes: Vec<Paste> = files(&folder)
            .iter()
            .map(|path| paste(path, fs::read_to_string(path).expect("text")))
            .collect();
        let whole = explain(&pastes).cause.expect("a cause").code;
        for one in &pastes {
            let alone = explain(std::slice::from_ref(one));
            parts.push((format!("{name}/{}", one.name), whole.clone(), alone));
        }
        let all: Vec<&str> = pastes.iter().flat_map(|one| one.text.lines()).collect();
        let (head, tail) = all.split_at(all.len() / 2);
        for (which, half) in [("head", head), ("tail", tail)] {
            parts.push((format!("{name}/{which}"), whole.clone(), of_text(&half.join("\n"))));
        }
    }
    parts
}

/// What a part shows and the whole does not refute: the stall is what triggered the bug.
const ALSO_TRUE: &[(&str, &str)] = &[("018", "STALLED_AND_REPLACED")];

#[test]
fn a_part_of_the_evidence_never_shows_what_the_whole_refutes() {
    let parts = parts();
    assert!(parts.len() > 50);
    let wrong: Vec<String> = parts
        .iter()
        .filter_map(|(name, whole, answer)| {
            let cause = answer.cause.as_ref()?;
            let also =
                ALSO_TRUE.iter().any(|(id, code)| name.starts_with(id) && *code == cause.code);
            let shown = cause.confidence == Confidence::Shown && cause.code != *whole && !also;
            shown.then(|| format!("{name}: {} is called shown, it is {whole}", cause.code))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Pastes that another reading fits as well: likely at most.
const NOT_SHOWN: &[&str] = &[
    "fx:addnode.txt",
    "fx:pub5-check-cannot-connect.txt",
    "fx:pub4-one-pod-listed.txt",
    "fx:pub3-tool-dials-gone-pods.txt",
];

#[test]
fn what_has_another_reading_is_not_called_shown() {
    let fixtures = fixtures();
    for name in NOT_SHOWN {
        let name = name.trim_start_matches("fx:");
        let found = fixtures.iter().find(|(path, ..)| path.ends_with(name)).expect("the fixture");
        let cause = found.2.cause.as_ref().expect("a cause");
        assert_ne!(cause.confidence, Confidence::Shown, "{name}: {}", cause.code);
    }
    assert_ne!(incident("025").cause.expect("a cause").confidence, Confidence::Shown);
    let counters = "cluster_state:fail\ncluster_slots_assigned:16384\ncluster_slots_ok:5461\n\
        cluster_slots_pfail:10923\ncluster_known_nodes:6\ncluster_stats_messages_sent:5\n\
        cluster_stats_messages_received:0\n";
    let cause = of_text(counters).cause.expect("a cause");
    assert_ne!(cause.confidence, Confidence::Shown, "{}", cause.code);
}

#[test]
fn nobody_is_said_to_have_died_by_a_listing_alone() {
    let path = testdata("incidents/021-all-slots-on-one-master/check.txt");
    let answer = explain(&[paste(&path, fs::read_to_string(&path).expect("text"))]);
    let cause = answer.cause.expect("a cause");
    let text = format!("{} {} {}", cause.title, cause.cause, cause.fix.join(" "));
    for word in ["died", "dead", "stays down"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("Nothing pasted says that it is down"), "{text}");
}

/// What the proof of an incident must hold: the figures that its sentences name.
const PROOF: &[(&str, &[&str])] = &[
    ("002", &["cluster_slots_pfail:10923", "messages_received:0", "10.1.90.122", "10.1.90.97"]),
    ("018", &["12:04:08", "state changed: fail", "Reconfiguring", "?:7200", "Invalid argument"]),
    ("021", &["slots:0-16383 (16384 slots)", "30003  slots: (0 slots)", "was killed", "30004"]),
    ("025", &["slots:0-5460", "slots:5461-10922", "not all 16384"]),
    ("029", &["is not empty", "known_nodes:2", "slots_pfail:8141", "messages_received:0"]),
    ("036", &["configuration updated", "Waiting for the cluster", "10.20.10.113:7006"]),
    ("053", &["172.30.40.40:7010", "10.20.2.50", "cluster_state:ok"]),
    ("059", &["CROSSSLOT", "bull:mailQueue:delayed", "bull:mailQueue:wait"]),
];

#[test]
fn the_proof_has_a_line_for_each_figure_of_the_sentence() {
    for (number, words) in PROOF {
        let cause = incident(number).cause.expect("a cause");
        let proof: Vec<String> = cause.quotes.iter().map(|q| q.text.clone()).collect();
        let proof = proof.join("\n").to_lowercase();
        for word in *words {
            assert!(proof.contains(&word.to_lowercase()), "{number}: {word} in {proof}");
        }
        assert!(cause.quotes.len() <= 6, "{number}: {proof}");
    }
}

#[test]
fn no_line_proves_a_thing_twice() {
    for (name, _, answer) in fixtures() {
        let Some(cause) = answer.cause else { continue };
        let mut texts: Vec<&str> = cause.quotes.iter().map(|quote| quote.text.as_str()).collect();
        assert!(texts.len() <= 6, "{name}: {texts:#?}");
        texts.sort_unstable();
        let before = texts.len();
        texts.dedup();
        assert_eq!(before, texts.len(), "{name}: {texts:#?}");
    }
}

/// What is no alternative: a part or an effect of the cause, or what the paste refutes.
const NOT_OR_ELSE: &[(&str, &[&str])] = &[
    ("002", &["NODE_IDENTITY_LOST", "PEER_ADDRESS_STALE", "BUS_PORT_BLOCKED"]),
    ("012", &["SHARD_DOWN", "PRIMARY_NOADDR_MASKED"]),
    ("018", &["STALLED_AND_REPLACED", "REPLICA_LINK_DOWN"]),
    ("021", &["TOO_FEW_VOTERS", "QUORUM_LOST", "FAILOVER_NO_VOTES"]),
    ("025", &["NODE_IDENTITY_LOST"]),
    ("029", &["NODE_IDENTITY_LOST", "TOO_FEW_VOTERS"]),
    ("042", &["AUTH_MISMATCH", "REPLICA_AUTH_FAILED"]),
    ("044", &["BUS_PORT_BLOCKED", "TLS_CERT_INVALID"]),
    ("053", &["BUS_PORT_BLOCKED"]),
    ("064", &["GHOST_NODE_ENTRIES"]),
];

#[test]
fn what_the_cause_includes_or_the_paste_refutes_is_no_alternative() {
    for (number, codes) in NOT_OR_ELSE {
        let answer = incident(number);
        let named = answer.alternatives.iter().find(|one| codes.contains(&one.code.as_str()));
        assert_eq!(named, None, "{number}");
    }
}

#[test]
fn a_thin_paste_leaves_others_open() {
    for text in [
        "(error) CLUSTERDOWN The cluster is down",
        "ClusterAllFailedError: Failed to refresh slots cache.",
    ] {
        let answer = of_text(text);
        assert!(!answer.alternatives.is_empty(), "{text}: {:?}", answer.cause);
    }
}

#[test]
fn beside_a_likely_cause_stand_two_others_at_most() {
    for (name, _, answer) in fixtures() {
        let Some(cause) = &answer.cause else { continue };
        let most = if cause.confidence == Confidence::Possible { 3 } else { 2 };
        assert!(answer.alternatives.len() <= most, "{name}");
    }
}

#[test]
fn figures_that_the_answer_names_are_not_repeated() {
    assert!(incident("002").shown.is_empty(), "{:?}", incident("002").shown);
    // These are new: the answer does not say how many slots are ok, and how much was sent.
    assert_eq!(incident("029").shown.len(), 2);
}

#[test]
fn what_was_read_is_named_with_its_amount() {
    let reads = |number: &str, want: &str| {
        let read = incident(number).recognised;
        assert!(read.iter().any(|line| line == want), "{number}: {want} in {read:#?}");
    };
    reads("002", "addresses of pods or containers: 6");
    reads("002", "ROLE of primaries: 3");
    reads("021", "errors that a server answered: 1");
    reads("029", "lines of redis-cli --cluster or redis-trib: 2");
    reads("036", "plan of --cluster create: 1 with 3 rows");
    reads("042", "commands at a prompt: 1");
    reads("053", "lines of a client's code: 1");
    reads("059", "lines of errors of clients or programs: 1");
}

#[test]
fn what_create_proposes_is_called_planned() {
    let shown = incident("036").shown.join(" ");
    assert!(shown.contains("planned, not owned"), "{shown}");
    assert!(!shown.contains("have an owner"), "{shown}");
}

#[test]
fn the_word_on_the_cluster_fits_the_cause() {
    let health = incident("029").health;
    assert!(health.contains("its own view") && !health.contains("how the command"), "{health}");
    for (name, _, answer) in fixtures() {
        let broken = answer.health.contains("cluster_state:fail");
        let well = answer.health.contains("nothing pasted says that the cluster is broken");
        assert!(!(broken && well), "{name}: {}", answer.health);
    }
}

#[test]
fn what_was_not_pasted_is_neither_zero_nor_missing() {
    let head = of_text("cluster_state:fail\ncluster_slots_assigned:16384\ncluster_slots_ok:5461\n");
    let all = head.shown.join("\n");
    assert!(all.contains("16384 of 16384 slots assigned, 5461 ok."), "{all}");

    let rows = "ee3895d7dc8047e9f49a4412fe315ec6a6f680a4 10.17.0.5:6379@16379 master - 0 0 3 \
                connected 10923-16383\n\
                52d42bf773a629cfc81b0dbb5d5f94c1352dc77a 10.17.0.6:6379@16379 slave \
                ee3895d7dc8047e9f49a4412fe315ec6a6f680a4 0 0 3 connected\n";
    let part = of_text(&format!("$ redis-cli cluster nodes | grep ee3895d7\n{rows}"));
    let all = part.shown.join("\n");
    assert!(all.contains("in the 2 rows pasted (there are more)"), "{all}");
    assert!(!all.contains("none: 0-10922"), "{all}");
}

#[test]
fn who_has_the_step_of_their_library_gets_those_of_no_other() {
    let answer = of_text(
        "StackExchange.Redis.RedisCommandException: Command cannot be issued to a slave: SET aa\n\
         After a failover the client keeps the old map until the application is restarted.\n",
    );
    let cause = answer.cause.expect("a cause");
    let steps = cause.fix.join("\n");
    assert!(steps.contains("StackExchange.Redis: 2.6"), "{}: {steps}", cause.code);
    assert!(!steps.contains("Lettuce:") && !steps.contains("Jedis:"), "{steps}");
}
