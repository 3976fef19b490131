//! What each client library makes of what it meets.

use serde::{Deserialize, Serialize};

use super::{AnnouncedTry, ClientEye, SeedTry};
use crate::model::{SLOT_COUNT, SlotSet};
use crate::observation::{Said, Silence, SlotsRange};

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Client {
    /// ioredis 5 and 6 (Node).
    #[serde(rename = "ioredis")]
    Ioredis,
    /// Lettuce 6 and 7 (Java; Spring's default).
    Lettuce,
    /// Jedis 5 and later (Java).
    Jedis,
    /// redis-py (Python).
    #[serde(rename = "redis-py")]
    RedisPy,
    /// go-redis 9 (Go).
    #[serde(rename = "go-redis")]
    GoRedis,
}

impl Client {
    /// The name as its users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ioredis => "ioredis",
            Self::Lettuce => "Lettuce",
            Self::Jedis => "Jedis",
            Self::RedisPy => "redis-py",
            Self::GoRedis => "go-redis",
        }
    }
}

/// How a bootstrap ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It becomes ready.
    Connects,
    /// It becomes ready or not by chance: it picks one of several nodes that differ.
    ByChance,
    /// It raises this exception; peers' texts are inside, so never print it raw.
    Raises(String),
    /// It tries for ever and raises nothing: connect, close, reconnect.
    SilentLoop,
}

/// What one library would do, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The library.
    pub client: Client,
    /// How it ends.
    pub outcome: Outcome,
    /// The fact behind it, one line; peers' texts are inside. Empty when it connects.
    pub because: String,
}

/// What each library would do here.
pub fn verdicts(seen: &ClientEye) -> Vec<Verdict> {
    let make = |client, (outcome, because)| Verdict { client, outcome, because };
    vec![
        make(Client::Ioredis, ioredis(seen)),
        make(Client::Lettuce, lettuce(seen)),
        make(Client::Jedis, jedis(seen)),
        make(Client::RedisPy, redis_py(seen)),
        make(Client::GoRedis, go_redis(seen)),
    ]
}

type Told = (Outcome, String);

/// `connect`: all names, then one seed after the other, then the ready check.
fn ioredis(seen: &ClientEye) -> Told {
    if let Some(seed) = seen.seeds.iter().find(|seed| name_failed(seed)) {
        let why = format!("one seed name does not resolve: {}", seed.seed.host);
        return (Outcome::SilentLoop, why);
    }
    let Some(ranges) = first_map(seen) else {
        let last = seen.seeds.last();
        let message = last.and_then(SeedTry::first_error).map_or("null".into(), ioredis_message);
        let text = format!(
            "ClusterAllFailedError: Failed to refresh slots cache. (lastNodeError: {message})"
        );
        return (Outcome::Raises(text), seed_errors(seen));
    };
    if ranges.is_empty() {
        return (Outcome::SilentLoop, "the seed knows no owner of any slot".into());
    }
    let skipped = |range: &SlotsRange| {
        range.nodes.iter().all(|node| node.endpoint.as_ref().is_none_or(String::is_empty))
    };
    if ranges.iter().all(skipped) {
        return (Outcome::SilentLoop, "every announced endpoint is empty or NULL".into());
    }
    ready_check(seen)
}

/// `CLUSTER INFO` at one announced owner, picked at random.
fn ready_check(seen: &ClientEye) -> Told {
    let owners: Vec<&AnnouncedTry> = seen.announced.iter().filter(|node| node.is_owner).collect();
    let failed: Vec<String> = owners.iter().filter_map(|owner| not_ready(owner)).collect();
    let because = failed.first().cloned().unwrap_or_default();
    match failed.len() {
        0 => (Outcome::Connects, because),
        all if all == owners.len() => (Outcome::SilentLoop, because),
        some => {
            let why = format!("{some} of {} owners fail the ready check: {because}", owners.len());
            (Outcome::ByChance, why)
        }
    }
}

