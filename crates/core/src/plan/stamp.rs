//! The stamp of an observation: what a plan rests on, as a short text that changes with it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Plan;
use crate::observation::Observation;

/// The stamp of an observation. Two looks at a cluster that did not change have the same: times,
/// offsets, counters and the order of answers do not enter, but every id, address, role, flag,
/// epoch, slot and open slot that anybody shows does, and which slots hold keys.
pub fn stamp(seen: &Observation) -> String {
    // Most nodes show most rows: each is written once, and a view sorts borrowed lines.
    let written: Vec<String> =
        seen.rows.as_slice().iter().map(|row| format!("{row:?}\n")).collect();
    let line_of = |number: u32| Some(written.get(usize::try_from(number).ok()?)?.as_str());
    let mut lines: Vec<String> = seen
        .sightings
        .iter()
        .map(|sighting| {
            let mut text = format!("{} {:?}\n", sighting.from, sighting.myid.get());
            if let Some(view) = sighting.nodes.get() {
                let mut rows: Vec<&str> =
                    view.rows.iter().filter_map(|shown| line_of(shown.row)).collect();
                rows.sort_unstable();
                rows.iter().for_each(|row| text.push_str(row));
            }
            if let Some(census) = sighting.census.get() {
                let _infallible = writeln!(text, "{}", census.occupied());
            }
            text
        })
        .collect();
    lines.sort_unstable();
    short_digest(lines.concat().as_bytes())
}

/// The same of a plan: every step, guard and word in it.
pub(super) fn mark(plan: &Plan) -> String {
    // A plan is numbers, texts and lists of them, which always can be written.
    short_digest(&serde_json::to_vec(plan).unwrap_or_default())
}

fn short_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().take(STAMP_BYTES).fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of the digest that are kept: what a person can type, and nobody can guess.
const STAMP_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ConfigEpoch;
    use crate::observation::sketch::Sketch;

    #[test]
    fn time_and_order_do_not_change_it_and_an_epoch_does() {
        let sketch = Sketch::healthy(3, 3);
        let mut seen = sketch.build();
        let first = stamp(&seen);
        assert_eq!(first.len(), 2 * STAMP_BYTES);
        seen.at_ms += 1_000;
        seen.sightings.reverse();
        seen.sightings[0].took_ms += 7;
        assert_eq!(stamp(&seen), first);
        let mut other = sketch;
        other.row(0, 1, |row| row.epoch = ConfigEpoch(99));
        assert_ne!(stamp(&other.build()), first);
    }
}
