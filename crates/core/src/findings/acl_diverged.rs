//! A user exists on some nodes only, or with other rules.

use std::collections::{BTreeMap, BTreeSet};

use super::client_port::quote;
use super::settings::{insiders, names};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Fields, Picture};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The list of users is not the same on all nodes. The same client works on some slots and gets
    /// `NOPERM` or `WRONGPASS` on others, or fails right after a failover, when a node with other
    /// rules became the primary.
    ///
    /// ## How it comes about
    /// `ACL SETUSER` on one node only; a new node without the `aclfile`; an `aclfile` that was changed
    /// and not loaded everywhere (`ACL LOAD`). ACLs are not replicated, not part of a snapshot, and do
    /// not move with slots.
    ///
    /// ## What we look at
    /// `ACL LIST` of every node that shows it: whether two nodes have the same rules for a user, never
    /// the rules or password hashes themselves.
    ///
    /// ## The repair
    /// Decide which rules are meant, apply them to every node, and keep them (`ACL SAVE` with an
    /// `aclfile`, `CONFIG REWRITE` without one, or the source of the settings).
    ///
    /// ## Repair safety
    /// Giving a user more is safe for those who are connected. Taking rights or passwords away ends
    /// their connections.
    ///
    /// ## By hand
    /// `ACL LIST` on the named nodes side by side, then `ACL SETUSER`. Never copy an `aclfile` over
    /// another before it is clear which one is meant.
    pub struct AclDiverged { users: Vec<String>, apart: Vec<NodeId>, model: Option<NodeId> }
    group: Security, severity: Warning, after: [PasswordDrift, AuthMismatch], since: "0.1",
}

impl Finding for AclDiverged {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let lists: Vec<(NodeId, &Fields)> = insiders(seen)
            .into_iter()
            .filter_map(|id| Some((id, seen.proved(id)?.acl.get()?)))
            .collect();
        let every_user: BTreeSet<&str> =
            lists.iter().flat_map(|(_, acl)| acl.iter().map(|(user, _)| user)).collect();
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
        let model = lists.iter().map(|(id, _)| *id).find(|id| !apart.contains_key(id));
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

/// The nodes whose rules for a user are not those that most nodes have; having none counts as a
/// rule.
fn odd_ones(lists: &[(NodeId, &Fields)], user: &str) -> Vec<NodeId> {
    let mut groups: BTreeMap<Option<&str>, Vec<NodeId>> = BTreeMap::new();
    for (id, acl) in lists {
        groups.entry(acl.get(user)).or_default().push(*id);
    }
    let Some(most) = groups.values().map(Vec::len).max() else { return Vec::new() };
    let usual = groups.iter().find(|(_, ids)| ids.len() == most).map(|(rules, _)| *rules);
    groups.into_iter().filter(|(rules, _)| Some(*rules) != usual).flat_map(|(_, ids)| ids).collect()
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
    fn equal_lists_and_hidden_lists_are_no_finding() {
        let base: &[_] = &[("default", "rules-1"), ("app", "rules-2")];
        let mut sketch = with_lists([base, base, base]);
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY), []);
        sketch.nodes[1].sighting.acl = Said::default();
        assert_eq!(sketch.detect::<AclDiverged>(&ENTRY), []);
    }
}
