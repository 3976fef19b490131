//! A start script that may not make the directory which the server's files belong in: what comes
//! after it (no such file) is the consequence.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// The line of `mkdir` that was refused, and the directory.
fn refused(seen: &Seen) -> Option<(usize, String)> {
    seen.lines.iter().enumerate().find_map(|(at, line)| {
        let denied = line.lower.contains("mkdir") && line.lower.contains("permission denied");
        let from = line.text.find('/').filter(|_| denied)?;
        let rest = line.text.get(from..)?;
        let end = rest.find(|c: char| c.is_whitespace() || "'\"`:‘’".contains(c));
        let path = rest.get(..end.unwrap_or(rest.len()))?.trim_end_matches('/');
        (path.len() > 1).then(|| (at, path.to_owned()))
    })
}

/// The server misses a file in a directory that could not be made.
pub(super) fn made(seen: &Seen, missing: &str, hit: &Hit) -> Option<Hit> {
    let (at, path) = refused(seen).filter(|(_, path)| missing.contains(path.as_str()))?;
    let above = path.rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty());
    let why = above.map_or_else(
        || "does not run as root, who alone may make a directory there".to_owned(),
        |above| format!("may not write in {above}"),
    );
    let hit = hit.clone().quote(at).fact("errno", "its directory could not be made").note(format!(
        "It begins earlier: mkdir of {path} was refused with 'Permission denied'. The process {why}, \
         and no volume is mounted at {path} itself; 'No such file or directory' afterwards is only \
         the consequence."
    ));
    let hit = match harmless(seen) {
        Some(lines) => hit.note(lines),
        None => hit,
    };
    let operator = seen.has(&["redis-operator", "rediscluster-operator", "valkey-operator"]);
    let volume = if operator || seen.has(&["helm", "operator"]) {
        format!(
            "Have a writable, lasting volume mounted at {path}: the option of the operator or chart \
             for the volume of nodes.conf (in OT-CONTAINER-KIT's redis-operator \
             storage.nodeConfVolume: true with its nodeConfVolumeClaimTemplate). Operator, custom \
             resource definitions, chart and image must be of releases that fit each other; an \
             image that is newer than the operator expects a mount that nobody makes."
        )
    } else {
        format!(
            "Mount a writable, lasting volume at {path} (nodes.conf is the node's identity), or set \
             the path to a directory of the volume that there is."
        )
    };
    Some(
        hit.check(format!(
            "kubectl get pod <pod> -o yaml: is there a volumeMount at {path}, and which runAsUser \
             and fsGroup has the securityContext? In the container: id, and ls -ld {path}."
        ))
        .step(volume)
        .step(
            "If the volume is there and not writable: securityContext of the pod with runAsUser and \
             fsGroup of the image's user (1000 in the operator's examples, 999 in the official \
             images, 1001 in Bitnami's), so that the volume belongs to it.",
        )
        .step("Then the node starts by itself; the other nodes and their volumes stay as they are.")
        .only_these_steps(),
    )
}

/// Lines beside it that mean nothing.
fn harmless(seen: &Seen) -> Option<&'static str> {
    let sed = seen.lines.iter().any(|line| {
        line.lower.trim_start().starts_with("sed:") && line.lower.contains("no such file")
    });
    let password = seen.has(&["running without password"]);
    match (sed, password) {
        (true, true) => Some(
            "The line of sed (it found no nodes.conf to mend) and the one of the missing password \
             are harmless here.",
        ),
        (true, false) => Some("The line of sed (it found no nodes.conf to mend) is harmless here."),
        (false, true) => Some("The line of the missing password has no part in it."),
        (false, false) => None,
    }
}
