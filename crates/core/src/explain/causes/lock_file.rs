//! A nodes.conf that is locked: by whom, as far as the configuration says where the file lies.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// The server says that another one holds its file.
pub(super) fn held(seen: &Seen) -> Option<Hit> {
    let words =
        ["is already used by a different", "cluster configuration file nodes.conf is already"];
    // Then the lock is what the server left behind that could not write the file.
    let left = seen.has(&["can't update cluster config file"]);
    let hit = seen.says(93, &words)?.less_if(20, left);
    let Some(name) = refused_name(seen).filter(|name| !name.contains('/')) else {
        return Some(hit);
    };
    if seen.setting("dir").is_some() {
        return Some(hit);
    }
    let set = seen.settings.iter().find(|set| {
        set.name == "cluster-config-file" && set.value.trim_matches(['"', '\'']) == name
    });
    let unset = match set {
        Some(_) => ", and the configuration that was pasted sets no dir",
        None => "",
    };
    let hit = hit.quotes(set.map(|set| set.line)).note(format!(
        "The file is named '{name}', without a path{unset}. Without dir the server looks for it \
         in the directory in which it was STARTED, not beside its redis.conf: all servers that \
         are started there share this one file, and the first of them holds it."
    ));
    Some(
        hit.step(
            "Give each server a directory of its own: dir /…/<port> (a whole path) in each \
             redis.conf, or start it from there; then start those that were refused. A file name \
             with the port (nodes-7001.conf) parts this file only: appendonly.aof and dump.rdb \
             in the same directory would still be shared.",
        )
        .step(
            "Leave the nodes.conf there to the node that runs: it is that one's identity. The \
             others make up their own.",
        )
        .only_these_steps(),
    )
}

/// `Sorry, the cluster configuration file nodes.conf is already used`.
fn refused_name(seen: &Seen) -> Option<&str> {
    seen.lines.iter().find_map(|line| {
        let (_, rest) = line.text.split_once("cluster configuration file ")?;
        rest.split_once(" is already used").map(|(name, _)| name)
    })
}
