//! What a cluster has and its twin cannot have, in a sentence each: never dropped in silence.

use std::collections::BTreeSet;

use slotwright_core::model::{SlotSet, Version};
use slotwright_core::observation::{Picture, Sighting};
use slotwright_core::scenario::Server as Kind;

/// Settings that the model has with this value only.
const SETTINGS: [(&str, &str); 3] = [
    ("cluster-require-full-coverage", "yes"),
    ("cluster-replica-no-failover", "no"),
    ("cluster-replica-validity-factor", "10"),
];

/// All of it. May hold a peer's words: never print it raw.
pub(crate) fn of(seen: &Picture<'_>) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let all = seen.observation();
    let rows = all.rows.as_slice();
    if rows.iter().any(|row| row.address.hostname.as_ref().is_some_and(|name| !name.is_empty())) {
        out.insert("announced hostnames".to_owned());
    }
    if all.bus.iter().any(|probe| probe.over_tls == Some(true)) {
        out.insert("TLS".to_owned());
    }
    let mut seldom_counted = false;
    let mut silent_about_settings = Vec::new();
    for (number, sighting) in seen.sightings() {
        let shows = sighting.nodes.get();
        if shows.is_some_and(|view| !view.oddities.is_empty()) {
            out.insert(format!("what cannot be read in the table of {}", sighting.from));
        }
        if shows.is_none() {
            let answers = sighting.ping.get().is_some();
            let why = sighting.ping.silence().is_some_and(|why| why.somebody_answered());
            if answers || why {
                out.insert(format!("why {} shows no table", sighting.from));
            }
            continue;
        }
        silent_about_settings.extend(sighting.config.get().is_none().then_some(&sighting.from));
        out.extend(of_one(seen, sighting));
        if seen.id_of(number).is_none() {
            out.insert(format!("{}: it does not say who it is", sighting.from));
        }
        let counted = sighting.census.get().map(|census| &census.counted);
        seldom_counted |= counted.is_none_or(|counted| *counted != SlotSet::all());
    }
    if let Some((first, others)) = silent_about_settings.split_first() {
        let more = match others.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        out.insert(format!("settings that {first}{more} do not tell"));
    }
    if seldom_counted {
        out.insert("keys that were not counted: some are put where the slots are".to_owned());
    }
    let twice = seen.members().filter(|(_, member)| member.proved.len() > 1);
    for (id, member) in twice {
        let run = |n: &usize| seen.sighting(*n).info.get().and_then(|info| info.get("run_id"));
        let runs: BTreeSet<Option<&str>> = member.proved.iter().map(run).collect();
        if runs.len() > 1 {
            out.insert(format!("{} answers from two processes", id.short()));
        }
    }
    out
}

fn of_one(seen: &Picture<'_>, sighting: &Sighting) -> Vec<String> {
    let mut out = Vec::new();
    let at = &sighting.from;
    match seen.version(sighting) {
        Some(version) if !is_modelled(version) => {
            let as_if = match crate::twin::nearest(version) {
                Kind::Redis70 => "Redis 7.0",
                Kind::Redis82 => "Redis 8.2",
                Kind::Valkey91 => "Valkey 9.1",
            };
            out.push(format!("{version}: taken for {as_if}"));
        }
        Some(_) => {}
        None => out.push(format!("the version of {at}, which it does not tell")),
    }
    if let Some(config) = sighting.config.get() {
        let other = SETTINGS
            .iter()
            .filter(|(name, value)| config.get(name).is_some_and(|set| set != *value));
        out.extend(other.map(|(name, value)| format!("{name} other than {value} at {at}")));
    }
    if let Some(info) = sighting.info.get() {
        let database = |name: &str| {
            name.strip_prefix("db").is_some_and(|n| n.parse().is_ok_and(|n: u32| n > 0))
        };
        if info.iter().any(|(name, _)| database(name)) {
            out.push(format!("databases other than 0 at {at}"));
        }
        if info.is("loading", "1") {
            out.push(format!("that {at} is loading"));
        }
    }
    if sighting.migrations.get().is_some_and(|all| !all.is_empty()) {
        out.push(format!("atomic slot migration at {at}"));
    }
    out
}

fn is_modelled(version: Version) -> bool {
    use slotwright_core::model::Product::{Redis, Valkey};
    let (major, minor, _) = version.release;
    matches!((version.product, major, minor), (Redis, 7, 0) | (Redis, 8, 2) | (Valkey, 9, 1))
}
