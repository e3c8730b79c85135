//! The box for what identifies a person.

use std::fmt;

use zeroize::Zeroize;

/// A value that identifies a person: it never prints, and it is wiped when it is dropped.
///
/// There is no `Serialize` and no `Deref` on purpose: each look inside is spelled
/// [`expose`](Self::expose), so that a search finds them all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T: Zeroize = String>(T);

impl<T: Zeroize> Personal<T> {
    /// Boxes `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for those who have decided that it may be seen.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Default> Personal<T> {
    /// The value, out of the box. From here on nobody wipes it.
    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut self.0)
    }
}

impl<T: Zeroize> Drop for Personal<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Personal {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T: Zeroize> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<T: Zeroize> fmt::Display for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}
