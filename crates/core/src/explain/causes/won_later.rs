//! A failover that came, and came late: the first attempt was denied or expired, a later one won.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::clock;
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "FAILOVER_WON_AT_A_LATER_ATTEMPT",
    title: "The failover succeeded, only late: the first request for votes got none",
    side: Side::Nobody,
    when: won_later,
    cause: "Nothing is to be repaired: the replica was elected in the end[[, <<whole>> s after its \
        primary was held for failed]]. Its first request came to nothing[[ (<<reason>>)]]. An \
        attempt that gets no majority is given up after two node timeouts, and the next one comes \
        four node timeouts after it began[[: with <<timeout>> ms that is <<expire>> s and \
        <<retry>> s]]; that wait is the delay.[[ <<early>>]]",
    check: "CLUSTER INFO now: state ok, 16384 slots ok. The voters' logs at the second of the first \
        request: 'Failover auth denied' and its reason.",
    fix: &[
        "Nothing now. Let clients repeat commands for longer than such a gap.",
        "To make it shorter: a lower cluster-node-timeout on all nodes (15000 is the default, 5000 \
         is common), not below the longest pause of a node; all these waits are multiples of it.",
        "A current release: replicas and voters agree about a failure at the same time more often.",
    ],
    never: &[
        "Do not make TAKEOVER a routine for it: it asks nobody, and two primaries can be the end.",
    ],
    like: &["FAILOVER_NO_VOTES", "DOWN_DURING_FAILOVER"],
}];

fn won_later(seen: &Seen) -> Option<Hit> {
    let line = |words: &[&str], from: usize| {
        let mut rest = seen.lines.iter().enumerate().skip(from);
        rest.find(|(_, line)| words.iter().any(|word| line.lower.contains(word))).map(|(at, _)| at)
    };
    let begun = line(&["starting a failover election"], 0)?;
    let expired = line(&["failover attempt expired"], begun)?;
    let won = line(&["failover election won"], expired)?;
    let again = line(&["failover attempt expired", "starting a failover election"], won);
    // Several that ask at once take each other's votes: that is told by the denial.
    let collide = seen.has(&["already voted"]);
    if again.is_some() || collide || seen.says_fail() || !seen.failing().is_empty() {
        return None;
    }
    let denied = line(&["failover auth denied"], 0);
    let reason = denied.and_then(|at| {
        let text = &seen.lines.get(at)?.text;
        let (_, rest) = text.split_once("auth denied to ")?;
        let (_, why) = rest.split_once(':')?;
        Some(format!("denied: '{}'", why.trim()))
    });
    let failed = line(&["as failing (quorum reached)", "fail message received"], 0);
    let whole = failed.and_then(|at| clock::between(seen, at, won));
    let timeout = clock::node_timeout(seen);
    // The voter itself held the primary for failed only after it had denied.
    let up = seen.has(&["its master is up", "its primary is up"]);
    let voters = denied.filter(|_| up).and_then(|at| {
        let later = line(&["as failing (quorum reached)", "fail message received"], at)?;
        Some((later, clock::between(seen, at, later)?))
    });
    let hit = Hit::of(90).quote(begun).quotes(denied).quote(expired).quote(won);
    Some(
        hit.quotes(voters.map(|(at, _)| at))
            .fact_if("whole", whole.map(|s| s.to_string()))
            .fact_if("reason", reason)
            .fact_if("timeout", timeout.map(|ms| ms.to_string()))
            .fact_if("expire", timeout.map(|ms| (2 * ms / 1_000).to_string()))
            .fact_if("retry", timeout.map(|ms| (4 * ms / 1_000).to_string()))
            .fact_if(
                "early",
                voters.map(|(_, seconds)| {
                    format!(
                        "The replica asked too early: it had counted the reports of a majority \
                         itself, while this voter held the primary for failed only {seconds} s \
                         after it had denied. A replica cannot tell the others; each voter comes \
                         to it by its own count or by a primary's FAIL message."
                    )
                }),
            ),
    )
}
