//! Several of us at the same time do no more harm than one, and the cluster ends as well.
//!
//! All other checkers hold for each of them; this one compares the ends. They may get in each
//! other's way and say so: then one that is started afterwards must get there.

/// What is worse after several than with one.
pub fn check(alone: bool, afterwards: bool, count: usize) -> Option<String> {
    (alone && !afterwards)
        .then(|| format!("exclusive: one of us mends it, after {count} at the same time none does"))
}
