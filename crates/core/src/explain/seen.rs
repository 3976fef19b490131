//! What the pastes hold, in the words of the cluster: tables, fields, roles, settings, pods.
//!
//! Everything is gathered in one pass per format over the cleaned lines; a line may serve several.
//! Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{self, Event};
use super::lines::Line;
use super::redirects::{self, Redirect};
use super::reply;
use super::table::{self, Row};
use crate::model::SlotSet;
use crate::observation::Fields;
use crate::wire::{logs, nodes_conf};

/// Where a table comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// `CLUSTER NODES`.
    Nodes,
    /// `nodes.conf`: it has a line of `vars`.
    File,
    /// The listing of `--cluster check`, `create` or `redis-trib`.
    Check,
    /// `CLUSTER SHARDS`.
    Shards,
    /// `CLUSTER SLOTS`: owners and their replicas only, without what they are held for.
    Slots,
}

/// Rows that belong together.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Table {
    /// The format.
    pub source: Source,
    /// The rows, in their order.
    pub rows: Vec<Row>,
}

impl Table {
    /// The row of the node that answered.
    pub fn myself(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_myself())
    }

    /// Whether rows of this table are visibly missing from the paste: that of the node that shows
    /// it, or that of the primary of a replica.
    pub fn is_a_part(&self) -> bool {
        let has = |id: &str| self.rows.iter().any(|row| row.id == id);
        let follows_nobody = |row: &Row| row.primary.as_deref().is_some_and(|id| !has(id));
        let tells = matches!(self.source, Source::Nodes | Source::File);
        let no_myself = tells && self.myself().is_none();
        !self.rows.is_empty() && (no_myself || self.rows.iter().any(follows_nobody))
    }

    /// All slots that somebody owns.
    pub fn assigned(&self) -> SlotSet {
        self.rows.iter().fold(SlotSet::new(), |all, row| all.union(&row.slots))
    }
}

/// Lines of `name:value` that belong together.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Block {
    /// The number of the line of each field.
    pub lines: BTreeMap<String, usize>,
    /// The fields.
    pub fields: Fields,
}

/// `ROLE` of a replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ReplicaRole {
    /// The line of the address of its primary.
    pub line: usize,
    /// The address of its primary.
    pub host: String,
    /// `connect`, `connecting`, `sync`, `connected`, `handshake`, `none`.
    pub state: String,
}

/// A row of `kubectl get pods`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pod {
    /// The line.
    pub line: usize,
    /// The name.
    pub name: String,
    /// `0/1`.
    pub ready: String,
    /// `Running`, `CrashLoopBackOff`.
    pub status: String,
    /// How often it was restarted.
    pub restarts: u32,
    /// Its address, with `-o wide`.
    pub ip: Option<String>,
    /// The machine it runs on, with `-o wide`.
    pub machine: Option<String>,
}

/// A setting of a configuration file, a command line or `CONFIG GET`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    /// The line.
    pub line: usize,
    /// The name in small letters.
    pub name: String,
    /// The value, without quotes.
    pub value: String,
}

/// All evidence.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The cleaned lines.
    pub lines: Vec<Line>,
    /// Tables, in order.
    pub tables: Vec<Table>,
    /// Tables that later ones of the same node replace.
    pub past: Vec<Table>,
    /// Blocks of fields, in order.
    pub blocks: Vec<Block>,
    /// Roles of replicas.
    pub roles: Vec<ReplicaRole>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Addresses that the platform says pods have now.
    pub pod_ips: BTreeSet<String>,
    /// Whether these are a part only: pods that were asked for by name.
    pub some_pods: bool,
    /// Settings.
    pub settings: Vec<Setting>,
    /// How many lines of server logs there are.
    pub log_lines: usize,
    /// `host:port` of all lines, with the first line of each.
    pub addresses: BTreeMap<(String, u16), usize>,
    /// `currentEpoch` of `nodes.conf`.
    pub file_epoch: Option<u64>,
    /// Redirects that clients were given.
    pub redirects: Vec<Redirect>,
    /// Events of Kubernetes.
    pub events: Vec<Event>,
    /// What looks like a known format and could not be read.
    pub unread: Vec<String>,
}

