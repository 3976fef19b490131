//! The report of `check` as a page: root causes first, each with its evidence, its consequences
//! and the way out.

use slotwright_core::diagnose::{
    ByHand, Certainty, Found, Group, Report, RootCause, Severity, Step,
};
use slotwright_core::observation::{Observation, Picture, Silence};

use super::page::{Ink, Look, Page};
use super::text::{count, shell_word};
use super::{matrix, slots};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// The lines that one pastes into a chat.
    Short,
    /// What one needs to act.
    Normal,
    /// All evidence, the slot map and the matrix always.
    Full,
}

/// Witnesses of one finding that are shown unless everything is wanted.
const EVIDENCE_SHOWN: usize = 4;
/// Kinds of consequences of one root cause that are shown unless everything is wanted.
const CONSEQUENCES_SHOWN: usize = 6;
/// Witnesses named before those who say the same, unless everything is wanted.
const WITNESSES_NAMED: usize = 2;
/// Codes of the line of `--quiet`.
const CODES_SHOWN: usize = 5;
/// Consequences of one code that are shown unless everything is wanted.
const SAME_SHOWN: usize = 2;
/// Nodes listed among those that did not answer.
const SILENT_SHOWN: usize = 8;

/// Draws the whole report.
pub fn draw(look: Look, seen: &Observation, report: &Report, detail: Detail) -> String {
    let picture = Picture::new(seen);
    let mut page = Page::new(look);
    header(&mut page, &picture, report);
    for root in &report.roots {
        if detail == Detail::Short {
            headline(&mut page, &root.found);
        } else {
            page.gap();
            draw_root(&mut page, root, detail);
        }
    }
    if detail > Detail::Short {
        pictures(&mut page, &picture, report, detail);
        unasked(&mut page, &picture, report);
    }
    footer(&mut page, report);
    page.finish()
}

fn header(page: &mut Page, seen: &Picture<'_>, report: &Report) {
    let versions: std::collections::BTreeSet<String> = seen
        .sightings()
        .filter_map(|(_, sighting)| seen.version(sighting))
        .map(|version| version.to_string())
        .collect();
    let versions = match versions.len() {
        0 => "version unknown".to_owned(),
        1..=3 => versions.into_iter().collect::<Vec<_>>().join(", "),
        many => format!("{many} different versions"),
    };
    let states: Vec<bool> = seen
        .sightings()
        .filter_map(|(_, sighting)| Some(sighting.cluster_info.get()?.is("cluster_state", "ok")))
        .collect();
    let state = match (states.iter().filter(|ok| !**ok).count(), states.len()) {
        (_, 0) => "state unknown".to_owned(),
        (0, _) => "state ok".to_owned(),
        (fail, all) if fail == all => "state fail".to_owned(),
        (fail, all) => format!("state fail on {fail} of {all}"),
    };
    if report.known == 0 {
        let text = match seen.sightings().count() {
            1 => "not seen: the one address that was asked shows no table".to_owned(),
            all => format!("not seen: none of the {all} addresses that were asked shows a table"),
        };
        page.hang(&[(Ink::Strong, "cluster  ")], Ink::Plain, &text);
        return;
    }
    let took = seen.sightings().map(|(_, sighting)| sighting.took_ms).max().unwrap_or(0);
    let shape = format!(
        "{state}   {}, {}   {versions}",
        count(seen.voters().len(), "shard"),
        count(report.known, "node"),
    );
    let answers = format!("{} of {} answered, in {took} ms", report.answered, report.known);
    let head = (Ink::Strong, "cluster  ");
    let line = format!("{shape}   {answers}");
    if head.1.len() + line.len() <= page.look().width {
        page.line(&[head, (Ink::Plain, &line)]);
    } else {
        page.hang(&[head], Ink::Plain, &shape);
        page.hang(&[(Ink::Plain, "         ")], Ink::Plain, &answers);
    }
}

const fn word(severity: Severity) -> (Ink, &'static str) {
    match severity {
        Severity::Critical => (Ink::Bad, "CRITICAL"),
        Severity::Error => (Ink::Bad, "ERROR"),
        Severity::Warning => (Ink::Warn, "WARNING"),
        Severity::Info => (Ink::Faint, "info"),
    }
}

fn headline(page: &mut Page, found: &Found) {
    let (ink, word) = word(found.severity);
    let message = format!("  {}", found.message);
    page.line(&[
        (ink, word),
        (Ink::Plain, " "),
        (Ink::Strong, &found.code),
        (Ink::Plain, &message),
    ]);
}

