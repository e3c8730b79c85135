//! How many items a page holds (AIP-158). Page tokens are sealed by `yinyom-privacy`.

use crate::{InvalidInput, Text};

/// The most that one page holds; a client that asks for more gets this many.
pub const MAX_PAGE_SIZE: i32 = 1_000;
const DEFAULT_PAGE_SIZE: i32 = 50;

/// A number of items from 1 to [`MAX_PAGE_SIZE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(i32);

impl PageSize {
    /// Reads a client's `page_size`: 0 is the default of 50, a negative one is refused.
    pub fn read(asked: i32) -> Result<Self, InvalidInput> {
        match asked {
            ..0 => Err(InvalidInput::one(
                "page_size",
                "NEGATIVE_PAGE_SIZE",
                Text::new("must not be negative.", "ต้องไม่เป็นค่าติดลบ"),
            )),
            0 => Ok(Self(DEFAULT_PAGE_SIZE)),
            some => Ok(Self(some.min(MAX_PAGE_SIZE))),
        }
    }

    /// No more than `most`, which is 1 at least.
    #[must_use]
    pub fn at_most(self, most: i32) -> Self {
        Self(self.0.min(most.max(1)))
    }

    /// As a number of rows.
    pub fn rows(self) -> usize {
        usize::try_from(self.0).unwrap_or_default()
    }

    /// One more than the page holds, so that a query tells whether a page follows.
    pub const fn fetch(self) -> i64 {
        self.0 as i64 + 1
    }
}
