//! A plan as a page: every command, where it goes, why, and what must hold before and after.

use std::collections::BTreeMap;

use slotwright_core::diagnose::Risk;
use slotwright_core::drive::{End, Reply};
use slotwright_core::journal::{Ended, Entry};
use slotwright_core::model::{Endpoint, NodeId, SlotSet};
use slotwright_core::plan::{Fact, Holding, Loss, Plan, Planning, Refusal, Step};

use super::page::{Ink, Look, Page};
use super::text::count;

/// Facts of a step that are shown unless everything is wanted.
const FACTS_SHOWN: usize = 3;
/// Steps that are shown unless everything is wanted.
const STEPS_SHOWN: usize = 40;
/// A longer round is told by every so-manieth step while it runs; the journal has all of them.
const STEPS_TOLD: usize = 200;
const TOLD_EVERY: usize = 100;
/// Ranges of slots that are at risk: those of a table are few, those of keys are thousands.
const RANGES_SHOWN: usize = 16;

/// How much of a plan is shown.
#[derive(Clone, Copy)]
pub enum Steps<'a> {
    /// Every step with all its conditions.
    All,
    /// The first ones but for these, which were shown in the round before.
    But(&'a [Step]),
}

/// Draws what came of planning.
pub fn draw(look: Look, planning: &Planning, steps: Steps<'_>) -> String {
    let mut page = Page::new(look);
    let plan = &planning.plan;
    head(&mut page, planning);
    let (whole, known): (bool, &[Step]) = match steps {
        Steps::All => (true, &[]),
        Steps::But(known) => (false, known),
    };
    let new = || plan.steps.iter().enumerate().filter(|(_, step)| !known.contains(step));
    let shown = if whole { plan.steps.len() } else { STEPS_SHOWN };
    let mut stage = None;
    for (number, step) in new().take(shown) {
        if stage.is_some_and(|stage| stage != step.stage) {
            page.line(&[(Ink::Faint, "      when all of that is seen:")]);
        }
        stage = Some(step.stage);
        draw_step(&mut page, plan, number, step, whole);
    }
    let (hidden, again) = (new().count().saturating_sub(shown), plan.steps.len() - new().count());
    if again > 0 {
        let more = format!("      {} of the round before, again (-v)", count(again, "step"));
        page.line(&[(Ink::Faint, &more)]);
    }
    if hidden > 0 {
        let more = format!("      and {} (-v)", count(hidden, "more step"));
        page.line(&[(Ink::Faint, &more)]);
    }
    for why in &planning.waiting {
        page.hang(&[(Ink::Warn, "waits    ")], Ink::Plain, why);
    }
    for code in &planning.later {
        let text = format!("{code}: after this round, from a new look");
        page.hang(&[(Ink::Faint, "later    ")], Ink::Plain, &text);
    }
    refusals(&mut page, &planning.refusals);
    page.finish()
}

fn head(page: &mut Page, planning: &Planning) {
    let plan = &planning.plan;
    if plan.steps.is_empty() {
        page.line(&[(Ink::Strong, "plan     "), (Ink::Plain, "nothing to send")]);
        return;
    }
    let (ink, risk) = risk_of(plan.risk());
    let steps = count(plan.steps.len(), "step");
    page.line(&[
        (Ink::Strong, "plan     "),
        (Ink::Plain, &steps),
        (Ink::Plain, ", "),
        (ink, risk),
        (Ink::Faint, &format!("   made from {}", plan.parent)),
    ]);
    page.hang(&[(Ink::Faint, "mends    ")], Ink::Strong, &plan.mends().join(", "));
    for loss in &plan.loss {
        page.hang(&[(Ink::Bad, "at risk  ")], Ink::Plain, &what_is_at_risk(loss));
    }
    for holding in &plan.census {
        page.hang(&[(Ink::Faint, "census   ")], Ink::Plain, &what_it_has(plan, holding));
    }
}

