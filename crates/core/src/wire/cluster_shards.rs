//! `CLUSTER SHARDS`, since Redis 7.0 (`clusterCommandShards`).

use super::cluster_slots::fields;
use super::resp::Value;
use crate::limits::NODES_MAX;
use crate::model::{NodeId, SlotSet};
use crate::observation::{Shard, ShardNode};

/// Reads a reply. Parts that cannot be read are left out; `None` when the reply is no array.
pub fn parse(reply: &Value<'_>) -> Option<Vec<Shard>> {
    Some(reply.array()?.iter().take(NODES_MAX).map(shard).collect())
}

fn shard(entry: &Value<'_>) -> Shard {
    let mut shard = Shard { slots: SlotSet::new(), nodes: Vec::new() };
    for (name, value) in entry.pairs() {
        match name.bytes() {
            Some(b"slots") => shard.slots = slots(value),
            Some(b"nodes") => {
                let nodes = value.array().unwrap_or_default();
                shard.nodes = nodes.iter().take(NODES_MAX).filter_map(node).collect();
            }
            _ => {}
        }
    }
    shard
}

/// First and last slots in turn.
fn slots(value: &Value<'_>) -> SlotSet {
    let mut set = SlotSet::new();
    for [first, last] in value.array().unwrap_or_default().as_chunks::<2>().0 {
        let bound = |value: &Value<'_>| u16::try_from(value.integer()?).ok();
        if let (Some(first), Some(last)) = (bound(first), bound(last)) {
            set.insert(first, last);
        }
    }
    set
}

fn node(entry: &Value<'_>) -> Option<ShardNode> {
    let fields = fields(entry);
    let id = NodeId::parse(fields.get("id")?.as_bytes()).ok()?;
    Some(ShardNode { id, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value<'_> {
        Value::Bulk(text.as_bytes())
    }

    #[test]
    fn a_shard_is_read() {
        let id = NodeId::made_up(3);
        let id_text = id.to_string();
        let member = Value::Array(vec![
            bulk("id"),
            bulk(&id_text),
            bulk("port"),
            Value::Integer(6379),
            bulk("health"),
            bulk("loading"),
        ]);
        let shard = Value::Array(vec![
            bulk("slots"),
            Value::Array(vec![Value::Integer(0), Value::Integer(9)]),
            bulk("nodes"),
            Value::Array(vec![member, Value::Null]),
        ]);
        let shards = parse(&Value::Array(vec![shard])).expect("an array");
        assert_eq!(shards[0].slots, SlotSet::range(0, 9));
        assert_eq!(shards[0].nodes.len(), 1);
        assert_eq!(shards[0].nodes[0].fields.number("port"), Some(6379));
        assert_eq!(shards[0].nodes[0].fields.get("health"), Some("loading"));
    }

    #[test]
    fn a_reply_of_another_shape_yields_nothing() {
        assert_eq!(parse(&bulk("x")), None);
        let shards = parse(&Value::Array(vec![Value::Null])).expect("an array");
        assert!(shards[0].slots.is_empty() && shards[0].nodes.is_empty());
    }
}
