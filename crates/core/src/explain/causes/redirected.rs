//! Where MOVED sends a client, beside where the client begins.
//!
//! MOVED names the address that the owner announces. When that is another network than the one in
//! which the client reached its first node, a client that follows arrives at nobody, or at itself.

use super::announced::{dedup, is_inner, only, seed_ips};
use super::at_the_start;
use super::aware::is_aware;
use crate::explain::cause::Hit;
use crate::explain::redirects::Redirect;
use crate::explain::seen::{Seen, is_ipv4};
use crate::explain::template::list;

/// Where a redirect leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leads {
    /// To whoever dials it.
    Loopback,
    /// Into a network of its own, as seen from a public place or a tunnel.
    Inside,
    /// As far as can be told to where the client is anyway.
    Along,
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || host == "localhost" || host == "0.0.0.0"
}

/// The hosts at which the client begins: of URLs, of `-h`, of settings.
fn begins(seen: &Seen) -> Vec<String> {
    let mut hosts = seed_ips(seen);
    for line in &seen.lines {
        for scheme in ["redis://", "rediss://", "valkey://", "valkeys://", "tcp://", " -h "] {
            let found = line.lower.split(scheme).skip(1).filter_map(|rest| {
                let place = rest.trim_start().split(['/', '"', '\'', ' ', ',', ')', ']', '?']);
                let place = place.into_iter().next()?;
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                let host = place.split(':').next()?;
                (!host.is_empty()).then(|| host.to_owned())
            });
            hosts.extend(found);
        }
    }
    let real = |host: &String| is_ipv4(host) || host.contains('.') || host == "localhost";
    hosts.retain(real);
    dedup(&hosts)
}

fn leads(redirect: &Redirect, begins: &[String]) -> Leads {
    let host = redirect.host.as_str();
    if is_loopback(host) {
        let elsewhere = begins.iter().any(|begin| !is_loopback(begin));
        return if elsewhere { Leads::Loopback } else { Leads::Along };
    }
    let outside = |begin: &String| is_loopback(begin) || (is_ipv4(begin) && !is_inner(begin));
    let inner = is_ipv4(host) && is_inner(host);
    if inner && !begins.is_empty() && begins.iter().all(outside) {
        Leads::Inside
    } else {
        Leads::Along
    }
}

/// The first redirect that leads somewhere else, with the places at which the client begins.
fn astray(seen: &Seen, where_to: Leads) -> Option<(&Redirect, Vec<String>)> {
    let begins = begins(seen);
    let redirect = seen.redirects.iter().find(|one| leads(one, &begins) == where_to)?;
    Some((redirect, begins))
}

/// MOVED names 127.0.0.1 to a client that dials another machine.
pub(super) fn to_itself(seen: &Seen) -> Option<Hit> {
    let (redirect, begins) = astray(seen, Leads::Loopback)?;
    let far: Vec<String> = begins.into_iter().filter(|begin| !is_loopback(begin)).collect();
    let hit = Hit::of(88).quote(redirect.line).fact("places", redirect.place()).note(format!(
        "Here the redirect for slot {} names {}, while the client dials {}: from the client's \
         machine {} is that machine itself. The first contact worked; it is the address in the \
         redirect that is refused.",
        redirect.slot,
        redirect.place(),
        list(&far, 3),
        redirect.host
    ));
    let seed = only(&far).filter(|seed| is_ipv4(seed));
    let dials = seed.as_ref().and_then(|seed| {
        let marks = [format!(" -h {seed}"), format!("{seed}:")];
        let of = |mark: &String| seen.lines.iter().position(|line| line.text.contains(mark));
        marks.iter().find_map(of)
    });
    let hit = hit.quotes(dials);
    let hit = match &seed {
        Some(seed) => hit.step(format!(
            "On each node that runs at {seed}: CONFIG SET cluster-announce-ip {seed} (and in its \
             file), if its port and bus port (port + 10000) are reached there under their own \
             numbers; otherwise cluster-announce-port and cluster-announce-bus-port with it. \
             Nodes on other machines announce their own. Then CLUSTER SLOTS must name no \
             127.0.0.1 any more."
        )),
        None => hit,
    };
    Some(at_the_start::loopback(seen, hit, seed.as_deref()))
}

/// MOVED names an inner address to a client that knows clusters and comes from outside.
pub(super) fn to_the_inside(seen: &Seen) -> Option<Hit> {
    let (redirect, begins) = astray(seen, Leads::Inside)?;
    let aware = is_aware(seen) || seen.client().is_some_and(|client| client == "GLIDE");
    Some(
        Hit::of(if aware { 82 } else { 54 })
            .quote(redirect.line)
            .fact("announced", redirect.place())
            .fact("seed", list(&begins, 3))
            .fact_if("seed_ip", only(&begins).filter(|ip| is_ipv4(ip) && !is_loopback(ip))),
    )
}

/// What the redirect says, for a client that shows it as an error.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let Some(first) = seen.redirects.first() else { return hit };
    let hit = hit.quote(first.line).note(format!(
        "Here it says that slot {} is served by {}.",
        first.slot,
        first.place()
    ));
    match astray(seen, Leads::Inside) {
        Some((redirect, begins)) => hit.note(format!(
            "Mind the address in it: the client dials {}, and {} is one of an inner network. A \
             cluster client will dial it next; if it is not reached from there, the nodes must \
             announce another one (cluster-announce-ip), or the client must translate.",
            list(&begins, 3),
            redirect.place()
        )),
        None => hit,
    }
}
