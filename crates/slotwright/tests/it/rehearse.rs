//! `--rehearse`: on paper, as a golden text, and on real servers, where what the model foretold is
//! then done.

use slotwright_core::findings;
use slotwright_core::scenario::{Act, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;

use super::world::{World, out, slotwright, text, written};

fn planned(world: &World, args: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "seen.json", &world.seen());
    let mut all = vec!["plan", "--from", file.to_str().expect("a name")];
    all.extend(args);
    slotwright(&all)
}

#[test]
fn a_rehearsal_stands_below_the_plan() {
    let page = out(&planned(&World::stale_addresses(), &["--rehearse", "--rehearsals", "12"]));
    let (_, block) = page.split_once("\nrehearse ").expect("a rehearsal below the plan");
    insta::assert_snapshot!("rehearse_stale_addresses", block);
    let story = out(&planned(&World::stale_addresses(), &["--replay", "2"]));
    assert!(story.contains("fault ") && story.contains("ended    "), "{story}");
}

#[test]
fn programs_get_it_too_and_without_the_flag_nothing_changes() {
    let args = ["--rehearse", "--rehearsals", "3", "-o", "json"];
    let output = planned(&World::stale_addresses(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rehearsal = &document["rehearsal"];
    assert_eq!((&rehearsal["schedules"], &rehearsal["losing"]), (&3.into(), &0.into()));
    assert!(rehearsal["notRehearsed"].is_array(), "{rehearsal}");
    let without = planned(&World::stale_addresses(), &["-o", "json"]);
    let without: serde_json::Value = serde_json::from_slice(&without.stdout).expect("JSON");
    assert_eq!(without.get("rehearsal"), None);
    assert_eq!(without["planning"], document["planning"]);
}

#[test]
fn where_nothing_is_sent_nothing_is_rehearsed() {
    let page = out(&planned(&World::open_slot(), &["--rehearse"]));
    assert!(page.contains("nothing to send") && !page.contains("rehearse "), "{page}");
}

#[test]
fn the_count_belongs_to_the_flag() {
    for args in [["--rehearsals", "3"].as_slice(), &["--rehearse", "--rehearsals", "0"]] {
        let output = planned(&World::open_slot(), args);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
}

/// The model says that the plan without faults ends healthy, and loses no key; and so it is.
#[test]
fn what_is_rehearsed_comes_about_on_real_servers() {
    let binaries = servers::ensure(&[Server::Redis82], &|_| ()).expect("a server");
    for code in ["ALL_ADDRESSES_STALE", "SLOT_OPEN", "SLOTS_UNASSIGNED"] {
        let entry = findings::ALL.iter().find(|entry| entry.code() == code).expect("the finding");
        let scenario = (entry.scenario)();
        let mut cluster = Cluster::build(&scenario, Server::Redis82, &binaries).expect("a cluster");
        cluster.act(&Act::Wait(Until::Settled, 30_000)).expect("it settles");
        for act in &scenario.acts {
            cluster.act(act).expect("it breaks");
        }
        let seeds = cluster.addresses(&[]);
        let target = seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let folder = tempfile::tempdir().expect("a folder");
        let journals = folder.path().to_str().expect("a name");
        let output = slotwright(&[
            "recover",
            &target,
            "--rehearse",
            "--rehearsals",
            "1",
            "--yes",
            "-o",
            "json",
            "--journal-dir",
            journals,
        ]);
        assert_eq!(output.status.code(), Some(0), "{code}: {}", text(&output));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let rehearsal = &document["rehearsal"];
        assert_eq!(rehearsal["healthy"], 1, "{code}: {rehearsal}");
        assert_eq!(rehearsal["losing"], 0, "{code}: {rehearsal}");
        assert_eq!(document["outcome"], "healthy", "{code}: {document}");
        assert_eq!(document["keysBefore"], document["keysAfter"], "{code}: {document}");
    }
}
