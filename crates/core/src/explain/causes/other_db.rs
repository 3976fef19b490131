//! Which database is selected, by whom, and what is in it.
//!
//! An application selects by its URL or an option; a tool that copies a server repeats what the
//! source's clients did, and the keys there are to be brought over and not given up.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// Tools that copy or replicate, with what they are called and how they take databases.
const TOOLS: [(&[&str], &str, &str); 4] = [
    (
        &["redisshake", "redis-shake", "redisclusterwriter", "rediswriter"],
        "RedisShake",
        "RedisShake 4: [filter] allow_db = [0] takes database 0 alone; function (Lua, \
         shake.call(0, ARGV)) writes another one into 0, with a prefix put before ARGV's keys; \
         RedisShake 3: a filter script that returns another db_id.",
    ),
    (&["riot"], "RIOT", "RIOT: choose the source's database in its URI, one run for each."),
    (&["redis-port", "redis_port"], "redis-port", "redis-port: its options for databases."),
    (
        &["redis-migrate-tool", "rdb restore", "rump ", "redis-dump", "dms task", "replicator"],
        "the copying tool",
        "The tool's own filter for databases, if it has one.",
    ),
];

/// Schemes of URLs that may end in a number.
const SCHEMES: [&str; 4] = ["redis://", "rediss://", "valkey://", "valkeys://"];

/// Options that select, in small letters; what follows is the number.
const OPTIONS: [&str; 10] = [
    "db=",
    "db:",
    "'db' =>",
    "\"db\":",
    "database=",
    "database:",
    "'database' =>",
    "\"database\":",
    "defaultdatabase=",
    ".setdatabase(",
];

/// A number above 0 at the beginning of a text, behind blanks and quotes.
fn number(text: &str) -> Option<u32> {
    let text = text.trim_start_matches([' ', '"', '\'', ',']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok().filter(|number| (1..=255).contains(number))
}

/// The number at the end of a URL, with its line.
pub(super) fn in_url(seen: &Seen) -> Option<(usize, u32)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        SCHEMES
            .iter()
            .find_map(|scheme| {
                let (_, rest) = line.lower.split_once(scheme)?;
                let whole = rest.split(['"', '\'', ' ', ')', '`', ',']).next()?;
                let (_, path) = whole.split_once('/')?;
                let digits = path.split(['?', '#']).next()?;
                number(digits).filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))
            })
            .map(|number| (at, number))
    })
}

/// An option that selects another database than 0.
fn in_option(seen: &Seen) -> Option<(usize, u32)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        OPTIONS.iter().find_map(|option| {
            let (before, rest) = line.lower.split_once(option)?;
            let whole = before.chars().last().is_none_or(|c| !c.is_ascii_alphanumeric());
            number(rest).filter(|_| whole).map(|number| (at, number))
        })
    })
}

/// The number that was selected: `argv=[select 3]`, `"SELECT" "3"`, `cmd=[select 2]`.
fn selected(seen: &Seen) -> Option<(usize, u32)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let mut parts = line.lower.split("select").skip(1);
        parts
            .find_map(|rest| number(rest.trim_start_matches(['"', '\'', ' ', ',', '('])))
            .map(|number| (at, number))
    })
}

/// Databases with keys, by `dbN:keys=K`.
fn keyspace(seen: &Seen) -> Vec<(usize, u32, u64)> {
    let rows = seen.lines.iter().enumerate().filter_map(|(at, line)| {
        let (name, rest) = line.lower.trim().split_once(":keys=")?;
        let number = name.rsplit_once("db").map(|(_, number)| number)?.parse().ok()?;
        let keys = rest.split(',').next()?.trim().parse().ok()?;
        Some((at, number, keys))
    });
    rows.collect()
}

/// Says who selects, and what is to become of the keys.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let others: Vec<(usize, u32, u64)> =
        keyspace(seen).into_iter().filter(|(_, number, keys)| *number > 0 && *keys > 0).collect();
    let tool = TOOLS.iter().find(|(marks, ..)| seen.has(marks));
    let replays = seen.has(&["argv=[select", "cmd=[select"]) && !others.is_empty();
    if tool.is_some() || replays {
        let named = tool.map(|(_, name, option)| (*name, *option));
        return copied(seen, named.unwrap_or(("the copying tool", "")), &others, hit);
    }
    let by_settings = by_url(seen, hit.clone()).or_else(|| by_option(seen, hit.clone()));
    by_settings.unwrap_or_else(|| hit.fact("who", ANYBODY))
}

/// Said when nothing shows who selects.
const ANYBODY: &str = "The client selects another database than 0 (a db option, a number at the \
    end of the URL, one database per queue or environment).";

