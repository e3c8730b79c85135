//! A business with its people.

use yinyom_kernel::{BusinessId, MemberId, Name};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::settings::v1 as set;
use yinyom_proto::types::v1 as types;

use crate::{House, Person};

/// A business on the plan Gold, enforcing consent, with one of each kind of person.
pub struct TestBusiness {
    pub id: BusinessId,
    /// `businesses/{business}`.
    pub name: String,
    pub owner: Person,
    pub admin: Person,
    /// A user on the viewer list.
    pub listed: Person,
    /// A user who is not.
    pub user: Person,
    /// A user who is not, but reads the ledger.
    pub officer: Person,
}

impl House {
    /// Somebody of the caller table: `vendor` (an operator), `mailer` (a service that may see addresses),
    /// `dashboard` (one that may not), `elsewhere` (one that may, in another business than any of ours).
    pub fn named(&self, name: &str) -> Person {
        Person::new(self, String::new(), &self.tokens.named(name))
    }

    /// Founds a business, and switches enforcement on.
    pub async fn found(&self) -> TestBusiness {
        let created = self
            .named("vendor")
            .businesses
            .create_business(set::CreateBusinessRequest {
                business: Some(set::Business {
                    display_name: "สวนผลไม้".to_owned(),
                    plan: set::Plan::Gold.into(),
                    ..Default::default()
                }),
                owner_display_name: "เจ้าของ".to_owned(),
                ..Default::default()
            })
            .await
            .expect("a business");
        let created = created.into_inner();
        let name = created.business.expect("a business").name;
        let id = Name::parse_business(&name).expect("its name");
        let owner = self.member(id, created.owner.expect("an owner").name);
        let mut founded = TestBusiness {
            admin: self.hire(id, &owner, types::Role::Admin, false).await,
            listed: self.hire(id, &owner, types::Role::User, false).await,
            user: self.hire(id, &owner, types::Role::User, false).await,
            officer: self.hire(id, &owner, types::Role::User, true).await,
            id,
            name,
            owner,
        };
        let viewers = set::AddViewersRequest {
            parent: founded.name.clone(),
            members: vec![founded.listed.name.clone()],
            ..Default::default()
        };
        founded.owner.settings.add_viewers(viewers).await.expect("a viewer");
        founded.set_rules(&["enforcement_enabled"], |s| s.enforcement_enabled = true).await;
        founded
    }

    /// A member of a business, by name.
    pub fn member(&self, business: BusinessId, name: String) -> Person {
        let id: MemberId =
            name.rsplit('/').next().and_then(|id| id.parse().ok()).expect("its name");
        let bearer = self.tokens.member(business, id);
        Person::new(self, name, &bearer)
    }

    /// A new member.
    pub async fn hire(
        &self,
        business: BusinessId,
        by: &Person,
        role: types::Role,
        protection_officer: bool,
    ) -> Person {
        let request = set::CreateMemberRequest {
            parent: Name::format_business(business),
            member: Some(set::Member {
                display_name: "พนักงาน".to_owned(),
                role: role.into(),
                protection_officer,
                ..Default::default()
            }),
            ..Default::default()
        };
        let hired = by.businesses.clone().create_member(request).await.expect("a member");
        self.member(business, hired.into_inner().member.expect("a member").name)
    }
}

impl TestBusiness {
    /// Everybody, with a word for who they are.
    pub fn people(&self) -> Vec<(&'static str, Person)> {
        vec![
            ("owner", self.owner.clone()),
            ("admin", self.admin.clone()),
            ("listed", self.listed.clone()),
            ("user", self.user.clone()),
            ("officer", self.officer.clone()),
        ]
    }

    /// The owner changes the settings that `paths` name.
    pub async fn set_rules(&mut self, paths: &[&str], change: impl Fn(&mut set::ConsentSettings)) {
        let mut settings = set::ConsentSettings {
            name: format!("{}/consentSettings", self.name),
            ..Default::default()
        };
        change(&mut settings);
        let request = set::UpdateConsentSettingsRequest {
            consent_settings: Some(settings),
            update_mask: Some(mask(paths)),
            ..Default::default()
        };
        self.owner.settings.update_consent_settings(request).await.expect("new settings");
    }

    /// A contact with those addresses; the owner makes it.
    pub async fn contact(&self, phones: &[&str], emails: &[&str]) -> dir::Contact {
        let point =
            |value: &&str| dir::ContactPoint { value: (*value).to_owned(), ..Default::default() };
        let request = dir::CreateContactRequest {
            parent: self.name.clone(),
            contact: Some(dir::Contact {
                first_name: "สมหญิง".to_owned(),
                last_name: "ใจดี".to_owned(),
                phones: phones.iter().map(point).collect(),
                emails: emails.iter().map(point).collect(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = self.owner.contacts.clone().create_contact(request).await;
        created.expect("a contact").into_inner().contact.expect("a contact")
    }

    /// The owner records what a customer said, on the contacts menu.
    pub async fn say(&self, contact: &str, channel: types::Channel, state: types::ConsentState) {
        self.owner
            .consents
            .clone()
            .set_contact_consents(assign(contact, &[(channel, state)]))
            .await
            .expect("it is recorded");
    }
}

/// What a customer said, on the contacts menu.
pub fn assign(
    contact: &str,
    words: &[(types::Channel, types::ConsentState)],
) -> dir::SetContactConsentsRequest {
    dir::SetContactConsentsRequest {
        contact: contact.to_owned(),
        surface: types::Surface::Contacts.into(),
        assignments: words
            .iter()
            .map(|(channel, state)| dir::ConsentAssignment {
                channel: (*channel).into(),
                state: (*state).into(),
                expire_time: None,
            })
            .collect(),
        ..Default::default()
    }
}

/// A field mask.
pub fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}
