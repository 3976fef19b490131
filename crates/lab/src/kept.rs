//! The clusters that stand after we have gone: `lab up` and `lab run --keep`.
//!
//! One file each, with what is needed to end it: processes with their start times, namespace,
//! mounts, folder. `lab down` ends exactly those.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use slotwright_core::scenario::{Server, World};

use crate::error::{Doing, Result};
use crate::place::{make_folder, root};
use crate::watchdog::{Debris, Watchdog};

/// A cluster that stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its place.
    pub place: u8,
    /// What it was made for: a code, or `up`.
    pub purpose: String,
    /// The name of its server.
    pub server: String,
    /// The namespace that it is in, if any: look at it with `ip netns exec`.
    pub namespace: Option<String>,
    /// The client addresses of its nodes.
    pub nodes: Vec<String>,
    /// What to clean up.
    pub debris: Debris,
}

impl Kept {
    /// Describes a cluster that is to stand.
    pub fn new(place: u8, purpose: &str, server: Server, world: World, debris: Debris) -> Self {
        let namespace = match world {
            World::Loopback => None,
            World::Namespace => debris.namespaces.first().cloned(),
        };
        Self {
            place,
            purpose: purpose.to_owned(),
            server: server.name().to_owned(),
            namespace,
            nodes: Vec::new(),
            debris,
        }
    }

    /// Writes it into the register.
    ///
    /// # Errors
    /// When the register cannot be written.
    pub fn register(&self) -> Result<()> {
        make_folder(&folder())?;
        let path = self.path();
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        std::fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    }

    /// Ends it and strikes it from the register.
    ///
    /// # Errors
    /// When no shell can be started or the register cannot be written.
    pub fn end(&self) -> Result<()> {
        drop(Watchdog::over(&self.debris)?);
        let path = self.path();
        std::fs::remove_file(&path).doing(|| format!("removing {}", path.display()))
    }

    fn path(&self) -> PathBuf {
        folder().join(format!("{}.json", self.place))
    }
}

/// All that stand.
///
/// # Errors
/// When the register cannot be read. A file in it that is not ours is passed over.
pub fn all() -> Result<Vec<Kept>> {
    let folder = folder();
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).doing(|| format!("reading {}", folder.display()))?;
    let mut all: Vec<Kept> = entries
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .filter_map(|bytes| serde_json::from_slice(&bytes).ok())
        .collect();
    all.sort_by_key(|kept| kept.place);
    Ok(all)
}

/// The places that are taken by clusters that stand.
pub(crate) fn places() -> Result<Vec<u8>> {
    Ok(all()?.into_iter().map(|kept| kept.place).collect())
}

fn folder() -> PathBuf {
    root().join("kept")
}
