//! How old a replica's data were when it was to stand for election, by the times of its log.

use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::seen::Seen;

/// The default of cluster-replica-validity-factor, and seconds of repl-ping-replica-period.
const FACTOR: u64 = 10;
const PING_SECONDS: u64 = 10;

/// How it comes about most often, where no log tells the times.
pub(super) const TYPICAL: &str =
    "Typical when primary and replica were down together and only the replica came back.";

/// Adds what the log tells: since when the link was gone, the limit, and when the failure was
/// agreed on.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let gone = ["connection with master lost", "connection with primary lost"];
    let refusal = ["disconnected from master for longer", "disconnected from primary for longer"];
    let (Some(lost), Some(refused)) = (
        seen.lines_with(&gone).first().copied(),
        seen.lines.iter().position(|line| refusal.iter().any(|word| line.lower.contains(word))),
    ) else {
        return hit;
    };
    let Some(age) = clock::between(seen, lost, refused) else { return hit };
    let factor = seen
        .settings
        .iter()
        .filter(|setting| setting.name.ends_with("-validity-factor"))
        .find_map(|setting| setting.value.parse::<u64>().ok())
        .unwrap_or(FACTOR);
    let timeout = clock::node_timeout(seen).map(u64::from);
    let limit = timeout.map(|ms| {
        let limit = ms * factor / 1_000 + PING_SECONDS;
        format!("; the limit is {ms} ms × {factor} + {PING_SECONDS} s = {limit} s")
    });
    let hit = hit
        .quote(lost)
        .fact("age", format!("here the link broke {age} s before{}", limit.unwrap_or_default()))
        .fact("not_here", "which is not the case here: it was linked before");
    let agreed = seen.lines.iter().enumerate().skip(lost).find(|(_, line)| {
        ["fail message received", "as failing (quorum"].iter().any(|w| line.lower.contains(w))
    });
    let Some((at, _)) = agreed else { return hit };
    let took = clock::between(seen, lost, at).map(u64::from);
    match took.filter(|took| *took > timeout.map_or(60, |ms| 3 * ms / 1_000)) {
        Some(took) => hit.quote(at).note(late(took, timeout)),
        None => hit,
    }
}

fn late(took: u64, timeout: Option<u64>) -> String {
    let usual = timeout.map_or_else(String::new, |ms| {
        format!(" (with {ms} ms, some {} s are usual)", 2 * ms / 1_000)
    });
    format!(
        "What made it too old is the time that the agreement took: the failure of its primary was \
         agreed on only {took} s after the link broke{usual}. Suspicion of a majority travels by \
         gossip, a few entries for each ping, and a report counts for two node timeouts only: with \
         hundreds of nodes and old releases (3.0) that takes minutes. For good: a current \
         release (it spreads news of failures first), a node timeout that fits the number of \
         nodes, and a validity factor that is large enough for the time that agreement takes."
    )
}
