//! Rows with an old address that own slots: what is not served, and by whom it could be.

use crate::explain::cause::Hit;
use crate::explain::figures::slots;
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::explain::template::list;

/// Old rows that own slots: which are not served, by whom else they could be, and that the node at
/// the new address may be another one.
pub(super) fn of_the_old(seen: &Seen, stale: &[&Row], hit: Hit) -> Hit {
    let Some(owner) = stale.iter().find(|row| !row.slots.is_empty() && row.is_failing()) else {
        return hit;
    };
    let table = seen.table();
    let rows = table.map(|table| table.rows.as_slice()).unwrap_or_default();
    let replicas = || rows.iter().filter(|row| row.primary.as_ref() == Some(&owner.id));
    let living = replicas().find(|row| !row.is_failing());
    let copy = match (living, replicas().next()) {
        (Some(row), _) => format!("Its replica {} is alive and can be promoted.", row.place()),
        (None, Some(row)) => format!("Its replica {} is flagged too.", row.place()),
        (None, None) => "No replica of it is in the table.".to_owned(),
    };
    let listed = |ip: &str| rows.iter().any(|row| row.address.ip == ip);
    let pods = seen.pods.iter().filter_map(|pod| Some((&pod.name, pod.ip.as_deref()?)));
    let new: Vec<String> =
        pods.filter(|(_, ip)| !listed(ip)).map(|(name, ip)| format!("{ip} ({name})")).collect();
    let hit = hit.quote(owner.line).note(format!(
        "{} still owns {}, and nobody serves them. {copy}",
        owner.place(),
        slots(&owner.slots)
    ));
    if new.is_empty() {
        return hit;
    }
    let new = list(&new, 4);
    hit.note(format!("At no row of the table, but among the pods: {new}.")).step(format!(
        "Ask CLUSTER MYID and DBSIZE at {new}. The id {} there: CLUSTER MEET that address from a \
         member, and it is back with its slots and keys. Another id: it came up without its \
         nodes.conf; nothing is joined, forgotten or emptied until its old volume (or the \
         replica's) was looked for, since the keys of these slots are there only.",
        owner.id
    ))
}