impl Seen {
    /// What one paste of this text shows.
    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        let pastes = [super::Paste { name: "a".to_owned(), text: text.to_owned() }];
        Self::gather(super::lines::clean(&pastes).0)
    }

    /// Gathers.
    pub fn gather(lines: Vec<Line>) -> Self {
        let mut seen = Self { lines, ..Self::default() };
        seen.read_tables();
        seen.drop_past();
        seen.read_blocks();
        seen.read_roles();
        seen.read_pods();
        seen.read_settings();
        seen.read_rest();
        seen.redirects = redirects::all(&seen.lines);
        seen.events = events::read(&seen.lines);
        let (tables, unread) = reply::tables(&seen.lines);
        seen.tables.extend(tables);
        seen.unread = unread;
        seen
    }

    fn read_tables(&mut self) {
        let mut tables: Vec<Table> = Vec::new();
        let mut ids: BTreeSet<String> = BTreeSet::new();
        let mut last: Option<(usize, Source)> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let node = table::node_line(&line.text, at).map(|row| (row, Source::Nodes));
            let found =
                node.or_else(|| table::check_line(&line.text, at).map(|row| (row, Source::Check)));
            if let Some((row, source)) = found {
                let near = last.is_some_and(|(before, kind)| {
                    kind == source && at - before <= 3 && !self.asks_between(before, at)
                });
                let same_paste = last
                    .and_then(|(before, _)| self.lines.get(before))
                    .is_some_and(|before| before.paste == line.paste);
                let again = source == Source::Nodes && ids.contains(&row.id);
                if !near || !same_paste || again {
                    ids.clear();
                    tables.push(Table { source, rows: Vec::new() });
                }
                ids.insert(row.id.clone());
                if let Some(table) = tables.last_mut() {
                    table.rows.push(row);
                }
                last = Some((at, source));
            } else if let Some(rows) = tables.last_mut() {
                let detail = rows.source == Source::Check
                    && rows
                        .rows
                        .last_mut()
                        .is_some_and(|row| table::check_detail(row, &line.lower));
                if detail {
                    last = Some((at, Source::Check));
                } else if line.lower.starts_with("vars ") && rows.source == Source::Nodes {
                    rows.source = Source::File;
                    self.file_epoch = nodes_conf::variable(&line.text, "currentEpoch");
                }
            }
        }
        self.tables = tables;
    }

    /// Of two tables that the same node gave, over a while in which what was down came back, the
    /// later one is the present.
    fn drop_past(&mut self) {
        const WHILE_MS: u64 = 20_000;
        let times: Vec<Option<u64>> = self.tables.iter().map(|table| self.taken(table)).collect();
        let id = |table: &Table| table.myself().map(|row| row.id.clone());
        let present = |table: &Table, at: Option<u64>| {
            let mut others = self.tables.iter().zip(&times);
            others.any(|(other, then)| {
                let later = at.zip(*then).is_some_and(|(at, then)| then > at + WHILE_MS);
                let well = other.rows.len() >= 3 && other.rows.iter().all(|row| !row.is_failing());
                let same = id(table).is_some() && id(table) == id(other);
                later && well && same && table.source == Source::Nodes
            })
        };
        let before = self.told_past();
        let past: Vec<bool> = (self.tables.iter().zip(&times).enumerate())
            .map(|(number, (table, at))| present(table, *at) || before.contains(&number))
            .collect();
        let all = std::mem::take(&mut self.tables).into_iter().zip(past).enumerate();
        for (number, (table, old)) in all {
            let labelled = before.contains(&number);
            let is_past = old && (labelled || table.rows.iter().any(Row::is_failing));
            let kept = if is_past { &mut self.past } else { &mut self.tables };
            kept.push(table);
        }
    }

    /// The tables under a heading that calls them those of before, when one of after follows.
    fn told_past(&self) -> BTreeSet<usize> {
        let headed = |table: &Table, words: &[&str]| {
            let Some(first) = table.rows.first() else { return false };
            let from = first.line.saturating_sub(HEADING_LINES);
            let above = self.lines.get(from..first.line).unwrap_or_default();
            let heading = |line: &&Line| table::node_line(&line.text, 0).is_none();
            let lead = above.iter().rev().take_while(heading);
            lead.take(HEADING_LINES).any(|line| words.iter().any(|w| line.lower.contains(w)))
        };
        let nodes = |table: &&Table| table.source == Source::Nodes;
        let tables = || self.tables.iter().enumerate().filter(|(_, table)| nodes(table));
        let ids = |table: &Table| -> BTreeSet<String> {
            table.rows.iter().map(|row| row.id.clone()).collect()
        };
        // A view that lost its members, or a node that has another id, is to be compared and not
        // to be forgotten.
        let follows = |number: usize, old: &Table| {
            tables().any(|(later, table)| {
                let after = headed(table, AFTER) && !headed(table, BEFORE);
                later > number && after && ids(table).is_superset(&ids(old))
            })
        };
        let old =
            tables().filter(|(number, table)| headed(table, BEFORE) && follows(*number, table));
        old.map(|(number, _)| number).collect()
    }

    /// Whether somebody asks for a table, or calls the tool, between two lines.
    fn asks_between(&self, before: usize, at: usize) -> bool {
        let between = self.lines.get(before + 1..at).unwrap_or_default();
        let calls = |lower: &str| {
            ["redis-cli ", "valkey-cli "].iter().any(|tool| lower.contains(tool))
                && lower.contains("cluster ")
        };
        between
            .iter()
            .any(|line| line.lower.trim_end().ends_with("cluster nodes") || calls(&line.lower))
    }

    fn read_blocks(&mut self) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut last: Option<usize> = None;
        for (at, line) in self.lines.iter().enumerate() {
            let Some((name, value)) = field(&line.text) else { continue };
            let fresh = match (blocks.last(), last) {
                (Some(block), Some(before)) => {
                    at - before > 12
                        || block.lines.contains_key(name)
                        || self.lines.get(before).is_none_or(|before| before.paste != line.paste)
                }
                _ => true,
            };
            if fresh {
                blocks.push(Block { lines: BTreeMap::new(), fields: Fields::default() });
            }
            if let Some(block) = blocks.last_mut() {
                block.fields.set(name, value);
                block.lines.insert(name.to_owned(), at);
            }
            last = Some(at);
        }
        self.blocks = blocks;
    }

    fn read_roles(&mut self) {
        let values: Vec<String> = self.lines.iter().map(|line| reply_value(&line.text)).collect();
        for (at, window) in values.windows(5).enumerate() {
            let [role, host, port, state, offset] = window else { continue };
            let state_known = ["connect", "connecting", "sync", "connected", "handshake", "none"];
            if matches!(role.as_str(), "slave" | "replica")
                && port.parse::<u16>().is_ok()
                && state_known.contains(&state.as_str())
                && offset.parse::<i64>().is_ok()
            {
                let (host, state) = (host.clone(), state.clone());
                self.roles.push(ReplicaRole { line: at + 1, host, state });
            }
        }
        self.read_dialled();
    }

    /// What the log of a replica dials last. Earlier addresses are history.
    fn read_dialled(&mut self) {
        let mut last: BTreeMap<(usize, &str), ReplicaRole> = BTreeMap::new();
        for (at, line) in self.lines.iter().enumerate() {
            let marks = ["connecting to master ", "connecting to primary "];
            let mark = marks.iter().find_map(|mark| Some((line.lower.find(mark)?, mark.len())));
            let Some((from, len)) = mark else { continue };
            let place = line.text.get(from + len..).and_then(|rest| addresses(rest).next());
            if let Some((host, _)) = place {
                let role = ReplicaRole { line: at, host, state: "connecting".to_owned() };
                last.insert((line.paste, source(&line.text)), role);
            }
        }
        let dialled: Vec<ReplicaRole> = last.into_values().collect();
        let new = dialled.into_iter().filter(|d| !self.roles.iter().any(|r| r.host == d.host));
        let new: Vec<ReplicaRole> = new.collect();
        self.roles.extend(new);
    }

    fn read_pods(&mut self) {
        let mut asked_for_ips: Option<usize> = None;
        let (mut pods, mut ips) = (Vec::new(), BTreeSet::new());
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(pod) = pod(&line.text, at) {
                ips.extend(pod.ip.clone());
                pods.push(pod);
                continue;
            }
            let gets = ["kubectl", "k get", " get po"].iter().any(|w| line.lower.contains(w));
            let asks =
                line.lower.contains("podip") && gets || line.lower.contains("docker inspect");
            if asks {
                asked_for_ips = Some(line.paste);
            } else if is_prompt(&line.text) || table::node_line(&line.text, at).is_some() {
                asked_for_ips = None;
            } else if asked_for_ips == Some(line.paste) {
                ips.extend(addresses(&line.text).map(|(host, _)| host));
                ips.extend(line.text.split_whitespace().filter(|w| is_ipv4(w)).map(str::to_owned));
            }
            ips.extend(container_ip(&line.text));
        }
        let rows = self.tables.iter().map(|table| table.rows.len()).max().unwrap_or(0);
        let asked = self.lines.iter().filter(|line| line.lower.contains("kubectl "));
        let lists: Vec<bool> = asked.filter_map(|line| asks_for_one(&line.lower)).collect();
        let by_name = !lists.is_empty() && lists.iter().all(|one| *one);
        self.some_pods = by_name && ips.len() < rows || (pods.len() == 1 && rows >= 3);
        self.pods = pods;
        self.pod_ips = ips;
    }

    fn read_settings(&mut self) {
        let mut found = Vec::new();
        let mut name_before: Option<String> = None;
        for (at, line) in self.lines.iter().enumerate() {
            for (name, value) in settings_of(&line.text) {
                found.push(Setting { line: at, name, value });
            }
            let value = reply_value(&line.text);
            if let Some(name) = name_before.take() {
                found.push(Setting { line: at, name, value: value.clone() });
            }
            let reply = line.text.trim_start().starts_with("1) \"");
            name_before = (reply && SETTINGS.contains(&value.as_str())).then_some(value);
        }
        self.settings = found;
    }

    fn read_rest(&mut self) {
        for (at, line) in self.lines.iter().enumerate() {
            if logs::parse(&line.text).is_some() {
                self.log_lines += 1;
            }
            for address in addresses(&line.text) {
                self.addresses.entry(address).or_insert(at);
            }
        }
    }
}

