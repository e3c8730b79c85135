//! Imports: what rows do, and what they cannot do.

mod consent;
mod matrix;
mod merged;
mod opt_outs;
mod property;
mod rehearsal;
mod rejected;
mod replay;
mod rows;
mod stream;
mod turns;
mod who;

use contact_directory::api::wire::import::lines;
use contact_directory::commands::import::{Became, RowResult};
use contact_directory::commands::{Directory, Error, Request};
use yinyom_identity::Caller;
use yinyom_kernel::{ContactId, Fault, RequestId};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_proto::types::v1::ConsentState;

use crate::support::House;

const NOT_SET: ConsentState = ConsentState::NotSet;
const GRANTED: ConsentState = ConsentState::Granted;
const DENIED: ConsentState = ConsentState::Denied;

const ONE: &str = "081-234-5671";
const TWO: &str = "081-234-5672";

/// A row of somebody.
fn row(first_name: &str) -> ImportRow {
    ImportRow { first_name: first_name.to_owned(), ..ImportRow::default() }
}

trait With: Sized {
    fn id(self, external_id: &str) -> Self;
    fn phone(self, phone: &str) -> Self;
    fn email(self, email: &str) -> Self;
    fn account(self, account: &str) -> Self;
    fn lead(self, title: &str, source: &str) -> Self;
    fn says(self, phone: ConsentState) -> Self;
    fn says_email(self, email: ConsentState) -> Self;
    fn at(self, second: i64) -> Self;
}

impl With for ImportRow {
    fn id(self, external_id: &str) -> Self {
        Self { external_id: external_id.to_owned(), ..self }
    }

    fn phone(mut self, phone: &str) -> Self {
        self.phones.push(phone.to_owned());
        self
    }

    fn email(mut self, email: &str) -> Self {
        self.emails.push(email.to_owned());
        self
    }

    fn account(self, account: &str) -> Self {
        Self { account: account.to_owned(), ..self }
    }

    fn lead(self, title: &str, source: &str) -> Self {
        Self { lead_title: title.to_owned(), lead_source: source.to_owned(), ..self }
    }

    fn says(self, phone: ConsentState) -> Self {
        Self { phone_consent: phone.into(), ..self }
    }

    fn says_email(self, email: ConsentState) -> Self {
        Self { email_consent: email.into(), ..self }
    }

    fn at(self, second: i64) -> Self {
        let at = prost_types::Timestamp { seconds: second, nanos: 0 };
        Self { consent_time: Some(at), ..self }
    }
}

/// Imports rows by the owner.
async fn import(house: &House, rows: &[ImportRow]) -> Vec<RowResult> {
    by(house, &house.owner, rows).await.unwrap()
}

async fn by(house: &House, caller: &Caller, rows: &[ImportRow]) -> Result<Vec<RowResult>, Error> {
    house.directory.import(caller, house.business, lines(rows), None).await
}

/// Imports rows under a request id, as the stream does.
async fn request(
    directory: &Directory,
    house: &House,
    caller: &Caller,
    id: RequestId,
    rows: &[ImportRow],
) -> Result<Vec<RowResult>, Error> {
    use prost::Message;
    let body = rows.iter().flat_map(Message::encode_to_vec).collect();
    let request = Request { rpc: "import".to_owned(), id, body };
    directory.import(caller, house.business, lines(rows), Some(request)).await
}

fn became(results: &[RowResult]) -> Vec<Option<Became>> {
    let became = |result: &RowResult| match result {
        RowResult::Taken { became, .. } => Some(*became),
        RowResult::Rejected { .. } => None,
    };
    results.iter().map(became).collect()
}

fn contact(result: &RowResult) -> ContactId {
    match result {
        RowResult::Taken { contact, .. } => *contact,
        RowResult::Rejected { wrong, .. } => panic!("rejected: {}", wrong.text().en()),
    }
}

/// Whose refusal was recorded of a row that was rejected.
fn refuser(result: &RowResult) -> Option<ContactId> {
    match result {
        RowResult::Taken { .. } => panic!("taken"),
        RowResult::Rejected { refuser, .. } => *refuser,
    }
}

/// The wrong fields of a row that was rejected.
fn wrong(result: &RowResult) -> Vec<(String, &'static str)> {
    match result {
        RowResult::Taken { .. } => panic!("taken"),
        RowResult::Rejected { wrong, .. } => {
            wrong.violations().iter().map(|v| (v.field.clone(), v.reason)).collect()
        }
    }
}
