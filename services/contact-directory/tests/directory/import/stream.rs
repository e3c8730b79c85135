//! The stream itself, over a real connection.

use std::sync::Arc;

use contact_directory::api::Api;
use contact_directory::{MIGRATIONS, app};
use futures::{StreamExt, stream};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use yinyom_consent::CONTACTS;
use yinyom_identity::Caller;
use yinyom_kernel::{BusinessId, ContactId, Name};
use yinyom_proto::directory::v1::import_service_client::ImportServiceClient;
use yinyom_proto::directory::v1::{
    ImportContactsRequest, ImportContactsResponse, ImportOutcome, ImportRow,
};
use yinyom_rpc::ServerConfig;
use yinyom_testkit::servers::{self, TestServer};
use yinyom_testkit::tokens::{Bearer, Tokens};
use yinyom_testkit::{TestDb, both_databases};

use super::{With, row};
use crate::support::House;

type Client = ImportServiceClient<InterceptedService<Channel, Bearer>>;

struct Served {
    house: House,
    tokens: Tokens,
    server: TestServer,
}

impl Served {
    async fn on(db: &TestDb) -> Self {
        let house = House::on(db.handle()).await;
        let tokens = Tokens::new(house.clock.clone());
        let auth = tokens.authenticator("{}");
        let api = Arc::new(Api::new(house.directory.clone()));
        let server = servers::serve(app::serve(api, ServerConfig::default(), auth)).await;
        Self { house, tokens, server }
    }

    fn client(&self, caller: &Caller) -> Client {
        let bearer = self.tokens.member(self.house.business, caller.member().unwrap());
        ImportServiceClient::with_interceptor(self.server.channel(), bearer)
    }

    fn parent(&self) -> String {
        Name::format_business(self.house.business)
    }

    /// The answers to `batches` of the owner, and how the stream ended.
    async fn send(
        &self,
        batches: Vec<ImportContactsRequest>,
    ) -> (Vec<ImportContactsResponse>, Option<Status>) {
        let sent = Request::new(stream::iter(batches));
        let mut answers = match self.client(&self.house.owner).import_contacts(sent).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => return (Vec::new(), Some(status)),
        };
        let (mut received, mut end) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(answer) => received.push(answer),
                Err(status) => end = Some(status),
            }
        }
        (received, end)
    }
}

fn batch(parent: &str, rows: Vec<ImportRow>) -> ImportContactsRequest {
    ImportContactsRequest { parent: parent.to_owned(), rows, ..<_>::default() }
}

/// Field and reason of the one wrong field that a stream ended with.
fn end(status: Option<Status>) -> (Code, String, String) {
    use tonic_types::StatusExt;
    let status = status.expect("the stream ends with an error");
    let fields = status.get_details_bad_request().map(|wrong| wrong.field_violations);
    let fields = fields.unwrap_or_default();
    let field = fields.first().map(|v| (v.field.clone(), v.reason.clone())).unwrap_or_default();
    (status.code(), field.0, field.1)
}

async fn each_batch_is_answered_in_the_order_of_its_rows(db: TestDb) {
    let served = Served::on(&db).await;
    let numbered = |n: i64, row: ImportRow| ImportRow { row_number: n, ..row };
    let rows = vec![numbered(7, row("Somchai")), numbered(-1, row("")), numbered(7, row("Anong"))];
    let second = vec![numbered(9, row("Somchai"))];
    let batches = vec![batch(&served.parent(), rows), batch("", second)];
    let (answers, status) = served.send(batches).await;
    assert!(status.is_none());
    let told: Vec<Vec<_>> = (answers.iter())
        .map(|answer| answer.results.iter().map(|r| (r.row_number, r.outcome())).collect())
        .collect();
    let first = vec![
        (7, ImportOutcome::Created),
        (-1, ImportOutcome::Rejected),
        (7, ImportOutcome::Created),
    ];
    assert_eq!(told, [first, vec![(9, ImportOutcome::Unchanged)]]);
    let results = &answers[0].results;
    let (business, _) = CONTACTS.parse::<ContactId>(&results[0].contact).unwrap();
    assert_eq!(business, served.house.business);
    assert_eq!(results[0].refusal, None);
    assert_eq!(results[1].contact, "");
    let refusal = results[1].refusal.as_ref().unwrap();
    assert_eq!((refusal.code, &*refusal.reason), (Code::InvalidArgument as i32, "INVALID_INPUT"));
    assert_eq!(refusal.field_violations[0].field, "first_name");
}