fn draw_root(page: &mut Page, root: &RootCause, detail: Detail) {
    let found = &root.found;
    let (ink, word) = word(found.severity);
    let doubt = match &found.certainty {
        Certainty::Certain => String::new(),
        Certainty::Suspected(why) => format!("  suspected: {why}"),
    };
    page.line(&[(ink, word), (Ink::Plain, " "), (Ink::Strong, &found.code), (Ink::Warn, &doubt)]);
    page.hang(&[(Ink::Plain, "  ")], Ink::Strong, &found.message);
    // What is only worth knowing does not stand in the way of what is broken.
    let aside = found.severity == Severity::Info && detail < Detail::Full;
    if !aside {
        evidence(page, found, detail);
    }
    consequences(page, &root.consequences, detail);
    if !aside {
        by_hand(page, &found.by_hand);
    }
    page.line(&[
        (Ink::Faint, "  more   "),
        (Ink::Plain, &format!("slotwright explain {}", found.code)),
    ]);
}

fn evidence(page: &mut Page, found: &Found, detail: Detail) {
    let room = if detail == Detail::Full { usize::MAX } else { EVIDENCE_SHOWN };
    let pieces = by_what_is_said(found);
    for (at, (says, witnesses)) in pieces.iter().take(room).enumerate() {
        let head = if at == 0 { "  proof  " } else { "         " };
        let all = witnesses.len();
        let text = if all <= WITNESSES_NAMED + 1 {
            format!("{}: {says}", witnesses.join(", "))
        } else if detail == Detail::Full {
            format!("{all} witnesses: {says} ({})", witnesses.join(", "))
        } else {
            let named = witnesses[..WITNESSES_NAMED].join(", ");
            format!("{named} and {} more: {says}", all - WITNESSES_NAMED)
        };
        page.hang(&[(Ink::Faint, head)], Ink::Plain, &text);
    }
    if pieces.len() > room {
        let more = format!("         and {} (-v)", count(pieces.len() - room, "more statement"));
        page.line(&[(Ink::Faint, &more)]);
    }
}

/// What was said, each with those who said it, in the order of the first.
fn by_what_is_said(found: &Found) -> Vec<(&str, Vec<String>)> {
    let mut places = std::collections::BTreeMap::<&str, usize>::new();
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for piece in &found.evidence {
        let at = *places.entry(&piece.says).or_insert_with(|| {
            said.push((&piece.says, Vec::new()));
            said.len() - 1
        });
        said[at].1.push(piece.witness.to_string());
    }
    said
}

/// Consequences of the same code share an entry: six nodes with stale addresses are one trouble.
fn consequences(page: &mut Page, all: &[Found], detail: Detail) {
    let full = detail == Detail::Full;
    let mut kinds: Vec<(&str, Vec<&Found>)> = Vec::new();
    for found in all {
        match kinds.iter_mut().find(|(code, _)| *code == found.code) {
            Some((_, same)) => same.push(found),
            None => kinds.push((&found.code, vec![found])),
        }
    }
    let mut head = "  so     ";
    for (code, same) in kinds.iter().take(if full { usize::MAX } else { CONSEQUENCES_SHOWN }) {
        let shown = if full || same.len() <= SAME_SHOWN + 1 { same.len() } else { SAME_SHOWN };
        for found in &same[..shown] {
            let text = format!("{code}: {}", found.message);
            page.hang(&[(Ink::Faint, head)], Ink::Plain, &text);
            head = "         ";
        }
        if same.len() > shown {
            let more = format!("         {code}: {} more (-v)", same.len() - shown);
            page.line(&[(Ink::Faint, &more)]);
        }
    }
    if !full && kinds.len() > CONSEQUENCES_SHOWN {
        let more = format!(
            "         and {} (-v)",
            count(kinds.len() - CONSEQUENCES_SHOWN, "more kind of consequence")
        );
        page.line(&[(Ink::Faint, &more)]);
    }
}

fn by_hand(page: &mut Page, way: &ByHand) {
    let digits = way.steps.len().to_string().len();
    for (at, step) in way.steps.iter().enumerate() {
        let head = if at == 0 { "  fix    " } else { "         " };
        let number = format!("{:>digits$}. ", at + 1);
        let lead = [(Ink::Good, head), (Ink::Faint, number.as_str())];
        match step {
            // Never wrapped: what is copied from two lines would run as two commands.
            Step::Command { on, argv } => {
                page.line(&[lead[0], lead[1], (Ink::Plain, &command(on, argv))])
            }
            Step::Do(what) => page.hang(&lead, Ink::Plain, what),
            Step::Check(what) => page.hang(&lead, Ink::Plain, &format!("check: {what}")),
        };
    }
    for (at, never) in way.never.iter().enumerate() {
        let head = if at == 0 { "  never  " } else { "         " };
        page.hang(&[(Ink::Bad, head)], Ink::Plain, never);
    }
}

