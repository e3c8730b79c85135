//! Whatever is done to contacts that are merged and come apart again: nobody who last said no is granted without a later yes, the
//! streams have no gap and no break, and what is kept is what is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::import::lines;
use contact_directory::commands::contacts::ContactPatch;
use contact_directory::domain::Contact;
use yinyom_consent::{Channel, ConsentState};
use yinyom_kernel::{Clock, ContactId, MergeId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::counts::{Dice, assert_kept};
use super::merges::{addresses, merge};
use super::unmerge::undo;
use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, create, grant_for, number, points, set,
    update, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    nobody_who_said_no_is_granted_by_a_merge_or_its_undo,
);

/// What somebody remembers who hears everything: of each person's card, whether its last clear word was no, by channel; and
/// which cards are one contact.
#[derive(Default)]
struct Witness {
    said_no: BTreeSet<(ContactId, Channel)>,
    /// By survivor: those that are in it, latest last.
    merged: BTreeMap<ContactId, Vec<(MergeId, ContactId)>>,
}

impl Witness {
    fn cards(&self, contact: ContactId) -> Vec<ContactId> {
        let mut cards = vec![contact];
        let mut at = 0;
        while let Some(card) = cards.get(at) {
            cards
                .extend(self.merged.get(card).into_iter().flatten().map(|(_, absorbed)| *absorbed));
            at += 1;
        }
        cards
    }

    fn hear(&mut self, contact: ContactId, channel: Channel, state: ConsentState) {
        for card in self.cards(contact) {
            match state {
                ConsentState::Denied => drop(self.said_no.insert((card, channel))),
                ConsentState::Granted => drop(self.said_no.remove(&(card, channel))),
                ConsentState::NotSet => {}
            }
        }
    }

    fn check(&self, house: &House, contacts: &[Contact]) {
        let now = house.clock.now();
        for contact in contacts {
            for (channel, consent) in contact.consents.iter() {
                let no: Vec<_> = (self.cards(contact.id).into_iter())
                    .filter(|card| self.said_no.contains(&(*card, channel)))
                    .collect();
                assert!(no.is_empty() || consent.state_at(now) != GRANTED, "{no:?} said no");
                assert!(no.is_empty() || consent.ever_refused(), "{no:?} is forgotten");
            }
        }
    }
}

async fn step(house: &House, dice: &mut Dice, witness: &mut Witness) {
    let contacts = house.contacts().await;
    let contact = &contacts[dice.below(contacts.len())];
    let (id, channel) = (contact.id, dice.of(&[PHONE, EMAIL]));
    match dice.below(12) {
        0..3 => {
            let other = contacts[dice.below(contacts.len())].id;
            if other != id {
                let merged = merge(house, &house.owner, id, other).await.unwrap();
                witness.merged.entry(id).or_default().push((merged.id, other));
            }
        }
        3..5 => {
            if let Some((latest, _)) = witness.merged.get_mut(&id).and_then(Vec::pop) {
                let undone = undo(house, &house.owner, latest).await.unwrap();
                let back = undone.contact(&undone.restored).unwrap();
                assert!(!contacts.iter().any(|contact| contact.id == back.id));
            }
        }
        5 => {
            let said = word(id, withdrawal(&[channel]));
            super::say(house, &house.user, said).await.unwrap();
            witness.hear(id, channel, DENIED);
        }
        6..8 => {
            let state = dice.of(&[GRANTED, NOT_SET, DENIED]);
            set(house, &house.owner, id, &[(channel, state)]).await.unwrap();
            witness.hear(id, channel, state);
        }
        8 => {
            grant_for(house, id, channel, Duration::from_mins(90)).await;
            witness.hear(id, channel, GRANTED);
        }
        9 => {
            let text = dice.of(&[ONE, TWO, MAIL, "0833333333", "two@example.com"]);
            if !addresses(contact)
                .iter()
                .any(|has| super::address(text).canonical().expose() == has)
            {
                update(house, &house.owner, id, points(&[(None, text)])).await.unwrap();
            }
        }
        10 => {
            // An old file: it grants nobody who refused.
            let row = |n: usize| ImportRow {
                external_id: format!("C-{n}"),
                first_name: "Row".to_owned(),
                phone_consent: GRANTED.to_wire(),
                email_consent: GRANTED.to_wire(),
                ..ImportRow::default()
            };
            let rows = lines(&[row(0), row(1), row(2), row(3)]);
            house.directory.import(&house.owner, house.business, rows, None).await.unwrap();
            assert_eq!(house.contacts().await.len(), contacts.len(), "nobody is made anew");
        }
        _ => house.pass(Duration::from_hours(1)).await,
    }
}

async fn nobody_who_said_no_is_granted_by_a_merge_or_its_undo(db: TestDb) {
    let house = House::on(db.handle()).await;
    for seed in 0..3 {
        let (mut dice, mut witness) = (Dice(seed), Witness::default());
        for (n, text) in [ONE, TWO, MAIL, "0833333333"].into_iter().enumerate() {
            let contact = create(&house, "Card", &[text]).await;
            let external_id = Some(number(&format!("C-{n}")));
            let patch = ContactPatch { external_id, ..ContactPatch::default() };
            update(&house, &house.owner, contact.id, patch).await.unwrap();
        }
        for _ in 0..60 {
            step(&house, &mut dice, &mut witness).await;
            witness.check(&house, &house.contacts().await);
        }
        assert_kept(&house).await;
        house.ledger().await;
        for contact in house.contacts().await {
            let of = (house.business, contact.id);
            house.directory.erase_subject(&house.owner, of, None).await.unwrap();
        }
        assert_eq!(house.count("SELECT COUNT(*) FROM merges WHERE business_id = $1").await, 0);
    }
}