/// Lines above a table in which its heading may stand.
const HEADING_LINES: usize = 3;

/// Headings of a table of the past and of one of now.
const BEFORE: &[&str] = &["before"];
const AFTER: &[&str] = &["after", "now:", "currently", "current state"];

/// The words of settings that matter here.
const SETTINGS: [&str; 44] = [
    "port",
    "tls-port",
    "bind",
    "bind-source-addr",
    "protected-mode",
    "dir",
    "save",
    "appendonly",
    "requirepass",
    "masterauth",
    "masteruser",
    "maxmemory",
    "maxmemory-policy",
    "maxclients",
    "timeout",
    "databases",
    "cluster-enabled",
    "cluster-config-file",
    "cluster-node-timeout",
    "cluster-port",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-bus-port",
    "cluster-announce-tls-port",
    "cluster-announce-hostname",
    "cluster-preferred-endpoint-type",
    "cluster-require-full-coverage",
    "cluster-replica-no-failover",
    "cluster-slave-no-failover",
    "cluster-replica-validity-factor",
    "cluster-slave-validity-factor",
    "cluster-migration-barrier",
    "cluster-allow-replica-migration",
    "tls-cluster",
    "tls-replication",
    "tls-auth-clients",
    "tls-cert-file",
    "tls-key-file",
    "tls-ca-cert-file",
    "client-output-buffer-limit",
    "repl-timeout",
    "repl-backlog-size",
    "min-replicas-to-write",
    "cluster-allow-reads-when-down",
];

