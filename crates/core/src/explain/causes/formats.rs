//! What a client makes of the map: addresses and rows that it takes apart at the wrong place.
//!
//! Servers write an IPv6 address without brackets (`2001:db8::7:6379`), a bus port behind `@` since
//! 4.0, a host name behind a comma since 7.0 (`clusterGenNodeDescription`), and a fourth element
//! per node in `CLUSTER SLOTS` since 7.0. Each of these has broken clients; the error shows the
//! piece that was not understood, whatever the library.

use crate::explain::cause::Hit;
use crate::explain::lines::Line;
use crate::explain::seen::Seen;

/// How programs say that a text is no number, no port, no address.
const NOT_UNDERSTOOD: [&str; 18] = [
    "for input string",
    "invalid literal for int",
    "strconv.",
    "parse",
    "parsing",
    "invalid port",
    "bad_port",
    "valueerror",
    "numberformat",
    "invalid value for integer",
    "invaliddigit",
    "invalid digit",
    "does not define",
    "illegalargument",
    "not a valid",
    "invalid address",
    "formatexception",
    "could not convert",
];

fn says(line: &Line, words: &[&str]) -> bool {
    words.iter().any(|word| line.lower.contains(word))
}

/// Whether a word is an IPv6 address, or an address and port without brackets.
fn is_ipv6(word: &str) -> bool {
    let colons = word.matches(':').count();
    let hex = word.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    let times = word.split(':').all(|group| group.len() <= 5);
    let digits_only = word.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '.');
    // A time of day has two colons and no letter.
    colons >= 2 && hex && times && (word.contains("::") || colons >= 4 || !digits_only)
}

/// The words of a line, without the signs around them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "\"'`()<>,=;[]{}".contains(c)).map(|word| {
        let word = word.rsplit_once("//").map_or(word, |(_, place)| place);
        word.split('@').next().unwrap_or(word).trim_end_matches(':')
    })
}

/// Whether the text has an IPv6 address anywhere: in a table, a reply, a list of start nodes.
fn knows_ipv6(seen: &Seen) -> bool {
    seen.rows().any(|row| row.address.ip.contains(':'))
        || seen
            .lines
            .iter()
            .any(|line| words(&line.text).any(|word| is_ipv6(word) && word.len() > 6))
}

/// `[2001:db8::7:6379]:0`: the port was taken into the address, and none is left.
fn port_swallowed(line: &Line) -> bool {
    line.lower.split('[').skip(1).any(|rest| {
        rest.split_once("]:0").is_some_and(|(inner, after)| {
            let end = !after.starts_with(|c: char| c.is_ascii_digit());
            end && inner.matches(':').count() >= 3 && is_ipv6(inner)
        })
    })
}

/// `tcp://fd01:0`, `connect to 2001:4`: the first group is dialled as if it were a host.
fn first_group_dialled(line: &Line, seen: &Seen) -> Option<String> {
    let groups = seen.rows().filter(|row| row.address.ip.contains(':'));
    let mut groups = groups.filter_map(|row| row.address.ip.split(':').next().map(str::to_owned));
    groups.find(|group| {
        let dialled = [format!("//{group}:0"), format!("'{group}'"), format!("lookup {group}:")];
        group.len() > 1 && dialled.iter().any(|form| line.lower.contains(form.as_str()))
    })
}

/// A client that splits an IPv6 address and its port at the wrong colon.
pub(super) fn ipv6_split(seen: &Seen) -> Option<Hit> {
    let found = seen.lines.iter().enumerate().find_map(|(at, line)| {
        if line.lower.contains("too many colons in address") {
            return Some((at, 92, None));
        }
        if port_swallowed(line) {
            return Some((at, 92, None));
        }
        if let Some(group) = first_group_dialled(line, seen) {
            return Some((at, 88, Some(group)));
        }
        let no_port = line.lower.contains("bad_port") || line.lower.contains("received nan");
        if no_port && knows_ipv6(seen) {
            return Some((at, 88, None));
        }
        let quoted = says(line, &NOT_UNDERSTOOD) && words(&line.text).any(is_ipv6);
        (quoted && !says(line, &["config", "nodes.conf"])).then_some((at, 84, None))
    });
    let (at, score, host) = found?;
    let row = seen.rows().find(|row| row.address.ip.contains(':'));
    let hit = Hit::of(score).quote(at).quotes(row.map(|row| row.line)).fact_if("host", host);
    Some(hit.note(
        "Neither the name server nor a timeout has a part in it, and opening ports changes nothing: \
         it is a fault of this release of the client with addresses of this family.",
    ))
}

/// `7000@17000`, and nothing else in the word.
fn is_bus_port(word: &str) -> bool {
    word.split_once('@').is_some_and(|(port, bus)| {
        let number = |text: &str| text.parse::<u16>().is_ok();
        number(port) && number(bus.trim_end_matches(','))
    })
}

/// The words of a line, with what belongs to an address.
fn whole_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || "\"'`()<>=;[]{}".contains(c))
}

/// A client that cannot take a row of `CLUSTER NODES` apart.
pub(super) fn row_not_read(seen: &Seen) -> Option<Hit> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        if !says(line, &NOT_UNDERSTOOD) && !line.lower.contains("exception: ") {
            return None;
        }
        if whole_words(&line.text).any(is_bus_port) {
            return Some(Hit::of(92).quote(at).note(
                "What was not understood is the bus port behind '@', which servers write since 4.0.",
            ));
        }
        let id = |word: &str| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit());
        let row = whole_words(&line.text).any(id);
        let place = whole_words(&line.text).find(|word| word.contains(':') && word.contains('@'))?;
        let what = match place.split_once(',') {
            Some((_, "")) => {
                "What was not understood is the comma behind the bus port: since 7.0 the host name \
                 follows it, and here that name is empty."
            }
            Some(_) => {
                "What was not understood is the host name behind the comma (and what may follow it), \
                 which servers write since 7.0."
            }
            None => "What was not understood is a whole row, quoted in the error.",
        };
        row.then(|| Hit::of(90).quote(at).note(what))
    })
}

/// A client that expects fewer elements per node in `CLUSTER SLOTS`.
pub(super) fn slots_not_read(seen: &Seen) -> Option<Hit> {
    let old_server = seen.version().is_some_and(|version| version < (7, 0));
    let shape = ["sub_reply", "response type not", "incompatible type", "parse", "unexpected"];
    let at = seen.lines.iter().position(|line| {
        let of_slots = says(line, &["cluster slots", "cluster_slots", "clusterslots"]);
        of_slots
            && says(line, &shape)
            && !says(line, &["unexpected eof", "to cluster slot command"])
    })?;
    let new_server = seen.version().is_some_and(|version| version >= (7, 0));
    let hit = Hit::of(74).quote(at).more_if(16, new_server).less_if(40, old_server);
    Some(hit.check(
        "redis_version of INFO server: 7.0 or later makes it this. The library's releases: which one \
         names support for Redis 7? On an older server (or an empty list, or an error in place of \
         a list) redis-cli CLUSTER SLOTS from the client's machine shows what it got.",
    ).step(
        "Upgrade the client library to a release that supports Redis 7 (hiredis-cluster 0.8, go-redis \
         v9, Jedis 4, redis-py 4.3, and later); some can be told to read CLUSTER NODES in its \
         place until then.",
    ))
}
