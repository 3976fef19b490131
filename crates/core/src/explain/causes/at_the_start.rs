//! What stands in the paste about how the nodes were started: the address that they were given,
//! the ports that are published, and what their configuration does not announce.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;

/// A variable of an image or a script that was given the wildcard or loopback as the address.
fn given(seen: &Seen) -> Option<(usize, String)> {
    seen.lines.iter().enumerate().rev().find_map(|(at, line)| {
        let word = line.text.split([' ', '(', ')', ',', '"', '\'']).find(|word| {
            let Some((name, value)) = word.split_once('=') else { return false };
            let name = name.to_lowercase();
            let address = name == "ip" || name.ends_with("_ip") || name.ends_with("announce-ip");
            let nowhere = value == "0.0.0.0" || value == "localhost" || value.starts_with("127.");
            address && nowhere
        })?;
        Some((at, word.to_owned()))
    })
}

/// Host ports that `docker run -p` or a compose file publishes, with the ports inside.
fn published(seen: &Seen) -> (Option<usize>, Vec<(u16, u16)>) {
    let (mut first, mut found) = (None, Vec::new());
    for (at, line) in seen.lines.iter().enumerate() {
        let words: Vec<&str> = line.text.split_whitespace().collect();
        let listed = line.text.trim_start().starts_with("- ");
        for (number, word) in words.iter().enumerate() {
            let behind = number.checked_sub(1).and_then(|before| words.get(before));
            let option = behind.is_some_and(|word| ["-p", "--publish"].contains(word));
            let item = listed && words.len() == 2 && number == 1;
            let word = word.trim_matches(['"', '\'', ')', '(']);
            if let Some(pairs) = pairs(word).filter(|_| option || item) {
                first = first.or(Some(at));
                found.extend(pairs);
            }
        }
    }
    (first, found)
}

/// `7000:7000`, `7000-7005:7000-7005`, `0.0.0.0:7000:7000`.
fn pairs(word: &str) -> Option<Vec<(u16, u16)>> {
    let word = word.split('/').next()?;
    let (outer, inner) = word.rsplit_once(':')?;
    let outer = outer.rsplit(':').next()?;
    let range = |text: &str| -> Option<(u16, u16)> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (from, to) = (from.parse().ok()?, to.parse().ok()?);
        (from <= to && to - from < 2_000).then_some((from, to))
    };
    let (outer, inner) = (range(outer)?, range(inner)?);
    Some((outer.0..=outer.1).zip(inner.0..=inner.1).collect())
}

/// Where the loopback address comes from, and what the start has to be given in its place.
pub(super) fn loopback(seen: &Seen, hit: Hit, place: Option<&str>) -> Hit {
    let hit = ports(seen, hit, place);
    let Some((at, word)) = given(seen) else {
        return hit.note(
            "Most likely the nodes were joined by it (--cluster create or CLUSTER MEET with \
             127.0.0.1): CLUSTER SLOTS hands it out too, so another list of start nodes changes \
             nothing.",
        );
    };
    let name = word.split('=').next().unwrap_or_default().to_owned();
    let hit = hit.quote(at).note(format!(
        "The start gives the reason: {word}. 0.0.0.0 means 'all interfaces' to a server that \
         listens, and 127.0.0.1 itself; neither is an address at which another machine finds it. \
         The nodes were joined by what came of it, loopback, and hand that out."
    ));
    let Some(place) = place else { return hit };
    let mut hit = hit;
    hit.whole = true;
    hit.steps.insert(
        0,
        format!(
            "Start it anew with {name}={place} (the address at which clients reach the host) in \
             place of {word}, so that the cluster is made with that address. What CONFIG SET \
             changes within a container that is thrown away is gone with it; use it only to try."
        ),
    );
    hit
}

/// Client ports that are published, and the bus ports that are not.
fn ports(seen: &Seen, hit: Hit, place: Option<&str>) -> Hit {
    let (Some(at), pairs) = published(seen) else { return hit };
    let bus = |port: &u16| port.checked_add(10_000);
    let outer: Vec<u16> = pairs.iter().map(|(outer, _)| *outer).collect();
    let clients: Vec<u16> =
        outer.iter().copied().filter(|port| !outer.contains(&port.wrapping_sub(10_000))).collect();
    let lacking: Vec<String> = clients
        .iter()
        .filter_map(bus)
        .filter(|port| !outer.contains(port))
        .map(|port| port.to_string())
        .collect();
    let same = pairs.iter().all(|(outer, inner)| outer == inner);
    if lacking.is_empty() || place.is_none() || clients.len() > 64 {
        return hit;
    }
    let told: Vec<String> = clients.iter().map(ToString::to_string).collect();
    let kept = if same { " under their own numbers" } else { " under other numbers" };
    let bus = if lacking.len() == clients.len() {
        "and none of the bus ports".to_owned()
    } else {
        format!("and not all bus ports ({} are missing)", list(&lacking, 6))
    };
    hit.quote(at).note(format!("Published{kept} are {}, {bus}.", list(&told, 6))).step(format!(
        "Publish the bus ports as well, one to one ({}): nodes that announce the host's address \
         find each other there.",
        list(&lacking, 6)
    ))
}

/// A node's own configuration was pasted, and it announces nothing.
pub(super) fn announces_nothing(seen: &Seen, hit: Hit) -> Hit {
    let node = seen.settings.iter().find(|set| set.name == "cluster-enabled" && set.value == "yes");
    let announces = seen.settings.iter().any(|set| set.name.starts_with("cluster-announce-"));
    let Some(node) = node.filter(|_| !announces) else { return hit };
    let bound = seen.setting("bind").map_or("", |set| set.value.as_str());
    if bound.split(' ').next().is_some_and(|first| first.contains('.') && first != "0.0.0.0") {
        return hit;
    }
    hit.quote(node.line).note(
        "The configuration that was pasted sets no cluster-announce-ip: so a node goes by the \
         address of its own interface, and that is what it hands to clients.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_read_in_pairs() {
        assert_eq!(pairs("7000-7001:7000-7001"), Some(vec![(7000, 7000), (7001, 7001)]));
        assert_eq!(pairs("127.0.0.1:80:6379/tcp"), Some(vec![(80, 6379)]));
        assert_eq!(pairs("./data:/data"), None);
    }
}