/// Settings of a line: `name value`, `--name value`, `name=value` or `name: "value"`.
fn settings_of(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text
        .split([' ', '=', ',', '[', ']'])
        .map(|word| word.trim_matches(|c: char| "\"'`;-".contains(c)).trim_end_matches(':'))
        .filter(|word| !word.is_empty())
        .take(200)
        .collect();
    let first_word_counts = !text.trim_start().starts_with('#');
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let name = from_variable(&word.to_lowercase());
        let dashed = text.contains(&format!("--{word}"));
        let long = name.contains('-');
        let here = dashed || long || (at == 0 && words.len() <= 4);
        if first_word_counts && here && SETTINGS.contains(&name.as_str()) {
            let value = words.get(at + 1..).unwrap_or(&[]);
            let is_of_place = name.starts_with("cluster-announce-");
            let prose = is_of_place && !dashed && value.len() > 1;
            let value = match value.iter().take(3).find(|word| is_place(word)) {
                Some(place) if prose => (*place).to_owned(),
                None if prose => continue,
                _ if dashed => value.first().map_or("", |v| v).to_owned(),
                _ => value.join(" "),
            };
            found.push((name, value));
        }
    }
    found
}

/// `redis_cluster_announce_ip` of a container's environment: the setting that the image makes of
/// it. Images call it differently, with the same end.
fn from_variable(name: &str) -> String {
    const ENDS: [(&str, &str); 5] = [
        ("announce_ip", "cluster-announce-ip"),
        ("announce_bus_port", "cluster-announce-bus-port"),
        ("announce_bus", "cluster-announce-bus-port"),
        ("announce_port", "cluster-announce-port"),
        ("announce_hostname", "cluster-announce-hostname"),
    ];
    let rest = name.strip_prefix("redis_cluster_").or_else(|| name.strip_prefix("valkey_cluster_"));
    if let Some(rest) = rest.filter(|rest| rest.starts_with("preferred_")) {
        return format!("cluster-{}", rest.replace('_', "-"));
    }
    let other = ["sentinel", "replica", "slave"].iter().any(|role| name.contains(role));
    let known = ENDS.iter().find(|(end, _)| !other && name.ends_with(end));
    known.map_or_else(|| name.to_owned(), |(_, setting)| (*setting).to_owned())
}

