//! The program as a whole: exit codes, formats, and that nothing a peer says is obeyed.
//!
//! What `lab` prints has its own test beside its code: no scenario gives a server these words.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slotwright_core::model::Endpoint;
use slotwright_core::observation::{Observation, Said, Sighting, Silence};
use slotwright_core::wire::cluster_nodes;

/// Stands for a peer's own words until [`hostile`] puts some in.
const PLACEHOLDER: &str = "evil";

const HOSTILE: &[&str] = &[
    "\u{1b}]0;owned\u{7}\u{1b}[2J",
    "\u{9b}31m",
    "line\r\nERROR forged",
    "\u{202e}gpj.exe\u{2066}",
    "zero\u{200b}width\u{feff}",
    "<script>alert(1)</script>",
    "tag\u{e0041}\u{7f}\u{8}",
];

fn id(number: usize) -> String {
    format!("{:040x}", number + 1)
}

/// `count` primaries that all see each other; `mark` stands at the end of the first one's own row.
fn observation(count: usize, mark: &str) -> Observation {
    let mut seen = Observation::empty();
    let each = 16_384 / count;
    for me in 0..count {
        let lines: Vec<String> = (0..count)
            .map(|node| {
                let last = if node + 1 == count { 16_383 } else { (node + 1) * each - 1 };
                let flags = if node == me { "myself,master" } else { "master" };
                let marks = if node == me && me == 0 { mark } else { "" };
                format!(
                    "{} 10.0.{}.{}:7000@17000,{PLACEHOLDER} {flags} - 0 0 {} connected {}-{last}{marks}",
                    id(node),
                    node / 250,
                    node % 250 + 1,
                    node + 1,
                    node * each
                )
            })
            .collect();
        let host = format!("10.0.{}.{}", me / 250, me % 250 + 1);
        let mut sighting = Sighting::new(Endpoint::new(host, 7000));
        sighting.nodes =
            Said::This(cluster_nodes::parse((lines.join("\n") + "\n").as_bytes(), &mut seen.rows));
        sighting.ping = Said::This(());
        seen.sightings.push(sighting);
    }
    seen
}

/// A slot that is open at its owner.
fn open_slot() -> Observation {
    observation(3, &format!(" [7->-{}]", id(1)))
}

/// The last node says nothing but an error of its own choice.
fn one_silent() -> Observation {
    let mut seen = open_slot();
    let last = seen.sightings.last_mut().expect("three nodes");
    last.nodes = Said::Nothing(Silence::Error(format!("ERR {PLACEHOLDER}")));
    last.ping = Said::Nothing(Silence::Error(format!("ERR {PLACEHOLDER}")));
    seen.notes.push(format!("a note about {PLACEHOLDER}"));
    seen
}

fn hostile(seen: &Observation, words: &str) -> serde_json::Value {
    fn put(value: &mut serde_json::Value, words: &str) {
        match value {
            serde_json::Value::String(text) => *text = text.replace(PLACEHOLDER, words),
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| put(item, words)),
            serde_json::Value::Object(map) => map.values_mut().for_each(|item| put(item, words)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(seen).expect("an observation is a value");
    put(&mut value, words);
    value
}

fn slotwright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slotwright"))
        .args(args)
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "80")
        .output()
        .expect("the program starts")
}

fn written(folder: &Path, name: &str, value: &impl serde::Serialize) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, serde_json::to_string(value).expect("a value")).expect("a file");
    file
}

fn check(seen: &impl serde::Serialize, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", seen);
    let mut all = vec!["check", "--from", file.to_str().expect("a name")];
    all.extend(args);
    slotwright(&all)
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8(both).expect("output is UTF-8")
}

/// What a terminal, an editor or a browser would obey, except for the end of a line.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    })
}

/// Each way in which a result of `check` is written. A way that `--help` names and this list does
/// not is found by [`every_way_of_writing_is_tried`].
const WAYS: &[&[&str]] = &[
    &[],
    &["-v"],
    &["-q"],
    &["--short"],
    &["-o", "table"],
    &["-o", "wide"],
    &["-o", "json"],
    &["-o", "yaml"],
    &["--exit-style", "nagios"],
    &["--only", "SLOT_OPEN", "-v"],
];

/// Fails when some words of a peer would be obeyed by whoever shows this output.
fn must_be_harmless(output: &Output, what: &str) {
    let text = text(output);
    assert_eq!(obeyed(&text), None, "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("ERROR forged")), "{what}: {text}");
}

#[test]
fn no_way_of_writing_lets_a_peer_speak_to_the_terminal() {
    for words in HOSTILE {
        let seen = hostile(&one_silent(), words);
        for way in WAYS {
            let output = check(&seen, way);
            let code = output.status.code();
            assert!(matches!(code, Some(0..=4)), "{words:?} {way:?}: {}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {way:?}"));
        }
    }
}

