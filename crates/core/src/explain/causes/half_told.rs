//! A move of a slot that was closed on some nodes and refused by the source, which still has keys.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// `CLUSTER SETSLOT <slot> NODE <id>`, and what it was answered.
struct Told {
    line: usize,
    slot: String,
    target: String,
    accepted: bool,
}

/// All that were pasted, in order.
fn told(seen: &Seen) -> Vec<Told> {
    let parse = |(at, line): (usize, &crate::explain::lines::Line)| {
        let (_, rest) = line.lower.split_once("setslot ")?;
        let mut words = rest.split_whitespace();
        let slot = words.next().filter(|word| word.chars().all(|c| c.is_ascii_digit()))?;
        (words.next()? == "node").then_some(())?;
        let target = words.next()?.trim_end_matches(['.', ',', ';']);
        let ok = |text: &str| text.trim_end().ends_with("ok");
        let next = seen.lines.get(at + 1).map_or("", |next| next.lower.as_str());
        let (slot, target) = (slot.to_owned(), target.to_owned());
        Some(Told { line: at, slot, target, accepted: ok(rest) || next.trim() == "ok" })
    };
    seen.lines.iter().enumerate().filter_map(parse).take(64).collect()
}

/// SETSLOT NODE was taken by some nodes and refused by the source.
pub(super) fn refused_by_the_source(seen: &Seen) -> Option<Hit> {
    let refused = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let (_, rest) = line.lower.split_once("can't assign hashslot ")?;
        rest.contains("while i still hold keys").then_some(())?;
        Some((at, rest.split_whitespace().next()?.to_owned()))
    });
    let (refusal, slot) = refused?;
    let told = told(seen);
    let taken: Vec<&Told> = told.iter().filter(|one| one.accepted && one.slot == slot).collect();
    let target = taken.first()?.target.clone();
    let failed = seen.lines.iter().enumerate().find(|(_, line)| {
        line.lower.contains("migrate")
            && ["err ", "ioerr", "error"].iter().any(|w| line.lower.contains(w))
    });
    let because = failed.and_then(|(_, line)| {
        let from = line.text.find("ERR ").or_else(|| line.text.find("IOERR"))?;
        Some(format!(" ('{}')", line.text.get(from..)?.trim()))
    });
    let hit = Hit::of(96).quotes(failed.map(|(at, _)| at)).quote(refusal);
    let hit = hit.quotes(taken.iter().map(|one| one.line).take(2)).fact(
        "dispute",
        format!(
            "slot {slot} belongs to {target} for those that took SETSLOT NODE, and to itself for \
             the source"
        ),
    );
    let hit = hit.note(format!(
        "SETSLOT {slot} NODE was sent though the move was not over: {}. The source refuses it as \
         long as it holds keys of the slot, which is right and protects them; the others had \
         nothing to lose and took it. So the keys of slot {slot} are on two nodes now, some here \
         and some there.",
        because.map_or_else(
            || "a MIGRATE before it must have failed".to_owned(),
            |text| format!("a MIGRATE before it failed{text}")
        )
    ));
    Some(
        hit.step(format!(
            "On the source (the node that refused): CLUSTER COUNTKEYSINSLOT {slot}, then MIGRATE \
             these keys to the target with a longer timeout (60000 ms); a key that is on both is \
             compared before one is chosen."
        ))
        .step(format!(
            "When the count there is 0: CLUSTER SETSLOT {slot} NODE {target} on the source, and \
             once more on the target; then look again with --cluster check."
        ))
        .step(
            "In the script: stop at the first MIGRATE that does not answer OK or NOKEY, and send \
             SETSLOT NODE only when the source has no key of the slot: to the target first, then \
             to the source, then to the others. redis-cli --cluster reshard does it so.",
        )
        .only_these_steps(),
    )
}
