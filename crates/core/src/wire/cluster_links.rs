//! `CLUSTER LINKS`, since Redis 7.0 (`clusterGenNodesLinksDescription`).

use super::cluster_slots::fields;
use super::resp::Value;
use crate::limits::NODES_MAX;
use crate::model::NodeId;
use crate::observation::Link;

/// Reads a reply. Links that cannot be read are left out; `None` when the reply is no array.
pub fn parse(reply: &Value) -> Option<Vec<Link>> {
    Some(reply.array()?.iter().take(2 * NODES_MAX).filter_map(link).collect())
}

fn link(entry: &Value) -> Option<Link> {
    let fields = fields(entry);
    Some(Link {
        outgoing: match fields.get("direction")? {
            "to" => true,
            "from" => false,
            _ => return None,
        },
        node: NodeId::parse(fields.get("node")?.as_bytes()).ok()?,
        create_time_ms: fields.number("create-time").unwrap_or(0),
        send_buffer_used: fields.number("send-buffer-used").unwrap_or(0),
        send_buffer_allocated: fields.number("send-buffer-allocated").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_and_a_strange_one_left_out() {
        let text = |text: &str| Value::Bulk(text.as_bytes().to_vec());
        let id = NodeId::made_up(2);
        let link = |direction: &str| {
            Value::Map(vec![
                (text("direction"), text(direction)),
                (text("node"), text(&id.to_string())),
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
