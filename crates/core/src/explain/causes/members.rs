//! Members that were removed, forgotten, or never part of the whole: who belongs to the cluster.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::{places, short};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;
use crate::explain::template::list;
use crate::model::{Flag, SLOT_COUNT};

/// An address stands in handshake in one table and as failed in another: it was forgotten here and
/// not there, and gossip brings it back under ids that are made up each time.
pub(super) fn forgotten_here_only(seen: &Seen) -> Option<Hit> {
    let fresh = seen.flagged(Flag::Handshake);
    let (shaking, dead) = fresh.iter().find_map(|row| {
        let dead = seen.server_rows().find(|other| {
            other.place() == row.place() && other.is_failing() && other.id != row.id
        })?;
        Some((*row, dead))
    })?;
    let living = seen.server_rows().any(|row| {
        row.place() == shaking.place()
            && row.linked == Some(true)
            && !row.is_failing()
            && !row.flags.has(Flag::Handshake)
    });
    (!living).then(|| {
        Hit::of(89).quote(shaking.line).quote(dead.line).note(format!(
            "{} stands in handshake in one table and as failed ({}) in another: it was forgotten \
             by some nodes only, and those that still list it tell the others about it, who try \
             to greet it again under an id that is made up anew each time. So FORGET of the id in \
             handshake achieves nothing (or 'Unknown node'). Send CLUSTER FORGET {} (the id in the \
             row flagged fail{}) to EVERY node that lists it, all within a minute (the ban is 60 \
             seconds), once it is certain that the machine does not come back{}.",
            shaking.place(),
            short(&dead.id),
            dead.id,
            if dead.slots.is_empty() { ", it owns no slots" } else { "" },
            if dead.slots.is_empty() { "" } else { " and its slots have another owner" },
        ))
    })
}

/// Handshakes whose ids are others at each look: somebody else's table still has the node, and the
/// entries here are made anew each time that it tells of it.
pub(super) fn made_up_each_time(seen: &Seen) -> Option<Hit> {
    let fresh = seen.flagged(Flag::Handshake);
    let refused = |row: &Row| {
        let id = row.id.to_lowercase();
        seen.lines_with(&[&format!("unknown node {id}")]).first().copied()
    };
    let changed = fresh.iter().find_map(|row| {
        let other = fresh.iter().find(|o| o.place() == row.place() && o.id != row.id)?;
        Some((*row, other.line))
    });
    let (row, proof) =
        changed.or_else(|| fresh.iter().find_map(|row| Some((*row, refused(row)?))))?;
    let listed = |place: &str| {
        let mut rows = seen.server_rows();
        rows.any(|row| row.place() == place && !row.flags.has(Flag::Handshake))
    };
    let mut places: Vec<String> = fresh.iter().map(|row| row.place()).collect();
    places.sort();
    places.dedup();
    places.retain(|place| !listed(place));
    if !places.contains(&row.place()) {
        return None;
    }
    let all = list(&places, 4);
    let hit = Hit::of(90).quote(row.line).quote(proof);
    let hit = hit.quotes(fresh.iter().find_map(|row| refused(row)));
    Some(
        hit.note(format!(
            "{all}: only in handshake here, and the id of such an entry is made up at each \
             attempt, so it is another one at each look, and FORGET of it achieves nothing \
             ('Unknown node'). This node forgot them; some other node (replicas and nodes \
             that were down at that time included) still lists them under their true ids and tells \
             everybody, who then tries to greet them again."
        ))
        .step(format!(
            "Look for the true ids: CLUSTER NODES of EVERY node, replicas too; the rows of {all} \
             that are flagged fail and keep the same id at each look."
        ))
        .step(
            "The machine is gone for good and these rows own no slots: CLUSTER FORGET <true id> on \
             all nodes that list it, all within a minute (the ban is 60 seconds), then look again \
             after 90 seconds. The handshakes end by themselves. It is meant to come back: start \
             it with its own nodes.conf instead.",
        )
        .only_these_steps(),
    )
}

/// What a part of an id is to the server.
const CUT_SHORT: &str = "The id in the refusal is shorter than 40 digits: FORGET wants the whole \
    one, as CLUSTER NODES of that very node prints it. An entry that has another id at each look \
    is a handshake, which goes by itself once nobody tells of that address any more: FORGET the \
    dead node's old id on ALL nodes within a minute.";

/// Words of a command that added a node as a primary.
const ADDED: [&str; 4] =
    ["update.addnodes=true", "addnodes: true", "--cluster add-node", "new node added correctly"];

