//! Settings: those that the way by hand of a finding sets, where they can be taken back and hold
//! no secret.
//!
//! An address that a node shall announce is set only where we dial the other nodes at the very
//! addresses that they use among themselves: through a tunnel or a port mapping the address that
//! leads us to a node leads no peer there.

use super::fact::is_linked;
use super::live::Live;
use super::{Change, Draft, Fact, Holds, Reason, Repair, Step};
use crate::diagnose::{Found, Risk, Step as ByHandStep};
use crate::model::NodeId;

/// Settings that may be changed at run time by us. Each can be set back, and none empties, stops
/// or opens anything. Left out on purpose: `maxmemory-policy` (a greater part of the nodes may be
/// those that evict), `min-replicas-to-write` (it stops writes).
const ALLOWED: &[&str] = &[
    "cluster-allow-pubsubshard-when-down",
    "cluster-allow-reads-when-down",
    "cluster-allow-replica-migration",
    "cluster-link-sendbuf-limit",
    "cluster-migration-barrier",
    "cluster-node-timeout",
    "cluster-preferred-endpoint-type",
    "cluster-replica-no-failover",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
];

/// Settings that say where a node can be found.
const ADDRESSES: &[&str] = &[
    "cluster-announce-bus-port",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
];

/// A setting that a node shall have.
struct Wanted {
    on: NodeId,
    name: String,
    value: String,
}

impl Wanted {
    fn is_address(&self) -> bool {
        ADDRESSES.contains(&self.name.as_str())
    }
}

/// The settings of [`Repair::Readdress`], which come early: while a node is sought where it is not,
/// nothing else can be waited for. Or all others, of [`Repair::Settle`].
pub(super) fn draft(draft: &mut Draft<'_>, repair: Repair) {
    let found: Vec<&Found> = draft.found(repair).collect();
    for found in found {
        let mut wanted = wanted(draft, found);
        wanted.retain(|one| one.is_address() == (repair == Repair::Readdress));
        if wanted.is_empty() {
            draft.refuse(found, Reason::ValueToChoose.says(why_none(found)));
        }
        for wanted in wanted {
            let strangers = wanted.is_address().then(|| why_not_here(draft, wanted.on)).flatten();
            match strangers {
                Some(why) => draft.refuse(found, Reason::AddressNotProved.says(why)),
                None => push(draft, found, wanted),
            }
        }
    }
}

/// What a person has to do instead, in the words of the way by hand.
fn why_none(found: &Found) -> String {
    let first = found.by_hand.steps.iter().find_map(|step| match step {
        ByHandStep::Do(what) => Some(what.as_str()),
        _ => None,
    });
    first.map_or_else(
        || "the value to set is for a person to choose".to_owned(),
        |first| format!("the value to set is for a person to choose. By hand: {first}"),
    )
}

fn push(draft: &mut Draft<'_>, found: &Found, wanted: Wanted) {
    let expect = expected(draft, &wanted);
    let slow = wanted.is_address();
    let timeout_ms = draft.seen.node_timeout_ms();
    let Wanted { on, name, value } = wanted;
    draft.steps.push(Step {
        mends: found.code.clone(),
        on,
        change: Change::ConfigSet { name, value },
        risk: Risk::Reversible,
        why: "until the next restart: write it into the configuration file as well".to_owned(),
        guard: vec![Fact::new(on, Holds::Answers)],
        expect,
        // Peers take a new address from the next ping, and dial it then.
        within_ms: if slow { timeout_ms.clamp(2_000, 20_000) + 1_000 } else { 2_000 },
        stage: 0,
    });
}

/// The setting, and of an IP that those who know the node reach it there.
fn expected(draft: &Draft<'_>, wanted: &Wanted) -> Vec<Fact> {
    let Wanted { on, name, value } = wanted;
    let setting = Holds::Setting { name: name.clone(), value: value.clone() };
    let mut expect = vec![Fact::new(*on, setting)];
    let node = draft.live(*on).filter(|node| name == "cluster-announce-ip" && *value == node.ip);
    if let Some(node) = node {
        let peers = draft.live.iter().filter(|peer| peer.row(draft.seen, *on).is_some());
        let reaches =
            || Holds::Reaches { about: *on, ip: node.ip.clone(), port: node.own.address.port };
        expect
            .extend(peers.filter(|peer| peer.id != *on).map(|peer| Fact::new(peer.id, reaches())));
    }
    expect
}

/// What the way by hand sets, on nodes that answer.
fn wanted(draft: &Draft<'_>, found: &Found) -> Vec<Wanted> {
    let set = found.by_hand.steps.iter().filter_map(|step| {
        let ByHandStep::Command { on, argv } = step else { return None };
        let [config, set, name, value] = argv.as_slice() else { return None };
        let is_set = config.eq_ignore_ascii_case("CONFIG") && set.eq_ignore_ascii_case("SET");
        let node = draft.live.iter().find(|node| node.dial == *on)?;
        let wanted = Wanted { on: node.id, name: name.clone(), value: value.clone() };
        let known = ALLOWED.contains(&name.as_str()) || wanted.is_address();
        let right = is_set && known && is_plain(&wanted);
        right.then_some(wanted)
    });
    set.collect()
}

/// Whether the value is one that a server takes, not a word for it.
fn is_plain(Wanted { name, value, .. }: &Wanted) -> bool {
    match name.as_str() {
        "cluster-announce-ip" => value.parse::<std::net::IpAddr>().is_ok(),
        _ => !value.contains(['<', '{']),
    }
}

/// Why the address at which we dial a node proves nothing about where its peers find it.
fn why_not_here(draft: &Draft<'_>, on: NodeId) -> Option<String> {
    let others: Vec<&Live<'_>> = draft.live.iter().filter(|node| node.id != on).collect();
    let mut proved = false;
    for node in &others {
        for peer in others.iter().filter(|peer| peer.id != node.id) {
            let Some(row) = peer.row(draft.seen, node.id).filter(|row| is_linked(row)) else {
                continue;
            };
            if row.address.ip != node.ip || row.address.port != node.dial.port {
                return Some(format!(
                    "we reach {} at another address than its peers do, so that the address to \
                     announce cannot be told from here: run this where the nodes reach each other",
                    draft.seen.name(node.id)
                ));
            }
            proved = true;
        }
    }
    (!proved).then(|| {
        "no two other nodes reach each other at the addresses that we dial, so that the address \
         to announce cannot be told: name it by hand"
            .to_owned()
    })
}
