//! Steps that a platform does not let its users take.

use super::seen::Seen;

/// Words of managed services, where the nodes' own settings are not the user's.
const SERVICES: [&str; 7] = [
    "elasticache",
    "memorydb",
    "cache.amazonaws.com",
    "vpce-",
    "cache.windows.net",
    "azure cache",
    "memorystore",
];

/// Beginnings of deeds that need the nodes' own settings or files, in small letters.
const OWN_SETTINGS: [&str; 2] =
    ["on every node set cluster-announce-ip", "restore the command for the administrator"];

/// Keeps the steps that can be taken where the servers run, and at least one.
pub(super) fn possible(steps: Vec<String>, seen: &Seen) -> Vec<String> {
    if !seen.has(&SERVICES) {
        return steps;
    }
    let own = |step: &String| {
        let lower = step.to_lowercase();
        OWN_SETTINGS.iter().any(|deed| lower.starts_with(deed))
    };
    if steps.iter().all(own) {
        return steps;
    }
    steps.into_iter().filter(|step| !own(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::causes;

    #[test]
    fn the_deeds_are_worded_as_the_causes_word_them() {
        let steps: Vec<String> =
            causes::all().flat_map(|cause| cause.fix).map(|step| step.to_lowercase()).collect();
        for deed in OWN_SETTINGS {
            assert!(steps.iter().any(|step| step.starts_with(deed)), "no cause says {deed}");
        }
    }

    #[test]
    fn nobody_sets_the_announced_address_of_a_service() {
        let steps = || {
            vec![
                "On every node set cluster-announce-ip (the address).".to_owned(),
                "Or run the client inside the same network.".to_owned(),
            ]
        };
        assert_eq!(possible(steps(), &Seen::of("AWS ElastiCache 7.1")).len(), 1);
        assert_eq!(possible(steps(), &Seen::of("our own servers")).len(), 2);
    }
}
