//! Hash slots and sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The number of hash slots of every cluster (`CLUSTER_SLOTS`).
pub const SLOT_COUNT: u16 = 16_384;

/// One hash slot, 0 to 16383.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Slot(u16);

impl Slot {
    /// The slot of this number, if there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < SLOT_COUNT { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The slot of a key: CRC16 (XMODEM) of the key or of its first non-empty `{hash tag}`, modulo
    /// 16384 (`keyHashSlot`).
    pub fn of_key(key: &[u8]) -> Self {
        let tag = key
            .iter()
            .position(|byte| *byte == b'{')
            .and_then(|open| {
                let rest = &key[open + 1..];
                rest.iter().position(|byte| *byte == b'}').map(|close| &rest[..close])
            })
            .filter(|tag| !tag.is_empty())
            .unwrap_or(key);
        Self(crc16(tag) % SLOT_COUNT)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |mut crc, byte| {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
        crc
    })
}

/// Slots from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotRange {
    /// The lowest slot.
    pub first: u16,
    /// The highest slot; never below `first`, never above 16383.
    pub last: u16,
}

impl SlotRange {
    /// How many slots.
    pub const fn len(self) -> u16 {
        self.last - self.first + 1
    }

    /// Never: a range has at least one slot.
    pub const fn is_empty(self) -> bool {
        false
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// A set of slots, kept as ranges that are sorted, disjoint and not adjacent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SlotSet(Vec<SlotRange>);

impl SlotSet {
    /// No slot.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// All 16384.
    pub fn all() -> Self {
        Self(vec![SlotRange { first: 0, last: SLOT_COUNT - 1 }])
    }

    /// The slots `first..=last`; nothing if they are out of order or out of range.
    pub fn range(first: u16, last: u16) -> Self {
        let mut set = Self::new();
        set.insert(first, last);
        set
    }

    /// One slot.
    pub fn one(slot: Slot) -> Self {
        Self::range(slot.get(), slot.get())
    }

    /// Adds `first..=last`. Returns false, and adds nothing, when the bounds are out of order or
    /// out of range.
    pub fn insert(&mut self, first: u16, last: u16) -> bool {
        if first > last || last >= SLOT_COUNT {
            return false;
        }
        // Ranges arrive in order from servers: the common case is to append.
        match self.0.last_mut() {
            Some(end) if u32::from(end.last) + 1 == u32::from(first) => {
                end.last = last;
                return true;
            }
            Some(end) if end.last >= first => {}
            _ => {
                self.0.push(SlotRange { first, last });
                return true;
            }
        }
        let mut merged = SlotRange { first, last };
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        let mut placed = false;
        for range in self.0.drain(..) {
            if u32::from(range.last) + 1 < u32::from(merged.first) {
                kept.push(range);
            } else if u32::from(merged.last) + 1 < u32::from(range.first) {
                if !placed {
                    kept.push(merged);
                    placed = true;
                }
                kept.push(range);
            } else {
                merged.first = merged.first.min(range.first);
                merged.last = merged.last.max(range.last);
            }
        }
        if !placed {
            kept.push(merged);
        }
        self.0 = kept;
        true
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        let at = self.0.partition_point(|range| range.last < slot.get());
        self.0.get(at).is_some_and(|range| range.first <= slot.get())
    }

    /// How many slots, 0 to 16384.
    pub fn len(&self) -> u16 {
        self.0.iter().map(|range| range.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.0
    }

    /// Each slot, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.0.iter().flat_map(|range| (range.first..=range.last).map(Slot))
    }

    /// The lowest slot.
    pub fn first(&self) -> Option<Slot> {
        self.0.first().map(|range| Slot(range.first))
    }

    /// Slots in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        for range in &other.0 {
            set.insert(range.first, range.last);
        }
        set
    }

