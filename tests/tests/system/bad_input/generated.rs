//! Rules that every method with such a field keeps, asked of each that the descriptors have.

use prost::Message;
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, ReflectMessage, Value};
use tonic::{Code, Status};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1 as types;
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::{Person, Things, refusal};

use crate::bad_input::World;
use crate::bad_input::edge::caller;

const TOO_MANY: usize = 10_001;

async fn send(
    world: &World,
    method: &MethodDescriptor,
    who: &Person,
    request: &DynamicMessage,
) -> Result<Vec<Vec<u8>>, Status> {
    world.house.call(&path(method), who.bearer.request(vec![request.encode_to_vec()])).await
}

/// Every list that a request may have, with 10,001 items that are each right.
pub async fn ten_thousand_and_one(world: &World) {
    let mut lists = Vec::new();
    for method in methods() {
        let full = About::member(&world.own).request(&method);
        for field in full.descriptor().fields().filter(prost_reflect::FieldDescriptor::is_list) {
            let mut request = full.clone();
            let Value::List(items) = full.get_field(&field).into_owned() else { panic!("a list") };
            // Of what goes along with something else nothing is said by itself.
            let Some(item) = items.first() else { continue };
            request.set_field(&field, Value::List(vec![item.clone(); TOO_MANY]));
            let who = caller(world, method.name());
            let status = send(world, &method, &who, &request).await.expect_err(method.name());
            let (code, reason, fields) = refusal(&status);
            assert_eq!((code, &*reason), (Code::InvalidArgument, "INVALID_INPUT"));
            let expected = (field.name().to_owned(), "TOO_MANY".to_owned());
            assert!(fields.contains(&expected), "{}: {fields:?}", method.name());
            lists.push(method.name().to_owned());
        }
    }
    assert_eq!(lists.len(), 19, "a new list is refused here, too: {lists:?}");
}

/// A token is good for the same question by the same caller, and for nothing else.
pub async fn page_tokens(world: &World) {
    enough_for_two_pages(world).await;
    let mut pages = Vec::new();
    for method in methods() {
        let Some(first) = first_page(world, &method) else { continue };
        let who = caller(world, method.name());
        let answer = send(world, &method, &who, &first).await.unwrap();
        let answer = DynamicMessage::decode(method.output(), answer[0].as_slice()).unwrap();
        let token = answer.get_field_by_name("next_page_token").unwrap();
        let token = token.as_str().unwrap().to_owned();
        assert!(!token.is_empty(), "{} has one page only", method.name());
        pages.push((method, who, first, token));
    }
    assert_eq!(pages.len(), 24);
    for (i, (method, who, first, token)) in pages.iter().enumerate() {
        let with = |request: &DynamicMessage, token: &str| {
            let mut request = request.clone();
            request.set_field_by_name("page_token", Value::String(token.to_owned()));
            request
        };
        let mut larger = with(first, token);
        larger.set_field_by_name("page_size", Value::I32(7));
        send(world, method, who, &larger).await.expect("the same question, a larger page");

        let mut wrong = vec![
            ("garbage", who, with(first, "kanari")),
            ("not of the alphabet", who, with(first, "ก=+/")),
            ("changed", who, with(first, &changed(token))),
            ("cut", who, with(first, &token[..token.len() - 1])),
            ("long", who, with(first, &"A".repeat(100_000))),
        ];
        for (other, ..) in
            pages.iter().map(|(of, _, _, token)| (token, of)).filter(|(t, _)| *t != token)
        {
            wrong.push(("another method's", who, with(first, other)));
        }
        let admin = world.ours.admin.clone();
        if method.name() != "ListBusinesses" {
            wrong.push(("another viewer's", &admin, with(first, token)));
            let theirs = About::member(&world.foreign).request(method);
            wrong.push(("another business's", &world.theirs.owner, with(&theirs, token)));
        }
        if let Some(other) = another_question(world, method, first) {
            wrong.push(("another question's", who, with(&other, token)));
        }
        for (what, who, request) in wrong {
            let status = send(world, method, who, &request).await.expect_err(what);
            let expected = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned(), Vec::new());
            assert_eq!(refusal(&status), expected, "{} {what} ({i})", method.name());
        }
    }
}

/// Another lead, account, member on the viewer list; the primary contact is on both leads and both accounts.
async fn enough_for_two_pages(world: &World) {
    let more = Things::make(&world.house, &world.ours).await;
    let viewers = yinyom_proto::settings::v1::AddViewersRequest {
        parent: world.own.business.clone(),
        members: vec![more.member.clone()],
        ..Default::default()
    };
    world.ours.owner.settings.clone().add_viewers(viewers).await.unwrap();
    for channel in [1, 2] {
        let words = [(channel.try_into().unwrap(), yinyom_proto::types::v1::ConsentState::Granted)];
        let said = yinyom_tests::assign(&world.own.contact, &words);
        world.ours.owner.consents.clone().set_contact_consents(said).await.unwrap();
    }
    // Who sees a refused phone by privilege is on record.
    let refused = types::Channel::Phone;
    world.ours.say(&world.own.primary, refused, types::ConsentState::Denied).await;
    let (mut owner, name) = (world.ours.owner.clone(), world.own.primary.clone());
    let asked = man::ListRevealsRequest {
        parent: world.own.business.clone(),
        contact: name.clone(),
        ..Default::default()
    };
    for _ in 0..2 {
        owner.contacts.get_contact(dir::GetContactRequest { name: name.clone() }).await.unwrap();
    }
    let mut audit = owner.audit;
    let recorded = yinyom_tests::eventually(
        async || audit.list_reveals(asked.clone()).await.unwrap().into_inner().reveals.len(),
        |reveals| *reveals >= 2,
    );
    recorded.await;
    what_is_kept_of_persons(world).await;
    // The pages of the ledger need what was just done.
    crate::bad_input::stored::Stored::read(world).await;
}

