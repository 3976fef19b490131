//! A refused command line of `redis-cli --cluster` or `redis-trib.rb`: what it lacks, and the same
//! command with it.

use super::command_line::{Call, calls, is_address, is_id};
use super::glued;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLI_ARGUMENTS_WRONG",
    title: "The tool was called with arguments that it does not take[[: <<short>>]]",
    side: Side::Command,
    when: |seen| glued::addresses(seen).or_else(|| refused(seen)),
    cause: "The tool refused its own command line.[[ <<here>>]][[ <<usual>>]]",
    check: "redis-cli --cluster help",
    fix: &["Repeat the command with the arguments as the help shows them."],
    never: &["Do not take another subcommand because this one was refused."],
    like: &["CLI_TOO_OLD_FOR_CLUSTER"],
}];

/// What the command line was, where it was not pasted.
const USUAL: &str = "Something is missing or too much on it, and nothing was sent to any node. The \
    usual ones: add-node takes TWO addresses, the new node and any node of the cluster (add-node \
    NEW EXISTING --cluster-slave --cluster-master-id ID); del-node takes an address of the cluster \
    and the 40 letters of the id; check, fix, reshard, rebalance and info take one address; create \
    takes all of them. Options stand behind the addresses.";

/// One argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The address of a node that is no member yet.
    New,
    /// The address of any member.
    Member,
    /// The id of a node.
    Id,
    /// Anything else, with what stands for it.
    Word(&'static str),
}

/// A subcommand.
struct Takes {
    name: &'static str,
    kinds: &'static [Kind],
    says: &'static str,
}

const ONE: &[Kind] = &[Kind::Member];

static SUBCOMMANDS: &[Takes] = &[
    Takes {
        name: "add-node",
        kinds: &[Kind::New, Kind::Member],
        says: "two addresses (host:port): first that of the new node, then that of any node of the \
            cluster, which tells the tool who belongs to it",
    },
    Takes {
        name: "del-node",
        kinds: &[Kind::Member, Kind::Id],
        says: "an address of any node of the cluster, then the whole id (40 letters) of the node \
            that is to go",
    },
    Takes { name: "check", kinds: ONE, says: "one address, of any node of the cluster" },
    Takes { name: "fix", kinds: ONE, says: "one address, of any node of the cluster" },
    Takes { name: "info", kinds: ONE, says: "one address, of any node of the cluster" },
    Takes { name: "reshard", kinds: ONE, says: "one address, of any node of the cluster" },
    Takes { name: "rebalance", kinds: ONE, says: "one address, of any node of the cluster" },
    Takes {
        name: "import",
        kinds: ONE,
        says: "one address, of any node of the cluster; the source stands behind --cluster-from",
    },
    Takes {
        name: "set-timeout",
        kinds: &[Kind::Member, Kind::Word("<milliseconds>")],
        says: "an address of any node of the cluster, then milliseconds",
    },
    Takes {
        name: "call",
        kinds: &[Kind::Member, Kind::Word("<command>")],
        says: "an address of any node of the cluster, then the command for all of them",
    },
    Takes {
        name: "backup",
        kinds: &[Kind::Member, Kind::Word("<directory>")],
        says: "an address of any node of the cluster, then a directory",
    },
    Takes { name: "create", kinds: &[], says: "the addresses of all nodes" },
];

/// Names that people try, and what is meant.
const MEANT: [(&[&str], &str); 6] = [
    (&["addnode", "join", "add", "addslave", "addreplica", "newnode"], "add-node"),
    (&["delnode", "deletenode", "removenode", "rmnode", "del", "remove"], "del-node"),
    (&["status", "state", "verify", "list"], "check"),
    (&["migrate", "move", "moveslots", "reshardslots"], "reshard"),
    (&["balance", "rebalanceslots"], "rebalance"),
    (&["settimeout", "timeout"], "set-timeout"),
];

/// Commands of the server that are asked of the tool.
const OF_SERVER: [&str; 9] = [
    "nodes",
    "slots",
    "shards",
    "meet",
    "forget",
    "replicate",
    "failover",
    "myid",
    "countkeysinslot",
];

fn refused(seen: &Seen) -> Option<Hit> {
    let count = [
        "wrong number of arguments for specified --cluster sub command",
        "wrong number of arguments for specified sub command",
        "you need to pass either a valid address",
        "invalid arguments: you need to pass",
    ];
    let name = ["unknown --cluster subcommand", "unknown redis-trib subcommand"];
    if let Some(at) = seen.lines_with(&count).first() {
        let hit = Hit::of(86).quote(*at);
        let told = before(seen, *at).and_then(|call| counted(seen, hit.clone(), &call));
        return Some(told.unwrap_or_else(|| hit.fact("usual", USUAL)));
    }
    let at = *seen.lines_with(&name).first()?;
    let hit = Hit::of(86).quote(at);
    let told = before(seen, at).and_then(|call| unknown(hit.clone(), &call));
    Some(told.unwrap_or_else(|| hit.fact("usual", USUAL)))
}

