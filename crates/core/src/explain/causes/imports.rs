//! `redis-cli --cluster import` and its source.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "IMPORT_SOURCE_REFUSED",
    title: "import takes its keys from a standalone server only, and holds the source for another",
    side: Side::Command,
    when: source,
    cause: "redis-cli --cluster import ADDRESS --cluster-from SOURCE copies the keys of one \
        standalone server into a cluster. The tool asks the source for INFO and refuses when \
        cluster_enabled there is not 0. Nothing was copied and the cluster is in order.[[ \
        <<why>>]]",
    check: "On the source: INFO server (redis_version) and INFO cluster: cluster_enabled:1 is a \
        cluster node; no such field at all is a server before 3.0, a proxy or a service that \
        hides it.",
    fix: &[
        "The source is older than 3.0: let a standalone server of 3.0 to 6.2 copy it (REPLICAOF \
         <source>, wait for master_link_status:up, then REPLICAOF NO ONE), and import from that \
         one.",
        "The source is a cluster: import once for each shard from a standalone copy of it (start a \
         server without cluster mode on a copy of the shard's RDB), or use a tool that reads \
         clusters (redis-shake, RIOT).",
        "With --cluster-copy the source keeps its keys.",
    ],
    never: &[
        "No --cluster-replace by habit: it overwrites keys that the cluster has already.",
        "Do not MEET the source into the cluster in place of an import.",
        "Do not blank or repair the target cluster: it was not touched.",
    ],
    like: &["CLI_ARGUMENTS_WRONG", "MIGRATE_AUTH_OR_TLS_FAILED"],
}];

/// `[ERR] The source node should not be a cluster node.`
fn source(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&["source node should not be a cluster node"]).first()?;
    let old = seen
        .field("redis_version")
        .filter(|version| ["1.", "2."].iter().any(|old| version.starts_with(old)))
        .map(str::to_owned)
        .or_else(|| {
            let stated = seen.stated(&["redis "]).filter(|version| version.0 < 3)?;
            Some(format!("{}.{}", stated.0, stated.1))
        });
    let is_member = seen.blocks.iter().any(|block| block.fields.is("cluster_enabled", "1"));
    let why = match (&old, is_member) {
        (Some(version), false) => Some(format!(
            "Here the source runs {version}: a server before 3.0 has no field cluster_enabled, and \
             the tool takes the missing field for a yes. It is no cluster node."
        )),
        (_, true) => Some("Here INFO says cluster_enabled:1.".to_owned()),
        (None, false) => None,
    };
    let score = if why.is_some() { 95 } else { 90 };
    Some(Hit::of(score).quote(at).quotes(seen.field_line("redis_version")).fact_if("why", why))
}
