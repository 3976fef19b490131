//! Values that must not be shown.

/// A value without `Debug`, `Display` and `Serialize`: it cannot slip into a message, a log or a
/// file by being part of something else.
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that must send it.
    pub(crate) const fn expose(&self) -> &T {
        &self.0
    }
}
