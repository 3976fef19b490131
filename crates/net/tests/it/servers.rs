//! Looking at the three real servers: the bus answers, and only reading is done.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use slotwright_core::model::SlotSet;
use slotwright_core::observation::{Observation, Said, Silence};
use slotwright_core::scenario::Server;
use slotwright_net::command::is_allowed;
use slotwright_net::{Limits, Target, block_on, observe};

use super::real::{Real, address};

const CLUSTER: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];

fn look(target: &Target) -> Observation {
    block_on(observe(target, &Limits::default())).expect("a runtime")
}

#[test]
fn every_server_tells_the_same_by_its_client_port_and_by_its_bus() {
    for server in Server::ALL {
        let real = Real::start(server, &CLUSTER);
        real.ask("CLUSTER ADDSLOTSRANGE 0 100 16000 16383");
        let seen = look(&Target::new(vec![real.at.clone()]));
        let sighting = seen.sightings.first().expect("the seed");
        let bus = seen.bus.first().and_then(|bus| bus.said.get()).expect("the bus answers");
        assert_eq!(Some(&bus.id), sighting.myid.get(), "{server:?}");
        assert_eq!(bus.slots, SlotSet::parse("0-100,16000-16383").expect("slots"));
        assert_eq!(seen.bus[0].over_tls, Some(false));
        assert!(!bus.state_ok && bus.port == real.at.port);
        assert!(sighting.cluster_info.get().is_some() && sighting.slots.get().is_some());
        assert!(sighting.shards.get().is_some() && sighting.links.get().is_some());
        assert!(sighting.functions.get().is_some() && sighting.clock_ms.get().is_some());
        let config = sighting.config.get().expect("CONFIG is allowed");
        assert_eq!((config.get("requirepass"), config.get("hz")), (Some(""), None));
        // Slots without an owner are counted without being asked to.
        let census = sighting.census.get().expect("counted");
        assert_eq!(census.counted.to_string(), "101-15999");
        assert_eq!(
            real.ask("CLUSTER INFO").lines().find(|l| l.contains("known_nodes")),
            Some("cluster_known_nodes:1"),
            "nobody joined"
        );
    }
}

#[test]
fn a_node_without_an_ip_is_not_taught_one() {
    let real = Real::start(Server::Redis70, &["--cluster-enabled", "yes"]);
    let seen = look(&Target::new(vec![real.at.clone()]));
    assert!(seen.bus.is_empty() && seen.notes[0].contains("does not know its own IP"));
    let row = real.ask("CLUSTER NODES");
    assert!(row.contains(&format!(" :{}@", real.at.port)), "{row}");
}

#[test]
fn secrets_become_numbers() {
    let options = [&CLUSTER[..], &["--requirepass", "opensesame", "--masterauth", "opensesame"]];
    let real = Real::start(Server::Redis70, &options.concat());
    let mut target = Target::new(vec![real.at.clone()]);
    let silent = look(&target);
    let why = silent.sightings[0].info.silence().expect("no password");
    assert_eq!(why, &Silence::AuthFailed("NOAUTH Authentication required.".into()));
    let login = |password: &str| {
        let password = slotwright_net::Secret::new(password.to_owned());
        Some(slotwright_net::Login { user: None, password })
    };
    target.login = login("wrong");
    let wrong = look(&target);
    let why = wrong.sightings[0].ping.silence().expect("the wrong password");
    assert!(matches!(why, Silence::AuthFailed(text) if text.starts_with("WRONGPASS")), "{why:?}");
    assert_eq!(wrong.sightings[0].info.silence(), Some(why));
    target.login = login("opensesame");
    let seen = look(&target);
    let config = seen.sightings[0].config.get().expect("let in");
    assert_eq!(config.get("requirepass"), Some("secret-1"));
    assert_eq!(config.get("masterauth"), Some("secret-1"));
    let text = serde_json::to_string(&seen).expect("a file");
    assert!(!text.contains("opensesame"), "no secret is stored");
}

#[test]
fn monitor_hears_nothing_but_reading() {
    for server in Server::ALL {
        let real = Real::start(server, &CLUSTER);
        let mut monitor = TcpStream::connect(address(&real.at)).expect("it listens");
        monitor.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
        monitor.write_all(b"MONITOR\r\n").expect("sent");
        let mut lines = BufReader::new(monitor).lines();
        assert_eq!(lines.next().expect("open").expect("read"), "+OK");
        let mut target = Target::new(vec![real.at.clone()]);
        target.census = true;
        let seen = look(&target);
        assert!(matches!(seen.sightings[0].census, Said::This(_)));
        real.ask("ECHO over");
        let mut heard = 0;
        for line in lines {
            let line = line.expect("read");
            let words: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            if words == ["ECHO", "over"] {
                break;
            }
            assert!(is_allowed(&words), "{server:?} heard {line}");
            heard += 1;
        }
        assert!(heard > 16_384, "{heard}");
    }
}
