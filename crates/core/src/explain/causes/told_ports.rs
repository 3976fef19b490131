//! What the settings of each node say of its address, its client port and its bus port.

use crate::explain::seen::{Seen, Setting};

/// The ports of one node, as its settings give them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// The address that it announces.
    pub ip: Option<String>,
    /// Its client port.
    pub port: u16,
    /// Its bus port.
    pub bus: u16,
    /// The line of the bus port.
    pub line: usize,
}

impl Told {
    /// Whether the bus is where MEET looks for it by itself.
    pub fn is_usual(&self) -> bool {
        self.port.checked_add(10_000) == Some(self.bus)
    }

    /// What CLUSTER MEET needs to be told.
    pub fn meet(&self) -> String {
        let ip = self.ip.as_deref().unwrap_or("<ip>");
        format!("{ip} {} {}", self.port, self.bus)
    }
}

/// Settings of one kind that were read last: all of one line, as of nodes side by side.
#[derive(Default)]
struct Column<'a>(Vec<&'a Setting>);

impl<'a> Column<'a> {
    fn add(&mut self, setting: &'a Setting) {
        if self.0.last().is_some_and(|last| last.line != setting.line) {
            self.0.clear();
        }
        self.0.push(setting);
    }

    /// The one that stands in the same place as another, which is the `at`-th of its line: on the
    /// same line the one right before it.
    fn beside(&self, other: &Setting, at: usize) -> Option<&'a Setting> {
        let same = self.0.last().is_some_and(|last| last.line == other.line);
        let alone = self.0.len() == 1;
        if same || alone { self.0.last().copied() } else { self.0.get(at).copied() }
    }
}

/// Every node whose client port and bus port are set.
pub(super) fn all(seen: &Seen) -> Vec<Told> {
    let (mut ips, mut ports) = (Column::default(), Column::default());
    let mut found: Vec<Told> = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    for setting in &seen.settings {
        match setting.name.as_str() {
            "cluster-announce-ip" => ips.add(setting),
            "cluster-announce-port" | "port" => ports.add(setting),
            "cluster-announce-bus-port" | "cluster-port" => {
                let at = last.filter(|(line, _)| *line == setting.line).map_or(0, |(_, at)| at + 1);
                last = Some((setting.line, at));
                let port = ports.beside(setting, at).and_then(|port| port.value.parse().ok());
                let bus = setting.value.parse().ok();
                let ip = ips.beside(setting, at).map(|ip| ip.value.clone());
                if let (Some(port), Some(bus)) = (port, bus) {
                    found.push(Told { ip, port, bus, line: setting.line });
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_stand_side_by_side_are_told_apart() {
        let text = "cluster-announce-ip 10.0.0.1   cluster-announce-ip 10.0.0.2\n\
            cluster-announce-port 1032   cluster-announce-port 18127\n\
            cluster-announce-bus-port 1033   cluster-announce-bus-port 18128\n";
        let meets: Vec<String> = all(&Seen::of(text)).iter().map(Told::meet).collect();
        assert_eq!(meets, ["10.0.0.1 1032 1033", "10.0.0.2 18127 18128"]);
    }

    #[test]
    fn on_one_line_the_port_right_before_counts() {
        let text = "redis-server --port 6379 --cluster-announce-port 7001 \
            --cluster-announce-bus-port 17001\n";
        let told = all(&Seen::of(text));
        assert!(matches!(told.as_slice(), [one] if one.port == 7001 && one.is_usual()), "{told:?}");
    }
}