const ADDING_MOVES_NO_SLOTS: &str = "It was added by the command that is pasted too, and its \
    config epoch is 0: adding a node (add-node, and a chart's update.addNodes, which calls it) \
    moves no slots by itself. The others own all 16384 already, so it stays empty until a \
    rebalance gives it some.";

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "FORGOTTEN_NODE_REINTRODUCES_ITSELF",
        title: "A forgotten node comes back, because it still runs",
        side: Side::Cluster,
        when: forgotten_returns,
        cause: "CLUSTER FORGET removes an id[[ (<<id>>)]] and bans it for about a minute (60 s) \
            only. [[The node <<node>> is listed again<<empty>>. ]]The process was left running: \
            once the ban ended, it was taken in again. Since Valkey 8.1 that is known behaviour: a \
            node whose outbound links are alive introduces itself anew (valkey #2788); on older \
            servers a node that was not told to forget passes it on by gossip.",
        check: "Is the process of that id still running and reachable? And was FORGET sent to \
            every node within the minute?",
        fix: &[
            "Make sure that it owns no slots (move them away first).",
            "Shut the removed node down itself (its files stay), or blank it with CLUSTER \
             RESET when DBSIZE there is 0.",
            "CLUSTER FORGET its id on all remaining nodes within the ban time; look again after \
             90 seconds.",
        ],
        never: &[
            "Do not only repeat FORGET: it will return as long as it runs.",
            "Do not FORGET a node that still owns slots.",
            "Do not run --cluster fix.",
        ],
        like: &["GHOST_NODE_ENTRIES"],
    },
    Cause {
        code: "FORGOT_SLOT_OWNER",
        title: "A node that owns slots was forgotten",
        side: Side::Cluster,
        when: |seen| {
            let forget = seen.says(58, &["cluster forget"])?;
            let down = seen.has(&["hash slot not served", "not all 16384 slots"])
                || seen.unowned().is_some();
            down.then(|| forget.more_if(16, true))
        },
        cause: "FORGET was sent for an id that still owned slots: on the nodes that forgot it, \
            these slots have no owner. The forgotten process may still run with all its data.",
        check: "Does the forgotten process still run, and does its own CLUSTER NODES show the \
            slots?",
        fix: &[
            "Keep it running, wait until 60 seconds after the LAST forget, then CLUSTER MEET it \
             once from a member: its claim is taken again and no key is lost.",
        ],
        never: &[
            "Do not assign its slots elsewhere meanwhile, and do not repeat FORGET (it renews \
             the ban).",
        ],
        like: &["UNASSIGNED_SLOTS_SHARD_FORGOTTEN"],
    },
    Cause {
        code: "FORGET_REFUSED",
        title: "FORGET is refused",
        side: Side::Command,
        when: |seen| {
            seen.says(
                86,
                &[
                    "can't forget my master",
                    "can't forget my primary",
                    "i tried hard but i can't forget myself",
                ],
            )
            .or_else(|| seen.says_all(86, &[&["unknown node "], &["forget", "del-node"]]))
            .map(|h| h.less_if(20, seen.has(&["not all 16384"])))
            .map(|hit| {
                let id = seen.word_after("unknown node ").unwrap_or_default();
                if (4..40).contains(&id.len()) && id.chars().all(|c| c.is_ascii_hexdigit()) {
                    return hit.note(CUT_SHORT);
                }
                hit
            })
        },
        cause: "A replica cannot forget its own primary, a node not itself, and nobody an id that \
            it does not know (an id of another cluster, cut short, or already forgotten).",
        check: "CLUSTER NODES on the node that refused: is the id listed, and is it its primary?",
        fix: &[
            "A replica whose primary is dead and owned slots is perhaps the last copy: promote \
             it in place of forgetting. Only a replica whose primary's slots have moved is \
             pointed to another primary (CLUSTER REPLICATE drops its keys). Then repeat; leave \
             out the nodes that do not list the id.",
        ],
        never: &["Do not reset the node to get rid of an entry."],
        like: &["GHOST_NODE_ENTRIES"],
    },
    Cause {
        code: "RESET_REFUSED_KEYS",
        title: "The node is not empty, so it cannot be reset or made a replica",
        side: Side::Command,
        when: |seen| {
            seen.says(
                88,
                &[
                    "cluster reset can't be called with master nodes containing keys",
                    "to set a master the node must be empty and without assigned slots",
                    "node must be empty",
                ],
            )
        },
        cause: "The server protects data: a primary with keys refuses RESET, and a node with keys \
            or slots refuses REPLICATE.",
        check: "DBSIZE and its slots in CLUSTER NODES: whose keys are these?",
        fix: &[
            "Move its slots away first (reshard); if the keys are leftovers, copy them aside and \
             be sure that nobody wants them before the node is emptied.",
        ],
        never: &["Do not FLUSHALL to please a tool before you know whose keys these are."],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE"],
    },
    Cause {
        code: "DEL_NODE_NOT_EMPTY",
        title: "The node to be removed still owns slots",
        side: Side::Command,
        when: |seen| {
            let hit = seen.says(90, &["is not empty! reshard data away and try again"])?;
            let place = seen.word_after("[err] node ").unwrap_or_default();
            // Nothing can be moved out of a node that is down: its shard comes first.
            let down = seen.failing().iter().any(|row| row.place() == place);
            Some(hit.less_if(26, down))
        },
        cause: "del-node removes only nodes without slots; this one still owns some.",
        check: "Its row in CLUSTER NODES.",
        fix: &["Reshard its slots to other primaries, then del-node it, and stop the process."],
        never: &["Do not FORGET it instead: its slots would be unserved."],
        like: &["SLOT_OPEN"],
    },
    Cause {
        code: "CLUSTER_SPLIT_ISLANDS",
        title: "The nodes form two clusters that do not know each other",
        side: Side::Cluster,
        when: |seen| {
            let told = seen.says(
                58,
                &[
                    "two separate clusters",
                    "split into two clusters",
                    "separate clusters",
                    "joined to a different cluster",
                ],
            );
            told.or_else(|| islands(seen))
        },
        cause: "Groups of nodes list each other within the group and nobody of the other one: the \
            cluster was created twice or half, or most nodes lost their identity and were created \
            anew.",
        check: "Which group has the data: DBSIZE and slots in each?",
        fix: &[
            "Keep the group with the data. Nodes of a group that is surely empty are blanked and \
             joined as new members; two groups with data need an export and import.",
        ],
        never: &["Do not MEET two groups that both have data: one side's keys are dropped."],
        like: &["NODE_IDENTITY_LOST", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "EMPTY_PRIMARY",
        title: "A primary owns no slots",
        side: Side::Cluster,
        when: |seen| {
            let table = seen
                .table()
                .filter(|table| table.source != Source::Check || table.rows.len() > 3)?;
            let empty: Vec<&Row> = table
                .rows
                .iter()
                .filter(|r| r.is_primary() && r.slots.is_empty() && !r.is_failing())
                .collect();
            let whole = table.assigned().len() == SLOT_COUNT;
            // CLUSTER SHARDS lists by shard, so a part of it is whole shards.
            let shards = table.source == Source::Shards && table.rows.len() < 4;
            if shards && !empty.is_empty() && !table.assigned().is_empty() {
                return Some(
                    Hit::of(66)
                        .quotes(empty.iter().map(|r| r.line).take(2))
                        .fact("places", list(&places(empty), 4)),
                );
            }
            let former = stays_primary(seen).or_else(|| kept_from_following(seen));
            if let Some(hit) = former.or_else(|| returned_as_a_stranger(seen)) {
                return Some(hit);
            }
            (!empty.is_empty() && whole).then(|| {
                let added = seen.lines_with(&ADDED);
                let new = empty.iter().all(|row| row.epoch == Some(0));
                let hit = Hit::of(46)
                    .quotes(empty.iter().map(|r| r.line).take(3))
                    .fact("places", list(&places(empty), 4));
                match added.first().filter(|_| new) {
                    Some(at) => hit.more_if(40, true).quote(*at).note(ADDING_MOVES_NO_SLOTS),
                    None => hit,
                }
            })
        },
        cause: "[[<<places>>: ]]a primary without slots. It serves nothing, has no vote, and its \
            replicas wait for nothing: a new node that got no slots yet, or one whose last slot \
            was moved away.",
        check: "DBSIZE on it: keys there are orphans.",
        fix: &[
            "Give it slots (redis-cli --cluster rebalance --cluster-use-empty-masters) or make it \
             a replica (CLUSTER REPLICATE).",
        ],
        never: &["Do not remove it before you know that it has no keys."],
        like: &["FORGOTTEN_NODE_REINTRODUCES_ITSELF"],
    },
];

