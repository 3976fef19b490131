//! Causes that only a line of a server, a tool or a service names.

use super::looks;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::model::Flag;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "REPLICATION_STREAM_REFUSED",
        title: "Primary and replica do not understand each other's stream",
        side: Side::Cluster,
        when: |_| None,
        cause: "A replica met a command of its primary's stream that it cannot carry out (or the \
            two lost their place in it), so its copy may differ from then on. Reasons: different \
            versions, modules or renamed commands; a writable replica; a protocol fault such as \
            'too big inline request' or 'Desync', which Redis 6.2.11 to 7.0 and their descendants \
            show under load when a replica with many gigabytes starts.",
        check: "The command in the line, and redis_version, modules and rename-command on both \
            sides.",
        fix: &[
            "Bring both sides to the same, newest patch release, with the same modules and names \
             of commands.",
            "Then let the replica copy anew (restart it; it syncs by itself). Not before its \
             primary is known to be sound, and never both at once.",
            "With 'inline' or 'Desync' under load: let it sync when few writes come, with \
             repl-diskless-sync yes and a client-output-buffer-limit for replicas that is large \
             enough.",
        ],
        never: &["Do not promote this replica: its data may differ."],
        like: &["FULL_SYNC_LOOP", "MIXED_VERSIONS", "RDB_VERSION_INCOMPATIBLE"],
    },
    Cause {
        code: "BUS_LINK_BROKEN",
        title: "Connections between the nodes' bus ports break",
        side: Side::Network,
        when: |_| None,
        cause: "A node's link to a peer was closed or reset; it is dialled again at once. A line now \
            and then goes with a restart of the peer and is nothing. Many of them: the peer stalls \
            or is restarted, it rejects packets (another version, TLS on one side), or a firewall \
            or mesh cuts connections.",
        check: "The log of the peer at the same second: is it starting, rejecting packets \
            ('received invalid packet', TLS errors), or silent?",
        fix: &[
            "Act on what the peer's log says; nothing is wrong with slots.",
            "With a mesh or firewall between: exempt the bus ports (client port + 10000).",
        ],
        never: &["Do not FORGET or reset a peer for it."],
        like: &["BUS_PORT_BLOCKED", "TLS_BUS_MISMATCH", "K8S_SIDECAR_MESH"],
    },
    Cause {
        code: "MEMBERSHIP_DIFFERS",
        title: "The nodes do not all know the same members",
        side: Side::Cluster,
        when: looks::members_differ,
        cause: "A message came from, or was about, a node that is not in this node's table: it was \
            forgotten on some nodes only, it was met on one side only, or it belongs to another \
            cluster. Its vote does not count here, so failures may not be agreed on.",
        check: "CLUSTER NODES of every node, side by side: which ids are on some lists only, and is \
            that process meant to be a member?",
        fix: &[
            "It is a member: CLUSTER MEET <its ip> <port> from the node that does not know it.",
            "It was removed: stop that process, then CLUSTER FORGET <id> on all nodes within a \
             minute.",
        ],
        never: &["Do not FORGET a node that owns slots."],
        like: &["FORGOTTEN_NODE_REINTRODUCES_ITSELF", "CLUSTERS_MERGED"],
    },
    Cause {
        code: "SETSLOT_ON_REPLICA",
        title: "SETSLOT was sent to a replica; only primaries take it",
        side: Side::Command,
        when: on_a_replica,
        cause: "CLUSTER SETSLOT is refused by a replica[[: <<me>> is one (myself,slave)]]. It is \
            sent to the primary that owns the slot and to the one that is to own it; replicas \
            learn it by themselves. The refusal changed nothing.",
        check: "CLUSTER NODES there: the row with 'myself' says slave.",
        fix: &[
            "See who owns the slot in CLUSTER NODES, and who has its keys (CLUSTER \
             COUNTKEYSINSLOT on both primaries).",
            "To move it: redis-cli --cluster reshard for that one slot, from its owner.",
        ],
        never: &["Do not turn the replica into a primary to be able to send it there."],
        like: &["RESHARD_SOURCE_BECAME_REPLICA", "SLOT_BUSY_OR_LOCAL_COMMAND"],
    },
    Cause {
        code: "MANAGED_SERVICE_FORBIDS_COMMAND",
        title: "This CLUSTER subcommand is not offered here (a managed service, or an old server)",
        side: Side::Command,
        when: forbidden_by_service,
        cause: "Managed services (ElastiCache, MemoryDB, Azure, Memorystore) keep the topology to \
            themselves: CLUSTER MEET, FORGET, REPLICATE, SETSLOT, ADDSLOTS, FAILOVER and CONFIG \
            are refused or unknown, so redis-cli --cluster create, reshard, rebalance, add-node \
            and del-node cannot work there; the arguments were right. A server that is older \
            than the subcommand answers the same.",
        check: "Is the endpoint that of a service ([[<<service>>]])? If not: redis_version, and \
            CLUSTER HELP on that server.",
        fix: &[
            "Change shards, slots and replicas by the service's own means (its console or API; \
             ElastiCache: online resharding, modify-replication-group-shard-configuration; it \
             moves the slots itself).",
            "If a move was broken off half way: look with --cluster check, and let the service's \
             resharding (or its support) finish it.",
        ],
        never: &["Do not try the tool's repair mode there: it uses the same commands."],
        like: &["COMMAND_RENAMED_OR_DISABLED", "CLI_TOO_OLD_FOR_CLUSTER"],
    },
    Cause {
        code: "UNREACHABLE_AT_TIMES",
        title: "A node does not answer in time now and then; its address is right",
        side: Side::Client,
        when: at_times,
        cause: "The error comes now and then, and most of the time the same client reaches the same \
            address: so the address, the password and TLS are right, and the cluster is not to be \
            changed. The node stands still for a moment (a slow command, a save or fork, a slow \
            disk under the AOF, CPU limits), the network loses packets, or the client's own \
            threads are busy.",
        check: "At the time of an error: SLOWLOG GET, LATENCY LATEST (latency-monitor-threshold \
            100), INFO stats latest_fork_usec and instantaneous_ops_per_sec on that node; CPU \
            throttling of its container; and the client's thread pool and garbage collection.",
        fix: &[
            "Remove what the check shows: split slow commands and big keys, leave CPU without \
             throttling, saves on replicas only.",
            "In the client: connect and command timeouts above the stalls, retries with backoff, a \
             pool or multiplexer that is kept.",
        ],
        never: &["Do not change announced addresses for it: they work most of the time."],
        like: &["NODE_HUNG", "CLIENT_TIMEOUT", "IDLE_CONNECTION_CUT"],
    },
    Cause {
        code: "SHARDS_REPLY_INCOMPLETE",
        title: "CLUSTER SHARDS leaves out slots that the cluster serves",
        side: Side::Cluster,
        when: shards_without_slots,
        cause: "A shard in CLUSTER SHARDS has no slots, while CLUSTER INFO says that all 16384 are \
            assigned and served[[ (state <<state>>)]]. That is a fault of the reply in 7.0 to 7.2 \
            (Redis and Valkey): it takes the slots of a shard from the first node of its list, and \
            when that one failed (or is a replica) the list is empty. The table of the cluster is \
            right.",
        check: "CLUSTER SLOTS or CLUSTER NODES of the same node: they show the slots' owner.",
        fix: &[
            "Read CLUSTER SLOTS or CLUSTER NODES instead, in tools and clients.",
            "Upgrade (Valkey 8.0 and later have it mended); and bring the failed node of that \
             shard back.",
        ],
        never: &["Do not assign the slots: they have an owner."],
        like: &["SHARD_ID_DIVERGED", "SHARD_DOWN"],
    },
];

