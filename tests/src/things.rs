//! One of everything that a business has.

use yinyom_proto::directory::v1 as dir;
use yinyom_proto::types::v1 as types;

use crate::{House, TestBusiness};

/// Names of things that belong together: the contact is one of the lead's and of the account's, and not the
/// lead's primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Things {
    pub business: String,
    pub contact: String,
    pub primary: String,
    pub lead: String,
    pub account: String,
    /// A contact that is linked to nothing.
    pub spare: String,
    /// A merge of two others.
    pub merge: String,
    /// A user, not on the viewer list.
    pub member: String,
    /// Of the owner's, over two contacts that are not there; it has ended.
    pub operation: String,
}

impl Things {
    /// New things in a business.
    pub async fn make(house: &House, business: &TestBusiness) -> Self {
        let primary = business.contact(&["+66811111111"], &["primary@example.co.th"]).await.name;
        let contact = business.contact(&["+66812222222"], &["second@example.co.th"]).await.name;
        let lead = dir::Lead {
            title: "สนใจคอนโด".to_owned(),
            primary_contact: primary.clone(),
            ..Default::default()
        };
        let mut owner = business.owner.clone();
        let parent = business.name.clone();
        let lead = dir::CreateLeadRequest { parent, lead: Some(lead), ..Default::default() };
        let lead = owner.leads.create_lead(lead).await.expect("a lead").into_inner();
        let lead = lead.lead.expect("a lead").name;
        let link = dir::AddLeadContactsRequest {
            parent: lead.clone(),
            contacts: vec![contact.clone()],
            ..Default::default()
        };
        owner.leads.add_lead_contacts(link).await.expect("a link");
        let account = dir::Account {
            display_name: "เช้าวันดี".to_owned(), ..Default::default()
        };
        let parent = business.name.clone();
        let account =
            dir::CreateAccountRequest { parent, account: Some(account), ..Default::default() };
        let account = owner.accounts.create_account(account).await.expect("an account");
        let account = account.into_inner().account.expect("an account").name;
        let link = dir::AddAccountContactsRequest {
            parent: account.clone(),
            contacts: vec![primary.clone(), contact.clone()],
            ..Default::default()
        };
        owner.accounts.add_account_contacts(link).await.expect("a link");
        let spare = business.contact(&[], &[]).await.name;
        let merge = dir::MergeContactsRequest {
            parent: business.name.clone(),
            survivor: business.contact(&[], &[]).await.name,
            absorbed: business.contact(&[], &[]).await.name,
            ..Default::default()
        };
        let merge = owner.merges.merge_contacts(merge).await.expect("a merge").into_inner();
        let merge = merge.merge.expect("a merge").name;
        let member = house.hire(business.id, &owner, types::Role::User, false).await.name;
        let nobody = Self::absent(&business.name);
        let of_nobody = dir::BulkSetContactConsentsRequest {
            contacts: vec![nobody.contact, nobody.primary],
            ..refusing(&business.name)
        };
        let begun = owner.bulk.bulk_set_contact_consents(of_nobody).await;
        let operation = begun.expect("an operation").into_inner().name;
        assert!(owner.waits_for(&operation).await.done, "it ends");
        let business = business.name.clone();
        Self { business, contact, primary, lead, account, spare, merge, member, operation }
    }

    /// Things that nobody has, in that business.
    pub fn absent(business: &str) -> Self {
        let none = |of: &str| format!("{business}/{of}/{}", uuid::Uuid::now_v7());
        Self {
            business: business.to_owned(),
            contact: none("contacts"),
            primary: none("contacts"),
            lead: none("leads"),
            account: none("accounts"),
            spare: none("contacts"),
            merge: none("merges"),
            member: none("members"),
            operation: none("operations"),
        }
    }

    /// Things of a business that there is not.
    pub fn nowhere() -> Self {
        Self::absent(&format!("businesses/{}", uuid::Uuid::now_v7()))
    }

    /// The same ids, as if they were of `business`.
    #[must_use]
    pub fn claimed_for(&self, business: &str) -> Self {
        let claim = |name: &str| name.replace(&self.business, business);
        Self {
            business: business.to_owned(),
            contact: claim(&self.contact),
            primary: claim(&self.primary),
            lead: claim(&self.lead),
            account: claim(&self.account),
            spare: claim(&self.spare),
            merge: claim(&self.merge),
            member: claim(&self.member),
            operation: claim(&self.operation),
        }
    }
}

/// Phones are refused, on the contacts menu; of whom has to be said.
pub fn refusing(business: &str) -> dir::BulkSetContactConsentsRequest {
    dir::BulkSetContactConsentsRequest {
        parent: business.to_owned(),
        surface: types::Surface::Contacts.into(),
        assignments: vec![dir::ConsentAssignment {
            channel: types::Channel::Phone.into(),
            state: types::ConsentState::Denied.into(),
            expire_time: None,
        }],
        ..Default::default()
    }
}
