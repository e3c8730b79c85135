//! News of a ledger: nothing is left out, nothing is out of order, and nobody hears what is not for them.

use std::sync::Arc;

use consent_manager::commands::{Manager, record};
use consent_manager::domain::{Stream, Submission};
use consent_manager::{Feeds, MIGRATIONS};
use tonic::{Code, Streaming};
use yinyom_consent::{ByChannel, Cause};
use yinyom_identity::{Businesses, Caller, ServiceEntry};
use yinyom_kernel::{BusinessId, Name};
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::types::v1::{Channel, ConsentState};
use yinyom_testkit::{TestDb, both_databases};

use crate::support::*;

type News = Streaming<pb::WatchConsentChangesResponse>;

fn ask(world: &World) -> pb::WatchConsentChangesRequest {
    pb::WatchConsentChangesRequest { parent: world.parent(), ..Default::default() }
}

/// A watch that has begun, and its first cursor.
async fn watch(world: &World, ask: pb::WatchConsentChangesRequest) -> (News, String) {
    let mut news = world.watches().watch_consent_changes(ask).await.unwrap().into_inner();
    let first = news.message().await.unwrap().unwrap();
    assert!(first.entries.is_empty());
    (news, first.cursor)
}

/// The next change, and where to go on after it.
async fn heard(news: &mut News) -> (Vec<i64>, String) {
    let message = news.message().await.unwrap().unwrap();
    (message.entries.iter().map(|entry| entry.ledger_index).collect(), message.cursor)
}

async fn a_change_is_heard_when_it_is_taken(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Granted)]).await;
    let (mut news, _) = watch(&world, ask(&world)).await;
    world.take(vec![contact.phone(world.now(), Denied)]).await;
    let message = news.message().await.unwrap().unwrap();
    let [entry] = &message.entries[..] else { panic!("one change: {message:?}") };
    assert_eq!((entry.ledger_index, &entry.contact), (1, &contact.name()));
    assert_eq!(entry.channels[0].to_state(), ConsentState::Denied);
}

async fn whoever_comes_again_hears_everything_from_the_cursor_on_in_order(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), NotSet, NotSet)]).await;
    let ask = pb::WatchConsentChangesRequest { from_start: true, ..ask(&world) };
    let (mut news, mut cursor) = watch(&world, ask.clone()).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        // One is taken while the watch runs, one while nobody watches.
        world.take(vec![contact.phone(world.now(), Granted)]).await;
        let indexes;
        (indexes, cursor) = heard(&mut news).await;
        all.extend(indexes);
        drop(news);
        world.take(vec![contact.phone(world.now(), Denied)]).await;
        let again = pb::WatchConsentChangesRequest { cursor, from_start: false, ..ask.clone() };
        (news, cursor) = watch(&world, again).await;
    }
    while all.len() < 17 {
        all.extend(heard(&mut news).await.0);
    }
    assert_eq!(all, (0..17).collect::<Vec<_>>(), "{cursor}");
}

async fn a_cursor_that_was_dealt_with_is_not_repeated_and_one_that_was_not_is(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    let (mut news, begin) = watch(&world, ask(&world)).await;
    world.take(vec![contact.created(world.now(), NotSet, NotSet)]).await;
    let (first, after_first) = heard(&mut news).await;
    world.take(vec![contact.phone(world.now(), Granted)]).await;
    for (cursor, expected) in [(begin, vec![0, 1]), (after_first, vec![1])] {
        let again = pb::WatchConsentChangesRequest { cursor, ..ask(&world) };
        let (mut news, _) = watch(&world, again).await;
        assert_eq!(heard(&mut news).await.0, expected);
    }
    assert_eq!(first, [0]);
}

async fn what_another_replica_takes_is_heard(db: TestDb) {
    let world = World::new(db).await;
    let (mut news, _) = watch(&world, ask(&world)).await;
    let other = Manager {
        db: world.db.handle(),
        policies: world.policies.clone(),
        notary: world.notary.clone(),
        masters: MasterKeys::new(MasterKey::generate(), Vec::new()).into(),
        clock: world.clock.clone(),
        feeds: Feeds::default(),
    };
    // Through a replica that tells the watched one nothing.
    let mut contact = Contact::new(world.business);
    let to = ByChannel { phone: To::State(Denied), email: To::State(Denied) };
    let change = contact.change(world.now(), Cause::Created, to, None);
    let submission = Submission {
        place: 0,
        leaf_hash: change.leaf_hash(),
        sealed_evidence: None,
        subject_key: None,
        change,
    };
    let (name, contact) = (contact.name(), Some(contact.id));
    let stream = Stream { name, contact, changes: Ok(vec![submission]) };
    let relay = Caller::Service(Arc::new(ServiceEntry {
        name: "contact-directory".to_owned(),
        businesses: Businesses::All,
        rpcs: vec!["*".to_owned()],
        scopes: std::iter::empty().collect(),
        spiffe_ids: None,
    }));
    record(&other, &relay, world.business, vec![stream]).await.unwrap();
    assert_eq!(heard(&mut news).await.0, [0]);
}

