//! A script runs for so long that the node answers everything else with `-BUSY`.

use super::client_port::{doors, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Act, Scenario, Until};

finding! {
    /// ## What it means
    /// A Lua script, a function or a module command runs for longer than `busy-reply-threshold` (5
    /// s by default). Until it ends, the node answers every command with `BUSY Redis is busy
    /// running a script`, also `CLUSTER SLOTS`: nothing is served and clients cannot learn the
    /// slot map from it. It still answers on the bus, so the cluster says `ok` and no replica
    /// takes over.
    ///
    /// ## How it comes about
    /// A loop without end, a script over very many keys, or a function that waits for something.
    /// In its first seconds, before the threshold, the node does not answer at all, which looks
    /// like `NODE_HUNG`.
    ///
    /// ## What we look at
    /// The reply to `PING`.
    ///
    /// ## The repair
    /// `SCRIPT KILL` (or `FUNCTION KILL`, as the reply says). It works as long as the script has
    /// written nothing. After a write the server refuses (`UNKILLABLE`): wait for it, or promote a
    /// replica with `CLUSTER FAILOVER FORCE` and then end the process.
    ///
    /// ## Repair safety
    /// `SCRIPT KILL` of a script that only reads loses nothing. A forced failover loses the writes
    /// that were not replicated yet, among them all of the running script.
    ///
    /// ## By hand
    /// The printed command; then look for the script in the application. Never `SHUTDOWN NOSAVE`
    /// on a node whose data is not elsewhere, although the reply itself proposes it.
    pub struct BusyScript { at: Endpoint, id: Option<NodeId>, kill: String }
    group: Process, severity: Error, after: [],
    obstacle: "it answers nothing but BUSY, so that no step could be guarded by what it says. SCRIPT \
               KILL (or FUNCTION KILL) ends a script that has written nothing, and is refused with \
               UNKILLABLE otherwise",
    since: "0.1",
}

impl Finding for BusyScript {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let text = match door.trouble() {
                Some(Silence::Error(text)) if text.starts_with("BUSY ") => text,
                _ => continue,
            };
            let kill = if text.contains("FUNCTION KILL") { "FUNCTION KILL" } else { "SCRIPT KILL" };
            let finding =
                Self { at: door.sighting.from.clone(), id: door.id(), kill: kill.to_owned() };
            out.push(finding, door.subject(), [Evidence::first_hand(door.sighting, quote(text))]);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let place = place(&self.at, self.id);
        format!("{place} is busy with a script and answers everything else with BUSY")
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::Reversible)
            .command(Some(self.at.clone()), &self.kill)
            .check("PING is answered; UNKILLABLE means that the script has already written")
            .then(
                "if it is UNKILLABLE: wait for its end, or CLUSTER FAILOVER FORCE on its replica \
                 and end the process then; what was not replicated is lost",
            )
            .then("find the script in the application, bound its work")
            .never("SHUTDOWN NOSAVE on a node whose data is not elsewhere, although the reply names it")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(0, "CONFIG SET busy-reply-threshold 100")
            .act(Act::Launch(0, "EVAL 'while true do end' 0".to_owned()))
            .wait(Until::Ping(0, "-BUSY"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;

    #[test]
    fn the_kill_that_the_reply_names_is_proposed() {
        let texts = [
            (
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN \
              NOSAVE.",
                "SCRIPT KILL",
            ),
            (
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN \
              NOSAVE.",
                "FUNCTION KILL",
            ),
        ];
        for (text, kill) in texts {
            let mut sketch = Sketch::healthy(3, 0);
            sketch.silence(0, Silence::Error(text.to_owned()), None);
            let found = sketch.detect::<BusyScript>(&ENTRY);
            let argv = kill.split(' ').map(str::to_owned).collect();
            let first = Step::Command { on: Sketch::at(0), argv };
            assert_eq!(found[0].by_hand.steps.first(), Some(&first));
        }
    }

    #[test]
    fn another_error_and_a_busy_key_are_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(0, Silence::Error("BUSYKEY Target key name already exists.".into()), None);
        assert_eq!(sketch.detect::<BusyScript>(&ENTRY), []);
    }
}
