//! What client libraries meet here, for `check --as-client`.

use slotwright_core::client_eye::{ClientEye, Outcome, Verdict};
use slotwright_core::observation::{Said, Silence};

use super::page::{Ink, Look, Page};

/// Announced nodes with trouble that are listed.
const TROUBLED_SHOWN: usize = 12;

/// Draws what each seed and each announced node said, and what each library makes of it.
pub fn draw(look: Look, met: &ClientEye, verdicts: &[Verdict]) -> String {
    let mut page = Page::new(look);
    page.gap().line(&[(Ink::Strong, "as a client, from here")]);
    for seed in &met.seeds {
        let (ink, says) = told(&seed.slots, "answers CLUSTER SLOTS");
        let head = format!("  seed   {}  ", seed.seed);
        page.hang(&[(Ink::Plain, &head)], ink, &format!("{says}, in {} ms", seed.took_ms));
    }
    let troubled: Vec<_> =
        met.announced.iter().filter(|node| node.cluster_info.get().is_none()).collect();
    for node in troubled.iter().take(TROUBLED_SHOWN) {
        let (ink, says) = told(&node.cluster_info, "answers");
        page.hang(&[(Ink::Plain, &format!("  node   {}  ", node.node))], ink, &says);
    }
    if troubled.len() > TROUBLED_SHOWN {
        let more = format!("  and {} more nodes", troubled.len() - TROUBLED_SHOWN);
        page.line(&[(Ink::Faint, &more)]);
    }
    let fine = met.announced.len() - troubled.len();
    if fine > 0 {
        page.line(&[(Ink::Plain, &format!("  {fine} announced nodes answer"))]);
    }
    for (at, verdict) in verdicts.iter().enumerate() {
        let (ink, says) = outcome(&verdict.outcome);
        page.hang(&[(Ink::Plain, &format!("  {:<10}", verdict.client.name()))], ink, &says);
        // What several libraries have in common is said once, below the last of them.
        let goes_on = verdicts.get(at + 1).is_some_and(|next| next.because == verdict.because);
        if !verdict.because.is_empty() && !goes_on {
            page.hang(&[(Ink::Faint, "  because   ")], Ink::Plain, &verdict.because);
        }
    }
    page.finish()
}

fn told<T>(said: &Said<T>, fine: &str) -> (Ink, String) {
    said.silence()
        .map_or_else(|| (Ink::Good, fine.to_owned()), |why| (Ink::Bad, Silence::describe(why)))
}

fn outcome(outcome: &Outcome) -> (Ink, String) {
    match outcome {
        Outcome::Connects => (Ink::Good, "connects".to_owned()),
        Outcome::ByChance => {
            (Ink::Warn, "connects or not, by which node it happens to pick".to_owned())
        }
        Outcome::Raises(error) => (Ink::Bad, format!("raises {error}")),
        Outcome::SilentLoop => (Ink::Bad, "reconnects for ever and raises nothing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use slotwright_core::client_eye::{Client, SeedTry};
    use slotwright_core::model::Endpoint;

    use super::*;

    #[test]
    fn a_common_cause_is_said_once() {
        let met = ClientEye { seeds: Vec::new(), announced: Vec::new(), names: Vec::new() };
        let verdict = |client, because: &str| Verdict {
            client,
            outcome: Outcome::Connects,
            because: because.to_owned(),
        };
        let verdicts = [
            verdict(Client::Ioredis, "one"),
            verdict(Client::Lettuce, "one"),
            verdict(Client::Jedis, "two"),
        ];
        let page = draw(Look { width: 80, colour: false, unicode: true }, &met, &verdicts);
        let order: Vec<&str> =
            page.lines().filter_map(|line| line.split_whitespace().next()).skip(1).collect();
        assert_eq!(order, ["ioredis", "Lettuce", "because", "Jedis", "because"], "{page}");
    }

    #[test]
    fn a_seeds_error_is_shown_and_never_obeyed() {
        let seed = SeedTry {
            seed: Endpoint::new("10.0.0.1", 6379),
            slots: Said::Nothing(Silence::Error("ERR \u{1b}[2Jgone \u{202e}".to_owned())),
            usable_nodes: Said::Nothing(Silence::NotAsked),
            took_ms: 3,
        };
        let met = ClientEye { seeds: vec![seed], announced: Vec::new(), names: Vec::new() };
        let verdict = Verdict {
            client: Client::Ioredis,
            outcome: Outcome::Raises("Failed\r\u{7}".to_owned()),
            because: "\u{9b}31m".to_owned(),
        };
        let look = Look { width: 80, colour: false, unicode: true };
        let page = draw(look, &met, &[verdict]);
        assert!(page.contains("gone"), "{page}");
        assert!(!page.chars().any(|c| c != '\n' && super::super::text::is_obeyed(c)), "{page:?}");
    }
}
