//! `check`: exit codes, formats, flags.

use std::process::{Command, Stdio};

use slotwright_core::observation::{Observation, Said, Silence};
use slotwright_core::wire::info;

use super::schema::departures;
use super::world::{World, check, out, program, slotwright, text, written};

fn code(seen: &Observation, args: &[&str]) -> Option<i32> {
    check(seen, args).status.code()
}

#[test]
fn exit_codes_say_what_was_found() {
    let healthy = World::healthy(3, 1).seen();
    let open = World::open_slot().seen();
    let down = World::shard_down().seen();
    let silent = World::one_silent("no").seen();
    assert_eq!(code(&healthy, &[]), Some(0));
    assert_eq!(code(&down, &[]), Some(3));
    assert_eq!(code(&open, &["--only", "SLOT_OPEN"]), Some(0), "a warning is below error");
    assert_eq!(code(&open, &["--only", "SLOT_OPEN", "--fail-on", "warning"]), Some(3));
    assert_eq!(code(&open, &["--only", "SLOT_OPEN", "--fail-on", "info"]), Some(3));
    assert_eq!(code(&silent, &["--only", "SLOT_OPEN"]), Some(4), "not everything was seen");
    assert_eq!(code(&silent, &["--only", "SLOT_OPEN", "--fail-on", "warning"]), Some(3));
    assert_eq!(slotwright(&["check"]).status.code(), Some(2));
    assert_eq!(slotwright(&["check", "h", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(slotwright(&["check", "--from", "/does/not/exist"]).status.code(), Some(1));
}

#[test]
fn monitoring_plugins_have_their_own_codes() {
    let nagios = |seen: &Observation, more: &[&str]| {
        code(seen, &[&["--exit-style", "nagios"], more].concat())
    };
    assert_eq!(nagios(&World::healthy(3, 1).seen(), &[]), Some(0));
    assert_eq!(nagios(&World::open_slot().seen(), &["--only", "SLOT_OPEN"]), Some(1));
    assert_eq!(nagios(&World::shard_down().seen(), &[]), Some(2));
    let silent = World::healthy(3, 1).node(5, |node| node.silence = Some(Silence::TimedOut));
    assert_eq!(nagios(&silent.seen(), &["--only", "SLOT_OPEN"]), Some(3));
}

#[test]
fn only_and_skip_choose_among_findings() {
    let down = World::shard_down().seen();
    let whole = text(&check(&down, &["--short"]));
    assert!(whole.contains("SHARD_DOWN"), "{whole}");
    let skipped = text(&check(&down, &["--short", "--skip", "shard-down"]));
    assert!(!skipped.contains("SHARD_DOWN"), "{skipped}");
    let only = text(&check(&down, &["--short", "--only", "SLOT_OPEN,SHARD_DOWN"]));
    assert!(only.contains("SHARD_DOWN"), "{only}");
}

#[test]
fn a_wrong_code_is_answered_with_the_near_ones() {
    for args in [
        ["explain", "SLOT_OPNE"].as_slice(),
        &["check", "h", "--only", "SLOT_OPNE"],
        &["check", "h", "--skip", "slot-opn"],
    ] {
        let output = slotwright(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(text(&output).contains("SLOT_OPEN"), "{}", text(&output));
    }
}

#[test]
fn what_check_writes_it_reads_again() {
    for world in [World::open_slot(), World::shard_down(), World::one_silent("no")] {
        let first = check(&world.seen(), &["-o", "json"]);
        let document: serde_json::Value = serde_json::from_slice(&first.stdout).expect("JSON");
        assert_eq!(document["apiVersion"], "slotwright/v1");
        assert_eq!(document["kind"], "Check");
        assert_eq!(document["observation"], serde_json::to_value(world.seen()).expect("a value"));
        assert_eq!(first.stdout, check(&document, &["-o", "json"]).stdout);
    }
}

#[test]
fn json_is_what_its_schema_says() {
    let read = |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).expect("JSON") };
    let schema = read(&slotwright(&["schema", "check"]).stdout);
    for world in [
        World::healthy(3, 1),
        World::open_slot(),
        World::stale_addresses(),
        World::shard_down(),
        World::one_silent("no"),
    ] {
        let document = read(&check(&world.seen(), &["-o", "json"]).stdout);
        assert_eq!(departures(&schema, &document), [""; 0]);
    }
}

#[test]
fn yaml_says_the_same_as_json() {
    let seen = World::shard_down().seen();
    let json = out(&check(&seen, &["-o", "json"]));
    let yaml = out(&check(&seen, &["-o", "yaml"]));
    let from_json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let from_yaml: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
    assert_eq!(from_json, from_yaml);
}

#[test]
fn short_is_a_line_for_each_root_cause_and_wide_shows_all() {
    let seen = World::shard_down().seen();
    let (short, table, wide) = (
        out(&check(&seen, &["--short"])),
        out(&check(&seen, &[])),
        out(&check(&seen, &["-o", "wide"])),
    );
    assert!(short.lines().count() < table.lines().count());
    assert!(!short.contains("proof") && table.contains("proof"));
    assert!(wide.contains("who sees whom") && wide.contains("slots"), "{wide}");
    assert_eq!(wide, out(&check(&seen, &["-v"])), "-v is the wide page");
}

#[test]
fn quiet_is_one_line_and_documents_stay_whole() {
    let line = |world: &World, args: &[&str]| out(&check(&world.seen(), args));
    assert_eq!(
        line(&World::healthy(3, 1), &["-q"]),
        "ok  every node answered, and nothing is wrong\n"
    );
    assert_eq!(
        line(&World::shard_down(), &["-q", "--only", "SHARD_DOWN,NODE_DOWN"]),
        "CRITICAL  SHARD_DOWN, NODE_DOWN\n"
    );
    let silent = line(&World::one_silent("no"), &["-q", "--only", "NODE_DOWN"]);
    assert_eq!(silent.lines().count(), 1, "{silent}");
    assert!(silent.starts_with("unknown  "), "{silent}");
    let document = line(&World::shard_down(), &["-q", "-o", "json"]);
    assert_eq!(document, line(&World::shard_down(), &["-o", "json"]));
}

#[test]
fn what_is_only_worth_knowing_stays_short() {
    let aside = |world: &World, args: &[&str]| {
        let mut seen = world.seen();
        for sighting in &mut seen.sightings {
            sighting.config = Said::This(info::parse(b"save:\r\nappendonly:no\r\n"));
        }
        out(&check(&seen, &[args, &["--only", "PERSISTENCE_OFF"]].concat()))
    };
    let healthy = World::healthy(3, 1);
    let page = aside(&healthy, &[]);
    assert!(page.contains("info PERSISTENCE_OFF") && !page.contains("  fix  "), "{page}");
    assert!(page.ends_with("ok  every node answered, and nothing is broken\n"), "{page}");
    assert!(aside(&healthy, &["-v"]).contains("  fix  "));
    assert!(aside(&healthy, &["-q"]).starts_with("ok  "));
    assert!(aside(&World::one_silent("no"), &["-q"]).starts_with("unknown  "));
}

#[test]
fn twice_verbose_shows_the_answer_times() {
    let seen = World::one_silent("no").seen();
    let page = out(&check(&seen, &["-vv"]));
    let times: Vec<&str> =
        page.lines().skip_while(|line| !line.starts_with("answer times")).collect();
    assert_eq!(times.len(), 1 + seen.sightings.len(), "{page}");
    assert_eq!(times[1].trim(), "6 ms  10.0.0.5:6379");
    assert!(page.contains("10.0.0.6:6379  ERR no"), "{page}");
    assert!(!out(&check(&seen, &["-v"])).contains("answer times"));
}

#[test]
fn the_environment_gives_defaults_and_no_contradictions() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", &World::healthy(3, 1).seen());
    let from = file.to_str().expect("a name");
    assert_eq!(slotwright(&["check", "h", "--from", from]).status.code(), Some(2));
    for (name, value) in [
        ("SLOTWRIGHT_TARGET", "10.0.0.1:6379"),
        ("SLOTWRIGHT_AS_CLIENT", "true"),
        ("SLOTWRIGHT_SHORT", "1"),
        ("SLOTWRIGHT_TLS", "yes"),
        ("SLOTWRIGHT_CENSUS", "0"),
        ("SLOTWRIGHT_INSECURE", ""),
        ("SLOTWRIGHT_DEADLINE", "30s"),
    ] {
        let mut command = program(&["check", "--from", from]);
        let output = command.env(name, value).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output));
    }
}

