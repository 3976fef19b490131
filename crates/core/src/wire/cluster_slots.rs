//! `CLUSTER SLOTS`: what a client is told of who serves what (`clusterReplyMultiBulkSlots`).

use std::borrow::Cow;

use super::resp::Value;
use crate::model::{NodeId, SLOT_COUNT, SlotSet};
use crate::observation::{Fields, SlotsNode, SlotsRange};

/// Ranges kept of one reply; each slot can be a range of its own.
const RANGES_MAX: usize = SLOT_COUNT as usize;

/// Reads a reply. Entries that cannot be read are left out; `None` when the reply is no array.
pub fn parse(reply: &Value<'_>) -> Option<Vec<SlotsRange>> {
    Some(reply.array()?.iter().take(RANGES_MAX).filter_map(range).collect())
}

fn range(entry: &Value<'_>) -> Option<SlotsRange> {
    let [first, last, nodes @ ..] = entry.array()? else { return None };
    let bound = |value: &Value<'_>| u16::try_from(value.integer()?).ok();
    let mut slots = SlotSet::new();
    slots
        .insert(bound(first)?, bound(last)?)
        .then(|| SlotsRange { slots, nodes: nodes.iter().filter_map(node).collect() })
}

/// `[endpoint, port]`, `[endpoint, port, id]` (since 4.0) or `[endpoint, port, id, metadata]`
/// (since 7.0).
fn node(entry: &Value<'_>) -> Option<SlotsNode> {
    let [endpoint, port, rest @ ..] = entry.array()? else { return None };
    let id = rest.first().and_then(Value::bytes).and_then(|text| NodeId::parse(text).ok());
    Some(SlotsNode {
        endpoint: endpoint.text().map(Cow::into_owned),
        port: u16::try_from(port.integer()?).unwrap_or(0),
        id,
        metadata: rest.get(1).map(fields).unwrap_or_default(),
    })
}

/// Names and values of a map; values that are no text are left out.
pub(super) fn fields(map: &Value<'_>) -> Fields {
    map.pairs().filter_map(|(name, value)| Some((name.text()?, text_of(value)?))).collect()
}

fn text_of<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Integer(number) => Some(number.to_string().into()),
        other => other.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value<'_> {
        Value::Bulk(text.as_bytes())
    }

    #[test]
    fn a_reply_of_redis_7_is_read() {
        let id = NodeId::made_up(1);
        let id_text = id.to_string();
        let metadata = Value::Array(vec![bulk("ip"), bulk("10.0.0.1")]);
        let owner = Value::Array(vec![Value::Null, Value::Integer(6379), bulk(&id_text), metadata]);
        let entry = Value::Array(vec![Value::Integer(0), Value::Integer(99), owner]);
        let ranges = parse(&Value::Array(vec![entry])).expect("an array");
        assert_eq!(ranges[0].slots, SlotSet::range(0, 99));
        assert_eq!(ranges[0].nodes[0].endpoint, None);
        assert_eq!(ranges[0].nodes[0].id, Some(id));
        assert_eq!(ranges[0].nodes[0].metadata.get("ip"), Some("10.0.0.1"));
    }

    #[test]
    fn a_range_out_of_bounds_costs_only_itself() {
        let bad = Value::Array(vec![Value::Integer(5), Value::Integer(16384)]);
        let good = Value::Array(vec![Value::Integer(5), Value::Integer(5)]);
        let ranges = parse(&Value::Array(vec![bad, Value::Null, good])).expect("an array");
        assert_eq!(ranges.len(), 1);
        assert_eq!(parse(&Value::Null), None);
    }
}
