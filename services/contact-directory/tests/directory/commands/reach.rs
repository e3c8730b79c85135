//! Whom a campaign may reach: each once, nobody who has said no by then, and only told to those who see addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::reach::{Question, Reach, Reached};
use contact_directory::commands::{Asked, Directory, Error};
use futures::FutureExt;
use yinyom_consent::Channel;
use yinyom_db::{Db, DbConfig};
use yinyom_identity::{Caller, ServiceScope};
use yinyom_kernel::{Code, ContactId};
use yinyom_policy::SharedAddressPolicy;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, TWO, create, delete, grant_for, points, say,
    saying, set, update, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    those_who_said_yes_come_once_by_id,
    the_shared_address_policy_is_heeded,
    who_may_not_rest_on_hidden_addresses_is_told_nothing,
    a_right_that_is_gone_ends_it,
    a_refusal_that_commits_before_the_message_is_sent_is_respected,
    who_could_be_reached_all_along_is_in_it_whatever_changes,
    it_is_taken_up_again_where_it_was,
    addresses_come_with_those_of_the_channel_alone,
    so_many_streams_and_no_more,
);

const HIDDEN: (Code, &str) = (Code::PermissionDenied, "HIDDEN_ADDRESSES");
const METHOD: &str = "/yinyom.directory.v1.ReachService/StreamReachable";

async fn open(
    house: &House,
    at: &Directory,
    by: &Caller,
    channel: Channel,
    with_addresses: bool,
    after: Option<ContactId>,
) -> Result<Reach, Error> {
    let question = Question { business: house.business, channel, with_addresses };
    Ok(Reach::open(at, by, question, after, 8).await?.in_stretches_of(2))
}

async fn next(reach: &mut Reach, by: &Caller) -> Result<Option<Reached>, Error> {
    reach.next(Asked { caller: by, method: METHOD, call_id: "call" }).await
}

async fn rest(reach: &mut Reach, by: &Caller) -> Vec<ContactId> {
    let mut all = Vec::new();
    while let Some(reached) = next(reach, by).await.unwrap() {
        all.extend(reached.contacts);
    }
    all
}

async fn reachable(house: &House, by: &Caller, channel: Channel) -> Result<Vec<ContactId>, Error> {
    let mut reach = open(house, &house.directory, by, channel, false, None).await?;
    Ok(rest(&mut reach, by).await)
}

/// Contacts that said yes to calls, by id.
async fn granted(house: &House, number: usize) -> Vec<ContactId> {
    let mut all = Vec::new();
    for i in 0..number {
        let phone = format!("08123450{i:02}");
        all.push(saying(house, &[&phone], &[(PHONE, GRANTED)]).await.id);
    }
    all.sort_unstable();
    all
}

async fn those_who_said_yes_come_once_by_id(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut yes = granted(&house, 5).await;
    saying(&house, &[ONE], &[(PHONE, DENIED)]).await;
    saying(&house, &[TWO], &[(PHONE, NOT_SET)]).await;
    saying(&house, &[MAIL], &[(PHONE, GRANTED)]).await;
    let ending = create(&house, "E", &["0899999999"]).await.id;
    grant_for(&house, ending, PHONE, Duration::from_mins(1)).await;
    yes.push(ending);
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), yes);
    house.pass(Duration::from_mins(1)).await;
    yes.pop();
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), yes, "it ran out");
    assert_eq!(reachable(&house, &house.owner, EMAIL).await.unwrap(), []);
    let neighbour = house.neighbour().await;
    let (business, member) = (
        neighbour.business(),
        match &neighbour.actor {
            yinyom_consent::Actor::Member { member, .. } => *member,
            yinyom_consent::Actor::Service { .. } => panic!("a member"),
        },
    );
    let stranger = Caller::Member { business, member };
    let absent = open(&house, &house.directory, &stranger, PHONE, false, None).await;
    assert_eq!(why(absent.map(drop)), (Code::NotFound, "NOT_FOUND"));
}

