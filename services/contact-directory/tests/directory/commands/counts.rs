//! Counts that are kept are what counting comes to, whatever happened.

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::api::wire::import::lines;
use contact_directory::commands::expiries::Expiries;
use contact_directory::commands::previews::Proposed;
use contact_directory::domain::preview::{Effect, Tally};
use contact_directory::domain::{View, Viewer};
use contact_directory::store::counts;
use yinyom_consent::{ByChannel, Channel, ConsentState};
use yinyom_db::DbError;
use yinyom_kernel::{Clock, Code, ContactId};
use yinyom_policy::{NotSetVisibility, Rules};
use yinyom_proto::directory::v1::ImportRow;
use yinyom_testkit::{TestDb, both_databases};

use super::{
    ABSENT, DENIED, EMAIL, GRANTED, MAIL, ONE, PHONE, TWO, create, delete, grant_for, new,
    no_points, points, saying, set, set_to, update, why, withdrawal, word,
};
use crate::support::House;

both_databases!(MIGRATIONS =>
    whatever_is_done_kept_and_counted_are_the_same,
    many_at_once_leave_the_counts_right,
    a_business_has_counts_of_its_own,
    the_preview_is_what_an_unlisted_user_would_see,
    a_preview_is_for_owner_and_admin,
    a_grant_that_has_run_out_is_corrected_before_it_is_recorded,
);

const HOUR: Duration = Duration::from_hours(1);

const ADDRESSES: [&str; 5] = [ONE, TWO, "0899999999", MAIL, "two@example.com"];

/// Fails unless everything that is kept is as it is counted.
pub(super) async fn assert_kept(house: &House) {
    let now = house.clock.now().as_microsecond();
    let mut tx = house.db.snapshot(house.scope()).await.unwrap();
    let (kept, counted) =
        (counts::kinds(&mut tx, now).await.unwrap(), counts::recount(&mut tx, now).await.unwrap());
    assert_eq!(kept, counted);
    let kept = counts::shared(&mut tx, now).await.unwrap();
    assert_eq!(kept, counts::recount_shared(&mut tx, now).await.unwrap());
    let mistaken: i64 = tx.scoped(MISTAKEN).scalar().await.unwrap();
    assert_eq!(mistaken, 0, "contacts are taken to have, or not to have, an address");
}

/// Contacts of which something else is known than is.
const MISTAKEN: &str = "SELECT COUNT(*) FROM contacts c WHERE business_id = $1 AND (
    has_phone <> EXISTS (SELECT 1 FROM contact_points p WHERE p.business_id = $1 AND p.contact_id = c.contact_id AND channel = 1)
    OR has_email <> EXISTS (SELECT 1 FROM contact_points p WHERE p.business_id = $1 AND p.contact_id = c.contact_id AND channel = 2))";

/// As if a replica from before that was known had made them.
async fn not_known(house: &House) {
    let forget = "UPDATE contacts SET has_phone = NULL, has_email = NULL WHERE business_id = $1";
    let forgotten = house.db.write(house.scope(), move |mut tx| async move {
        tx.scoped(forget).execute().await?;
        tx.done::<_, DbError>(())
    });
    forgotten.await.unwrap();
}

/// The same numbers each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    pub(super) fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn addresses(&mut self) -> Vec<&'static str> {
        ADDRESSES.into_iter().filter(|_| self.below(2) == 0).collect()
    }
}

async fn step(house: &House, dice: &mut Dice) {
    let ids: Vec<_> = house.contacts().await.iter().map(|contact| contact.id).collect();
    let channel = dice.of(&[PHONE, EMAIL]);
    let state = dice.of(&[GRANTED, DENIED, ConsentState::NotSet]);
    if ids.is_empty() || dice.below(4) == 0 {
        create(house, "P", &dice.addresses()).await;
        return;
    }
    let id: ContactId = dice.of(&ids);
    match dice.below(13) {
        0 | 1 => drop(set(house, &house.owner, id, &[(channel, state)]).await.unwrap()),
        2 => drop(
            grant_for(house, id, channel, HOUR * u32::try_from(1 + dice.below(9)).unwrap()).await,
        ),
        3 => {
            let said = word(id, withdrawal(&[channel]));
            super::say(house, &house.user, said).await.unwrap();
        }
        4 => {
            let all = dice.addresses();
            let of: Vec<_> = (all.into_iter())
                .filter(|text| text.contains('@') == (channel == EMAIL))
                .map(|text| (None, text))
                .collect();
            let patch = if of.is_empty() { no_points(channel) } else { points(&of) };
            update(house, &house.owner, id, patch).await.unwrap();
        }
        5 => delete(house, &house.owner, id).await.unwrap(),
        6 => {
            let row = |number: usize, phone: &str| ImportRow {
                external_id: format!("{number}"),
                first_name: "Row".to_owned(),
                phones: vec![phone.to_owned()],
                phone_consent: state.to_wire(),
                ..ImportRow::default()
            };
            let rows = [row(dice.below(3), ONE), row(dice.below(3), TWO), row(9, ONE)];
            house.directory.import(&house.owner, house.business, lines(&rows), None).await.unwrap();
        }
        7 => house.pass(HOUR).await,
        8 | 9 => {
            let other = dice.of(&ids);
            if other != id {
                super::merges::merge(house, &house.owner, id, other).await.unwrap();
            }
        }
        10 => {
            let session = house.session(&house.owner).await;
            let merges = house.directory.find_merges(&session, Some(id), None, 1).await.unwrap();
            if let [told] = &merges.items[..] {
                super::unmerge::undo(house, &house.owner, told.merge.id).await.unwrap();
            }
        }
        11 => not_known(house).await,
        _ => {
            let task = Expiries::new(house.directory.clone()).in_batches(2);
            task.record_due().await.unwrap();
        }
    }
}

