//! `CLUSTER LINKS`, since Redis 7.0 (`clusterGenNodesLinksDescription`).

use super::resp::Value;
use crate::limits::NODES_MAX;
use crate::model::NodeId;
use crate::observation::Link;

/// Reads a reply. Links that cannot be read are left out; `None` when the reply is no array.
pub fn parse(reply: &Value<'_>) -> Option<Vec<Link>> {
    Some(reply.array()?.iter().take(2 * NODES_MAX).filter_map(link).collect())
}

fn link(entry: &Value<'_>) -> Option<Link> {
    let (mut outgoing, mut id) = (None, None);
    let (mut create_time_ms, mut send_buffer_used, mut send_buffer_allocated) = (0, 0, 0);
    let count = |value: &Value<'_>| value.integer().and_then(|number| u64::try_from(number).ok());
    for (name, value) in entry.pairs() {
        match name.bytes() {
            Some(b"direction") => outgoing = direction(value),
            Some(b"node") => id = NodeId::parse(value.bytes()?).ok(),
            Some(b"create-time") => create_time_ms = count(value).unwrap_or(0),
            Some(b"send-buffer-used") => send_buffer_used = count(value).unwrap_or(0),
            Some(b"send-buffer-allocated") => send_buffer_allocated = count(value).unwrap_or(0),
            _ => {}
        }
    }
    Some(Link {
        outgoing: outgoing?,
        node: id?,
        create_time_ms,
        send_buffer_used,
        send_buffer_allocated,
    })
}

fn direction(value: &Value<'_>) -> Option<bool> {
    match value.bytes()? {
        b"to" => Some(true),
        b"from" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_and_a_strange_one_left_out() {
        fn text(text: &str) -> Value<'_> {
            Value::Bulk(text.as_bytes())
        }
        let id = NodeId::made_up(2);
        let id_text = id.to_string();
        let link = |direction: &'static str| {
            Value::Map(vec![
                (text("direction"), text(direction)),
                (text("node"), text(&id_text)),
                (text("create-time"), Value::Integer(5)),
                (text("send-buffer-used"), Value::Integer(7)),
            ])
        };
        let links = parse(&Value::Array(vec![link("to"), link("sideways")])).expect("an array");
        assert_eq!(links.len(), 1);
        assert!(links[0].outgoing);
        assert_eq!((links[0].node, links[0].send_buffer_used), (id, 7));
    }
}