async fn the_shared_address_policy_is_heeded(db: TestDb) {
    let house = House::on(db.handle()).await;
    let yes = saying(&house, &[ONE], &[(PHONE, GRANTED)]).await.id;
    let alone = saying(&house, &[TWO], &[(PHONE, GRANTED)]).await.id;
    let no = saying(&house, &["+66812345671"], &[(PHONE, DENIED)]).await.id;
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), [yes, alone]);
    house
        .rule(|policy| policy.rules.shared_address_policy = SharedAddressPolicy::MostRestrictive)
        .await;
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), [alone]);
    set(&house, &house.owner, no, &[(PHONE, NOT_SET)]).await.unwrap();
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), [yes, alone]);
    // The policy changes between two messages.
    set(&house, &house.owner, no, &[(PHONE, DENIED)]).await.unwrap();
    house.rule(|policy| policy.rules.shared_address_policy = SharedAddressPolicy::RecordOnly).await;
    let mut reach = open(&house, &house.directory, &house.owner, PHONE, false, None).await.unwrap();
    house
        .rule(|policy| policy.rules.shared_address_policy = SharedAddressPolicy::MostRestrictive)
        .await;
    assert_eq!(rest(&mut reach, &house.owner).await, [alone]);
}

async fn who_may_not_rest_on_hidden_addresses_is_told_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    let yes = granted(&house, 1).await;
    let scoped = House::service(&[ServiceScope::AddressesRead]);
    for by in [&house.owner, &house.admin, &house.listed, &scoped] {
        assert_eq!(reachable(&house, by, PHONE).await.unwrap(), yes);
    }
    for by in [&house.user, &House::service(&[])] {
        assert_eq!(why(reachable(&house, by, PHONE).await), HIDDEN);
    }
    house.rule(|policy| policy.rules.enforcement = false).await;
    assert_eq!(reachable(&house, &house.user, PHONE).await.unwrap(), yes);
    assert_eq!(why(reachable(&house, &House::service(&[]), PHONE).await), HIDDEN);
    house.lapse();
    let unknown = (Code::Unavailable, "POLICY_UNAVAILABLE");
    assert_eq!(why(reachable(&house, &house.owner, PHONE).await), unknown);
}

async fn a_right_that_is_gone_ends_it(db: TestDb) {
    let house = House::on(db.handle()).await;
    granted(&house, 6).await;
    let listed = house.listed.member().unwrap();
    let mut reach = open(&house, &house.directory, &house.listed, PHONE, true, None).await.unwrap();
    assert_eq!(next(&mut reach, &house.listed).await.unwrap().unwrap().contacts.len(), 2);
    house.rule(|policy| policy.members.get_mut(&listed).unwrap().listed = false).await;
    assert_eq!(why(next(&mut reach, &house.listed).await.map(drop)), HIDDEN);
    house.rule(|policy| policy.members.get_mut(&listed).unwrap().listed = true).await;
    assert_eq!(next(&mut reach, &house.listed).await.unwrap().unwrap().contacts.len(), 2);
    house.remove(&house.listed).await;
    let gone = (Code::NotFound, "NOT_FOUND");
    assert_eq!(why(next(&mut reach, &house.listed).await.map(drop)), gone);
    let mut reach = open(&house, &house.directory, &house.owner, PHONE, false, None).await.unwrap();
    house.lapse();
    let unknown = (Code::Unavailable, "POLICY_UNAVAILABLE");
    assert_eq!(why(next(&mut reach, &house.owner).await.map(drop)), unknown);
}

/// At each read of a message in its turn the customer says no right before it; the last one is what counts.
async fn a_refusal_that_commits_before_the_message_is_sent_is_respected(db: TestDb) {
    for with_addresses in [false, true] {
        for at in 1..=5 {
            let house = House::on(db.handle()).await;
            let house = Arc::new(house);
            let yes = granted(&house, 2).await;
            let reads = Arc::new(AtomicUsize::new(0));
            let (ours, said, no) = (Arc::clone(&house), Arc::clone(&reads), yes[0]);
            let gate: yinyom_db::Gate = Arc::new(move || {
                let (ours, said) = (Arc::clone(&ours), Arc::clone(&said));
                async move {
                    if said.fetch_add(1, Ordering::SeqCst) + 1 == at {
                        let heard = word(no, withdrawal(&[PHONE]));
                        say(&ours, &ours.owner, heard).await.unwrap();
                    }
                    Box::new(()) as yinyom_db::Pass
                }
                .boxed()
            });
            let config = DbConfig { gate: Some(gate), ..db.config().clone() };
            let watched = Db::connect(&config, &MIGRATIONS).await.unwrap();
            let directory = house.replica(watched);
            // Its keys, and whatever else is read once.
            let mut warm =
                open(&house, &directory, &house.owner, PHONE, with_addresses, None).await.unwrap();
            reads.store(100, Ordering::SeqCst);
            next(&mut warm, &house.owner).await.unwrap();
            let mut reach =
                open(&house, &directory, &house.owner, PHONE, with_addresses, None).await.unwrap();
            reads.store(0, Ordering::SeqCst);
            let told = next(&mut reach, &house.owner).await.unwrap().unwrap();
            let read = reads.load(Ordering::SeqCst);
            // One more if somebody who has just refused is noted as seen.
            let reads = if with_addresses { 4..=5 } else { 2..=2 };
            assert!(reads.contains(&read), "the last one is among these: {read}");
            let expected = if at <= read { &yes[1..] } else { &yes[..] };
            assert_eq!(told.contacts, expected, "{with_addresses} {at}");
            if let Some(seen) = told.seen {
                let shown: Vec<_> = seen.what().iter().map(|contact| contact.id).collect();
                assert_eq!(shown, expected, "{at}");
            }
        }
    }
}

