//! A replica that its primary refuses: what it sent, and what follows from that.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Says which of the two it is: no login, or one that is not taken.
pub(super) fn fitted(seen: &Seen, hit: Hit) -> Hit {
    let refused = |words: &[&str]| {
        seen.lines.iter().any(|line| {
            let of_link = ["aborted replication", "replconf", "to ping from", "psync"]
                .iter()
                .any(|word| line.lower.contains(word));
            of_link && words.iter().any(|word| line.lower.contains(word))
        })
    };
    let valkey = seen.has(&["primary <-> replica", "primaryauth", "from primary", "valkey"]);
    let (auth, user) = if valkey {
        ("primaryauth (masterauth is its older name and works too)", "primaryuser")
    } else {
        ("masterauth", "masteruser")
    };
    let hit = reached(seen, hit);
    let hit = if refused(&["noauth", "operation not permitted"])
        && !refused(&["noperm", "wrongpass"])
    {
        hit.fact("state", "it sends no login")
            .fact(
                "how",
                format!(
                    "The refusal says that this one sent none: {auth} is not set on it (or was not when \
                     it began to follow); it is not a wrong password."
                ),
            )
    } else if refused(&["wrongpass", "invalid password"]) || seen.has(&["unable to auth to"]) {
        hit.fact("state", "its login is not taken").fact(
            "how",
            format!(
                "The login that it sends is not taken: {auth} (or {user}) differs from what the \
                 primary wants."
            ),
        )
    } else if refused(&["noperm"]) {
        hit.fact("state", "its user lacks rights").fact(
            "how",
            format!(
                "NOPERM says that the user of the link lacks rights ({user}; without one it is \
                 'default', which may be off or narrow)."
            ),
        )
    } else {
        hit.fact("state", "masterauth is missing or wrong")
            .fact("how", format!("{auth} is missing or differs here."))
    };
    rendered(seen, hit)
}

/// Whether the primary answered before it refused: then the network is in order.
fn reached(seen: &Seen, hit: Hit) -> Hit {
    let pong = ["master replied to ping", "primary replied to ping"];
    match seen.lines_with(&pong).first() {
        Some(at) => hit.quote(*at).note(
            "The primary answers the replica's PING, so address, port and network are in order; \
             until the login is set this node has no copy of the data.",
        ),
        None => hit,
    }
}

/// Who runs nodes by an operator or a chart has no file to write to.
fn rendered(seen: &Seen, hit: Hit) -> Hit {
    let by = ["operator", "helm", "chart", "kubectl", "statefulset", " pod", "pods", ".svc"];
    if !seen.has(&by) {
        return hit;
    }
    hit.step(
        "Where an operator or chart writes the configuration: set the password in its own field \
         (values, secret, custom resource), for all pods, so that requirepass and masterauth come \
         from one source; what is set in a pod by CONFIG SET is gone at its next start.",
    )
}
