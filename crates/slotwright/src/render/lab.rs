//! What `slotwright lab` prints. Results to stdout, progress to stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the only code that prints")]

use slotwright_core::diagnose::{Certainty, Entry, Found};
use slotwright_lab::healthy::Health;
use slotwright_lab::kept::Kept;
use slotwright_lab::outcome::{Outcome, Verdict};

/// Something that takes time has begun.
pub fn progress(text: &str) {
    eprintln!("{text}");
}

/// The table of what can be broken.
pub fn list(entries: &[&Entry]) {
    let width = entries.iter().map(|entry| entry.code().len()).max().unwrap_or(0);
    for entry in entries {
        let scenario = (entry.scenario)();
        let shape =
            format!("{}+{}", scenario.primaries, scenario.primaries * scenario.replicas_each);
        println!("{:width$}  {shape:5}  {}", entry.code(), entry.summary());
    }
}

/// The same with every act, for programs.
pub fn list_json(entries: &[&Entry]) {
    let rows: Vec<serde_json::Value> = entries
        .iter()
        .map(|entry| {
            serde_json::json!({
                "code": entry.code(),
                "summary": entry.summary(),
                "scenario": (entry.scenario)(),
            })
        })
        .collect();
    println!("{:#}", serde_json::Value::Array(rows));
}

/// How one scenario went; where it did not go well, what was found instead.
pub fn outcome(outcome: &Outcome) {
    let Outcome { code, server, version, verdict, roots, timings } = outcome;
    let (word, why) = match verdict {
        Verdict::Passed => ("passed", None),
        Verdict::NotApplicable(why) => ("n/a", Some(why)),
        Verdict::Missed(why) => ("MISSED", Some(why)),
        Verdict::Broken(why) => ("BROKEN", Some(why)),
    };
    println!(
        "{word:6}  {code}  {} {version}  built {:.1} s, broken {:.1} s, found {:.1} s",
        server.name(),
        seconds(timings.build_ms),
        seconds(timings.break_ms),
        seconds(timings.find_ms),
    );
    if let Some(why) = why {
        println!("        {}", plain(why));
    }
    if !outcome.is_fine() {
        roots.iter().for_each(root);
    }
}

fn root(found: &Found) {
    let doubt = match &found.certainty {
        Certainty::Certain => String::new(),
        Certainty::Suspected(why) => format!(" (suspected: {why})"),
    };
    let severity = format!("{:?}", found.severity).to_lowercase();
    println!("        {severity} {}: {}{}", found.code, plain(&found.message), plain(&doubt));
    for evidence in found.evidence.iter().take(6) {
        println!("            {}: {}", evidence.witness, plain(&evidence.says));
    }
}

/// What was found on a healthy cluster.
pub fn health(health: &Health) {
    let word = if health.is_fine() { "quiet" } else { "ALARM" };
    println!("{word}  {} {}  {}", health.shape, health.server.name(), health.situation);
    if let Some(why) = &health.broken {
        println!("        it did not come about: {}", plain(why));
    }
    health.alarms.iter().for_each(root);
}

/// The last line about healthy clusters.
pub fn alarms(all: &[Health]) {
    let alarms: usize = all.iter().map(|health| health.alarms.len()).sum();
    println!("{} situations, {alarms} false alarms", all.len());
}

/// A cluster that stands, and how to look at it.
pub fn kept(kept: &Kept) {
    let nodes = kept.nodes.join(",");
    let inside =
        kept.namespace.as_ref().map_or_else(String::new, |name| format!("ip netns exec {name} "));
    println!("standing: {} on {}; files in {}", kept.purpose, kept.server, folder(kept));
    println!("    look:  {inside}slotwright check {nodes}");
    println!("    end:   slotwright lab down");
}

fn folder(kept: &Kept) -> String {
    kept.debris.folder.as_ref().map_or_else(String::new, |folder| folder.display().to_string())
}

/// A cluster was ended.
pub fn ended(kept: &Kept) {
    println!("ended: {} on {}", kept.purpose, kept.server);
}

/// The last line.
pub fn total(outcomes: &[Outcome]) {
    let count = |of: fn(&Verdict) -> bool| outcomes.iter().filter(|o| of(&o.verdict)).count();
    println!(
        "{} passed, {} missed, {} could not be staged, {} not applicable",
        count(|verdict| matches!(verdict, Verdict::Passed)),
        count(|verdict| matches!(verdict, Verdict::Missed(_))),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::NotApplicable(_))),
    );
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// A text that may hold a server's words, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
