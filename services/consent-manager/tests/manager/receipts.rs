//! Receipts: from the ledger alone, signed, for those who may read it.

use consent_manager::MIGRATIONS;
use jiff::SignedDuration;
use tonic::{Code, Status};
use yinyom_consent::Cause;
use yinyom_kernel::BusinessId;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::Channel;
use yinyom_receipt::{Said, verify};
use yinyom_testkit::tokens::Bearer;
use yinyom_testkit::{TestDb, both_databases};
use yinyom_transparency::PublicKeys;

use crate::support::*;

fn ask(
    contact: &Contact,
    channel: Channel,
    format: pb::ReceiptFormat,
) -> pb::GetConsentReceiptRequest {
    pb::GetConsentReceiptRequest {
        contact: contact.name(),
        channel: channel.into(),
        format: format.into(),
        language_code: "th".to_owned(),
    }
}

impl World {
    fn public_keys(&self) -> PublicKeys {
        PublicKeys::one(*self.notary.keys().next().unwrap())
    }

    async fn receipt_as(
        &self,
        bearer: Bearer,
        ask: pb::GetConsentReceiptRequest,
    ) -> Result<pb::GetConsentReceiptResponse, Status> {
        Ok(self.receipts_as(bearer).get_consent_receipt(ask).await?.into_inner())
    }

    async fn receipt(
        &self,
        contact: &Contact,
        channel: Channel,
    ) -> (pb::GetConsentReceiptResponse, Said) {
        let officer = self.tokens.member(self.business, self.members.officer);
        let ask = ask(contact, channel, pb::ReceiptFormat::Json);
        let answer = self.receipt_as(officer, ask).await.unwrap();
        let said = verify(&answer.jws, &self.public_keys()).unwrap();
        (answer, said)
    }
}

async fn a_receipt_says_what_the_ledger_has_and_is_verified_without_it(db: TestDb) {
    let world = World::new(db).await;
    let (mut contact, mut other) = (Contact::new(world.business), Contact::new(world.business));
    let now = world.now();
    let expiry = now + SignedDuration::from_hours(1);
    world
        .take(vec![
            contact.created(now, NotSet, Denied),
            other.created(now, Granted, Granted),
            contact.phone_with_note(now, Denied, "said by her husband"),
            contact.phone_until(now, expiry),
        ])
        .await;
    let (answer, said) = world.receipt(&contact, Channel::Phone).await;
    let receipt = &said.receipt;
    assert_eq!(answer.content, receipt.json().unwrap());
    assert_eq!(
        (answer.media_type.as_str(), &answer.receipt_id),
        ("application/json", &receipt.receipt_id)
    );
    let states: Vec<_> =
        receipt.events.iter().map(|it| it.event_state.as_deref().unwrap()).collect();
    assert_eq!(states, ["GRANTED", "DENIED", "NOT_SET"]);
    assert_eq!(receipt.events.iter().map(|it| it.ledger.index).collect::<Vec<_>>(), [3, 2, 0]);
    let purpose = &receipt.pii_processing.purposes[0];
    assert_eq!((purpose.state.as_deref(), purpose.expire_time), (Some("GRANTED"), Some(expiry)));
    assert_eq!(receipt.ledger.tree_size, 4);
    // What may be about somebody else is not in it.
    for text in [&answer.content, &answer.jws] {
        assert!(!text.contains("husband") && !text.contains("ticket 7"));
    }
    // The other channel has a receipt of its own.
    let (_, said) = world.receipt(&contact, Channel::Email).await;
    assert_eq!(said.receipt.pii_processing.purposes[0].state.as_deref(), Some("DENIED"));
    assert_eq!(said.receipt.events.len(), 1);

    world.clock.advance(std::time::Duration::from_hours(2));
    let (_, said) = world.receipt(&contact, Channel::Phone).await;
    let purpose = &said.receipt.pii_processing.purposes[0];
    assert_eq!((purpose.state.as_deref(), purpose.expire_time), (Some("NOT_SET"), None));
}

