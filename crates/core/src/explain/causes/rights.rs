//! Pasted rules of a user that take away what a cluster client asks before everything else.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// A command that cluster clients send, with its categories. Those of CLUSTER are of the command as
/// a whole, as servers before 7.0 judge it.
const ASKED: [(&str, &[&str]); 5] = [
    ("cluster", &["admin", "dangerous", "slow"]),
    ("info", &["dangerous", "slow"]),
    ("readonly", &["fast", "connection", "keyspace"]),
    ("asking", &["fast", "connection", "keyspace"]),
    ("ping", &["fast", "connection"]),
];

/// Since 7.0 the subcommands that give the map are judged for themselves.
const MAP_SINCE_7: &[&str] = &["slow"];

/// How clients say that they got no map.
const NO_MAP: &[&str] = &[
    "failed to refresh slots cache",
    "clusterallfailederror",
    "cannot retrieve partition view",
    "cannot retrieve initial cluster partitions",
    "redis cluster cannot be connected",
    "couldn't map cluster keyspace",
    "cannot load cluster slots",
    "could not initialize cluster slots cache",
    "none of the nodes",
    "rootnodesunavailable",
    "no reachable node in cluster",
    "can't communicate with any node",
    "not all slots are covered",
    "failed to retrieve cluster topology",
    "no topology views found",
];

/// A line with rules, and which commands they leave out.
struct Rules {
    /// The line.
    line: usize,
    /// The rules as they are written.
    text: String,
    /// What is missing.
    missing: Vec<&'static str>,
}

/// A client that gets no map, and rules that do not let it ask.
pub(super) fn without_the_map(seen: &Seen) -> Option<Hit> {
    let failed = *seen.lines_with(NO_MAP).first()?;
    let rules = (0..seen.lines.len()).find_map(|at| read(seen, at))?;
    let name = user(seen, rules.line);
    let who = name.as_deref().unwrap_or("<user>");
    let missing: Vec<String> = rules.missing.iter().map(|word| word.to_uppercase()).collect();
    let both = rules.missing.len() > 1;
    // An answer of a server that is an error: so nodes, transport and login are there.
    let answered = seen.lines.get(failed).is_some_and(|line| line.lower.contains("responseerror"));
    Some(
        Hit::of(if both { 84 } else { 78 })
            .more_if(10, answered && rules.missing.contains(&"cluster"))
            .quote(rules.line)
            .quote(failed)
            .note(format!(
                "Here the rules of the client's user{} are '{}', and they do not allow {}: {} So \
                 every node refuses the map with NOPERM, and the library only says that none gave \
                 it. Endpoint, TLS and cluster are not at fault, and nothing of the cluster needs \
                 repair.",
                name.as_deref().map(|name| format!(" {name}")).unwrap_or_default(),
                rules.text,
                list(&missing, 5),
                WHERE
            ))
            .check(check(seen, who))
            .step(grant(seen, who, &rules))
            .step(
                "Then make new connections (restart the application, or a new client object). \
                 Rights to the data stay as narrow as they are.",
            )
            .only_these_steps(),
    )
}

const WHERE: &str = "CLUSTER belongs to @admin and @dangerous (before 7.0 with all its \
    subcommands; since then SLOTS, SHARDS and NODES are in @slow only), INFO to @dangerous, and \
    neither to @read or @write. A cluster client asks CLUSTER SLOTS for the map, and several \
    ask INFO before they take a node for ready (ioredis' ready check).";

/// The question that settles it, as that user.
fn check(seen: &Seen, who: &str) -> String {
    let tls = if seen.has(&["tls", "rediss://", "in transit"]) { " --tls" } else { "" };
    let last = if seen.client() == Some("ioredis") {
        " (so does lastNodeError of the ioredis error)"
    } else {
        ""
    };
    let token = if seen.has(&["iam"]) { " (with IAM the password is a fresh token)" } else { "" };
    format!(
        "As that very user: redis-cli{tls} -h <endpoint> --user {who} --askpass cluster \
         slots{token}, then info server. NOPERM proves it{last}; if both answer, the \
         rights are not the reason."
    )
}