fn not_ready(owner: &AnnouncedTry) -> Option<String> {
    match &owner.cluster_info {
        Said::Nothing(silence) => Some(format!("announced {}: {}", owner.node, silence.describe())),
        Said::This(info) if info.is("cluster_state", "fail") => {
            Some(format!("{} says cluster_state:fail", owner.node))
        }
        Said::This(_) => None,
    }
}

/// `lastNodeError.message`: what a single connection of ioredis fails with.
fn ioredis_message(silence: &Silence) -> String {
    match silence {
        Silence::TimedOut | Silence::NoReply => "timeout".to_owned(),
        Silence::AuthFailed(text)
        | Silence::Denied(text)
        | Silence::Loading(text)
        | Silence::Error(text) => text.clone(),
        // ECONNREFUSED itself is hidden.
        _ => "Connection is closed.".to_owned(),
    }
}

/// `CLUSTER NODES` of all seeds at once; one that answers is enough.
fn lettuce(seen: &ClientEye) -> Told {
    let mut told = seen.seeds.iter().filter_map(|seed| seed.usable_nodes.get());
    match (told.next(), first_map(seen)) {
        (None, _) => {
            let uris: Vec<String> =
                seen.seeds.iter().map(|seed| format!("redis://{}", seed.seed)).collect();
            let text = format!(
                "RedisException: Cannot obtain initial Redis Cluster topology (Cannot retrieve \
                 cluster partitions from [{}])",
                uris.join(", ")
            );
            (Outcome::Raises(text), seed_errors(seen))
        }
        (Some(0), _) => {
            let text = "PartitionSelectorException: Cannot determine a partition for slot N.";
            (Outcome::Raises(text.into()), "no entry of the table has an address".into())
        }
        (Some(_), Some([])) => {
            let text = "PartitionSelectorException: Cannot determine a partition for slot N.";
            (Outcome::Raises(text.into()), "the seed knows no owner of any slot".into())
        }
        (Some(_), _) => unreachable_owner(seen, |node| {
            format!("RedisConnectionException: Unable to connect to {node}")
        }),
    }
}

/// `CLUSTER SLOTS` of shuffled seeds; a map that is not whole is refused.
fn jedis(seen: &ClientEye) -> Told {
    let refused = |hidden: &str, because: String| {
        let text = format!(
            "JedisClusterOperationException: Could not initialize cluster slots cache. \
             (suppressed: {hidden})"
        );
        (Outcome::Raises(text), because)
    };
    match first_map(seen) {
        None => {
            let first = seen.seeds.first().and_then(SeedTry::first_error);
            refused(&first.map_or_else(String::new, Silence::describe), seed_errors(seen))
        }
        Some([]) => {
            refused("Cluster slots list is empty.", "the seed knows no owner of any slot".into())
        }
        Some(map) if covered(map) < SLOT_COUNT => refused("Cluster slots have holes.", holes(map)),
        Some(_) => unreachable_owner(seen, |node| {
            format!("JedisConnectionException: Failed to connect to {node}.")
        }),
    }
}

/// `CLUSTER SLOTS` of startup nodes until all slots are covered.
fn redis_py(seen: &ClientEye) -> Told {
    match first_map(seen) {
        None => {
            let last = seen.seeds.last();
            let cause = last.map_or_else(String::new, redis_py_cause);
            let text = format!(
                "RedisClusterException: Redis Cluster cannot be connected. Please provide at \
                 least one reachable node: {cause}"
            );
            (Outcome::Raises(text), seed_errors(seen))
        }
        Some(map) if covered(map) < SLOT_COUNT => {
            let text = format!(
                "RedisClusterException: All slots are not covered after query all startup_nodes. \
                 {} of {SLOT_COUNT} covered...",
                covered(map)
            );
            (Outcome::Raises(text), holes(map))
        }
        Some(map) if has_null(map) => {
            let why = "an announced endpoint is NULL".to_owned();
            (Outcome::Raises("TypeError".to_owned()), why)
        }
        Some(_) => {
            unreachable_owner(seen, |node| format!("ConnectionError: Error connecting to {node}."))
        }
    }
}

