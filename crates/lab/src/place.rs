//! Where a cluster lives: a number of its own, the addresses that follow from it, a folder.
//!
//! Invariant: two clusters that exist at the same time, in whatever process, have different
//! numbers. The number is held by a lock on a file while the process lives, and by the register of
//! kept clusters after that.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use slotwright_core::scenario::World;

use crate::error::{Doing, Error, Result};
use crate::kept;

/// Numbers below are left to people who start servers by hand on 127.0.x.y.
const FIRST: u8 = 100;
const LAST: u8 = 249;

/// Addresses that no node has at first begin here.
const FIRST_FRESH: u8 = 101;

/// In a namespace we come from this address, which no node has.
const OURS: u8 = 250;

/// The client port of every server of the lab.
pub const PORT: u16 = 6379;
/// The client port of a server that speaks TLS too.
pub const TLS_PORT: u16 = 6390;
/// The bus port of every server of the lab.
pub const BUS_PORT: u16 = 16379;

/// A place of its own for a cluster.
#[derive(Debug)]
pub struct Place {
    number: u8,
    world: World,
    folder: PathBuf,
    fresh: u8,
    _lock: File,
}

/// The folder of everything that the lab leaves on this machine.
pub fn root() -> PathBuf {
    std::env::temp_dir().join("slotwright-lab")
}

impl Place {
    /// Takes a place that nobody has.
    ///
    /// # Errors
    /// When all are taken, or the folder for temporary files cannot be written.
    pub fn take(world: World) -> Result<Self> {
        let locks = root().join("locks");
        make_folder(&locks)?;
        let kept = kept::places()?;
        for number in (FIRST..=LAST).filter(|number| !kept.contains(number)) {
            let path = locks.join(number.to_string());
            let lock = File::create(&path).doing(|| format!("opening {}", path.display()))?;
            if lock.try_lock().is_err() || (world == World::Loopback && is_lived_in(number)) {
                continue;
            }
            let folder = root().join(format!("{number}-{}", std::process::id()));
            make_folder(&folder)?;
            return Ok(Self { number, world, folder, fresh: FIRST_FRESH, _lock: lock });
        }
        Err(Error::Missing {
            what: "all places for clusters are taken".to_owned(),
            hint: "End kept clusters with `slotwright lab down`, and servers on port 6379 of \
                   127.0.100.1 and after it, or of all addresses."
                .to_owned(),
        })
    }

    /// The number.
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first address of a node.
    ///
    /// # Errors
    /// When the number is too great.
    pub fn address(&self, node: usize) -> Result<Ipv4Addr> {
        let last = u8::try_from(node + 1).ok().filter(|last| *last < FIRST_FRESH);
        let last = last.ok_or_else(|| Error::Scenario(format!("node {node} is one too many")))?;
        Ok(self.at(last))
    }

    /// An address that nobody had yet.
    ///
    /// # Errors
    /// When there is none left.
    pub fn fresh_address(&mut self) -> Result<Ipv4Addr> {
        let last = self.fresh;
        self.fresh = last
            .checked_add(1)
            .filter(|next| *next <= OURS)
            .ok_or_else(|| Error::Scenario("no fresh address is left".to_owned()))?;
        Ok(self.at(last))
    }

    /// The address that [`Self::fresh_address`] gives as its n-th, counted from 0.
    pub fn nth_fresh(&self, n: usize) -> Option<Ipv4Addr> {
        let last = u8::try_from(n).ok()?.checked_add(FIRST_FRESH).filter(|last| *last <= OURS)?;
        Some(self.at(last))
    }

    /// Our own address in the namespace, with the network of all nodes.
    pub fn network(&self) -> String {
        format!("{}/24", self.at(OURS))
    }

    /// The name of its namespace.
    pub fn namespace(&self) -> String {
        format!("slotwright-{}-{}", self.number, std::process::id())
    }

    const fn at(&self, last: u8) -> Ipv4Addr {
        match self.world {
            World::Loopback => Ipv4Addr::new(127, 0, self.number, last),
            World::Namespace => Ipv4Addr::new(10, 0, self.number, last),
        }
    }
}

/// Whether a server of somebody else has one of the addresses: ours would not start there, and what
/// is said to it would be said to the other.
fn is_lived_in(number: u8) -> bool {
    let taken = |last: u8| {
        let bound = TcpListener::bind((Ipv4Addr::new(127, 0, number, last), PORT));
        bound.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    (1..OURS).any(taken)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).doing(|| format!("making the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_somebody_else_listens_nobody_moves_in() {
        // Below the numbers that clusters get: nobody takes it meanwhile.
        let number = FIRST - 1;
        assert!(!is_lived_in(number));
        let stranger = TcpListener::bind((Ipv4Addr::new(127, 0, number, 102), PORT));
        let stranger = stranger.expect("a free address of the loopback network");
        assert!(is_lived_in(number));
        drop(stranger);
        assert!(!is_lived_in(number));
    }
}
