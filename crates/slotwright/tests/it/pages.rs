//! Pages as people see them, as golden texts.

use super::world::{World, check, out, program, slotwright, text};

fn page(world: &World, args: &[&str]) -> String {
    out(&check(&world.seen(), args))
}

/// With `--only`, so that a finding that is new does not change pages of others.
#[test]
fn report_pages() {
    let only = |world: &World, codes: &str| page(world, &["--only", codes]);
    insta::assert_snapshot!("healthy", page(&World::healthy(3, 1), &[]));
    insta::assert_snapshot!("open_slot", only(&World::open_slot(), "SLOT_OPEN"));
    let codes = "ALL_ADDRESSES_STALE,PEER_ADDRESS_STALE";
    insta::assert_snapshot!("stale_addresses", only(&World::stale_addresses(), codes));
    let codes = "SLOTS_UNASSIGNED,TOO_FEW_VOTERS,EMPTY_PRIMARY";
    insta::assert_snapshot!("unassigned", only(&World::unassigned(), codes));
    insta::assert_snapshot!("shard_down", only(&World::shard_down(), "SHARD_DOWN,NODE_DOWN"));
    let silent = World::one_silent("out of sorts");
    insta::assert_snapshot!("one_silent", only(&silent, "SLOT_OPEN"));
    let short = ["--short", "--only", "SHARD_DOWN,NODE_DOWN"];
    insta::assert_snapshot!("shard_down_short", page(&World::shard_down(), &short));
}

#[test]
fn where_nobody_shows_a_table_nothing_is_drawn() {
    let mut world = World::healthy(3, 1);
    for node in &mut world.nodes {
        node.silence = Some(slotwright_core::observation::Silence::Refused);
    }
    insta::assert_snapshot!("nobody", page(&world, &["-vv"]));
}

#[test]
fn pictures_at_every_size() {
    let wide = |world: &World, codes: &str| page(world, &["-v", "--only", codes]);
    insta::assert_snapshot!("wide_6", page(&World::healthy(3, 1), &["-v"]));
    insta::assert_snapshot!("wide_30", wide(&thirty(), "BUS_ONE_WAY_PARTITION"));
    insta::assert_snapshot!("wide_100", wide(&hundred(), "SHARD_DOWN"));
}

#[test]
fn a_paste_is_explained_on_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.log");
    let paste = "1:M 2 Mar 2022 10:00:01.100 # Sorry, the cluster configuration file nodes.conf is \
        already used by a different Redis Cluster node. Please make sure that different nodes use \
        different cluster configuration files.\n";
    std::fs::write(&file, paste).expect("a file");
    let mut command = program(&["explain", "redis.log"]);
    let output = command.current_dir(folder.path()).output().expect("the program starts");
    insta::assert_snapshot!("explain_paste", text(&output));
}

#[test]
fn pages_of_codes() {
    insta::assert_snapshot!("explain_code", out(&slotwright(&["explain", "SLOT_OPEN"])));
    insta::assert_snapshot!("no_such_code", text(&slotwright(&["explain", "SLOT_OPNE"])));
}

/// Thirty nodes, one of which two others have lost.
fn thirty() -> World {
    let lost = |node: &mut super::world::Node| {
        node.rows[4].flags.push_str(",fail?");
        node.rows[4].link = "disconnected";
    };
    World::healthy(15, 1).node(2, lost).node(20, lost)
}

/// A hundred nodes, a shard of which is down.
fn hundred() -> World {
    let mut world = World::healthy(50, 1);
    for gone in [7, 57] {
        world = world
            .about(gone, |row| {
                row.flags.push_str(",fail");
                row.link = "disconnected";
            })
            .node(gone, |node| {
                node.silence = Some(slotwright_core::observation::Silence::TimedOut);
            });
    }
    world
}

#[test]
fn help_of_every_command() {
    insta::assert_snapshot!("help", out(&slotwright(&["--help"])));
    for command in ["check", "explain", "lab", "completions", "man", "schema"] {
        insta::assert_snapshot!(format!("help_{command}"), out(&slotwright(&[command, "--help"])));
    }
    for command in ["list", "run", "healthy", "up", "down"] {
        let help = out(&slotwright(&["lab", command, "--help"]));
        insta::assert_snapshot!(format!("help_lab_{command}"), help);
    }
}

#[test]
fn no_page_is_wider_than_80_columns() {
    for world in [hundred(), thirty(), World::stale_addresses(), World::one_silent("no")] {
        for line in page(&world, &["-v"]).lines().filter(|line| !line.contains("redis-cli ")) {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn a_command_to_copy_stands_on_one_line() {
    let page = page(&World::open_slot(), &["--only", "SLOT_OPEN"]);
    for line in page.lines().filter(|line| line.contains("redis-cli ")) {
        assert!(line.contains(" -p 6379 CLUSTER "), "{line}");
    }
    assert!(page.contains("redis-cli -h 10.0.0."), "{page}");
}

#[test]
fn without_utf8_the_page_is_ascii() {
    let folder = tempfile::tempdir().expect("a folder");
    let seen = World::one_silent("größe").seen();
    let file = super::world::written(folder.path(), "seen.json", &seen);
    let mut command = super::world::program(&["check", "-v", "--from"]);
    let output = command.arg(&file).env("LC_ALL", "C").output().expect("the program starts");
    assert!(text(&output).is_ascii(), "{}", text(&output));
}