/// The call that was refused: the last one before the line, else the only one.
fn before(seen: &Seen, at: usize) -> Option<Call> {
    let all = calls(seen);
    let only = if let [one] = all.as_slice() { Some(one.clone()) } else { None };
    let paste = |line: usize| seen.lines.get(line).map(|line| line.paste);
    let near = |call: &&Call| call.line < at && paste(call.line) == paste(at);
    all.iter().rev().find(near).cloned().or(only)
}

/// `host port` to `host:port`.
fn joined(words: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in words {
        let port = word.parse::<u16>().is_ok();
        match found.last_mut() {
            Some(host) if port && host.contains('.') && !host.contains(':') => {
                host.push(':');
                host.push_str(word);
            }
            _ => found.push(word.clone()),
        }
    }
    found
}

/// The number of arguments is wrong.
fn counted(seen: &Seen, hit: Hit, call: &Call) -> Option<Hit> {
    let takes = SUBCOMMANDS.iter().find(|takes| takes.name == call.name)?;
    let given: Vec<String> = call.words.iter().chain(&call.late).cloned().collect();
    let words = joined(&given);
    let readable = |word: &String| is_address(word) || is_id(word) || word.parse::<u32>().is_ok();
    let free = takes.kinds.iter().any(|kind| matches!(kind, Kind::Word(_)));
    if !free && !words.iter().all(readable) {
        return None;
    }
    let (complete, rest, lacks) = completed(seen, takes, &words);
    let why = if !call.late.is_empty() {
        format!(
            "Words of it stand behind options ({}): the tool counts only what follows {} directly, \
             up to the first word with a dash, and that was {}.",
            list(&call.late, 3),
            call.name,
            many(&call.words)
        )
    } else if words.len() < given.len() {
        "Host and port stand apart there; they are one word with a colon between.".to_owned()
    } else if lacks.is_empty() && rest.is_empty() {
        return None;
    } else {
        format!("In this line it got {}.", many(&call.words))
    };
    let lacking = if lacks.is_empty() {
        String::new()
    } else {
        format!(" What is missing: {}.", list(&lacks, 3))
    };
    let spare = if rest.is_empty() {
        String::new()
    } else {
        format!(" Too much: {} (one node at a time).", list(&rest, 3))
    };
    let here = format!(
        "{} takes {}. {why}{lacking}{spare} It was refused before anything was sent: no node was \
         touched, and the version is not at fault.",
        call.name, takes.says
    );
    let short = short(call, &lacks);
    let member = member(seen, &words).filter(|(_, place)| complete.contains(place));
    let hit = hit.quote(call.line).more_if(8, true).fact("here", here).fact_if("short", short);
    let hit = named_primary(seen, hit.quotes(member.and_then(|(line, _)| line)), call);
    let order = (call.name == "create").then(|| call.with(&complete));
    let hit = match order {
        Some(line) => hit.note(format!("As the tool reads it, the line is: {line}")),
        None => hit,
    };
    let hit = whole(seen, hit).step(step(call, &complete));
    let hit = if call.name == "add-node" { hit.step(joins(&complete)) } else { hit };
    Some(hit.check(CHECK).only_these_steps())
}

const CHECK: &str = "redis-cli --cluster help names each subcommand with what it takes; compare \
    the line with it word by word.";

fn step(call: &Call, complete: &[String]) -> String {
    match call.name.as_str() {
        "create" => {
            return "Repeat it in the order that is written above, and only if all these nodes are \
                new and empty (DBSIZE 0, cluster_known_nodes 1)."
                .to_owned();
        }
        "fix" => {
            return format!(
                "Look first, with the subcommand check and one address: {}",
                Call { name: "check".to_owned(), ..call.clone() }.with(complete)
            );
        }
        _ => {}
    }
    let open = complete.iter().any(|word| word.starts_with('<'));
    let fill = if open { " (what stands in < > is yours to fill in)" } else { "" };
    format!("Repeat it so{fill}: {}", call.with(complete))
}

fn joins(complete: &[String]) -> String {
    let new = complete.first().map_or("the new node", String::as_str);
    format!(
        "Before it: {new} runs in cluster mode, is empty and knows nobody, and its bus port (client \
         port + 10000) is open to the others. Afterwards redis-cli --cluster check names it."
    )
}

/// `add-node lacks the address of an existing node`
fn short(call: &Call, lacks: &[String]) -> Option<String> {
    if !call.late.is_empty() {
        return Some(format!("options stand before those of {}", call.name));
    }
    let first = lacks.first()?.split(" (").next()?;
    Some(format!("{} lacks {first}", call.name))
}

fn many(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("one argument ({one})"),
        more => format!("{} arguments ({})", more.len(), list(more, 4)),
    }
}

