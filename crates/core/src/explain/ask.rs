//! Questions of the matchers to the evidence.

use super::cause::Hit;
use std::collections::BTreeMap;

use super::seen::{ReplicaRole, Seen, Setting, Source, Table, source};
use super::stated::{Version, whole};
use super::table::Row;
use crate::model::{Flag, SLOT_COUNT, SlotSet};

/// Lines quoted for one phrase.
const QUOTES_MAX: usize = 3;

/// What a program imports or a logger is called: it says more than the name of a variable.
const PACKAGES: [(&str, &[&str]); 13] = [
    (
        "GLIDE",
        &["valkey-glide", "glide_core", "glideclusterclient", "glide_shared", "import glide"],
    ),
    ("fred", &["fred::", "fred =", "redis error - kind:", "valkey error - kind:"]),
    ("rustis", &["rustis"]),
    ("Redix", &["redix."]),
    ("redigo", &["gomodule/redigo", "redigo:", "mna/redisc", "redisc:"]),
    (
        "redis-rs",
        &[
            "use redis::",
            "redis::cluster",
            "signalled by the server",
            "redis::rediserror",
            "redis::client::open",
            "redis-rs",
        ],
    ),
    (
        "go-redis",
        &[
            "github.com/redis/go-redis",
            "github.com/go-redis/redis",
            "gopkg.in/redis.v",
            "redis.newclusterclient(",
            "cluster.go:",
        ],
    ),
    ("rueidis", &["github.com/redis/rueidis"]),
    ("Redisson", &["org.redisson"]),
    (
        "Lettuce",
        &[
            "io.lettuce.core",
            "com.lambdaworks.redis",
            "i.l.core.",
            "i.l.c.",
            "dynamicrefreshsources",
        ],
    ),
    ("Jedis", &["redis.clients.jedis"]),
    ("ioredis", &["node_modules/ioredis", "require('ioredis')", "from 'ioredis'"]),
    ("node-redis", &["@redis/client"]),
];

impl Seen {
    /// The first lines that hold one of the phrases, which are in small letters.
    pub fn lines_with(&self, phrases: &[&str]) -> Vec<usize> {
        let holds = |lower: &str| phrases.iter().any(|phrase| lower.contains(phrase));
        let found = self.lines.iter().enumerate().filter(|(_, line)| holds(&line.lower));
        found.map(|(at, _)| at).take(QUOTES_MAX).collect()
    }

    /// How many lines hold one of the phrases.
    pub fn count(&self, phrases: &[&str]) -> usize {
        let holds = |lower: &str| phrases.iter().any(|phrase| lower.contains(phrase));
        self.lines.iter().filter(|line| holds(&line.lower)).count()
    }

    /// Whether a line holds one of the phrases.
    pub fn has(&self, phrases: &[&str]) -> bool {
        self.lines.iter().any(|line| phrases.iter().any(|phrase| line.lower.contains(phrase)))
    }

    /// A hit when a line holds one of the phrases.
    pub fn says(&self, score: u8, phrases: &[&str]) -> Option<Hit> {
        let lines = self.lines_with(phrases);
        (!lines.is_empty()).then(|| Hit::of(score).quotes(lines))
    }

    /// A hit when one line holds all of the phrases.
    pub fn line_says(&self, score: u8, phrases: &[&str]) -> Option<Hit> {
        let holds = |lower: &str| phrases.iter().all(|phrase| lower.contains(phrase));
        let at = self.lines.iter().position(|line| holds(&line.lower))?;
        Some(Hit::of(score).quote(at))
    }

    /// A hit when each group has a line with one of its phrases.
    pub fn says_all(&self, score: u8, groups: &[&[&str]]) -> Option<Hit> {
        let mut hit = Hit::of(score);
        for phrases in groups {
            let first = *self.lines_with(phrases).first()?;
            hit = hit.quote(first);
        }
        Some(hit)
    }