async fn who_could_be_reached_all_along_is_in_it_whatever_changes(db: TestDb) {
    let house = House::on(db.handle()).await;
    let all = granted(&house, 14).await;
    let mut reach = open(&house, &house.directory, &house.owner, PHONE, false, None).await.unwrap();
    let (mut told, mut gone, mut round) = (Vec::new(), Vec::new(), 0);
    while let Some(reached) = next(&mut reach, &house.owner).await.unwrap() {
        told.extend(reached.contacts);
        // Some before the place where it is, some after it; some come, some go.
        let (before, after) = (all[round % 3], all[13 - round % 4]);
        for contact in [before, after] {
            let said = if round % 2 == 0 { DENIED } else { GRANTED };
            if set(&house, &house.owner, contact, &[(PHONE, said)]).await.is_ok() {
                gone.push(contact);
            }
        }
        let leaves = all[5 + round % 2];
        if delete(&house, &house.owner, leaves).await.is_ok() {
            gone.push(leaves);
        }
        saying(&house, &[&format!("08999990{round:02}")], &[(PHONE, GRANTED)]).await;
        round += 1;
        assert!(round < 40, "it ends though somebody comes each time");
        if round == 8 {
            break;
        }
    }
    told.extend(rest(&mut reach, &house.owner).await);
    let mut once = told.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once, told, "by id, and nobody twice");
    for contact in all.iter().filter(|contact| !gone.contains(contact)) {
        assert!(told.contains(contact), "one who could be reached all along");
    }
}

async fn it_is_taken_up_again_where_it_was(db: TestDb) {
    let house = House::on(db.handle()).await;
    let all = granted(&house, 7).await;
    let mut reach = open(&house, &house.directory, &house.owner, PHONE, false, None).await.unwrap();
    let first = next(&mut reach, &house.owner).await.unwrap().unwrap();
    drop(reach);
    let after = Some(first.after);
    let mut again =
        open(&house, &house.directory, &house.owner, PHONE, false, after).await.unwrap();
    let told = [first.contacts, rest(&mut again, &house.owner).await].concat();
    assert_eq!(told, all);
    assert!(next(&mut again, &house.owner).await.unwrap().is_none(), "it has ended");
}

async fn addresses_come_with_those_of_the_channel_alone(db: TestDb) {
    let house = House::on(db.handle()).await;
    let both = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, DENIED)]).await;
    let mut reach = open(&house, &house.directory, &house.owner, PHONE, true, None).await.unwrap();
    let told = next(&mut reach, &house.owner).await.unwrap().unwrap();
    let seen = told.seen.unwrap();
    assert_eq!(seen.what().len(), 1);
    let shown: Vec<_> =
        seen.what()[0].points.iter().map(|p| p.address.canonical().expose()).collect();
    assert_eq!(shown, ["+66812345671"], "nothing of the other channel, which was refused");
    // A new number has nobody's consent.
    update(&house, &house.owner, both.id, points(&[(None, TWO)])).await.unwrap();
    assert_eq!(reachable(&house, &house.owner, PHONE).await.unwrap(), []);
}

async fn so_many_streams_and_no_more(db: TestDb) {
    let house = House::on(db.handle()).await;
    let open = || open(&house, &house.directory, &house.owner, PHONE, false, None);
    // Of eight, a quarter for one business.
    let (one, _other) = (open().await.unwrap(), open().await.unwrap());
    let full = (Code::ResourceExhausted, "TOO_MANY_STREAMS");
    assert_eq!(why(open().await.map(drop)), full);
    drop(one);
    assert!(open().await.is_ok(), "who has gone away costs nothing");
}
