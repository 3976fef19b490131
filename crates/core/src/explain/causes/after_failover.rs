//! The servers replaced a node, and a client has not followed: who names whom.
//!
//! The table tells that every slot has a living owner and who is dead; the client's own lines tell
//! which of the two it goes by.

use super::announced::UNREACHABLE;
use super::healthy;
use crate::explain::cause::Hit;
use crate::explain::figures;
use crate::explain::seen::{Seen, Source};
use crate::explain::table::{self, Row};
use crate::explain::template::list;
use crate::model::SLOT_COUNT;
use crate::wire::logs;

/// What a client does that waits for a machine that vanished.
const WAITS: [&str; 9] = [
    "neither return",
    "never return",
    " hang",
    "stuck",
    "read etimedout",
    "read error: etimedout",
    "no error and no reply",
    "15 minutes",
    "16 minutes",
];

/// The lines of people and their programs: no row of a table, no line of a server.
fn told(seen: &Seen) -> impl Iterator<Item = (usize, &str)> {
    let own =
        |at: usize, text: &str| logs::parse(text).is_none() && table::node_line(text, at).is_none();
    let lines = seen.lines.iter().enumerate().filter(move |(at, line)| own(*at, &line.text));
    lines.map(|(at, line)| (at, line.text.as_str()))
}

/// The first of these lines that names a node.
fn names(seen: &Seen, row: &Row, rows: &[Row]) -> Option<usize> {
    let whole = row.place();
    let others = rows.iter().filter(|other| other.address.ip == row.address.ip);
    let alone = others.count() == 1 && !row.address.ip.is_empty();
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let holds = |text: &str, word: &str| {
        text.match_indices(word).any(|(at, _)| text.get(at + word.len()..).is_some_and(ends))
    };
    let error = |text: &str| healthy::complains(&text.to_lowercase());
    told(seen)
        .filter(|(_, text)| error(text))
        .find(|(_, text)| holds(text, &whole) || (alone && holds(text, &row.address.ip)))
        .map(|(at, _)| at)
}

/// A client has an error, every slot has a living owner, and a dead node is listed that owned some
/// before: the client goes by the map of before.
pub(super) fn client_is_behind(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let dead: Vec<&Row> =
        table.rows.iter().filter(|row| row.is_failing() && row.slots.is_empty()).collect();
    let served = table.assigned().len() == SLOT_COUNT
        && table.rows.iter().all(|row| row.slots.is_empty() || !row.is_failing());
    let latest = dead.iter().filter_map(|row| row.epoch).max();
    let owners = table.rows.iter().filter(|row| !row.slots.is_empty());
    let heir = owners.filter(|row| row.epoch > latest).max_by_key(|row| row.epoch);
    if !served || dead.is_empty() {
        return None;
    }
    let at_dead = dead.iter().find_map(|row| Some((*row, names(seen, row, &table.rows)?)));
    let at_heir = heir.and_then(|row| names(seen, row, &table.rows));
    let waits = told(seen).find(|(_, text)| {
        let lower = text.to_lowercase();
        WAITS.iter().any(|word| lower.contains(word))
    });
    let (score, line) = match (at_dead, at_heir, waits) {
        (Some((_, at)), ..) => (84, at),
        (None, _, Some((at, _))) => (80, at),
        (None, Some(at), None) => (78, at),
        _ => return None,
    };
    let hit = Hit::of(score).quote(line).quote(dead.first()?.line).quotes(heir.map(|row| row.line));
    let places: Vec<String> = dead.iter().map(|row| row.place()).collect();
    let verb = if places.len() == 1 { "is dead and owns" } else { "are dead and own" };
    let now = heir.map_or_else(String::new, |row| {
        let slots = figures::slots(&row.slots);
        format!(" ({} has the highest config epoch and serves {slots})", row.place())
    });
    let hit = hit.note(format!(
        "The servers are through with it: {} {verb} no slot, and all 16384 have a living \
         owner{now}. {} No slot and no key is to be repaired.",
        list(&places, 4),
        match (at_dead, at_heir, waits) {
            (Some((row, _)), ..) => format!("The client still goes to {}.", row.place()),
            (None, Some(_), _) =>
                "The client was told of the node that took over, and does not have it in the list \
                 that it made before."
                    .to_owned(),
            _ => "Only the client still waits.".to_owned(),
        }
    ));
    Some(match waits {
        Some((at, _)) => vanished(hit.quote(at)),
        None => hit.step(RESTART),
    })
}

