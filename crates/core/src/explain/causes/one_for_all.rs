//! Several pods or hosts that log one and the same address as what they announce.

use std::collections::{BTreeMap, BTreeSet};

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, addresses, source};
use crate::explain::template::list;

/// Who wrote a line: `[pod] ...` or `pod | ...`.
fn writer(text: &str) -> Option<&str> {
    let bracket = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let name = bracket.map_or_else(|| source(text), |(name, _)| name.trim());
    let named = name.chars().any(|c| c.is_ascii_alphabetic()) && !name.contains(' ');
    named.then_some(name)
}

/// Start-up lines that say what each of them announces: the same place from more than one.
pub(super) fn announced(seen: &Seen) -> Option<Hit> {
    let mut by_place: BTreeMap<(String, u16), BTreeMap<&str, usize>> = BTreeMap::new();
    for (at, line) in seen.lines.iter().enumerate() {
        let Some(name) = writer(&line.text).filter(|_| line.lower.contains("announce")) else {
            continue;
        };
        for place in addresses(&line.text) {
            // The line with the bus port says most.
            let lines = by_place.entry(place).or_default();
            let known = lines.entry(name).or_insert(at);
            if line.text.contains('@') {
                *known = at;
            }
        }
    }
    let ((ip, port), names) = by_place.iter().find(|(_, names)| names.len() > 1)?;
    let others: BTreeSet<&str> = by_place
        .iter()
        .filter(|(place, _)| place.0 != *ip)
        .flat_map(|(_, n)| n.keys().copied())
        .collect();
    if names.keys().any(|name| others.contains(name)) {
        return None;
    }
    let pods: Vec<String> = names.keys().map(|name| (*name).to_owned()).collect();
    let service = seen.lines_with(&["servicetype: clusterip", "type: clusterip"]);
    let hit = Hit::of(93)
        .quotes(names.values().copied().take(3))
        .quotes(service.first().copied())
        .fact("value", ip.clone())
        .fact(
            "same",
            format!(
                "{} announce one and the same address, {ip}:{port}: to the others they are one \
                 node, whoever dials it reaches any of them, and the cluster never forms. It is \
                 what they announce; slots, passwords and the time that is waited have no part in \
                 it.",
                list(&pods, 4)
            ),
        );
    let hit = if service.is_empty() {
        hit
    } else {
        hit.note(
            "That address is the one of a Service of type ClusterIP: one virtual address in front \
             of all of them, no address of any of them.",
        )
    };
    Some(
        hit.check(
            "CONFIG GET cluster-announce-ip and cluster-announce-port in each pod: the same pair now; \
             afterwards no two alike.",
        )
        .step(
            "Let each node announce an address of its own: the pod's own IP (no advertised \
             Service), a Service for each pod (NodePort or LoadBalancer, its own port), \
             or the host's network; and look for a newer release of the operator or addon that \
             picks the pod's own Service.",
        )
        .step(
            "While the cluster is still empty (DBSIZE is 0 on all): have it created anew after \
             that, so that no node keeps the shared address in its table. A longer timeout of the \
             operator alone changes nothing.",
        )
        .only_these_steps(),
    )
}
