//! Nobody hears of another business: for every method that the descriptors have, asked through real connections.
//!
//! Absent, foreign and hidden are the same, byte for byte (TRAPS 8); without a token nothing is said at all.

use std::sync::Arc;

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage, Value};
use tonic::{Code, Request, Status};
use yinyom_kernel::{MemberId, SystemClock};
use yinyom_proto::settings::v1 as set;
use yinyom_testkit::tokens::{Bearer, Tokens};
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::{Database, House, Things, raw, refusal};

/// Methods that name no business.
const OF_NO_BUSINESS: [&str; 3] = ["CreateBusiness", "ListBusinesses", "RenewPolicyLease"];

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    nobody_hears_of_another_business(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    nobody_hears_of_another_business(Database::Postgres).await;
}

async fn nobody_hears_of_another_business(database: Database) {
    let house = House::start(database).await;
    let ours = house.found().await;
    let theirs = house.found().await;
    let (own, foreign) = (Things::make(&house, &ours).await, Things::make(&house, &theirs).await);
    without_a_token(&house, &foreign).await;
    a_foreign_business_is_none(&house, &foreign, &ours.owner.bearer, 4).await;
    a_foreign_business_is_none(&house, &foreign, &house.tokens.named("elsewhere"), 6).await;
    strangers_with_a_token_of_the_business(&house, &ours, &own).await;
    foreign_things_under_the_own_name(&house, &ours, &own, &foreign).await;
    an_operator_sees_no_customers(&house, &own).await;
    // None of that did anything, and all of it would have worked for those whose things they are.
    what_was_asked_is_there(&house, &theirs.owner.bearer, &foreign).await;
    house.close().await;
}

fn of_a_business() -> impl Iterator<Item = MethodDescriptor> {
    methods().into_iter().filter(|method| !OF_NO_BUSINESS.contains(&method.name()))
}

async fn ask(
    house: &House,
    method: &MethodDescriptor,
    bearer: &Bearer,
    about: &About<'_>,
) -> Result<Vec<Vec<u8>>, Status> {
    house.call(&path(method), bearer.request(vec![about.bytes(method)])).await
}

/// Nobody is `UNAUTHENTICATED`, whatever is wrong with the token, and hears the same each time.
async fn without_a_token(house: &House, things: &Things) {
    let strange = Tokens::new(Arc::new(SystemClock)).named("vendor").request(());
    let strange = strange.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
    let unsigned = {
        let good = house.tokens.named("vendor").request(());
        let good = good.metadata().get("authorization").unwrap().to_str().unwrap().to_owned();
        good.rsplit_once('.').unwrap().0.to_owned() + "."
    };
    let garbage = ["", "Bearer ", "Bearer x", "Basic dmVuZG9yOg==", &strange, &unsigned];
    for method in methods() {
        let path = path(&method);
        let mut heard = Vec::new();
        for token in [None].into_iter().chain(garbage.map(Some)) {
            let mut request = Request::new(vec![About::member(things).bytes(&method)]);
            if let Some(token) = token {
                request.metadata_mut().insert("authorization", token.parse().unwrap());
            }
            let status = house.call(&path, request).await.expect_err(&path);
            let expected = (Code::Unauthenticated, "UNAUTHENTICATED".to_owned(), Vec::new());
            assert_eq!(refusal(&status), expected, "{path} with {token:?}");
            heard.push(raw::bytes(&status));
        }
        heard.dedup();
        assert_eq!(heard.len(), 1, "{path} tells what is wrong with a token");
    }
}

/// Asks the same of a business that is another's and of one that there is not.
async fn a_foreign_business_is_none(
    house: &House,
    foreign: &Things,
    bearer: &Bearer,
    surface: i32,
) {
    let nowhere = Things::nowhere();
    for method in of_a_business() {
        let of = |things| About { surface, ..About::member(things) };
        let theirs = ask(house, &method, bearer, &of(foreign)).await.expect_err(method.name());
        let none = ask(house, &method, bearer, &of(&nowhere)).await.expect_err(method.name());
        assert_eq!(raw::bytes(&theirs), raw::bytes(&none), "{}", method.name());
        let expected = match refusal(&theirs).1.as_str() {
            // Not for this kind of caller at all, and then the name is not looked at.
            "RPC_NOT_ALLOWED" => Code::PermissionDenied,
            "NOT_FOUND" => Code::NotFound,
            other => panic!("{}: {other}", method.name()),
        };
        assert_eq!(theirs.code(), expected, "{}", method.name());
    }
}

/// A token names a business, and settings says who is in it: one who left, and one who never was.
async fn strangers_with_a_token_of_the_business(
    house: &House,
    ours: &yinyom_tests::TestBusiness,
    own: &Things,
) {
    let mut owner = ours.owner.clone();
    let left = house.member(ours.id, own.member.clone());
    let member = house.hire(ours.id, &owner, yinyom_proto::types::v1::Role::User, false).await;
    let own = Things { member: member.name.clone(), ..own.clone() };
    let delete = set::DeleteMemberRequest { name: left.name.clone(), ..Default::default() };
    owner.businesses.delete_member(delete).await.unwrap();
    let never = house.tokens.member(ours.id, MemberId::generate());
    for bearer in [&left.bearer, &never] {
        a_foreign_business_is_none(house, &own, bearer, 4).await;
    }
}