async fn a_refusal_speaks_the_language_of_the_caller(db: TestDb) {
    let served = Served::on(&db).await;
    let mut request = Request::new(stream::iter([batch(&served.parent(), vec![row("")])]));
    request.metadata_mut().insert("accept-language", "th-TH".parse().unwrap());
    let mut client = served.client(&served.house.owner);
    let mut answers = client.import_contacts(request).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    let refusal = answer.results[0].refusal.as_ref().unwrap();
    assert!(refusal.field_violations[0].description.contains("ต้องระบุ"));
}

async fn a_stream_says_whose_contacts_it_brings_and_sticks_to_it(db: TestDb) {
    let served = Served::on(&db).await;
    let invalid =
        |field: &str, reason: &str| (Code::InvalidArgument, field.to_owned(), reason.to_owned());
    assert_eq!(end(served.send(vec![]).await.1), invalid("parent", "REQUIRED"));
    let missing = vec![batch("", vec![row("Somchai")])];
    assert_eq!(end(served.send(missing).await.1), invalid("parent", "REQUIRED"));
    let no_name = vec![batch("Rose Garden", vec![row("Somchai")])];
    assert_eq!(end(served.send(no_name).await.1), invalid("parent", "INVALID_NAME"));
    assert_eq!(served.house.contacts().await.len(), 0);

    let other = Name::format_business(BusinessId::generate());
    let turned =
        vec![batch(&served.parent(), vec![row("Somchai")]), batch(&other, vec![row("Anong")])];
    let (answers, status) = served.send(turned).await;
    assert_eq!(end(status), invalid("parent", "OTHER_BUSINESS"));
    assert_eq!(answers.len(), 1, "what was committed was answered");
    assert_eq!(served.house.contacts().await.len(), 1);

    let foreign = served.send(vec![batch(&other, vec![row("Anong")])]).await.1.unwrap();
    assert_eq!(yinyom_rpc::reason(&foreign).as_deref(), Some("NOT_FOUND"));
}

async fn a_batch_has_1_to_500_rows(db: TestDb) {
    let served = Served::on(&db).await;
    let invalid = |reason: &str| (Code::InvalidArgument, "rows".to_owned(), reason.to_owned());
    let of = |rows: usize| {
        let row = |n| row(&format!("Person {n}")).phone(&format!("08{n:08}"));
        vec![batch(&served.parent(), (0..rows).map(row).collect())]
    };
    assert_eq!(end(served.send(of(0)).await.1), invalid("REQUIRED"));
    assert_eq!(end(served.send(of(501)).await.1), invalid("TOO_MANY"));
    assert_eq!(served.house.contacts().await.len(), 0);
    let (answers, status) = served.send(of(500)).await;
    assert!(status.is_none());
    assert_eq!(answers[0].results.len(), 500);
    assert_eq!(served.house.contacts().await.len(), 500);
}

async fn who_sends_ahead_hears_why_the_stream_ended(db: TestDb) {
    let served = Served::on(&db).await;
    let rows: Vec<_> = (0..400).map(|n| row(&"long name ".repeat(20)).id(&n.to_string())).collect();
    for _ in 0..20 {
        // More than the window of HTTP/2 takes: the caller is still sending when the error comes.
        let ahead = vec![batch("Rose Garden", rows.clone()); 20];
        let invalid = (Code::InvalidArgument, "parent".to_owned(), "INVALID_NAME".to_owned());
        assert_eq!(end(served.send(ahead).await.1), invalid);
    }
}

async fn a_batch_is_the_same_whether_or_not_it_repeats_whose_it_is(db: TestDb) {
    let served = Served::on(&db).await;
    let request_id = ContactId::generate().to_string();
    let second = |parent: &str| ImportContactsRequest {
        request_id: request_id.clone(),
        ..batch(parent, vec![row("Anong")])
    };
    let first = || batch(&served.parent(), vec![row("Somchai")]);
    let (once, _) = served.send(vec![first(), second("")]).await;
    let (again, status) = served.send(vec![first(), second(&served.parent())]).await;
    assert!(status.is_none());
    assert_eq!(again[1], once[1], "CREATED, as it was");
    let wrong = ImportContactsRequest { request_id: "7".to_owned(), ..first() };
    assert_eq!(end(served.send(vec![wrong]).await.1).1, "request_id");
}