async fn only_what_is_wanted_is_heard(db: TestDb) {
    let world = World::new(db).await;
    let wanted = pb::WatchConsentChangesRequest {
        channel: Channel::Phone.into(),
        state: ConsentState::Denied.into(),
        ..ask(&world)
    };
    let (mut news, _) = watch(&world, wanted).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    world.take(vec![contact.phone(world.now(), NotSet)]).await;
    world.take(vec![contact.phone(world.now(), Denied)]).await;
    assert_eq!(heard(&mut news).await.0, [2]);
}

async fn whoever_may_no_longer_read_the_ledger_hears_no_more(db: TestDb) {
    let world = World::new(db).await;
    let (mut news, _) = watch(&world, ask(&world)).await;
    world.settings.change(world.business, |policy| {
        policy.members.get_mut(&world.members.officer).unwrap().protection_officer = false;
    });
    world.policies.renew().await.unwrap();
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    let ended = news.message().await.unwrap_err();
    let expected = (Code::PermissionDenied, "LEDGER_READERS_ONLY".to_owned());
    assert_eq!(refusal(&ended), expected);
}

async fn a_cursor_is_good_for_its_own_question_and_its_own_history(db: TestDb) {
    let world = World::new(db).await;
    let mut contact = Contact::new(world.business);
    world.take(vec![contact.created(world.now(), Granted, Denied)]).await;
    let (_news, cursor) = watch(&world, ask(&world)).await;
    let refused =
        async |ask| refusal(&world.watches().watch_consent_changes(ask).await.unwrap_err());
    let own = pb::WatchConsentChangesRequest { cursor: cursor.clone(), ..ask(&world) };
    let other = pb::WatchConsentChangesRequest { channel: Channel::Email.into(), ..own.clone() };
    let (code, _) = refused(other).await;
    assert_eq!(code, Code::InvalidArgument);
    let both = pb::WatchConsentChangesRequest { from_start: true, ..own.clone() };
    assert_eq!(refused(both).await, (Code::InvalidArgument, "INVALID_INPUT".to_owned()));
    let foreign = pb::WatchConsentChangesRequest {
        parent: Name::format_business(BusinessId::generate()),
        ..Default::default()
    };
    assert_eq!(refused(foreign).await.0, Code::NotFound);
    assert!(world.watches().watch_consent_changes(own.clone()).await.is_ok());
    // A ledger that was restored from a backup and has gone another way since.
    world.sql("DELETE FROM ledger WHERE business_id = $1").await;
    let (code, reason) = refused(own).await;
    assert_eq!((code, &reason[..]), (Code::InvalidArgument, "INVALID_INPUT"));
}

async fn one_business_does_not_take_all_watches(db: TestDb) {
    let world = World::new(db).await;
    let most = yinyom_rpc::CallLimits::default().watches / 4;
    let mut all = Vec::new();
    for _ in 0..most {
        all.push(watch(&world, ask(&world)).await);
    }
    let refused = world.watches().watch_consent_changes(ask(&world)).await.unwrap_err();
    let expected = (Code::ResourceExhausted, "TOO_MANY_WATCHES".to_owned());
    assert_eq!(refusal(&refused), expected);
}

async fn a_server_that_stops_ends_its_watches_at_once(db: TestDb) {
    let world = World::new(db).await;
    let (mut news, _) = watch(&world, ask(&world)).await;
    world.stop();
    assert_eq!(news.message().await.unwrap_err().code(), Code::Unavailable);
}

both_databases!(MIGRATIONS =>
    a_change_is_heard_when_it_is_taken,
    whoever_comes_again_hears_everything_from_the_cursor_on_in_order,
    a_cursor_that_was_dealt_with_is_not_repeated_and_one_that_was_not_is,
    what_another_replica_takes_is_heard,
    only_what_is_wanted_is_heard,
    whoever_may_no_longer_read_the_ledger_hears_no_more,
    a_cursor_is_good_for_its_own_question_and_its_own_history,
    one_business_does_not_take_all_watches,
    a_server_that_stops_ends_its_watches_at_once,
);
