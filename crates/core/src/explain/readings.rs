//! What was read, by format, so that nobody thinks that a part of the paste was judged which was
//! not.

use super::lines::Line;
use super::redirects::Redirect;
use super::seen::{Seen, Source, Table, is_ipv4, reply_value};
use crate::wire::logs;

/// Marks at the beginning of lines of `redis-cli --cluster` and `redis-trib`.
const TOOL: &[&str] = &[
    ">>> ",
    "[ok]",
    "[err]",
    "[warning]",
    "*** ",
    "master[",
    "m: ",
    "s: ",
    "adding replica",
    "waiting for the cluster to join",
    "can i set the above",
    "additional ",
];

/// Words of errors that clients and programs write.
const CLIENT: &[&str] = &[
    "error:",
    "exception",
    "traceback",
    "panic:",
    "fatal error",
    "econn",
    "etimedout",
    "dial tcp",
    "clusterallfailed",
    "replyerror",
    "caused by",
    "err=",
    "\"error\"",
    "enotfound",
    "i/o timeout",
];

/// Words of code that makes a client.
const CODE: &[&str] = &[
    "redis.cluster(",
    "rediscluster",
    "newclusterclient",
    "clusteroptions",
    "createcluster(",
    "jediscluster",
    "clusterclient",
    "clusterservers",
    "configurationoptions",
    "startup_nodes",
    "rootnodes",
    "cluster_client",
];

/// Words that begin an error of the server, as it is sent.
const REPLIES: &[&str] = &[
    "err ",
    "moved ",
    "ask ",
    "clusterdown ",
    "crossslot ",
    "noauth ",
    "wrongpass ",
    "noperm ",
    "loading ",
    "readonly ",
    "masterdown ",
    "tryagain ",
    "misconf ",
    "oom ",
    "busy ",
    "noscript ",
    "execabort ",
    "denied ",
    "wrongtype ",
    "ioerr ",
    "busykey ",
    "unkillable ",
    "noreplicas ",
];

/// Programs whose call stands at a prompt.
const PROGRAMS: &[&str] = &[
    "redis-cli",
    "valkey-cli",
    "redis-trib",
    "redis-server",
    "valkey-server",
    "kubectl",
    "docker",
    "helm",
    "openssl",
    "nc ",
    "ping ",
    "telnet",
    "slotwright",
    "sudo ",
    "cat ",
    "grep ",
    "for ",
];

/// What one line is, when it is of none of the gathered formats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tool,
    Reply,
    Client,
    Code,
    Call,
    Rest,
}

/// Formats that were found, with how much of each.
pub(super) fn recognised(seen: &Seen) -> Vec<String> {
    let mut out = tables(seen);
    let parts = [
        (seen.blocks.len(), "INFO or CLUSTER INFO"),
        (seen.roles.len(), "ROLE of replicas, or what they dial"),
        (primary_roles(seen).len() / 2, "ROLE of primaries"),
        (seen.pods.len(), "rows of kubectl get pods"),
        (listed_addresses(seen), "addresses of pods or containers"),
        (seen.settings.len(), "settings"),
        (seen.log_lines, "lines of a server log"),
        (seen.events.len(), "events of Kubernetes"),
        (redirects(&seen.redirects), "redirects that clients got"),
    ];
    let part = |count: usize, name: &str| (count > 0).then(|| format!("{name}: {count}"));
    out.extend(parts.into_iter().filter_map(|(count, name)| part(count, name)));
    let kinds: Vec<Kind> = others(seen);
    let of = |kind: Kind| kinds.iter().filter(|one| **one == kind).count();
    let named = [
        (Kind::Tool, "lines of redis-cli --cluster or redis-trib"),
        (Kind::Reply, "errors that a server answered"),
        (Kind::Client, "lines of errors of clients or programs"),
        (Kind::Code, "lines of a client's code"),
        (Kind::Call, "commands at a prompt"),
    ];
    out.extend(named.into_iter().filter_map(|(kind, name)| part(of(kind), name)));
    if let Some(client) = seen.client() {
        out.push(format!("client: {client}"));
    }
    if !out.is_empty() {
        out.extend(part(of(Kind::Rest), "other lines, searched for known words only"));
    }
    out
}

fn tables(seen: &Seen) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |name: &str, of: &dyn Fn(&&Table) -> bool| {
        let rows: Vec<usize> = seen.tables.iter().filter(of).map(|t| t.rows.len()).collect();
        if !rows.is_empty() {
            let (count, rows) = (rows.len(), rows.iter().sum::<usize>());
            let noun = if rows == 1 { "row" } else { "rows" };
            out.push(format!("{name}: {count} with {rows} {noun}"));
        }
    };
    add("CLUSTER NODES", &|t| t.source == Source::Nodes);
    add("nodes.conf", &|t| t.source == Source::File);
    add("--cluster listing", &|t| t.source == Source::Check && !seen.is_plan(t));
    add("plan of --cluster create", &|t| seen.is_plan(t));
    add("CLUSTER SHARDS", &|t| t.source == Source::Shards);
    add("CLUSTER SLOTS", &|t| t.source == Source::Slots);
    out
}