    /// Slots in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.first.max(b.first), a.last.min(b.last));
            if first <= last {
                both.push(SlotRange { first, last });
            }
            if a.last < b.last {
                left.next();
            } else {
                right.next();
            }
        }
        Self(both)
    }

    /// Slots of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut cuts = other.0.iter().peekable();
        for range in &self.0 {
            let mut first = u32::from(range.first);
            while let Some(cut) = cuts.peek() {
                if u32::from(cut.last) < first {
                    cuts.next();
                    continue;
                }
                if cut.first > range.last {
                    break;
                }
                if u32::from(cut.first) > first {
                    rest.push(narrow(first, u32::from(cut.first) - 1));
                }
                first = u32::from(cut.last) + 1;
                if cut.last >= range.last {
                    break;
                }
                cuts.next();
            }
            if first <= u32::from(range.last) {
                rest.push(narrow(first, u32::from(range.last)));
            }
        }
        Self(rest)
    }

    /// The slots that are not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all().difference(self)
    }

    /// Reads `0-100,200 300-400`: numbers and ranges, separated by commas or blanks.
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self::new();
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            if !set.insert(first.parse().ok()?, last.parse().ok()?) {
                return None;
            }
        }
        Some(set)
    }
}

/// Both bounds come from ranges that hold `u16`s, so they fit.
fn narrow(first: u32, last: u32) -> SlotRange {
    let fit = |bound: u32| u16::try_from(bound).unwrap_or(SLOT_COUNT - 1);
    SlotRange { first: fit(first), last: fit(last) }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut numbers: Vec<u16> = slots.into_iter().map(Slot::get).collect();
        numbers.sort_unstable();
        let mut ranges: Vec<SlotRange> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(range) if number <= range.last + 1 => range.last = number.max(range.last),
                _ => ranges.push(SlotRange { first: number, last: number }),
            }
        }
        Self(ranges)
    }
}

impl FromIterator<SlotRange> for SlotSet {
    fn from_iter<I: IntoIterator<Item = SlotRange>>(ranges: I) -> Self {
        let is_sound = |range: &SlotRange| range.first <= range.last && range.last < SLOT_COUNT;
        let mut ranges: Vec<SlotRange> = ranges.into_iter().filter(is_sound).collect();
        ranges.sort_unstable_by_key(|range| range.first);
        let mut merged: Vec<SlotRange> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(end) if u32::from(range.first) <= u32::from(end.last) + 1 => {
                    end.last = end.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }
}

impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no set of slots"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for SlotSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SlotSet".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "slots, as in 0-5460,7000" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_hash_as_the_servers_hash_them() {
        // Values of CLUSTER KEYSLOT on Redis 7.0.15.
        assert_eq!(Slot::of_key(b"foo").get(), 12182);
        assert_eq!(Slot::of_key(b"{user1000}.following").get(), 3443);
        assert_eq!(Slot::of_key(b"foo{}{bar}").get(), 8363);
        assert_eq!(Slot::of_key(b"").get(), 0);
    }

    fn sets() -> impl Strategy<Value = SlotSet> {
        proptest::collection::vec(0_u16..SLOT_COUNT, 0..60)
            .prop_map(|slots| slots.into_iter().filter_map(Slot::new).collect())
    }

    proptest! {
        #[test]
        fn all_ways_to_build_a_set_give_the_same(
            bounds in proptest::collection::vec((0_u16..300, 0_u16..20), 0..40)
        ) {
            let ranges = || bounds.iter().map(|(first, more)| SlotRange {
                first: *first,
                last: first + more,
            });
            let mut inserted = SlotSet::new();
            for range in ranges() {
                prop_assert!(inserted.insert(range.first, range.last));
            }
            let collected: SlotSet = ranges().collect();
            let single: SlotSet = ranges()
                .flat_map(|range| (range.first..=range.last).filter_map(Slot::new))
                .collect();
            prop_assert_eq!(&inserted, &single);
            prop_assert_eq!(&collected, &single);
        }

        #[test]
        fn algebra_agrees_with_membership(a in sets(), b in sets(), probe in 0_u16..SLOT_COUNT) {
            let slot = Slot::new(probe).expect("in range");
            prop_assert_eq!(a.union(&b).contains(slot), a.contains(slot) || b.contains(slot));
            let both = a.contains(slot) && b.contains(slot);
            prop_assert_eq!(a.intersection(&b).contains(slot), both);
            prop_assert_eq!(a.difference(&b).contains(slot), a.contains(slot) && !b.contains(slot));
            prop_assert_eq!(a.complement().len(), SLOT_COUNT - a.len());
            prop_assert_eq!(SlotSet::parse(&a.to_string()), Some(a.clone()));
            prop_assert_eq!(a.union(&b).len() + a.intersection(&b).len(), a.len() + b.len());
        }
    }
}