/// What a node has of the slots that are at stake.
fn what_it_has(plan: &Plan, holding: &Holding) -> String {
    let names = Names { nodes: &plan.nodes };
    let name = names.of(holding.node);
    if holding.counted.is_empty() {
        return format!("{name} did not answer: what it has is not known");
    }
    let mut text = format!(
        "{name}{}: {} in {} of {}",
        if holding.primary.is_some() { ", a replica" } else { "" },
        count(usize::try_from(holding.total()).unwrap_or(usize::MAX), "key"),
        holding.keys.len(),
        count(holding.counted.len().into(), "slot"),
    );
    if let Some(offset) = holding.offset {
        text.push_str(&format!(", at byte {offset} of the stream"));
    }
    if let Some(age_s) = holding.age_s {
        text.push_str(&format!(", heard its primary {age_s} s ago"));
    }
    text
}

fn what_is_at_risk(loss: &Loss) -> String {
    let slots = count(loss.slots.len().into(), "slot");
    let keys = match loss.keys {
        Some(keys) => format!("about {keys} keys in {slots}"),
        None => format!("keys in {slots}"),
    };
    format!("{keys} ({}): {}", first_ranges(&loss.slots), loss.why)
}

/// Slots as a page has room for them; `-o json` has them all.
fn first_ranges(slots: &SlotSet) -> String {
    let ranges = slots.ranges().iter();
    let first: Vec<String> = ranges.take(RANGES_SHOWN).map(ToString::to_string).collect();
    let more = slots.ranges().len().saturating_sub(RANGES_SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} ranges more") };
    first.join(",") + &rest
}

/// What a risk means, in words.
pub const fn risk_of(risk: Risk) -> (Ink, &'static str) {
    match risk {
        Risk::ReadOnly => (Ink::Good, "nothing is changed"),
        Risk::Reversible => (Ink::Good, "all of it can be taken back"),
        Risk::MovesOwnership => (Ink::Good, "ownership moves, every copy stays"),
        Risk::DropsCopy => (Ink::Warn, "A COPY IS DROPPED"),
        Risk::MayLoseData => (Ink::Bad, "DATA MAY BE LOST"),
    }
}

fn draw_step(page: &mut Page, plan: &Plan, number: usize, step: &Step, whole: bool) {
    let names = Names { nodes: &plan.nodes };
    let place = format!("{:4}  {}  ", number + 1, names.of(step.on));
    let command = names.expand(&step.change.line());
    let risky = step.risk >= Risk::DropsCopy;
    let ink = if risky { Ink::Warn } else { Ink::Strong };
    if page.width_of(&place) + page.width_of(&command) <= page.look().width {
        page.line(&[(Ink::Plain, &place), (ink, &command)]);
    } else {
        page.line(&[(Ink::Plain, place.trim_end())]);
        page.hang(&[(Ink::Plain, "      ")], ink, &command);
    }
    page.hang(&[(Ink::Faint, "      why     ")], Ink::Plain, &step.why);
    facts(page, "      before  ", &step.guard, whole);
    facts(page, "      after   ", &step.expect, whole);
}

fn facts(page: &mut Page, head: &str, facts: &[Fact], whole: bool) {
    if facts.is_empty() {
        return;
    }
    let room = if whole { facts.len() } else { FACTS_SHOWN };
    let mut said: Vec<String> = facts.iter().take(room).map(|fact| fact.to_string()).collect();
    if facts.len() > room {
        said.push(format!("and {} more", facts.len() - room));
    }
    page.hang(&[(Ink::Faint, head)], Ink::Faint, &said.join("; "));
}

/// Draws what is not mended, and why.
pub fn refusals(page: &mut Page, refusals: &[Refusal]) {
    for Refusal { code, finding, why } in refusals {
        let text = format!("{code}: {finding}");
        page.hang(&[(Ink::Warn, "refused  ")], Ink::Strong, &text);
        page.hang(&[(Ink::Plain, "         ")], Ink::Plain, why);
    }
}

/// Whether an entry is told while the round runs: in a long one what went as planned is told now
/// and then, what did not is told always.
pub fn is_told(plan: &Plan, entry: &Entry) -> bool {
    let (Entry::StepBegun { step }
    | Entry::StepEnded { step, ended: Ended::Seen | Ended::AlreadySo }) = entry
    else {
        return true;
    };
    let last = step + 1 == plan.steps.len();
    plan.steps.len() <= STEPS_TOLD || last || step.is_multiple_of(TOLD_EVERY)
}