/// Any error reply is told as a node without cluster mode, which misleads.
fn redis_py_cause(seed: &SeedTry) -> String {
    match seed.first_error() {
        Some(Silence::Refused) => {
            format!("Error 111 connecting to {}. Connection refused.", seed.seed)
        }
        Some(Silence::TimedOut | Silence::NoReply) => {
            format!("Timeout connecting to server {}", seed.seed)
        }
        Some(Silence::NameNotFound) => {
            format!("Error -2 connecting to {}. Name or service not known.", seed.seed)
        }
        Some(Silence::Denied(_) | Silence::Error(_)) => {
            "Cluster mode is not enabled on this node".to_owned()
        }
        Some(Silence::AuthFailed(text) | Silence::Loading(text)) => {
            text.split_once(' ').map_or(text.as_str(), |(_, rest)| rest).to_owned()
        }
        Some(other) => other.describe(),
        None => String::new(),
    }
}

/// `CLUSTER SLOTS` of a random permutation; the first error is returned as it is.
fn go_redis(seen: &ClientEye) -> Told {
    match first_map(seen) {
        None => {
            let text = seen.seeds.first().map_or_else(String::new, go_error);
            (Outcome::Raises(text), seed_errors(seen))
        }
        Some([]) => {
            let why = "the seed knows no owner of any slot".to_owned();
            (Outcome::Raises("redis: cluster has no nodes".to_owned()), why)
        }
        Some(map) if has_null(map) => {
            let why = "an announced endpoint is NULL".to_owned();
            (Outcome::Raises("redis: nil".to_owned()), why)
        }
        Some(_) => unreachable_owner(seen, |node| format!("dial tcp {node}: connect failed")),
    }
}

fn go_error(seed: &SeedTry) -> String {
    let at = &seed.seed;
    match seed.first_error() {
        Some(Silence::Refused) => format!("dial tcp {at}: connect: connection refused"),
        Some(Silence::TimedOut) => format!("dial tcp {at}: i/o timeout"),
        Some(Silence::NoReply) => format!("read tcp {at}: i/o timeout"),
        Some(Silence::NoRoute) => format!("dial tcp {at}: connect: no route to host"),
        Some(Silence::NameNotFound) => format!("dial tcp: lookup {}: no such host", at.host),
        Some(Silence::Closed) => "EOF".to_owned(),
        Some(other) => other.describe(),
        None => String::new(),
    }
}

/// The clients that dial owners at their first command meet the first that cannot be dialled.
fn unreachable_owner(seen: &ClientEye, text: impl Fn(&str) -> String) -> Told {
    let owners = || seen.announced.iter().filter(|node| node.is_owner);
    let dead = owners().find(|owner| {
        owner.cluster_info.silence().is_some_and(|silence| !silence.somebody_answered())
    });
    let Some(dead) = dead else { return (Outcome::Connects, String::new()) };
    let because = not_ready(dead).unwrap_or_default();
    (Outcome::Raises(text(&dead.node.to_string())), because)
}

/// The map of the first seed that gave one.
fn first_map(seen: &ClientEye) -> Option<&[SlotsRange]> {
    seen.seeds.iter().find_map(|seed| seed.slots.get()).map(Vec::as_slice)
}

fn name_failed(seed: &SeedTry) -> bool {
    seed.first_error() == Some(&Silence::NameNotFound)
}

fn has_null(map: &[SlotsRange]) -> bool {
    map.iter().flat_map(|range| &range.nodes).any(|node| node.endpoint.is_none())
}

fn covered(map: &[SlotsRange]) -> u16 {
    let all = map.iter().fold(SlotSet::new(), |all, range| all.union(&range.slots));
    all.len()
}

fn holes(map: &[SlotsRange]) -> String {
    format!("the map covers {} of {SLOT_COUNT} slots", covered(map))
}