/// Whether a word can be the value of an address or port: a sentence about a setting has none.
fn is_place(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit() || "$<{".contains(c)) || word == "localhost"
}

/// Reads `name:value` of `INFO`. YAML and prose have a blank behind the colon.
fn field(text: &str) -> Option<(&str, &str)> {
    // A shell that traces its script writes `+ cluster_info='cluster_state:fail`.
    let text = match text.split_once("='") {
        Some((name, rest)) if name.starts_with('+') => rest,
        _ => text,
    };
    let text = text.trim().trim_end_matches('\'');
    let (name, value) = text.trim_start_matches(['"', '\'']).split_once(':')?;
    let known = name.contains('_') || matches!(name, "role" | "loading" | "maxmemory" | "db0");
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let tight = !value.starts_with(' ') || value.trim().parse::<u64>().is_ok();
    (known && plain && tight && name.len() >= 3 && name.len() < 60).then(|| (name, value.trim()))
}

/// The value of a line of a reply as redis-cli prints it: without `1) `, `(integer)` and quotes.
pub(super) fn reply_value(text: &str) -> String {
    let mut rest = text.trim();
    while let Some((number, tail)) = rest.split_once(") ") {
        if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit()) {
            break;
        }
        rest = tail.trim_start();
    }
    rest.trim_start_matches("(integer) ").trim_matches('"').to_owned()
}

/// Who wrote a line of a log, when several are mixed: what compose writes in front of it.
pub(super) fn source(text: &str) -> &str {
    text.split_once(" | ").map_or("", |(name, _)| name.trim())
}

/// A line that begins with the prompt of a shell.
fn is_prompt(text: &str) -> bool {
    ["$ ", "# ", "% "].iter().any(|mark| text.trim_start().starts_with(mark))
}