/// A line that can be copied into a shell.
pub fn command(on: &slotwright_core::model::Endpoint, argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| shell_word(word)).collect();
    format!("redis-cli -h {} -p {} {}", shell_word(&on.host), on.port, words.join(" "))
}

/// The pictures help where views differ or slots are concerned; a healthy cluster needs none.
fn pictures(page: &mut Page, seen: &Picture<'_>, report: &Report, detail: Detail) {
    if seen.observers().next().is_none() {
        return;
    }
    let full = detail == Detail::Full;
    let about_slots =
        report.all().any(|found| found.group == Group::Slots && found.severity > Severity::Info);
    if full || about_slots || seen.opinions().len() > 1 {
        page.gap();
        slots::draw(page, seen);
    }
    let about_views = report.all().any(|found| {
        matches!(found.group, Group::Addressing | Group::Bus | Group::Process | Group::Operations)
            && found.severity > Severity::Warning
    });
    if full || about_views {
        page.gap();
        matrix::draw(page, seen);
    }
}

/// What could not be asked, so that silence is not taken for health.
fn unasked(page: &mut Page, seen: &Picture<'_>, report: &Report) {
    let silent = seen.silent_members();
    if !report.is_complete() && !silent.is_empty() {
        page.gap();
        page.line(&[
            (Ink::Strong, "not seen"),
            (Ink::Faint, "  (what these nodes believe is missing above)"),
        ]);
        for id in silent.iter().take(SILENT_SHOWN) {
            let why = seen.sighting_of(*id).map_or_else(
                || "nobody answered at its address".to_owned(),
                |sighting| sighting.nodes.silence().map_or_else(String::new, Silence::describe),
            );
            page.hang(&[(Ink::Plain, "  ")], Ink::Plain, &format!("{}: {why}", seen.name(*id)));
        }
        if silent.len() > SILENT_SHOWN {
            let more = format!("  and {} more", silent.len() - SILENT_SHOWN);
            page.line(&[(Ink::Faint, &more)]);
        }
    }
    for note in &seen.observation().notes {
        page.hang(&[(Ink::Faint, "note     ")], Ink::Faint, note);
    }
}

/// The outcome on one line, for `check --quiet`.
pub fn outcome(look: Look, report: &Report) -> String {
    let mut page = Page::new(look);
    let codes: Vec<&str> = report.roots.iter().map(|root| root.found.code.as_str()).collect();
    let codes = match codes.len() {
        0..=CODES_SHOWN => codes.join(", "),
        all => format!("{} and {} more", codes[..CODES_SHOWN].join(", "), all - CODES_SHOWN),
    };
    match report.roots.first() {
        Some(root) if root.found.severity > Severity::Info => {
            let (ink, word) = word(root.found.severity);
            page.line(&[(ink, word), (Ink::Plain, "  "), (Ink::Plain, &codes)]);
        }
        _ => verdict(&mut page, report),
    }
    page.finish()
}

fn footer(page: &mut Page, report: &Report) {
    let number = |severity: Severity| {
        report.roots.iter().filter(|root| root.found.severity == severity).count()
    };
    let trouble: Vec<String> = [
        (number(Severity::Critical), "critical"),
        (number(Severity::Error), "error"),
        (number(Severity::Warning), "warning"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| match word {
        "critical" => format!("{number} {word}"),
        _ => count(number, word),
    })
    .collect();
    page.gap();
    if !trouble.is_empty() {
        page.line(&[(Ink::Bad, "root causes: "), (Ink::Plain, &trouble.join(", "))]);
    } else {
        verdict(page, report);
    }
}

/// What it means that nothing is wrong.
fn verdict(page: &mut Page, report: &Report) {
    if report.is_complete() {
        let says = if report.roots.is_empty() {
            "every node answered, and nothing is wrong"
        } else {
            "every node answered, and nothing is broken"
        };
        page.line(&[(Ink::Good, "ok  "), (Ink::Plain, says)]);
    } else {
        let says = if report.answered == 0 {
            "no node shows the cluster, so nothing is known about it"
        } else {
            "nothing is wrong in what was seen, but not everything was seen"
        };
        page.line(&[(Ink::Warn, "unknown  "), (Ink::Plain, says)]);
    }
}
