//! What a run did, on disk before it does it.
//!
//! One record a line: a checksum, a blank, the entry as JSON. A line that is torn or damaged ends
//! the journal: what follows a tear was never agreed on. A run needs no journal to be safe, the
//! cluster itself is looked at again; the journal tells what was sent, and what is not known of it.

use serde::{Deserialize, Serialize};

use crate::drive::{End, Reply};
use crate::plan::Plan;

/// One record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub enum Entry {
    /// A run began.
    RunBegun {
        /// The version of slotwright.
        tool: String,
        /// Milliseconds since 1970, on our clock.
        at_ms: u64,
        /// What the user named, without credentials.
        target: String,
    },
    /// A round was planned, and agreed to.
    Planned {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A step is about to be sent.
    StepBegun {
        /// Its number in the plan.
        step: usize,
    },
    /// What was said to it.
    StepReplied {
        /// Its number in the plan.
        step: usize,
        /// The reply, or that there was none.
        reply: Reply,
    },
    /// A step is over.
    StepEnded {
        /// Its number in the plan.
        step: usize,
        /// How.
        ended: Ended,
    },
    /// The round is over.
    RoundEnded {
        /// How.
        end: End,
    },
    /// The run is over.
    RunEnded {
        /// Milliseconds since 1970, on our clock.
        at_ms: u64,
        /// In a sentence.
        outcome: String,
    },
}

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// What it should bring about was there already: nothing was sent.
    AlreadySo,
    /// What it should bring about was seen.
    Seen,
    /// It was not seen in time; the text says what.
    NotSeen(String),
}

/// An entry as a line of the file.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn encode(entry: &Entry) -> Result<Vec<u8>, serde_json::Error> {
    let text = serde_json::to_string(entry)?;
    Ok(format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes())).into_bytes())
}

/// What could be read of a journal.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Read {
    /// The entries, up to the first that is torn or damaged.
    pub entries: Vec<Entry>,
    /// Bytes that they take: what follows may be cut off.
    pub sound_bytes: usize,
    /// What is wrong with the rest, if there is one.
    pub damage: Option<String>,
}

/// Reads a journal, or any prefix of one. Never fails.
pub fn read(bytes: &[u8]) -> Read {
    let mut read = Read::default();
    let mut story = Story::default();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let entry = decode(line).and_then(|entry| {
            story.take(&entry)?;
            Ok(entry)
        });
        match entry {
            Ok(entry) => {
                read.entries.push(entry);
                read.sound_bytes += line.len();
            }
            Err(why) => {
                read.damage = Some(format!("record {}: {why}", read.entries.len() + 1));
                break;
            }
        }
    }
    read
}

fn decode(line: &[u8]) -> Result<Entry, String> {
    let line = line.strip_suffix(b"\n").ok_or("it is torn")?;
    let text = std::str::from_utf8(line).map_err(|_| "it is no text")?;
    let (sum, json) = text.split_once(' ').ok_or("it has no checksum")?;
    let sum = u32::from_str_radix(sum, 16).map_err(|_| "it has no checksum")?;
    if sum != crc32fast::hash(json.as_bytes()) {
        return Err("its checksum is another".to_owned());
    }
    serde_json::from_str(json).map_err(|error| format!("it is no entry: {error}"))
}

/// Which entry may follow which.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Story {
    begun: bool,
    steps: Option<usize>,
    /// The step that was begun and not yet answered.
    unanswered: Option<usize>,
    over: bool,
}

impl Story {
    /// The step that was sent, or was about to be, and of which no reply is known.
    pub const fn unanswered(&self) -> Option<usize> {
        self.unanswered
    }

