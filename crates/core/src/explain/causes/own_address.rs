//! The address that a machine has, as its own tools print it, beside what the node says of itself.

use crate::explain::cause::Hit;
use crate::explain::figures::short;
use crate::explain::seen::Seen;

/// Replies of tools that got no connection, in small letters.
const UNREACHABLE: [&str; 4] = ["could not connect", "unreachable", "timed out", "no route to"];

/// The node's own row has an address at which nobody answers, and the machine's interface another
/// one, at which a server does.
pub(super) fn differs(seen: &Seen) -> Option<Hit> {
    let (at, ip) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let ip = interface(&line.lower)?;
        seen.answered(&ip).then_some((at, ip))
    })?;
    if seen.server_rows().any(|row| row.address.ip == ip) {
        return None;
    }
    let own = seen.server_rows().find(|row| row.is_myself() && !row.address.ip.is_empty())?;
    let dead = seen.lines.iter().position(|line| {
        line.lower.contains(&own.address.ip) && UNREACHABLE.iter().any(|w| line.lower.contains(w))
    })?;
    let peer = seen.server_rows().find(|row| !row.is_myself() && row.linked == Some(true));
    let hit = Hit::of(90)
        .quote(own.line)
        .quote(at)
        .quote(dead)
        .fact("node", short(&own.id))
        .fact("old", own.place())
        .fact("real", format!("{ip}:{}", own.address.port))
        .note(format!(
            "The interface of the machine has {ip}, and a server answers there; at {}, which the \
             node gives as its own, nobody does.",
            own.address.ip
        ));
    Some(match peer {
        Some(peer) => hit.note(format!(
            "Its links are up ({} is connected), so the cluster itself works: only what this node \
             tells of itself is old.",
            peer.place()
        )),
        None => hit,
    })
}

/// The address in a line of `ifconfig` or `ip addr`: `inet addr:10.0.0.1`, `inet 10.0.0.1/24`.
fn interface(lower: &str) -> Option<String> {
    let (_, rest) = lower.split_once("inet ")?;
    let word = rest.split_whitespace().next()?;
    let word = word.trim_start_matches("addr:").split('/').next()?;
    let ip: std::net::IpAddr = word.parse().ok()?;
    (!ip.is_loopback()).then(|| ip.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_tools_are_read() {
        assert_eq!(interface("inet addr:10.42.31.4  bcast:0.0.0.0").as_deref(), Some("10.42.31.4"));
        assert_eq!(interface("    inet 10.1.2.3/24 brd 10.1.2.255").as_deref(), Some("10.1.2.3"));
        assert_eq!(interface("inet 127.0.0.1/8 scope host lo"), None);
    }
}