#[test]
fn every_way_of_writing_is_tried() {
    let help = text(&slotwright(&["check", "--help"]));
    let values = |flag: &str| -> Vec<String> {
        let rest = help.split_once(flag).expect("the flag is there").1;
        let (_, rest) = rest.split_once("Possible values:").expect("it has values");
        let listed = rest.lines().skip(1).map_while(|line| line.trim().strip_prefix("- "));
        listed.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    let tried = |word: &str| WAYS.iter().any(|way| way.contains(&word));
    for value in values("--output").iter().chain(&values("--exit-style")) {
        assert!(tried(value), "{value} is not among the ways that are tried");
    }
    assert!(values("--output").len() >= 4, "{help}");
}

#[test]
fn no_paste_speaks_to_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, words) in HOSTILE.iter().enumerate() {
        let paste = format!(
            "1:M 1 Jan 2024 00:00:00.000 # Cluster state changed: fail {words}\n\
             {} 10.0.0.1:7000@17000,{words} myself,master - 0 0 1 connected 0-5 [7->-{}]\n\
             {} 10.0.0.2:7000@17000 master,fail{words} - 0 0 1 disconnected 6-16383\n\
             [ERR] Node 10.0.0.7:6379{words} is not empty. Either the node already knows\n\
             ClusterAllFailedError: Failed to refresh slots cache. lastNodeError: {words}\n\
             cluster_state:fail{words}\n",
            id(0),
            id(1),
            id(1),
        );
        let file = folder.path().join(format!("paste-{number}-\u{1b}[31m.txt"));
        std::fs::write(&file, paste).expect("a file");
        let name = file.to_str().expect("a name");
        for way in [&[][..], &["-o", "table"], &["-o", "json"], &["-o", "yaml"]] {
            let output = slotwright(&[&["explain", name], way].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {way:?}"));
        }
    }
}

#[test]
fn no_error_message_repeats_what_a_terminal_obeys() {
    for words in HOSTILE.iter().filter(|words| !words.contains('\0')) {
        let calls: [&[&str]; 7] = [
            &["explain", &format!("SLOT{words}")],
            &["explain", &format!("/no/such/{words}")],
            &["check", &format!("10.0.0.1:{words}")],
            &["check", "--from", &format!("/no/such/{words}")],
            &["check", "h", "--only", words],
            &["check", "h", "--timeout", words],
            &["lab", "run", words],
        ];
        for call in calls {
            let output = slotwright(call);
            assert_ne!(output.status.code(), Some(0), "{call:?}");
            must_be_harmless(&output, &format!("{call:?}"));
        }
    }
}

#[test]
fn a_file_that_is_no_observation_is_refused_harmlessly() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, words) in HOSTILE.iter().enumerate() {
        let file = folder.path().join(format!("{number}.json"));
        std::fs::write(&file, format!("{{\"observation\": \"{words}\"}}")).expect("a file");
        let output = slotwright(&["check", "--from", file.to_str().expect("a name")]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        must_be_harmless(&output, words);
    }
}

/// A peer that answers everything with an error of its choice, to a real `check`.
#[test]
fn a_live_peers_error_is_harmless_in_every_mode() {
    use std::io::{Read as _, Write as _};
    for words in HOSTILE.iter().filter(|words| !words.contains('\r')) {
        let listener = std::net::TcpListener::bind("127.0.41.7:0").expect("a port");
        let target = listener.local_addr().expect("an address").to_string();
        let reply = format!("-ERR {words}\r\n").repeat(40);
        let server = std::thread::spawn(move || {
            // Ends when the test has dialled it for the last time.
            while let Ok((mut stream, _)) = listener.accept() {
                let mut asked = [0; 4096];
                match stream.read(&mut asked) {
                    Ok(read) if asked[..read].starts_with(b"end") => return,
                    _ => drop(stream.write_all(reply.as_bytes())),
                }
            }
        });
        let modes: [&[&str]; 5] =
            [&[], &["-v"], &["--as-client"], &["--as-client", "-o", "json"], &["--wait", "1s"]];
        for mode in modes {
            let flags = ["check", &target, "--timeout", "500ms", "--no-confirm"];
            let output = slotwright(&[&flags[..], mode].concat());
            assert!(matches!(output.status.code(), Some(3 | 4)), "{mode:?}: {}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {mode:?}"));
        }
        let mut last = std::net::TcpStream::connect(&target).expect("it listens");
        last.write_all(b"end").expect("it reads");
        server.join().expect("it ends");
    }
}

#[test]
fn the_same_facts_in_another_order_give_the_same_page() {
    let mut seen = one_silent();
    let first = check(&seen, &["-v"]);
    for turn in 0..6 {
        seen.sightings.rotate_left(1);
        if turn % 2 == 0 {
            seen.sightings.reverse();
        }
        assert_eq!(text(&check(&seen, &["-v"])), text(&first), "turn {turn}");
    }
}

