//! Events of Kubernetes: `kubectl get events`, and the table at the end of `kubectl describe`.

use std::collections::BTreeMap;

use super::lines::Line;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Event {
    /// The line.
    pub line: usize,
    /// Whether its type is `Warning`.
    pub warning: bool,
    /// `FailedScheduling`, `BackOff`.
    pub reason: String,
}

/// Reads all rows. `get events` has the type second, `describe` first; a list over all
/// namespaces, third.
pub(super) fn read(lines: &[Line]) -> Vec<Event> {
    lines.iter().enumerate().filter_map(|(at, line)| event(&line.text, at)).collect()
}

fn event(text: &str, line: usize) -> Option<Event> {
    let words: Vec<&str> = text.split_whitespace().take(8).collect();
    let kind = words.iter().take(3).position(|word| matches!(*word, "Warning" | "Normal"))?;
    let reason = words.get(kind + 1)?;
    let named = reason.chars().all(|c| c.is_ascii_alphanumeric())
        && reason.starts_with(|c: char| c.is_ascii_uppercase());
    // Behind them an age and who says it, or the object and the message.
    (named && words.len() >= kind + 4).then(|| Event {
        line,
        warning: words.get(kind) == Some(&"Warning"),
        reason: (*reason).to_owned(),
    })
}

/// The reasons of warnings, each with how many rows have it, in the order of their names.
pub(super) fn warnings(events: &[Event]) -> Vec<String> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events.iter().filter(|event| event.warning) {
        *counted.entry(&event.reason).or_default() += 1;
    }
    let told = |(reason, count): (&str, usize)| match count {
        1 => reason.to_owned(),
        count => format!("{reason} ({count} rows)"),
    };
    counted.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Paste, lines};

    #[test]
    fn rows_of_get_events_and_of_describe() {
        let text = "LAST SEEN   TYPE      REASON             OBJECT        MESSAGE\n\
            3m12s       Warning   FailedScheduling   pod/redis-4   0/6 nodes are available\n\
            2m          Normal    Pulled             pod/redis-4   Container image present\n\
            \u{20} Warning  BackOff  2m (x21 over 29m)  kubelet  Back-off restarting failed\n\
            \u{20} Warning  BackOff  1m (x22 over 30m)  kubelet  Back-off restarting failed\n\
            Warning: Using a password with '-a' may not be safe\n\
            Normal operation goes on for hours\n";
        let pastes = [Paste { name: "a".to_owned(), text: text.to_owned() }];
        let events = read(&lines::clean(&pastes).0);
        assert_eq!(events.len(), 4, "{events:?}");
        assert_eq!(warnings(&events), ["BackOff (2 rows)", "FailedScheduling"]);
    }
}
