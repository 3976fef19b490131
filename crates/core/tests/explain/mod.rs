//! `explain` over recorded evidence: the cause that is named, and that no advice does harm.

mod answer;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use slotwright_core::explain::{Explained, Explanation, Paste, explain};

fn testdata(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

fn paste(path: &Path, text: String) -> Paste {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    Paste { name, text }
}

/// The evidence of each incident, by the name of its folder.
fn incidents() -> Vec<(String, Explanation)> {
    let folders = files(&testdata("incidents"));
    let read = |folder: &PathBuf| {
        let pastes: Vec<Paste> = files(folder)
            .iter()
            .map(|path| paste(path, fs::read_to_string(path).expect("text")))
            .collect();
        (folder.file_name().expect("a name").to_string_lossy().into_owned(), explain(&pastes))
    };
    folders.iter().map(read).collect()
}

/// The answers to pastes that are told by a part of their name, with what they must say.
fn answers(
    expected: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str, Explained)> {
    let fixtures = fixtures();
    let answer = |(name, words): &(&'static str, &'static str)| {
        let (_, _, explanation) =
            fixtures.iter().find(|(path, ..)| path.contains(name)).expect("the fixture");
        (*name, *words, explanation.cause.clone().expect("a cause"))
    };
    expected.iter().map(answer).collect()
}

/// The first line of each paste names the expected code: `#expect CODE`.
fn fixtures() -> Vec<(String, String, Explanation)> {
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("text");
        let (first, rest) = text.split_once('\n').expect("two lines");
        let code = first.strip_prefix("#expect ").expect("an expected code").trim().to_owned();
        let name = path.display().to_string();
        (name, code, explain(&[paste(path, rest.to_owned())]))
    };
    files(&testdata("pastes")).iter().map(read).collect()
}

fn code(explanation: &Explanation) -> &str {
    explanation.cause.as_ref().map_or("-", |cause| cause.code.as_str())
}

