//! The command line itself: help, what describes the program, and words that are not understood.

use std::io::Write as _;
use std::process::Stdio;

use super::world::{out, program, slotwright, text};

#[test]
fn papers_are_generated() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(out(&slotwright(&["completions", shell])).contains("slotwright"), "{shell}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a name");
    assert_eq!(slotwright(&["man", path]).status.code(), Some(0));
    let page = folder.path().join("slotwright-check.1");
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("Examples:") && page.contains("Exit codes:"), "{page}");
    for of in ["check", "explain"] {
        let schema = slotwright(&["schema", of]);
        let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("JSON");
        assert_eq!(schema["title"], format!("slotwright {of}"));
    }
}

#[test]
fn explain_reads_what_is_piped_in() {
    let piped = |args: &[&str]| {
        let mut command = program(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(b"(error) CLUSTERDOWN The cluster is down\n").expect("it is read");
        drop(input);
        out(&child.wait_with_output().expect("it ends"))
    };
    let said = piped(&["explain"]);
    assert!(said.contains("-:1: (error) CLUSTERDOWN"), "{said}");
    assert_eq!(said, piped(&["explain", "-"]));
}

#[test]
fn a_uri_in_a_wrong_place_does_not_show_its_password() {
    let uri = "redis://app:SECRET@10.0.0.1:7000";
    for args in [
        [uri].as_slice(),
        &["explain", uri],
        &["check", "--from", uri],
        &["check", "--from", uri, uri],
        &["check", "h", "--timeout", uri],
        &["check", "h", "-o", uri],
        &["check", uri, "--watch", uri],
        &["check", uri, "--no-such-flag"],
        &["check", "http://app:SECRET@10.0.0.1:7000"],
        &["check", "redis://app:SEC/RET@SECRET@10.0.0.1:port"],
        &["completions", uri],
    ] {
        let output = slotwright(args);
        let shown = text(&output);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}: {shown}");
        assert!(!shown.is_empty() && !shown.contains("SEC"), "{args:?}: {shown}");
    }
}

#[test]
fn help_and_version_are_results() {
    for args in [["--help"].as_slice(), &["--version"], &["check", "--help"], &["help", "lab"]] {
        let output = slotwright(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn secrets_of_the_environment_are_not_in_help() {
    let mut command = super::world::program(&["check", "--help"]);
    for name in ["SLOTWRIGHT_PASSWORD", "REDISCLI_AUTH", "VALKEYCLI_AUTH", "SLOTWRIGHT_TARGET"] {
        command.env(name, "redis://app:SECRET@h");
    }
    let help = out(&command.output().expect("the program starts"));
    assert!(help.contains("SLOTWRIGHT_TARGET") && !help.contains("SECRET"), "{help}");
}