/// The rules with what is missing, in the form of where they were pasted from.
fn grant(seen: &Seen, who: &str, rules: &Rules) -> String {
    let narrow = "+cluster|slots +cluster|shards +cluster|nodes +cluster|info";
    let added: Vec<String> = rules.missing.iter().map(|word| format!("+{word}")).collect();
    let added = added.join(" ");
    if seen.has(&["access string", "access_string", "accessstring", "elasticache", "memorydb"]) {
        return access_string(seen, who, rules, &added, narrow);
    }
    format!(
        "ACL SETUSER {who} {added} on ALL nodes, and ACL SAVE (or the aclfile): from 7.0 on \
         {narrow} is enough in place of +cluster. In a file the additions stand BEHIND what takes \
         rights away, as the order counts."
    )
}

/// The same in the words of a managed service, where users are no matter of the nodes.
fn access_string(seen: &Seen, who: &str, rules: &Rules, added: &str, narrow: &str) -> String {
    let service = ["memorydb ", "elasticache ", "engine ", "redis ", "valkey "];
    let new = seen.stated(&service).is_some_and(|version| version >= (7, 0, 0));
    let (added, broader) = if new {
        (added.replace("+cluster", narrow), String::new())
    } else {
        let narrower = format!(" From engine 7.0 on {narrow} is enough in place of +cluster.");
        (added.to_owned(), narrower)
    };
    let (tool, option) = if seen.has(&["memorydb"]) {
        ("aws memorydb update-user", "--user-name")
    } else {
        ("aws elasticache modify-user", "--user-id")
    };
    format!(
        "{tool} {option} {who} --access-string '{} {added}' (or the same in the console); users are \
         changed in the service, and ACL SETUSER and ACL SAVE do not exist on its nodes. The \
         additions stand BEHIND what takes rights away, as the order counts.{broader}",
        rules.text
    )
}

/// The rules in a line, if they leave something out that is asked for.
fn read(seen: &Seen, at: usize) -> Option<Rules> {
    let line = seen.lines.get(at)?;
    let words =
        || line.text.split_whitespace().map(|word| word.trim_matches(['"', '\'', ',', ';']));
    let of_category = |word: &str| word.starts_with("+@") || word.starts_with("-@");
    if !words().any(of_category) {
        return None;
    }
    let new = seen.version().is_some_and(|version| version >= (7, 0));
    let of_map = |name: &str| new && name == "cluster";
    let missing: Vec<&'static str> = ASKED
        .iter()
        .filter(|(name, of)| !allows(words(), name, if of_map(name) { MAP_SINCE_7 } else { of }))
        .map(|(name, _)| *name)
        .collect();
    let needed = missing.first().is_some_and(|first| ["cluster", "info"].contains(first));
    let text: Vec<&str> = words().skip_while(|word| !is_rule(word)).collect();
    needed.then(|| Rules { line: at, text: text.join(" "), missing })
}

fn is_rule(word: &str) -> bool {
    matches!(word, "on" | "off") || word.starts_with(['~', '+', '&', '%']) || word.starts_with("-@")
}

/// Whether rules, in their order, let a command through.
fn allows<'a>(words: impl Iterator<Item = &'a str>, name: &str, of: &[&str]) -> bool {
    words.fold(false, |allowed, word| {
        let gives = word.starts_with('+') || word == "allcommands";
        let what = word.trim_start_matches(['+', '-']);
        let about = match what.strip_prefix('@') {
            Some(category) => category == "all" || of.contains(&category),
            None => {
                let part = what.split_once('|').is_some_and(|(head, _)| head == name && gives);
                what == name || part || matches!(word, "allcommands" | "nocommands")
            }
        };
        if about && (gives || word.starts_with('-') || word == "nocommands") {
            gives
        } else {
            allowed
        }
    })
}

/// Whose rules they are: named in the line, in the one above it, or by the client.
fn user(seen: &Seen, at: usize) -> Option<String> {
    let plain = |word: &str| word.trim_matches(['"', '\'', ',', ';']).to_owned();
    let after = |text: &str, mark: &str| {
        let from = text.to_lowercase().find(mark)? + mark.len();
        text.get(from..)?.split_whitespace().next().map(plain).filter(|word| !word.is_empty())
    };
    let line = seen.lines.get(at)?;
    let above = seen.lines.get(at.checked_sub(1)?);
    let here = ["setuser ", "user "].iter().find_map(|mark| after(&line.text, mark));
    let called = || {
        let marks = ["--user-name ", "--user-id "];
        seen.lines.iter().find_map(|line| marks.iter().find_map(|mark| after(&line.text, mark)))
    };
    here.or_else(|| above.and_then(|line| after(&line.text, "user:")))
        .or_else(called)
        .or_else(|| seen.lines.iter().find_map(|line| after(&line.text, "username:")))
        .filter(|name| name != "group" && name != "access")
}