#[test]
fn the_cause_of_each_incident_is_named() {
    let expected = [
        ("002", "ALL_ADDRESSES_STALE"),
        ("006", "NODES_CONF_MANGLED_BY_TEXT_REPLACE"),
        ("012", "NODE_IDENTITY_LOST"),
        ("018", "NODE_IP_QUESTION_MARK_BUG"),
        ("021", "NO_QUORUM_EMPTY_MASTERS_DONT_VOTE"),
        ("025", "UNASSIGNED_SLOTS_SHARD_FORGOTTEN"),
        ("029", "LEFTOVER_CLUSTER_STATE_ON_NODE"),
        ("036", "BUS_PORT_BLOCKED"),
        ("042", "CLI_WITHOUT_PASSWORD"),
        ("044", "TLS_BUS_CERT_VERIFY_FAILED"),
        ("053", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"),
        ("058", "CLIENT_TOO_OLD_FOR_REDIS7_SLOTS"),
        ("059", "CROSSSLOT_NO_HASH_TAG"),
        ("064", "FORGOTTEN_NODE_REINTRODUCES_ITSELF"),
    ];
    let seen = incidents();
    let wrong: Vec<String> = seen
        .iter()
        .filter(|(name, explanation)| {
            !expected.iter().any(|(id, want)| name.starts_with(id) && *want == code(explanation))
        })
        .map(|(name, explanation)| format!("{name}: {}", code(explanation)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), expected.len());
}

#[test]
fn each_paste_gives_its_cause() {
    let wrong: Vec<String> = fixtures()
        .iter()
        .filter(|(_, want, explanation)| want != code(explanation))
        .map(|(name, want, explanation)| format!("{name}: {want}, not {}", code(explanation)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Words that no step of a fix may hold: each loses data, identity or protection.
const HARMFUL: [&str; 16] = [
    "flushall",
    "flushdb",
    "reset hard",
    "--cluster fix",
    "--cluster create",
    "delete the pvc",
    "delete the volume",
    "wipe",
    "rm -",
    "protected-mode no",
    "requirepass \"\"",
    "tls-cluster no",
    "rejectunauthorized",
    "delslots",
    "nogroup",
    "delete nodes.conf",
];

#[test]
fn no_step_of_any_fix_is_harmful() {
    let all = incidents().into_iter().chain(fixtures().into_iter().map(|(n, _, e)| (n, e)));
    for (name, explanation) in all {
        let Some(cause) = explanation.cause else { continue };
        for step in cause.fix.iter().chain([&cause.check]) {
            let lower = step.to_lowercase();
            let harm = HARMFUL.iter().find(|word| lower.contains(**word));
            assert_eq!(harm, None, "{name} ({}): {step}", cause.code);
        }
        assert!(!cause.fix.is_empty() && !cause.never.is_empty(), "{name}");
    }
}

#[test]
fn the_texts_carry_figures_of_the_paste_and_no_marks_of_the_template() {
    for (name, explanation) in incidents() {
        let cause = explanation.cause.as_ref().expect("a cause");
        let text = format!("{explanation:?}");
        assert!(!text.contains("<<") && !text.contains("[["), "{name}: {text}");
        assert!(!cause.quotes.is_empty(), "{name}");
    }
}

/// What an answer must say of the very paste, by the name of the fixture.
const SAYS: &[(&str, &str)] = &[
    ("own9-led-to-a-dead-owner", "redirected there for slot 11999"),
    ("own9-led-to-a-dead-owner", "10.2.9.4:7004 is flagged fail? and still owns 4096 slots"),
    ("own9-conf-torn-at-vars", "the beginning of the last one ('vars currentEpoch ...')"),
    ("own9-conf-torn-at-vars", "as 6.2 may: before 7.2 it is written in place"),
    ("own9-conf-torn-at-vars", "No row that was pasted of it says myself"),
    (
        "pub8-cut-off-above",
        "614.4 MB waited for it (omem=644245094), above the soft limit of 512.0",
    ),
    ("pub8-cut-off-above", "no copy was under way"),
    ("pub8-sentinel-switches-twice", "2 times (+switch-master, at last to 10.7.7.3:6379)"),
    (
        "pub8-names-of-removed-shards",
        "kv-0005-001 and kv-0006-001: no start node, but names of single",
    ),
    ("pub8-one-name-for-two-nodes", "10.0.8.11:6379 and 10.0.8.87:6379, stand under one name"),
    ("pub8-a-command-above-the-timeout", "SUNIONSTORE took 41.7 s"),
    ("pub8-one-port-on-the-hosts", "-p and ports: have no effect"),
    ("pub8-answers-inside-only", "does not listen at 10.15.0.11"),
    ("pub8-client-at-the-dead-one", "The client still goes to 10.61.4.21:7001"),
    ("pub8-waits-for-a-lost-machine", "sends neither FIN nor RST"),
    ("pub8-heir-not-in-the-clients-list", "10.77.0.34:6380 has the highest config epoch"),
    ("pub8-library-refuses-by-old-roles", "This exception is made in the client"),
    ("pub8-dials-what-was-killed", "6402 is what was stopped"),
    ("pub8-back-before-the-timeout", "away for 3 s"),
    ("pub8-tries-used-up-at-once", "(here 8000 ms)"),
    ("pub8-gives-up-in-a-planned-switch", "promoted within a second"),
    (
        "pub8-setslot-refused-by-the-source",
        "SETSLOT 777 NODE was sent though the move was not over",
    ),
    ("pub8-handshake-ids-change", "10.8.8.40:7000: only in handshake here"),
    ("pub8-too-old-by-a-late", "15000 ms × 10 + 10 s = 160 s"),
    ("pub8-too-old-by-a-late", "agreed on only 164 s after"),
    ("pub8-epoch-of-a-replica-differs", "a replica has none that counts"),
    ("pub8-a-share-stalls-the-server", "cleared 17 s later"),
    ("pub8-prompt-of-a-container", "172.19.0.9 now, and 172.19.0.4 is dialled"),
    ("pub8-one-sentinel-is-left", "10.3.3.1:26379 is down as well"),
    ("pub8-won-at-the-second-attempt", "with 20000 ms that is 40 s and 80 s"),
    ("pub8-won-at-the-second-attempt", "only 3 s after it had denied"),
    ("pub8-hole-in-the-clients-map", "slot 4890 has a living owner"),
    ("pub8-replica-keeps-lost-slots", "these 21000 keys"),
    ("pub8-newcomer-at-the-dead-place", "its replica 10.33.1.8:6379"),
    ("pub8-old-owner-and-a-new-pod", "10.50.3.8:6379 still owns 5461-10922"),
    ("pub8-importing-and-uncovered", "most likely has NO owner"),
    ("pub8-ids-longer-and-shorter", "the table that the server itself holds"),
    ("pub8-listens-at-both", "listens at 10.70.0.1 and at 127.0.0.1"),
    ("pub8-scaled-below-three", "knows only itself and owns no slot"),
    ("pub4-pods-swapped-addresses", "the owner of 5461-10922, at 10.232.3.8:16379"),
    ("pub4-promoted-for-itself", "gives them to the dead 192.168.56.51:7000"),
    ("pub4-importing-only", "10.42.1.13:6379 has 12, 13 and 14 marked importing"),
    ("pub4-importing-twice", "countkeysinslot 5461"),
    ("pub4-goredis-private-of-public", "ANNOUNCE: 172.16.0.12"),
    ("pub4-ioredis-from-docker-host", "ANNOUNCE: 172.17.0.2"),
    ("pub4-noderedis-enetunreach", "ANNOUNCE: 172.30.0.2"),
    ("pub4-same-dead-pod-again", "Every try went to 10.244.7.123"),
    ("pub4-copy-after-copy", "(here 1048576 bytes)"),
    ("pub4-announces-bus-port", "the bus port of 6379"),
    ("pub4-scaled-in-and-back", "CLUSTER RESET on this node alone"),
    ("pub4-old-primary-stays-primary", "It came back after 10.8.3.8:6379 had taken its slots"),
    ("pub4-creator-exits", "slots_assigned 0"),
    ("pub5-check-cannot-connect.txt", "10.20.0.13:6379 is down or not to be reached"),
    ("pub5-check-cannot-connect-end", "10.20.0.16:6379 follows a primary that the check did not"),
    ("pub5-check-and-table-fail", "10.20.0.13:6379 is flagged fail and still owns 5461 slots"),
    ("pub5-claims-of-two-epochs", "10.0.0.1:6379 has 12, 10.0.0.2:6379 has 9"),
    ("pub5-claims-of-one-epoch", "Both have the config epoch 12"),
    ("pub5-own-rows-claim-twice", "Each of these rows is what a node says of itself"),
    ("pub5-picked-rows-of-many-views", "one node gives 0-5460 to 127.0.0.1:7003, another to"),
    ("pub5-ioredis-too-many-redirections", "it asks another one, which answers MOVED again"),
    ("pub5-ioredis-redirections-clusterdown", "nobody redirected"),
    ("pub5-jedis-attempts-connect", "What failed here are connections and not redirects"),
    ("pub5-redisson-redirection-loop", "the node that MOVED names answers MOVED itself"),
    ("pub5-spring-redirect-slot", "spring.data.redis.cluster.nodes"),
    ("pub5-jedis-ask", "JedisCluster does"),
    ("pub5-ioredis-startup-nodes", "the list of nodes has run empty"),
    ("pub5-ioredis-max-retries", "speaks of the connection, not of a slow command"),
    ("pub5-bullmq-crossslot", "(prefix: '{myqueue}')"),
    ("pub7-noderedis-closed-and-servers-well", "The servers say cluster_state:ok"),
    ("pub7-pool-above-maxclients", "open 20000 connections to one node"),
    ("pub7-ratio-of-an-empty-server", "mem_fragmentation_ratio:8.73 means nothing here"),
    ("pub7-offsets-read-at-two-moments", "252 bytes apart"),
    ("pub7-replica-holds-more-memory", "1201133 and 1201140 keys"),
    ("pub7-map-is-most-of-the-time", "called 8821300 times"),
    ("pub7-slots-of-a-failed-one-are-taken", "the highest epoch is that of 10.9.0.4:6379"),
    ("pub6-replica-dials-no-node-of-the-table", "dials 192.168.141.23, which is the address of no"),
    ("pub6-create-stopped-before-the-join", "It has 5461 slots of its own"),
    ("pub6-upgrade-to-empty-volumes", "starts the pods on new, empty volumes"),
    ("pub6-ioredis-no-slot-held", "its list of slots is empty"),
    ("pub6-create-with-cluster-port", "on 7379 (cluster-port), and their peers dial 16379"),
    ("pub6-id-at-two-places-by-turns", "10.240.11.4:6379 and 10.240.11.5:6379"),
    ("pub6-goredis-empty-host", "dials ':port' without a host"),
    ("pub6-open-slot-of-nobody", "Slot 12927 has no owner in this listing"),
    ("pub6-migrate-keys-syntax", "exists since server 3.0.6"),
    ("pub6-phpredis-numbers-among-seeds", "the timeouts stand inside the array"),
    ("pub6-redispy-hole-during-move", "slot 4718 has an owner all the time"),
    ("pub6-map-with-port-zero", "empty host and port 0"),
    (
        "pub6-met-on-one-side",
        "10.77.1.10:7000 lists 10.77.1.12:7002 and 10.77.1.12:7002 lists nobody",
    ),
    ("pub6-forget-missed-the-stopped-one", "it is THAT node's table"),
    ("pub6-bull-plain-on-managed", "slot 4913 is served by dev-cache-0002-001"),
    ("pub6-bullmq-loopback-and-check", "ANNOUNCE: 192.176.0.2, 192.176.0.3 and 192.176.0.4"),
    ("pub6-jedis-made-before-servers", "made while none of them answered"),
    (
        "pub6-container-got-another-ip",
        "The interface has 172.17.0.8 now, and 172.17.0.7 is dialled",
    ),
    ("pub6-alone-under-a-new-id", "The node at 172.18.0.2:7001 was"),
    ("pub6-announce-ip-is-checked", "refuses to start with it"),
    ("pub6-announced-short-name", "redis-cluster-leader-0 is a short name without a domain"),
    ("pub6-added-twice-by-a-job", "10.42.56.6:6379 is a member of this cluster"),
    ("pub6-operator-add-uncovered", "5461 slots (0-5460) have no owner"),
    ("pub6-lettuce-node-connection", "getConnection(nodeId) of Lettuce"),
    ("pub6-came-back-as-extra-primary", "10.42.1.25:6379 took over"),
    ("pub6-ioredis-one-endpoint-dropped", "MOVED sends it to the very same place"),
    ("pub6-redirect-to-a-name-refused", "not to resolve names in a redirect"),
    ("pub6-calls-itself-by-the-vip", "answers at 10.216.4.15 calls itself 10.216.99.7"),
    ("pub6-check-and-two-views", "one table gives 10922 to 172.29.88.118:7000"),
    ("pub6-typeorm-plain-cache", "type 'ioredis/cluster'"),
    ("pub6-ser-from-docker-host", "ANNOUNCE: 173.17.0.3 and 173.17.0.4"),
    ("pub6-asks-the-removed-one", "another node (10.8.0.22) has all 16384 (state ok)"),
    ("pub6-added-by-nobody", "it was started and never added"),
    ("pub6-tryagain-one-view", "stands only in that node's own CLUSTER NODES"),
    ("pub6-sentinel-beside-tls-cluster", "What speaks plainly here is Sentinel"),
    ("pub6-storm-worker-loopback", "The start node is 127.0.0.1 (localhost)"),
    ("pub6-tool-user-without-password", "--user without a password"),
    ("pub6-rubygem-one-sample", "Raise the sample to 3 or more"),
    ("pub6-predis-text-for-list", "A LIST is wanted"),
    ("pub6-laravel-default-hides-cluster", "'redis.default' has the same name"),
    ("pub6-predis-scheme-tcp", "the client dials with scheme tcp"),
    ("pub6-shard-with-both-down", "172.23.1.91:7003, flagged fail as well"),
    ("pub6-two-failovers-meet", "Two requests for the same failover meet"),
    ("pub6-noderedis-root-only-tls", "uses what stands in rootNodes for the first question"),
    ("pub6-operator-table-in-json", "The entry of 10.249.71.58:6379"),
    ("pub6-announces-all-zeros", "The nodes announce 0.0.0.0"),
    ("pub6-all-peers-lost-with-names", "does not show which addresses they have now"),
    ("pub6-tls-asked-of-plain-container", "the client asks for TLS"),
    ("pub6-created-by-script-on-loopback", "(127.0.0.1:30001, 127.0.0.1:30002 and"),
    ("pub6-policy-between-pods", "IS the present address of redis-cluster-2"),
    ("pub6-map-behind-private-link", "one front for one target"),
    ("pub6-down-during-failover", "so nothing is broken"),
    ("pub6-waits-for-names-of-pods", "podManagementPolicy Parallel"),
    ("pub6-queue-with-scale-reads", "scaleReads: 'master'"),
    ("pub6-firewall-list-without-bus", "nothing in it opens 16380 = 6380 + 10000"),
    ("pub6-one-node-never-met", "owns all 16384 slots, so nothing is missing"),
    ("pub6-announce-ip-with-port", "takes an IP only; here a port hangs on it"),
    ("pub6-pipeline-of-one-tag", "the owner of the slot of 'order'"),
    ("pub6-spring-jedis-pipeline", "no pipeline over Jedis in cluster mode"),
    ("pub6-pods-of-two-families", "Settle on one family"),
    ("pub6-reset-took-the-slots", "AND give up its slots"),
    ("pub6-create-with-loopback", "names 127.0.0.1:7000 beside 10.68.0.13:7000"),
    ("pub6-member-met-again", "10.57.1.7:6379 has two rows"),
    ("pub6-jedis-from-docker-host", "ANNOUNCE: 172.17.0.2"),
    ("pub6-operator-follower-has-the-copy", "may hold the only copy"),
    ("pub6-call-reaches-replicas", "the replicas (10.22.9.5:6379, 10.22.9.6:6379, "),
    ("seen12-lettuce-old-pods", "172.21.6.40 and 172.21.8.19 are in no current row"),
    ("seen12-goredis-not-in-dig", "10.47.12.201 is not among the addresses"),
    ("seen12-lettuce-from-outside", "(192.168.70.21:8101), asks for the map"),
    ("seen12-docker-ps-other-ports", "on the host these are 32801, 32802 and 32803"),
    ("seen12-compose-other-ports", "on the host these are 27100, 27101 and 27102"),
    ("seen12-every-peer-at-old-address", "gossip cannot heal it"),
    ("seen12-redisson-session-rename", "The command is RENAME: it takes two keys"),
    ("seen13-redisrs-moved-loopback", "names 127.0.0.1:7002, while the client dials 198.51.100.7"),
    ("seen13-redispy-movederror", "for slot 12182 names 127.0.0.1:7002"),
    ("seen13-redisrs-moved-inside", "ANNOUNCE: 172.31.9.14"),
    ("seen13-redisrs-moved-plain", "slot 9189 is served by 10.3.0.5:7002"),
    ("seen13-rustis-moved", "slot 3999 is served by 10.4.0.7:6381"),
    ("seen13-serverless-no-patterns", "ElastiCache Serverless answers PSUBSCRIBE"),
    ("seen13-memorystore-config", "ConfigureRedisAction.NO_OP"),
    ("seen13-patterns-unknown-nowhere", "Which endpoint does the client dial?"),
    ("seen13-horizon-eval", "Laravel Horizon sent it"),
    ("seen13-exporter-key-moved", "Only that figure is missing"),
    ("seen13-ioredis-pipelines-at-replicas", "hash tags mend nothing"),
    ("seen13-replica-volume-removed", "cache-follower-1 (10.71.8.44) is a new node"),
    ("seen13-replica-volume-removed", "10.71.2.10:6379, which has no replica until then"),
    ("seen13-own-address-is-a-variable", "calls itself '$(MY_POD_IP)'"),
    ("seen13-import-of-slots-refused", "the slots stay with the source"),
    ("seen13-few-slots-typed", "The commands here name 6 slots in all"),
    ("seen13-two-owners-one-dead", "Its replicas (10.30.0.2:7001) have the data"),
    ("seen13-replicas-uneven", "10.61.1.10:6379 has 3"),
    ("seen13-fixed-server-name", "A fixed server name in the client's TLS options"),
    ("seen13-another-nodes-certificate", "is for kv-2.corp.example"),
    ("seen13-aof-rewrite-denied", "no command is refused. The file (here 3110%"),
    ("seen13-lettuce-same-id-old-address", "Lettuce before 6.1.6 (here 6.1.4)"),
    ("seen13-import-meets-a-key", "no slot moves and none is open"),
    ("seen13-binary-keys-and-tool", "(here 5.0.14)"),
    ("seen13-save-denied", "The last save or AOF write failed, and"),
    ("seen13-unknown-primary-alone", "leave the replica as it is"),
    ("seen13-owner-volume-recreated", "reclaim policy Retain"),
    ("seen13-name-not-in-certificate", "Two things lead there"),
    ("srv1-job-refused-open-slot", "exclude each other"),
    ("srv1-job-at-the-wrong-end", "does not own these slots"),
    ("srv1-job-buffer-overrun", "closed the job's connection"),
    ("srv1-one-huge-write", "the PARTIAL resync is accepted each time"),
    ("srv1-buffers-evict-keys", "mem_clients_normal is 5.5 GB of maxmemory 8.0 GB"),
    ("srv1-import-from-old-server", "has no field cluster_enabled"),
    ("srv2-failover-at-offset-zero", "replication offset is 0"),
    ("srv2-replica-since-start", "2 of 3 owners of slots are up"),
    ("srv2-former-primary-stays", "its log says that 10.44.0.2:6379 has the slots"),
    ("srv2-setslot-missed-one", "never takes it over by itself"),
    ("srv2-unit-without-the-path", "Here systemd does it"),
    ("srv2-mount-of-another-user", "runs as uid 999"),
    ("srv2-rebalance-does-nothing", "10.46.0.3:6379 has none"),
    ("srv2-lost-shard-stops", "Slots are not given to other shards"),
    ("srv2-born-anew-with-keys", "were assigned by nobody"),
    ("srv2-follower-has-the-last-copy", "the last copy of this shard"),
    ("srv2-operator-emptied", "the controller emptied the nodes"),
    ("srv2-aof-of-an-early-version", "redis/redis#4902"),
    ("srv3-volume-answers-io-error", "Rights, the server and its configuration have no part"),
    ("srv3-aof-write-refused", "a BGSAVE has no part in it"),
    ("srv3-import-into-a-cluster-with-password", "no slot moves and none was left open"),
    ("srv3-source-of-a-move-died", "is dead, and 10.52.0.5:6379 was promoted"),
    ("srv3-follows-by-its-own-word", "only the tables of the others are behind"),
    ("own10-relative-file-no-dir", "the directory in which it was STARTED"),
    ("own10-relative-file-no-dir", "the configuration that was pasted sets no dir"),
    ("own10-shard-ids-of-replicas", "998b0f98 and 8d89f4d4 follow 43ee1cac"),
    ("own10-shard-ids-of-replicas", "has shard-id 0c7d55f1, and the rows say f91532eb"),
    ("own10-create-stops-at-name", "create had given slots and epochs to the nodes"),
    ("own10-cut-again-in-the-copy", "then again 232 s after"),
    ("own10-cut-again-in-the-copy", "repl-backlog-size is 1mb"),
    ("own10-flush-of-15-min", "here for 15 min (from 18:37:35 to 18:52:48)"),
    ("own10-managed-map-of-ips", "are the provider's"),
    ("own10-one-node-never-met", "nobody ever told it its address"),
    ("own10-one-of-six-started", "nothing listens on 6380"),
    ("own10-pool-throws-at-once", "No node is down"),
    ("own10-map-lacks-the-asked-node", "The 5461 slots that the client misses are exactly those"),
    ("own10-proxy-given-names", "cart-0001-001.cart.abc123.use1.cache.amazonaws.com, a host name"),
    ("own10-script-key-is-a-value", "HGET is called on 'f3', a value that it read before"),
    ("own10-strangers-own-the-slots", "redis-a-* are one deployment and redis-b-* another"),
    ("own10-strangers-own-the-slots", "10.128.2.41 was a failed member 5f65e816"),
    ("own11-one-volume-for-all-pods", "share ONE volume: redis-app-0 runs and holds the lock"),
    ("own11-bus-port-in-a-variable", "listen for the bus on 7379 (cluster-port, $REDIS"),
    ("own11-brackets-for-old-cli", "called [fd00:177:177::dcda], brackets and all"),
    ("own11-one-big-key-keeps-slot-open", "leaderboard:69246 has 1269380 elements"),
    ("own11-one-big-key-keeps-slot-open", "Slot 3068 was left half way: 127.0.0.1:12701"),
    ("own11-access-string-without-cluster", "they do not allow CLUSTER and INFO"),
    ("own11-one-proxy-before-endpoint", "HAProxy carries the bytes of one address to one place"),
    ("own11-tryagain-of-one-tag", "hash tag {schedule:lock:10:295569}"),
    ("own11-reads-at-new-replica", "It is the new one, by what is told: 'replica of shard 2"),
    ("own11-disk-full-no-failover", "Nobody takes over, and that is by design"),
    ("own11-copy-read-as-commands", "'$9574472176..REDIS0009'"),
    ("own11-second-outage-at-the-end", "silent from 20:01:13 to 20:03:27"),
    ("own11-second-outage-at-the-end", "at 20:07:02 the new primary 10.0.81.2:18000"),
    ("own11-two-of-three-stopped", "the cluster stays down by design"),
    ("own11-failover-to-older-replica", "Both are pasted: 6.2.5 beside 7.0.8"),
    ("own11-failover-to-older-replica", "the OK of CLUSTER FAILOVER means only"),
    ("own11-misconf-of-a-refused-fork", "MISCONF that the client gets is the consequence"),
    ("own11-login-of-root-node-only", "The login is given for the root node alone"),
    ("own11-refused-by-local-server", "the server at 127.0.0.1 answered"),
    ("own11-session-expiry-of-one-node", "subscribes at ONE node of the cluster"),
    ("own11-one-id-by-turns", "shown by 10.2.0.14:6379 and 10.2.0.15:6379"),
    ("own11-old-table-of-the-directory", "under the id f538c5e6, which is not its own"),
    ("own11-one-address-for-all-pods", "announce one and the same address, 10.0.0.7:6379"),
    ("own11-redis-rb-url-password", "the nodes want this very password"),
    ("own11-map-of-a-joining-node", "the slots of the errors (12004 and 16001) lie in just these"),
    ("own11-bare-name-announced", "redis-test-leader-1 is a name without a domain"),
    ("own11-copy-never-finished", "MASTER2 - 1174 began its copy 299 s before"),
    ("own11-four-links-cut-at-once", "The primary closed 4 such links itself"),
    ("own11-new-node-beside-3x", "no rolling upgrade leads from 3.x"),
    ("own11-create-at-the-prompt", "192.168.7.22:6381 --cluster-replicas 1"),
    ("own11-added-without-slots", "moves no slots by itself"),
    ("own11-two-stopped-of-three", "'Connection refused' from 10.9.3.11:7001"),
    ("own11-create-finds-old-slots", "looks at known nodes and keys only"),
    ("own11-ioredis-looks-the-name-up", "looked it up by itself"),
    ("own12-add-node-one-address.txt", "What is missing: the address of an existing node"),
    ("own12-add-node-one-address.txt", "it is that of 10.70.0.234:6381, a primary"),
    ("own12-add-node-one-address-again", "Words of it stand behind options"),
    ("own12-delnode-is-no-subcommand", "the one that does this is del-node"),
    ("own12-migrate-without-its-user.txt", "It left the name out in MIGRATE"),
    ("own12-migrate-without-its-user-again", "the user has no right to what MIGRATE sends"),
    ("own12-full-then-cut-aof.txt", "2048 of 71344 bytes were written"),
    ("own12-full-then-cut-aof-again", "First its volume ran full ('disk quota exceeded')"),
    ("own12-keyv-set-of-keys.txt", "notes the key in one set of the namespace"),
    ("own12-one-key-says-who", "adds a key of its own in the same transaction"),
    ("own12-old-tool-cannot-connect.txt", "answers redis-cli on the port 7000"),
    ("own12-setslot-only-marks.txt", "missing are IMPORTING on 10.71.8.32:6385"),
    ("own12-setslot-only-marks-again", "missing are MIGRATING on 10.6.0.11:7000"),
    ("own12-replica-sends-no-login.txt", "answers the replica's PING"),
    ("own12-eval-past-min-replicas.txt", "goes through EVAL is no proof"),
    ("own12-eval-past-min-replicas-again", "(here 1) asks for more"),
    ("own12-wildcard-as-ip-of-the-image.txt", "The start gives the reason: IP=0.0.0.0"),
    ("own12-conf-announces-nothing", "sets no cluster-announce-ip"),
    ("own12-conf-announces-nothing", "ports 7005, 7003 and 7006"),
    ("own12-sentinel-chart.txt", "copy of ALL its keys"),
    ("own12-own-rows-inner.txt", "c1a38fd0 is 10.0.0.5:7000 in its own row and 172.29.8.101:7000"),
    ("own12-own-rows-inner-again", "7f2d0f1f is 172.17.0.2:6379 in its own row"),
    ("own12-recreated-same-name.txt", "Not one of the addresses that it dials is left"),
    ("own12-layout-after-maintenance.txt", "192.168.77.42:5004 (0-3276) has 3"),
    ("own12-replica-followed-slots.txt", "5461-10922 came back to 10.76.1.25:8001"),
    ("own12-php-local-node-no-map.txt", "its list of slots is empty"),
    ("own13-copy-child-killed.txt", "28.9 GB of the machine's 31.4 GB (92 %)"),
    ("own13-copy-child-killed.txt", "neither the network, nor a time-out, nor the replica"),
    ("own13-copy-child-killed-again", "80 s and 79 s after their start"),
    ("own13-suspect-in-the-list.txt", "10.80.1.12:6379 has been silent for 4 h"),
    ("own13-suspect-in-the-list-again", "10.5.0.22:6379 has been silent for 40 min"),
    ("own13-user-of-one-node.txt", "the list of users of 127.0.0.1:7001 has no such name"),
    ("own13-user-of-one-node-again", "10.4.1.11:6380 knows the user 'billing'"),
    ("own13-migrate-of-old-servers.txt", "(10952 to 10955) went without an error"),
    ("own13-migrate-of-old-servers-again", "the servers here are 3.2.12"),
    ("own13-nil-while-slot-moves.txt", "nil at 10.77.0.6:7004, a replica"),
    ("own13-nil-while-slot-moves-again", "ASK (slot 3300, to 10.9.0.9:6379)"),
    ("own13-new-primary-stays-alone.txt", "one that never had any is none of these"),
    ("own13-new-primary-stays-alone-again", "Do not rely on it"),
    ("own13-python-tls-without-checks", "so the option never arrived there"),
    ("own13-unknown-argument-again", "not known here is 'ssl_min_version'"),
    ("own13-hours-after-the-change.txt", "now for 10.81.4.77, 10.81.5.78 and 10.81.6.79"),
    ("own13-hours-after-the-change-again", "now for 172.20.3.41, 172.20.3.42 and 172.20.3.43"),
    ("own13-two-reads-in-a-transaction", "(<account>_success and <account>_delivered)"),
    ("own13-two-writes-in-a-transaction-again", "(visits:<day> and visitors)"),
    ("own13-copy-of-several-databases.txt", "9120 in db3"),
    ("own13-copy-of-several-databases-again", "700311 in db2 and 12 in db5"),
    ("own13-two-connections-of-one-name", "'cache' beside it"),
    ("own13-two-connections-spring-again", "so the bean wins"),
    ("own13-number-at-the-end-of-the-url", "refused first is the SELECT 12"),
    ("own13-script-after-the-switch", "Without MOVED nothing makes this client"),
    ("own13-denied-in-another", "network, port and names are in order"),
    ("own14-owner-without-address", "16384 less the 5461 slots 0-5460 are the 10923"),
    ("own14-owner-without-address", "cluster_slots_ok:16384 beside it prove nothing"),
    ("own14-bigkeys-on-java-keys", "the whole keys of the SCAN are in slots 3893 and 4017"),
    ("own14-bigkeys-on-other-binary", "\"cp\" up to the zero byte is in slot 8430"),
    ("own14-spring-property", "made by spring.data.redis.host"),
    ("own14-factory-with-a-host", "made by setHostName"),
    ("own14-cluster-switch", "which is no boolean"),
    ("own11-four-links-cut-at-once", "4 different replicas"),
    ("own14-no-topology-for-this-user", "do not allow CLUSTER and INFO"),
    ("own14-directory-could-not-be-made", "mkdir of /node-conf was refused"),
    ("own14-own-row-and-new-pods", "the node's own row ('myself')"),
    ("own14-memorystore-has-no-cluster", "no slots to map"),
    ("own14-old-bus-telnet-works", "a reset or an open port changes nothing"),
    ("own14-loopback-first-bus-listens", "listened for at 10.44.2.28:16379"),
    ("own14-ports-side-by-side", "dialled at bus port 30107 = 20107 + 10000"),
    ("own14-join-hangs-bus-answers", "speaks against a closed port"),
    ("own14-scaled-in-and-out", "2 keys, of the slots 7365 and 12182"),
    ("own14-every-night-to-zero", "this is the living cluster"),
    ("own14-slots-flushed", "10.13.0.6:7001 still gives them to 10.13.0.6:7000"),
    ("own14-interface-has-another", "The interface of the machine has 10.52.31.4"),
    ("own14-one-node-before-and-after", "had 10.112.80.114 before and has 10.112.33.7 now"),
    ("own14-removed-replica", "FORGET is not told to the node that is forgotten"),
];

#[test]
fn answers_speak_of_the_nodes_and_slots_of_the_paste() {
    for (name, words, answer) in answers(SAYS) {
        assert!(answer.cause.contains(words), "{name}: {}", answer.cause);
    }
}

/// What a step of the fix must say, by the name of the fixture.
const STEPS: &[(&str, &str)] = &[
    ("own10-relative-file-no-dir", "appendonly.aof and dump.rdb in the same directory"),
    ("own10-shard-ids-of-replicas", "put shard-id=0c7d55f1b9e08d8f16e1a7a50b2bb6f7a3b0d2ce"),
    ("own10-announce-name-refused", "the name to cluster-announce-hostname"),
    ("own10-create-stops-at-name", "given were c1:6379 c2:6379 c3:6379"),
    ("own10-flush-of-15-min", "replica-lazy-flush yes"),
    ("own10-managed-map-of-ips", "nodeAddressMap"),
    ("own10-pool-throws-at-once", "setBlockWhenExhausted(true)"),
    ("own10-proxy-given-names", "Envoy does so since 2022"),
    ("own10-script-key-is-a-value", "two calls from the client"),
    ("own10-strangers-own-the-slots", "Copy the RDB and AOF files of every node of redis-a-*"),
    ("own9-slots-given-never-met", "CLUSTER MEET <address> <port> of each of the others"),
    ("pub8-waits-for-a-lost-machine", "tcp_retries2=8"),
    ("pub8-setslot-refused-by-the-source", "CLUSTER COUNTKEYSINSLOT 777"),
    ("pub8-handshake-ids-change", "Look for the true ids"),
    ("pub8-old-owner-and-a-new-pod", "Ask CLUSTER MYID and DBSIZE at 10.50.6.4 (shard-1)"),
    ("pub8-replica-keeps-lost-slots", "this replica is the last copy"),
    ("pub6-replica-dials-no-node-of-the-table", "On 192.168.129.5:6379: CLUSTER REPLICATE"),
    ("pub6-came-back-as-extra-primary", "On 10.42.1.35:6379, if DBSIZE there is 0"),
    ("pub6-migrate-keys-syntax", "Move the keys one by one"),
    ("pub4-old-primary-stays-primary", "on it is refused while it holds keys"),
    ("pub5-bitnami-stale", "REDIS_CLUSTER_DYNAMIC_IPS=yes"),
    ("pub5-pods-stale", "--cluster-announce-ip $(POD_IP)"),
    ("pub5-bitnami-announced", "REDIS_CLUSTER_ANNOUNCE_IP=<the address"),
    ("pub5-jedis-attempts-connect", "topologyRefreshPeriod"),
    ("seen12-lettuce-old-pods", "Restart the processes that dial 172.21.6.40"),
    ("seen12-goredis-not-in-dig", "go-redis keeps the addresses"),
    ("seen12-lettuce-from-outside", "cluster-announce-ip 192.168.70.21"),
    ("seen12-every-peer-at-old-address", "10.60.9.133 (cart-leader-1)"),
    ("seen12-redisson-session-rename", "Upgrade Redisson"),
    ("seen13-redisrs-moved-loopback", "CONFIG SET cluster-announce-ip 198.51.100.7"),
    ("seen13-serverless-no-patterns", "createShardedAdapter"),
    ("seen13-horizon-eval", "'use' in config/horizon.php"),
    ("seen13-nextcloud-moved", "'redis.cluster' =>"),
    ("seen13-exporter-key-moved", "--check-single-keys"),
    ("seen13-ioredis-pipelines-at-replicas", "enableAutoPipelining: false"),
    ("seen13-replica-volume-removed", "CLUSTER MEET 10.71.8.44"),
    ("seen13-own-address-is-a-variable", "Give the container MY_POD_IP"),
    ("seen13-import-of-slots-refused", "ACL SETUSER repl +hset"),
    ("seen13-import-of-slots-refused", "start the same migration again"),
    ("seen13-noperm-of-one-command", "ACL SETUSER billing +incrby"),
    ("seen13-two-owners-one-dead", "first 10.30.0.1:7000 again"),
    ("seen13-replicas-uneven", "a replica of 10.61.1.10:6379, to 10.61.2.10:6379"),
    ("seen13-fixed-server-name", "Take the fixed servername out"),
    ("seen13-aof-rewrite-denied", "fsGroup"),
    ("seen13-lettuce-same-id-old-address", "6.1.6 or later"),
    ("seen13-import-meets-a-key", "--cluster-replace"),
    ("seen13-noperm-of-a-channel", "&<pattern>"),
    ("seen13-lettuce-refresh-is-set", "(enablePeriodicRefresh is set in what was pasted"),
    ("pastes/obl.txt", "'replica 1073741824 536870912 120'"),
    ("pub3-timedout-replica", "repl-timeout on both ends"),
    ("live-diskless-dropped", "Mend what the replica's log says"),
    ("srv3-import-into-a-cluster-with-password", "uses two logins"),
    ("srv3-aof-write-refused", "the server tries again each second"),
    ("own11-one-volume-for-all-pods", "volumeClaimTemplates in the StatefulSet"),
    ("own11-bus-port-in-a-variable", "CLUSTER MEET 10.40.8.21 6379 7379"),
    ("own11-brackets-for-old-cli", "fd00:177:177::dcda:6379, fd00:177:177::7f6f:6379"),
    ("own11-one-big-key-keeps-slot-open", "MIGRATE 127.0.0.1 12702 leaderboard:69246 0 60000"),
    ("own11-busy-key-and-other-keys", "whose OTHER keys have to go as well"),
    ("own11-access-string-without-cluster", "on ~* +@all -@dangerous -@admin +cluster +info"),
    ("own11-one-proxy-before-endpoint", "one listener of the proxy for EVERY node"),
    ("own11-tryagain-of-one-tag", "Redisson: a current release"),
    ("own11-reads-at-new-replica", "reconnectOnError"),
    ("own11-image-modules-in-the-file", "the image's own modules out of redis.conf"),
    ("own11-disk-full-no-failover", "that replica is 10.50.3.14:6379"),
    ("own11-second-outage-at-the-end", "bring 10.0.81.2:18000 back"),
    ("own11-two-of-three-stopped", "1 of them is enough for a majority"),
    ("own11-failover-to-older-replica", "Upgrade this replica to 7.0.8"),
    ("own11-one-id-by-turns", "CLUSTER REPLICATE 3f1b6f0b"),
    ("own11-one-address-for-all-pods", "a Service for each pod"),
    ("own11-redis-rb-url-password", "password: '<password>'"),
    (
        "own11-bare-name-announced",
        "searches: [redis-test-leader-headless.default.svc.cluster.local]",
    ),
    ("own11-four-links-cut-at-once", "'slave 629145600 629145600 120'"),
    ("own11-new-node-beside-3x", "stop ALL nodes"),
    ("own11-probe-without-tls", "redis-cli --tls --cacert /etc/tls/redis/ca.pem -h"),
    ("own11-two-stopped-of-three", "Start the dead primaries"),
    ("own11-ioredis-looks-the-name-up", "dnsLookup stands beside redisOptions"),
    (
        "own12-add-node-one-address.txt",
        "add-node 10.70.0.205:6381 10.70.0.205:6379 --cluster-slave",
    ),
    ("own12-migrate-without-its-user.txt", "CLUSTER SETSLOT 5461 STABLE on 127.0.0.1:11002"),
    ("own12-full-then-cut-aof.txt", "Make room first: enlarge the volume /data"),
    ("own12-keyv-set-of-keys.txt", "useRedisSets: false"),
    ("own12-keyv-set-of-keys-again", "{hangfire}:"),
    ("own12-old-tool-cannot-connect.txt", "first CONFIG SET masterauth"),
    ("own12-setslot-only-marks.txt", "IMPORTING 4264bd0b37dfb868ec325ae08af3863a3db5f1d1"),
    ("own12-failover-asked-every-ten-seconds", "Stop what repeats the request"),
    ("own12-replica-sends-no-login.txt", "in its own field"),
    ("own12-eval-past-min-replicas.txt", "scripts obey the setting"),
    ("own12-wildcard-as-ip-of-the-image.txt", "Start it anew with IP=10.40.1.11"),
    ("own12-wildcard-as-ip-of-the-image-again", "17000, 17001"),
    ("own12-sentinel-chart.txt", "deploy a Redis Cluster of its own beside it"),
    ("own12-sentinel-chart-again", "the plain client with the primary's address"),
    ("own12-own-rows-inner.txt", "docker run --net=host"),
    ("own12-own-rows-inner-again", "192.168.50.12 on 7f2d0f1f"),
    ("own12-recreated-same-name.txt", "dynamicRefreshSources(false)"),
    ("own12-recreated-same-name-again", "dynamic_startup_nodes=False"),
    (
        "own12-layout-after-maintenance.txt",
        "On 192.168.77.41:5006: CLUSTER REPLICATE 1d78325380535a7d275ed02080bbee75f91a80d3",
    ),
    (
        "own12-replica-followed-slots.txt",
        "On 10.76.1.25:8004: CLUSTER REPLICATE bce16e77d3e79336bf7ec14f55e9c8ec0d285348",
    ),
    ("own12-php-local-node-no-map.txt", "cluster-enabled no in its configuration"),
    ("own13-copy-child-killed.txt", "Make room at the PRIMARY first"),
    ("own13-copy-save-failed", "At the PRIMARY, by the line before it"),
    ("own13-suspect-in-the-list.txt", "CLUSTER FORGET 34028da49cbe90233a4fcf0bc88c1261b5ff9f34"),
    ("own13-user-of-one-node.txt", "--cluster call 127.0.0.1:7000 ACL SETUSER app"),
    ("own13-migrate-of-old-servers.txt", "First slot 5463, which was left open"),
    ("own13-nil-while-slot-moves.txt", "send reads to the primaries"),
    ("own13-new-primary-stays-alone.txt", "On 10.75.0.26:7000, a spare replica of"),
    ("own13-python-tls-without-checks", "ssl_ca_certs=<file>"),
    ("own13-two-reads-in-a-transaction", "{account}_success and {account}_delivered"),
    ("own13-copy-of-several-databases.txt", "allow_db = [0]"),
    ("own13-two-connections-of-one-name", "take the plain 'default' and 'cache' out"),
    ("own13-shards-behind-one-endpoint", "sharding and failover are the proxy's work"),
    ("own13-denied-in-another", "also with --cluster"),
    ("own14-owner-without-address", "CLUSTER FAILOVER FORCE to 172.20.5.16:6379"),
    ("own14-owner-without-address", "sent to 172.20.5.12:6379"),
    ("own14-spring-property", "spring.data.redis.cluster.nodes="),
    ("own14-factory-with-a-host", "clustercfg.shop.ab12cd.euw1.cache.amazonaws.com:6380"),
    ("own14-cluster-switch", "Set redis.cluster.enabled to true"),
    ("own11-four-links-cut-at-once", "look at the primary and not at the replicas"),
    ("own14-no-topology-for-this-user", "aws elasticache modify-user --user-id orders-app"),
    ("own14-directory-could-not-be-made", "volume mounted at /node-conf"),
    ("own14-own-row-and-new-pods", "(10.9.1.58 and 10.9.2.70)"),
    ("own14-memorystore-has-no-cluster", "redis-py: redis.Redis(host="),
    ("own14-endpoint-of-a-private-link", "host_port_remap"),
    ("own14-endpoint-of-a-private-link", "VPC peering or a transit gateway"),
    ("own14-ports-side-by-side", "CLUSTER MEET 10.91.7.13 21859 21860"),
    ("own14-scaled-in-and-out", "and no member: stop it"),
    ("own14-every-night-to-zero", "Stop what runs the create"),
    ("own14-slots-flushed", "at 10.13.0.6:7000 CLUSTER ADDSLOTSRANGE"),
    ("own14-removed-replica", "CLUSTER MEET 10.20.155.144 7001"),
];

/// What no step of a fix may say, by the name of the fixture: the paste speaks against it.
const NOT_STEPS: &[(&str, &str)] = &[
    ("own9-slots-given-never-met", "add-node"),
    ("pub8-cut-off-above", "'replica 1073741824 536870912 120'"),
    ("pub8-hole-in-the-clients-map", "Slots without owner"),
    ("pub8-setslot-refused-by-the-source", "BUMPEPOCH"),
    ("pub8-replica-keeps-lost-slots", "active-expire-effort"),
    ("pub8-ids-longer-and-shorter", "unchanged files"),
    ("seen13-ioredis-pipelines-at-replicas", "hash tag"),
    ("seen13-exporter-key-moved", "new Redis.Cluster"),
    ("seen13-horizon-eval", "pass every key in KEYS"),
    ("seen13-fixed-server-name", "or have the client check the seed's name"),
    ("seen13-two-owners-one-dead", "CLUSTER REPLICATE"),
    ("seen13-import-meets-a-key", "SETSLOT"),
    ("seen13-serverless-no-patterns", "rename-command"),
    ("seen13-aof-rewrite-denied", "Free space"),
    ("seen13-save-denied", "Free space"),
    ("seen13-horizontally-is-no-horizon", "Horizon"),
    ("seen13-unknown-primary-alone", "CLUSTER REPLICATE"),
    ("srv1-impossible-amount", "Raise the limit"),
    ("srv2-failover-with-an-offset", "Write something to this primary"),
    ("srv2-setslot-missed-one", "Wait two node timeouts"),
    ("srv3-follows-by-its-own-word", "Give it slots"),
    ("pastes/obl.txt", "repl-backlog-size on all nodes"),
    ("pub3-timedout-replica", "client-output-buffer-limit"),
    ("live-diskless-dropped", "client-output-buffer-limit"),
    ("srv3-import-into-a-cluster-with-password", "close the slot"),
    ("srv3-aof-write-refused", "BGSAVE"),
    ("own12-failover-asked-every-ten-seconds", "FAILOVER FORCE"),
    ("own12-keyv-set-of-keys.txt", "common hash tag"),
    ("own12-old-tool-cannot-connect.txt", "ioredis"),
    ("own12-conf-announces-nothing", "ioredis"),
    ("own12-sentinel-chart.txt", "cluster-enabled yes"),
    ("own12-layout-after-maintenance.txt", "TAKEOVER"),
    ("own12-recreated-same-name.txt", "timeout"),
    ("own13-shards-behind-one-endpoint", "clustercfg"),
    ("own13-hours-after-the-change", "openssl"),
    ("own13-python-tls-without-checks", "nc -vz"),
    ("own14-memorystore-has-no-cluster", "Restore the command"),
    ("own14-endpoint-of-a-private-link", "set cluster-announce-ip"),
    ("own14-no-topology-for-this-user", "ACL SETUSER orders-app"),
    ("own14-old-bus-telnet-works", "Open TCP"),
    ("own14-join-hangs-bus-answers", "Open TCP"),
    ("own14-ports-side-by-side", "shared out"),
    ("own14-scaled-in-and-out", "CLUSTER MEET"),
    ("own14-every-night-to-zero", "blank"),
];

#[test]
fn steps_do_not_contradict_the_paste() {
    for (name, words, answer) in answers(NOT_STEPS) {
        let said = answer.fix.iter().find(|step| step.contains(words));
        assert_eq!(said, None, "{name}");
    }
}

#[test]
fn steps_speak_of_the_product_and_the_nodes_of_the_paste() {
    for (name, words, answer) in answers(STEPS) {
        let said = answer.fix.iter().any(|step| step.contains(words));
        assert!(said, "{name}: {:?}", answer.fix);
    }
}

#[test]
fn no_client_is_told_to_announce_a_loopback_address() {
    for (name, _, explanation) in fixtures() {
        let Some(cause) = explanation.cause else { continue };
        let loopback = ["cluster-announce-ip 127.", "cluster-announce-ip localhost"];
        let told = cause.fix.iter().any(|step| loopback.iter().any(|word| step.contains(word)));
        assert!(!told, "{name}: {:?}", cause.fix);
    }
}

#[test]
fn texts_about_other_things_are_not_explained() {
    for text in [
        "The envoy of the king looked at the clock; permission denied, he said, and left.",
        "my swap is full and the disk makes noises, what shall I do",
        "Exception in thread \"main\" java.lang.NullPointerException\n at com.foo.Bar.main(Bar.java:3)",
        "ipv6 is the future of the internet",
        "",
    ] {
        let explanation = explain(&[Paste { name: "a".to_owned(), text: text.to_owned() }]);
        assert_eq!(explanation.cause, None, "{text}");
        assert!(!explanation.ask_for.is_empty(), "{text}");
    }
}

#[test]
fn the_time_grows_with_the_text_and_not_faster() {
    let text = "1:M 1 Jan 2024 00:00:00.000 # Cluster state changed: fail\n".repeat(200_000);
    let explanation = explain(&[Paste { name: "log".to_owned(), text }]);
    assert_eq!(explanation.unread.len(), 1);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-f0-9:@.,\\-\\[\\]>< \n\"'A-Z_]{0,400}", more in "\\PC{0,100}") {
        explain(&[
            Paste { name: "a".to_owned(), text },
            Paste { name: "b".to_owned(), text: more },
        ]);
    }

    #[test]
    fn a_cut_incident_does_not_make_it_panic(which in 0_usize..14, at in 0_usize..2_000) {
        let folders = files(&testdata("incidents"));
        let Some(folder) = folders.get(which) else { return Ok(()) };
        for path in files(folder) {
            let text: String = fs::read_to_string(&path).expect("text").chars().take(at).collect();
            explain(&[paste(&path, text)]);
        }
    }
}
