//! Bad input: the right code, every wrong field at once by its path, a stable reason, in the caller's language; and
//! afterwards nothing is stored. That nothing of it is logged is `python/test_privacy_of_logs.py`'s.

mod addresses;
mod bulk;
mod consents;
mod edge;
mod fields;
mod generated;
mod lists;
mod others;
mod repeats;
mod stored;

use prost::Message;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use yinyom_tests::{Database, House, Person, TestBusiness, Things, refusal};

use self::stored::Stored;

/// Stands in every value that must come back in no error.
pub const CANARY: &str = "kanari";

/// A business with one of everything, and another business.
pub struct World {
    pub house: House,
    pub ours: TestBusiness,
    pub theirs: TestBusiness,
    pub own: Things,
    pub foreign: Things,
    /// A contact of no lead and no account.
    pub stranger: String,
}

impl World {
    async fn start(database: Database) -> Self {
        let house = House::start(database).await;
        let (ours, theirs) = (house.found().await, house.found().await);
        let own = Things::make(&house, &ours).await;
        let foreign = Things::make(&house, &theirs).await;
        let stranger = ours.contact(&["+66813333333"], &[]).await.name;
        Self { house, ours, theirs, own, foreign, stranger }
    }
}

/// A test with a world of its own on each database.
macro_rules! in_a_world {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                use yinyom_tests::Database;

                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    super::$name(&super::World::start(Database::Sqlite).await).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    super::$name(&super::World::start(Database::Postgres).await).await;
                }
            }
        )+
    };
}

in_a_world!(
    every_wrong_field_is_named_at_once,
    a_false_word_on_consent_is_refused,
    a_list_that_is_too_long_is_refused,
    a_page_token_is_good_for_its_own_question_alone,
    a_stale_etag_is_refused,
    a_request_id_is_good_for_one_request,
    what_is_no_message_is_refused,
);

async fn every_wrong_field_is_named_at_once(world: &World) {
    let before = Stored::read(world).await;
    check(world, &fields::cases(world)).await;
    check(world, &others::cases(world)).await;
    check(world, &bulk::cases(world)).await;
    lists::wrong_rows(world).await;
    assert_eq!(before, Stored::read(world).await);
}

async fn a_false_word_on_consent_is_refused(world: &World) {
    let before = Stored::read(world).await;
    check(world, &consents::cases(world)).await;
    consents::services(world).await;
    consents::rows(world).await;
    assert_eq!(before, Stored::read(world).await);
}

async fn a_list_that_is_too_long_is_refused(world: &World) {
    let before = Stored::read(world).await;
    generated::ten_thousand_and_one(world).await;
    check(world, &lists::cases(world)).await;
    assert_eq!(before, Stored::read(world).await);
}

async fn a_page_token_is_good_for_its_own_question_alone(world: &World) {
    generated::page_tokens(world).await;
}

async fn a_stale_etag_is_refused(world: &World) {
    let before = Stored::read(world).await;
    generated::stale_etags(world).await;
    assert_eq!(before, Stored::read(world).await);
}

async fn a_request_id_is_good_for_one_request(world: &World) {
    repeats::each_write(world).await;
    repeats::malformed_ids(world).await;
}

async fn what_is_no_message_is_refused(world: &World) {
    let before = Stored::read(world).await;
    edge::no_message(world).await;
    edge::unreadable_messages(world).await;
    edge::five_mebibytes(world).await;
    edge::unknown_methods(world).await;
    assert_eq!(before, Stored::read(world).await);
}

/// A request that must be refused, and how.
pub struct Case {
    what: &'static str,
    rpc: &'static str,
    body: Vec<u8>,
    code: Code,
    reason: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    /// One of the wrong fields, where it is not said which others there are.
    some: Option<(&'static str, &'static str)>,
}

/// A request with wrong fields.
pub fn invalid(
    what: &'static str,
    rpc: &'static str,
    body: &impl Message,
    fields: &[(&'static str, &'static str)],
) -> Case {
    let fields = fields.to_vec();
    let (code, reason) = (Code::InvalidArgument, "INVALID_INPUT");
    Case { what, rpc, body: body.encode_to_vec(), code, reason, fields, some: None }
}

/// A request that is well formed and refused.
pub fn refused(
    what: &'static str,
    rpc: &'static str,
    body: &impl Message,
    code: Code,
    reason: &'static str,
) -> Case {
    Case { what, rpc, body: body.encode_to_vec(), code, reason, fields: Vec::new(), some: None }
}

/// Asks each case in both languages: as an operator where only those may, as the owner otherwise.
async fn check(world: &World, cases: &[Case]) {
    for case in cases {
        let caller = edge::caller(world, case.rpc.rsplit('/').next().unwrap());
        for language in ["en", "th"] {
            let status = ask(world, &caller, case.rpc, language, case.body.clone()).await;
            let status = status.expect_err(case.what);
            let (code, reason, mut found) = refusal(&status);
            found.sort();
            let named =
                |(field, reason): &(&str, &str)| ((*field).to_owned(), (*reason).to_owned());
            let mut expected: Vec<_> = case.fields.iter().map(named).collect();
            if let Some(some) = &case.some {
                found.retain(|field| *field == named(some));
                expected.push(named(some));
            }
            expected.sort();
            assert_eq!(
                (code, reason.as_str(), found),
                (case.code, case.reason, expected),
                "{}: {}",
                case.rpc,
                case.what
            );
            speaks(&status, language, case.what);
        }
    }
}

/// Sends one message; `rpc` is the path without `/yinyom.`, or without `/` if it is no path of ours.
pub async fn ask(
    world: &World,
    caller: &Person,
    rpc: &str,
    language: &str,
    body: Vec<u8>,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut request: Request<_> = caller.bearer.request(vec![body]);
    request.metadata_mut().insert("accept-language", language.parse().unwrap());
    let package = if rpc.starts_with("google.") { "/" } else { "/yinyom." };
    world.house.call(&format!("{package}{rpc}"), request).await
}

/// The message is English for the developer; what a person reads is in the person's language; neither holds a value.
fn speaks(status: &Status, language: &str, what: &str) {
    let thai = |text: &str| text.chars().any(|c| ('\u{e01}'..='\u{e5b}').contains(&c));
    let details = status.get_error_details();
    let text = details.localized_message().expect(what);
    assert_eq!((&*text.locale, thai(&text.message)), (language, language == "th"), "{what}");
    assert!(!thai(status.message()), "{what}: {}", status.message());
    assert_eq!(details.error_info().expect(what).domain, "yinyom.dev");
    for field in details.bad_request().map_or(&[][..], |bad| &bad.field_violations) {
        assert!(!field.description.is_empty() && !thai(&field.description), "{what}");
        let localized = field.localized_message.as_ref().map(|text| thai(&text.message));
        assert_eq!(localized.unwrap_or_default(), language == "th", "{what}: {}", field.field);
    }
    let all = format!("{status:?}{}", String::from_utf8_lossy(status.details()));
    assert!(!all.contains(CANARY), "{what} gives a value back: {all}");
}