/// The lines of `ROLE` of primaries: the role, and the offset below it.
fn primary_roles(seen: &Seen) -> Vec<usize> {
    let value = |at: usize| seen.lines.get(at).map(|line| reply_value(&line.text));
    let is_role = |at: &usize| {
        let role = matches!(value(*at).as_deref(), Some("master" | "primary"));
        role && value(at + 1).is_some_and(|offset| offset.parse::<u64>().is_ok())
    };
    (0..seen.lines.len()).filter(is_role).flat_map(|at| [at, at + 1]).collect()
}

/// Addresses that were listed alone, without a row of a pod.
fn listed_addresses(seen: &Seen) -> usize {
    let of_row = |ip: &&String| seen.pods.iter().any(|pod| pod.ip.as_ref() == Some(*ip));
    seen.pod_ips.iter().filter(|ip| !of_row(ip)).count()
}

fn redirects(all: &[Redirect]) -> usize {
    let mut lines: Vec<usize> = all.iter().map(|redirect| redirect.line).collect();
    lines.dedup();
    lines.len()
}

/// The kinds of the lines that no format has.
fn others(seen: &Seen) -> Vec<Kind> {
    let mut taken = vec![false; seen.lines.len()];
    let rows = seen.tables.iter().flat_map(|table| table.rows.iter().map(|row| row.line));
    let fields = seen.blocks.iter().flat_map(|block| block.lines.values().copied());
    let pods = seen.pods.iter().map(|pod| pod.line);
    let settings = seen.settings.iter().map(|setting| setting.line);
    let roles = seen.roles.iter().flat_map(|role| role.line.saturating_sub(1)..role.line + 4);
    let redirects = seen.redirects.iter().map(|redirect| redirect.line);
    let roles = roles.chain(primary_roles(seen));
    for at in rows.chain(fields).chain(pods).chain(settings).chain(roles).chain(redirects) {
        if let Some(place) = taken.get_mut(at) {
            *place = true;
        }
    }
    let free = seen.lines.iter().zip(taken).filter(|(_, taken)| !taken);
    free.filter_map(|(line, _)| kind(line, seen)).collect()
}

/// What a line is; `None` for one that a gathered format has, or that holds nothing.
fn kind(line: &Line, seen: &Seen) -> Option<Kind> {
    let text = line.lower.trim();
    let begins = |heads: &[&str]| heads.iter().any(|head| text.starts_with(head));
    if logs::parse(&line.text).is_some() || text.chars().all(|c| !c.is_alphanumeric()) {
        return None;
    }
    // They belong to the row of the listing above them.
    if begins(&["slots:", "replicates "]) || text.contains("additional replica(s)") {
        return None;
    }
    if begins(TOOL) {
        return Some(Kind::Tool);
    }
    let answer = text.trim_start_matches("(error) ").trim_start_matches('-');
    if text.starts_with("(error)") || REPLIES.iter().any(|head| answer.starts_with(head)) {
        return Some(Kind::Reply);
    }
    let prompt = ["$ ", "# ", "% ", "> "].iter().any(|mark| text.starts_with(mark));
    let calls = PROGRAMS.iter().any(|program| text.contains(program));
    let asks = text.split_once("> ").is_some_and(|(head, _)| {
        head.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    });
    if asks || (calls && (prompt || begins(PROGRAMS))) {
        return Some(Kind::Call);
    }
    if CODE.iter().any(|word| text.contains(word)) {
        return Some(Kind::Code);
    }
    if CLIENT.iter().any(|word| text.contains(word)) {
        return Some(Kind::Client);
    }
    let lists = |word: &str| is_ipv4(word.split([':', '/']).next().unwrap_or_default());
    let listed = reply_value(&line.text).split_whitespace().all(lists);
    (!listed || seen.pod_ips.is_empty()).then_some(Kind::Rest)
}

impl Seen {
    /// Whether the rows are what `--cluster create` proposes before it asks for a yes.
    pub fn is_plan(&self, table: &Table) -> bool {
        let Some(last) = table.rows.last().filter(|_| table.source == Source::Check) else {
            return false;
        };
        let paste = self.lines.get(last.line).map(|line| line.paste);
        let behind = self.lines.iter().skip(last.line + 1).take(5);
        let mut behind = behind.take_while(|line| Some(line.paste) == paste);
        behind.any(|line| line.lower.contains("can i set the above configuration"))
    }
}
