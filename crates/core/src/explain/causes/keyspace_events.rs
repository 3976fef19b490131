//! Keyspace notifications: a node publishes those of its own keys, to those who listen at it.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Settings, channels and classes of keyspace notifications.
const EVENTS: &[&str] = &[
    "keyspace notification",
    "keyspace event",
    "__keyspace@",
    "__keyevent@",
    "__key*",
    "notify-keyspace-events",
    "keyexpirationeventmessagelistener",
    "sessionexpiredevent",
    "sessiondestroyedevent",
];

/// Signs that it works with one server, or that a part arrives.
const ONE_WORKS: &[&str] = &[
    "stand-alone",
    "standalone",
    "single redis",
    "single node",
    "single server",
    "only some",
    "sometimes",
    "are lost",
    "get lost",
    "not all events",
    "one of the nodes",
];

/// Signs of Spring's sessions.
const SPRING_SESSION: &[&str] =
    &["spring-session", "springframework.session", "enableredishttpsession"];

/// Publish/subscribe in general, or notifications of keys in particular.
pub(super) fn published(seen: &Seen) -> Option<Hit> {
    let words = ["ssubscribe", "spublish", "all channels must hash", "pubsub"];
    let general = seen.says(64, &words);
    let hit = match seen.says(64, EVENTS).filter(|_| general.is_none()) {
        Some(hit) => of_keys(seen, hit),
        None => general.or_else(|| seen.says(64, EVENTS))?,
    };
    (!seen.has(&["wrong number of"])).then_some(hit)
}

fn of_keys(seen: &Seen, hit: Hit) -> Hit {
    let works = seen.lines_with(ONE_WORKS);
    let spring = seen.lines_with(SPRING_SESSION);
    let hit = hit
        .more_if(10, !works.is_empty())
        .more_if(10, !spring.is_empty())
        .quotes(works.into_iter().take(1))
        .quotes(spring.iter().copied().take(1))
        .fact("what", "keyspace notifications come from the key's own node only")
        .check(
            "redis-cli -h <each primary> psubscribe '__keyevent@0__:*' side by side: an expiry \
             shows at the owner of the key and nowhere else.",
        );
    let hit = if spring.is_empty() {
        hit
    } else {
        hit.note(
            "Spring Data Redis, on which Spring Session stands, subscribes at ONE node of the \
             cluster (spring-data-redis #1111): expiries and deletions of sessions whose key \
             another primary owns never arrive. SessionCreatedEvent is an ordinary PUBLISH, which \
             goes to all nodes, so it comes in full. With one server there is one node only, and \
             all arrive.",
        )
        .step(
            "Spring Session: do without the events (RedisSessionRepository, that is \
             @EnableRedisHttpSession of 3.0 and later without the indexed repository, in which \
             keys expire by themselves), or keep sessions in a single (replicated) server.",
        )
    };
    hit.step(
        "Or subscribe on EVERY primary with a connection of its own (Lettuce: a node connection of \
         StatefulRedisClusterPubSubConnection for each upstream node, with node message \
         propagation; one client per primary elsewhere), and again after each failover or reshard.",
    )
    .step(
        "What must not be missed should not rest on them: they are sent once, to whoever listens \
         at that moment.",
    )
    .only_these_steps()
}