fn seed_errors(seen: &ClientEye) -> String {
    let told = |seed: &SeedTry| Some(format!("{}: {}", seed.seed, seed.first_error()?.describe()));
    seen.seeds.iter().filter_map(told).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, NodeId};
    use crate::observation::{Fields, SlotsNode};

    fn range(slots: SlotSet, endpoint: Option<&str>) -> SlotsRange {
        let node = SlotsNode {
            endpoint: endpoint.map(str::to_owned),
            port: 6379,
            id: Some(NodeId::made_up(1)),
            metadata: Fields::default(),
        };
        SlotsRange { slots, nodes: vec![node] }
    }

    fn eye(slots: Said<Vec<SlotsRange>>, state: Option<&str>) -> ClientEye {
        let seed = Endpoint::new("10.0.0.1", 6379);
        let usable_nodes = slots.clone().map(|map| u32::from(!map.is_empty()));
        let info = |state| Said::This([("cluster_state", state)].into_iter().collect());
        ClientEye {
            seeds: vec![SeedTry { seed: seed.clone(), slots, usable_nodes, took_ms: 1 }],
            announced: vec![AnnouncedTry {
                node: seed,
                is_owner: true,
                cluster_info: state.map_or(Said::Nothing(Silence::Refused), info),
            }],
            names: Vec::new(),
        }
    }

    fn outcome(seen: &ClientEye, client: Client) -> Outcome {
        verdicts(seen).into_iter().find(|v| v.client == client).expect("every client").outcome
    }

    #[test]
    fn a_healthy_cluster_connects_everybody() {
        let map = vec![range(SlotSet::all(), Some("10.0.0.1"))];
        let seen = eye(Said::This(map), Some("ok"));
        assert!(verdicts(&seen).iter().all(|verdict| verdict.outcome == Outcome::Connects));
    }

    #[test]
    fn ioredis_hides_a_refused_connection_and_shows_an_error_reply() {
        for (silence, message) in [
            (Silence::Refused, "Connection is closed."),
            (Silence::NoReply, "timeout"),
            (
                Silence::AuthFailed("NOAUTH Authentication required.".into()),
                "NOAUTH Authentication required.",
            ),
        ] {
            let seen = eye(Said::Nothing(silence), None);
            let Outcome::Raises(text) = outcome(&seen, Client::Ioredis) else { panic!("raises") };
            assert_eq!(
                text,
                format!(
                    "ClusterAllFailedError: Failed to refresh slots cache. \
                     (lastNodeError: {message})"
                )
            );
        }
    }

    #[test]
    fn ioredis_is_silent_where_others_speak() {
        let name = eye(Said::Nothing(Silence::NameNotFound), None);
        assert_eq!(outcome(&name, Client::Ioredis), Outcome::SilentLoop);
        assert_eq!(
            outcome(&name, Client::GoRedis),
            Outcome::Raises("dial tcp: lookup 10.0.0.1: no such host".into())
        );
        let empty = eye(Said::This(Vec::new()), None);
        assert_eq!(outcome(&empty, Client::Ioredis), Outcome::SilentLoop);
        assert_eq!(
            outcome(&empty, Client::GoRedis),
            Outcome::Raises("redis: cluster has no nodes".into())
        );
        let null = eye(Said::This(vec![range(SlotSet::all(), None)]), Some("ok"));
        assert_eq!(outcome(&null, Client::Ioredis), Outcome::SilentLoop);
    }

    #[test]
    fn a_hole_stops_jedis_and_a_failed_state_stops_ioredis() {
        let map = vec![range(SlotSet::range(0, 16_000), Some("10.0.0.1"))];
        let seen = eye(Said::This(map), Some("fail"));
        assert_eq!(outcome(&seen, Client::Ioredis), Outcome::SilentLoop);
        assert!(matches!(outcome(&seen, Client::Jedis), Outcome::Raises(t) if t.contains("holes")));
        assert_eq!(outcome(&seen, Client::Lettuce), Outcome::Connects);
    }
}
