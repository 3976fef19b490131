//! Where the keys are: at home, held once, spread, and still as many as before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::shape::silence;
use super::{Check, Says, SlotNames, Tally, What, count};
use crate::findings::counted::{all_keys, brief, databases, is_migrating, keys_in};
use crate::limits::NAMED_KEYS_MAX;
use crate::model::{NodeId, SLOT_COUNT, Slot, SlotSet};
use crate::observation::{Census, Fields, NodeRow, Picture, Role, Said, Silence};

/// The keys of one owner of slots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// Who.
    pub node: NodeId,
    /// How many slots it owns.
    pub slots: u16,
    /// How many keys it holds in them.
    pub keys: u64,
}

/// Keys in slots that their node does not own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Misplaced {
    /// Who holds them.
    pub node: NodeId,
    /// In which slots.
    pub slots: SlotSet,
    /// How many.
    pub keys: u64,
}

/// A slot in which two or more primaries hold keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeldTwice {
    /// The slot.
    pub slot: Slot,
    /// The primaries, by id.
    pub holders: Vec<Held>,
    /// The names that two of them hold, sorted. Never print them raw.
    pub names: Said<Vec<String>>,
    /// Whether all names of all holders were compared.
    pub compared: bool,
}

/// How many keys a primary holds in a slot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Held {
    /// Which primary.
    pub node: NodeId,
    /// How many.
    pub keys: u64,
}

/// A member with a role, and its own row.
struct Holder<'a> {
    id: NodeId,
    role: Role,
    row: &'a NodeRow,
    census: Result<&'a Census, String>,
}

/// All members that showed what they are; the others are counted in `tally` as not known.
fn holders<'a>(seen: &Picture<'a>, tally: &mut Tally) -> Vec<Holder<'a>> {
    let mut all = Vec::new();
    for (id, _) in seen.members() {
        match (seen.role(id), seen.own_row(id)) {
            (Some(role), Some(row)) => {
                all.push(Holder { id, role, row, census: census(seen, id) });
            }
            _ => tally.unknown(&seen.name(id), silence(seen, id).describe()),
        }
    }
    all
}

/// The keys of a node, where they say all.
fn census<'a>(seen: &Picture<'a>, id: NodeId) -> Result<&'a Census, String> {
    let sighting = seen.proved(id).ok_or_else(|| silence(seen, id).describe())?;
    let census = match &sighting.census {
        Said::This(census) => census,
        Said::Nothing(Silence::NotAsked) => return Err("its keys were not counted".to_owned()),
        Said::Nothing(why) => return Err(why.describe()),
    };
    if census.counted.len() < SLOT_COUNT {
        return Err(format!("only {} of {SLOT_COUNT} slots were counted", census.counted.len()));
    }
    if is_migrating(sighting) {
        return Err("an atomic slot migration is under way".to_owned());
    }
    let other = |info: &Fields| databases(info).find(|(db, keys)| *db > 0 && *keys > 0);
    match sighting.info.get().and_then(other) {
        Some((db, keys)) => Err(format!("{keys} keys of database {db} are not counted by slot")),
        None => Ok(census),
    }
}

fn own_slots(row: &NodeRow) -> SlotSet {
    row.open.iter().fold(row.slots.clone(), |set, mark| set.union(&SlotSet::one(mark.slot())))
}

/// No node holds keys of slots that it does not own, or that its primary does not own.
pub(super) fn at_home(seen: &Picture<'_>) -> (Check, Vec<Misplaced>) {
    let (mut tally, mut misplaced) = (Tally::default(), Vec::new());
    for holder in holders(seen, &mut tally) {
        let name = seen.name(holder.id);
        let census = match holder.census {
            Ok(census) => census,
            Err(why) => {
                tally.unknown(&name, why);
                continue;
            }
        };
        let primary = seen.primary_of(holder.id).filter(|_| holder.role == Role::Replica);
        let row = primary.and_then(|id| seen.own_row(id).or_else(|| seen.usual_row(id)));
        let slots = census.occupied().difference(&own_slots(row.unwrap_or(holder.row)));
        if slots.is_empty() {
            tally.good += 1;
            continue;
        }
        let keys = keys_in(census, &slots);
        let whose = if holder.role == Role::Replica { "its primary's" } else { "its own" };
        let keys_text = format!("{keys} keys in slots {}, which are not {whose}", brief(&slots));
        tally.wrong(&name, keys_text);
        misplaced.push(Misplaced { node: holder.id, slots, keys });
    }
    let keys: u64 = misplaced.iter().map(|one| one.keys).sum();
    let says = Says {
        passed: format!("all keys on {} lie in slots of their node", count(tally.good, "node")),
        failed: format!("{keys} keys in slots that their node does not own"),
        unknown: not_counted(&tally),
    };
    (tally.row(What::KeysAtHome, says), misplaced)
}

