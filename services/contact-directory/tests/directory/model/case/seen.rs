//! Answers, as far as they are compared: which contact by its number, points in no order.

use yinyom_proto::directory::v1 as pb;
use yinyom_proto::types::v1::ConsentState;

use super::{CHANNELS, Case, id_of};
use crate::model::steps::{Answer, Seen};

impl Case<'_> {
    fn index(&self, name: &str) -> usize {
        let id = id_of(name);
        self.contacts.iter().position(|known| *known == id).unwrap()
    }

    pub fn one(&self, contact: Option<pb::Contact>) -> Answer {
        let contact = contact.unwrap();
        let gone = contact.consents.is_empty();
        let seen = (!gone).then(|| self.seen(&contact));
        Answer::Contact(self.index(&contact.name), revision(&contact.etag), seen)
    }

    pub fn several(&self, contacts: &[pb::Contact]) -> Answer {
        let mut seen: Vec<_> =
            contacts.iter().map(|c| (self.index(&c.name), self.seen(c))).collect();
        seen.sort_by_key(|(i, _)| *i);
        Answer::Contacts(seen)
    }

    fn seen(&self, contact: &pb::Contact) -> Seen {
        let states = self.states(&contact.consents);
        let points = [0, 1].map(|channel| {
            let points = [&contact.phones, &contact.emails][channel];
            let mut seen: Vec<_> = points
                .iter()
                .map(|point| {
                    assert_eq!(point.consent_state(), states[channel].0);
                    let visible = point.visibility() == pb::Visibility::Visible;
                    (point.value.clone(), visible, point.reason())
                })
                .collect();
            seen.sort_by(|one, other| one.0.cmp(&other.0));
            seen
        });
        Seen { states, points }
    }

    pub fn consents(&self, of: &pb::ContactConsents) -> Answer {
        let now = (!of.consents.is_empty()).then(|| self.states(&of.consents));
        Answer::Consents(self.index(&of.contact), revision(&of.etag), of.consent_seq, now)
    }

    fn states(&self, consents: &[pb::ChannelConsent]) -> [(ConsentState, Option<i64>); 2] {
        assert_eq!(consents.len(), 2);
        [0, 1].map(|channel| {
            let of = &consents[channel];
            assert_eq!(of.channel(), CHANNELS[channel]);
            let until = of.expire_time.as_ref().map(|at| at.seconds - self.start);
            (of.state(), until)
        })
    }
}

fn revision(etag: &str) -> i64 {
    etag.trim_matches('"').parse().unwrap()
}
