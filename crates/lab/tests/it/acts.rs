//! Every act and every condition, on a real server at least once.

use slotwright_core::scenario::{
    Act, At, ConfEdit, Cut, Fake, Port, Reply, Scenario, Server, Until,
};
use slotwright_lab::client::Value;
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

fn binaries() -> Vec<Binary> {
    servers::ensure(&Server::ALL, &|_| ()).expect("the servers")
}

/// Builds and breaks; a cluster in a namespace takes its thread with it, so each has its own.
fn broken(scenario: Scenario, server: Server, then: impl FnOnce(&mut Cluster) + Send) {
    let binaries = binaries();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut cluster = Cluster::build(&scenario, server, &binaries).expect("a cluster");
            for act in &scenario.acts {
                let done = cluster.act(act);
                assert!(done.is_ok(), "{act:?}: {}", done.unwrap_err().chain());
            }
            then(&mut cluster);
        });
    });
}

fn flag(on: usize, about: usize, flag: &'static str) -> Until {
    Until::Flag { on, about, flag }
}

#[test]
fn six_nodes_are_settled_on_every_server_and_hold_the_keys() {
    for server in Server::ALL {
        let began = std::time::Instant::now();
        broken(Scenario::of(3, 1).keys(2_000), server, |cluster| {
            let took = began.elapsed();
            let sizes: Vec<Value> =
                (0..3).map(|node| cluster.ask(node, "DBSIZE").expect("a size")).collect();
            let total: i64 = sizes
                .iter()
                .map(|size| if let Value::Number(size) = size { *size } else { 0 })
                .sum();
            assert_eq!(total, 2_000, "{server:?} after {took:?}: {sizes:?}");
        });
    }
}

#[test]
fn a_killed_primary_is_replaced_and_comes_back() {
    let scenario = Scenario::of(3, 1)
        .kill(0)
        .wait(flag(1, 0, "fail"))
        .wait(Until::Field(3, "role", "master"))
        .start(0, At::Same)
        .wait(Until::NoFlag { on: 1, about: 0, flag: "fail" })
        .wait(Until::Field(0, "role", "slave"))
        .wait(Until::Settled);
    broken(scenario, Server::Redis82, |_| ());
}

#[test]
fn a_frozen_node_is_suspected_and_thaws() {
    let scenario = Scenario::of(3, 0)
        .act(Act::Freeze(2))
        .wait(flag(0, 2, "fail"))
        .wait(Until::State(0, "fail"))
        .act(Act::Thaw(2))
        .wait(Until::Settled);
    broken(scenario, Server::Redis70, |_| ());
}

#[test]
fn a_stopped_node_starts_elsewhere_with_an_edited_table() {
    let scenario = Scenario::of(3, 0)
        .act(Act::Stop(0))
        .wait(Until::Exited(0))
        .act(Act::Conf(0, ConfEdit::Epoch { of: 0, epoch: 50 }))
        .act(Act::Conf(0, ConfEdit::Slots { of: 1, slots: "5461-10921".to_owned() }))
        .act(Act::Conf(0, ConfEdit::Replace("{ip2}".to_owned(), "{ip2}".to_owned())))
        .start(0, At::Fresh)
        .wait(Until::Settled)
        .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), "{ip0}:{port0}@{cport0}".to_owned()))
        .act(Act::Stop(1))
        .act(Act::Conf(1, ConfEdit::Truncate(60)))
        .start(1, At::Same)
        .wait(Until::Exited(1))
        .act(Act::Conf(1, ConfEdit::Delete))
        .start(1, At::Of(0))
        .wait(Until::Knows { on: 0, about: 1, known: false })
        .wait(Until::Logged(1, "No cluster configuration found"));
    broken(scenario, Server::Valkey91, |_| ());
}

#[test]
fn strangers_twins_and_stand_ins_take_their_places() {
    let scenario = Scenario::of(3, 0)
        .act(Act::Twin(0))
        .wait(Until::Answers(3, "CLUSTER MYID".to_owned(), "{was0}".to_owned()))
        .kill(3)
        .kill(2)
        .act(Act::Stranger {
            at: At::Of(2),
            options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
            server: Some(Server::Redis70),
        })
        .wait(Until::Knows { on: 4, about: 0, known: false })
        .kill(4)
        .act(Act::Pretend(2, Fake::Garbage));
    broken(scenario, Server::Redis82, |cluster| {
        assert!(cluster.ask(2, "PING").is_err(), "garbage is no answer");
        cluster.act(&Act::Pretend(3, Fake::Hangup)).expect("a stand-in");
        assert!(cluster.ask(3, "PING").is_err());
    });
}

#[test]
fn cuts_in_one_direction_and_mending() {
    for cut in [Cut::Drop, Cut::Reject, Cut::DropLong] {
        let sever = |from: &[usize], to: &[usize]| Act::Sever {
            from: from.to_vec(),
            to: to.to_vec(),
            port: Port::Bus,
            cut,
        };
        let scenario =
            Scenario::of(3, 0).in_namespace().act(sever(&[0, 1], &[2])).act(sever(&[2], &[0, 1]));
        let scenario = match cut {
            Cut::Drop | Cut::Reject => scenario.wait(flag(0, 2, "fail")),
            Cut::DropLong => scenario,
        };
        broken(scenario.act(Act::Mend).wait(Until::Settled), Server::Redis82, |_| ());
    }
}

#[test]
fn commands_are_sent_launched_repeated_and_refused() {
    let scenario = Scenario::of(3, 0)
        .option_of(0, "--maxclients 40")
        .send_all("CONFIG SET slowlog-max-len 7")
        .send(1, "CLUSTER SETSLOT 7 IMPORTING {id0}")
        .act(Act::Send(0, "CLUSTER FORGET {id0}".to_owned(), Reply::Refused))
        .act(Act::Launch(2, "DEBUG SLEEP 0.3".to_owned()))
        .act(Act::Repeat(1, "INCR key:repeat{tag}".to_owned(), 5))
        .act(Act::Occupy(0, 60))
        .wait(Until::FieldNot(1, "total_commands_processed", "0"));
    broken(scenario, Server::Redis70, |cluster| {
        let said = cluster.ask(0, "CONFIG GET slowlog-max-len").expect("an answer");
        assert_eq!(said.text(), "slowlog-max-len\n7");
    });
}

#[test]
fn a_small_disk_fills_up() {
    let scenario = Scenario::of(3, 0)
        .small_disk(0, 64)
        .keys(1_000)
        .act(Act::File(0, "note".to_owned(), b"x".to_vec()))
        .act(Act::Remove(0, "note".to_owned()))
        .act(Act::FillDisk(0))
        .send(0, "BGSAVE")
        .wait(Until::Field(0, "rdb_last_bgsave_status", "err"))
        .wait(Until::Ping(0, "PONG"));
    broken(scenario, Server::Redis82, |_| ());
}
