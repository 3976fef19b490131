//! A look and a plan change nothing.

use crate::world::World;

/// What must be the same after a look as before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Untouched {
    commanded: u64,
    now: u64,
}

impl Untouched {
    /// Before the look.
    pub const fn now(world: &World) -> Self {
        Self { commanded: world.commanded, now: world.now }
    }

    /// After it.
    pub fn check(self, world: &World) -> Option<String> {
        let sent = world.commanded - self.commanded;
        (self != Self::now(world)).then(|| format!("read only: a look sent {sent} commands"))
    }
}
