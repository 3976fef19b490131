//! Numbers in the place of texts that must not be kept: equal texts, equal numbers.

use std::collections::HashMap;

use slotwright_core::observation::{Fields, Said, Sighting};

/// The texts of one look and their numbers. Lives as long as the look; only the numbers leave it.
#[derive(Default)]
pub(super) struct Tokens {
    secrets: HashMap<Vec<u8>, usize>,
    rules: HashMap<Vec<u8>, usize>,
}

impl Tokens {
    /// `""` for no secret, `secret-N` for any other.
    pub(super) fn secret(&mut self, text: &[u8]) -> String {
        if text.is_empty() {
            return String::new();
        }
        format!("secret-{}", number(&mut self.secrets, text))
    }

    /// `rules-N`.
    pub(super) fn rules(&mut self, text: &[u8]) -> String {
        format!("rules-{}", number(&mut self.rules, text))
    }
}

fn number(known: &mut HashMap<Vec<u8>, usize>, text: &[u8]) -> usize {
    let next = known.len() + 1;
    *known.entry(text.to_vec()).or_insert(next)
}

/// Gives the numbers anew in the order of the sightings, so that they do not tell who answered
/// first.
pub(super) fn renumber(sightings: &mut [Sighting]) {
    let (mut secrets, mut rules) = (HashMap::new(), HashMap::new());
    for sighting in sightings {
        if let Said::This(config) = &mut sighting.config {
            renumber_fields(config, "secret-", &mut secrets);
        }
        if let Said::This(acl) = &mut sighting.acl {
            renumber_fields(acl, "rules-", &mut rules);
        }
    }
}

fn renumber_fields(fields: &mut Fields, prefix: &str, known: &mut HashMap<String, String>) {
    let tokens: Vec<(String, String)> = fields
        .iter()
        .filter(|(_, value)| is_token(value, prefix))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, old) in tokens {
        let next = format!("{prefix}{}", known.len() + 1);
        fields.set(&name, known.entry(old).or_insert(next));
    }
}

fn is_token(value: &str, prefix: &str) -> bool {
    let digits = value.strip_prefix(prefix).unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use slotwright_core::model::Endpoint;

    use super::*;

    #[test]
    fn numbers_follow_the_order_of_the_sightings() {
        let mut tokens = Tokens::default();
        let (b, a) = (tokens.secret(b"second"), tokens.secret(b"first"));
        assert_eq!((b.as_str(), tokens.secret(b"second").as_str()), ("secret-1", "secret-1"));
        let sighting = |port, own: &str, other: &str| {
            let mut sighting = Sighting::new(Endpoint::new("10.0.0.1", port));
            let config = [("masterauth", other), ("port", "1"), ("requirepass", own)];
            sighting.config = Said::This(config.into_iter().collect());
            sighting
        };
        let mut sightings = [sighting(1, &a, &a), sighting(2, &b, &a)];
        renumber(&mut sightings);
        let config = |n: usize| sightings[n].config.get().expect("said");
        assert_eq!(config(0).get("requirepass"), Some("secret-1"));
        assert_eq!(config(1).get("masterauth"), Some("secret-1"));
        assert_eq!(config(1).get("requirepass"), Some("secret-2"));
        assert_eq!(config(1).get("port"), Some("1"));
    }
}
