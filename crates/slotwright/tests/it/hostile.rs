//! No way of writing lets a peer, or a file, speak to the terminal.
//!
//! What `lab` prints has its own test beside its code: no scenario gives a server these words.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};

use slotwright_core::observation::Observation;

use super::world::{World, check, id, program, slotwright, text};

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
    "\u{1b}]8;;http://x\u{1b}\\click\u{90}q\u{9d}",
    "\u{2067}\u{2068}\u{2069}\u{202a}\u{061c}\u{180e}\u{00ad}\u{200f}",
    "$(reboot)`reboot`;'\"\\",
];

/// Our words stand wherever a peer, or a file, can put its own.
fn spoiled() -> Observation {
    let mut world = World::one_silent(PLACEHOLDER);
    for node in 0..world.nodes.len() {
        world = world.about(node, |row| row.name = PLACEHOLDER.to_owned());
        world.nodes[node].info = format!(
            "redis_version:8.2.3{PLACEHOLDER}\r\nrole:{PLACEHOLDER}\r\n\
             master_host:{PLACEHOLDER}\r\nmaster_link_status:down{PLACEHOLDER}\r\n\
             availability_zone:{PLACEHOLDER}\r\nconfig_file:{PLACEHOLDER}\r\n"
        );
    }
    world.nodes[1].state = PLACEHOLDER;
    world = world.node(2, |node| node.host = PLACEHOLDER.to_owned());
    world.seen()
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

/// What a terminal, an editor or a browser would obey, except for the end of a line.
fn obeyed(text: &str) -> Option<char> {
    let invisible = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{e0000}'..='\u{e007f}',
    ];
    text.chars()
        .find(|c| (c.is_control() && *c != '\n') || invisible.iter().any(|range| range.contains(c)))
}

/// Each way in which a result of `check` is written. A way that `--help` names and this list does
/// not is found by [`every_way_of_writing_is_tried`].
const WAYS: &[&[&str]] = &[
    &[],
    &["-v"],
    &["-vv"],
    &["-q"],
    &["--short"],
    &["-o", "table"],
    &["-o", "wide"],
    &["-o", "json"],
    &["-o", "yaml"],
    &["--exit-style", "nagios"],
    &["--only", "SLOT_OPEN", "-v"],
];

#[test]
fn very_long_words_are_no_trouble() {
    let seen = hostile(&spoiled(), &"\u{1b}long\u{202e} ".repeat(2_000));
    for way in WAYS {
        let output = check(&seen, way);
        assert!(matches!(output.status.code(), Some(0..=4)), "{way:?}");
        must_be_harmless(&output, &format!("{way:?}"));
    }
}

/// Fails when some words of a peer would be obeyed by whoever shows this output.
fn must_be_harmless(output: &Output, what: &str) {
    let text = text(output);
    assert_eq!(obeyed(&text), None, "{what}: {text:?}");
    assert!(!text.lines().any(|line| line.starts_with("ERROR forged")), "{what}: {text}");
}

#[test]
fn no_way_of_writing_lets_a_peer_speak_to_the_terminal() {
    for words in HOSTILE {
        let seen = hostile(&spoiled(), words);
        for way in WAYS {
            let output = check(&seen, way);
            let code = output.status.code();
            assert!(matches!(code, Some(0..=4)), "{words:?} {way:?}: {}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {way:?}"));
            if way.contains(&"json") {
                // Escapes lose nothing: the document still holds the very words.
                let document: serde_json::Value =
                    serde_json::from_slice(&output.stdout).expect("JSON");
                for part in ["notes", "rows"] {
                    assert_eq!(document["observation"][part], seen[part], "{words:?}");
                }
            }
            if way.contains(&"yaml") {
                let text = String::from_utf8_lossy(&output.stdout);
                let document: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
                assert_eq!(document["kind"], "Check");
            }
        }
    }
}