/// The address of a container: `"IPAddress": "172.20.0.3"` of `docker inspect`, `"IPv4Address":
/// "172.20.0.3/16"` of `docker network inspect`.
fn container_ip(text: &str) -> Option<String> {
    let (name, value) = text.trim().split_once(':')?;
    let known = matches!(name.trim_matches('"'), "IPAddress" | "IPv4Address");
    let ip = value.trim().trim_matches(['"', ',', ' ']).split('/').next()?;
    (known && is_ipv4(ip)).then(|| ip.to_owned())
}

/// Reads a row of `kubectl get pods`.
fn pod(text: &str, line: usize) -> Option<Pod> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let ready_at = words.iter().take(3).position(|word| is_ready(word)).filter(|at| *at >= 1)?;
    let status = words.get(ready_at + 1)?;
    let restarts = words.get(ready_at + 2)?.parse().ok()?;
    let ip_at = words.iter().position(|word| is_ipv4(word));
    Some(Pod {
        line,
        name: words.get(ready_at - 1)?.to_string(),
        ready: words.get(ready_at)?.to_string(),
        status: status.to_string(),
        restarts,
        ip: ip_at.and_then(|at| words.get(at)).map(ToString::to_string),
        machine: ip_at.and_then(|at| words.get(at + 1)).map(ToString::to_string),
    })
}

/// Whether `kubectl get pods` asks for pods by their names; `None` for another command.
fn asks_for_one(lower: &str) -> Option<bool> {
    let marks = [" get pod ", " get pods ", " get po ", " get pod/", " get pods/", " get po/"];
    let line = format!("{lower} ");
    let (mark, rest) = marks.iter().find_map(|mark| Some((mark, line.split_once(mark)?.1)))?;
    let mut before = "";
    for word in rest.split_whitespace() {
        let value = ["-n", "--namespace", "-o", "-l", "--selector", "--context"].contains(&before);
        if ["|", ">", "&&", ";"].contains(&word) {
            break;
        }
        if !value && !word.starts_with('-') {
            return Some(true);
        }
        before = word;
    }
    Some(mark.ends_with('/'))
}

/// `1/2`.
fn is_ready(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    word.split_once('/').is_some_and(|(now, all)| digits(now) && digits(all))
}

/// Four numbers and three dots; a number may be too big, as in a mangled table.
pub(super) fn is_ipv4(word: &str) -> bool {
    let mut parts = 0;
    for part in word.split('.') {
        if part.is_empty() || part.len() > 4 || !part.chars().all(|c| c.is_ascii_digit()) {
            return false;
        }
        parts += 1;
    }
    parts == 4
}

/// All `host:port` of a line whose host is an IPv4 address or a name with a dot.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = (String, u16)> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || ".:-_@".contains(c)))
        .take(4_000)
        .filter_map(|word| {
            let (host, port) = word.split('@').next()?.rsplit_once(':')?;
            let host = host.rsplit(':').next()?;
            let named = is_ipv4(host) || host == "localhost";
            let port = port.trim_end_matches(['.', ':']).parse().ok()?;
            named.then(|| (host.to_owned(), port))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_three_ways() {
        assert_eq!(
            settings_of("redis-server --port 7000 --cluster-announce-ip 10.0.0.1"),
            [("port".into(), "7000".into()), ("cluster-announce-ip".into(), "10.0.0.1".into())]
        );
        assert_eq!(settings_of("tls-auth-clients no"), [("tls-auth-clients".into(), "no".into())]);
        assert_eq!(settings_of("# tls-cluster yes"), []);
        assert_eq!(settings_of("the port of my server is closed by a firewall"), []);
    }

    #[test]
    fn a_pod_with_its_address() {
        let text = "redis-0   1/1   Running   3 (5m ago)   2d   10.1.2.3   node-a   <none>";
        let pod = pod(text, 0).expect("a pod");
        assert_eq!((pod.restarts, pod.ip.as_deref()), (3, Some("10.1.2.3")));
        assert_eq!(pod.machine.as_deref(), Some("node-a"));
    }

    #[test]
    fn values_of_replies() {
        assert_eq!(reply_value(" 3) (integer) 6379"), "6379");
        assert_eq!(reply_value("1) 1) \"slave\""), "slave");
        assert_eq!(reply_value("master"), "master");
    }
}