async fn whatever_is_done_kept_and_counted_are_the_same(db: TestDb) {
    for seed in [1, 2] {
        let house = House::on(db.handle()).await;
        let mut dice = Dice(seed);
        for _ in 0..80 {
            step(&house, &mut dice).await;
            assert_kept(&house).await;
        }
        for contact in house.contacts().await {
            let erased = (house.business, contact.id);
            house.directory.erase_subject(&house.owner, erased, None).await.unwrap();
            assert_kept(&house).await;
        }
        let left = "SELECT COUNT(*) FROM address_tallies WHERE business_id = $1";
        assert_eq!(house.count(left).await, 0, "an address that nobody has leaves no hash behind");
    }
}

async fn many_at_once_leave_the_counts_right(db: TestDb) {
    let house = House::on(db.handle()).await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(create(&house, "P", &ADDRESSES).await.id);
    }
    let (owner, all) = (house.session(&house.owner).await, ids.clone());
    for round in 0..6 {
        let states = [GRANTED, DENIED, ConsentState::NotSet];
        let one = async {
            for (at, id) in ids.iter().enumerate() {
                let said = set_to(&[(PHONE, states[(at + round) % 3]), (EMAIL, states[at % 3])]);
                house.directory.say(&owner, word(*id, said), None).await.unwrap();
            }
        };
        let batch = async {
            let back = all.iter().rev();
            let said = back.map(|id| Ok(word(*id, set_to(&[(EMAIL, states[round % 3])]))));
            house.directory.say_all(&owner, said.collect(), None).await.unwrap();
        };
        let more = async {
            let same = new("More", &ADDRESSES);
            let made = house.directory.create_contact(&owner, same, None).await.unwrap();
            delete(&house, &house.owner, made.now.unwrap().id).await.unwrap();
        };
        tokio::join!(one, batch, more);
        assert_kept(&house).await;
    }
}

async fn a_business_has_counts_of_its_own(db: TestDb) {
    let (here, there) = (House::on(db.handle()).await, House::on(db.handle()).await);
    saying(&here, &[ONE, MAIL], &[(PHONE, DENIED)]).await;
    saying(&there, &[ONE, MAIL], &[(PHONE, GRANTED)]).await;
    saying(&there, &[ONE], &[(PHONE, GRANTED)]).await;
    for house in [&here, &there] {
        assert_kept(house).await;
    }
    let mut tx = here.db.snapshot(here.scope()).await.unwrap();
    assert_eq!(counts::shared(&mut tx, 0).await.unwrap(), ByChannel::default());
}

/// Contacts of every kind there is.
async fn everybody(house: &House) {
    let owner = house.session(&house.owner).await;
    for phone in [GRANTED, DENIED, ConsentState::NotSet] {
        for email in [GRANTED, DENIED, ConsentState::NotSet] {
            for addresses in [&[ONE, TWO, MAIL][..], &[ONE], &[MAIL], &[]] {
                let contact = create(house, "P", addresses).await;
                let said = word(contact.id, set_to(&[(PHONE, phone), (EMAIL, email)]));
                house.directory.say(&owner, said, None).await.unwrap();
            }
        }
    }
}

/// Contact by contact, as the one decision sees it.
async fn seen_no_more(house: &House, before: Rules, after: Rules) -> Tally {
    let now = house.clock.now();
    let mut tally = Tally::default();
    for contact in house.contacts().await {
        let of = |rules| View::new(Viewer::User, rules).sights(&contact.consents, now);
        let (before, after) = (of(before), of(after));
        let lost = |channel: Channel| {
            let number = contact.points_of(channel).count();
            let lost = before.get(channel).visible && !after.get(channel).visible;
            if lost { i64::try_from(number).unwrap() } else { 0 }
        };
        let lost = ByChannel::from_fn(lost);
        tally += Tally { contacts: i64::from(lost.phone + lost.email > 0), points: lost };
    }
    tally
}