fn not_counted(tally: &Tally) -> String {
    match tally.all() {
        0 => "no node showed its table".to_owned(),
        all => format!("not counted on {} of {}", tally.unknown.len(), count(all, "node")),
    }
}

/// No key is held by two primaries.
pub(super) fn held_once(seen: &Picture<'_>, names: &[SlotNames]) -> (Check, Vec<HeldTwice>) {
    let mut tally = Tally::default();
    let mut counted = Vec::new();
    for holder in holders(seen, &mut tally) {
        match holder.census {
            _ if holder.role == Role::Replica => {}
            Ok(census) => counted.push((holder.id, census, own_slots_open(holder.row))),
            Err(why) => tally.unknown(&seen.name(holder.id), why),
        }
    }
    tally.good = counted.len();
    let held: Vec<HeldTwice> =
        contested(&counted).into_iter().map(|(slot, by)| compare(slot, by, names)).collect();
    let twice: Vec<&HeldTwice> = held.iter().filter(|one| !one.is_cleared()).collect();
    tell_twice(seen, &twice, &mut tally);
    let same: usize = twice.iter().filter_map(|one| Some(one.names.get()?.len())).sum();
    let slots: SlotSet = twice.iter().map(|one| one.slot).collect();
    let slots = format!("in {}: {}", count(twice.len(), "slot"), brief(&slots));
    let says = Says {
        passed: format!("no key on two of {}", primaries(counted.len())),
        failed: match same {
            0 => format!("keys at two primaries {slots}"),
            same => format!("{} held by two primaries, {slots}", count(same, "key")),
        },
        unknown: not_counted(&tally),
    };
    (tally.row(What::KeysHeldOnce, says), held)
}

fn primaries(number: usize) -> String {
    if number == 1 { "1 primary".to_owned() } else { format!("{number} primaries") }
}

/// Slots that are being moved: there keys stand on both sides by design.
fn own_slots_open(row: &NodeRow) -> SlotSet {
    row.open.iter().map(|mark| mark.slot()).collect()
}

/// The slots in which two or more hold keys and that none of them is moving, with the holders.
fn contested(counted: &[(NodeId, &Census, SlotSet)]) -> BTreeMap<Slot, Vec<Held>> {
    let mut first: Vec<Option<usize>> = vec![None; usize::from(SLOT_COUNT)];
    let mut twice: BTreeMap<Slot, Vec<Held>> = BTreeMap::new();
    let held = |at: usize, slot: Slot| {
        let (node, census, _) = counted.get(at)?;
        Some(Held { node: *node, keys: census.keys_in(slot)? })
    };
    for (at, (_, census, _)) in counted.iter().enumerate() {
        for slot in census.keys.iter().filter_map(|(slot, _)| Slot::new(*slot)) {
            let Some(before) = first.get_mut(usize::from(slot.get())) else { continue };
            let Some(before) = *before else {
                *before = Some(at);
                continue;
            };
            let holders = twice.entry(slot).or_default();
            if holders.is_empty() {
                holders.extend(held(before, slot));
            }
            holders.extend(held(at, slot));
        }
    }
    let moving = |slot: &Slot| counted.iter().any(|(_, _, open)| open.contains(*slot));
    twice.retain(|slot, _| !moving(slot));
    twice
}

/// Which names two of the holders have in common, as far as they were asked.
fn compare(slot: Slot, holders: Vec<Held>, names: &[SlotNames]) -> HeldTwice {
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut told, mut compared) = (Said::Nothing(Silence::NotAsked), true);
    for held in &holders {
        let mine = names.iter().find(|told| told.slot == slot && told.node == held.node);
        match mine.map(|mine| &mine.names) {
            Some(Said::This(names)) => {
                let whole = names.len() < usize::try_from(NAMED_KEYS_MAX).unwrap_or(usize::MAX);
                compared &= whole;
                for name in names {
                    *at.entry(name).or_default() += 1;
                }
                told = Said::This(());
            }
            Some(Said::Nothing(why)) => {
                compared = false;
                if told.get().is_none() {
                    told = Said::Nothing(why.clone());
                }
            }
            None => compared = false,
        }
    }
    let same = at.into_iter().filter(|(_, holders)| *holders > 1).map(|(name, _)| name.to_owned());
    HeldTwice { slot, holders, names: told.map(|()| same.collect()), compared }
}

impl HeldTwice {
    /// Whether all names were compared and no two are equal: then keys lie in the wrong place, but
    /// none of them twice.
    fn is_cleared(&self) -> bool {
        self.compared && self.names.get().is_some_and(Vec::is_empty)
    }
}

