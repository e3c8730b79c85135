//! Contacts, leads and accounts, and what the customers have said.

use std::collections::HashMap;
use std::time::Duration;

use yinyom_proto::directory::v1::account_service_client::AccountServiceClient;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_proto::directory::v1::{
    Account, AddAccountContactsRequest, AddLeadContactsRequest, ConsentAssignment, Contact,
    ContactPoint, CreateAccountRequest, CreateContactRequest, CreateLeadRequest,
    GetContactConsentsRequest, Lead, ListAccountsRequest, ListContactsRequest, ListLeadsRequest,
    SetContactConsentsRequest,
};
use yinyom_proto::types::v1::{Channel, ConsentState, Evidence, EvidenceMethod, Surface};

use super::calls::patiently;
use super::people::{ACCOUNTS, CUSTOMERS, Customer, Heard, LEADS, PEOPLE, id};
use super::{DemoError, Loader};
use crate::client::Connection;
use crate::facts::NamedContact;

const EXPIRES_AFTER: Duration = Duration::from_hours(7 * 24);

/// Names of what was found or made, by what we call it.
type Names = HashMap<String, String>;

impl Loader {
    pub(super) async fn wares(&self, business: &str) -> Result<(), DemoError> {
        let connection = self.member(&self.targets.directory, business, &PEOPLE[0])?;
        let contacts = self.contacts(business, &connection).await?;
        let accounts = self.accounts(business, &connection).await?;
        let leads = self.leads(business, &connection, &contacts).await?;
        let places = Places { accounts: &accounts, leads: &leads };
        for (number, customer) in (0..).zip(&CUSTOMERS) {
            let contact = found(&contacts, customer.external_id)?;
            self.link(&connection, customer, contact, &places).await?;
            self.hear(business, (number, customer), contact, &places).await?;
        }
        Ok(())
    }

    /// The demo's contacts among those of the business.
    pub(super) async fn named_contacts(
        &self,
        business: &str,
    ) -> Result<Vec<NamedContact>, DemoError> {
        let connection = self.member(&self.targets.directory, business, &PEOPLE[0])?;
        let there = self.listed_contacts(business, &connection).await?;
        let named = |customer: &Customer| {
            let contact = there.get(customer.external_id)?.clone();
            Some(NamedContact { external_id: customer.external_id.to_owned(), contact })
        };
        Ok(CUSTOMERS.iter().filter_map(named).collect())
    }