/// Two legal holds, two refused requests, two erasures; addresses that are shared; and changes by two people.
async fn what_is_kept_of_persons(world: &World) {
    for number in ["+66811110001", "+66811110002"] {
        let shared = [&[number][..], &["shared@example.co.th"][..]];
        for _ in 0..2 {
            world.ours.contact(shared[0], shared[1]).await;
        }
        let gone = world.ours.contact(&[], &[]).await.name;
        let about = Things { contact: gone, ..world.own.clone() };
        // The ledger must have heard of them.
        crate::bad_input::stored::Stored::read(world).await;
        for name in ["SetLegalHold", "RecordRefusedRequest", "EraseSubject"] {
            let method = methods().into_iter().find(|method| method.name() == name).unwrap();
            let request = About::member(&about).request(&method);
            send(world, &method, &world.ours.owner, &request).await.expect(name);
        }
    }
    let words = yinyom_tests::assign(
        &world.own.contact,
        &[(types::Channel::Email, types::ConsentState::Denied)],
    );
    world.ours.admin.consents.clone().set_contact_consents(words).await.unwrap();
}

/// The first of pages with one item each, without a filter.
fn first_page(world: &World, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let mut request = About::member(&world.own).request(method);
    request.descriptor().get_field_by_name("page_token")?;
    request.set_field_by_name("page_size", Value::I32(1));
    request.clear_field_by_name("actor");
    request.clear_field_by_name("member");
    let of_all = ["ListReveals", "ListLegalHolds", "ListRefusedRequests", "ListMerges"];
    if method.name().starts_with("Search") || of_all.contains(&method.name()) {
        request.clear_field_by_name("contact");
    }
    Some(request)
}

fn another_question(
    world: &World,
    method: &MethodDescriptor,
    first: &DynamicMessage,
) -> Option<DynamicMessage> {
    let mut other = first.clone();
    let has = |name: &str| first.descriptor().get_field_by_name(name).is_some();
    if has("order_by") {
        other.set_field_by_name("order_by", Value::String("create_time".to_owned()));
    } else if has("filter") {
        other.set_field_by_name("filter", Value::String("done=true".to_owned()));
    } else if has("only_refused") {
        other.set_field_by_name("only_refused", Value::Bool(true));
    } else if has("channel") {
        other.set_field_by_name("channel", Value::EnumNumber(1));
    } else if has("contact") {
        other.set_field_by_name("contact", Value::String(world.own.primary.clone()));
    } else if has("member") {
        other.set_field_by_name("member", Value::String(world.own.member.clone()));
    } else if method.name().ends_with("Contacts") {
        let absent = Things::absent(&world.own.business);
        other = About::member(&absent).request(method);
    } else {
        return None;
    }
    Some(other)
}

fn changed(token: &str) -> String {
    let middle = token.len() / 2;
    let other = if &token[middle..=middle] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..middle], &token[middle + 1..])
}

/// An etag that is not the current one, in every request that has a place for one.
pub async fn stale_etags(world: &World) {
    let mut asked = Vec::new();
    for method in methods() {
        for etag in ["\"999999\"", "kanari", "1", "*", "\"\""] {
            let mut request = About::member(&world.own).request(&method);
            if !put_etag(&mut request, etag) || method.name().starts_with("Create") {
                continue;
            }
            let who = caller(world, method.name());
            let status = send(world, &method, &who, &request).await.expect_err(method.name());
            let expected = (Code::Aborted, "ETAG_MISMATCH".to_owned(), Vec::new());
            assert_eq!(refusal(&status), expected, "{} {etag}", method.name());
            asked.push(method.name().to_owned());
        }
    }
    asked.dedup();
    assert_eq!(asked.len(), 13, "{asked:?}");
}

/// Puts it where the request, or the resource in it, has one.
fn put_etag(request: &mut DynamicMessage, etag: &str) -> bool {
    for field in request.descriptor().fields().collect::<Vec<_>>() {
        match field.kind() {
            Kind::String if field.name() == "etag" => {
                request.set_field(&field, Value::String(etag.to_owned()));
                return true;
            }
            Kind::Message(of) if of.get_field_by_name("etag").is_some() && !field.is_list() => {
                if let Value::Message(inner) = request.get_field_mut(&field) {
                    return put_etag(inner, etag);
                }
            }
            _ => {}
        }
    }
    false
}
