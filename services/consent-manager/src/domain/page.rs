//! One page of a list.

use yinyom_kernel::PageSize;

/// The items of a page, and whether another one follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub more: bool,
}

impl<T> Page<T> {
    /// The first page of `found`, which holds up to one item more ([`PageSize::fetch`]).
    pub fn cut(mut found: Vec<T>, size: PageSize) -> Self {
        let more = found.len() > size.rows();
        found.truncate(size.rows());
        Self { items: found, more }
    }

    /// Like [`Self::cut`], and shorter where the items together weigh more than `budget`: an answer has a greatest size.
    /// A page has one item at least, so every list comes to its end.
    pub fn cut_to(
        found: Vec<T>,
        size: PageSize,
        budget: usize,
        weigh: impl Fn(&T) -> usize,
    ) -> Self {
        let mut page = Self::cut(found, size);
        let mut weight = 0_usize;
        let fits = page.items.iter().take_while(|item| {
            weight = weight.saturating_add(weigh(item));
            weight <= budget
        });
        let fits = fits.count().max(1);
        page.more |= fits < page.items.len();
        page.items.truncate(fits);
        page
    }

    /// The last item, if another page follows it.
    pub fn last(&self) -> Option<&T> {
        self.items.last().filter(|_| self.more)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_page_tells_whether_another_one_follows() {
        let size = PageSize::read(2).unwrap();
        assert_eq!(Page::cut(vec![1, 2], size), Page { items: vec![1, 2], more: false });
        assert_eq!(Page::cut(vec![1, 2, 3], size).last(), Some(&2));
        assert_eq!(Page::cut(Vec::<i32>::new(), size).last(), None);
    }

    #[test]
    fn a_page_of_heavy_items_is_short_but_never_empty() {
        let size = PageSize::read(10).unwrap();
        let page = |budget| Page::cut_to(vec![3, 3, 3], size, budget, |item| *item);
        assert_eq!(page(9), Page { items: vec![3, 3, 3], more: false });
        assert_eq!(page(8), Page { items: vec![3, 3], more: true });
        assert_eq!(page(1), Page { items: vec![3], more: true });
        assert!(!Page::cut_to(Vec::<usize>::new(), size, 1, |item| *item).more);
    }
}