/// `SETSLOT` was refused, and the table beside it shows that a replica was asked.
fn on_a_replica(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(84, &["please use setslot only with masters"])?;
    let moving = ["moving slot", "slots from", "reshard", "rebalance", "--cluster-from"];
    let me = seen.rows().find(|row| row.is_myself() && row.flags.has(Flag::Replica));
    Some(
        hit.more_if(10, me.is_some())
            .less_if(24, me.is_none() && seen.has(&moving))
            .quotes(me.map(|row| row.line))
            .fact_if("me", me.map(|row| row.place())),
    )
}

/// Names of services.
const SERVICES: [&str; 6] =
    ["amazonaws.com", "elasticache", "memorydb", "cache.windows.net", "memorystore", "azure cache"];

/// A subcommand is refused at a service's endpoint.
fn forbidden_by_service(seen: &Seen) -> Option<Hit> {
    let refused = [
        "wrong cluster subcommand or number of arguments",
        "unknown cluster subcommand",
        "unknown subcommand 'setslot'",
        "unknown subcommand 'meet'",
        "unknown subcommand 'forget'",
        "unknown subcommand 'replicate'",
        "unknown subcommand 'failover'",
        "unknown command 'config'",
        "unknown command `config`",
        "unknown command 'migrate'",
        "unknown command 'slaveof'",
        "beginning with: 'meet'",
        "beginning with: 'forget'",
        "beginning with: 'replicate'",
        "beginning with: 'setslot'",
        "beginning with: 'addslots'",
        "beginning with: 'failover'",
        "beginning with: 'reset'",
    ];
    let hit = seen.says(74, &refused)?;
    let service = seen.lines_with(&SERVICES).into_iter().next();
    let config = seen.lines.iter().any(|line| line.lower.contains("unknown command"));
    if config && service.is_none() {
        return None;
    }
    let name = SERVICES.iter().find(|name| seen.has(&[name]));
    Some(
        hit.more_if(16, service.is_some())
            .quotes(service)
            .fact_if("service", name.map(|n| (*n).to_owned())),
    )
}