async fn a_dry_run_names_no_contact_that_is_not_there_and_remembers_no_request(db: TestDb) {
    const REQUESTS: &str = "SELECT COUNT(*) FROM requests WHERE business_id = $1";
    let served = Served::on(&db).await;
    let there = vec![batch(&served.parent(), vec![row("Somchai").id("C-1")])];
    let stored = served.send(there).await.0[0].results[0].contact.clone();
    let dry = |rows| ImportContactsRequest {
        validate_only: true,
        request_id: ContactId::generate().to_string(),
        ..batch(&served.parent(), rows)
    };
    let wrong = row("Anong").id("C-2").phone("12").says(super::DENIED);
    let batches =
        vec![dry(vec![row("Somchai").id("C-1")]), dry(vec![row("Anong").id("C-2"), wrong])];
    let (answers, status) = served.send(batches.clone()).await;
    assert!(status.is_none());
    let told: Vec<_> = (answers.iter())
        .flat_map(|answer| answer.results.iter().map(|r| (r.outcome(), &*r.contact)))
        .collect();
    let expected = [
        (ImportOutcome::Unchanged, &*stored),
        (ImportOutcome::Created, ""),
        (ImportOutcome::Rejected, ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(served.send(batches).await.0, answers, "the same again, about now");
    assert_eq!((served.house.contacts().await.len(), served.house.count(REQUESTS).await), (1, 0));
}

/// A message that was meant for a dry run must not be stored, nor the rows of a list create people.
async fn a_stream_is_for_one_thing(db: TestDb) {
    let served = Served::on(&db).await;
    let modes = [(false, false), (true, false), (false, true), (true, true)];
    for first in modes {
        for second in modes.into_iter().filter(|second| *second != first) {
            let of = |(validate_only, opt_outs_only), row| ImportContactsRequest {
                validate_only,
                opt_outs_only,
                ..batch(&served.parent(), vec![row])
            };
            let said = row("").phone(super::ONE).says(super::DENIED);
            let (answers, status) =
                served.send(vec![of(first, said), of(second, row("Anong"))]).await;
            assert_eq!(answers.len(), 1);
            let field = if first.0 == second.0 { "opt_outs_only" } else { "validate_only" };
            let invalid = (Code::InvalidArgument, field.to_owned(), "OTHER_MODE".to_owned());
            assert_eq!(end(status), invalid, "{first:?} {second:?}");
        }
    }
    assert_eq!(served.house.contacts().await.len(), 0);
}

async fn a_stream_ends_when_its_caller_loses_the_right(db: TestDb) {
    let served = Served::on(&db).await;
    let house = &served.house;
    let (send, batches) = tokio::sync::mpsc::channel(1);
    send.send(batch(&served.parent(), vec![row("Somchai")])).await.unwrap();
    let mut client = served.client(&house.listed);
    let answers = client.import_contacts(ReceiverStream::new(batches));
    let mut answers = answers.await.unwrap().into_inner();
    assert!(answers.next().await.unwrap().is_ok());

    let member = house.listed.member().unwrap();
    house.rule(|policy| policy.members.get_mut(&member).unwrap().listed = false).await;
    send.send(batch("", vec![row("Anong")])).await.unwrap();
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(yinyom_rpc::reason(&status).as_deref(), Some("IMPORT_NOT_ALLOWED"));
    assert!(answers.next().await.is_none());
    assert_eq!(house.contacts().await.len(), 1);
}

async fn a_stream_without_a_lease_is_unavailable(db: TestDb) {
    let served = Served::on(&db).await;
    served.house.lapse();
    let (_, status) = served.send(vec![batch(&served.parent(), vec![row("Somchai")])]).await;
    let status = status.unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(yinyom_rpc::reason(&status).as_deref(), Some("POLICY_UNAVAILABLE"));
}

both_databases!(MIGRATIONS =>
    each_batch_is_answered_in_the_order_of_its_rows,
    a_refusal_speaks_the_language_of_the_caller,
    a_stream_says_whose_contacts_it_brings_and_sticks_to_it,
    a_batch_has_1_to_500_rows,
    who_sends_ahead_hears_why_the_stream_ended,
    a_batch_is_the_same_whether_or_not_it_repeats_whose_it_is,
    a_dry_run_names_no_contact_that_is_not_there_and_remembers_no_request,
    a_stream_is_for_one_thing,
    a_stream_ends_when_its_caller_loses_the_right,
    a_stream_without_a_lease_is_unavailable,
);
