//! How many keys a node holds in which slot: one pipeline of questions over one connection.
//!
//! Invariants: a slot whose count did not come is not among those counted; what a peer makes us
//! keep is bounded over all peers of a look ([`Room`]), because one that claims keys in every slot
//! costs sixty times one that tells the truth.
//!
//! Each question is encoded once for the whole process: a census of a large cluster asks millions.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use slotwright_core::model::{SLOT_COUNT, Slot, SlotSet};
use slotwright_core::observation::{Census, Said, Silence};

use crate::command::Command;
use crate::connection::Connection;

/// `CLUSTER COUNTKEYSINSLOT` of every slot, ascending, as it goes over the wire.
struct Encoded {
    bytes: Vec<u8>,
    /// Where the question of each slot begins, and where the last one ends.
    begins: Vec<usize>,
}

/// What the question of slot 0 ends with: the length of the number, and the number.
const SLOT_0: &[u8] = b"1\r\n0\r\n";

static ENCODED: LazyLock<Encoded> = LazyLock::new(|| {
    // One question is encoded, and so held against the list; the others differ in the number.
    let mut head = Vec::new();
    Slot::new(0).into_iter().for_each(|slot| Command::CountKeysInSlot(slot).encode(&mut head));
    head.truncate(head.len().saturating_sub(SLOT_0.len()));
    let mut encoded = Encoded { bytes: Vec::new(), begins: vec![0] };
    for slot in 0..SLOT_COUNT {
        let digits = slot.checked_ilog10().unwrap_or(0) + 1;
        encoded.bytes.extend_from_slice(&head);
        // Writing to memory does not fail.
        let _ = write!(encoded.bytes, "{digits}\r\n{slot}\r\n");
        encoded.begins.push(encoded.bytes.len());
    }
    encoded
});

/// The questions of slots that follow each other; they need no copy.
pub(crate) fn questions(first: u16, last: u16) -> &'static [u8] {
    let begin = |slot: u16| ENCODED.begins.get(usize::from(slot)).copied().unwrap_or_default();
    ENCODED.bytes.get(begin(first)..begin(last + 1)).unwrap_or_default()
}

/// How many occupied slots may still be kept, over all nodes of a look.
pub(crate) struct Room(AtomicUsize);

impl Room {
    pub(crate) const fn of(occupied_slots: usize) -> Self {
        Self(AtomicUsize::new(occupied_slots))
    }

    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// Counts the keys of these slots at one node.
pub(crate) async fn count(
    connection: &mut Connection,
    slots: &SlotSet,
    room: &Room,
) -> Said<Census> {
    let mut census = Census { counted: SlotSet::new(), keys: Vec::new() };
    let mut refused = None;
    let mut asked = slots.iter();
    connection
        .ask_counts(slots, |answer| {
            let Some(slot) = asked.next().map(Slot::get) else { return };
            let number = answer.map(|value| value.integer().and_then(|n| u64::try_from(n).ok()));
            match number {
                Ok(Some(number)) if number == 0 || room.take() => {
                    census.counted.insert(slot, slot);
                    if number > 0 {
                        census.keys.push((slot, number));
                    }
                }
                Ok(Some(_)) => refused = Some(Silence::Garbage(NO_ROOM.to_owned())),
                Ok(None) => refused = Some(Silence::Garbage("a count is no number".to_owned())),
                Err(silence) => refused = Some(silence),
            }
        })
        .await;
    // A slot that was not counted must not pass for one without keys: all of it, or nothing.
    refused.map_or(Said::This(census), Said::Nothing)
}

const NO_ROOM: &str = "more occupied slots than all nodes together can have";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_the_encoded_commands_of_their_slots() {
        for (first, last) in [(0, 0), (7, 11), (999, 1_000), (16_383, 16_383), (0, 16_383)] {
            let mut expected = Vec::new();
            for slot in (first..=last).filter_map(Slot::new) {
                Command::CountKeysInSlot(slot).encode(&mut expected);
            }
            assert_eq!(questions(first, last), expected, "{first}-{last}");
        }
    }

    #[test]
    fn room_ends() {
        let room = Room::of(2);
        assert_eq!([room.take(), room.take(), room.take()], [true, true, false]);
    }
}
