//! Atomic slot migrations, as `CLUSTER GETSLOTMIGRATIONS` (Valkey 9.0) and `CLUSTER MIGRATION
//! STATUS ALL` (Redis 8.4) list them.
//!
//! Both keep finished jobs for a while. Deliberately absent: moves by hand with SETSLOT and MIGRATE
//! ([`super::slot_open`]).

use super::counted::is_under_way;
use crate::model::{NodeId, Product, SlotSet};
use crate::observation::{Fields, Picture, Sighting};

/// Seconds after which a job that says nothing new is held for stuck. Acknowledgements come each
/// second, and the longest pause that a job makes by itself is far below a minute.
pub(super) const QUIET_S: u64 = 60;

/// Why a scenario cannot be played on a server.
pub(super) const NO_SUCH_THING: &str = "atomic slot migration came with Redis 8.4 and Valkey 9.0";

/// One job as one end tells it.
pub(super) struct Job<'a> {
    /// Who tells it.
    pub sighting: &'a Sighting,
    /// Its fields, as named by the server.
    pub fields: &'a Fields,
    /// Its name.
    pub name: &'a str,
    /// Where it stands.
    pub state: &'a str,
    /// The slots that move.
    pub slots: SlotSet,
    /// From whom.
    pub source: Option<NodeId>,
    /// To whom.
    pub target: Option<NodeId>,
}

impl Job<'_> {
    /// Whether it has not come to its end.
    pub fn is_under_way(&self) -> bool {
        is_under_way(self.state)
    }

    /// Why it failed, in the server's words.
    pub fn reason(&self) -> Option<&str> {
        let told = self.fields.get("message").or_else(|| self.fields.get("last_error"));
        told.filter(|text| !text.is_empty())
    }

    /// When it was made: seconds since 1970 on the node's clock.
    pub fn created_s(&self) -> u64 {
        self.seconds("create_time")
    }

    /// How long ago anything was heard of it, in seconds, by the node's own clock.
    pub fn quiet_for_s(&self) -> Option<u64> {
        let heard = ["last_update_time", "last_ack_time", "end_time", "start_time", "create_time"]
            .into_iter()
            .map(|name| self.seconds(name))
            .max()
            .filter(|heard| *heard > 0)?;
        Some((self.sighting.clock_ms.get()? / 1_000).saturating_sub(heard))
    }

    /// A time in seconds; Redis tells milliseconds.
    fn seconds(&self, name: &str) -> u64 {
        let told = self.fields.number(name).unwrap_or(0);
        if told > 100_000_000_000 { told / 1_000 } else { told }
    }
}

/// All jobs of all nodes, by node.
pub(super) fn all<'a>(seen: &Picture<'a>) -> Vec<Job<'a>> {
    seen.members()
        .filter_map(|(id, _)| seen.proved(id))
        .flat_map(|sighting| {
            let jobs = sighting.migrations.get().into_iter().flatten();
            jobs.filter_map(move |fields| read(sighting, fields))
        })
        .collect()
}

fn read<'a>(sighting: &'a Sighting, fields: &'a Fields) -> Option<Job<'a>> {
    let any = |names: [&str; 2]| names.into_iter().find_map(|name| fields.get(name));
    let id = |names| any(names).and_then(|text: &str| text.parse().ok());
    Some(Job {
        sighting,
        fields,
        name: any(["name", "id"])?,
        state: fields.get("state")?,
        slots: SlotSet::parse(any(["slot_ranges", "slots"])?)?,
        source: id(["source_node", "source"]),
        target: id(["target_node", "dest"]),
    })
}

/// The command that lists the jobs at a node.
pub(super) fn question(seen: &Picture<'_>, id: Option<NodeId>) -> &'static str {
    match id.and_then(|id| seen.version_of(id)).map(|version| version.product) {
        Some(Product::Redis) => "CLUSTER MIGRATION STATUS ALL",
        _ => "CLUSTER GETSLOTMIGRATIONS",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    /// Gives a node one job: slots 0-5 from node 0 to node 2.
    pub fn job(sketch: &mut Sketch, node: usize, state: &str, quiet_for_s: u64) {
        let sighting = &mut sketch.nodes[node].sighting;
        let now_s = sighting.clock_ms.get().expect("a clock") / 1_000;
        let (source, target) = (Sketch::id(0).to_string(), Sketch::id(2).to_string());
        let heard = (now_s - quiet_for_s).to_string();
        let fields = [
            ("name", "8340ced1"),
            ("operation", "EXPORT"),
            ("slot_ranges", "0-5"),
            ("source_node", &source),
            ("target_node", &target),
            ("create_time", &heard),
            ("last_update_time", &heard),
            ("last_ack_time", &heard),
            ("state", state),
            ("message", "Connection lost to target."),
        ];
        sighting.migrations = Said::This(vec![fields.into_iter().collect()]);
    }

    #[test]
    fn a_job_is_read_by_the_names_of_both_products() {
        let mut sketch = Sketch::healthy(3, 0);
        job(&mut sketch, 0, "failed", 5);
        let fields: Fields = [
            ("id", "24cf41718b20f7f05901743dffc40bc9b15db339"),
            ("slots", "0-5"),
            ("source", &Sketch::id(0).to_string()),
            ("dest", &Sketch::id(2).to_string()),
            ("state", "none"),
            ("last_error", "timeout"),
            ("create_time", "1699999990000"),
        ]
        .into_iter()
        .collect();
        sketch.nodes[2].sighting.migrations = Said::This(vec![fields]);
        let seen = sketch.build();
        let picture = Picture::new(&seen);
        let jobs = all(&picture);
        assert_eq!(jobs.len(), 2);
        for job in &jobs {
            assert_eq!(job.target, Some(Sketch::id(2)));
            assert!(job.reason().is_some());
        }
        let redis = jobs.iter().find(|job| job.state == "none").expect("the Redis job");
        assert_eq!(redis.quiet_for_s(), Some(10));
    }
}
