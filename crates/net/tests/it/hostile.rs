//! A thousand peers that mean no good, and three nodes whose results must not suffer.

use std::time::{Duration, Instant};

use slotwright_core::model::{Endpoint, NodeId};
use slotwright_core::observation::Silence;
use slotwright_net::{Limits, Target, block_on, observe};

use super::fakes::{Fakes, Manner, table};

const HOSTILE: usize = 1_000;
const NODES: usize = 3;

fn manners(at: &[Endpoint]) -> Vec<Manner> {
    let hostile = [
        Manner::Slow,
        Manner::EndlessBulk,
        Manner::EndlessArray,
        Manner::Garbage,
        Manner::Silent,
        Manner::Closes,
    ];
    (0..at.len())
        .map(|number| match number {
            node if node < NODES => Manner::Node {
                id: NodeId::made_up(u32::try_from(node).expect("few")),
                table: table(at, node),
                locked: false,
            },
            other => hostile[other % hostile.len()].clone(),
        })
        .collect()
}

/// Bytes that this process has in memory, from `/proc/self/statm`.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).expect("a column").parse().expect("a number");
    pages * 4096
}

/// The greatest of [`resident_bytes`] until the sender is dropped.
fn watch_memory() -> (std::sync::mpsc::Sender<()>, std::thread::JoinHandle<usize>) {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut greatest = 0;
        let pause = Duration::from_millis(5);
        while stopped.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            greatest = greatest.max(resident_bytes());
        }
        greatest
    });
    (stop, watcher)
}

#[test]
fn a_thousand_hostile_peers_cost_only_themselves() {
    let fakes = Fakes::start(HOSTILE + NODES, manners);
    let mut target = Target::new(vec![fakes.at[0].clone()]);
    target.timeout = Duration::from_secs(3);
    let before = resident_bytes();
    let (stop, watcher) = watch_memory();
    let begun = Instant::now();
    let seen = block_on(observe(&target, &Limits::default())).expect("a runtime");
    let took = begun.elapsed();
    drop(stop);
    let grown = watcher.join().expect("it only reads").saturating_sub(before);
    assert!(took <= target.timeout.mul_f64(1.1), "took {took:?}");
    assert!(grown <= 64 << 20, "grew by {} MiB", grown >> 20);
    assert_eq!(seen.sightings.len(), HOSTILE + NODES);
    for sighting in &seen.sightings {
        let number = fakes.at.iter().position(|at| *at == sighting.from).expect("known");
        if number < NODES {
            let view = sighting.nodes.get().expect("a healthy node is heard");
            assert_eq!(view.rows.len(), HOSTILE + NODES);
            assert!(sighting.info.get().is_some());
            continue;
        }
        let why = sighting.ping.silence().expect("no answer");
        let expected = match number % 6 {
            0 | 4 => matches!(why, Silence::NoReply),
            3 => matches!(why, Silence::Garbage(_)),
            5 => matches!(why, Silence::Closed),
            _ => matches!(why, Silence::Garbage(_) | Silence::NoReply),
        };
        assert!(expected, "peer {number}: {why:?}");
    }
    println_figures(took, grown);
}

/// Shown with `--nocapture`.
#[expect(clippy::print_stderr, reason = "the figures of the README come from here")]
fn println_figures(took: Duration, grown: usize) {
    eprintln!("{} hostile peers: {took:?}, {} MiB over the baseline", HOSTILE, grown >> 20);
}
