//! The versions of servers that the text names.

use super::seen::Seen;

/// A version, in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Version(u32, u32, u32);

impl Version {
    /// `6.2.5`.
    pub fn text(self) -> String {
        format!("{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The different ones that servers told of themselves in whole, the lowest first.
pub(super) fn servers(seen: &Seen) -> Vec<Version> {
    let of = |marks: &[&str]| {
        let told = seen
            .lines
            .iter()
            .filter_map(|line| marks.iter().find_map(|mark| whole(line.lower.split_once(mark)?.1)));
        let mut found: Vec<Version> = told.collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    // A Valkey server tells a version of Redis beside its own, for old clients.
    let valkey = of(&["valkey_version:", "valkey version="]);
    if valkey.is_empty() { of(&["redis_version:", "redis version="]) } else { valkey }
}

fn whole(rest: &str) -> Option<Version> {
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let mut parts = rest.get(..end)?.trim_end_matches('.').split('.').map(str::parse);
    let version = Version(parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(version)
}