async fn a_page_holds_the_signed_record(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    let officer = world.tokens.member(world.business, world.members.officer);
    let ask = ask(&contact, Channel::Email, pb::ReceiptFormat::Html);
    let answer = world.receipt_as(officer, ask).await.unwrap();
    assert_eq!(answer.media_type, "text/html; charset=utf-8");
    assert!(answer.content.contains("<strong>ไม่ยินยอม</strong>"));
    let said = verify(&answer.content, &world.public_keys()).unwrap();
    assert_eq!(said.receipt.receipt_id, answer.receipt_id);
}

async fn a_contact_that_is_gone_still_has_a_receipt(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let now = world.now();
    world
        .take(vec![contact.created(now, Granted, Denied), contact.gone(now, Cause::Deleted)])
        .await;
    let (_, said) = world.receipt(&contact, Channel::Phone).await;
    assert_eq!(said.receipt.pii_processing.purposes[0].state, None);
    assert_eq!(said.receipt.events[0].event_type, "DELETED");
}

async fn a_long_history_is_cut_and_says_so(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let mut changes = vec![contact.created(world.now(), NotSet, NotSet)];
    changes.extend((0..120).map(|_| contact.phone(world.now(), Granted)));
    world.take(changes).await;
    let (_, said) = world.receipt(&contact, Channel::Phone).await;
    assert_eq!((said.receipt.events.len(), said.receipt.events_omitted), (50, 71));
}

async fn nobody_else_gets_one_and_absent_and_foreign_are_alike(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    let wanted = ask(&contact, Channel::Phone, pb::ReceiptFormat::Json);
    for member in [world.members.listed, world.members.user] {
        let bearer = world.tokens.member(world.business, member);
        let status = world.receipt_as(bearer, wanted.clone()).await.unwrap_err();
        assert_eq!(refusal(&status), (Code::PermissionDenied, "LEDGER_READERS_ONLY".to_owned()));
    }
    let owner = || world.tokens.member(world.business, world.members.owner);
    let (absent, foreign) = (Contact::new(world.business), Contact::new(BusinessId::generate()));
    let mut heard = Vec::new();
    for contact in [absent, foreign] {
        let ask = ask(&contact, Channel::Phone, pb::ReceiptFormat::Json);
        let status = world.receipt_as(owner(), ask).await.unwrap_err();
        heard.push((status.code(), status.message().to_owned(), status.details().to_vec()));
    }
    assert_eq!(heard[0].0, Code::NotFound);
    assert_eq!(heard[0], heard[1]);
    let wrong =
        pb::GetConsentReceiptRequest { language_code: "x".to_owned(), ..Default::default() };
    let status = world.receipt_as(owner(), wrong).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&status);
    assert_eq!(details.bad_request().unwrap().field_violations.len(), 4);
}

async fn a_ledger_that_was_touched_makes_no_receipt(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Denied, Denied)]).await;
    let business = world.business.uuid();
    let unbound = world.db.unbound().await;
    let touched = unbound.write_unscoped(move |mut tx| async move {
        let sql = "UPDATE ledger SET phone_to = 2 WHERE business_id = $1";
        let rows = tx.query(sql).bind(business).execute().await?;
        tx.done::<_, yinyom_db::DbError>(rows)
    });
    assert_eq!(touched.await.unwrap(), 1);
    let owner = world.tokens.member(world.business, world.members.owner);
    let ask = ask(&contact, Channel::Phone, pb::ReceiptFormat::Json);
    let status = world.receipt_as(owner, ask).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

both_databases!(MIGRATIONS =>
    a_receipt_says_what_the_ledger_has_and_is_verified_without_it,
    a_page_holds_the_signed_record,
    a_contact_that_is_gone_still_has_a_receipt,
    a_long_history_is_cut_and_says_so,
    nobody_else_gets_one_and_absent_and_foreign_are_alike,
    a_ledger_that_was_touched_makes_no_receipt,
);
