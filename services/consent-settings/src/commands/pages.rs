//! Pages, and the sealed tokens that lead from one to the next.

use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, PageSize};
use yinyom_privacy::InvalidPageToken;

use super::Commands;

/// Which page is asked for.
#[derive(Debug, Clone)]
pub struct PageAsked {
    pub size: PageSize,
    /// From the page before; empty for the first.
    pub token: String,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Leads to the next page; empty on the last.
    pub next: String,
}

/// A list as somebody sees it: a token is good for the same list, asked for by the same caller.
pub(super) struct List<'a> {
    pub(super) name: &'static str,
    pub(super) business: Option<BusinessId>,
    pub(super) caller: &'a Caller,
}

impl List<'_> {
    fn context<R>(&self, then: impl FnOnce(&[&[u8]]) -> R) -> R {
        let business = self.business.map(BusinessId::uuid).unwrap_or_default();
        then(&[self.name.as_bytes(), business.as_bytes(), self.caller.key().as_bytes()])
    }
}

impl Commands {
    /// Where the asked page begins: after the item of this key, or at the start.
    pub(super) fn page_start<const N: usize>(
        &self,
        list: &List<'_>,
        asked: &PageAsked,
    ) -> Result<Option<[u8; N]>, InvalidPageToken> {
        if asked.token.is_empty() {
            return Ok(None);
        }
        let key = list.context(|context| self.pages.open(context, &asked.token))?;
        key.try_into().map(Some).map_err(|_| InvalidPageToken)
    }

    /// The page out of its rows and one more, which says that another page follows.
    pub(super) fn page<T>(
        &self,
        list: &List<'_>,
        asked: &PageAsked,
        mut items: Vec<T>,
        key: impl FnOnce(&T) -> Vec<u8>,
    ) -> Page<T> {
        let more = items.len() > asked.size.rows();
        items.truncate(asked.size.rows());
        let next = match items.last() {
            Some(end) if more => list.context(|context| self.pages.seal(context, &key(end))),
            _ => String::new(),
        };
        Page { items, next }
    }
}