#[test]
fn exit_codes_say_what_was_found() {
    let (open, silent) = (open_slot(), one_silent());
    let code = |seen: &Observation, args: &[&str]| check(seen, args).status.code();
    assert_eq!(code(&open, &["--only", "SLOT_OPEN"]), Some(0), "a warning is below error");
    assert_eq!(code(&open, &["--only", "SLOT_OPEN", "--fail-on", "warning"]), Some(3));
    assert_eq!(code(&open, &["--only", "SLOT_OPEN", "--exit-style", "nagios"]), Some(1));
    assert_eq!(code(&silent, &["--only", "SLOT_OPEN"]), Some(4), "not everything was seen");
    assert_eq!(code(&silent, &["--only", "SLOT_OPEN", "--fail-on", "warning"]), Some(3));
    assert_eq!(slotwright(&["check"]).status.code(), Some(2));
    assert_eq!(slotwright(&["check", "--from", "/does/not/exist"]).status.code(), Some(1));
}

#[test]
fn what_check_writes_it_reads_again() {
    let first = check(&open_slot(), &["-o", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&first.stdout).expect("JSON");
    assert_eq!(document["apiVersion"], "slotwright/v1");
    assert_eq!(document["kind"], "Check");
    let second = check(&document, &["-o", "json"]);
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn quiet_prints_nothing_and_a_pipe_gets_no_colour() {
    assert_eq!(text(&check(&open_slot(), &["-q"])), "");
    assert!(!text(&check(&open_slot(), &["-v"])).contains('\u{1b}'));
    assert!(text(&check(&open_slot(), &["--color", "always"])).contains('\u{1b}'));
}

#[test]
fn a_page_of_a_hundred_nodes_fits_80_columns() {
    let page = text(&check(&observation(100, &format!(" [7->-{}]", id(1))), &["-v"]));
    for line in page.lines().filter(|line| !line.contains("redis-cli ")) {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn a_command_to_copy_stands_on_one_line() {
    let page = text(&check(&open_slot(), &["--only", "SLOT_OPEN"]));
    let whole = "redis-cli -h 10.0.0.2 -p 7000 CLUSTER COUNTKEYSINSLOT 7";
    assert!(page.lines().any(|line| line.ends_with(whole)), "{page}");
}

#[test]
fn without_utf8_the_page_is_ascii() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", &one_silent());
    let output = Command::new(env!("CARGO_BIN_EXE_slotwright"))
        .args(["check", "-v", "--from"])
        .arg(&file)
        .env_clear()
        .env("LC_ALL", "C")
        .output()
        .expect("the program starts");
    let page = text(&output);
    assert!(page.is_ascii(), "{page}");
}

#[test]
fn a_wrong_code_is_answered_with_the_near_ones() {
    for args in [["explain", "SLOT_OPNE"].as_slice(), &["check", "h", "--only", "SLOT_OPNE"]] {
        let output = slotwright(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains("SLOT_OPEN"), "{}", text(&output));
    }
    assert!(text(&slotwright(&["explain", "slot-open"])).contains("What it means"));
}

#[test]
fn papers_are_generated() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(text(&slotwright(&["completions", shell])).contains("slotwright"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a name");
    assert_eq!(slotwright(&["man", path]).status.code(), Some(0));
    assert!(folder.path().join("slotwright-check.1").exists());
    for of in ["check", "explain"] {
        let schema = slotwright(&["schema", of]);
        let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
        assert_eq!(schema["title"], format!("slotwright {of}"));
    }
    assert!(text(&slotwright(&["check", "--help"])).contains("Examples:"));
}

/// What people read, word for word. Review with `cargo insta`, or `INSTA_UPDATE=always cargo test`.
#[test]
fn pages_read_as_they_were_written() {
    let page = |seen: &Observation, args: &[&str]| text(&check(seen, args));
    insta::assert_snapshot!("open_slot", page(&open_slot(), &[]));
    insta::assert_snapshot!("one_silent_wide", page(&one_silent(), &["-o", "wide"]));
    insta::assert_snapshot!("one_silent_short", page(&one_silent(), &["--short"]));
    insta::assert_snapshot!("hundred_nodes", page(&observation(100, ""), &["-o", "wide"]));
    insta::assert_snapshot!("explain_code", text(&slotwright(&["explain", "SLOT_OPEN"])));
    insta::assert_snapshot!("no_such_code", text(&slotwright(&["explain", "SLOT_OPNE"])));
    for verb in ["check", "explain", "lab"] {
        let help = text(&slotwright(&[verb, "--help"]));
        insta::assert_snapshot!(format!("help_{verb}"), help);
    }
}

#[test]
fn a_paste_is_explained_on_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.log");
    let paste = "1:M 2 Mar 2022 10:00:01.100 # Sorry, the cluster configuration file nodes.conf is \
        already used by a different Redis Cluster node. Please make sure that different nodes use \
        different cluster configuration files.\n";
    std::fs::write(&file, paste).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_slotwright"))
        .args(["explain", "redis.log"])
        .current_dir(folder.path())
        .env_clear()
        .env("COLUMNS", "80")
        .output()
        .expect("the program starts");
    insta::assert_snapshot!("explain_paste", text(&output));
}
