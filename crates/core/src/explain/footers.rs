//! What stands below the answer: whether the cluster is to be repaired, and figures that the
//! answer has not named.

use super::cause::Side;
use super::proof::has_word;
use super::seen::Seen;
use super::{Confidence, Explained};

/// Causes of administrators' commands where the fault is what a node still holds.
const HELD_BY_NODES: &[&str] = &[
    "LEFTOVER_CLUSTER_STATE_ON_NODE",
    "NODE_ALREADY_MEMBER",
    "CREATE_ON_SLOTS_OF_EARLIER_ATTEMPT",
    "SLOT_BUSY_OR_LOCAL_COMMAND",
    "RESET_REFUSED_KEYS",
    "DEL_NODE_NOT_EMPTY",
    "SET_CONFIG_EPOCH_REFUSED",
];

/// Those where the nodes were not joined, or not as they should be.
const NOT_SET_UP: &[&str] = &[
    "CLUSTER_NOT_CREATED",
    "SINGLE_NODE_NEVER_MET",
    "SLOTS_NEVER_ASSIGNED",
    "ADD_NODE_ABORTED",
    "JOINED_BY_LOOPBACK",
    "MEMBER_MET_AGAIN",
    "MEET_WITHOUT_BUS_PORT",
    "BUS_PORT_WRONG",
    "HOSTNAME_AS_ANNOUNCE_IP",
    "CREATE_NEEDS_YES",
    "TOO_FEW_NODES_FOR_CREATE",
];

/// Those that touch slots and keys.
const TOUCHES_DATA: &[&str] = &[
    "FIX_TOOL_DESTRUCTIVE",
    "SNAPSHOT_ON_WRONG_NODE",
    "SCALED_DOWN_WITH_SLOTS",
    "REDIS_CLI_MIGRATES_WRONG_KEYS",
    "REDIS_TRIB_GEM_TOO_NEW",
    "RESHARD_SOURCE_BECAME_REPLICA",
    "MIGRATE_BLOCKS_NODE",
    "SETSLOT_ON_REPLICA",
    "FORGET_REFUSED",
];

/// Those where a command only meets a fault that was there.
const MEETS_A_FAULT: &[&str] = &["TOOL_STOPS_AT_DEAD_NODE", "IMPORT_SOURCE_REFUSED"];

/// Whether the cluster itself is to be repaired.
pub(super) fn health(seen: &Seen, cause: Option<&Explained>) -> String {
    let said = if seen.says_fail() {
        "the pasted CLUSTER INFO says cluster_state:fail"
    } else if seen.serves_all() {
        "the pasted CLUSTER INFO says cluster_state:ok with all 16384 slots"
    } else if seen.says_ok() && !seen.lost_owners().is_empty() {
        "the pasted CLUSTER INFO says cluster_state:ok, which a lost address does not change"
    } else if seen.says_ok() {
        "the pasted CLUSTER INFO says cluster_state:ok"
    } else {
        ""
    };
    let tail = if said.is_empty() { String::new() } else { format!(" ({said})") };
    let Some(cause) = cause else {
        return match said {
            "" => "Whether the cluster is broken cannot be told.".to_owned(),
            said => format!("Only this much can be told: {said}."),
        };
    };
    match cause.side {
        Side::Client | Side::Application => outside(seen, cause.side, said),
        Side::Command => by_command(&cause.code, seen, said),
        Side::Nobody => format!("Nothing is wrong with the cluster in what was pasted{tail}."),
        Side::Network => {
            format!("The network or the announced addresses are at fault, not the data{tail}.")
        }
        Side::Platform if super::causes::was_emptied(seen) => {
            format!("Nodes were emptied by what runs above them; their files come first{tail}.")
        }
        Side::Platform => {
            format!("What runs below the nodes is at fault, not the slots or the tables{tail}.")
        }
        Side::Cluster if cause.confidence == Confidence::Shown => {
            format!("The fault is on the server side{tail}.")
        }
        Side::Cluster => format!("If it is this, the fault is on the server side{tail}."),
    }
}

