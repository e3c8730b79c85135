//! The business, its members, the switch and the viewer list.

use prost_types::FieldMask;
use yinyom_identity::Subject;
use yinyom_kernel::{MemberId, Name};
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::consent_settings_service_client::ConsentSettingsServiceClient;
use yinyom_proto::settings::v1::{
    AddViewersRequest, Business, ConsentSettings, CreateBusinessRequest, CreateMemberRequest,
    GetBusinessRequest, ListBusinessesRequest, ListMembersRequest, Member, Plan,
    UpdateConsentSettingsRequest,
};
use yinyom_proto::types::v1::Role;

use super::calls::patiently;
use super::people::{BUSINESS, PEOPLE, id};
use super::{DemoError, Loader};
use crate::facts;

const MEMBERS: Name = Name::of("members");

impl Loader {
    /// The business: the one that is `loaded`, or one of the demo's name, or a new one.
    pub(super) async fn business(&self, loaded: Option<&str>) -> Result<String, DemoError> {
        let settings = BusinessServiceClient::new(self.operator()?);
        if let Some(name) = loaded {
            let request = GetBusinessRequest { name: name.to_owned() };
            if settings.clone().get_business(request).await.is_ok() {
                return Ok(name.to_owned());
            }
        }
        let mut page_token = String::new();
        loop {
            let request = ListBusinessesRequest { page_size: 1000, page_token };
            let page = patiently(&self.targets.settings, "Listing businesses", || {
                let (mut settings, request) = (settings.clone(), request.clone());
                async move { settings.list_businesses(request).await }
            })
            .await?;
            if let Some(demo) = page.businesses.into_iter().find(|b| b.display_name == BUSINESS) {
                return Ok(demo.name);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        self.create_business(settings.clone()).await
    }

    async fn create_business(
        &self,
        mut settings: BusinessServiceClient<crate::client::Connection>,
    ) -> Result<String, DemoError> {
        let owner = &PEOPLE[0];
        let request = CreateBusinessRequest {
            business: Some(Business {
                display_name: BUSINESS.to_owned(),
                plan: Plan::Gold.into(),
                ..Business::default()
            }),
            owner_display_name: owner.name.to_owned(),
            owner_member_id: owner.id().to_string(),
            request_id: id(0x100).to_string(),
        };
        let created = settings
            .create_business(request)
            .await
            .map_err(|status| self.targets.settings.error("Creating the business", &status))?;
        let business = created.into_inner().business.ok_or(DemoError::Answer("the business"))?;
        Ok(business.name)
    }

    /// Members, the viewer list and the switch, as the owner makes them.
    pub(super) async fn staff(&self, business: &str) -> Result<(), DemoError> {
        let there = self.members(business).await?;
        let settings = &self.targets.settings;
        let connection = self.member(settings, business, &PEOPLE[0])?;
        let mut members = BusinessServiceClient::new(connection.clone());
        for person in &PEOPLE[1..] {
            let name = format!("{business}/members/{}", person.id());
            if there.iter().any(|member| member.member == name) {
                continue;
            }
            let request = CreateMemberRequest {
                parent: business.to_owned(),
                member: Some(Member {
                    display_name: person.name.to_owned(),
                    role: person.role.into(),
                    protection_officer: person.protection_officer,
                    ..Member::default()
                }),
                member_id: person.id().to_string(),
                request_id: String::new(),
            };
            let made = members.create_member(request).await;
            made.map_err(|status| settings.error("Creating a member", &status))?;
        }
        let mut rules = ConsentSettingsServiceClient::new(connection);
        let listed = PEOPLE.iter().filter(|person| person.listed);
        let request = AddViewersRequest {
            parent: business.to_owned(),
            members: listed.map(|p| format!("{business}/members/{}", p.id())).collect(),
            request_id: String::new(),
        };
        let added = rules.add_viewers(request).await;
        added.map_err(|status| settings.error("Filling the viewer list", &status))?;
        let request = UpdateConsentSettingsRequest {
            consent_settings: Some(ConsentSettings {
                name: format!("{business}/consentSettings"),
                enforcement_enabled: true,
                ..ConsentSettings::default()
            }),
            update_mask: Some(FieldMask { paths: vec!["enforcement_enabled".to_owned()] }),
            request_id: String::new(),
        };
        let switched = rules.update_consent_settings(request).await;
        switched.map_err(|status| settings.error("Switching enforcement on", &status))?;
        Ok(())
    }

    /// The members as they are now, each with a token; the demo's people first.
    pub(super) async fn members(&self, business: &str) -> Result<Vec<facts::Person>, DemoError> {
        let settings = &self.targets.settings;
        let members = BusinessServiceClient::new(self.member(settings, business, &PEOPLE[0])?);
        let request = ListMembersRequest {
            parent: business.to_owned(),
            page_size: 1000,
            page_token: String::new(),
        };
        let page = patiently(settings, "Listing members", || {
            let (mut members, request) = (members.clone(), request.clone());
            async move { members.list_members(request).await }
        })
        .await?;
        let mut people = Vec::with_capacity(page.members.len());
        for member in page.members {
            let (business, id) = MEMBERS
                .parse::<MemberId>(&member.name)
                .map_err(|_| DemoError::Answer("a member's name"))?;
            people.push(facts::Person {
                token: self.token(&Subject::Member { business, member: id })?,
                role: role(member.role()).to_owned(),
                name: member.display_name,
                listed: member.listed,
                protection_officer: member.protection_officer,
                member: member.name,
            });
        }
        Ok(people)
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Owner => "OWNER",
        Role::Admin => "ADMIN",
        Role::User => "USER",
        Role::Unspecified => "",
    }
}
