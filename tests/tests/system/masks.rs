//! Who sees what (PRODUCT.md, "Who sees"), through every way out of the directory, and what nobody learns around it.

mod addresses;
mod hidden;
mod lifting;
mod reach;
mod replays;
mod search;
mod seen;
mod withdrawing;

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Database, House, Person, TestBusiness, assign, eventually};

pub const PHONE: &str = "+66812345678";
pub const EMAIL: &str = "somying@example.co.th";
pub const PHONE_MASK: &str = "•••-•••-••••";
pub const EMAIL_MASK: &str = "•••••@•••••";
pub const STATES: [ConsentState; 3] =
    [ConsentState::NotSet, ConsentState::Granted, ConsentState::Denied];

/// A business, and somebody of another one.
pub struct World {
    pub house: House,
    pub business: TestBusiness,
    pub foreigner: Person,
}

impl World {
    async fn start(database: Database) -> Self {
        let house = House::start(database).await;
        let business = house.found().await;
        let foreigner = house.found().await.owner;
        Self { house, business, foreigner }
    }

    /// Everybody who may ask about the business, with a word for who they are.
    pub fn viewers(&self) -> Vec<(&'static str, Person)> {
        let services = ["mailer", "dashboard"].map(|name| (name, self.house.named(name)));
        self.business.people().into_iter().chain(services).collect()
    }

    /// Changes what the business lets unlisted users see, and waits until they do: a right that is given may lag.
    pub async fn let_users_see(&mut self, rules: Rules) {
        let paths = ["enforcement_enabled", "not_set_visibility"];
        let change = |settings: &mut set::ConsentSettings| {
            settings.enforcement_enabled = rules != Rules::Off;
            settings.not_set_visibility = if rules == Rules::Mask { 2 } else { 1 };
        };
        self.business.set_rules(&paths, change).await;
        let contact = self.business.contact(&[PHONE], &[]).await.name;
        let user = self.business.user.clone();
        let expected = seen::expected("user", rules, ConsentState::NotSet);
        let settled = eventually(
            async || {
                let point = get(&user, &contact).await.phones.remove(0);
                (point.visibility() == dir::Visibility::Visible, point.reason())
            },
            |found| *found == expected,
        );
        settled.await;
    }

    /// Lets members lift their own masks, or not, and waits until they may.
    pub async fn let_members_regrant(&mut self, they_may: bool) {
        let paths = ["members_may_regrant"];
        self.business.set_rules(&paths, |settings| settings.members_may_regrant = they_may).await;
        let contact = self.business.contact(&[PHONE], &[]).await.name;
        self.business.say(&contact, Channel::Phone, ConsentState::Denied).await;
        let user = self.business.user.clone();
        let grant = assign(&contact, &[(Channel::Phone, ConsentState::Granted)]);
        let settled = eventually(
            async || user.consents.clone().set_contact_consents(grant.clone()).await.is_ok(),
            |found| *found == they_may,
        );
        settled.await;
    }
}

/// What the business shows to users who are not on the viewer list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Everything: consent is not enforced.
    Off,
    /// What was not refused.
    Show,
    /// What was allowed.
    Mask,
}

macro_rules! in_a_world {
    ($($room:ident::$name:ident),+ $(,)?) => {
        $(
            mod $name {
                use yinyom_tests::Database;

                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    crate::masks::$room::$name(crate::masks::World::start(Database::Sqlite).await).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    crate::masks::$room::$name(crate::masks::World::start(Database::Postgres).await).await;
                }
            }
        )+
    };
}

in_a_world!(
    seen::the_truth_table_holds_on_every_way_out,
    search::an_address_finds_only_what_its_seeker_sees,
    search::a_page_of_found_contacts_does_not_count_hidden_ones,
    hidden::contacts_that_differ_in_hidden_values_are_answered_alike,
    hidden::a_guess_at_a_hidden_value_is_answered_like_any_other,
    withdrawing::everybody_may_withdraw_whatever_they_see,
    withdrawing::a_downgrade_takes_withdrawals_and_reveals_nothing,
    lifting::nobody_lifts_a_mask_from_themself,
    lifting::one_refused_channel_refuses_both,
    lifting::who_cannot_see_a_point_cannot_edit_it,
    lifting::members_may_regrant_where_the_business_lets_them,
    addresses::a_shared_address_is_heeded_as_the_business_says,
    addresses::an_answer_that_rests_on_hidden_addresses_is_for_those_who_see_them,
    addresses::a_refused_address_that_comes_back_is_still_refused,
    reach::whom_a_campaign_may_reach_is_told_to_those_who_see_addresses,
    reach::what_is_done_to_many_at_once_is_done_by_the_rules_of_one,
    replays::a_removed_viewer_who_repeats_a_request_sees_masks,
    replays::a_removed_member_who_repeats_a_request_is_nobody,
);

/// A contact as somebody sees it.
pub async fn get(person: &Person, name: &str) -> dir::Contact {
    let request = dir::GetContactRequest { name: name.to_owned() };
    let answer = person.contacts.clone().get_contact(request).await.unwrap();
    answer.into_inner().contact.unwrap()
}

/// The customer says no to both channels; a service says that it heard so itself.
pub fn withdrawal(contact: &str, surface: Surface) -> dir::WithdrawConsentRequest {
    dir::WithdrawConsentRequest {
        contact: contact.to_owned(),
        channels: vec![Channel::Phone.into(), Channel::Email.into()],
        surface: surface.into(),
        ..Default::default()
    }
}

/// What somebody names as where a change was made.
pub fn surface_of(who: &str) -> Surface {
    if matches!(who, "mailer" | "dashboard") { Surface::Api } else { Surface::Contacts }
}

/// A new contact, as a request.
pub fn creation(
    business: &TestBusiness,
    phones: &[&str],
    emails: &[&str],
) -> dir::CreateContactRequest {
    let point =
        |value: &&str| dir::ContactPoint { value: (*value).to_owned(), ..Default::default() };
    dir::CreateContactRequest {
        parent: business.name.clone(),
        contact: Some(dir::Contact {
            first_name: "สมหญิง".to_owned(),
            last_name: "ใจดี".to_owned(),
            phones: phones.iter().map(point).collect(),
            emails: emails.iter().map(point).collect(),
            ..Default::default()
        }),
        request_id: uuid::Uuid::now_v7().to_string(),
    }
}
