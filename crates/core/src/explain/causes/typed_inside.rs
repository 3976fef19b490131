//! A command of the redis-cli program that was typed at the server's prompt.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Says where it was typed, and what was meant, when the line above the error shows it.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    let old = ["unrecognized option or bad number of args for: '--cluster'", "redis at create"];
    if seen.has(&old) {
        return hit.fact("place", "this redis-cli is older than 5.0");
    }
    let typed = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (place, rest) = line.text.split_once("> ")?;
        let port = place.trim().rsplit_once(':')?.1;
        let inside = port.parse::<u16>().is_ok();
        let lower = rest.to_lowercase();
        let begins = ["cluster create", "redis-cli ", "valkey-cli "];
        (inside && begins.iter().any(|word| lower.starts_with(word))).then(|| (at, rest.trim()))
    });
    let Some((at, rest)) = typed else { return hit };
    let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
    let meant = if first.eq_ignore_ascii_case("cluster") {
        format!("redis-cli --cluster {others}")
    } else {
        rest.to_owned()
    };
    hit.more_if(8, true)
        .quote(at)
        .fact("place", "it was typed at the server's prompt")
        .note(format!(
            "It stands behind the prompt here, so it went to the server. From the shell it is: \
             {meant}. The instance itself is well, and nothing was changed."
        ))
        .check("The same line from the shell (leave the prompt with quit first) asks for 'yes'.")
        .step(
            "Leave the prompt (quit) and give the line above in the shell, with addresses that \
             every node and client reaches, not 127.0.0.1.",
        )
        .only_these_steps()
}
