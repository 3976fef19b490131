//! A nodes.conf that is locked: by whom, as far as the configuration says where the file lies.

use crate::explain::cause::Hit;
use crate::explain::seen::{Pod, Seen};
use crate::explain::template::list;

/// Who it may be, where the paste does not tell.
const REASONS: &str = "several instances in one directory with the same file name, the former \
    process (or a fork of it) that still runs, or a pod that is still terminating with the same \
    volume";

/// The server says that another one holds its file.
pub(super) fn held(seen: &Seen) -> Option<Hit> {
    let words =
        ["is already used by a different", "cluster configuration file nodes.conf is already"];
    // Then the lock is what the server left behind that could not write the file.
    let left = seen.has(&["can't update cluster config file"]);
    let hit = seen.says(93, &words)?.less_if(20, left);
    if let Some((runs, refused)) = replicas_of_one_set(seen) {
        return Some(on_one_volume(seen, hit, runs, &refused));
    }
    let general = hit.clone().fact("reasons", REASONS);
    let named = refused_name(seen).filter(|name| !name.contains('/'));
    let Some(name) = named.filter(|_| seen.setting("dir").is_none()) else {
        return Some(general);
    };
    let set = seen.settings.iter().find(|set| {
        set.name == "cluster-config-file" && set.value.trim_matches(['"', '\'']) == name
    });
    let Some(set) = set else {
        return Some(general.note(format!(
            "The file is named '{name}', without a path: where no dir is set either, the server \
             looks for it in the directory in which it was started, not beside its redis.conf."
        )));
    };
    let hit = hit.quote(set.line).note(format!(
        "The file is named '{name}', without a path, and the configuration that was pasted sets \
         no dir. Then the server looks for it in the directory in which it was STARTED, not \
         beside its redis.conf: all servers that are started there share this one file, and the \
         first of them holds it."
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

/// A pod that runs, and those of the same set that do not come up.
fn replicas_of_one_set(seen: &Seen) -> Option<(&Pod, Vec<&Pod>)> {
    let up = |pod: &&Pod| pod.status == "Running" && !pod.ready.starts_with("0/");
    let down = |pod: &&Pod| {
        let failing = ["CrashLoopBackOff", "Error"].contains(&pod.status.as_str());
        failing || (pod.status == "Running" && pod.ready.starts_with("0/") && pod.restarts > 0)
    };
    seen.pods.iter().filter(up).find_map(|runs| {
        let set = set_of(&runs.name)?;
        let refused: Vec<&Pod> =
            (seen.pods.iter().filter(down)).filter(|pod| set_of(&pod.name) == Some(set)).collect();
        (!refused.is_empty()).then_some((runs, refused))
    })
}

/// `redis-app` of `redis-app-1`.
fn set_of(pod: &str) -> Option<&str> {
    let (set, ordinal) = pod.rsplit_once('-')?;
    let counts = !ordinal.is_empty() && ordinal.len() < 4;
    (counts && ordinal.chars().all(|c| c.is_ascii_digit())).then_some(set)
}

/// Pods have file systems of their own, so a lock that is seen from another pod is on a volume
/// which both mount.
fn on_one_volume(seen: &Seen, hit: Hit, runs: &Pod, refused: &[&Pod]) -> Hit {
    let holder = runs.name.as_str();
    let names: Vec<String> = refused.iter().map(|pod| pod.name.clone()).collect();
    let who = list(&names, 4);
    let apart = refused.iter().all(|pod| pod.machine.is_some() && pod.machine != runs.machine);
    let machines = if apart { ", on other machines than its" } else { "" };
    let again = refused.iter().map(|pod| pod.restarts).max().unwrap_or(0);
    let long = if again >= 3 {
        format!(
            " A predecessor that is still ending does not hold it: after {again} restarts that \
             would be gone."
        )
    } else {
        String::new()
    };
    let dir = seen.setting("dir").map_or("its directory", |set| set.value.as_str());
    let claims: Vec<String> = [holder.to_owned()].into_iter().chain(names).collect();
    hit.less_if(12, again < 3 && !apart)
        .quote(runs.line)
        .quotes(refused.iter().map(|pod| pod.line).take(2))
        .note(format!(
            "Here the pods of one StatefulSet share ONE volume: {holder} runs and holds the lock, \
             and {who} find it{machines}. Pods have file systems of their own, so that can only be \
             storage which all of them mount (one claim for all replicas, a hostPath on shared \
             storage).{long}"
        ))
        .check(format!(
            "kubectl get pods {} -o yaml: the same claimName in each is one volume for all; \
             kubectl get pvc: one claim in place of one for each pod.",
            claims.join(" ")
        ))
        .step(
            "Give each pod a volume of its own: volumeClaimTemplates in the StatefulSet, not a \
             claim under spec.template.spec.volumes (that one is mounted by all replicas). The \
             field cannot be added to a StatefulSet that exists: it is made anew with it, and the \
             old claim is kept until the data in it is not needed any more.",
        )
        .step(format!(
            "Another file name alone would not do: the AOF and RDB files in {dir} would still be \
             shared, and the nodes would overwrite each other's data.",
        ))
        .step(format!(
            "Leave the file to {holder}, whose identity it is. With their own volumes the others \
             start empty and are joined (or the cluster is made of them) afterwards."
        ))
        .only_these_steps()
}

/// `Sorry, the cluster configuration file nodes.conf is already used`.
fn refused_name(seen: &Seen) -> Option<&str> {
    seen.lines.iter().find_map(|line| {
        let (_, rest) = line.text.split_once("cluster configuration file ")?;
        rest.split_once(" is already used").map(|(name, _)| name)
    })
}
