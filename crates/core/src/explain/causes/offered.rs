//! Commands that a managed service does not offer: a limit of the service, which no setting of the
//! servers and no repair changes.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

use super::products;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "SERVICE_REFUSES_COMMAND",
    title: "The managed service does not offer a command that a program sends",
    side: Side::Client,
    when: refused,
    cause: "<<service>> answers[[ <<command>>]] as unknown or forbidden, because the service keeps \
        it for itself or does not offer it: nobody renamed it, no right is missing, and a repair \
        has no part in it. The servers are well as far as this message goes.",
    check: "The list of supported and restricted commands in the documentation of <<service>>; \
        redis-cli with the same command at the same endpoint gets the same answer.",
    fix: &[
        "If there is no way without the command: a form of the service that offers it (node-based \
         in place of serverless), or servers of your own.",
    ],
    never: &[
        "Do not look for rename-command or ACLs there: a managed service has its own limits.",
        "Do not repair, reshard or downgrade anything for it.",
    ],
    like: &["COMMAND_RENAMED_OR_DISABLED", "ACL_DENIES_CLUSTER_COMMANDS"],
}];

/// A service, by words of its endpoints and names; all of one group, one word of each.
struct Service {
    words: &'static [&'static [&'static str]],
    name: &'static str,
}

const AWS: &[&str] = &["amazonaws.com", "elasticache", "memorydb", "aws"];

static SERVICES: &[Service] = &[
    Service { words: &[&[".serverless.", "serverless"], AWS], name: "ElastiCache Serverless" },
    Service { words: &[&["memorydb"]], name: "MemoryDB" },
    Service { words: &[&["cache.amazonaws.com", "elasticache"]], name: "ElastiCache" },
    Service {
        words: &[&["redis.cache.windows.net", ".redis.azure.net", "redisenterprise.cache.azure"]],
        name: "Azure's managed Redis",
    },
    Service { words: &[&["memorystore", "redis.googleapis"]], name: "Memorystore" },
    Service { words: &[&["upstash.io", "upstash"]], name: "Upstash" },
    Service { words: &[&["redis-cloud.com", "redislabs.com", "rlrcp.com"]], name: "Redis Cloud" },
    Service { words: &[&["ondigitalocean.com"]], name: "DigitalOcean's managed database" },
    Service { words: &[&["aivencloud.com"]], name: "Aiven" },
    Service { words: &[&["rds.aliyuncs.com"]], name: "Alibaba Cloud's Tair" },
];

/// Commands, what they are for, and what to do without them.
struct Way {
    commands: &'static [&'static str],
    step: &'static str,
}

static WAYS: &[Way] = &[
    Way {
        commands: &["psubscribe", "punsubscribe", "pubsub"],
        step: "Without patterns: SUBSCRIBE to channels by their whole names, or sharded channels \
            (SSUBSCRIBE and SPUBLISH, servers of 7.0 and later), which serverless offers take.",
    },
    Way {
        commands: &["config"],
        step: "Settings go into the service's own place (parameter group, instance \
            configuration), and the program is told not to send CONFIG: Spring Session \
            configure-action none (ConfigureRedisAction.NO_OP), redis_exporter \
            --config-command=-, redis-py-cluster skip_full_coverage_check.",
    },
    Way {
        commands: &["save", "bgsave", "bgrewriteaof", "lastsave", "shutdown", "debug"],
        step: "Snapshots, restarts and failovers are made by the service's console or API.",
    },
    Way {
        commands: &["migrate", "slaveof", "replicaof", "sync", "psync", "replconf"],
        step: "Copy data by the service's import or migration, or with SCAN, DUMP and RESTORE \
            through clients; replication with servers outside is not offered.",
    },
    Way {
        commands: &["acl", "module", "function", "monitor", "keys", "flushall", "swapdb", "select"],
        step: "Use what the service has in its place (its own users and roles, its metrics and slow \
            log, SCAN in place of KEYS, one database).",
    },
];

/// These are asked about the mode, and another cause speaks of it.
const OF_THE_MODE: [&str; 5] = ["cluster", "hello", "sentinel", "asking", "client"];

/// The command of a refusal: its name stands in quotes behind one of these words.
fn command(lower: &str) -> Option<String> {
    let marks = [
        "unknown command",
        "unsupported command",
        "command not supported",
        "is not allowed to run the",
        "command is not allowed",
        "command is not available",
    ];
    let mark = marks.iter().find(|mark| lower.contains(**mark))?;
    let (before, after) = lower.split_once(mark)?;
    let word = |text: &str| {
        let text = text.trim_start_matches([' ', ':', '\'', '`', '"', '(']);
        let name: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
        (!name.is_empty()).then_some(name)
    };
    let last = before.split_whitespace().last().and_then(word);
    if mark.starts_with("command is") { last } else { word(after).or(last) }
}

fn service(seen: &Seen) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.words.iter().all(|group| seen.has(group)))
}

fn refused(seen: &Seen) -> Option<Hit> {
    let service = service(seen)?;
    let (at, command) = seen
        .lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| Some((at, command(&line.lower)?)))
        .filter(|(_, command)| !OF_THE_MODE.contains(&command.as_str()))?;
    let place = service.words.first().map(|group| seen.lines_with(group)).unwrap_or_default();
    let program =
        seen.client().is_some() || products::named(seen).is_some() || seen.has(&["spring"]);
    // Whose program sends it, and not the administrator's tool.
    let hit = Hit::of(if program { 94 } else { 84 })
        .quote(at)
        .quotes(place.into_iter().take(1))
        .fact("service", service.name)
        .fact("command", command.to_uppercase());
    let hit = match products::named(seen) {
        Some(product) => {
            hit.note(format!("It is {} that sends it.", product.name)).step(product.setting)
        }
        None => hit,
    };
    let way = WAYS.iter().find(|way| way.commands.contains(&command.as_str()));
    Some(match way {
        Some(way) => hit.step(way.step),
        None => hit,
    })
}