/// Names of one group of slots that stand in the details.
const NAMES_SHOWN: usize = 5;

/// One line for the slots that the same primaries hold.
fn tell_twice(seen: &Picture<'_>, twice: &[&HeldTwice], tally: &mut Tally) {
    let mut groups: BTreeMap<Vec<NodeId>, Vec<&HeldTwice>> = BTreeMap::new();
    for one in twice {
        let who = one.holders.iter().map(|held| held.node).collect();
        groups.entry(who).or_default().push(one);
    }
    for (who, group) in groups {
        let slots: SlotSet = group.iter().map(|one| one.slot).collect();
        let holders: Vec<String> = who
            .iter()
            .map(|id| {
                let mine = |one: &&HeldTwice| one.holders.iter().find(|h| h.node == *id).cloned();
                let keys: u64 = group.iter().filter_map(mine).map(|held| held.keys).sum();
                format!("{keys} keys at {}", seen.name(*id))
            })
            .collect();
        tally.wrong(&format!("slots {}", brief(&slots)), holders.join(", "));
        let names = || group.iter().filter_map(|one| one.names.get()).flatten();
        let all = names().count();
        let shown: Vec<&str> = names().take(NAMES_SHOWN).map(String::as_str).collect();
        if all > 0 {
            let more = if all > shown.len() { ", ..." } else { "" };
            let line = format!("{}{more}", shown.join(", "));
            tally.wrong(&format!("{} on both", count(all, "key")), line);
        }
    }
}

/// Slots of an owner from which on it is no chance that all of them are empty where at least every
/// second slot of the others is not: once in 65536.
const TELLING_SLOTS: u16 = 16;

/// No owner of slots is empty where the others are full. Fuller and emptier owners are shown and
/// not judged: hash tags and large values make them.
pub(super) fn distribution(seen: &Picture<'_>) -> (Check, Vec<Share>) {
    let mut tally = Tally::default();
    let mut shares = Vec::new();
    let mut occupied = BTreeMap::new();
    for id in seen.voters() {
        let slots = seen.slots_of(id);
        match census(seen, id) {
            Ok(census) => {
                let keys = keys_in(census, &slots);
                occupied.insert(id, census.occupied().intersection(&slots).len());
                shares.push(Share { node: id, slots: slots.len(), keys });
            }
            Err(why) => tally.unknown(&seen.name(id), why),
        }
    }
    for share in &shares {
        let others = || shares.iter().filter(|other| other.node != share.node);
        let slots: u32 = others().map(|other| u32::from(other.slots)).sum();
        let full: u32 =
            others().filter_map(|other| occupied.get(&other.node).copied().map(u32::from)).sum();
        if share.keys == 0 && share.slots >= TELLING_SLOTS && full > 0 && full * 2 >= slots {
            let why = format!("no key in {} slots, where the others are full", share.slots);
            tally.wrong(&seen.name(share.node), why);
        } else {
            tally.good += 1;
        }
    }
    let keys: u64 = shares.iter().map(|share| share.keys).sum();
    let says = Says {
        passed: format!("{keys} keys on {}{}", owners(shares.len()), extremes(&shares, keys)),
        failed: format!("{} without any key", owners(tally.wrong.len())),
        unknown: not_counted(&tally),
    };
    (tally.row(What::Distribution, says), shares)
}

fn owners(number: usize) -> String {
    count(number, "owner") + " of slots"
}

/// The least and the most that an owner has, in per cent of all keys.
fn extremes(shares: &[Share], all: u64) -> String {
    let percent = |keys: u64| (u128::from(keys) * 100).checked_div(all.into()).unwrap_or(0);
    let keys = || shares.iter().map(|share| share.keys);
    match (keys().min(), keys().max()) {
        (Some(least), Some(most)) if all > 0 && shares.len() > 1 => {
            match (percent(least), percent(most)) {
                (least, most) if least == most => format!(", {most} % each"),
                (least, most) => format!(", {least} % to {most} % each"),
            }
        }
        _ => String::new(),
    }
}

/// Keys per slot, or in all where the slots were not counted.
enum Holdings {
    PerSlot(Vec<u64>),
    InAll(u64),
}

impl Holdings {
    fn all(&self) -> u64 {
        match self {
            Self::PerSlot(keys) => keys.iter().sum(),
            Self::InAll(keys) => *keys,
        }
    }
}

