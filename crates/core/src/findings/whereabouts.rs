//! Where the members really are, against where the tables say they are.
//!
//! Shared by the findings on addresses. An address is only called wrong when the observer itself
//! has no working connection through it: whoever looks through a tunnel or a port mapping reaches
//! the nodes at other addresses than they use among themselves, and that alone is no fault.

use std::net::IpAddr;

use crate::model::{Endpoint, Flag, NodeAddress, NodeId};
use crate::observation::{LinkState, NodeRow, Picture, Silence};

/// What can be said of an address that a row records for a live member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The member answered there.
    Right,
    /// The member answered elsewhere, and the observer does not reach it through this address.
    Wrong,
    /// The row has no address.
    Missing,
    /// The member is configured to announce this address.
    Announced,
    /// Not enough is known.
    Unknown,
}

/// Judges the address of a row.
pub(super) fn place(seen: &Picture<'_>, row: &NodeRow) -> Place {
    let alive = seen.proved(row.id).is_some();
    let Some(client) = row.address.client() else {
        return if alive { Place::Missing } else { Place::Unknown };
    };
    if is_at(seen, row.id, &row.address) {
        return Place::Right;
    }
    if !alive || !is_out_of_reach(row) {
        return Place::Unknown;
    }
    if announces(seen, row.id, &row.address) {
        return Place::Announced;
    }
    let refuses_to_tell = seen
        .sighting_at(&client)
        .and_then(|number| seen.sighting(number).ping.silence())
        .is_some_and(Silence::somebody_answered);
    if refuses_to_tell { Place::Unknown } else { Place::Wrong }
}

/// Whether the observer of the row does not reach the node.
pub(super) fn is_out_of_reach(row: &NodeRow) -> bool {
    row.link == LinkState::Disconnected
        || row.flags.has(Flag::Suspected)
        || row.flags.has(Flag::Failed)
        || row.flags.has(Flag::NoAddress)
}

/// Whether the member proved itself at this address, to a client or on the bus.
pub(super) fn is_at(seen: &Picture<'_>, id: NodeId, address: &NodeAddress) -> bool {
    let Some(client) = address.client() else { return false };
    let by_client = seen.member(id).is_some_and(|member| {
        member.proved.iter().any(|number| same(seen, &seen.sighting(*number).from, &client))
    });
    by_client
        || address
            .bus()
            .and_then(|bus| seen.bus_at(&bus))
            .and_then(|said| said.get())
            .is_some_and(|pong| pong.id == id)
}

fn same(seen: &Picture<'_>, dialled: &Endpoint, recorded: &Endpoint) -> bool {
    dialled == recorded
        || (dialled.port == recorded.port
            && (seen.addresses_of(&dialled.host).contains(&recorded.host)
                || seen.addresses_of(&recorded.host).contains(&dialled.host)))
}

/// Whether a member's settings make it announce this IP or this port.
pub(super) fn announces(seen: &Picture<'_>, id: NodeId, address: &NodeAddress) -> bool {
    let Some(config) = seen.config_of(id) else { return false };
    let set = |name: &str| config.get(name).filter(|value| !value.is_empty() && *value != "0");
    set("cluster-announce-ip").is_some_and(|ip| ip == address.ip)
        || set("cluster-announce-port").is_some_and(|port| port == address.port.to_string())
        || set("cluster-announce-bus-port")
            .is_some_and(|port| address.bus_port.is_some_and(|bus| port == bus.to_string()))
}

/// The client port of a live member with an IP that `CLUSTER MEET` takes (`inet_pton`: no names).
pub(super) fn numeric(seen: &Picture<'_>, id: NodeId) -> Option<Endpoint> {
    let from = &seen.proved(id)?.from;
    if from.host.parse::<IpAddr>().is_ok() {
        return Some(from.clone());
    }
    let ip = seen.addresses_of(&from.host).first()?;
    Some(Endpoint::new(ip.clone(), from.port))
}

/// The `CLUSTER MEET` that names a live member where it is now. The bus port is named when it is
/// not the client port + 10000, which is what the server assumes.
pub(super) fn meet(seen: &Picture<'_>, id: NodeId) -> String {
    let Some(at) = numeric(seen, id) else {
        return format!("CLUSTER MEET <the IP of {}> <its port>", seen.name(id));
    };
    let bus = seen.own_row(id).and_then(|row| row.address.bus_port).filter(|port| *port != 0);
    match bus.filter(|bus| Some(*bus) != at.port.checked_add(10_000)) {
        Some(bus) => format!("CLUSTER MEET {} {} {bus}", at.host, at.port),
        None => format!("CLUSTER MEET {} {}", at.host, at.port),
    }
}

/// Whether we reach the nodes from this very machine or through a tunnel while they use routable
/// addresses among themselves: then an address that fails from here proves little.
pub(super) fn through_a_tunnel(dialled: &Endpoint, recorded: &Endpoint) -> bool {
    is_loopback(&dialled.host) && !is_loopback(&recorded.host)
}

/// Whether a host is an address of the machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_moved_node_is_at_its_new_address_only() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "10.0.9.3").flagged(2, Flag::Suspected, LinkState::Disconnected);
        let seen = sketch.build();
        let picture = Picture::new(&seen);
        let row = picture.usual_row(Sketch::id(2)).expect("recorded");
        assert_eq!(place(&picture, row), Place::Wrong);
        assert_eq!(meet(&picture, Sketch::id(2)), "CLUSTER MEET 10.0.9.3 6379");
    }

    #[test]
    fn an_address_that_works_for_the_observer_is_not_called_wrong() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "127.0.0.1");
        let seen = sketch.build();
        let picture = Picture::new(&seen);
        let row = picture.usual_row(Sketch::id(2)).expect("recorded");
        assert_eq!(place(&picture, row), Place::Unknown);
    }

    #[test]
    fn a_name_that_was_looked_up_is_the_same_place() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "redis-2").flagged(2, Flag::Suspected, LinkState::Disconnected);
        let mut seen = sketch.build();
        seen.names.push(crate::observation::NameLookup {
            name: "redis-2".to_owned(),
            said: crate::observation::Said::This(vec!["10.0.0.3".to_owned()]),
        });
        let picture = Picture::new(&seen);
        let row = picture.usual_row(Sketch::id(2)).expect("recorded");
        assert_eq!(place(&picture, row), Place::Right);
    }
}
