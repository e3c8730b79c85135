//! Settings is down: the directory serves on, and only ever hides more. When settings is back everything is as before,
//! and nobody has restarted anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use yinyom_kernel::ManualClock;
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Person, assign, eventually, reason};

use crate::World;
use crate::probe::{Asker, Heard, Probe, READS, shows};
use crate::right::Right;

impl World {
    async fn lose_settings(&mut self) {
        for settings in &mut self.house.of_settings {
            settings.stop().await;
        }
    }

    /// The leases run out, those of the dead too, and nobody renews one.
    fn lapse(&self, clock: &ManualClock) {
        clock.advance(Duration::from_secs(10));
        assert!(self.house.directories.iter().all(|directory| !directory.policies().is_live()));
    }

    async fn find_settings(&mut self) {
        for settings in &mut self.house.of_settings {
            settings.start().await;
        }
        for directory in &self.house.directories {
            directory.policies().ready().await;
        }
    }
}

async fn get(person: &Person, contact: &str) -> dir::Contact {
    let request = dir::GetContactRequest { name: contact.to_owned() };
    let answer = person.contacts.clone().get_contact(request).await;
    answer.expect("it goes on answering").into_inner().contact.unwrap()
}

async fn withdraw(person: &Person, contact: &str) -> dir::ContactConsents {
    let request = dir::WithdrawConsentRequest {
        contact: contact.to_owned(),
        channels: vec![Channel::Phone.into(), Channel::Email.into()],
        surface: Surface::Contacts.into(),
        ..Default::default()
    };
    let answer = person.consents.clone().withdraw_consent(request).await;
    answer.expect("a refusal is always taken").into_inner().contact_consents.unwrap()
}

/// Asks all the time, counts the answers, sees that each question is answered.
struct Crowd {
    asking: JoinSet<()>,
    stop: CancellationToken,
    answered: Arc<AtomicU64>,
}