/// `recover` draws plans and verifications with the same code.
#[test]
fn no_plan_and_no_verification_lets_a_peer_speak_to_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("seen.json");
    let name = file.to_str().expect("a name");
    for words in HOSTILE {
        let seen = hostile(&spoiled(), words);
        let document = serde_json::json!({ "observation": seen });
        std::fs::write(&file, document.to_string()).expect("a file");
        for verb in ["plan", "verify"] {
            for way in [&[][..], &["-o", "json"], &["-o", "yaml"]] {
                let output = slotwright(&[&[verb, "--from", name], way].concat());
                assert!(matches!(output.status.code(), Some(0..=4)), "{}", text(&output));
                assert!(!output.stdout.is_empty(), "{verb} {way:?}");
                must_be_harmless(&output, &format!("{verb} {words:?} {way:?}"));
            }
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

/// A command that is not in this list prints in a way that nobody looked at: add it to the tests
/// above, or say here why no words of a stranger come into it.
#[test]
fn every_command_is_known_here() {
    let help = text(&slotwright(&["--help"]));
    let (_, rest) = help.split_once("Commands:\n").expect("commands");
    let commands: Vec<&str> = rest
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    // `lab`: beside its code. The last four print nothing but what was compiled in.
    assert_eq!(
        commands,
        [
            "check",
            "plan",
            "recover",
            "journal",
            "verify",
            "explain",
            "lab",
            "completions",
            "man",
            "schema",
            "help"
        ]
    );
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

/// A peer that shows a table and values full of its own words, and answers the rest with errors.
/// It ends when the test has dialled it for the last time.
struct Peer {
    address: String,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Peer {
    fn start(words: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.41.7:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let serve = move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                if !converse(stream, at.port(), words) {
                    return;
                }
            }
        };
        Self { address: at.to_string(), thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut last = TcpStream::connect(&self.address).expect("it listens");
        last.write_all(b"end\r\n").expect("it reads");
        self.thread.take().expect("it was started").join().expect("it ends");
    }
}

/// Answers until the other side hangs up. False when the peer shall end.
fn converse(stream: TcpStream, port: u16, words: &str) -> bool {
    let host: String = words.chars().filter(|c| !c.is_ascii_whitespace() && *c != ',').collect();
    let mut out = stream.try_clone().expect("a handle");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(head) = lines.next() {
        if head == "end" {
            return false;
        }
        let parts: usize = head.trim_start_matches('*').parse().unwrap_or(0);
        let command: Vec<String> =
            (0..parts).filter_map(|_| lines.next().and_then(|_| lines.next())).collect();
        let bulk = |text: String| format!("${}\r\n{text}\r\n", text.len());
        let reply = match command.join(" ").to_uppercase().as_str() {
            "PING" => "+PONG\r\n".to_owned(),
            "CLUSTER NODES" => bulk(format!(
                "{} 127.0.41.7:{port}@1,{words} myself,master - 0 0 1 connected 0-16000 {words}\n\
                 {} {host}:7000@17000,{words} master - 0 0 2 connected 16001-16383\n\
                 {} {words}:1@1,{words} master,{words} - 0 0 2 {words}\n",
                id(0),
                id(1),
                id(2)
            )),
            "CLUSTER INFO" => bulk(format!("cluster_state:{words}\r\n{words}:1\r\n")),
            line if line.starts_with("INFO") => bulk(format!(
                "redis_version:8.2.3{words}\r\nrole:{words}\r\nmaster_host:{words}\r\n"
            )),
            _ => format!("-ERR {words}\r\n"),
        };
        if out.write_all(reply.as_bytes()).is_err() {
            return true;
        }
    }
    true
}

#[test]
fn a_live_peer_is_harmless_in_every_mode() {
    for words in HOSTILE {
        let peer = Peer::start(words);
        let modes: [&[&str]; 7] = [
            &[],
            &["-vv"],
            &["-q"],
            &["-o", "yaml"],
            &["--as-client"],
            &["--as-client", "-o", "json"],
            &["--wait", "1s"],
        ];
        for mode in modes {
            let flags = ["check", &peer.address, "--timeout", "500ms", "--no-confirm"];
            let output = slotwright(&[&flags[..], mode].concat());
            assert!(matches!(output.status.code(), Some(3 | 4)), "{mode:?}: {}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {mode:?}"));
        }
    }
}

#[test]
fn no_plan_speaks_to_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, words) in HOSTILE.iter().enumerate() {
        let mut world = World::stale_addresses();
        for node in 0..world.nodes.len() {
            world = world.about(node, |row| row.name = PLACEHOLDER.to_owned());
        }
        let seen = hostile(&world.seen(), words);
        let file = folder.path().join(format!("{number}.json"));
        std::fs::write(&file, seen.to_string()).expect("a file");
        let name = file.to_str().expect("a name");
        let rehearse = ["--rehearse", "--rehearsals", "2"];
        for way in [&[][..], &["-v"], &["-o", "json"], &["-o", "yaml"], &rehearse] {
            let output = slotwright(&[&["plan", "--from", name], way].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            assert!(
                text(&output).contains("ALL_ADDRESSES_STALE"),
                "nothing is planned: {}",
                text(&output)
            );
            must_be_harmless(&output, &format!("{words:?} {way:?}"));
        }
    }
}

#[test]
fn recovering_a_hostile_peer_is_harmless_and_sends_nothing() {
    for words in HOSTILE {
        let folder = tempfile::tempdir().expect("a folder");
        let journals = folder.path().to_str().expect("a name");
        let peer = Peer::start(words);
        for mode in [&["--dry-run"][..], &["--yes"], &["-o", "json"]] {
            // A peer may claim for ever that something is under way.
            let flags = ["recover", &peer.address, "--timeout", "300ms", "--patience", "1ms"];
            let output = slotwright(&[&flags[..], &["--journal-dir", journals], mode].concat());
            assert!(matches!(output.status.code(), Some(0 | 3 | 6)), "{mode:?}: {}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {mode:?}"));
        }
        for call in [&["journal", "list"][..], &["journal", "show"]] {
            let output = slotwright(&[call, &["--journal-dir", journals]].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            must_be_harmless(&output, &format!("{words:?} {call:?}"));
            assert!(!text(&output).contains("CLUSTER "), "nothing was sent: {}", text(&output));
        }
    }
}

#[test]
fn no_journal_speaks_to_the_terminal() {
    use slotwright_core::drive::{End, Reply};
    use slotwright_core::journal::{Entry, encode};
    let folder = tempfile::tempdir().expect("a folder");
    for (number, words) in HOSTILE.iter().enumerate() {
        let file = folder.path().join(format!("{number}.journal"));
        let plan: slotwright_core::plan::Plan = serde_json::from_value(serde_json::json!({
            "format": 1, "tool": words, "parent": words, "nodes": {}, "steps": [{
                "mends": words, "on": id(1), "change": {"kind": "bump_epoch"},
                "risk": "reversible", "why": words, "guard": [], "expect": [],
                "within_ms": 1, "stage": 0
            }]
        }))
        .expect("a plan");
        let words = (*words).to_owned();
        let entries = [
            Entry::RunBegun { tool: words.clone(), at_ms: 1, target: words.clone() },
            Entry::Planned { plan: Box::new(plan) },
            Entry::StepBegun { step: 0 },
            Entry::StepReplied { step: 0, reply: Reply::Refused(words.clone()) },
            Entry::RoundEnded { end: End::Refused { step: 0, reply: words.clone() } },
        ];
        let bytes: Vec<u8> = entries.iter().flat_map(|e| encode(e).expect("JSON")).collect();
        std::fs::write(&file, bytes).expect("a file");
        let output = slotwright(&["journal", "show", file.to_str().expect("a name")]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains("the server refuses"), "{}", text(&output));
        must_be_harmless(&output, &words);
    }
}

#[test]
fn watching_a_hostile_peer_is_harmless() {
    for words in HOSTILE {
        let peer = Peer::start(words);
        let flags = ["--timeout", "300ms", "--no-confirm", "-v", "--watch", "100ms"];
        let mut command = program(&[&["check", &peer.address], flags.as_slice()].concat());
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut seen = String::new();
        while seen.lines().filter(|line| line.starts_with("cluster  ")).count() < 3 {
            let line = lines.next().expect("it goes on").expect("UTF-8");
            seen.push_str(&line);
            seen.push('\n');
        }
        child.kill().expect("it runs");
        let mut rest = child.wait_with_output().expect("it ends");
        rest.stdout = seen.into_bytes();
        must_be_harmless(&rest, &format!("{words:?}"));
        // Else this test would look at pages without any word of the peer.
        let shown = text(&rest);
        assert!(!words.contains("owned") || shown.contains("owned"), "{shown}");
    }
}