/// An entry of a journal as one line; `None` for what says nothing new to a person.
pub fn entry(plan: Option<&Plan>, entry: &Entry) -> Option<String> {
    let name = |number: &usize| -> String {
        let step = plan.and_then(|plan| plan.steps.get(*number));
        match (plan, step) {
            (Some(plan), Some(step)) => {
                let names = Names { nodes: &plan.nodes };
                let line = names.expand(&step.change.line());
                format!("step {}: {} {line}", number + 1, names.of(step.on))
            }
            _ => format!("step {}", number + 1),
        }
    };
    Some(match entry {
        Entry::RunBegun { tool, target, .. } => format!("slotwright {tool} recovers {target}"),
        Entry::Planned { plan } => format!(
            "a round of {} for {}, made from {}",
            count(plan.steps.len(), "step"),
            plan.mends().join(", "),
            plan.parent
        ),
        Entry::StepBegun { step } => name(step),
        Entry::StepReplied { reply: Reply::Accepted, .. } => return None,
        Entry::StepReplied { step, reply: Reply::Refused(said) } => {
            format!("step {}: the server refuses: {said}", step + 1)
        }
        Entry::StepReplied { step, reply: Reply::Unknown(why) } => {
            format!("step {}: no reply ({why}); looking whether it was done", step + 1)
        }
        Entry::StepReplied { step, reply: Reply::Differ { count: keys, .. } } => {
            let keys = count(usize::try_from(*keys).unwrap_or(usize::MAX), "key");
            format!("step {}: {keys} with another value at the receiver stay at both", step + 1)
        }
        Entry::StepEnded { step, ended: Ended::Seen } => format!("step {}: seen", step + 1),
        Entry::StepEnded { step, ended: Ended::AlreadySo } => {
            format!("{}: is so already", name(step))
        }
        Entry::StepEnded { step, ended: Ended::NotSeen(fact) } => {
            format!("step {}: not seen in time: {fact}", step + 1)
        }
        Entry::RoundEnded { end } => end_of(end),
        Entry::RunEnded { outcome, .. } => format!("the run ended: {outcome}"),
    })
}

/// How a round ended, in a sentence.
fn end_of(end: &End) -> String {
    match end {
        End::Done => "the round is done".to_owned(),
        End::Changed { step, fact } => {
            format!("stopped before step {}: this does not hold any more: {fact}", step + 1)
        }
        End::Blind { step, fact } => {
            format!("stopped before step {}: this could not be told: {fact}", step + 1)
        }
        End::Refused { step, reply } => format!("stopped at step {}: {reply}", step + 1),
        End::NotSeen { step, fact } => {
            format!("stopped after step {}: this did not come: {fact}", step + 1)
        }
        End::Differ { keys } => {
            let keys: u64 = keys.iter().map(|one| one.count).sum();
            let keys = count(usize::try_from(keys).unwrap_or(usize::MAX), "key");
            format!("the round is done, but {keys} with different values stay at two nodes")
        }
        End::Interrupted { step } => {
            format!("interrupted before step {}; the same command goes on from here", step + 1)
        }
    }
}

/// Node ids as addresses.
struct Names<'a> {
    nodes: &'a BTreeMap<NodeId, Endpoint>,
}