/// Slots are missing in a shard of a node that failed, and another one has them.
fn taken_over(seen: &Seen) -> Option<Hit> {
    let asked = *seen.lines_with(&["empty array", "(empty list"]).first()?;
    let table = seen.table()?;
    let lost = |row: &&Row| row.is_primary() && row.is_failing() && row.slots.is_empty();
    let old = table.rows.iter().find(lost)?;
    let whole = table.assigned().complement().is_empty();
    let heir = table.rows.iter().filter(|row| row.is_primary() && !row.is_failing());
    let heir = heir.max_by_key(|row| row.epoch)?;
    let bare = table.rows.iter().all(|row| row.primary.as_ref() != Some(&heir.id));
    let shards = seen.has(&["cluster shards"]);
    (shards && whole).then(|| {
        let hit = Hit::of(80).quote(asked).quote(old.line).quote(heir.line).note(format!(
            "Here it is even right: {} is down and owns no slot any more, since its replica took \
             them over (the highest epoch is that of {}); every slot has a living owner.",
            old.place(),
            heir.place()
        ));
        let hit = hit.step(format!(
            "Start {} again with its own files: it comes back as a replica. If it is gone for good, \
             CLUSTER FORGET its id on every remaining node within a minute.",
            old.place()
        ));
        match bare {
            true => hit.note(format!("{} has no replica until then.", heir.place())),
            false => hit,
        }
        .only_these_steps()
    })
}

/// A shard without slots beside a cluster that is whole.
fn shards_without_slots(seen: &Seen) -> Option<Hit> {
    if let Some(hit) = taken_over(seen) {
        return Some(hit);
    }
    let shards = seen.has(&["cluster shards", "\"slots\"", "1) slots"]);
    let empty = seen.lines_with(&["(empty array)", "(empty list or set)", "(empty list)"]);
    let whole = seen.number("cluster_slots_assigned") == Some(16_384) && seen.says_ok();
    let first = empty.first().filter(|_| shards && whole && seen.has(&["\"health\"", "health"]))?;
    Some(
        Hit::of(90)
            .quote(*first)
            .quotes(seen.field_line("cluster_slots_assigned"))
            .fact_if("state", seen.field("cluster_state").map(str::to_owned)),
    )
}

/// How people say that something happens now and then.
const AT_TIMES: [&str; 16] = [
    "once or twice",
    "sometimes",
    "occasional",
    "intermittent",
    "sporadic",
    "from time to time",
    "now and then",
    "a week",
    "per week",
    "per day",
    "times a day",
    "randomly",
    "every few hours",
    "every few days",
    "once in a while",
    "at random",
];

/// What clients say when an address does not answer in time.
const LATE: [&str; 8] = [
    "not reachable at this point",
    "timed out",
    "timeout",
    "i/o timeout",
    "no connection is available",
    "no connection is active",
    "unable to connect",
    "connection reset",
];

/// A client fails at times, and nothing says that a server is down.
fn at_times(seen: &Seen) -> Option<Hit> {
    let often = seen.lines_with(&AT_TIMES).into_iter().next()?;
    let late = seen.lines_with(&LATE).into_iter().next()?;
    let client = seen.client().is_some() || seen.has(&["exception", "error"]);
    let well = !seen.says_fail() && seen.failing().is_empty() && !seen.has(&["clusterdown"]);
    // Where the table lists that very address as linked, it is the right one.
    let text = seen.lines.get(late).map_or("", |line| line.text.as_str());
    let listed = seen.server_rows().any(|row| {
        !row.address.ip.is_empty() && text.contains(&row.place()) && row.linked != Some(false)
    });
    (client && well && seen.log_lines == 0)
        .then(|| Hit::of(66).more_if(16, listed).quote(late).quote(often))
}
