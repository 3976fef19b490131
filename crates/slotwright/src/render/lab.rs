//! What `slotwright lab` prints. Results to stdout, progress to stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the only code that prints")]

use slotwright_core::diagnose::{Certainty, Entry, Found};
use slotwright_lab::disasters::Disaster;
use slotwright_lab::healthy::Health;
use slotwright_lab::kept::Kept;
use slotwright_lab::outcome::{Outcome, Verdict};
use slotwright_lab::recover::{Healing, How};

use super::text;

/// Something that takes time has begun.
pub fn progress(what: &str) {
    eprintln!("{}", text::plain(what));
}

/// A line of a result. There is no other way out of here.
fn out(line: &str) {
    println!("{}", text::plain(line));
}

/// Lines of a result.
fn all(lines: &[String]) {
    lines.iter().for_each(|line| out(line));
}

/// The table of what can be broken.
pub fn list(entries: &[&Entry]) {
    let width = entries.iter().map(|entry| entry.code().len()).max().unwrap_or(0);
    for entry in entries {
        let scenario = (entry.scenario)();
        let shape =
            format!("{}+{}", scenario.primaries, scenario.primaries * scenario.replicas_each);
        out(&format!("{:width$}  {shape:5}  {}", entry.code(), entry.summary()));
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
    println!("{}", text::json(&format!("{:#}", serde_json::Value::Array(rows))));
}

/// How one scenario went; where it did not go well, what was found instead.
pub fn outcome(outcome: &Outcome) {
    all(&lines_of(outcome));
}

fn lines_of(outcome: &Outcome) -> Vec<String> {
    let Outcome { code, server, version, verdict, roots, timings, healing } = outcome;
    let (word, why) = match verdict {
        Verdict::Passed => ("passed", None),
        Verdict::NotApplicable(why) => ("n/a", Some(why)),
        Verdict::Missed(why) => ("MISSED", Some(why)),
        Verdict::Broken(why) => ("BROKEN", Some(why)),
    };
    let mut lines = vec![format!(
        "{word:6}  {code}  {} {version}  built {:.1} s, broken {:.1} s, found {:.1} s",
        server.name(),
        seconds(timings.build_ms),
        seconds(timings.break_ms),
        seconds(timings.find_ms),
    )];
    lines.extend(why.map(|why| format!("        {why}")));
    lines.extend(healing.iter().flat_map(lines_of_healing));
    if !outcome.is_fine() {
        lines.extend(roots.iter().flat_map(lines_of_root));
    }
    lines
}

fn lines_of_healing(healing: &Healing) -> Vec<String> {
    let Healing { how, must, rounds, took_ms, keys, story, left } = healing;
    let (word, reasons) = match how {
        How::Healed => ("healed", Vec::new()),
        How::Refused(reasons) => ("refused", reasons.clone()),
        How::Lost(lost) => ("LOST", lost.clone()),
        How::Failed(why) => ("FAILED", vec![why.clone()]),
    };
    let mut lines = vec![format!(
        "        {word} in {} rounds, {:.1} s, {keys} keys",
        rounds,
        seconds(*took_ms)
    )];
    if !healing.is_fine() {
        lines.push(format!("            NOT AS IT MUST: {must:?}"));
    }
    lines.extend(reasons.iter().take(8).map(|reason| format!("            {reason}")));
    lines.extend(left.iter().map(|found| format!("            left: {found}")));
    if !matches!(how, How::Healed) {
        lines.extend(story.iter().map(|line| format!("            | {line}")));
    }
    lines
}

/// How a disaster went.
pub fn disaster(disaster: &Disaster) {
    let word = if disaster.is_fine() { "fine " } else { "WRONG" };
    let faults = disaster.faults.join(" + ");
    out(&format!("{word}  seed {}  {}  {faults}", disaster.seed, disaster.server.name()));
    match &disaster.healing {
        Ok(healing) => all(&lines_of_healing(healing)),
        Err(why) => out(&format!("        it could not be made: {why}")),
    }
}

/// The last line about disasters.
pub fn disasters(disasters: &[Disaster]) {
    let count = |of: fn(&Healing) -> bool| {
        disasters.iter().filter(|one| one.healing.as_ref().is_ok_and(of)).count()
    };
    out(&format!(
        "{} disasters: {} healed, {} refused with a reason, {} lost keys, {} failed",
        disasters.len(),
        count(|healing| matches!(healing.how, How::Healed)),
        count(|healing| matches!(&healing.how, How::Refused(why) if !why.is_empty())),
        count(|healing| matches!(healing.how, How::Lost(_))),
        disasters.iter().filter(|one| !one.is_fine()).count()
            - count(|healing| matches!(healing.how, How::Lost(_))),
    ));
}

fn lines_of_root(found: &Found) -> Vec<String> {
    let doubt = match &found.certainty {
        Certainty::Certain => String::new(),
        Certainty::Suspected(why) => format!(" (suspected: {why})"),
    };
    let severity = format!("{:?}", found.severity).to_lowercase();
    let head = format!("        {severity} {}: {}{doubt}", found.code, found.message);
    let evidence = found.evidence.iter().take(6);
    let evidence = evidence.map(|one| format!("            {}: {}", one.witness, one.says));
    std::iter::once(head).chain(evidence).collect()
}

/// What was found on a healthy cluster.
pub fn health(health: &Health) {
    let word = if health.is_fine() { "quiet" } else { "ALARM" };
    out(&format!("{word}  {} {}  {}", health.shape, health.server.name(), health.situation));
    if let Some(why) = &health.broken {
        out(&format!("        it did not come about: {why}"));
    }
    health.alarms.iter().for_each(|alarm| all(&lines_of_root(alarm)));
}

/// The last line about healthy clusters.
pub fn alarms(healths: &[Health]) {
    let alarms: usize = healths.iter().map(|health| health.alarms.len()).sum();
    out(&format!("{} situations, {alarms} false alarms", healths.len()));
}

/// A cluster that stands, and how to look at it.
pub fn kept(kept: &Kept) {
    let nodes = kept.nodes.join(",");
    let inside =
        kept.namespace.as_ref().map_or_else(String::new, |name| format!("ip netns exec {name} "));
    out(&format!("standing: {} on {}; files in {}", kept.purpose, kept.server, folder(kept)));
    out(&format!("    look:  {inside}slotwright check {nodes}"));
    out("    end:   slotwright lab down");
}

fn folder(kept: &Kept) -> String {
    kept.debris.folder.as_ref().map_or_else(String::new, |folder| folder.display().to_string())
}

/// A cluster was ended.
pub fn ended(kept: &Kept) {
    out(&format!("ended: {} on {}", kept.purpose, kept.server));
}

/// The last line.
pub fn total(outcomes: &[Outcome]) {
    let count = |of: fn(&Verdict) -> bool| outcomes.iter().filter(|o| of(&o.verdict)).count();
    let wrongly = outcomes.iter().filter_map(|outcome| outcome.healing.as_ref());
    let wrongly = wrongly.filter(|healing| !healing.is_fine()).count();
    if wrongly > 0 {
        out(&format!("{wrongly} recovered otherwise than they must"));
    }
    out(&format!(
        "{} passed, {} missed, {} could not be staged, {} not applicable",
        count(|verdict| matches!(verdict, Verdict::Passed)),
        count(|verdict| matches!(verdict, Verdict::Missed(_))),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::NotApplicable(_))),
    ));
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use slotwright_core::observation::Observation;
    use slotwright_core::scenario::Server;
    use slotwright_lab::outcome::Timings;

    use super::*;

    #[test]
    fn words_of_a_server_in_an_outcome_are_one_harmless_line_each() {
        let outcome = Outcome {
            code: "SLOT_OPEN".to_owned(),
            server: Server::Redis70,
            version: "7.0.15\u{1b}[2J".to_owned(),
            verdict: Verdict::Missed("it said \u{202e}\r\nERROR forged".to_owned()),
            roots: slotwright_core::diagnose::diagnose(&Observation::empty())
                .roots
                .into_iter()
                .map(|root| root.found)
                .collect(),
            timings: Timings::default(),
            healing: None,
        };
        let lines = lines_of(&outcome);
        assert!(lines.iter().any(|line| line.contains("forged")), "{lines:?}");
        for line in lines {
            assert!(!text::plain(&line).chars().any(text::is_obeyed), "{line:?}");
        }
    }
}
