//! Bars of text.

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// A bar for `value` where `most` is `width` characters long, to an eighth of a character. Whatever
/// is not nothing can be seen.
pub fn bar(value: i64, most: i64, width: usize) -> String {
    if value <= 0 || most <= 0 {
        return String::new();
    }
    let full = i128::try_from(width).unwrap_or_default() * 8;
    let eighths = i128::from(value.min(most)) * full / i128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or_default().max(1);
    let mut bar = "█".repeat(eighths / 8);
    if eighths % 8 > 0 {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(8, 8, 3), "███");
        assert_eq!(bar(4, 8, 3), "█▌");
        assert_eq!(bar(1, 1_000_000, 3), "▏");
        assert_eq!(bar(0, 8, 3), "");
    }

    proptest! {
        #[test]
        fn no_bar_is_wider_than_its_place(value: i64, most: i64, width in 0_usize..100) {
            prop_assert!(bar(value, most, width).chars().count() <= width.max(1));
        }
    }
}
