//! A client whose whole map is of nodes that are gone, and where it asks for a new one.

use super::dialled;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Words of a cluster that was made anew, or whose nodes were all replaced.
const ANEW: [&str; 17] = [
    "created again",
    "recreated",
    "re-created",
    "recreate the",
    "made again",
    "made anew",
    "replaced",
    "new cluster",
    "restored",
    "node type",
    "instance type",
    "scaled",
    "upgraded",
    "blue/green",
    "migrated to",
    "dns change",
    "redeployed",
];

/// The line that tells of it.
pub(super) fn made_anew(seen: &Seen) -> Option<usize> {
    seen.lines_with(&ANEW).first().copied()
}

/// What a library asks when it refreshes its map.
struct Habit {
    client: &'static str,
    /// Settings with which it asks only the nodes that it found, in small letters.
    found_only: &'static [&'static str],
    /// Settings with which it asks its start names.
    start: &'static [&'static str],
    says: &'static str,
    step: &'static str,
}

static HABITS: &[Habit] = &[
    Habit {
        client: "Lettuce",
        found_only: &["dynamicrefreshsources=true", "dynamicrefreshsources(true", "sources: true"],
        start: &["dynamicrefreshsources(false", "dynamicrefreshsources=false"],
        says: "With dynamicRefreshSources true (the default) Lettuce asks the nodes that it FOUND \
            for a new map, each of them one of those dead ones; earlier releases never come back \
            to the name they started with (redis/lettuce#822), so periodic and adaptive refresh \
            run and find nobody.",
        step: "Lettuce: ClusterTopologyRefreshOptions.builder().dynamicRefreshSources(false), so \
            that each refresh asks the start name again; or a later release, which falls back to \
            it when none of the found nodes answers (redis/lettuce#822). Keep the periodic \
            refresh.",
    },
    Habit {
        client: "redis-py",
        found_only: &["dynamic_startup_nodes=true"],
        start: &["dynamic_startup_nodes=false"],
        says: "redis-py puts the addresses of the map in place of its start nodes \
            (dynamic_startup_nodes, on by default), so nobody is left to ask for a new one.",
        step: "redis-py: RedisCluster(host=<the name>, dynamic_startup_nodes=False) in 4.5 and \
            later.",
    },
    Habit {
        client: "Redisson",
        found_only: &[],
        start: &[],
        says: "Redisson asks the nodes that it found for a new map (scanInterval) and looks its \
            start name up again by dnsMonitoringInterval.",
        step: "Redisson: dnsMonitoringInterval 5000 (not -1) with the name as the node address, \
            scanInterval 2000, and a current release.",
    },
    Habit {
        client: "Jedis",
        found_only: &[],
        start: &[],
        says: "Jedis asks the nodes of its old map for a new one; older releases never come back \
            to their start name when none of them is left (redis/jedis#2643).",
        step: "Jedis 5.1 or later with the name as the start node (it is asked again since \
            redis/jedis#2643; topologyRefreshPeriod is new in 5.1), in Spring the release that \
            brings it; with an older one build the JedisCluster anew on repeated failures.",
    },
    Habit {
        client: "ioredis",
        found_only: &[],
        start: &[],
        says: "ioredis comes back to its start nodes only when it has lost every node of its map \
            and clusterRetryStrategy gives it another try.",
        step: "ioredis: clusterRetryStrategy that always returns a number (then it begins again at \
            the start name), slotsRefreshInterval 5000.",
    },
];

/// What the client's library asks for a new map, and the step for it.
pub(super) fn habit_of(seen: &Seen) -> Option<(&'static str, &'static str)> {
    let habit =
        HABITS.iter().find(|habit| seen.client() == Some(habit.client) && !seen.has(habit.start));
    habit.map(|habit| (habit.says, habit.step))
}

const SETTLES: &str = "A new client process works at once, and CLUSTER SLOTS through the name has \
    none of the addresses in the errors.";

/// The client fails at addresses of which not one is left: its refresh has nobody to ask.
pub(super) fn nobody_left_to_ask(seen: &Seen, hit: Hit) -> Hit {
    let event = made_anew(seen);
    let habit =
        HABITS.iter().find(|habit| seen.client() == Some(habit.client) && !seen.has(habit.start));
    let set = habit.and_then(|habit| seen.lines_with(habit.found_only).first().copied());
    let works = dialled::name_answers(seen);
    if event.is_none() && set.is_none() {
        return hit;
    }
    let hit = hit.more_if(4, event.is_some()).quotes(set).quotes(event).quotes(works);
    let hit = hit.note(
        "Not one of the addresses that it dials is left, so its whole map is of the time before: \
         whatever asks those nodes for a new map hears nothing.",
    );
    let hit = match works {
        Some(_) => hit.note(
            "The network, the name and the servers are in order: through the name a PONG comes \
             back from where it was asked.",
        ),
        None => hit,
    };
    match habit {
        Some(habit) => hit.note(habit.says).step(habit.step).check(SETTLES).only_these_steps(),
        None => hit,
    }
}
