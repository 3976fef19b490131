//! Names to addresses, as the resolver of this machine sees them.

use std::net::{IpAddr, SocketAddr};

use slotwright_core::observation::Silence;
use tokio::time::{Instant, timeout_at};

/// Addresses kept of one name.
const ADDRESSES_MAX: usize = 64;

/// The host as an address, if it is written as one.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// Looks a name up. The resolver's order is kept: clients take the first.
pub(crate) async fn look_up(name: &str, until: Instant) -> Result<Vec<IpAddr>, Silence> {
    // The resolver of the system takes a NUL for an end and an empty name for this machine.
    if name.is_empty() || name.contains('\0') {
        return Err(Silence::NameNotFound);
    }
    match timeout_at(until, tokio::net::lookup_host((name, 0_u16))).await {
        Err(_) => Err(Silence::TimedOut),
        Ok(Err(_)) => Err(Silence::NameNotFound),
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|address: SocketAddr| address.ip()) {
                if !addresses.contains(&address) && addresses.len() < ADDRESSES_MAX {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() { Err(Silence::NameNotFound) } else { Ok(addresses) }
        }
    }
}
