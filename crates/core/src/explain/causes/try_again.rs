//! TRYAGAIN alone: a slot is on its way, and the client did not repeat the command.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::degree::BROKEN_OFF;
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "TRYAGAIN_WHILE_SLOT_MOVES",
    title: "A slot is being moved just now, and the client did not repeat the command",
    side: Side::Client,
    when: passing,
    cause: "TRYAGAIN is a passing answer: the command names several keys of ONE slot that is on \
        its way to another node, and at this moment some of them are still here and the others \
        there (or not there yet). So it can be carried out on neither, and is to be repeated after \
        a pause.[[ <<same>>]] It is not CROSSSLOT: the keys belong together, and no hash tag has \
        to be changed. With the end of the move it ends. [[The node that answered is <<node>>.]]",
    check: "Does it end by itself within minutes? CLUSTER NODES on the node that answered shows \
        [slot->-id] behind its own (myself) row while it moves a slot, and nothing when it is \
        through.",
    fix: &[
        "Repeat the command after a pause (100 ms, then longer, for as long as a slot may take); \
         newer releases of most cluster libraries do so by themselves, so upgrade an old one.",
        "Ask whether somebody reshards, rebalances or scales just now, and let that come to its \
         end.",
        "Only if it does not end and nobody moves slots: a move was broken off and the slot is \
         open. Find it with redis-cli --cluster check, and finish that move by the counts of keys \
         on both sides (give CLUSTER NODES of both to slotwright explain) before anything else is \
         moved.",
    ],
    never: &[
        "Do not set, free or assign the slot by hand while a move runs, and restart no node for \
         it.",
        "Do not change the keys' hash tags.",
    ],
    like: &["SLOT_OPEN"],
}];

/// A client shows the answer, and nothing says that a move was broken off.
fn passing(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(84, &["tryagain multiple keys"])?;
    let at = *hit.quotes.first()?;
    let marked = seen.rows().any(|row| !row.open.is_empty())
        || seen.has(&["importing state", "migrating state", "slots are open"]);
    let others = seen.lines.iter().enumerate().filter(|(line, _)| *line != at);
    let told = others
        .filter(|(_, line)| line.paste != seen.lines.get(at).map_or(0, |line| line.paste))
        .any(|(_, line)| BROKEN_OFF.iter().any(|word| line.lower.contains(word)));
    if marked || told {
        return None;
    }
    let text = seen.lines.get(at).map_or("", |line| line.text.as_str());
    let node = text.split_once("R:").and_then(|(_, rest)| {
        let rest = rest.rsplit_once('/').map_or(rest, |(_, place)| place);
        let place: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || ".:-".contains(*c)).collect();
        place.contains(':').then_some(place)
    });
    let same = seen.lines.iter().find_map(|line| tag(&line.text)).map(|tag| {
        format!(
            "Here the keys are held together by the hash tag {{{tag}}}: all of them in one slot."
        )
    });
    Some(hit.fact_if("node", node).fact_if("same", same))
}

/// What stands in braces inside of a key, as in `channel:{lock:10}`.
fn tag(text: &str) -> Option<&str> {
    let tags = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let plain = |tag: &&str| {
        let sign = |c: char| c.is_ascii_alphanumeric() || ":_-.@/".contains(c);
        tag.len() >= 2 && tag.len() < 80 && tag.chars().all(sign)
    };
    tags.map(|(tag, _)| tag).find(plain)
}
