//! What an export holds (PRODUCT.md, "Who sees" and "Plan gate").
//!
//! An export is a long read: whoever may list contacts may export them, on every plan, and it shows what a read
//! at that moment shows. So it decides nothing itself; it asks [`View::sights`] row by row.

use std::borrow::Cow;

use jiff::Timestamp;
use yinyom_consent::Channel;

use super::{Contact, View};

/// The addresses of a channel as an export writes them: what `view` shows of them at `now`, masks included.
pub fn addresses(contact: &Contact, channel: Channel, view: &View, now: Timestamp) -> Vec<String> {
    let sight = *view.sights(&contact.consents, now).get(channel);
    contact.points_of(channel).map(|point| point.shown(sight)).collect()
}

/// A text that a spreadsheet takes for a text. One that begins like a formula gets an apostrophe before it; a number
/// in E.164 is none.
pub fn spreadsheet_text(text: &str) -> Cow<'_, str> {
    let e164 = text.strip_prefix('+').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !e164 && text.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use yinyom_consent::ConsentState;
    use yinyom_privacy::{Email, Phone};

    use super::super::samples::{MASK, OFF, SHOW, STATES, VIEWERS, at, of};
    use super::*;
    use crate::domain::contact::ContactName;
    use crate::domain::points::Point;

    fn contact(state: ConsentState) -> Contact {
        let point = |address| Point { id: yinyom_kernel::PointId::generate(), address };
        Contact {
            id: yinyom_kernel::ContactId::generate(),
            external_id: None,
            name: ContactName::read("สมหญิง", "ใจดี").unwrap(),
            points: vec![
                point(Phone::parse("0812345678").unwrap().into()),
                point(Email::parse("somying@example.co.th").unwrap().into()),
            ],
            consents: of(state, state),
            consent_seq: 1,
            revision: 1,
            merges: 0,
            subject_key: Vec::new(),
            created_at: at(0),
            updated_at: at(0),
        }
    }

    #[test]
    fn an_export_shows_what_a_read_shows_and_no_more() {
        for (viewer, rules, state) in VIEWERS
            .iter()
            .flat_map(|v| [OFF, SHOW, MASK].map(|r| (*v, r)))
            .flat_map(|(v, r)| STATES.map(|s| (v, r, s)))
        {
            let (view, contact) = (View::new(viewer, rules), contact(state));
            for channel in Channel::ALL.iter().copied() {
                let point = contact.points_of(channel).next().unwrap();
                let expected = point.shown(view.sight(state));
                assert_eq!(addresses(&contact, channel, &view, at(1)), [expected]);
            }
        }
    }

    #[rstest]
    #[case("=HYPERLINK(\"http://x\")", true)]
    #[case("@SUM(1)", true)]
    #[case("-1+1", true)]
    #[case("+1+1", true)]
    #[case("+cmd|x", true)]
    #[case("＝1", true)]
    #[case("+66812345678", false)]
    #[case("สมหญิง", false)]
    #[case("", false)]
    fn no_cell_runs(#[case] text: &str, #[case] guarded: bool) {
        assert_eq!(spreadsheet_text(text).starts_with('\''), guarded);
    }
}