/// A tool that repeats the source's SELECT.
fn copied(seen: &Seen, tool: (&str, &str), others: &[(usize, u32, u64)], hit: Hit) -> Hit {
    let number = selected(seen).map(|(_, number)| number);
    let hit = hit.quotes(selected(seen).map(|(at, _)| at));
    let hit = hit.quotes(others.iter().map(|(at, ..)| *at).take(3)).note(format!(
        "{} copies a source that has several databases: before keys of {} it sends the same SELECT \
         to the cluster, which has none but 0. No option or URL of an application has a part in \
         it, and another run of the same job stops at the same place.",
        capital(tool.0),
        number.map_or_else(|| "another one".to_owned(), |number| format!("database {number}")),
    ));
    let counts: Vec<String> =
        others.iter().map(|(_, number, keys)| format!("{keys} in db{number}")).collect();
    let hit = match counts.is_empty() {
        true => hit,
        false => hit.note(format!(
            "The source has keys outside database 0: {}. They are not brought over as they are; \
             left out silently they would be missing.",
            list(&counts, 4)
        )),
    };
    let whose = list(&others.iter().map(|(_, n, _)| format!("db{n}")).collect::<Vec<_>>(), 4);
    let whose = if others.is_empty() { "the other databases".to_owned() } else { whose };
    let named = if tool.1.is_empty() { String::new() } else { format!(" {}", tool.1) };
    hit.check(
        "INFO keyspace at the source: every dbN but db0 that has keys is concerned; and how many \
         names of it exist in db0, too.",
    )
    .step(format!(
        "Decide about the keys of {whose}: do the applications still use them? If they are to \
         come along, into database 0 under a prefix of their own (equal names would overwrite each \
         other: compare first, on a copy of the source), and let the applications use that \
         prefix.{named}"
    ))
    .step(
        "If they are not needed in the cluster: copy database 0 alone by the tool's filter, keep \
         the source with the rest, and write down how many keys stayed there.",
    )
    .step(
        "A cluster of their own for them is the third way (Valkey 9 and later can have more \
         databases in a cluster: cluster-databases).",
    )
    .only_these_steps()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), chars.as_str()))
}

/// The sentence about the number in a URL.
pub(super) fn by_url(seen: &Seen, hit: Hit) -> Option<Hit> {
    let (at, number) = in_url(seen)?;
    Some(hit.quote(at).note(format!(
        "The URL ends in /{number}: that is the number of a database, and because of it the client \
         sends SELECT {number} right after connecting. In cluster mode there is database 0 only."
    )))
}

/// A framework for one server, whose URL or option selects a database as well.
pub(super) fn of_a_framework(seen: &Seen, hit: Hit, name: &str) -> Hit {
    let refused = seen.has(&["select is not allowed in cluster mode"]);
    let Some((at, number)) = in_url(seen).or_else(|| in_option(seen)).filter(|_| refused) else {
        return hit;
    };
    let place = if in_url(seen).is_some() { "at the end of the URL" } else { "in its settings" };
    let endpoint = seen.lines_with(&["clustercfg"]).into_iter().next();
    let hit = hit.quote(at).quotes(endpoint).note(format!(
        "What is refused first is the SELECT {number}: the {number} {place} is the number of a \
         database, and a cluster has database 0 only. Without it {name} comes one step further and \
         fails at its scripts and at MOVED, so that alone is no cure."
    ));
    let hit = match endpoint {
        Some(_) => hit.note("The endpoint (clustercfg) is one with cluster mode enabled."),
        None => hit,
    };
    hit.check(format!(
        "INFO cluster at the endpoint: cluster_enabled:1 is what {name} cannot use; the server \
         that {name} gets in its place says cluster_enabled:0, and SELECT {number} answers OK \
         there."
    ))
}

fn by_option(seen: &Seen, hit: Hit) -> Option<Hit> {
    let (at, number) = in_option(seen)?;
    Some(hit.quote(at).note(format!(
        "The settings choose database {number}, so the client sends SELECT {number} right after \
         connecting."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Seen {
        Seen::of(text)
    }

    #[test]
    fn numbers_of_databases() {
        let url = |text: &str| in_url(&seen(text)).map(|(_, number)| number);
        assert_eq!(url("url: 'redis://a.example:6379/12'"), Some(12));
        assert_eq!(url("url: 'redis://a.example:6379/0'"), None);
        assert_eq!(url("redis://a.example:6379"), None);
        let chosen = |text: &str| in_option(&seen(text)).map(|(_, number)| number);
        assert_eq!(chosen("Redis(host='a', db=3)"), Some(3));
        assert_eq!(chosen("database: 0"), None);
        let asked = |text: &str| selected(&seen(text)).map(|(_, number)| number);
        assert_eq!(asked("error=[ERR SELECT is not allowed], argv=[select 3]"), Some(3));
    }
}
