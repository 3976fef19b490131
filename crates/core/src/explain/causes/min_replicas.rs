//! Writes that a primary refuses because too few replicas are in sync.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "WRITES_REFUSED_MIN_REPLICAS",
    title: "Writes are refused because too few replicas are in sync[[: <<good>> of <<wanted>>]]",
    side: Side::Cluster,
    when: refused,
    cause: "min-replicas-to-write[[ (here <<wanted>>)]] asks for more connected replicas than this \
        primary has now[[ (<<good>>)]], so it refuses writes by design.",
    check: "INFO replication on the primary: connected_slaves and min_slaves_good_slaves.",
    fix: &["Bring the replicas back; or lower min-replicas-to-write, knowing what it protects."],
    never: &["Do not force a failover for it.", "Do not write by scripts to get round it."],
    like: &["REPLICA_LINK_DOWN"],
}];

fn refused(seen: &Seen) -> Option<Hit> {
    let words = [
        "noreplicas not enough good",
        "not enough good replicas to write",
        "not enough good slaves",
    ];
    let hit = seen.says(90, &words)?;
    let wanted = wanted(seen);
    let good = ["min_slaves_good_slaves", "min_replicas_good_replicas", "connected_slaves"];
    let good = good.iter().find_map(|name| Some((seen.field_line(name)?, seen.field(name)?)));
    let hit = hit
        .quotes(wanted.as_ref().map(|(at, _)| *at))
        .quotes(good.map(|(at, _)| at))
        .fact_if("good", good.map(|(_, count)| count.trim().to_owned()))
        .fact_if("wanted", wanted.as_ref().map(|(_, count)| count.clone()));
    Some(match through_script(seen) {
        Some(at) => hit.quote(at).note(
            "That the same write goes through EVAL is no proof that the primary is well: servers \
             before 7.0 do not look at this setting inside scripts (redis/redis#9993). It is a \
             fault of that version and no way round: what is written so has too few copies.",
        )
        .step(
            "Start the replica that is missing and wait for state=online and a small lag in INFO \
             replication; or, if one copy less is enough, CONFIG SET min-replicas-to-write to the \
             number that is there (min-slaves-to-write is its older name).",
        )
        .step("Upgrade to 7.0 or later, where scripts obey the setting as well.")
        .only_these_steps(),
        None => hit,
    })
}

/// The setting: `min-slaves-to-write 2`, or a reply of CONFIG GET with the value below.
fn wanted(seen: &Seen) -> Option<(usize, String)> {
    let names = ["min-replicas-to-write", "min-slaves-to-write"];
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = names.iter().find_map(|name| line.lower.split_once(name))?;
        let number = |text: &str| {
            let last = text.split(|c: char| !c.is_ascii_digit()).rfind(|word| !word.is_empty())?;
            last.parse::<u8>().ok().map(|count| count.to_string())
        };
        if let Some(count) = number(rest) {
            return Some((at, count));
        }
        let below = seen.lines.get(at + 1)?;
        let value = below.text.split_once(") ").map_or(below.text.as_str(), |(_, value)| value);
        let value = value.trim().trim_matches('"');
        value.parse::<u8>().ok().map(|count| (at + 1, count.to_string()))
    })
}

/// `eval "..."` with an answer that is no error below it.
fn through_script(seen: &Seen) -> Option<usize> {
    seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => {
            let script =
                ["> eval ", "> evalsha ", "> fcall "].iter().any(|w| ask.lower.contains(w));
            script && answer.text.trim().trim_matches('"') == "OK"
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("WRITES_REFUSED_MIN_REPLICAS");
    }
}