async fn the_preview_is_what_an_unlisted_user_would_see(db: TestDb) {
    let house = House::on(db.handle()).await;
    everybody(&house).await;
    let ran_out = create(&house, "Out", &[TWO, MAIL]).await;
    grant_for(&house, ran_out.id, PHONE, HOUR).await;
    grant_for(&house, ran_out.id, EMAIL, HOUR * 3).await;
    house.pass(HOUR).await;
    let owner = house.session(&house.owner).await;
    let visibilities = [NotSetVisibility::Show, NotSetVisibility::Mask];
    let all = [false, true].into_iter().flat_map(|on| visibilities.map(|v| (on, v)));
    for (on, visibility) in all.clone() {
        house
            .rule(|policy| {
                policy.rules.enforcement = on;
                policy.rules.not_set_visibility = visibility;
            })
            .await;
        let rules = |enforcement, not_set_visibility| Rules {
            enforcement,
            not_set_visibility,
            ..Rules::INITIAL
        };
        let now = rules(on, visibility);
        for (on, visibility) in all.clone() {
            let proposed = Proposed { enforcement: Some(on), not_set_visibility: Some(visibility) };
            let preview = house.directory.preview_visibility(&owner, &house.owner, proposed);
            let preview = preview.await.unwrap();
            let then = rules(on, visibility);
            assert_eq!(preview.effect.hidden, seen_no_more(&house, now, then).await);
            assert_eq!(preview.effect.shown, seen_no_more(&house, then, now).await);
            assert_eq!(preview.members, [house.user.member().unwrap()], "who is not listed");
        }
        let same = house.directory.preview_visibility(&owner, &house.owner, Proposed::default());
        assert_eq!(same.await.unwrap().effect, Effect::default(), "as it is");
    }
}

async fn a_preview_is_for_owner_and_admin(db: TestDb) {
    let house = House::on(db.handle()).await;
    let all = [&house.owner, &house.admin, &house.listed, &house.user];
    for (caller, may) in all.into_iter().zip([true, true, false, false]) {
        let session = house.session(caller).await;
        let asked = house.directory.preview_visibility(&session, caller, Proposed::default()).await;
        if may {
            assert!(asked.is_ok());
        } else {
            assert_eq!(why(asked), (Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY"));
        }
    }
    let service = House::service(&[yinyom_identity::ServiceScope::AddressesRead]);
    let session = house.session(&service).await;
    let asked = house.directory.preview_visibility(&session, &service, Proposed::default()).await;
    assert_eq!(why(asked), (Code::PermissionDenied, "OWNER_OR_ADMIN_ONLY"));
    // Who was thrown out between the call and its answer hears nothing.
    let admin = house.session(&house.admin).await;
    house.remove(&house.admin).await;
    let asked = house.directory.preview_visibility(&admin, &house.admin, Proposed::default()).await;
    assert_eq!(why(asked), ABSENT);
    let owner = house.session(&house.owner).await;
    house.lapse();
    let asked = house.directory.preview_visibility(&owner, &house.owner, Proposed::default()).await;
    assert_eq!(why(asked), (Code::Unavailable, "POLICY_UNAVAILABLE"));
}

async fn a_grant_that_has_run_out_is_corrected_before_it_is_recorded(db: TestDb) {
    let house = House::on(db.handle()).await;
    let (refuses, grants) =
        (create(&house, "No", &[ONE, MAIL]).await, create(&house, "Yes", &[ONE, MAIL]).await);
    set(&house, &house.owner, refuses.id, &[(PHONE, DENIED), (EMAIL, DENIED)]).await.unwrap();
    grant_for(&house, grants.id, PHONE, HOUR).await;
    grant_for(&house, grants.id, EMAIL, HOUR * 2).await;
    let conflicts = async || {
        let mut tx = house.db.snapshot(house.scope()).await.unwrap();
        let now = house.clock.now().as_microsecond();
        counts::shared(&mut tx, now).await.unwrap().map(|_, of| of.conflicts)
    };
    assert_eq!(conflicts().await, ByChannel { phone: 1, email: 1 });
    house.pass(HOUR).await;
    for recorded in [false, true] {
        assert_eq!(conflicts().await, ByChannel { phone: 0, email: 1 }, "recorded: {recorded}");
        assert_kept(&house).await;
        Expiries::new(house.directory.clone()).record_due().await.unwrap();
    }
}
