//! Saying no is as easy as saying yes (PDPA s.19): nothing that guards a yes stands in its way.

use contact_directory::MIGRATIONS;
use contact_directory::commands::Session;
use contact_directory::commands::consents::Saying;
use contact_directory::domain::surface::Place;
use contact_directory::domain::{Viewer, surface};
use yinyom_consent::{Actor, Cause};
use yinyom_identity::Caller;
use yinyom_kernel::{Code, MemberId};
use yinyom_testkit::{TestDb, both_databases};

use super::{
    DENIED, EMAIL, GRANTED, MAIL, NOT_SET, ONE, PHONE, create, everything, read, say, saying, set,
    states, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    everybody_who_works_there_takes_a_no,
    a_no_is_taken_while_the_rules_are_not_known,
    a_no_is_taken_of_who_was_never_reached_before,
    who_was_removed_takes_nothing,
);

async fn everybody_who_works_there_takes_a_no(db: TestDb) {
    let house = House::on(db.handle()).await;
    let service = House::service(&[]);
    let callers = [&house.owner, &house.admin, &house.listed, &house.user, &service];
    for caller in callers {
        for state in [GRANTED, NOT_SET, DENIED] {
            let contact = saying(&house, &[ONE, MAIL], &[(PHONE, state), (EMAIL, GRANTED)]).await;
            let place = match house.session(caller).await.kind {
                surface::By::Member => Place::Contacts,
                surface::By::Service => Place::Api,
            };
            let etag = "of long ago".to_owned();
            let no = Saying { place, etag, ..word(contact.id, withdrawal(&[PHONE])) };
            let after = say(&house, caller, no).await.unwrap().now.unwrap();
            assert_eq!(states(&house, &after), (DENIED, GRANTED));
            assert_eq!(read(&house, contact.id).await.without_points(), after);
            let ledger = house.ledger().await;
            let last = ledger.iter().rfind(|change| change.contact == contact.id).unwrap();
            assert_eq!((last.cause, last.channels[0].from), (Cause::Withdrawn, Some(state)));
        }
    }
}

async fn a_no_is_taken_while_the_rules_are_not_known(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = saying(&house, &[ONE, MAIL], &[(PHONE, GRANTED), (EMAIL, GRANTED)]).await;
    house.lapse();
    for caller in [&house.owner, &house.user] {
        let session = house.session(caller).await;
        assert_eq!(session.view().viewer(), Viewer::Presumed);
        // A yes that would show something to its giver is not.
        let no = word(contact.id, withdrawal(&[PHONE, EMAIL]));
        let after = say(&house, caller, no).await.unwrap().now.unwrap();
        assert_eq!(states(&house, &after), (DENIED, DENIED));
        let before = everything(&house).await;
        let yes = set(&house, caller, contact.id, &[(PHONE, GRANTED)]).await;
        assert_eq!(why(yes), (Code::Unavailable, "POLICY_UNAVAILABLE"));
        assert_eq!(everything(&house).await, before);
    }
    let payloads = house.ledger().await;
    let last = payloads.last().unwrap();
    let Actor::Member { member, role } = &last.actor else { panic!("a member said it") };
    assert_eq!(Some(*member), house.user.member());
    assert_eq!(*role, None, "nobody knows the role at that moment");
}

async fn a_no_is_taken_of_who_was_never_reached_before(db: TestDb) {
    let house = House::on(db.handle()).await;
    let contact = create(&house, "Somchai", &[]).await;
    let no = word(contact.id, withdrawal(&[PHONE, EMAIL]));
    let after = say(&house, &house.user, no).await.unwrap().now.unwrap();
    assert_eq!(states(&house, &after), (DENIED, DENIED), "also without any address");
}

async fn who_was_removed_takes_nothing(db: TestDb) {
    let house = House::on(db.handle()).await;
    house.remove(&house.user).await;
    let nobody = Caller::Member { business: house.business, member: MemberId::generate() };
    for caller in [&house.user, &nobody] {
        let session = Session::open(&house.directory, caller, house.business).await;
        assert_eq!(why(session), super::ABSENT);
    }
}