const RESTART: &str = "Now: a new client object, or a restart of the application, reads the map \
    anew. For good: a current release of the library, with its refresh of the map switched on.";

/// A machine that vanishes closes nothing.
fn vanished(hit: Hit) -> Hit {
    hit.note(
        "A machine that vanishes (power, network, a frozen virtual machine) sends neither FIN nor \
         RST, so the client's connection looks open: its kernel repeats what was sent for about 15 \
         minutes (tcp_retries2 = 15 on Linux) before it says ETIMEDOUT, and until then commands \
         for this shard wait while the other shards answer. A killed process is noticed at once; a \
         lost machine is not.",
    )
    .step(
        "Bound the wait in the client: a timeout for commands (ioredis commandTimeout, Lettuce \
         TimeoutOptions, Jedis and redis-py socket timeout, go-redis ReadTimeout) above the \
         slowest command, with keepalive or TCP_USER_TIMEOUT of some 10 to 30 seconds; a timeout \
         has to close the connection, so that the map is read anew.",
    )
    .step(
        "For all programs of the machine: sysctl net.ipv4.tcp_retries2=8 gives up after about 100 \
         seconds. Restarting the waiting processes helps at once.",
    )
}

/// A thing that was stopped, by its address or its port, is what the client fails at, while the
/// servers are well.
pub(super) fn dials_what_was_stopped(seen: &Seen) -> Option<Hit> {
    const DEEDS: [&str; 6] = ["killed ", "kill ", "stopped ", "shut down ", "stop ", "terminated "];
    seen.client()?;
    let well = seen.says_ok()
        || seen.has(&["cluster_state:ok", "new master", "new primary", "promoted", "took over"]);
    if !well || seen.says_fail() {
        return None;
    }
    let port = |word: &&str| {
        let tail = word.rsplit(':').next().unwrap_or(word);
        (4..=5).contains(&tail.len()) && tail.chars().all(|c| c.is_ascii_digit())
    };
    let stopped = told(seen).find_map(|(at, text)| {
        let lower = text.to_lowercase();
        let (_, rest) = DEEDS.iter().find_map(|deed| lower.split_once(deed))?;
        let words = rest.split(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        let word = words.map(|word| word.trim_matches(['.', ':'])).find(port)?;
        Some((at, word.to_owned()))
    });
    let (at, what) = stopped?;
    let needle = if what.contains(':') { what.clone() } else { format!(":{what}") };
    let failed = told(seen).find(|(line, text)| {
        let lower = text.to_lowercase();
        let fails =
            UNREACHABLE.iter().any(|word| lower.contains(word)) || lower.contains("refused");
        *line != at && fails && lower.contains(&needle)
    });
    let (line, _) = failed?;
    Some(Hit::of(82).quote(at).quote(line).note(format!(
        "{what} is what was stopped, and it is what the client goes to, while the servers are well \
         and have another owner for its slots: the library did not read the map anew when the \
         connection failed."
    )))
}

/// The library refuses a write by its own picture of who is a replica.
pub(super) fn refuses_by_old_roles(seen: &Seen) -> Option<Hit> {
    let words = ["command cannot be issued to a slave", "command cannot be issued to a replica"];
    let hit = seen.says(66, &words)?;
    Some(hit.more_if(16, seen.has(&["failover", "promot", "new master"])).note(
        "This exception is made in the client: nothing was sent, because by its picture of the \
         roles, from before the failover, that node is a replica. The servers did not refuse it. \
         Old 1.x releases of StackExchange.Redis do not read the roles anew after a failover; \
         ConnectionMultiplexer.Configure() does it by hand.",
    ))
}
