//! A replica that takes the copy of its primary for commands.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "FULL_COPY_READ_AS_COMMANDS",
    title: "The replica takes its primary's copy for commands and begins anew, for ever (a known \
    fault)",
    side: Side::Cluster,
    when: in_the_copy,
    cause: "What the replica calls a protocol error is the head of an ordinary RDB copy: <<head>>, \
        the length of the copy and the first bytes of the file. So it lost its place during the \
        full sync and read the copy as commands; it hangs up, and the next attempt is a full sync \
        again. No data is corrupt, neither the file nor the primary's. It is a known fault of the \
        servers from 6.2.11 on (redis/redis#12001)[[, here <<version>>]]: it shows with many \
        gigabytes while writes come in.",
    check: "redis_version of both ends, and the log: 'Full resync from' and this error again and \
        again. The same sync in a quiet hour goes through.",
    fix: &[
        "Let this replica sync while few writes come (a quiet hour, the heavy writer stopped for \
         the time of one copy), one replica at a time. The primary stays as it is: it has the \
         data.",
        "For good upgrade to a current release line (it was not seen any more with 7.4), replicas \
         first, then CLUSTER FAILOVER, then the old primaries. A newer 6.2 alone does not help.",
    ],
    never: &[
        "Do not promote this replica: it has no whole copy.",
        "Do not restart, empty or rebuild the primary, and move none of its files: they are sound.",
    ],
    like: &["FULL_SYNC_LOOP"],
}];

fn in_the_copy(seen: &Seen) -> Option<Hit> {
    let lines = seen.lines.iter().enumerate();
    let (at, head) = lines
        .filter(|(_, line)| {
            let words = ["using the inline protocol", "too big inline request"];
            words.iter().any(|word| line.lower.contains(word))
        })
        .find_map(|(at, line)| Some((at, head(&line.text)?)))?;
    let synced =
        seen.lines.iter().take(at).rposition(|line| line.lower.contains("full resync from"));
    let again = seen.lines.iter().skip(at).position(|line| {
        let again = ["partial resynchronization not possible", "full resync from"];
        again.iter().any(|word| line.lower.contains(word))
    });
    let version = seen.stated(&["redis_version", "redis version"]);
    let version = version.map(crate::explain::stated::dotted);
    Some(
        Hit::of(90)
            .more_if(4, synced.is_some())
            .quote(at)
            .quotes(synced)
            .quotes(again.map(|after| at + after))
            .quotes(seen.field_line("redis_version"))
            .fact("head", format!("'{head}'"))
            .fact_if("version", version),
    )
}

/// `$9574472176..REDIS0009` in what the error quotes of the buffer.
fn head(text: &str) -> Option<String> {
    let (_, buffer) = text.split_once("uery buffer during protocol error: '")?;
    let digits = buffer.strip_prefix('$')?;
    let length: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let rest = digits.get(length.len()..)?;
    let from = rest.find("REDIS").or_else(|| rest.find("VALKEY")).filter(|from| *from <= 4)?;
    let magic: String = rest.get(from..)?.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!length.is_empty()).then(|| format!("${length}..{magic}"))
}
