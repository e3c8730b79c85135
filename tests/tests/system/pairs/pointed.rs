//! Requests of somebody who guesses: each tries one address where an answer would tell whether it is right.

use prost::Message;
use rand::Rng;
use rand::rngs::StdRng;
use yinyom_proto::directory::v1 as dir;

use crate::pairs::side::Side;
use crate::pairs::story::Story;

/// What a guess is tried on. The same dice make the same request about both sides.
pub struct Guess {
    kind: usize,
    /// 0 for phones, 1 for e-mails.
    channel: usize,
    value: String,
    other: Option<String>,
    contact: usize,
    point: Option<usize>,
    external_id: bool,
}

impl Guess {
    pub fn roll(dice: &mut StdRng, story: &Story) -> Self {
        let channel = dice.random_range(0..2);
        let values = [&story.phones, &story.emails][channel];
        let value = values[dice.random_range(0..values.len())].clone();
        let other = values[dice.random_range(0..values.len())].clone();
        Self {
            kind: dice.random_range(0..6),
            channel,
            value,
            other: dice.random_ratio(1, 3).then_some(other),
            contact: dice.random_range(0..100),
            point: dice.random_ratio(2, 3).then(|| dice.random_range(0..100)),
            external_id: dice.random(),
        }
    }

    /// The method, and what is asked on `side`.
    pub fn of(&self, side: &Side) -> (&'static str, Vec<u8>) {
        let name = side.contacts[self.contact % side.contacts.len()].clone();
        let parent = side.business.clone();
        let mut of_channel = [Vec::new(), Vec::new()];
        of_channel[self.channel].push(self.value.clone());
        of_channel[self.channel].extend(self.other.clone());
        match self.kind {
            0 | 1 => {
                let [phone, email] =
                    of_channel.map(|values| values.first().cloned().unwrap_or_default());
                let asked = dir::SearchContactsRequest { parent, phone, email, ..<_>::default() };
                ("SearchContacts", asked.encode_to_vec())
            }
            2 => {
                let contact = dir::Contact { name, ..self.points(of_channel, side) };
                let paths = vec![["phones", "emails"][self.channel].to_owned()];
                let asked = dir::UpdateContactRequest {
                    contact: Some(contact),
                    update_mask: Some(prost_types::FieldMask { paths }),
                    ..<_>::default()
                };
                ("UpdateContact", asked.encode_to_vec())
            }
            3 => {
                let contact = dir::Contact {
                    first_name: "Guess".to_owned(),
                    ..self.points(of_channel, side)
                };
                let asked =
                    dir::CreateContactRequest { parent, contact: Some(contact), ..<_>::default() };
                ("CreateContact", asked.encode_to_vec())
            }
            4 => {
                let channel = i32::from(self.channel == 1) + 1;
                let contacts = side.contacts.clone();
                let asked = dir::BatchCheckConsentRequest { parent, channel, contacts };
                ("BatchCheckConsent", asked.encode_to_vec())
            }
            _ => {
                let [phones, emails] = of_channel;
                let external_id = if self.external_id { "C-1".to_owned() } else { String::new() };
                let row = dir::ImportRow {
                    row_number: 1,
                    external_id,
                    first_name: "สมชาย".to_owned(),
                    last_name: format!("ใจดี{}", self.contact % 5),
                    phones,
                    emails,
                    phone_consent: 2,
                    ..<_>::default()
                };
                let asked =
                    dir::ImportContactsRequest { parent, rows: vec![row], ..<_>::default() };
                ("ImportContacts", asked.encode_to_vec())
            }
        }
    }

    fn points(&self, of_channel: [Vec<String>; 2], side: &Side) -> dir::Contact {
        let id = self.point.filter(|_| self.kind == 2 && !side.points.is_empty());
        let mut id = id.map(|at| side.points[at % side.points.len()].clone()).unwrap_or_default();
        let [phones, emails] = of_channel.map(|values| {
            let point =
                |value| dir::ContactPoint { id: std::mem::take(&mut id), value, ..<_>::default() };
            values.into_iter().map(point).collect()
        });
        dir::Contact { phones, emails, ..<_>::default() }
    }
}
