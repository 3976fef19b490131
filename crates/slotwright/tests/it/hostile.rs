//! No way of writing lets a peer, or a file, speak to the terminal.
//!
//! What `lab` prints has its own test beside its code: no scenario gives a server these words.

use std::process::Output;

use slotwright_core::observation::Observation;

use super::world::{World, check, id, slotwright, text};

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

/// Our words stand wherever a peer, or a file, can put its own.
fn spoiled() -> Observation {
    let mut world = World::one_silent(PLACEHOLDER);
    for node in 0..world.nodes.len() {
        world = world.about(node, |row| row.name = PLACEHOLDER.to_owned());
        world.nodes[node].info = format!(
            "redis_version:8.2.3{PLACEHOLDER}\r\nrole:{PLACEHOLDER}\r\nmaster_host:{PLACEHOLDER}\r\n\
             master_link_status:down{PLACEHOLDER}\r\navailability_zone:{PLACEHOLDER}\r\n\
             config_file:{PLACEHOLDER}\r\n"
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
        let seen = hostile(&spoiled(), words);
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
