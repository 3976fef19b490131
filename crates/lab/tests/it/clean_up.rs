//! Nothing stays behind, whatever happens to the process that runs the lab.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use slotwright_core::scenario::{Act, Scenario, Server};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;
use slotwright_lab::watchdog::{Debris, ProcessId, Watchdog};

/// In a namespace and with a small disk, so that there is everything to clean up. One server is
/// frozen: it can do nothing for its own end.
fn messy() -> Scenario {
    Scenario::of(3, 0).in_namespace().small_disk(1, 256).act(Act::Freeze(2))
}

fn build() -> Cluster {
    let binaries = servers::ensure(&[Server::Redis82], &|_| ()).expect("the server");
    let scenario = messy();
    let mut cluster = Cluster::build(&scenario, Server::Redis82, &binaries).expect("a cluster");
    scenario.acts.iter().for_each(|act| cluster.act(act).expect("the act"));
    cluster
}

/// Not a test of its own: the process that is killed by the tests below.
#[test]
#[ignore = "it runs until it is killed"]
fn stands_until_it_is_killed() {
    let cluster = build();
    let debris = serde_json::to_string(cluster.debris()).expect("JSON");
    std::fs::write(std::env::var("LAB_DEBRIS").expect("a file"), debris).expect("written");
    #[expect(clippy::print_stdout, reason = "it tells the test that it is ready")]
    {
        println!("\nready");
    }
    loop {
        std::thread::park();
    }
}

fn killed_by(signal: Signal) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("debris");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "clean_up::stands_until_it_is_killed", "--ignored", "--nocapture"])
        .env("LAB_DEBRIS", &file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program again");
    await_ready(&mut child);
    let debris = std::fs::read_to_string(&file).expect("what there is to clean up");
    let debris: Debris = serde_json::from_str(&debris).expect("JSON");
    assert_eq!(debris.processes.len(), 3);
    assert!(debris.processes.iter().all(|process| process.lives()));
    let pid = Pid::from_child(&child);
    kill_process(pid, signal).expect("the signal");
    child.wait().expect("its end");
    await_clean(&debris);
}

fn await_ready(child: &mut Child) {
    let output = child.stdout.take().expect("its output");
    let ready = BufReader::new(output).lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "it did not come up");
}

fn await_clean(debris: &Debris) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Some(left) = left_of(debris) {
        assert!(Instant::now() < deadline, "still there: {left}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn left_of(debris: &Debris) -> Option<String> {
    if let Some(process) = debris.processes.iter().find(|process| process.lives()) {
        return Some(format!("{process:?}"));
    }
    let namespaces = debris.namespaces.iter().map(|name| Path::new("/var/run/netns").join(name));
    let mut paths: Vec<PathBuf> = namespaces.chain(debris.folder.clone()).collect();
    paths.retain(|path| path.exists());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounted = |path: &PathBuf| mounts.contains(&*path.to_string_lossy());
    let mount = debris.mounts.iter().find(|path| mounted(path)).cloned();
    paths.first().cloned().or(mount).map(|path| path.display().to_string())
}

#[test]
fn after_sigkill_of_its_parent_nothing_is_left() {
    killed_by(Signal::KILL);
}

#[test]
fn after_ctrl_c_nothing_is_left() {
    killed_by(Signal::INT);
}

#[test]
fn after_a_panic_nothing_is_left() {
    let (send, receive) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let cluster = build();
        send.send(cluster.debris().clone()).expect("the test listens");
        std::panic::resume_unwind(Box::new("as if a bug had been met"));
    });
    let debris = receive.recv().expect("what there is to clean up");
    assert!(thread.join().is_err());
    assert_eq!(left_of(&debris), None, "a panic cleans up before it is over");
}

#[test]
fn a_kept_cluster_ends_by_its_entry_and_a_foreign_process_is_left_alone() {
    let mut sleeper = Command::new("sleep").arg("600").spawn().expect("a process");
    let real = ProcessId::of(sleeper.id()).expect("it lives");
    let other = ProcessId { started_ticks: real.started_ticks + 1, ..real };
    drop(Watchdog::over(&Debris { processes: vec![other], ..Debris::default() }).expect("a shell"));
    assert!(real.lives(), "another process of that number is not ours to end");
    drop(Watchdog::over(&Debris { processes: vec![real], ..Debris::default() }).expect("a shell"));
    assert!(sleeper.wait().expect("its end").code().is_none(), "it was killed");

    let kept = std::thread::spawn(|| build().keep("test")).join().expect("no panic");
    let kept = kept.expect("kept");
    assert!(kept.debris.processes.iter().all(|process| process.lives()));
    kept.end().expect("ended");
    await_clean(&kept.debris);
}