impl Names<'_> {
    fn of(&self, id: NodeId) -> String {
        match self.nodes.get(&id) {
            Some(at) => format!("{at} ({})", id.short()),
            None => id.short(),
        }
    }

    /// A text in which nodes are named by the heads of their ids, with their addresses instead.
    /// Whole ids, as in commands, stay.
    fn expand(&self, text: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in text.split(' ') {
            let bare = word.trim_end_matches([',', ';', ':', ')']).trim_start_matches('(');
            let node = self.nodes.iter().find(|(id, _)| id.short() == bare);
            words.push(match node {
                Some((_, at)) => word.replace(bare, &at.to_string()),
                None => word.to_owned(),
            });
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slotwright_core::plan::{Change, Holds};

    fn planning() -> Planning {
        let (a, b) = (NodeId::made_up(1), NodeId::made_up(2));
        let step = Step {
            mends: "ALL_ADDRESSES_STALE".to_owned(),
            on: a,
            change: Change::Meet { ip: "10.0.0.2".to_owned(), port: 6379, bus_port: 16379 },
            risk: Risk::Reversible,
            why: format!("it looks for {} at \u{1b}[2J10.9.9.9:1", b.short()),
            guard: vec![Fact::new(a, Holds::Answers)],
            expect: vec![Fact::new(a, Holds::Knows { about: b })],
            within_ms: 1,
            stage: 0,
        };
        Planning {
            plan: Plan {
                format: 1,
                tool: "0".to_owned(),
                parent: "abcd".to_owned(),
                nodes: [(a, Endpoint::new("10.0.0.1", 6379)), (b, Endpoint::new("10.0.0.2", 6379))]
                    .into(),
                steps: vec![step],
                loss: Vec::new(),
                census: Vec::new(),
            },
            refusals: vec![Refusal {
                code: "NODE_DOWN".to_owned(),
                finding: "x".to_owned(),
                why: "y".to_owned(),
            }],
            waiting: Vec::new(),
            later: vec!["SLOT_OPEN".to_owned()],
        }
    }

    #[test]
    fn a_step_of_the_round_before_is_not_shown_again() {
        let mut planning = planning();
        let first = planning.plan.steps.clone();
        let look = Look { width: 80, colour: false, unicode: true };
        let whole = draw(look, &planning, Steps::But(&[]));
        let met = |page: &str| page.matches("MEET 10.0.0.").count();
        assert_eq!((met(&whole), whole.contains("again")), (1, false), "{whole}");
        let mut next = first[0].clone();
        next.change = Change::Meet { ip: "10.0.0.3".to_owned(), port: 6379, bus_port: 16379 };
        planning.plan.steps.push(next);
        let page = draw(look, &planning, Steps::But(&first));
        assert_eq!((met(&page), page.contains("MEET 10.0.0.3")), (1, true), "{page}");
        assert!(page.contains("1 step of the round before, again"), "{page}");
        assert_eq!(met(&draw(look, &planning, Steps::All)), 2);
    }

    #[test]
    fn a_long_round_is_told_now_and_then_and_what_goes_wrong_always() {
        let mut plan = planning().plan;
        let begun = |step| Entry::StepBegun { step };
        let seen = |step| Entry::StepEnded { step, ended: Ended::Seen };
        assert!(is_told(&plan, &begun(0)) && is_told(&plan, &seen(0)));
        let step = plan.steps[0].clone();
        plan.steps = vec![step; 4_096];
        let told = (0..4_096).filter(|step| is_told(&plan, &begun(*step))).count();
        assert_eq!(told, 42, "every hundredth, and the last one");
        assert!(is_told(&plan, &seen(4_095)) && !is_told(&plan, &seen(1)));
        let refused = Reply::Refused("ERR".to_owned());
        assert!(is_told(&plan, &Entry::StepReplied { step: 1, reply: refused }));
        let fact = "x".to_owned();
        assert!(is_told(&plan, &Entry::StepEnded { step: 1, ended: Ended::NotSeen(fact) }));
    }

    #[test]
    fn a_census_says_who_has_what_and_who_is_silent() {
        let (a, b) = (NodeId::made_up(1), NodeId::made_up(2));
        let plan = planning().plan;
        let counted = slotwright_core::model::SlotSet::range(5, 8);
        let silent = Holding {
            node: b,
            primary: None,
            counted: slotwright_core::model::SlotSet::new(),
            keys: Vec::new(),
            offset: None,
            age_s: None,
        };
        let holds = Holding {
            node: a,
            primary: Some(b),
            counted,
            keys: vec![(5, 2), (7, 1)],
            offset: Some(1_000),
            age_s: Some(12),
        };
        let short = a.short();
        assert_eq!(
            what_it_has(&plan, &holds),
            format!(
                "10.0.0.1:6379 ({short}), a replica: 3 keys in 2 of 4 slots, at byte 1000 of the \
                 stream, heard its primary 12 s ago"
            )
        );
        assert!(what_it_has(&plan, &silent).contains("not known"));
    }

    #[test]
    fn a_plan_says_where_what_and_why() {
        let look = Look { width: 100, colour: false, unicode: true };
        let page = draw(look, &planning(), Steps::But(&[]));
        insta::assert_snapshot!(page);
        assert!(!page.contains('\u{1b}'), "{page}");
    }
}
