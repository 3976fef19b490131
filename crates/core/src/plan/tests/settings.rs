//! Settings, passwords and libraries.

use super::*;

/// Node 2 announces an address at which it does not live.
fn misannounced() -> Sketch {
    let mut sketch = Sketch::healthy(3, 0);
    sketch.config(2, "cluster-announce-ip", "10.0.7.7");
    sketch.rows_about(2, |row| {
        row.address.ip = "10.0.7.7".to_owned();
        row.link = LinkState::Disconnected;
        row.flags = row.flags.with(Flag::Failed);
    });
    sketch.row(2, 2, |row| row.address.ip = "10.0.7.7".to_owned());
    sketch
}

#[test]
fn a_wrong_address_is_set_right_where_we_dial_as_the_peers_do() {
    let planning = planned(&misannounced().build());
    let [step] = planning.plan.steps.as_slice() else { panic!("{planning:#?}") };
    let (name, value) = ("cluster-announce-ip".to_owned(), "10.0.0.3".to_owned());
    assert_eq!(step.change, Change::ConfigSet { name, value });
    assert_eq!((step.on, step.risk), (Sketch::id(2), Risk::Reversible));
    let (ip, about) = ("10.0.0.3".to_owned(), Sketch::id(2));
    let reaches = Holds::Reaches { about, ip, port: 6379 };
    assert!(step.expect.contains(&Fact::new(Sketch::id(0), reaches)), "{step:#?}");
}

#[test]
fn who_does_not_know_it_meets_it_when_the_address_is_right() {
    let mut sketch = misannounced();
    let table = sketch.nodes[0].table.as_mut().expect("a table");
    table.retain(|row| row.id != Sketch::id(2));
    let planning = planned(&sketch.build());
    let (name, value) = ("cluster-announce-ip".to_owned(), "10.0.0.3".to_owned());
    assert_eq!(changes(&planning), [(Sketch::id(2), &Change::ConfigSet { name, value })]);
}

#[test]
fn through_a_tunnel_no_address_is_set() {
    let mut sketch = misannounced();
    // Its peers know node 1 elsewhere than we do, and reach it there.
    sketch.row(0, 1, |row| row.address.ip = "192.168.0.2".to_owned());
    let planning = planned(&sketch.build());
    assert_eq!(changes(&planning), [], "{planning:#?}");
    assert!(whys(&planning).contains("another address than its peers"), "{planning:#?}");
}

#[test]
fn drift_goes_to_the_greater_part_and_never_to_a_half() {
    let mut sketch = Sketch::healthy(4, 0);
    sketch.config(3, "cluster-node-timeout", "5000");
    let planning = planned(&sketch.build());
    let (name, value) = ("cluster-node-timeout".to_owned(), "15000".to_owned());
    assert_eq!(changes(&planning), [(Sketch::id(3), &Change::ConfigSet { name, value })]);
    sketch.config(2, "cluster-node-timeout", "5000");
    let planning = planned(&sketch.build());
    assert_eq!(changes(&planning), []);
    assert!(whys(&planning).contains("no value of cluster-node-timeout"), "{planning:#?}");
}

#[test]
fn who_evicts_is_not_for_us_to_set() {
    let mut sketch = Sketch::healthy(3, 0);
    for (n, policy) in ["allkeys-lru", "allkeys-lru", "noeviction"].into_iter().enumerate() {
        sketch.config(n, "maxmemory-policy", policy);
    }
    let planning = planned(&sketch.build());
    assert_eq!(changes(&planning), []);
    assert!(whys(&planning).contains("for a person to choose"), "{planning:#?}");
}

/// All nodes want a password, and no one has it for its primary.
fn without_masterauth() -> Sketch {
    let mut sketch = Sketch::healthy(3, 1);
    for n in 0..6 {
        sketch.config(n, "requirepass", "secret-1").config(n, "masterauth", "");
        sketch.config(n, "masteruser", "");
    }
    sketch
}

#[test]
fn the_password_that_let_us_in_is_given_to_those_who_lack_it() {
    let planning = planned(&without_masterauth().build());
    assert_eq!(planning.plan.steps.len(), 6, "{planning:#?}");
    assert!(planning.plan.steps.iter().all(|step| step.change == Change::LogInAsYou));
    let text = serde_json::to_string(&planning.plan).expect("a plan is data");
    assert!(!text.contains("secret-1"), "not even its number");
}

#[test]
fn another_password_or_user_than_ours_is_not_made_up() {
    let mut sketch = without_masterauth();
    sketch.nodes[4].sighting.whoami = Said::This("admin".to_owned());
    let planning = planned(&sketch.build());
    assert_eq!(changes(&planning), []);
    assert!(whys(&planning).contains("not the default user"), "{planning:#?}");
    let mut sketch = without_masterauth();
    sketch.config(1, "requirepass", "secret-2");
    let planning = planned(&sketch.build());
    let sets = |(_, change): &(NodeId, &Change)| **change == Change::LogInAsYou;
    assert!(!changes(&planning).iter().any(sets), "{planning:#?}");
}

#[test]
fn a_library_that_most_have_is_added_where_it_is_missing() {
    let mut sketch = Sketch::healthy(3, 0);
    for (n, names) in [vec!["orders", "users"], vec!["users"], vec![]].into_iter().enumerate() {
        let names = names.into_iter().map(str::to_owned).collect();
        sketch.nodes[n].sighting.functions = Said::This(names);
    }
    let planning = planned(&sketch.build());
    let mut lacking: Vec<(NodeId, &str)> = Vec::new();
    for step in &planning.plan.steps {
        let Change::CopyLibrary { name, from, .. } = &step.change else { panic!("{step:#?}") };
        let has = Holds::HasLibrary { name: name.clone() };
        assert!(step.guard.contains(&Fact::new(*from, has)), "{step:#?}");
        lacking.push((step.on, name));
    }
    // One node has the other: nobody loads the code of one.
    assert_eq!(lacking, [(Sketch::id(2), "users")]);
    assert_eq!(planning.plan.risk(), Risk::Reversible);
}

#[test]
fn a_name_that_reads_as_a_pattern_is_not_asked_for() {
    let mut sketch = Sketch::healthy(3, 0);
    for (n, names) in [vec!["*"], vec![], vec![]].into_iter().enumerate() {
        let names = names.into_iter().map(str::to_owned).collect();
        sketch.nodes[n].sighting.functions = Said::This(names);
    }
    assert_eq!(changes(&planned(&sketch.build())), []);
}