#[test]
fn an_interrupt_ends_a_look_with_its_own_code() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    let mut command = program(&["check", &target, "--timeout", "60s"]);
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = pipes.spawn().expect("the program starts");
    let silent = listener.accept().expect("it dials");
    let process = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &process]).status().expect("kill is there");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    drop(silent);
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
}

/// A peer that takes connections and says nothing.
#[test]
fn a_deadline_ends_everything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    let begun = std::time::Instant::now();
    let flags = ["--as-client", "--timeout", "60s", "--deadline", "600ms"];
    let output = slotwright(&[&["check", &target], flags.as_slice()].concat());
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert!(matches!(output.status.code(), Some(3 | 4)), "{}", text(&output));
    assert!(text(&output).contains("left no time for --as-client"), "{}", text(&output));
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", &World::shard_down().seen());
    let coloured = |args: &[&str], name: &str, value: &str| {
        let mut command = program(&["check", "-v", "--from", file.to_str().expect("a name")]);
        let output = command.args(args).env(name, value).output().expect("the program starts");
        text(&output).contains('\u{1b}')
    };
    assert!(!coloured(&[], "TERM", "xterm"), "a pipe is no terminal");
    assert!(!coloured(&["--color", "auto"], "NO_COLOR", "1"));
    assert!(!coloured(&["--color", "never"], "CLICOLOR_FORCE", "1"));
    assert!(coloured(&["--color", "always"], "NO_COLOR", "1"), "a flag beats the environment");
    assert!(coloured(&[], "CLICOLOR_FORCE", "1"));
    assert!(coloured(&[], "SLOTWRIGHT_COLOR", "always"));
}

#[test]
fn a_file_without_an_observation_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("nonsense.txt");
    std::fs::write(&file, "cluster_state:ok").expect("a file");
    let output = slotwright(&["check", "--from", file.to_str().expect("a name")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("holds no observation"), "{}", text(&output));
}

#[test]
fn an_observation_of_a_later_format_is_refused() {
    let mut seen = World::healthy(3, 1).seen();
    seen.format = u32::MAX;
    let output = check(&seen, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("format"), "{}", text(&output));
}

#[test]
fn the_order_of_answers_changes_no_byte() {
    for world in [World::open_slot(), World::stale_addresses(), World::shard_down()] {
        let mut order: Vec<usize> = (0..world.nodes.len()).collect();
        let first = out(&check(&world.seen_in_order(&order), &["-v"]));
        for round in 1..=20 {
            let (from, to) = (round % order.len(), (round * 7 + 3) % order.len());
            order.swap(from, to);
            order.rotate_left(round % 3);
            assert_eq!(out(&check(&world.seen_in_order(&order), &["-v"])), first, "{order:?}");
        }
    }
}
