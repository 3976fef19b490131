//! Primaries have different function libraries.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A function library is loaded on some primaries and not on others. `FCALL` works for keys of
    /// some slots and fails with `ERR Function not found` for others.
    ///
    /// ## How it comes about
    /// Functions replicate from a primary to its replicas, never between shards. A library was
    /// loaded on one node only, or a shard was added: `redis-cli --cluster add-node` copies the
    /// functions, a plain MEET, a reshard and an atomic slot migration do not.
    ///
    /// ## What we look at
    /// The names of the libraries (`FUNCTION LIST`, since 7.0) on each primary that owns slots. Two
    /// different libraries of one name are not told apart.
    ///
    /// ## The repair
    /// Load the library on the primaries that lack it: `FUNCTION DUMP` on one that has it, then
    /// `FUNCTION RESTORE` there, or load the source again. `recover` loads a library that more
    /// than half of the primaries have, as the first of them shows it, where one of that name is
    /// missing.
    ///
    /// ## Repair safety
    /// `FUNCTION RESTORE` without a policy appends and refuses to overwrite a library of the same
    /// name, so nothing is lost.
    ///
    /// ## By hand
    /// Dump on one, restore on the others. The dump is binary: let redis-cli write it to a file.
    pub struct FunctionsMissing { library: String, on: Vec<NodeId>, has: NodeId }
    group: Data, severity: Warning, after: [],
    repair: [Load], since: "0.1",
}

impl Finding for FunctionsMissing {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let primaries: Vec<(NodeId, BTreeSet<&str>)> = seen
            .voters()
            .into_iter()
            .filter_map(|id| {
                let libraries = seen.proved(id)?.functions.get()?;
                Some((id, libraries.iter().map(String::as_str).collect()))
            })
            .collect();
        let mut holders: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
        for (id, libraries) in &primaries {
            for library in libraries {
                holders.entry(library).or_default().push(*id);
            }
        }
        for (library, has) in holders.iter().filter(|(_, has)| has.len() < primaries.len()) {
            let on: Vec<NodeId> = primaries
                .iter()
                .filter(|(_, libraries)| !libraries.contains(library))
                .map(|(id, _)| *id)
                .collect();
            let told = |ids: &[NodeId], says: String| -> Vec<Evidence> {
                let sightings = ids.iter().take(4).filter_map(|id| seen.proved(*id));
                sightings.map(|sighting| Evidence::first_hand(sighting, says.clone())).collect()
            };
            let mut evidence = told(has, format!("FUNCTION LIST shows the library {library}"));
            evidence.extend(told(&on, format!("FUNCTION LIST does not show {library}")));
            let Some(has) = has.first().copied() else { continue };
            let finding = Self { library: (*library).to_owned(), on: on.clone(), has };
            out.push(finding, Subject::nodes(on), evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let where_to = match self.on.as_slice() {
            [one] => format!("on the primary {}", seen.name(*one)),
            many => format!("on {} primaries", many.len()),
        };
        format!(
            "the function library {} is missing {where_to}; it is loaded on {}",
            self.library,
            seen.name(self.has)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut hand = ByHand::of(Risk::Reversible)
            .command(
                seen.endpoint(self.has),
                format!("FUNCTION LIST LIBRARYNAME {} WITHCODE", self.library),
            )
            .check("this is the version that all shards should have");
        for id in self.on.iter().take(8) {
            hand = hand.then(format!(
                "load the same source at {}: FUNCTION LOAD <source> (or FUNCTION RESTORE with the \
                 bytes of FUNCTION DUMP)",
                seen.name(*id)
            ));
        }
        hand.never("FUNCTION RESTORE with FLUSH: it removes the libraries that only the target has")
    }

    fn scenario() -> Scenario {
        let load = "FUNCTION LOAD \"#!lua name=orders\nredis.register_function('total', \
                    function() return 1 end)\"";
        Scenario::of(3, 0).send(0, load).send(1, load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn with_libraries(libraries: [&[&str]; 3]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for (node, names) in libraries.into_iter().enumerate() {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            sketch.nodes[node].sighting.functions = Said::This(names);
        }
        sketch
    }

    #[test]
    fn a_library_on_one_primary_of_three_is_found() {
        let sketch = with_libraries([&["orders", "users"], &["users"], &["users"]]);
        let found = sketch.detect::<FunctionsMissing>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::nodes([Sketch::id(1), Sketch::id(2)]));
    }

    #[test]
    fn equal_libraries_and_nodes_that_were_not_asked_are_no_finding() {
        let sketch = with_libraries([&["users"], &["users"], &["users"]]);
        assert_eq!(sketch.detect::<FunctionsMissing>(&ENTRY), []);
        let mut sketch = with_libraries([&["users"], &["users"], &[]]);
        sketch.nodes[2].sighting.functions = Said::default();
        assert_eq!(sketch.detect::<FunctionsMissing>(&ENTRY), []);
    }
}