/// A dead entry without slots, an owner without a replica that took its slots over, and a new
/// primary without slots: the dead node came back under another id.
fn returned_as_a_stranger(seen: &Seen) -> Option<Hit> {
    let table = seen.table().filter(|table| table.assigned().len() == SLOT_COUNT)?;
    let bare = |row: &&Row| row.is_primary() && row.slots.is_empty();
    let dead = table.rows.iter().filter(bare).find(|row| row.is_failing())?;
    let new = table.rows.iter().filter(bare).find(|row| !row.is_failing())?;
    let followed = |row: &Row| table.rows.iter().any(|r| r.primary.as_deref() == Some(&row.id));
    let lived = dead.epoch.is_some_and(|epoch| epoch > 0);
    let owners = table.rows.iter().filter(|row| !row.slots.is_empty() && !row.is_failing());
    let heir = owners.filter(|row| !followed(row)).max_by_key(|row| row.epoch)?;
    let later = heir.epoch > dead.epoch;
    (lived && later && !followed(new)).then(|| {
        let (heir_place, new_place, dead_place) = (heir.place(), new.place(), dead.place());
        Hit::of(72)
            .quote(new.line)
            .quote(dead.line)
            .quote(heir.line)
            .fact("places", new_place.clone())
            .note(format!(
                "All slots are served. {dead_place} is the entry of a primary that died, \
                 {heir_place} took over (the highest config epoch, and nobody follows it), and \
                 {new_place} most likely is that dead node, come back under a new id and added as \
                 a primary instead of as a replica of its heir."
            ))
            .step(format!(
                "On {new_place}, if DBSIZE there is 0: CLUSTER REPLICATE {} (so that {heir_place} \
                 has a replica again). Then CLUSTER FORGET {} on every node (it owns nothing), and \
                 look again after 90 seconds.",
                heir.id, dead.id
            ))
    })
}