/// No keys are missing that were there before. A key that two primaries held counts once before,
/// so that removing the copy is no loss. Of a slot on the move each end has its own part, unless a
/// key lies at both: whether fewer than the two together are a loss is not known.
pub(super) fn kept(before: &Picture<'_>, after: &Picture<'_>) -> Check {
    let mut tally = Tally::default();
    let moving = on_the_move(before);
    let each = |_: usize, one: u64, other: u64| one.max(other);
    let parts = |slot: usize, one: u64, other: u64| {
        if moving.contains(&slot) { one.saturating_add(other) } else { one.max(other) }
    };
    let least = holdings(before, "before: ", each, &mut tally);
    let most = holdings(before, "", parts, &mut Tally::default());
    let now = holdings(after, "", |_, one, other| one.saturating_add(other), &mut tally);
    let (lost, what) = fewer(&least, &now);
    let (parted, of_parts) = fewer(&most, &now);
    let totals = format!("{} keys before, {} now", most.all(), now.all());
    let expiring = expiring(before);
    match lost {
        0 if parted > 0 => tally.unknown(
            &of_parts,
            "they were on the move: a key that lay at both ends counts twice before".to_owned(),
        ),
        0 if tally.unknown.is_empty() => tally.good += 1,
        0 => {}
        lost if lost <= expiring => {
            tally.unknown(&what, format!("{expiring} keys were to expire by themselves"));
        }
        _ => tally.wrong(&what, &totals),
    }
    let says = Says { passed: totals.clone(), failed: totals.clone(), unknown: totals };
    tally.row(What::KeysKept, says)
}

/// How many keys are missing, and in words.
fn fewer(then: &Holdings, now: &Holdings) -> (u64, String) {
    let (Holdings::PerSlot(slots_then), Holdings::PerSlot(slots_now)) = (then, now) else {
        let lost = then.all().saturating_sub(now.all());
        return (lost, format!("{lost} fewer keys in all"));
    };
    let pairs = slots_then.iter().zip(slots_now).map(|(then, now)| then.saturating_sub(*now));
    let slots: Vec<(u16, u64)> = (0..).zip(pairs).filter(|(_, lost)| *lost > 0).collect();
    let set: SlotSet = slots.iter().filter_map(|(slot, _)| Slot::new(*slot)).collect();
    let lost: u64 = slots.iter().map(|(_, lost)| lost).sum();
    (lost, format!("{lost} fewer keys in slots {}", brief(&set)))
}

/// The slots that some primary gives away or takes in.
fn on_the_move(seen: &Picture<'_>) -> BTreeSet<usize> {
    let primaries = seen.members().filter(|(id, _)| seen.role(*id) == Some(Role::Primary));
    let own = primaries.filter_map(|(id, _)| seen.own_row(id));
    own.flat_map(|row| row.open.iter().map(|open| usize::from(open.slot().get()))).collect()
}

/// What all primaries hold. `join` makes one number of those of two primaries in a slot.
fn holdings(
    seen: &Picture<'_>,
    when: &str,
    join: impl Fn(usize, u64, u64) -> u64,
    tally: &mut Tally,
) -> Holdings {
    let mut missing = Tally::default();
    let primaries: Vec<Holder<'_>> = holders(seen, &mut missing)
        .into_iter()
        .filter(|holder| holder.role == Role::Primary)
        .collect();
    tally.unknown.extend(missing.unknown.into_iter().map(|line| format!("{when}{line}")));
    if !primaries.is_empty() && primaries.iter().all(|holder| holder.census.is_ok()) {
        let mut keys = vec![0_u64; usize::from(SLOT_COUNT)];
        for census in primaries.iter().filter_map(|holder| holder.census.as_ref().ok()) {
            for (slot, number) in &census.keys {
                if let Some(sum) = keys.get_mut(usize::from(*slot)) {
                    *sum = join(usize::from(*slot), *sum, *number);
                }
            }
        }
        return Holdings::PerSlot(keys);
    }
    let mut sum = 0_u64;
    for holder in &primaries {
        match seen.info_of(holder.id) {
            Some(info) => sum = sum.saturating_add(all_keys(info)),
            None => tally
                .unknown
                .push(format!("{when}{}: told no number of keys", seen.name(holder.id))),
        }
    }
    if primaries.is_empty() {
        tally.unknown.push(format!("{when}no primary showed its table"));
    }
    Holdings::InAll(sum)
}

/// Keys that the servers would remove by themselves, as `INFO keyspace` counts them.
fn expiring(seen: &Picture<'_>) -> u64 {
    let of = |info: &Fields| -> u64 {
        let part = |value: &str| -> Option<u64> {
            value.split(',').find_map(|part| part.strip_prefix("expires="))?.parse().ok()
        };
        info.starting_with("db").filter_map(|(_, value)| part(value)).sum()
    };
    seen.members()
        .filter(|(id, _)| seen.role(*id) == Some(Role::Primary))
        .filter_map(|(id, _)| seen.info_of(id))
        .map(of)
        .fold(0, u64::saturating_add)
}
