//! A server that wrote nothing for a while: it stood still, or nothing reached it.

use crate::explain::clock;
use crate::explain::seen::Seen;
use crate::wire::logs;

/// A silence shorter than this says nothing: quiet servers write once in minutes, but not right
/// before they find that they were replaced.
const SECONDS_MIN: u32 = 15;

/// Beyond this two lines are of different days.
const SECONDS_MAX: u32 = 6 * 3_600;

/// Lines in front of the given one that may follow the silence in the same moment.
const SAME_MOMENT: usize = 3;

/// The silence in front of a line of a log.
pub(in crate::explain) struct Silence {
    /// The last line before it.
    pub before: usize,
    /// `12:04:08`.
    pub from: String,
    /// `12:15:41`.
    pub to: String,
}

/// The silence that ended right before a line.
pub(in crate::explain) fn before(seen: &Seen, line: usize) -> Option<Silence> {
    let time = |at: usize| clock::time(logs::parse(&seen.lines.get(at)?.text)?.time);
    let paste = |at: usize| seen.lines.get(at).map(|line| line.paste);
    (line.saturating_sub(SAME_MOMENT)..=line).rev().find_map(|at| {
        let before = at.checked_sub(1).filter(|before| paste(*before) == paste(at))?;
        let ((from, then), (to, now)) = (time(before)?, time(at)?);
        let long = (SECONDS_MIN..SECONDS_MAX).contains(&now.checked_sub(then)?);
        long.then(|| Silence { before, from: from.to_owned(), to: to.to_owned() })
    })
}
