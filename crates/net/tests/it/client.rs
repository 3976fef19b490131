//! The client's eye against the real ioredis: the same verdict in every situation.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use slotwright_core::client_eye::{Client, Outcome, verdicts};
use slotwright_core::model::Endpoint;
use slotwright_core::observation::Observation;
use slotwright_core::scenario::Server;
use slotwright_lab::servers;
use slotwright_net::{Login, Secret, Target, block_on, client_eye};

use super::real::Real;

const SERVER: Server = Server::Redis70;
const CLUSTER: [&str; 4] = ["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
/// A loop is told from a success and an error by waiting this long. ioredis itself speaks within
/// 1000 ms for each seed.
const WAIT_MS: u32 = 2_500;

/// Where a client stands: its seeds and its credentials.
struct Situation {
    name: &'static str,
    seeds: Vec<Endpoint>,
    login: Option<(&'static str, &'static str)>,
    /// What it must be, so that two equal mistakes are seen.
    expected: Expected,
    _servers: Vec<Real>,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Connects,
    Loops,
    Fails(&'static str),
}

fn situation(name: &'static str, real: Real, expected: Expected) -> Situation {
    Situation { name, seeds: vec![real.at.clone()], login: None, expected, _servers: vec![real] }
}

fn with_slots(options: &[&str]) -> Real {
    let real = Real::start(SERVER, &[&CLUSTER[..], options].concat());
    real.ask("CLUSTER ADDSLOTSRANGE 0 16383");
    real
}

/// Redis holds the state back for two seconds after its start (`CLUSTER_WRITABLE_DELAY`).
fn until_ok(real: Real) -> Real {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !real.ask("CLUSTER INFO").contains("cluster_state:ok") {
        assert!(std::time::Instant::now() < until, "never ok");
        std::thread::sleep(Duration::from_millis(20));
    }
    real
}

fn loading() -> Real {
    let debug = ["--enable-debug-command", "yes"];
    let real = Real::start(SERVER, &[&CLUSTER[..], &debug].concat());
    real.ask("DEBUG POPULATE 5000");
    real.ask("SAVE");
    let slow = ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"];
    real.restart(SERVER, &[&CLUSTER[..], &slow].concat())
}

fn frozen() -> Real {
    let real = with_slots(&[]);
    real.freeze();
    real
}

fn situations() -> Vec<Situation> {
    use Expected::{Connects, Fails, Loops};
    let locked = || Real::start(SERVER, &[&CLUSTER[..], &["--requirepass", "right"]].concat());
    let mut wrong = situation("wrong password", locked(), Fails("WRONGPASS"));
    wrong.login = Some(("default", "wrong"));
    let limited = Real::start(SERVER, &CLUSTER);
    limited.ask("ACL SETUSER app on >right ~* +@all -cluster");
    let mut denied = situation("no permission", limited, Fails("NOPERM"));
    denied.login = Some(("app", "right"));
    let mut unresolvable = situation("one seed name", until_ok(with_slots(&[])), Loops);
    unresolvable.seeds.push(Endpoint::new("no-such-pod.invalid", 6379));
    let unknown = ["--cluster-preferred-endpoint-type", "unknown-endpoint"];
    let elsewhere = ["--cluster-announce-ip", "127.0.41.77"];
    let partly = Real::start(SERVER, &CLUSTER);
    partly.ask("CLUSTER ADDSLOTSRANGE 0 16000");
    let refused = Real::start(SERVER, &CLUSTER);
    let nobody = refused.at.clone();
    drop(refused);
    vec![
        situation("healthy", until_ok(with_slots(&[])), Connects),
        Situation {
            name: "refused",
            seeds: vec![nobody],
            login: None,
            expected: Fails("Connection is closed."),
            _servers: Vec::new(),
        },
        situation("hung", frozen(), Fails("timeout")),
        situation("no password", locked(), Fails("NOAUTH")),
        wrong,
        denied,
        situation("loading", loading(), Fails("LOADING")),
        situation("cluster disabled", Real::start(SERVER, &[]), Fails("ERR This instance")),
        unresolvable,
        situation("no slots", Real::start(SERVER, &CLUSTER), Loops),
        situation("unknown endpoint", until_ok(with_slots(&unknown)), Loops),
        situation("announced unreachable", with_slots(&elsewhere), Loops),
        situation("state fail", partly, Loops),
    ]
}

/// `npm ci` of the lock file beside this test, once, in the cache folder.
fn ioredis() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ioredis");
        let folder = servers::cache().join("ioredis");
        std::fs::create_dir_all(&folder).expect("a cache folder");
        let mut fresh = folder.join("node_modules/ioredis").is_dir();
        for name in ["package.json", "package-lock.json", "eye.mjs"] {
            let text = std::fs::read(source.join(name)).expect("beside the test");
            fresh &= std::fs::read(folder.join(name)).is_ok_and(|there| there == text);
            std::fs::write(folder.join(name), text).expect("a cache folder");
        }
        if !fresh {
            install_node();
            let installed = Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .status()
                .expect("npm starts");
            assert!(installed.success(), "npm ci failed in {}", folder.display());
        }
        folder
    })
}

