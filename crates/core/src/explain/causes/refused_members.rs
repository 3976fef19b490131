//! 'Is not empty': whether the paste shows the living cluster, or one node that was taken out of it
//! and came back with its old volume.

use super::{addresses, looks};
use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Source, Table};
use crate::explain::template::list;
use crate::model::SLOT_COUNT;

/// What the tools say.
const REFUSED: &[&str] = &["is not empty. either"];

/// The table of a member that gives all slots to several owners, while somebody wants to create.
pub(super) fn living(seen: &Seen) -> Option<&Table> {
    let creates = seen.has(REFUSED) && !adds(seen);
    let table = seen.table().filter(|table| {
        let owners = table.rows.iter().filter(|row| !row.slots.is_empty()).count();
        table.source == Source::Nodes && owners >= 2 && table.assigned().len() == SLOT_COUNT
    });
    table.filter(|_| creates)
}

/// Whether a node is to be added, and no cluster to be made.
pub(super) fn adds(seen: &Seen) -> bool {
    seen.has(&["\"add-node\"", "--cluster add-node", "add-node ", ">>> adding node"])
}

/// Keys that a node told that it has.
fn keys(seen: &Seen) -> Option<(usize, u64)> {
    let counted = seen.lines.windows(2).enumerate().find_map(|(at, pair)| match pair {
        [ask, answer] if ask.lower.contains("dbsize") => {
            let number = answer.lower.trim().trim_start_matches("(integer) ").parse().ok()?;
            Some((at + 1, number))
        }
        _ => None,
    });
    let loaded = || {
        seen.lines.iter().enumerate().find_map(|(at, line)| {
            let (_, rest) = line.lower.split_once("keys loaded: ")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((at, digits.parse().ok()?))
        })
    };
    counted.or_else(loaded).filter(|(_, keys)| *keys > 0)
}

/// What the refusal means for a cluster that lives and whose members do not find each other.
fn is_the_cluster(seen: &Seen, hit: Hit) -> Hit {
    let Some(table) = living(seen) else { return hit };
    let held = keys(seen);
    let have =
        held.map_or(String::new(), |(_, keys)| format!(", and {keys} keys on the one asked"));
    hit.quotes(seen.lines_with(REFUSED).into_iter().take(1))
        .quotes(held.map(|(at, _)| at))
        .note(format!(
            "'Is not empty' is the right answer here: the nodes are no new ones. All 16384 slots \
             have an owner in the table of {} nodes{have}: this is the living cluster, and it is \
             only to be put together again. A create, or blanking the nodes that refuse it, would \
             lose the data.",
            table.rows.len()
        ))
        .step(
            "Stop what runs the create (the operator or job, scaled to 0) until the nodes have \
             found each other.",
        )
}

/// One node is refused by add-node while the cluster has all slots: it came back with the files of
/// the time when it was a member.
pub(super) fn came_with_old_files(seen: &Seen, hit: Hit) -> Hit {
    let covered = seen.lines_with(&["[ok] all 16384 slots covered"]).into_iter().next();
    let started = seen.lines_with(&["node configuration loaded, i'm"]).into_iter().next();
    let (Some(covered), Some(started)) = (covered.filter(|_| adds(seen)), started) else {
        return hit;
    };
    let its_id = seen.word_after("node configuration loaded, i'm");
    if its_id.is_some_and(|id| seen.rows().any(|row| row.id == id)) {
        return hit;
    }
    let held = keys(seen);
    let slots: Vec<String> = seen.lines.iter().filter_map(|line| slot_of(&line.lower)).collect();
    let what = match held {
        Some((_, keys)) if slots.is_empty() => format!("{keys} keys"),
        Some((_, keys)) => format!("{keys} keys, of the slots {}", list(&slots, 6)),
        None => "perhaps keys".to_owned(),
    };
    let volume = if seen.has(&["leader-", "pod", "kube", "statefulset", "svc"]) {
        "its volume (the claim is kept when a pod is scaled in)"
    } else {
        "its directory"
    };
    let node = seen.word_after("[err] node ").unwrap_or_else(|| "the refused node".to_owned());
    let other = seen.word_after(" logs ").filter(|pod| !node.contains(pod.as_str()));
    let whose = other.as_ref().map_or(String::new(), |pod| {
        format!(" (the log is that of {pod}, which was taken in and out with it)")
    });
    hit.more_if(8, true)
        .quote(started)
        .quotes(held.map(|(at, _)| at))
        .quote(covered)
        .note(format!(
            "The cluster is well: the tool finds all 16384 slots covered before it comes to the \
             new node. The node is refused for what came with {volume} from the time when it was a \
             member{whose}: at its start the nodes.conf was there ('Node configuration loaded'), \
             with the id and the table of then, and {what}. The refusal protects it; the \
             members are not concerned."
        ))
        .check(
            "On the refused node alone: CLUSTER MYID (is that id in the table of a member? It must \
             not be), CLUSTER NODES, DBSIZE; and for the slots of its keys CLUSTER \
             COUNTKEYSINSLOT and the values, here and on the owners.",
        )
        .steps_for_one(&other.map_or(node.clone(), |pod| format!("{node} and {pod}")), &what)
}

impl Hit {
    fn steps_for_one(self, node: &str, what: &str) -> Self {
        self.step(format!(
            "Look at the keys of {node} ({what}): are the same keys on the owners of these slots? \
             Then it is an old copy. If one is here only, copy its RDB and AOF away and write it \
             to the owner with a client first."
        ))
        .step(
            "Then blank this one node, and each other one that is refused so, and no member: stop \
             it, move nodes.conf, the RDB and the AOF of ITS directory aside, start it. CLUSTER \
             INFO must say cluster_known_nodes:1, and DBSIZE 0.",
        )
        .step(
            "Then the same add-node (the operator repeats it by itself), and give the node slots \
             (rebalance with --cluster-use-empty-masters) or a primary.",
        )
        .step(
            "For the next time: when nodes are scaled in, first move their slots away and forget \
             them, then clear their volumes before they are used again.",
        )
        .only_these_steps()
    }
}

/// The slot of `I have keys for slot 7365, but the slot is assigned to another node`.
fn slot_of(lower: &str) -> Option<String> {
    let (_, rest) = lower.split_once("have keys for slot ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// The addresses of all are old; where a create is refused, it is told why.
pub(super) fn scattered(seen: &Seen) -> Option<Hit> {
    let lost = || {
        living(seen)?;
        addresses::all_peers_lost(seen).map(|hit| hit.more_if(10, true))
    };
    let hit = looks::all_old(seen).or_else(|| addresses::all_stale(seen)).or_else(lost);
    hit.map(|hit| is_the_cluster(seen, hit))
}
