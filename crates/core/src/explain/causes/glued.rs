//! Addresses that a template writes in one piece.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// What a template puts behind the port so that the next address is another word.
fn parts(rest: &str) -> bool {
    let (inner, _) = rest.split_once('\'').or_else(|| rest.split_once('"')).unwrap_or((rest, ""));
    inner.contains(' ') || inner.contains("\\n") || inner.contains("{end}") && inner.contains("' '")
}

/// `jsonpath='{range .items[*]}{.status.podIP}:6379'` without a blank: one word of all addresses.
pub(super) fn addresses(seen: &Seen) -> Option<Hit> {
    let refused = *seen
        .lines_with(&[
            "wrong number of arguments for specified",
            "invalid node address",
            "valid address",
        ])
        .first()?;
    let at = seen.lines.iter().position(|line| {
        let template = line.lower.contains("jsonpath") || line.lower.contains("go-template");
        let of_pods = line.lower.split_once("podip}").map(|(_, rest)| rest);
        template && of_pods.is_some_and(|rest| !parts(rest))
    })?;
    Some(
        Hit::of(94)
            .quote(refused)
            .quote(at)
            .note(
                "Here it is the template: nothing stands between one address and the next (no blank \
                 behind the port, no {end}), so all of them arrive as one word, and create has got \
                 one address in place of six. Nothing was sent to any node.",
            )
            .check("Print what the inner command gives, alone: is it one long word?")
            .step(
                "Write the template with a blank and an end: jsonpath='{range \
                 .items[*]}{.status.podIP}:6379 {end}', print it, and repeat the same command when \
                 it shows six addresses apart.",
            )
            .only_these_steps(),
    )
}