/// Faults outside of the cluster, and what the paste says of the cluster beside them.
fn outside(seen: &Seen, side: Side, said: &str) -> String {
    let whose = if side == Side::Client {
        "The fault is on the client side"
    } else {
        "The fault is in the application's commands and keys"
    };
    let broken = if seen.says_fail() {
        Some(said.to_owned())
    } else if !seen.failing().is_empty() {
        Some("the pasted table flags nodes as failing".to_owned())
    } else if seen.lost_owners().is_empty() {
        None
    } else {
        Some("the pasted table has an owner of slots without address (noaddr)".to_owned())
    };
    match broken {
        Some(what) => format!(
            "{whose}; beside it {what}, which no client brings about: slotwright check HOST:PORT \
             looks at that."
        ),
        None if said.is_empty() => format!(
            "{whose}; nothing pasted says that the cluster is broken, and it is not to be repaired."
        ),
        None => format!("{whose}; the cluster is not to be repaired ({said})."),
    }
}

/// What a command of an administrator has to do with the cluster.
fn by_command(code: &str, seen: &Seen, said: &str) -> String {
    let own = said.is_empty() || seen.blocks.len() != 1;
    let tail = if said.is_empty() { String::new() } else { format!(" ({said})") };
    if HELD_BY_NODES.contains(&code) {
        let view = if own { String::new() } else { format!("; {said}, and that is its own view") };
        let changed = if code == "CREATE_ON_SLOTS_OF_EARLIER_ATTEMPT" {
            "what it had given to other nodes before stays there"
        } else {
            "nothing was changed"
        };
        return format!(
            "The command was refused for what the node holds (cluster state, slots or keys); \
             {changed}{view}."
        );
    }
    if NOT_SET_UP.contains(&code) {
        return format!("The set-up is not finished; no stored data is at fault{tail}.");
    }
    if TOUCHES_DATA.contains(&code) {
        return format!(
            "A command that moves or gives away slots is at fault: keys are concerned, so nothing \
             of the kind is run again before they are looked at{tail}."
        );
    }
    if MEETS_A_FAULT.contains(&code) {
        return format!("The command only stops at a fault that was there before it{tail}.");
    }
    format!("The fault is in how the command was called, not in stored data{tail}.")
}

/// The sentences with figures that the answer does not name.
pub(super) fn unsaid(shown: Vec<String>, cause: Option<&Explained>) -> Vec<String> {
    let Some(cause) = cause else { return shown };
    let quotes = cause.quotes.iter().map(|quote| quote.text.as_str());
    let told: Vec<&str> = quotes.chain([cause.title.as_str(), &cause.cause]).collect();
    let told = told.join(" ");
    let new = |sentence: &String| {
        let split = |c: char| c.is_whitespace() || ",;()\'\"".contains(c);
        let words = sentence.split(split).map(|word| word.trim_matches(['.', ':', '?', '!']));
        let figure = |word: &&str| word.len() >= 3 && word.chars().any(|c| c.is_ascii_digit());
        let figures: Vec<&str> = words.filter(figure).collect();
        figures.is_empty() || figures.iter().any(|figure| !has_word(&told, figure))
    };
    shown.into_iter().filter(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::causes;

    #[test]
    fn the_codes_are_those_of_commands() {
        let lists = [HELD_BY_NODES, NOT_SET_UP, TOUCHES_DATA, MEETS_A_FAULT];
        for code in lists.concat() {
            let cause = causes::all().find(|cause| cause.code == code);
            assert_eq!(cause.map(|cause| cause.side), Some(Side::Command), "{code}");
        }
    }

    #[test]
    fn a_client_is_not_told_that_a_failing_cluster_is_well() {
        let seen = Seen::of("cluster_state:fail\ncluster_slots_assigned:16384\n");
        let said = outside(&seen, Side::Client, "the pasted CLUSTER INFO says cluster_state:fail");
        assert!(!said.contains("not to be repaired"), "{said}");
    }
}