/// A foreign id under the own business's name finds what an id of nobody finds.
async fn foreign_things_under_the_own_name(
    house: &House,
    ours: &yinyom_tests::TestBusiness,
    own: &Things,
    foreign: &Things,
) {
    let claimed = foreign.claimed_for(&own.business);
    let absent = Things::absent(&own.business);
    for method in of_a_business() {
        for (bearer, surface) in [(&ours.owner.bearer, 4), (&house.tokens.named("mailer"), 6)] {
            if !about_a_thing(&method) || method.name().starts_with("Record") {
                continue;
            }
            let of = |things| About { surface, ..About::member(things) };
            let theirs = ask(house, &method, bearer, &of(&claimed)).await;
            let none = ask(house, &method, bearer, &of(&absent)).await;
            match (theirs, none) {
                (Err(theirs), Err(none)) => {
                    assert_eq!(raw::bytes(&theirs), raw::bytes(&none), "{}", method.name());
                }
                // What is new has a name of its own; the one in the request is output only.
                (Ok(_), Ok(_)) if method.name().starts_with("Create") => {}
                // Each contact is answered later: `ListBulkSetResults`.
                (Ok(_), Ok(_)) if method.name() == "BulkSetContactConsents" => {}
                (Ok(theirs), Ok(none)) => {
                    let theirs = theirs.iter().map(|it| without(&lasting(&method, it), &claimed));
                    let none = none.iter().map(|it| without(&lasting(&method, it), &absent));
                    assert!(theirs.eq(none), "{} tells them apart", method.name());
                }
                different => panic!("{}: {different:?}", method.name()),
            }
        }
    }
}

/// Whether a request says more than which business.
fn about_a_thing(method: &MethodDescriptor) -> bool {
    let one = Things::absent("businesses/x");
    let other = Things { business: "businesses/x".to_owned(), ..Things::absent("businesses/x") };
    let deterministic = |things| About::member(things).bytes(method);
    deterministic(&one) != deterministic(&other)
}

/// An answer without what is another one each time: sealed tokens, and the time of day.
fn lasting(method: &MethodDescriptor, answer: &[u8]) -> Vec<u8> {
    let mut answer = DynamicMessage::decode(method.output(), answer).unwrap();
    for name in ["resume_token", "cursor"] {
        if answer.descriptor().get_field_by_name(name).is_some() {
            answer.clear_field_by_name(name);
        }
    }
    if let Some(Value::Message(progress)) = answer.get_field_by_name_mut("progress") {
        progress.clear_field_by_name("as_of_time");
    }
    answer.encode_to_vec()
}

/// An answer without the names that were asked for, which are all of one length.
fn without(answer: &[u8], things: &Things) -> Vec<u8> {
    let mut answer = answer.to_vec();
    for name in [&things.contact, &things.lead, &things.account, &things.merge, &things.member] {
        let places: Vec<_> =
            (0..answer.len()).filter(|at| answer[*at..].starts_with(name.as_bytes())).collect();
        for at in places {
            answer[at..at + name.len()].fill(b'-');
        }
    }
    answer
}

/// «operator: never sees contact points», and no consent either.
async fn an_operator_sees_no_customers(house: &House, own: &Things) {
    let vendor = house.tokens.named("vendor");
    for method in of_a_business() {
        let of = method.parent_service().full_name().to_owned();
        // What waits for the ledger is an operator's business; it names nobody.
        if of.starts_with("yinyom.settings.") || of == "yinyom.directory.v1.OutboxService" {
            continue;
        }
        let refused = ask(house, &method, &vendor, &About::member(own)).await;
        let refused = refused.expect_err(method.name());
        let expected = (Code::PermissionDenied, "RPC_NOT_ALLOWED".to_owned(), Vec::new());
        assert_eq!(refusal(&refused), expected, "{of}/{}", method.name());
    }
}

/// The same requests by the owner of those things: were they malformed, everything above would prove nothing.
async fn what_was_asked_is_there(house: &House, owner: &Bearer, things: &Things) {
    // Things are used up on the way: first what leaves them, then what does not.
    let rank = |method: &MethodDescriptor| {
        let verbs = ["Merge", "Undo", "Remove", "Convert", "Delete", "Transfer", "Erase"];
        verbs.iter().position(|verb| method.name().starts_with(verb)).map_or(0, |at| at + 1)
    };
    let mut methods: Vec<_> = of_a_business().collect();
    methods.sort_by_key(rank);
    let refusals = [
        ("GetPolicy", "RPC_NOT_ALLOWED"),
        ("RecordAuditEvents", "RPC_NOT_ALLOWED"),
        ("RecordConsentChanges", "RPC_NOT_ALLOWED"),
        // By `CreateLead`.
        ("DeleteContact", "PRIMARY_CONTACT"),
        ("ReleaseLegalHold", "NOT_FOUND"),
        // By `DeleteMember`.
        ("TransferOwnership", "INVALID_INPUT"),
    ];
    for method in methods {
        let answer = ask(house, &method, owner, &About::member(things)).await;
        let refused = answer.err().map(|status| refusal(&status).1);
        let expected = refusals.iter().find(|(name, _)| *name == method.name());
        assert_eq!(refused.as_deref(), expected.map(|(_, reason)| *reason), "{}", method.name());
    }
}
