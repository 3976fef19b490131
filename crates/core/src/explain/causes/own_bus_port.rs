//! A bus port of one's own (cluster-port) that the tool's MEET does not name.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, Setting};

/// The log shows that peers dial client port + 10000, while the bus was told to listen elsewhere.
pub(super) fn dials_the_usual_port(seen: &Seen, hit: Hit) -> Hit {
    let Some((set, real)) = bus_port(seen) else { return hit };
    let own = client_port(seen, set);
    let Some((host, client, at)) = dialled(seen, real, own) else { return hit };
    let port = client + 10_000;
    // The bus port of one node says nothing of another's.
    let bus = match own {
        Some(own) if own != client => "<its cluster-port>".to_owned(),
        _ => real.to_string(),
    };
    let named = set.value.split_whitespace().next().unwrap_or_default();
    let from = if named.starts_with('$') { format!(", {named}") } else { String::new() };
    let refused = seen.lines.get(at).is_some_and(|line| line.lower.contains("refused"));
    let alone = refused && hosts(seen) == 1;
    let near = if alone {
        format!(" All of them are on {host} itself: refused there means that nobody listens.")
    } else {
        String::new()
    };
    let hit = Hit { score: 93, ..hit };
    hit.quote(at)
        .quote(set.line)
        .quotes(seen.lines_with(&["--cluster create"]).into_iter().take(1))
        .note(format!(
            "The nodes listen for the bus on {real} (cluster-port{from}), and their peers dial \
             {port}, which is client port + 10000: MEET was sent without a bus port, as \
             redis-cli's create did before 7.0.0 was released in its final form. No firewall is in \
             the way, so opening {port} changes nothing.{near}"
        ))
        .step(
            "Create with redis-cli AND servers of 7.0.0 or later, which name the bus port in MEET. \
             The waiting create is broken off first; nodes that are new and empty (DBSIZE 0 on \
             each) are blanked before the next attempt: stop, move the cluster-config-file aside, \
             start.",
        )
        .step(format!(
            "Or go on by hand, from ONE node to each other one with its own bus port: CLUSTER MEET \
             {host} {client} {bus}. The waiting create then sees them join."
        ))
        .step(
            "Or leave cluster-port out on all nodes, so that the bus is at client port + 10000 \
             again, open both ways.",
        )
        .only_these_steps()
}

/// The setting that moves the bus, and the port it comes to.
fn bus_port(seen: &Seen) -> Option<(&Setting, u16)> {
    let set = seen.setting("cluster-port")?;
    number(seen, &set.value).filter(|port| *port != 0).map(|port| (set, port))
}

/// The client port of the server whose bus port is set: the last one that is set before it.
fn client_port(seen: &Seen, bus: &Setting) -> Option<u16> {
    let mut ports = seen.settings.iter().filter(|set| set.name == "port" && set.line <= bus.line);
    ports.next_back().and_then(|set| number(seen, &set.value))
}

/// Who was dialled in vain at client port + 10000: the node whose settings are pasted, else any.
fn dialled(seen: &Seen, real: u16, own: Option<u16>) -> Option<(String, u16, usize)> {
    let clients: Vec<u16> = seen.addresses.keys().map(|(_, port)| *port).collect();
    let failed = |at: usize| {
        seen.lines.get(at).is_some_and(|line| {
            ["failed", "refused", "timed out"].iter().any(|word| line.lower.contains(word))
        })
    };
    let found = || {
        seen.addresses.iter().filter_map(|((host, port), at)| {
            let client = port.checked_sub(10_000)?;
            let in_vain = *port != real && clients.contains(&client) && failed(*at);
            in_vain.then(|| (host.clone(), client, *at))
        })
    };
    found().find(|(_, client, _)| Some(*client) == own).or_else(|| found().next())
}

/// How many hosts the text names.
fn hosts(seen: &Seen) -> usize {
    let mut hosts: Vec<&str> = seen.addresses.keys().map(|(host, _)| host.as_str()).collect();
    hosts.dedup();
    hosts.len()
}

/// A number, or that of a variable of the shell which the text assigns.
fn number(seen: &Seen, value: &str) -> Option<u16> {
    let word = value.split_whitespace().next()?.trim_matches(['"', '\'']);
    let Some(name) = word.strip_prefix('$') else { return word.parse().ok() };
    let name = name.trim_matches(['{', '}', '(', ')']);
    let assigned = |text: &str| {
        let (left, right) = text.split_once('=')?;
        let is_it = left.split_whitespace().last() == Some(name);
        let right = right.trim().trim_matches(['"', '\'']);
        is_it.then(|| right.parse().ok()).flatten()
    };
    seen.lines.iter().find_map(|line| assigned(&line.text))
}