impl Crowd {
    /// The owner, a listed user, and two who must be shown nothing at any moment: the user, and one who was just
    /// taken off the list.
    fn ask(world: &World, off_the_list: &Person) -> Self {
        let (mut asking, stop) = (JoinSet::new(), CancellationToken::new());
        let answered = Arc::new(AtomicU64::new(0));
        let business = &world.business;
        for directory in 0..world.house.directories.len() {
            for (person, sees) in [
                (&business.owner, true),
                (&business.listed, true),
                (&business.user, false),
                (off_the_list, false),
            ] {
                let mut asker = Asker::new(world, person, directory, &world.denied);
                let (answered, stop) = (Arc::clone(&answered), stop.clone());
                let name = person.name.clone();
                asking.spawn(async move {
                    while !stop.is_cancelled() {
                        for probe in READS {
                            match asker.ask(probe).await {
                                Heard::Hidden => {}
                                Heard::Revealed => {
                                    assert!(sees, "{probe:?} shows {name} a refused number");
                                }
                                Heard::Refused(code, why) => {
                                    panic!("{probe:?} of {name} is not answered: {code:?} {why}")
                                }
                            }
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        }
        Self { asking, stop, answered }
    }

    /// Until that many more questions are answered.
    async fn answers(&self, many: u64) {
        let goal = self.answered.load(Ordering::Relaxed) + many;
        eventually(async || self.answered.load(Ordering::Relaxed), |answered| *answered >= goal)
            .await;
    }

    async fn end(mut self) -> u64 {
        self.stop.cancel();
        while let Some(ended) = self.asking.join_next().await {
            ended.unwrap();
        }
        self.answered.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_serves_without_settings_and_hides_more() {
    let (mut world, clock) = World::standing_still().await;
    let (house, business) = (&world.house, &world.business);
    let off = house.hire(business.id, &business.owner, yinyom_proto::types::v1::Role::Admin, false);
    let off = off.await;
    for person in [&business.listed, &off] {
        for directory in 0..3 {
            let mut asker = Asker::new(&world, person, directory, &world.denied);
            let settled =
                eventually(async || asker.ask(Probe::Get).await, |heard| *heard == Heard::Revealed);
            settled.await;
        }
    }
    demote(&business.owner, &off).await;

    let crowd = Crowd::ask(&world, &off);
    crowd.answers(100).await;
    world.lose_settings().await;
    world.lapse(&clock);
    without_settings(&world).await;
    crowd.answers(100).await;
    world.find_settings().await;
    crowd.answers(100).await;
    let answered = crowd.end().await;
    println!("{answered} reads, all answered, none with what its reader may not see");
    everything_is_back(&world).await;
    world.house.close().await;
}

async fn demote(by: &Person, who: &Person) {
    let request = yinyom_proto::settings::v1::UpdateMemberRequest {
        member: Some(yinyom_proto::settings::v1::Member {
            name: who.name.clone(),
            role: yinyom_proto::types::v1::Role::User.into(),
            ..Default::default()
        }),
        update_mask: Some(yinyom_tests::mask(&["role"])),
        ..Default::default()
    };
    by.businesses.clone().update_member(request).await.unwrap();
}

/// What an outage means for everybody, on each directory.
async fn without_settings(world: &World) {
    let business = &world.business;
    for (who, person) in business.people() {
        for person in world.everywhere(&person) {
            for contact in [&world.denied, &world.unasked] {
                let contact = get(&person, contact).await;
                assert!(!shows(&contact), "{who}");
                let unavailable = dir::VisibilityReason::PolicyUnavailable;
                assert!(contact.phones.iter().all(|point| point.reason() == unavailable));
            }
            assert!(shows(&get(&person, &world.granted).await), "{who} is a known member");
            let contact = business_contact(world, &person).await;
            let consents = withdraw(&person, &contact).await;
            assert!(consents.consents.iter().all(|c| c.state() == ConsentState::Denied));
            let yes = assign(&contact, &[(Channel::Phone, ConsentState::Granted)]);
            let lifted = person.consents.clone().set_contact_consents(yes).await;
            assert_eq!(reason(lifted), "POLICY_UNAVAILABLE", "{who}");
        }
        for directory in 0..3 {
            let mut asker = Asker::new(world, &person, directory, &world.denied);
            let unavailable = (Code::Unavailable, "POLICY_UNAVAILABLE".to_owned());
            for probe in [Probe::Check, Probe::Import, Probe::Ledger] {
                let Heard::Refused(code, why) = asker.ask(probe).await else { panic!("{probe:?}") };
                assert_eq!((code, why), unavailable, "{probe:?} of {who}");
            }
        }
        let parent = business.name.clone();
        for person in world.everywhere(&person) {
            let request = dir::GetOutboxStatusRequest { parent: parent.clone() };
            let status = person.outbox.clone().get_outbox_status(request).await;
            assert_eq!(reason(status), "POLICY_UNAVAILABLE", "{who}");
        }
    }
    // A service has its rights from its token.
    let mailer = world.at(&world.house.named("mailer"), 1);
    assert!(shows(&get(&mailer, &world.denied).await));
    let dashboard = world.at(&world.house.named("dashboard"), 1);
    assert!(!shows(&get(&dashboard, &world.granted).await));
}

/// A new contact of whoever asks: making one needs no role.
async fn business_contact(world: &World, person: &Person) -> String {
    let request = dir::CreateContactRequest {
        parent: world.business.name.clone(),
        contact: Some(dir::Contact { first_name: "ใหม่".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let created = person.contacts.clone().create_contact(request).await.unwrap();
    created.into_inner().contact.unwrap().name
}

/// As before, on each directory.
async fn everything_is_back(world: &World) {
    for directory in 0..3 {
        for person in [&world.business.listed, &world.business.owner] {
            let mut asker = Asker::new(world, person, directory, &world.denied);
            for probe in READS.into_iter().chain([Probe::Check, Probe::Import]) {
                let settled =
                    eventually(async || asker.ask(probe).await, |heard| *heard == Heard::Revealed);
                settled.await;
            }
        }
    }
    Right::Listing.take(world, &world.business.owner).await;
    for directory in 0..3 {
        let mut asker = Asker::new(world, &world.business.listed, directory, &world.denied);
        assert_eq!(asker.ask(Probe::Get).await, Heard::Hidden);
    }
}

/// It has never heard of anybody: whoever the issuer vouches for is answered, and shown nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_starts_without_settings_serves_and_shows_nothing() {
    let (mut world, clock) = World::standing_still().await;
    let business = &world.business;
    let gone = business.officer.clone();
    let remove = yinyom_proto::settings::v1::DeleteMemberRequest {
        name: gone.name.clone(),
        ..Default::default()
    };
    business.owner.businesses.clone().delete_member(remove).await.unwrap();
    world.lose_settings().await;
    for directory in &mut world.house.directories {
        directory.kill().await;
        directory.start().await;
    }
    world.lapse(&clock);
    for (who, person) in world.business.people() {
        for person in world.everywhere(&person) {
            for contact in [&world.denied, &world.unasked, &world.granted] {
                assert!(!shows(&get(&person, contact).await), "{who}");
            }
            let contact = business_contact(&world, &person).await;
            let yes = assign(&contact, &[(Channel::Email, ConsentState::Granted)]);
            let lifted = person.consents.clone().set_contact_consents(yes).await;
            assert_eq!(reason(lifted), "POLICY_UNAVAILABLE", "{who}");
            withdraw(&person, &contact).await;
        }
        let mut asker = Asker::new(&world, &person, 1, &world.granted);
        assert_eq!(asker.ask(Probe::Search).await, Heard::Hidden, "{who}");
        for probe in [Probe::Check, Probe::Import] {
            let Heard::Refused(code, why) = asker.ask(probe).await else { panic!("{probe:?}") };
            assert_eq!((code, &*why), (Code::Unavailable, "POLICY_UNAVAILABLE"), "{who}");
        }
    }
    world.find_settings().await;
    everything_is_back(&world).await;
    for person in world.everywhere(&gone) {
        let request = dir::GetContactRequest { name: world.granted.clone() };
        assert_eq!(reason(person.contacts.clone().get_contact(request).await), "NOT_FOUND");
    }
    world.house.close().await;
}

/// The last thing that settings did was to let a removal return: then nothing is shown to who was removed, not even by
/// a directory that had no time to ask for the new rules.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_just_before_an_outage_is_shown_nothing() {
    let (mut world, clock) = World::standing_still().await;
    let gone = world.everywhere(&world.business.listed);
    for person in &gone {
        let settled = eventually(async || shows(&get(person, &world.denied).await), |shown| *shown);
        settled.await;
    }
    Right::Membership.take(&world, &world.business.owner).await;
    for settings in &mut world.house.of_settings {
        settings.kill().await;
    }
    world.lapse(&clock);
    for person in &gone {
        let request = dir::GetContactRequest { name: world.granted.clone() };
        match person.contacts.clone().get_contact(request).await {
            Ok(answer) => assert!(!shows(&answer.into_inner().contact.unwrap())),
            Err(refused) => assert_eq!(refused.code(), Code::NotFound),
        }
    }
    world.house.close().await;
}
