//! Settings: those that the way by hand of a finding sets, where they can be taken back and hold
//! no secret.

use super::{Change, Draft, Fact, Holds, Repair, Step};
use crate::diagnose::{Found, Risk, Step as ByHandStep};
use crate::model::NodeId;

/// Settings that may be changed at run time by us. Each can be set back, and none empties,
/// stops or opens anything.
const ALLOWED: &[&str] = &[
    "cluster-allow-replica-migration",
    "cluster-link-sendbuf-limit",
    "cluster-node-timeout",
    "cluster-preferred-endpoint-type",
    "cluster-replica-no-failover",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
];

pub(super) fn draft(draft: &mut Draft<'_>) {
    let found: Vec<&Found> = draft.found(Repair::Settle).collect();
    for found in found {
        let wanted = wanted(draft, found);
        if wanted.is_empty() {
            draft.refuse(found, "the value to set is for a person to choose");
        }
        for (on, name, value) in wanted {
            draft.steps.push(Step {
                mends: found.code.clone(),
                on,
                change: Change::ConfigSet { name: name.clone(), value: value.clone() },
                risk: Risk::Reversible,
                why: "until the next restart: write it into the configuration file as well"
                    .to_owned(),
                guard: vec![Fact::new(on, Holds::Answers)],
                expect: vec![Fact::new(on, Holds::Setting { name, value })],
                within_ms: 2_000,
                stage: 0,
            });
        }
    }
}

/// What the way by hand sets, on nodes that answer.
fn wanted(draft: &Draft<'_>, found: &Found) -> Vec<(NodeId, String, String)> {
    let set = found.by_hand.steps.iter().filter_map(|step| {
        let ByHandStep::Command { on, argv } = step else { return None };
        let [config, set, name, value] = argv.as_slice() else { return None };
        let is_set = config.eq_ignore_ascii_case("CONFIG") && set.eq_ignore_ascii_case("SET");
        let node = draft.live.iter().find(|node| node.dial == *on)?;
        let plain = !value.contains(['<', '{']);
        let right = is_set && plain && ALLOWED.contains(&name.as_str());
        right.then(|| (node.id, name.clone(), value.clone()))
    });
    set.collect()
}
