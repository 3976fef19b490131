//! `MOVED` and `ASK`: where a server sends a client to.

use crate::model::{Endpoint, Slot};

/// A redirection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirection {
    /// The slot in question.
    pub slot: Slot,
    /// Where to go. The host is empty where the server means its own.
    pub to: Endpoint,
    /// For this one command only, after `ASKING`.
    pub ask: bool,
}

impl Redirection {
    /// Reads an error reply without its leading `-`; `None` when it is no redirection, or names no
    /// place (`?`: the server prefers host names, and the node announced none).
    pub fn parse(error: &str) -> Option<Self> {
        let mut words = error.split_ascii_whitespace();
        let ask = match words.next()? {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let slot = Slot::new(words.next()?.parse().ok()?)?;
        let to: Endpoint = words.next()?.parse().ok()?;
        (to.port != 0 && to.host != "?").then_some(Self { slot, to, ask })
    }

    /// Where to go, for somebody who asked the node at this address.
    pub fn from(self, asked: &Endpoint) -> Endpoint {
        if self.to.host.is_empty() {
            Endpoint::new(asked.host.clone(), self.to.port)
        } else {
            self.to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_read_as_servers_write_them() {
        let read = |text: &str| {
            let found = Redirection::parse(text)?;
            let ask = found.ask;
            Some((ask, found.from(&Endpoint::new("10.0.0.9", 1)).to_string()))
        };
        let moved = |to: &str| Some((false, to.to_owned()));
        assert_eq!(read("MOVED 3999 127.0.0.1:6381"), moved("127.0.0.1:6381"));
        assert_eq!(read("ASK 3999 db-1:6381"), Some((true, "db-1:6381".to_owned())));
        assert_eq!(read("MOVED 0 :6381"), moved("10.0.0.9:6381"));
        assert_eq!(read("MOVED 0 2001:db8::1:6381"), moved("[2001:db8::1]:6381"));
        for none in ["MOVED", "MOVED 1 ?:6381", "MOVED 16384 h:1", "MOVED 1 h:0", "TRYAGAIN x", ""]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
