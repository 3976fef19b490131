//! Keys that are written, read from everywhere and removed, to prove that clients are served.

use serde::{Deserialize, Serialize};

use super::{Check, Says, Tally, What, count};
use crate::limits::{CANARIES_MAX, CANARIES_PER_PRIMARY_MAX, CANARY_EXPIRY_MS};
use crate::model::{Endpoint, NodeId, SLOT_COUNT, Slot};
use crate::observation::{Picture, Said, Silence};

/// A canary key that is to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its name.
    pub key: String,
    /// Its slot.
    pub slot: Slot,
    /// Who owns the slot.
    pub owner: NodeId,
    /// Where the owner answers.
    pub at: Endpoint,
}

/// What became of a canary key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Canary {
    /// Its name.
    pub key: String,
    /// Its slot.
    pub slot: Slot,
    /// Through whom it was written.
    pub owner: NodeId,
    /// Where.
    pub at: Endpoint,
    /// Whether it was written. False: a key of that name was there, and was left alone.
    pub written: Said<bool>,
    /// From how many nodes it was read.
    pub read_from: u32,
    /// From how many nodes it could not be read.
    pub not_read_from: u32,
    /// The first of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_reads: Vec<FailedRead>,
    /// Whether it was removed. False: it was gone already. Not asked: nothing had been written.
    pub removed: Said<bool>,
}

/// A read that did not bring what was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedRead {
    /// Who was asked first.
    pub from: Endpoint,
    /// To whom the redirections led, in order.
    pub via: Vec<Endpoint>,
    /// What the last one said: a value that is another, nothing there, or why there was no answer.
    pub said: Said<Option<String>>,
}

/// Numbers that are tried as hash tags until each range of slots has one. With random numbers a
/// range of one slot is missed after so many once in 10^26.
const TAGS_TRIED: u32 = 1_000_000;

/// One canary key for each range of slots of each owner that answers, as far as
/// [`CANARIES_PER_PRIMARY_MAX`] and [`CANARIES_MAX`] allow; an owner's first range comes before
/// anybody's second. The names hold `run`, which tells two runs apart.
pub fn plan_canaries(seen: &Picture<'_>, run: &str) -> Vec<Planned> {
    let mut wanted = Vec::new();
    for owner in seen.voters() {
        let Some(sighting) = seen.proved(owner) else { continue };
        let slots = seen.slots_of(owner);
        let ranges = slots.ranges().iter().take(CANARIES_PER_PRIMARY_MAX);
        wanted.extend(ranges.enumerate().map(|(nth, range)| (nth, owner, *range, &sighting.from)));
    }
    wanted.sort_by_key(|(nth, ..)| *nth);
    wanted.truncate(CANARIES_MAX);
    let mut range_of: Vec<Option<usize>> = vec![None; usize::from(SLOT_COUNT)];
    for (number, (_, _, range, _)) in wanted.iter().enumerate() {
        for slot in range.first..=range.last {
            if let Some(place) = range_of.get_mut(usize::from(slot)) {
                *place = Some(number);
            }
        }
    }
    let mut planned: Vec<Option<Planned>> = vec![None; wanted.len()];
    let mut missing = wanted.len();
    for tag in 0..TAGS_TRIED {
        if missing == 0 {
            break;
        }
        let tag = tag.to_string();
        let slot = Slot::of_key(tag.as_bytes());
        let Some(number) = range_of.get(usize::from(slot.get())).copied().flatten() else {
            continue;
        };
        let (Some(place), Some((_, owner, _, at))) = (planned.get_mut(number), wanted.get(number))
        else {
            continue;
        };
        if place.is_none() {
            let key = format!("slotwright:canary:{{{tag}}}:{run}");
            *place = Some(Planned { key, slot, owner: *owner, at: (*at).clone() });
            missing -= 1;
        }
    }
    planned.into_iter().flatten().collect()
}

/// Every canary was written, read from everywhere and removed, through every owner of slots.
pub(super) fn check(seen: &Picture<'_>, canaries: &[Canary]) -> Check {
    let mut tally = Tally::default();
    for owner in seen.voters() {
        if !canaries.iter().any(|canary| canary.owner == owner) {
            tally.unknown(&seen.name(owner), "not tried");
        }
    }
    for canary in canaries {
        judge(&seen.name(canary.owner), canary, &mut tally);
    }
    let written = canaries.iter().filter(|canary| canary.written == Said::This(true)).count();
    let nodes = canaries.iter().map(|canary| canary.read_from).min().unwrap_or(0);
    let all = count(canaries.len(), "key");
    let says = Says {
        passed: format!(
            "{} written, read from {} by following redirections, removed",
            count(written, "key"),
            count(usize::try_from(nodes).unwrap_or(usize::MAX), "node")
        ),
        failed: format!("{} of {all} went wrong", canaries.len() - tally.good),
        unknown: match canaries.len() {
            0 => "no key could be tried".to_owned(),
            _ => format!("not known for {}", count(tally.unknown.len(), "key")),
        },
    };
    tally.row(What::Canary, says)
}

fn judge(name: &str, canary: &Canary, tally: &mut Tally) {
    match &canary.written {
        Said::This(true) => {}
        Said::This(false) => {
            return tally.unknown(name, "a key of the canary's name is there already");
        }
        Said::Nothing(why) => {
            tally.silent(&format!("{name}: SET"), why);
            return removal(name, canary, tally);
        }
    }
    let trouble = tally.wrong.len() + tally.unknown.len();
    for read in &canary.failed_reads {
        reading(name, read, tally);
    }
    removal(name, canary, tally);
    if tally.wrong.len() + tally.unknown.len() == trouble {
        tally.good += 1;
    }
}

fn reading(name: &str, read: &FailedRead, tally: &mut Tally) {
    let mut path: Vec<String> = vec![read.from.to_string()];
    path.extend(read.via.iter().map(ToString::to_string));
    let who = format!("{name}: GET from {}", path.join(", then "));
    match &read.said {
        Said::This(None) => tally.wrong(&who, "it is not there"),
        Said::This(Some(_)) => tally.wrong(&who, "another value than was written"),
        Said::Nothing(why) => tally.silent(&who, why),
    }
}

fn removal(name: &str, canary: &Canary, tally: &mut Tally) {
    let who = format!("{name}: DEL");
    let expiry = CANARY_EXPIRY_MS / 1_000;
    match &canary.removed {
        Said::This(true) => {}
        // Without a word about SET it may never have been there.
        Said::This(false) if canary.written.get().is_none() => {}
        Said::This(false) => tally.wrong(&who, "it was gone before we removed it"),
        Said::Nothing(Silence::NotAsked) if canary.written.get().is_none() => {}
        Said::Nothing(why) => {
            let why = why.describe();
            tally.wrong(&who, format!("{why}; the server removes it within {expiry} s"));
        }
    }
}
