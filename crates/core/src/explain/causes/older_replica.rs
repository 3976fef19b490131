//! A data format that a server does not know: who is older, and what a failover does then.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::versions;

/// The server cannot read the format.
pub(super) fn unreadable(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(94, &["can't handle rdb format version"])?;
    let hit = hit.fact_if("rdb", seen.word_after("can't handle rdb format version "));
    let copied =
        ["failed trying to load the master sync", "failed trying to load the primary sync"];
    let synced = seen.lines_with(&copied).into_iter().next();
    let hit = failed_over(seen, hit);
    let named = versions::servers(seen);
    let [old, .., new] = named.as_slice() else { return Some(hit) };
    if synced.is_none() || seen.has(&["valkey"]) {
        return Some(hit);
    }
    let told = format!("redis_version:{}", old.text());
    Some(
        hit.quotes(synced)
            .quotes(seen.lines_with(&[&told]).into_iter().take(1))
            .note(format!(
                "Both are pasted: {} beside {}. It is the copy of the primary (of {}) that this \
                 replica (of {}) cannot read, so its link never comes up and it has no data, or \
                 old data.",
                old.text(),
                new.text(),
                new.text(),
                old.text()
            ))
            .check(
                "INFO replication on that replica: master_link_status:down until it is upgraded, \
                 up after.",
            )
            .step(format!(
                "Upgrade this replica to {} (the same configuration, the same nodes.conf) and wait \
                 for master_link_status:up; only then CLUSTER FAILOVER, if it is still wanted. In \
                 a rolling upgrade replicas go first for this reason.",
                new.text()
            ))
            .only_these_steps(),
    )
}

/// A failover was asked of it.
fn failed_over(seen: &Seen, hit: Hit) -> Hit {
    let timed_out = seen.lines_with(&["manual failover timed out"]);
    let asked = seen.has(&["manual failover user request accepted", "cluster failover"]);
    let Some(at) = timed_out.first().filter(|_| asked) else { return hit };
    hit.quote(*at).note(
        "That is also why nothing comes of the failover: the OK of CLUSTER FAILOVER means only \
         that the request was accepted. The replica then has to reach the primary's offset within \
         5 seconds, and without a link it never does ('Manual failover timed out').",
    )
}
