//! A client that was told the new address of a node and goes on dialling the old one.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::stated::{Version, dotted};

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLIENT_KEEPS_OLD_ADDRESS",
    title: "The client has the new map and still dials a node's old address",
    side: Side::Client,
    when: kept,
    cause: "The table that the client itself was given has <<id>> at <<now>>, and the client goes on \
        connecting to <<old>>: its map was refreshed, and what it keeps for this node was not. \
        More frequent refreshing changes nothing. The node kept its id and got another address (a \
        restarted pod); <<library>> The cluster is healthy: its tables have the new addresses.",
    check: "CLUSTER NODES now: this id stands at the new address, linked; and a restarted client \
        dials that one.",
    fix: &["Restart the application: a new client begins with the new addresses."],
    never: &["Do not MEET, reset or repair anything on the servers: their tables are right."],
    like: &["CLIENT_STALE_TOPOLOGY", "PEER_ADDRESS_STALE"],
}];

/// From this release on Lettuce compares the addresses of nodes too, and not their ids alone.
const LETTUCE_MENDED: Version = (6, 1, 6);

/// `uri=redis://10.0.0.1:6379, nodeId='<id>'`: an id and the host that the client holds for it.
fn held(text: &str) -> Option<(String, String)> {
    let (_, rest) = text.split_once("nodeId='").or_else(|| text.split_once("nodeId="))?;
    let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let (_, uri) = text.split_once("redis://").or_else(|| text.split_once("rediss://"))?;
    let host: String = uri.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (id.len() >= 8 && !host.is_empty()).then_some((id, host))
}

fn kept(seen: &Seen) -> Option<Hit> {
    let (at, id, old, row) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (id, old) = held(&line.text)?;
        let row = seen.server_rows().find(|row| row.id == id && row.address.ip != old)?;
        (!row.is_failing() && row.linked != Some(false)).then_some((at, id, old, row))
    })?;
    let dials = seen.lines.iter().position(|line| {
        let fails = ["cannot reconnect", "timed out", "refused", "reconnecting"];
        line.text.contains(&old) && fails.iter().any(|word| line.lower.contains(word))
    })?;
    let lettuce = seen.client() == Some("Lettuce");
    let version = seen.stated(&["lettuce-core", "lettuce"]).filter(|_| lettuce);
    let named = version.map_or_else(String::new, |version| format!(" (here {})", dotted(version)));
    let library = match version {
        Some(version) if version >= LETTUCE_MENDED => format!(
            "Lettuce{named} compares addresses since 6.1.6, so look for a cache of names in the JVM \
             (networkaddress.cache.ttl) or an own SocketAddressResolver."
        ),
        _ if lettuce => format!(
            "Lettuce before 6.1.6{named} compares nodes by their ids alone and so keeps the list of \
             addresses that it made at the start (redis/lettuce#1909)."
        ),
        _ => "the library compares nodes by their ids alone.".to_owned(),
    };
    let hit = Hit::of(93)
        .quote(dials)
        .quote(at)
        .quote(row.line)
        .fact("id", id.chars().take(8).collect::<String>())
        .fact("now", row.place())
        .fact("old", old)
        .fact("library", library);
    Some(if lettuce && version.is_none_or(|version| version < LETTUCE_MENDED) {
        hit.step("Upgrade lettuce-core to 6.1.6 or later (6.2 and later have it too).")
    } else {
        hit.step("Upgrade the client library to its newest release.")
    })
}