    /// The word behind the first occurrence of a phrase.
    pub fn word_after(&self, phrase: &str) -> Option<String> {
        let line = self.lines.iter().find(|line| line.lower.contains(phrase))?;
        let at = line.lower.find(phrase)? + phrase.len();
        // Small letters can be longer than the text; then there is no word to be had.
        let rest = line.text.get(at..)?.trim_start_matches([' ', ':', '=', '"', '\'']);
        let word = rest.split([' ', ',', '"', '\'', ')', ';', '(']).next()?.trim_end_matches('.');
        (!word.is_empty()).then(|| word.to_owned())
    }

    /// The first value of a field of `INFO` or `CLUSTER INFO`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.blocks.iter().find_map(|block| block.fields.get(name))
    }

    /// The line of the first occurrence of a field.
    pub fn field_line(&self, name: &str) -> Option<usize> {
        self.blocks.iter().find_map(|block| block.lines.get(name).copied())
    }

    /// A field as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.trim().parse().ok()
    }

    /// A hit when a field has one of the values.
    pub fn field_is(&self, score: u8, name: &str, values: &[&str]) -> Option<Hit> {
        let block = self
            .blocks
            .iter()
            .find(|block| block.fields.get(name).is_some_and(|value| values.contains(&value)))?;
        Some(Hit::of(score).quotes(block.lines.get(name).copied()))
    }

    /// The first setting of a name that has a value; a question for it has none.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        let named = || self.settings.iter().filter(|setting| setting.name == name);
        named().find(|setting| !setting.value.is_empty()).or_else(|| named().next())
    }

    /// Whether a setting has a value.
    pub fn set_to(&self, name: &str, value: &str) -> bool {
        self.settings.iter().any(|s| s.name == name && s.value.to_lowercase() == value)
    }

    /// `CLUSTER INFO` says ok, and nothing says fail.
    pub fn says_ok(&self) -> bool {
        self.field("cluster_state") == Some("ok") && !self.says_fail()
    }

    /// Some `CLUSTER INFO` says fail.
    pub fn says_fail(&self) -> bool {
        self.blocks.iter().any(|block| block.fields.is("cluster_state", "fail"))
    }

    /// The table to judge by: the last one of the servers, else the last one of a tool.
    pub fn table(&self) -> Option<&Table> {
        // What a lone node without slots lists says nothing of the cluster beside it.
        let lone = |table: &Table| {
            table.rows.len() == 1 && (table.assigned().is_empty() || self.is_filtered(table))
        };
        let of = |source| {
            let all = || self.tables.iter().rev().filter(move |table| table.source == source);
            all().find(|table| !lone(table)).or_else(|| all().next())
        };
        of(Source::Nodes)
            .or_else(|| of(Source::File))
            .or_else(|| of(Source::Check))
            .or_else(|| of(Source::Shards))
            .or_else(|| of(Source::Slots))
    }

    /// All rows of all tables.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.tables.iter().flat_map(|table| &table.rows)
    }

    /// All rows of tables that servers wrote.
    pub fn server_rows(&self) -> impl Iterator<Item = &Row> {
        let served = self.tables.iter().filter(|table| table.source != Source::Check);
        served.flat_map(|table| &table.rows)
    }

    /// Rows flagged `fail` or `fail?`, of all tables, each id once.
    pub fn failing(&self) -> Vec<&Row> {
        let mut found: Vec<&Row> = Vec::new();
        for row in self.server_rows().filter(|row| row.is_failing()) {
            if !found.iter().any(|other| other.id == row.id) {
                found.push(row);
            }
        }
        found
    }

    /// Primaries of the main table that own slots.
    pub fn owners(&self) -> Vec<&Row> {
        let rows = self.table().map(|table| table.rows.as_slice()).unwrap_or_default();
        rows.iter().filter(|row| row.is_primary() && !row.slots.is_empty()).collect()
    }

    /// Slots that nobody owns in the main table; `None` unless it shows a part of them, and only
    /// when it is the whole table.
    pub fn unowned(&self) -> Option<SlotSet> {
        let table = self.table()?;
        let missing = table.assigned().complement();
        let whole = self.number("cluster_known_nodes").is_none_or(|known| {
            usize::try_from(known).is_ok_and(|known| known <= table.rows.len())
        });
        let whole = whole && !self.is_cut(table);
        (whole && !missing.is_empty() && missing.len() < SLOT_COUNT).then_some(missing)
    }

    /// Whether a command was sent to the client port of this host and answered with PONG.
    pub fn answered(&self, host: &str) -> bool {
        let asked = |line: &str| !host.is_empty() && line.contains(host) && line.contains("ping");
        self.lines.windows(2).any(|lines| match lines {
            [ask, answer] => asked(&ask.lower) && answer.text.trim().ends_with("PONG"),
            _ => false,
        })
    }

    /// Whether a line begins with the prompt of redis-cli: `host:port> `.
    pub fn has_prompt(&self) -> bool {
        let place = |head: &str| {
            let (host, port) = head.trim().rsplit_once(':')?;
            (!host.is_empty() && !host.contains(' ') && port.parse::<u16>().is_ok()).then_some(())
        };
        self.lines
            .iter()
            .any(|line| line.text.split_once("> ").is_some_and(|(head, _)| place(head).is_some()))
    }

    /// How often one and the same process lost the state ok, at most.
    pub fn flips(&self) -> usize {
        let mut by_source: BTreeMap<(usize, &str), usize> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.lower.contains("state changed: fail")) {
            *by_source.entry((line.paste, source(&line.text))).or_default() += 1;
        }
        by_source.into_values().max().unwrap_or(0)
    }

    /// Replicas whose primary is at an address that no pod has now.
    pub fn stale_roles(&self) -> Vec<&ReplicaRole> {
        let listed = !self.pod_ips.is_empty() && !self.some_pods;
        let gone = |host: &str| listed && !self.pod_ips.contains(host);
        self.roles.iter().filter(|role| gone(&role.host)).collect()
    }

    /// Rows of servers whose address no pod has now.
    pub fn stale_rows(&self) -> Vec<&Row> {
        let mut found: Vec<&Row> = Vec::new();
        for row in self.server_rows() {
            // Who is linked to it dials the right address, whatever the list of pods leaves out.
            let told_now = self.tables.iter().any(|table| {
                table.source == Source::Nodes && table.rows.iter().any(|r| r.line == row.line)
            });
            let linked = row.linked == Some(true) && row.ping == 0 && !row.is_failing();
            let well = told_now && linked && !row.is_myself();
            // A list of some pods speaks of the one in which the question was asked only.
            let listed = !self.some_pods || (row.is_myself() && self.asked_in_a_listed_pod(row));
            let gone = !well
                && listed
                && !self.pod_ips.is_empty()
                && !row.address.ip.is_empty()
                && !self.pod_ips.contains(&row.address.ip);
            let known = found.iter().any(|o| o.id == row.id && o.address == row.address);
            if gone && !known {
                found.push(row);
            }
        }
        found
    }

    /// Whether a row was printed by a command in one of the pods of the list.
    fn asked_in_a_listed_pod(&self, row: &Row) -> bool {
        let before = self.lines.get(..row.line).unwrap_or_default();
        let exec = before.iter().rev().take(40).find(|line| line.lower.contains("exec "));
        exec.is_some_and(|line| self.pods.iter().any(|pod| line.text.contains(&pod.name)))
    }

    /// Whether the rows of a flag exist.
    pub fn flagged(&self, flag: Flag) -> Vec<&Row> {
        self.server_rows().filter(|row| row.flags.has(flag)).collect()
    }

    /// Whether every `CLUSTER INFO` says ok, and that all slots are served. The state stays ok when
    /// an owner of slots is without an address, so the tables have a say in it.
    pub fn serves_all(&self) -> bool {
        let all = self.number("cluster_slots_ok") == Some(u64::from(SLOT_COUNT));
        let served = self.failing().is_empty() && self.lost_owners().is_empty();
        all && self.says_ok() && !self.says_fail() && served
    }

    /// Owners of slots whose address is lost (noaddr), of all tables, each id once.
    pub fn lost_owners(&self) -> Vec<&Row> {
        let mut found: Vec<&Row> = Vec::new();
        let lost = |row: &&Row| row.flags.has(Flag::NoAddress) && row.is_primary();
        for row in self.server_rows().filter(lost).filter(|row| !row.slots.is_empty()) {
            if !found.iter().any(|other| other.id == row.id) {
                found.push(row);
            }
        }
        found
    }

    /// The first version of a server that the text names, as major and minor.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.named_version()?.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
        Some((major, minor.parse().ok()?))
    }

    /// The same with its patch level, if that is named.
    pub fn release(&self) -> Option<Version> {
        self.named_version().and_then(whole)
    }

    /// What stands behind the name of a server's version, in small letters.
    fn named_version(&self) -> Option<&str> {
        let marks = [
            "valkey_version:",
            "redis_version:",
            "redis version=",
            "redis version ",
            "valkey version=",
            "redis server v=",
            "valkey server v=",
            "redis:",
            "valkey:",
            "redis-cluster:",
        ];
        marks.iter().find_map(|mark| {
            self.lines.iter().find_map(|line| {
                let (head, rest) = line.lower.split_once(mark)?;
                // `spring-data-redis:2.7.3` is a library.
                let named = !head.ends_with('-') && starts_with_version(rest);
                named.then(|| rest.trim_start_matches('v'))
            })
        })
    }

    /// Client libraries and frameworks that the text names.
    pub fn client(&self) -> Option<&'static str> {
        const CLIENTS: [(&str, &[&str]); 18] = [
            (
                "redis-rb",
                &[
                    "redis::commanderror",
                    "redis-cluster-client",
                    "redis-rb",
                    "initialsetuperror",
                    "nodemightbedown",
                ],
            ),
            (
                "ioredis",
                &[
                    "ioredis",
                    "clusterallfailederror",
                    "new redis.cluster(",
                    "failed to refresh slots cache",
                ],
            ),
            ("Redisson", &["redisson", "cluster.clusterconnectionmanager"]),
            ("Lettuce", &["lettuce", "redisclusterclient"]),
            ("Jedis", &["jedis"]),
            (
                "phpredis",
                &["phpredis", "new rediscluster(", "new \\rediscluster(", "map cluster keyspace"],
            ),
            (
                "redis-py",
                &[
                    "redis.exceptions",
                    "rediscluster(",
                    "redis-py",
                    "redis/cluster.py",
                    "rediscluster.exc",
                ],
            ),
            (
                "go-redis",
                &["go-redis", "clusterclient", "redis: cannot load cluster", "redis: dial tcp"],
            ),
            ("StackExchange.Redis", &["stackexchange.redis", "redisconnectionexception: no conn"]),
            ("phpredis", &["redisclusterexception", "phpredis"]),
            ("Predis", &["predis"]),
            ("redis-rs", &["redis-rs", "rediserror", "redis::cluster", "cluster_async"]),
            ("rueidis", &["rueidis"]),
            ("node-redis", &["rootnodesunavailable", "@redis/client", "node-redis", "rootnodes"]),
            ("hiredis-cluster", &["hiredis"]),
            ("redis-plus-plus", &["sw::redis"]),
            (
                "a desktop tool",
                &["redisinsight", "redis insight", "desktopmanager", "anotherredis"],
            ),
            ("Vert.x", &["io.vertx", "vertx-redis"]),
        ];
        let named = PACKAGES.iter().chain(&CLIENTS).find(|(_, marks)| self.has(marks));
        named.map(|(name, _)| *name)
    }
}

fn starts_with_version(text: &str) -> bool {
    let mut parts = text.trim_start_matches('v').split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| part.chars().next().is_some_and(|c| c.is_ascii_digit()))
    };
    number(parts.next()) && number(parts.next())
}
