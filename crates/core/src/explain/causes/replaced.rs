//! All nodes behind a name were replaced: look-ups before and after, and a client that goes on
//! with the map from before.

use super::announced::{UNREACHABLE, ipv4s};
use super::sources;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;
use crate::explain::works;

/// Programs that look a name up.
const TOOLS: [&str; 4] = ["dig ", "nslookup ", "getent hosts ", "getent ahosts "];

/// Words of a line that lists addresses of an earlier time, and of now.
const EARLIER: [&str; 5] = ["before", "old ", "yesterday", "at the start", "last week"];
const LATER: [&str; 5] = ["after", "now", "today", "new ", "since then"];

/// What clients say when none of their nodes answers.
const FAILS: [&str; 15] = [
    "too many cluster redirections",
    "too many redirections",
    "no more cluster attempts",
    "no reachable node",
    "cannot be connected",
    "could not get a resource",
    "clusterallfailed",
    "failed to refresh slots cache",
    "cannot retrieve cluster partitions",
    "command timed out",
    "max retries per request",
    "ttl exhausted",
    "no available nodes",
    "timeout",
    "timed out",
];

/// Classes in traces of Jedis 2 and 3.
const OLD_JEDIS: [&str; 3] =
    ["jedisclustercommand", "jedisclustermaxredirections", "jedisclustermaxattempts"];

/// Addresses that a name had at one time.
struct LookUp {
    line: usize,
    ips: Vec<String>,
}

/// The addresses on a line, behind a tool's name where there is one; the server that is asked is
/// none of them.
fn listed(text: &str) -> Vec<String> {
    let asked = |ip: &&str| text.contains(&format!("@{ip}")) || text.contains(&format!("{ip}#"));
    ipv4s(text).filter(|ip| !asked(ip)).map(str::to_owned).collect()
}

fn look_ups(seen: &Seen) -> Vec<LookUp> {
    let mut found: Vec<LookUp> = Vec::new();
    let mut open: Option<usize> = None;
    for (at, line) in seen.lines.iter().enumerate() {
        let asks = TOOLS.iter().any(|tool| {
            let before = line.lower.split_once(tool).map(|(before, _)| before);
            before.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_alphanumeric()))
        });
        let ips = listed(&line.text);
        if asks {
            open = ips.is_empty().then_some(line.paste);
            found.push(LookUp { line: at, ips });
        } else if open == Some(line.paste) && !ips.is_empty() {
            if let Some(last) = found.last_mut() {
                last.line = if last.ips.is_empty() { at } else { last.line };
                last.ips.extend(ips);
            }
        } else if line.text.trim_start().starts_with(['$', '#']) || open != Some(line.paste) {
            open = None;
        }
    }
    found.retain(|one| !one.ips.is_empty());
    found
}

/// Two lines of people's notes: the addresses of before and those of now.
fn noted(seen: &Seen) -> Option<(LookUp, LookUp)> {
    let find = |words: &[&str], but: &[&str]| {
        seen.lines.iter().enumerate().find_map(|(at, line)| {
            let has = |words: &[&str]| words.iter().any(|word| line.lower.contains(word));
            let ips = listed(&line.text);
            (ips.len() >= 2 && has(words) && !has(but)).then_some(LookUp { line: at, ips })
        })
    };
    Some((find(&EARLIER, &LATER)?, find(&LATER, &EARLIER)?))
}

/// The addresses of before and of now, when not one is left.
fn all_new(seen: &Seen) -> Option<(LookUp, LookUp)> {
    let mut ups = look_ups(seen);
    let last = ups.pop();
    let first = (!ups.is_empty()).then(|| ups.swap_remove(0));
    let (first, last) = first.zip(last).or_else(|| noted(seen))?;
    let apart = last.ips.iter().all(|ip| !first.ips.contains(ip));
    (apart && first.ips.len() >= 2).then_some((first, last))
}