/// The arguments in their places, what is left over, and what was missing.
fn completed(
    seen: &Seen,
    takes: &Takes,
    words: &[String],
) -> (Vec<String>, Vec<String>, Vec<String>) {
    if takes.kinds.is_empty() {
        return (words.to_vec(), Vec::new(), Vec::new());
    }
    let mut rest = words.to_vec();
    let (mut complete, mut lacks) = (Vec::new(), Vec::new());
    let known = |word: &str| seen.rows().any(|row| row.place() == word);
    let addresses = words.iter().filter(|word| is_address(word)).count();
    for kind in takes.kinds {
        let fits = |word: &String| match kind {
            Kind::New => is_address(word) && !(addresses == 1 && known(word)),
            Kind::Member => is_address(word),
            Kind::Id => is_id(word),
            Kind::Word(_) => !is_address(word) && !is_id(word),
        };
        if let Some(at) = rest.iter().position(fits) {
            complete.push(rest.remove(at));
            continue;
        }
        let (what, filled) = match kind {
            Kind::New => ("the address of the new node", "<new host:port>".to_owned()),
            Kind::Member => (
                "the address of an existing node (any of the cluster; it need not be the primary \
                 that is meant)",
                member(seen, words)
                    .map_or_else(|| "<any member's host:port>".to_owned(), |(_, place)| place),
            ),
            Kind::Id => ("the id of the node", "<id, 40 letters>".to_owned()),
            Kind::Word(word) => (*word, (*word).to_owned()),
        };
        lacks.push(what.to_owned());
        complete.push(filled);
    }
    if takes.name == "call" {
        complete.append(&mut rest);
    }
    (complete, rest, lacks)
}

/// A member that is up: the node that gave the table, else another one, else that of the prompt.
fn member(seen: &Seen, not: &[String]) -> Option<(Option<usize>, String)> {
    let up = |row: &&Row| {
        let placed = !row.address.ip.is_empty() && row.address.port != 0;
        placed && !row.is_failing() && row.linked != Some(false) && !not.contains(&row.place())
    };
    let rows = || seen.table().into_iter().flat_map(|table| &table.rows).filter(up);
    let row = rows().find(|row| row.is_myself()).or_else(|| rows().find(|row| row.is_primary()));
    let told = row.map(|row| (Some(row.line), row.place()));
    told.or_else(|| {
        seen.lines.iter().enumerate().find_map(|(at, line)| {
            let (head, _) = line.text.split_once("> ")?;
            let place = head.trim();
            let fits = is_address(place) && !not.iter().any(|word| word == place);
            fits.then(|| (Some(at), place.to_owned()))
        })
    })
}

/// Whose id stands behind the option.
fn named_primary(seen: &Seen, hit: Hit, call: &Call) -> Hit {
    let names = ["--cluster-master-id", "--cluster-primary-id", "--master-id"];
    let Some(id) = call.option(&names) else { return hit };
    let Some(table) = seen.table() else { return hit };
    match table.rows.iter().find(|row| row.id == id) {
        Some(row) if row.is_primary() => hit.quote(row.line).note(format!(
            "The id {id} is right: it is that of {}, a primary{}.",
            row.place(),
            if row.slots.is_empty() { " (without slots)" } else { "" }
        )),
        Some(row) => hit.quote(row.line).note(format!(
            "The id {id} is that of {}, which is a replica: the option wants that of its primary{}.",
            row.place(),
            row.primary.as_ref().map_or_else(String::new, |id| format!(" ({id})"))
        )),
        None => hit.note(format!("No row of the pasted table has the id {id}: copy it anew.")),
    }
}

/// That the cluster beside it is in order.
fn whole(seen: &Seen, hit: Hit) -> Hit {
    let Some(table) = seen.table() else { return hit };
    let well = table.rows.iter().all(|row| !row.is_failing() && row.linked != Some(false));
    if !well || !table.assigned().complement().is_empty() {
        return hit;
    }
    let primaries = table.rows.iter().filter(|row| row.is_primary()).count();
    hit.note(format!(
        "The cluster itself is in order: the table shows {primaries} primaries, all 16384 slots and \
         nobody as failed."
    ))
}

/// There is no such subcommand.
fn unknown(hit: Hit, call: &Call) -> Option<Hit> {
    let plain: String = call.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_lowercase();
    let hit = hit.quote(call.line).more_if(8, true);
    if OF_SERVER.contains(&plain.as_str()) {
        return Some(
            hit.fact(
                "here",
                format!(
                    "'{}' is no subcommand of --cluster; it is a command of the server, and is sent \
                     without the two dashes. Nothing was sent.",
                    call.name
                ),
            )
            .step(format!(
                "redis-cli -h <host> -p <port> cluster {} (one node; without --cluster).",
                plain
            ))
            .only_these_steps(),
        );
    }
    let meant = MEANT.iter().find(|(tried, _)| tried.contains(&plain.as_str()));
    let (_, name) = meant?;
    let takes = SUBCOMMANDS.iter().find(|takes| takes.name == *name)?;
    let right = Call { name: (*name).to_owned(), ..call.clone() };
    let words: Vec<String> = call.words.iter().chain(&call.late).cloned().collect();
    Some(
        hit.fact(
            "here",
            format!(
                "There is no subcommand '{}'; the one that does this is {name}, and it takes {}. \
                 Nothing was sent.",
                call.name, takes.says
            ),
        )
        .step(format!("Repeat it so, if that is what was meant: {}", right.with(&words)))
        .only_these_steps(),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_reads_well_without_figures() {
        crate::explain::causes::reads_well_without_figures("CLI_ARGUMENTS_WRONG");
    }
}