fn forgotten_returns(seen: &Seen) -> Option<Hit> {
    let forget = seen.lines_with(&["cluster forget", "cluster_forget"]);
    let id = seen.word_after("cluster forget ");
    let back = id.as_ref().and_then(|id| seen.server_rows().find(|row| row.id == *id));
    // An id in handshake is made up: nobody of that name was ever here.
    if back.is_some_and(|row| row.flags.has(Flag::Handshake)) {
        return None;
    }
    let told = seen.has(&[
        "comes back",
        "come back",
        "reappear",
        "re-appear",
        "back again",
        "rejoin",
        "returns",
        "added again",
        "still shows",
        "re-added",
    ]);
    let relinked = seen.lines_with(&["there is no inbound link for it"]);
    let score = match (!forget.is_empty(), back.is_some(), told || !relinked.is_empty()) {
        (true, true, _) => 92,
        (true, false, true) => 78,
        (false, _, _) if !relinked.is_empty() => 58,
        _ => return None,
    };
    let place = back
        .map(|row| if row.address.ip.is_empty() { "with this id".to_owned() } else { row.place() });
    Some(
        Hit::of(score)
            .quotes(forget.into_iter().take(1))
            .quotes(back.map(|row| row.line))
            .quotes(relinked.into_iter().take(1))
            .fact_if("id", id)
            .fact_if("node", place)
            .fact_if(
                "empty",
                back.map(
                    |row| if row.slots.is_empty() { " (without slots)" } else { " (with slots)" },
                ),
            ),
    )
}

fn islands(seen: &Seen) -> Option<Hit> {
    let tables: Vec<_> = seen
        .tables
        .iter()
        .filter(|t| t.source == Source::Nodes && t.rows.len() > 1)
        .take(50)
        .collect();
    for (at, a) in tables.iter().enumerate() {
        let apart = tables
            .iter()
            .skip(at + 1)
            .find(|b| !a.rows.iter().any(|row| b.rows.iter().any(|other| other.id == row.id)));
        if let Some(b) = apart {
            let lines = a.rows.first().into_iter().chain(b.rows.first()).map(|row| row.line);
            let owns = |table: &&super::super::seen::Table| !table.assigned().is_empty();
            let both = owns(a) && owns(b);
            return Some(Hit::of(60).more_if(31, both).quotes(lines));
        }
    }
    None
}

