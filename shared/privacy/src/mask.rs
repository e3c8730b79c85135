//! What is shown in the place of an address that a viewer may not see, and how a mask that comes
//! back is recognised: a mask is never written back (PRODUCT, "Never written back").

use crate::characters::{is_dash, is_invisible};

/// What stands for every hidden phone number. Its length tells nothing of the number's.
pub const PHONE_MASK: &str = "•••-•••-••••";

/// What stands for every hidden e-mail address.
pub const EMAIL_MASK: &str = "•••••@•••••";

/// Whether `text` holds a mask: the dot that masks are made of, or the outline of a mask in
/// characters that an export or a keyboard may have put in the place of that dot.
pub fn holds_mask(text: &str) -> bool {
    if text.contains('•') {
        return true;
    }
    let outline: String = text
        .chars()
        .filter(|c| !is_invisible(*c) && !c.is_whitespace())
        .map(|c| match c {
            c if is_dash(c) => '-',
            c if is_dot(c) => '•',
            '＠' => '@',
            other => other,
        })
        .collect();
    outline.contains(PHONE_MASK) || outline.contains(EMAIL_MASK)
}

const fn is_dot(c: char) -> bool {
    matches!(
        c,
        '*' | '＊'
            | '∗'
            | '·'
            | '‧'
            | '∙'
            | '⋅'
            | '●'
            | '○'
            | '◦'
            | '⚫'
            | '・'
            | '･'
            | '\u{F0B7}'
            | '\u{FFFD}'
    )
}
