//! What came of a rehearsal, as one block of a page; and one schedule of it, told step by step.

use slotwright_sim::rehearse::{Case, Rehearsal};

use super::page::{Ink, Look, Page};
use super::text::count;

/// Draws the block.
pub fn draw(look: Look, rehearsal: &Rehearsal) -> String {
    let mut page = Page::new(look);
    if rehearsal.schedules == 0 {
        page.line(&[(Ink::Strong, "rehearse "), (Ink::Warn, "nothing was tried")]);
        left_out(&mut page, rehearsal);
        return page.finish();
    }
    let tried = rehearsal.schedules.saturating_sub(1);
    let text = format!(
        "{} in a model of this cluster: 1 without faults, {tried} in which nodes die, restart, \
         freeze or are cut off, replies are lost, or we are killed or not alone",
        count(size(rehearsal.schedules), "schedule"),
    );
    page.hang(&[(Ink::Strong, "rehearse ")], Ink::Plain, &text);
    page.hang(&[(Ink::Faint, "ended    ")], Ink::Plain, &ends(rehearsal));
    keys(&mut page, rehearsal);
    if let Some(worst) = &rehearsal.worst {
        page.hang(&[(Ink::Faint, "worst    ")], Ink::Plain, &sentence(rehearsal, worst));
        let replay = format!(
            "slotwright plan --from FILE --replay {}, where FILE is kept by check --census -o json",
            worst.schedule
        );
        page.hang(&[(Ink::Faint, "replay   ")], Ink::Faint, &replay);
    }
    left_out(&mut page, rehearsal);
    page.finish()
}

fn left_out(page: &mut Page, rehearsal: &Rehearsal) {
    if !rehearsal.not_rehearsed.is_empty() {
        let all = rehearsal.not_rehearsed.join("; ");
        page.hang(&[(Ink::Warn, "left out ")], Ink::Plain, &all);
    }
}

/// Draws one schedule.
pub fn story(look: Look, case: &Case) -> String {
    let mut page = Page::new(look);
    page.line(&[(Ink::Strong, "schedule "), (Ink::Plain, &case.schedule.to_string())]);
    for fault in &case.faults {
        page.hang(&[(Ink::Warn, "fault    ")], Ink::Plain, fault);
    }
    for line in &case.story {
        page.hang(&[(Ink::Faint, "  ")], Ink::Plain, line.trim_start());
    }
    let (ink, lost) = lost(case);
    page.hang(&[(Ink::Faint, "ended    ")], Ink::Strong, &ended(case));
    page.hang(&[(Ink::Faint, "keys     ")], ink, &lost);
    page.finish()
}

fn ends(rehearsal: &Rehearsal) -> String {
    let healthy = match rehearsal.healthy {
        0 => "never healthy".to_owned(),
        n => format!("healthy {n}, at the slowest in {}", seconds(rehearsal.slowest_ms)),
    };
    let left = rehearsal.not_mended.iter().map(|(code, n)| format!("{code} left {n}"));
    let more =
        [(rehearsal.declined, "asked for a further word"), (rehearsal.unfinished, "never ended")];
    let more = more.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} {n}"));
    std::iter::once(healthy).chain(left).chain(more).collect::<Vec<_>>().join("; ")
}

fn keys(page: &mut Page, rehearsal: &Rehearsal) {
    let (ink, ours) = match rehearsal.losing {
        0 if rehearsal.keys == 0 => {
            (Ink::Plain, "none were found, so none could be lost".to_owned())
        }
        0 => (Ink::Good, format!("no step of ours lost one of {} modelled keys", rehearsal.keys)),
        n => (Ink::Bad, format!("STEPS OF OURS LOST KEYS in {}", count(size(n), "schedule"))),
    };
    let alone = match rehearsal.losing_without_us {
        0 => String::new(),
        n => format!("; the faults alone did in {}", count(size(n), "schedule")),
    };
    page.hang(&[(Ink::Faint, "keys     ")], ink, &format!("{ours}{alone}"));
}

fn sentence(rehearsal: &Rehearsal, worst: &Case) -> String {
    let faults = match worst.faults.as_slice() {
        [] => "without a fault".to_owned(),
        faults => faults.join(", "),
    };
    let unserved = if worst.unserved > rehearsal.unserved {
        let slots = count(worst.unserved.into(), "slot");
        format!(", {slots} without a running owner on the way ({} now)", rehearsal.unserved)
    } else {
        String::new()
    };
    let lost = match worst.lost {
        0 => String::new(),
        _ => format!(", {}", lost(worst).1),
    };
    format!("schedule {}: {faults}: {}{unserved}{lost}", worst.schedule, ended(worst))
}

fn ended(case: &Case) -> String {
    format!("{} after {}", case.ended, seconds(case.took_ms))
}

fn lost(case: &Case) -> (Ink, String) {
    let alone = match case.lost_without_us {
        0 => String::new(),
        n => format!("; the faults lose {n} by themselves"),
    };
    match case.lost {
        0 => (Ink::Good, format!("none lost by a step of ours{alone}")),
        n => (Ink::Bad, format!("{} lost by a step of ours{alone}", count(n, "modelled key"))),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { width: 80, colour: false, unicode: true };

    fn rehearsal() -> Rehearsal {
        let worst = Case {
            schedule: 17,
            faults: vec!["10.0.0.3:6379 (c3) dies and comes back later after 1.2 s".to_owned()],
            ended: "not mended: NODE_DOWN: \u{1b}[2Jsaid a peer".to_owned(),
            lost: 2,
            lost_without_us: 1,
            unserved: 5_461,
            took_ms: 41_230,
            story: vec!["   12 SLOT_OPEN c3: \u{1b}]0;owned\u{7}".to_owned()],
            ..Case::default()
        };
        Rehearsal {
            schedules: 300,
            healthy: 290,
            not_mended: [("NODE_DOWN".to_owned(), 10)].into(),
            losing: 1,
            losing_without_us: 3,
            keys: 60,
            slowest_ms: 48_000,
            worst: Some(worst),
            not_rehearsed: vec!["what cannot be read of \u{202e}x:1".to_owned()],
            ..Rehearsal::default()
        }
    }

    #[test]
    fn a_rehearsal_says_what_was_tried_and_the_worst() {
        let rehearsal = rehearsal();
        let page = draw(LOOK, &rehearsal);
        insta::assert_snapshot!(page);
        let story = rehearsal.worst.map(|worst| story(LOOK, &worst)).unwrap_or_default();
        for text in [page, story] {
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text}");
        }
    }
}
