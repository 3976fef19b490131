//! Reading the address texts of tables: which are no IP, or an IP of the wrong kind.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::diagnose::Evidence;
use crate::model::NodeId;
use crate::observation::Picture;

/// What a text in the place of an IP is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Text {
    /// An IP.
    Ip(IpAddr),
    /// A DNS name.
    Name,
    /// Neither: it can never be dialled.
    Neither,
}

/// Reads the text. A name has a letter in its last label, as no IPv4 address can have.
pub(super) fn read(text: &str) -> Text {
    if let Ok(ip) = text.parse() {
        return Text::Ip(ip);
    }
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    let named = last.bytes().any(|b| b.is_ascii_alphabetic()) && text.split('.').all(fits);
    if named { Text::Name } else { Text::Neither }
}

/// The members for whom some live node records an address that `odd` picks: the text, and who says
/// so (at most three of each row).
pub(super) fn recorded(
    seen: &Picture<'_>,
    odd: impl Fn(&str) -> bool,
) -> BTreeMap<NodeId, (String, Vec<Evidence>)> {
    let mut found: BTreeMap<NodeId, (String, Vec<Evidence>)> = BTreeMap::new();
    for (id, member) in seen.members() {
        for record in &member.rows {
            let text = &seen.row(record.row).address.ip;
            if text.is_empty() || !odd(text) {
                continue;
            }
            let (_, evidence) =
                found.entry(id).or_insert_with(|| (text.clone(), announced(seen, id, text)));
            evidence.extend(record.by.iter().take(3).map(|observer| {
                let says = format!("{} is at {}", id.short(), seen.row(record.row).address);
                Evidence::hearsay(seen.sighting(*observer), says)
            }));
        }
        let own = seen.own_row(id).map(|row| &row.address.ip).filter(|ip| !ip.is_empty());
        if let (Some(text), Some(sighting)) = (own.filter(|ip| odd(ip)), seen.proved(id)) {
            let (_, evidence) =
                found.entry(id).or_insert_with(|| (text.clone(), announced(seen, id, text)));
            evidence.push(Evidence::first_hand(sighting, format!("I am at {text}")));
        }
    }
    found
}

fn announced(seen: &Picture<'_>, id: NodeId, text: &str) -> Vec<Evidence> {
    let (Some(sighting), Some(config)) = (seen.proved(id), seen.config_of(id)) else {
        return Vec::new();
    };
    if config.is("cluster-announce-ip", text) {
        vec![Evidence::first_hand(sighting, format!("cluster-announce-ip is {text}"))]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ips_and_nonsense_are_told_apart() {
        assert!(matches!(read("10.0.0.184"), Text::Ip(_)));
        assert!(matches!(read("fd00::5"), Text::Ip(_)));
        assert_eq!(read("redis-0.redis.default.svc.cluster.local"), Text::Name);
        assert_eq!(read("localhost"), Text::Name);
        assert_eq!(read("10.0.0.1841"), Text::Neither);
        assert_eq!(read("?"), Text::Neither);
        assert_eq!(read("10.0.0"), Text::Neither);
    }
}
