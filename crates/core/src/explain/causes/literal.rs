//! An own address that is no address: a variable that nobody replaced, a name of this very machine.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// What stands in the place of the node's own address, when nobody can dial it.
fn is_unreplaced(host: &str) -> bool {
    let mark = ["$", "{{", "}}", "%(", "<", "__"].iter().any(|mark| host.contains(mark));
    mark && host.len() < 80
}

/// The row of the node that answered carries a variable's name for an address.
pub(super) fn own_address(seen: &Seen) -> Option<Hit> {
    let row = seen.server_rows().find(|row| is_unreplaced(&row.address.ip));
    if let Some(row) = row {
        return Some(variable(seen, &row.address.ip, row.line, row.is_myself()));
    }
    let own = seen.server_rows().find(|row| row.is_myself() && row.address.ip == "localhost")?;
    Some(Hit::of(84).quote(own.line).fact(
        "itself",
        "The node calls itself localhost. Everybody who dials that reaches his own machine, and \
         the servers take numbers for an address, no names: cluster-announce-ip must be the IP \
         that peers and clients reach.",
    ))
}

fn variable(seen: &Seen, text: &str, line: usize, own: bool) -> Hit {
    let name: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let whose = if own { "The node that answered calls itself" } else { "A node is known as" };
    let scripts = seen.lines_with(&[&text.to_lowercase()]);
    // Where the setting itself is pasted, that one is spoken of.
    let set = seen.setting("cluster-announce-ip").is_some_and(|set| set.value.contains('$'));
    Hit::of(93)
        .less_if(3, set)
        .quote(line)
        .quotes(scripts.into_iter().take(2))
        .fact(
            "itself",
            format!(
                "{whose} '{text}': that is the text of a variable that nobody replaced. {name} is \
                 not set in this container, or what writes nodes.conf or the configuration does \
                 not expand it: single quotes and a heredoc with a quoted end do not, and \
                 redis.conf and nodes.conf expand nothing at all. The peers saw the node's real \
                 address on the bus and go on with that, so slots, data and votes are as before; \
                 wrong is what this node tells of itself (CLUSTER SLOTS and MOVED when it is \
                 asked, and its own nodes.conf)."
            ),
        )
        .check(format!(
            "In that pod or container: printenv {name}; the start script or ConfigMap: how is the \
             file written? And CLUSTER NODES of another node: which address has this id there?"
        ))
        .step(format!(
            "Give the container {name}: in the pod's env, valueFrom fieldRef status.podIP (in the \
             very container that runs the server), and let the start script expand it (double \
             quotes), or pass --cluster-announce-ip $({name}) in args, which Kubernetes expands by \
             itself. Then restart this pod; its nodes.conf and volume stay."
        ))
        .step(
            "At once, until then: CONFIG SET cluster-announce-ip <its real address> on this node, or \
             CLUSTER MEET <its real address> <port> from a peer; then look at its own row again.",
        )
        .only_these_steps()
}