    /// The oldest contacts by external id; the demo's are among them.
    async fn listed_contacts(
        &self,
        business: &str,
        connection: &Connection,
    ) -> Result<Names, DemoError> {
        let client = ContactServiceClient::new(connection.clone());
        let request = ListContactsRequest {
            parent: business.to_owned(),
            page_size: 1000,
            ..ListContactsRequest::default()
        };
        let page = patiently(&self.targets.directory, "Listing contacts", || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_contacts(request).await }
        })
        .await?;
        Ok(page.contacts.into_iter().map(|contact| (contact.external_id, contact.name)).collect())
    }

    async fn contacts(&self, business: &str, connection: &Connection) -> Result<Names, DemoError> {
        let mut names = self.listed_contacts(business, connection).await?;
        let mut client = ContactServiceClient::new(connection.clone());
        for (number, customer) in (0..).zip(&CUSTOMERS) {
            if names.contains_key(customer.external_id) {
                continue;
            }
            let request = CreateContactRequest {
                parent: business.to_owned(),
                contact: Some(contact(customer)),
                request_id: id(0x200 + number).to_string(),
            };
            let made = client.create_contact(request).await;
            let made =
                made.map_err(|status| self.targets.directory.error("Creating a contact", &status))?;
            let contact = made.into_inner().contact.ok_or(DemoError::Answer("the contact"))?;
            names.insert(customer.external_id.to_owned(), contact.name);
        }
        Ok(names)
    }

    async fn accounts(&self, business: &str, connection: &Connection) -> Result<Names, DemoError> {
        let mut client = AccountServiceClient::new(connection.clone());
        let error = |status| self.targets.directory.error("Creating an account", &status);
        let request = ListAccountsRequest {
            parent: business.to_owned(),
            page_size: 1000,
            ..ListAccountsRequest::default()
        };
        let page = client.list_accounts(request).await.map_err(error)?.into_inner();
        let mut names: Names =
            page.accounts.into_iter().map(|account| (account.display_name, account.name)).collect();
        for (number, display_name) in (0..).zip(ACCOUNTS) {
            if names.contains_key(display_name) {
                continue;
            }
            let account = Account { display_name: display_name.to_owned(), ..Account::default() };
            let request = CreateAccountRequest {
                parent: business.to_owned(),
                account: Some(account),
                request_id: id(0x300 + number).to_string(),
            };
            let made = client.create_account(request).await.map_err(error)?.into_inner();
            let account = made.account.ok_or(DemoError::Answer("the account"))?;
            names.insert(account.display_name, account.name);
        }
        Ok(names)
    }

    async fn leads(
        &self,
        business: &str,
        connection: &Connection,
        contacts: &Names,
    ) -> Result<Names, DemoError> {
        let mut client = LeadServiceClient::new(connection.clone());
        let error = |status| self.targets.directory.error("Creating a lead", &status);
        let request = ListLeadsRequest {
            parent: business.to_owned(),
            page_size: 1000,
            ..ListLeadsRequest::default()
        };
        let page = client.list_leads(request).await.map_err(error)?.into_inner();
        let mut names: Names = page.leads.into_iter().map(|lead| (lead.title, lead.name)).collect();
        for (number, (title, source, primary)) in (0..).zip(LEADS) {
            if names.contains_key(title) {
                continue;
            }
            let lead = Lead {
                title: title.to_owned(),
                source: source.to_owned(),
                primary_contact: found(contacts, primary)?.to_owned(),
                ..Lead::default()
            };
            let request = CreateLeadRequest {
                parent: business.to_owned(),
                lead: Some(lead),
                request_id: id(0x400 + number).to_string(),
            };
            let made = client.create_lead(request).await.map_err(error)?.into_inner();
            let lead = made.lead.ok_or(DemoError::Answer("the lead"))?;
            names.insert(lead.title, lead.name);
        }
        Ok(names)
    }

    /// Puts a contact where its customer is met. Who is there already stays there.
    async fn link(
        &self,
        connection: &Connection,
        customer: &Customer,
        contact: &str,
        places: &Places<'_>,
    ) -> Result<(), DemoError> {
        let error = |status| self.targets.directory.error("Linking a contact", &status);
        let (lead, account) = places.of(customer)?;
        let contacts = vec![contact.to_owned()];
        if customer.heard.is_among_lead_contacts() {
            let request =
                AddLeadContactsRequest { parent: lead, contacts, request_id: String::new() };
            let mut client = LeadServiceClient::new(connection.clone());
            client.add_lead_contacts(request).await.map_err(error)?;
        } else if !account.is_empty() {
            let request =
                AddAccountContactsRequest { parent: account, contacts, request_id: String::new() };
            let mut client = AccountServiceClient::new(connection.clone());
            client.add_account_contacts(request).await.map_err(error)?;
        }
        Ok(())
    }

    /// Records what a customer said, unless something is recorded already.
    async fn hear(
        &self,
        business: &str,
        (number, customer): (u128, &Customer),
        contact: &str,
        places: &Places<'_>,
    ) -> Result<(), DemoError> {
        let directory = &self.targets.directory;
        let error = |status| directory.error("Recording a consent", &status);
        let assignments = self.assignments(customer);
        if assignments.is_empty() {
            return Ok(());
        }
        let by = &PEOPLE[customer.heard.by()];
        let mut client = ConsentServiceClient::new(self.member(directory, business, by)?);
        let request = GetContactConsentsRequest { contact: contact.to_owned() };
        let now = client.get_contact_consents(request).await.map_err(error)?.into_inner();
        // The first change of a contact is that it was created.
        if now.contact_consents.is_none_or(|consents| consents.consent_seq > 1) {
            return Ok(());
        }
        let (lead, account) = places.of(customer)?;
        let request = SetContactConsentsRequest {
            contact: contact.to_owned(),
            surface: customer.heard.surface().into(),
            lead,
            account,
            assignments,
            evidence: Some(Evidence {
                method: EvidenceMethod::Form.into(),
                notice_version: "2026-01".to_owned(),
                ..Evidence::default()
            }),
            etag: String::new(),
            request_id: id(0x500 + number).to_string(),
        };
        client.set_contact_consents(request).await.map_err(error)?;
        Ok(())
    }

    fn assignments(&self, customer: &Customer) -> Vec<ConsentAssignment> {
        let expires = (self.clock.now() + EXPIRES_AFTER).as_second();
        [(Channel::Phone, customer.phone), (Channel::Email, customer.email)]
            .into_iter()
            .filter(|(_, state)| *state != ConsentState::NotSet)
            .map(|(channel, state)| ConsentAssignment {
                channel: channel.into(),
                state: state.into(),
                expire_time: customer
                    .expiring
                    .then_some(prost_types::Timestamp { seconds: expires, nanos: 0 }),
            })
            .collect()
    }
}

/// Leads and accounts by what we call them.
struct Places<'a> {
    leads: &'a Names,
    accounts: &'a Names,
}

impl Places<'_> {
    /// The lead and the account where a customer is met; empty if there is none.
    fn of(&self, customer: &Customer) -> Result<(String, String), DemoError> {
        Ok(match customer.heard {
            Heard::Lead(title) | Heard::LeadContacts(title) => {
                (found(self.leads, title)?.to_owned(), String::new())
            }
            Heard::AccountContacts(name) => (String::new(), found(self.accounts, name)?.to_owned()),
            Heard::Contacts => (String::new(), String::new()),
        })
    }
}

impl Heard {
    const fn surface(self) -> Surface {
        match self {
            Self::Lead(_) => Surface::Lead,
            Self::LeadContacts(_) => Surface::LeadContacts,
            Self::AccountContacts(_) => Surface::AccountContacts,
            Self::Contacts => Surface::Contacts,
        }
    }

    const fn is_among_lead_contacts(self) -> bool {
        matches!(self, Self::LeadContacts(_))
    }

    /// Who heard it, among the people: reports have more than one actor.
    const fn by(self) -> usize {
        match self {
            Self::Lead(_) => 2,
            Self::LeadContacts(_) | Self::AccountContacts(_) => 1,
            Self::Contacts => 0,
        }
    }
}

fn contact(customer: &Customer) -> Contact {
    let points = |values: &[&str]| {
        let point =
            |value: &&str| ContactPoint { value: (*value).to_owned(), ..ContactPoint::default() };
        values.iter().map(point).collect()
    };
    Contact {
        external_id: customer.external_id.to_owned(),
        first_name: customer.first_name.to_owned(),
        last_name: customer.last_name.to_owned(),
        phones: points(customer.phones),
        emails: points(customer.emails),
        ..Contact::default()
    }
}

fn found<'a>(names: &'a Names, called: &str) -> Result<&'a str, DemoError> {
    names.get(called).map(String::as_str).ok_or(DemoError::Answer("something that was just made"))
}