fn install_node() {
    let there = |program| Command::new(program).arg("--version").output().is_ok();
    if there("node") && there("npm") {
        return;
    }
    let installed = Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends", "nodejs", "npm"])
        .status();
    assert!(
        installed.is_ok_and(|status| status.success()),
        "this test holds our replay against the real ioredis; install nodejs and npm"
    );
}

/// What the real ioredis does: the exception, or `None` for ready, or a loop.
fn real_ioredis(situation: &Situation) -> Outcome {
    let seeds: Vec<serde_json::Value> = situation
        .seeds
        .iter()
        .map(|seed| serde_json::json!({ "host": seed.host, "port": seed.port }))
        .collect();
    let (username, password) = situation.login.unzip();
    let argument = serde_json::json!({
        "seeds": seeds, "username": username, "password": password, "wait_ms": WAIT_MS,
    });
    let output = Command::new("node")
        .arg("eye.mjs")
        .arg(argument.to_string())
        .current_dir(ioredis())
        .output()
        .expect("node starts");
    let seen: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("a line of JSON from the script");
    match (&seen["ready"], seen["error"].as_str(), seen["last"].as_str()) {
        (serde_json::Value::Bool(true), ..) => Outcome::Connects,
        (_, Some(error), last) => {
            Outcome::Raises(format!("{error} (lastNodeError: {})", last.unwrap_or("null")))
        }
        _ => Outcome::SilentLoop,
    }
}

fn ours(situation: &Situation) -> Outcome {
    let mut target = Target::new(situation.seeds.clone());
    target.timeout = Duration::from_millis(u64::from(WAIT_MS));
    target.login = situation.login.map(|(user, password)| Login {
        user: Some(user.to_owned()),
        password: Secret::new(password.to_owned()),
    });
    let eye = block_on(client_eye(&target, &Observation::empty())).expect("a runtime");
    let verdict = verdicts(&eye).into_iter().find(|verdict| verdict.client == Client::Ioredis);
    verdict.expect("a verdict for each client").outcome
}

fn is_expected(outcome: &Outcome, expected: &Expected) -> bool {
    match (outcome, expected) {
        (Outcome::Connects, Expected::Connects) | (Outcome::SilentLoop, Expected::Loops) => true,
        (Outcome::Raises(text), Expected::Fails(cause)) => {
            text.starts_with("ClusterAllFailedError: Failed to refresh slots cache.")
                && text.contains(&format!("(lastNodeError: {cause}"))
        }
        _ => false,
    }
}

#[test]
fn our_verdict_is_what_the_real_ioredis_does() {
    ioredis();
    let situations = situations();
    std::thread::scope(|scope| {
        for situation in &situations {
            scope.spawn(move || {
                let (real, ours) = (real_ioredis(situation), ours(situation));
                assert_eq!(ours, real, "{}", situation.name);
                assert!(is_expected(&real, &situation.expected), "{}: {real:?}", situation.name);
            });
        }
    });
}