/// The client fails after every node behind its start name has got another address.
pub(super) fn under_one_name(seen: &Seen) -> Option<Hit> {
    let client = seen.client()?;
    let failed = seen.lines_with(&FAILS).into_iter().next();
    let failed = failed.or_else(|| seen.lines_with(&UNREACHABLE).into_iter().next())?;
    let (first, last) = all_new(seen)?;
    let works = works::told(seen);
    let event = sources::made_anew(seen);
    let hit = Hit::of(80)
        .more_if(4, event.is_some())
        .more_if(4, works.before.is_some())
        .more_if(4, works.tool.is_some())
        .quote(failed)
        .quote(first.line)
        .quote(last.line)
        .quotes(works.before)
        .quotes(works.tool)
        .note(format!(
            "Before, the name stood for {}, and now for {}: not one address is left, so every node \
             was replaced, and the client's map is that of nodes which are gone. It goes on as \
             long as one of the old ones answers, and fails with the last: hours may lie between.",
            list(&first.ips, 4),
            list(&last.ips, 4)
        ));
    let hit = jedis_counts(seen, client, hit);
    let hit = match (works.before, works.tool) {
        (Some(_), Some(_)) => hit.note(
            "It worked with the same settings before, and redis-cli reaches the endpoint now: TLS, \
             login, network and servers are in order. More redirects, another pool or longer \
             timeouts do not help a client that asks dead nodes.",
        ),
        (None, Some(_)) => {
            hit.note("redis-cli reaches the endpoint now: the servers are in order.")
        }
        _ => hit,
    };
    Some(mended(seen, hit))
}

/// What old Jedis calls a redirection.
fn jedis_counts(seen: &Seen, client: &str, hit: Hit) -> Hit {
    let old = seen.lines_with(&OLD_JEDIS).into_iter().next();
    match old.filter(|_| client == "Jedis") {
        Some(at) => hit.quote(at).note(
            "The trace is of Jedis 2 or 3. 'Too many Cluster redirections' there means that the \
             attempts are used up: a connection that fails counts like a redirect, so nobody need \
             have answered MOVED at all. It asks for a new map only at nodes that it knows, and \
             never comes back to its start name.",
        ),
        None => match sources::habit_of(seen) {
            Some((says, _)) => hit.note(says),
            None => hit,
        },
    }
}

fn mended(seen: &Seen, hit: Hit) -> Hit {
    let hit = hit
        .check(
            "A new process of the same program (or a new client object) works at once; CLUSTER \
             SLOTS through the name has the new addresses and none of the old ones.",
        )
        .step(
            "Now: restart the application, or build its cluster client anew on this error: it \
             looks the name up again and reads the map.",
        );
    let hit = match sources::habit_of(seen) {
        Some((_, step)) => hit.step(step),
        None => hit,
    };
    hit.step(
        "For the next change of nodes: a name that stays as the start node, the client's own \
         refresh on, and old nodes that stay until all clients have read the map again; where a \
         service swaps the nodes by itself, restart the clients step by step right after it.",
    )
    .only_these_steps()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of(text)
    }

    #[test]
    fn look_ups_on_one_line_and_below() {
        let one = seen("dig +short (10:00): 10.0.0.1 10.0.0.2\ndig +short (12:00): 10.0.1.1\n");
        assert!(all_new(&one).is_some());
        let below =
            "$ dig +short c.example\n10.0.0.1\n10.0.0.2\n$ dig +short c.example\n10.0.1.5\n";
        assert!(all_new(&seen(below)).is_some());
        let kept = below.replace("10.0.1.5", "10.0.0.2");
        assert!(all_new(&seen(&kept)).is_none(), "one of them stayed");
    }

    #[test]
    fn notes_of_before_and_now() {
        let told = "IPs before the change: 10.1.0.1, 10.1.0.2\nIPs now: 10.1.0.7, 10.1.0.8\n";
        assert!(all_new(&seen(told)).is_some());
    }
}