/// A node whose log says that it became a replica, and that is listed as a primary without slots
/// all the same.
fn stays_primary(seen: &Seen) -> Option<Hit> {
    let after = |phrase: &str| {
        seen.lines.iter().enumerate().find_map(|(at, line)| {
            let (_, rest) = line.lower.split_once(phrase)?;
            let id = rest.split_whitespace().next()?.trim_end_matches('.').to_owned();
            Some((at, id))
        })
    };
    let (_, own) = after("node configuration loaded, i'm ")?;
    let (said, primary) = after("reconfiguring myself as a replica of ")?;
    let row = seen.server_rows().find(|row| {
        row.id == own && row.is_primary() && row.slots.is_empty() && !row.is_failing()
    })?;
    let heir = seen.server_rows().find(|row| row.id == primary && !row.slots.is_empty())?;
    let place = row.place();
    let came_back = format!(
        "It came back after {} had taken its slots, and logged that it follows that one, but is \
         still listed as a primary without slots: a former primary that did not become a replica. \
         Its own CLUSTER NODES and ROLE tell: if it says replica, only the others' tables are \
         behind and a minute settles it.",
        heir.place()
    );
    let hit = Hit::of(82).quote(said).quote(row.line).quote(heir.line);
    // By its own word it follows: only the others are behind.
    let follows = seen.roles.iter().find(|role| {
        role.host == heir.address.ip && matches!(role.state.as_str(), "connected" | "sync")
    });
    if let Some(role) = follows {
        let note = format!(
            "ROLE on it says that it follows {} and is linked, so it is a replica, and only the \
             tables of the others are behind (a packet with the new role was lost, or they are \
             swamped, redis/redis#6755). No slot and no key is concerned.",
            heir.place()
        );
        let step = format!(
            "Wait two node timeouts and look at CLUSTER NODES of {place} itself and of several \
             others. Where it stays: on {place} once more CLUSTER REPLICATE {primary}, or restart \
             that one node; it then tells everybody its role anew."
        );
        let hit = hit.quote(role.line).fact("places", place).note(note).step(step);
        return Some(hit.only_these_steps());
    }
    let step = format!(
        "On {place}: ROLE and CLUSTER NODES. If it holds itself for a primary, copy its RDB and \
         AOF away and compare its keys with those of {heir} (what only the old primary has is lost \
         when it follows): copy those to {heir}. CLUSTER REPLICATE {primary} on it is refused \
         while it holds keys, so emptying this one node is a person's decision, after the \
         comparison.",
        heir = heir.place()
    );
    Some(hit.fact("places", place).note(came_back).step(step).only_these_steps())
}

/// `A failover occurred in shard ...; node A lost 5461 slot(s) to node B` of Valkey 8.0 and later,
/// in the log of a node that is still a primary; or a setting that keeps primaries without slots
/// from following (valkey-io/valkey#2261).
fn kept_from_following(seen: &Seen) -> Option<Hit> {
    let bare = |row: &&Row| row.is_primary() && row.slots.is_empty() && !row.is_failing();
    let lived = |row: &&Row| row.epoch.is_some_and(|epoch| epoch > 0);
    let former = seen.server_rows().filter(bare).find(lived)?;
    let lost = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once(&former.id)?;
        let (_, rest) = rest.split_once(" slot(s) to node ")?;
        Some((at, rest.split_whitespace().next()?.to_owned()))
    });
    let stays = seen
        .settings
        .iter()
        .find(|setting| setting.name == "cluster-allow-replica-migration" && setting.value == "no");
    let heir = match &lost {
        Some((_, id)) => seen.server_rows().find(|row| row.id == *id)?,
        None => seen
            .server_rows()
            .filter(|row| !row.slots.is_empty() && row.epoch > former.epoch)
            .max_by_key(|row| row.epoch)
            .filter(|_| stays.is_some())?,
    };
    let (place, by) = (former.place(), heir.place());
    let told = if lost.is_some() { "its log says that" } else { "by the config epochs" };
    let hit = Hit::of(if lost.is_some() { 84 } else { 68 });
    let hit = hit.quotes(lost.map(|(at, _)| at)).quotes(stays.map(|s| s.line));
    let hit = hit.quote(former.line).quote(heir.line).fact("places", place.clone()).note(format!(
        "It is a former primary: {told} {by} has the slots that it had. A primary that loses its \
         last slot follows the new owner only within its own shard or when \
         cluster-allow-replica-migration is yes; it took {by} for a node of another shard (after \
         two failovers in its absence) or the setting is no, so it stays a primary without slots. \
         All slots are served; only a replica is missing."
    ));
    Some(
        hit.step(format!(
            "On {place}: DBSIZE. With keys, copy its RDB and AOF away and compare them with {by}: \
             what was written last before the failover may be there only."
        ))
        .step(format!(
            "With 0 keys: CLUSTER REPLICATE {} on {place}. It is refused while the node holds \
             keys; that it may be emptied is a person's decision, after the copy.",
            heir.id
        ))
        .only_these_steps(),
    )
}