    /// Whether the run came to its end.
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// When it cannot follow what was before it.
    pub fn take(&mut self, entry: &Entry) -> Result<(), String> {
        if self.over {
            return Err("the run is over".to_owned());
        }
        if self.begun == matches!(entry, Entry::RunBegun { .. }) {
            return Err("a journal begins with the beginning of one run".to_owned());
        }
        let within = |step: &usize| match self.steps {
            Some(steps) if *step < steps => Ok(()),
            _ => Err(format!("there is no step {step}")),
        };
        match entry {
            Entry::RunBegun { .. } => self.begun = true,
            Entry::Planned { plan } if self.steps.is_none() => self.steps = Some(plan.steps.len()),
            Entry::Planned { .. } => return Err("a round is still under way".to_owned()),
            Entry::StepBegun { step } => {
                within(step)?;
                if let Some(open) = self.unanswered.replace(*step) {
                    return Err(format!("step {open} has no reply yet"));
                }
            }
            Entry::StepReplied { step, .. } => {
                within(step)?;
                if self.unanswered.take() != Some(*step) {
                    return Err(format!("step {step} was not begun"));
                }
            }
            Entry::StepEnded { step, .. } => within(step)?,
            Entry::RoundEnded { .. } => {
                if self.steps.take().is_none() {
                    return Err("there is no round".to_owned());
                }
            }
            Entry::RunEnded { .. } => self.over = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;
    use crate::observation::Observation;
    use crate::plan::{Change, Plan, Step, stamp};

    fn run() -> Vec<Entry> {
        let plan = Plan {
            format: 1,
            tool: "test".to_owned(),
            parent: stamp(&Observation::empty()),
            nodes: std::collections::BTreeMap::new(),
            steps: vec![Step {
                mends: "SLOT_OPEN".to_owned(),
                on: NodeId::made_up(1),
                change: Change::BumpEpoch,
                risk: crate::diagnose::Risk::Reversible,
                why: "\u{1b}[31m a peer's \n words".to_owned(),
                guard: Vec::new(),
                expect: Vec::new(),
                within_ms: 1,
                stage: 0,
            }],
            loss: Vec::new(),
            census: Vec::new(),
        };
        vec![
            Entry::RunBegun { tool: "test".to_owned(), at_ms: 1, target: "a:1".to_owned() },
            Entry::Planned { plan: Box::new(plan) },
            Entry::StepBegun { step: 0 },
            Entry::StepReplied { step: 0, reply: Reply::Unknown("closed".to_owned()) },
            Entry::StepEnded { step: 0, ended: Ended::Seen },
            Entry::RoundEnded { end: End::Done },
            Entry::RunEnded { at_ms: 2, outcome: "healthy".to_owned() },
        ]
    }

    fn bytes(entries: &[Entry]) -> Vec<u8> {
        entries.iter().flat_map(|entry| encode(entry).expect("JSON")).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let entries = run();
        let read = read(&bytes(&entries));
        assert_eq!(read.entries, entries);
        assert_eq!(read.damage, None);
    }

    #[test]
    fn a_tear_at_any_byte_keeps_all_that_was_whole_before_it() {
        let entries = run();
        let whole = bytes(&entries);
        for end in 0..whole.len() {
            let read = read(&whole[..end]);
            assert_eq!(read.entries, entries[..read.entries.len()], "cut at {end}");
            assert_eq!(read.sound_bytes, bytes(&read.entries).len(), "cut at {end}");
            assert_eq!(read.damage.is_some(), read.sound_bytes != end, "cut at {end}");
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let entries = run();
        let whole = bytes(&entries);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x15;
            let read = read(&damaged);
            assert!(read.damage.is_some(), "byte {at}");
            assert_eq!(read.entries, entries[..read.entries.len()], "byte {at}");
        }
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        let entries = run();
        for (first, second) in [(0, 0), (0, 2), (2, 2), (6, 0)] {
            let mut story = Story::default();
            let result = story.take(&entries[first]).and_then(|()| story.take(&entries[second]));
            assert!(result.is_err(), "{first} then {second}");
        }
        let mut story = Story::default();
        entries[..3].iter().for_each(|entry| story.take(entry).expect("in order"));
        assert_eq!(story.unanswered(), Some(0));
    }
}
