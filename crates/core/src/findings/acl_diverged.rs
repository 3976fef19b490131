//! A user exists on some nodes only, or with other rules.

use std::collections::{BTreeMap, BTreeSet};

use super::client_port::quote;
use super::settings::{insiders, names};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, Version};
use crate::observation::{Fields, Picture};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The list of users is not the same on all nodes. The same client works on some slots and
    /// gets `NOPERM` or `WRONGPASS` on others, or fails right after a failover, when a node with
    /// other rules became the primary.
    ///
    /// ## How it comes about
    /// `ACL SETUSER` on one node only; a new node without the `aclfile`; an `aclfile` that was
    /// changed and not loaded everywhere (`ACL LOAD`). ACLs are not replicated, not part of a
    /// snapshot, and do not move with slots.
    ///
    /// ## What we look at
    /// `ACL LIST` of every node that shows it: whether two nodes have the same rules for a user,
    /// never the rules or password hashes themselves.
    ///
    /// ## The repair
    /// Decide which rules are meant, apply them to every node, and keep them (`ACL SAVE` with an
    /// `aclfile`, `CONFIG REWRITE` without one, or the source of the settings).
    ///
    /// ## Repair safety
    /// Giving a user more is safe for those who are connected. Taking rights or passwords away
    /// ends their connections.
    ///
    /// ## By hand
    /// `ACL LIST` on the named nodes side by side, then `ACL SETUSER`. Never copy an `aclfile`
    /// over another before it is clear which one is meant.
    pub struct AclDiverged { users: Vec<String>, apart: Vec<NodeId>, model: Option<NodeId> }
    group: Security, severity: Warning, after: [PasswordDrift, AuthMismatch, MixedVersions],
    obstacle: "which of the rules are meant only a person knows: copied from the wrong node they lock \
               clients out, or let them in",
    since: "0.1",
}

impl Finding for AclDiverged {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let lists: Vec<List<'_>> = insiders(seen)
            .into_iter()
            .filter_map(|id| {
                let acl = seen.proved(id)?.acl.get()?;
                Some(List { id, version: seen.version_of(id), acl })
            })
            .collect();
        let every_user: BTreeSet<&str> =
            lists.iter().flat_map(|list| list.acl.iter().map(|(user, _)| user)).collect();
        let mut apart: BTreeMap<NodeId, Vec<&str>> = BTreeMap::new();
        let mut users = Vec::new();
        for user in every_user {
            let odd = odd_ones(&lists, user);
            if !odd.is_empty() {
                users.push(user.to_owned());
            }
            odd.into_iter().for_each(|id| apart.entry(id).or_default().push(user));
        }
        if users.is_empty() {
            return;
        }
        let evidence: Vec<Evidence> = apart
            .iter()
            .filter_map(|(id, users)| {
                let list = users.iter().map(|user| quote(user)).collect::<Vec<_>>().join(", ");
                let says = format!("other rules, or none, for {list}");
                Some(Evidence::first_hand(seen.proved(*id)?, says))
            })
            .collect();
        let model = lists.iter().map(|list| list.id).find(|id| !apart.contains_key(id));
        let subject = Subject::nodes(apart.keys().copied());
        let apart = apart.into_keys().collect();
        out.push(Self { users, apart, model }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let users: Vec<String> = self.users.iter().take(3).map(|user| quote(user)).collect();
        let more = self.users.len().saturating_sub(users.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "users differ between nodes: {}{more} on {}",
            users.join(", "),
            names(seen, &self.apart)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible);
        let steps = match self.model.and_then(|id| seen.endpoint(id)) {
            Some(at) => steps.command(Some(at), "ACL LIST"),
            None => steps,
        };
        self.apart
            .iter()
            .fold(steps, |steps, id| steps.command(seen.endpoint(*id), "ACL LIST"))
            .then("decide which rules are meant; on the nodes that lack them: ACL SETUSER ...")
            .then("keep them: ACL SAVE with an aclfile, CONFIG REWRITE without one")
            .never(
                "ACL DELUSER or ACL LOAD before it is clear which list is meant: it cuts clients",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(2, "ACL SETUSER app on >word ~app:* +@read")
    }
}

/// The users of one node.
struct List<'a> {
    id: NodeId,
    version: Option<Version>,
    acl: &'a Fields,
}

/// The nodes that have a user where most have not, or the other way round; else those whose rules
/// are not what most nodes of the same version have. Versions print the same rules differently, so
/// their texts are not compared across versions.
fn odd_ones(lists: &[List<'_>], user: &str) -> Vec<NodeId> {
    let (with, without): (Vec<&List<'_>>, Vec<&List<'_>>) =
        lists.iter().partition(|list| list.acl.get(user).is_some());
    if !without.is_empty() {
        let odd = if with.len() > without.len() { without } else { with };
        return odd.into_iter().map(|list| list.id).collect();
    }
    let mut by_version: BTreeMap<Option<Version>, BTreeMap<&str, Vec<NodeId>>> = BTreeMap::new();
    for list in with {
        let rules = list.acl.get(user).unwrap_or_default();
        by_version.entry(list.version).or_default().entry(rules).or_default().push(list.id);
    }
    let mut odd = Vec::new();
    for groups in by_version.into_values() {
        let most = groups.values().map(Vec::len).max();
        let usual = groups.iter().find(|(_, ids)| Some(ids.len()) == most).map(|(rules, _)| *rules);
        odd.extend(groups.into_iter().filter(|(r, _)| Some(*r) != usual).flat_map(|(_, ids)| ids));
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn with_lists(lists: [&[(&str, &str)]; 3]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for (node, list) in sketch.nodes.iter_mut().zip(lists) {
            node.sighting.acl = Said::This(list.iter().copied().collect());
        }
        sketch
    }

    #[test]
    fn a_user_on_one_node_only_is_found() {
        let base: &[_] = &[("default", "rules-1")];
        let found = with_lists([base, base, &[("default", "rules-1"), ("app", "rules-2")]])
            .detect::<AclDiverged>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(2)));
        assert!(found[0].message.contains("app on 10.0.0.3:6379"), "{}", found[0].message);
    }

    #[test]
    fn versions_that_print_the_same_rules_differently_are_not_compared() {
        let old: &[_] = &[("default", "rules-1")];
        let mut sketch = with_lists([old, old, &[("default", "rules-2")]]);
        sketch.info(2, "redis_version", "8.2.3");
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY), []);
        sketch.info(2, "redis_version", "7.0.15");
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY).len(), 1);
    }

    #[test]
    fn equal_lists_and_hidden_lists_are_no_finding() {
        let base: &[_] = &[("default", "rules-1"), ("app", "rules-2")];
        let mut sketch = with_lists([base, base, base]);
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY), []);
        sketch.nodes[1].sighting.acl = Said::default();
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY), []);
    }
}
