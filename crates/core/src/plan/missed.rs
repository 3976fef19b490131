//! Slots without an owner whose keys are missed: whoever has them is not among those who answer.
//!
//! Since 7.2 a FORGET reaches every member, so an owner that was forgotten is in no table, serves
//! on by itself, and only its own address leads to it. What it leaves behind looks like slots that
//! were never given to anybody: no owner, and no key with anybody who answers. Keys are spread over
//! the slots by a hash, though. Where the slots of the others have keys nearly everywhere, a long
//! stretch without a single one is no chance: its keys are elsewhere. To give such slots away is
//! [`Risk::MayLoseData`], never a repair.

use super::{Change, Draft, Loss};
use crate::diagnose::Risk;
use crate::model::SlotSet;

/// A stretch is missed when chance leaves one like it empty in less than one of so many clusters.
const ODDS: f64 = 1_000.0;

/// A stretch with a few keys, less than this part of what is expected, is missed when chance leaves
/// so few in less than one of [`THIN_ODDS`].
const THIN: f64 = 4.0;
/// See [`THIN`].
const THIN_ODDS: f64 = 200.0;

/// Which of these slots must have had keys: `empty` are those of which nobody who answers has one,
/// `held` those of which somebody has one who does not own them: it may be a remnant.
pub(super) fn among(draft: &Draft<'_>, empty: &SlotSet, held: &SlotSet) -> SlotSet {
    let (served, occupied) = served(draft);
    if occupied.is_empty() {
        return SlotSet::new();
    }
    let (of, with) = (f64::from(served.len()), f64::from(occupied.len()));
    let without = 1.0 - with / of;
    let mut missed = SlotSet::new();
    for range in empty.ranges() {
        let length = i32::from(range.last - range.first) + 1;
        // How many stretches of at least this length `with` keys leave between them by chance.
        if with * without.powi(length) < 1.0 / ODDS {
            missed.insert(range.first, range.last);
        }
    }
    for range in empty.union(held).ranges() {
        let whole = SlotSet::range(range.first, range.last);
        let there = held.intersection(&whole).len();
        let expected = f64::from(whole.len()) * with / of;
        let thin = f64::from(there) < expected / THIN && at_most(there, expected) < 1.0 / THIN_ODDS;
        if thin {
            missed = missed.union(&whole);
        }
    }
    missed
}

/// The chance that at most so many slots have keys where so many are expected (Poisson).
fn at_most(count: u16, expected: f64) -> f64 {
    let mut term = (-expected).exp();
    let mut sum = term;
    for k in 1..=count {
        term *= expected / f64::from(k);
        sum += term;
    }
    sum
}

/// The slots that primaries own whose keys were counted, and those of them that have keys.
fn served(draft: &Draft<'_>) -> (SlotSet, SlotSet) {
    let counted = draft.live.iter().filter(|node| node.is_primary());
    let counted = counted.filter_map(|node| Some((&node.own.slots, node.census()?)));
    counted.fold((SlotSet::new(), SlotSet::new()), |(served, occupied), (own, census)| {
        (served.union(own), occupied.union(&census.occupied().intersection(own)))
    })
}

/// What stands in a plan that gives them away all the same.
pub(super) fn own_up(draft: &mut Draft<'_>, missed: &SlotSet) {
    let (served, occupied) = served(draft);
    let keys: u64 = draft
        .live
        .iter()
        .filter(|node| node.is_primary())
        .filter_map(|node| node.census())
        .flat_map(|census| census.keys.iter().map(|(_, keys)| keys))
        .sum();
    let by_density =
        keys.saturating_mul(u64::from(missed.len())).checked_div(u64::from(served.len()));
    draft.loss.push(Loss {
        owner: None,
        slots: missed.clone(),
        keys: by_density,
        why: format!(
            "{} of the {} slots that have an owner hold keys, and of these none or few: whoever has \
             their keys is in no table any more, or its disk is not mounted. Name its address \
             beside the others if it runs, or start it; given away, its keys are deleted when it \
             joins again. The number of keys is guessed from those of the others",
            occupied.len(),
            served.len()
        ),
    });
    for step in &mut draft.steps {
        step.risk = Risk::MayLoseData;
        if !matches!(step.change, Change::BumpEpoch) {
            "nobody who answers owns these slots, and their keys are missed; see what is at risk"
                .clone_into(&mut step.why);
        }
    }
}
