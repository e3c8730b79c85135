//! Ways to see what one may have no right to any more.

use futures::channel::mpsc;
use tonic::{Code, Status, Streaming};
use yinyom_proto::directory::v1 as dir;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::types::v1::{Channel, ConsentState, Surface};
use yinyom_tests::{Person, assign, refusal};

use crate::{PHONE, World};

/// What somebody was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What only the right shows.
    Revealed,
    /// An answer without it.
    Hidden,
    /// No answer, with its code and reason.
    Refused(Code, String),
}

/// A way out of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    Get,
    BatchGet,
    List,
    Search,
    LeadContacts,
    AccountContacts,
    /// Whom may we call? Rests on equality of addresses.
    Check,
    /// A batch on a stream that stays open for as long as it may.
    Import,
    /// Lifting the mask from oneself.
    Regrant,
    Ledger,
}

/// All that show contact points.
pub const READS: [Probe; 6] = [
    Probe::Get,
    Probe::BatchGet,
    Probe::List,
    Probe::Search,
    Probe::LeadContacts,
    Probe::AccountContacts,
];

/// Somebody who asks one replica, about one contact.
pub struct Asker {
    person: Person,
    business: String,
    lead: String,
    account: String,
    contact: String,
    phone: String,
    stream: Option<Import>,
}

struct Import {
    batches: mpsc::UnboundedSender<dir::ImportContactsRequest>,
    results: Streaming<dir::ImportContactsResponse>,
}

impl Asker {
    pub fn new(world: &World, person: &Person, directory: usize, contact: &str) -> Self {
        Self {
            person: world.at(person, directory),
            business: world.business.name.clone(),
            lead: world.things.lead.clone(),
            account: world.things.account.clone(),
            phone: if contact == world.unasked { "+66812345670" } else { PHONE }.to_owned(),
            contact: contact.to_owned(),
            stream: None,
        }
    }

    pub async fn ask(&mut self, probe: Probe) -> Heard {
        let heard = match probe {
            Probe::Check => self.check().await,
            Probe::Import => self.import().await,
            Probe::Regrant => self.regrant().await,
            Probe::Ledger => self.ledger().await,
            probe => self.read(probe).await.map(|contacts| self.judge(probe, &contacts)),
        };
        heard.unwrap_or_else(|status| {
            let (code, reason, _) = refusal(&status);
            Heard::Refused(code, reason)
        })
    }

    fn judge(&self, probe: Probe, contacts: &[dir::Contact]) -> Heard {
        let found = contacts.iter().find(|contact| contact.name == self.contact);
        match (probe, found) {
            // That it was found by its number is the number.
            (Probe::Search, found) if found.is_some() => Heard::Revealed,
            (_, Some(contact)) if shows(contact) => Heard::Revealed,
            _ => Heard::Hidden,
        }
    }

    async fn read(&self, probe: Probe) -> Result<Vec<dir::Contact>, Status> {
        let mut person = self.person.clone();
        let (parent, contact) = (self.business.clone(), self.contact.clone());
        let page_size = 100;
        Ok(match probe {
            Probe::Get => {
                let request = dir::GetContactRequest { name: contact };
                person
                    .contacts
                    .get_contact(request)
                    .await?
                    .into_inner()
                    .contact
                    .into_iter()
                    .collect()
            }
            Probe::BatchGet => {
                let request = dir::BatchGetContactsRequest { parent, names: vec![contact] };
                person.contacts.batch_get_contacts(request).await?.into_inner().contacts
            }
            Probe::List => {
                let request = dir::ListContactsRequest { parent, page_size, ..Default::default() };
                person.contacts.list_contacts(request).await?.into_inner().contacts
            }
            Probe::Search => {
                let phone = self.phone.clone();
                let request = dir::SearchContactsRequest { parent, phone, ..Default::default() };
                person.contacts.search_contacts(request).await?.into_inner().contacts
            }
            Probe::LeadContacts => {
                let parent = self.lead.clone();
                let request =
                    dir::ListLeadContactsRequest { parent, page_size, ..Default::default() };
                person.leads.list_lead_contacts(request).await?.into_inner().contacts
            }
            _ => {
                let parent = self.account.clone();
                let request =
                    dir::ListAccountContactsRequest { parent, page_size, ..Default::default() };
                person.accounts.list_account_contacts(request).await?.into_inner().contacts
            }
        })
    }

    async fn check(&self) -> Result<Heard, Status> {
        let request = dir::BatchCheckConsentRequest {
            parent: self.business.clone(),
            channel: Channel::Phone.into(),
            contacts: vec![self.contact.clone()],
        };
        let checks = self.person.consents.clone().batch_check_consent(request).await?.into_inner();
        // Where it may be asked at all, what it says is allowed is what counts: "shared_address_policy".
        let denied = checks.checks[0].reason() == dir::CheckReason::SharedAddressDenied;
        Ok(if denied { Heard::Hidden } else { Heard::Revealed })
    }

    async fn import(&mut self) -> Result<Heard, Status> {
        let mut open = match self.stream.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let row = dir::ImportRow {
            external_id: format!("import-{}", self.person.name),
            first_name: "นำเข้า".to_owned(),
            ..Default::default()
        };
        let batch = dir::ImportContactsRequest {
            parent: self.business.clone(),
            rows: vec![row],
            ..Default::default()
        };
        // A stream that has ended says why when it is read.
        let _ = open.batches.unbounded_send(batch);
        let answer = open.results.message().await?;
        answer.expect("an answer to each batch");
        self.stream = Some(open);
        Ok(Heard::Revealed)
    }

    async fn open(&self) -> Result<Import, Status> {
        let (batches, stream) = mpsc::unbounded();
        let results = self.person.imports.clone().import_contacts(stream).await?.into_inner();
        Ok(Import { batches, results })
    }

    /// Says yes where the customer said no, and takes it back where that was accepted.
    async fn regrant(&self) -> Result<Heard, Status> {
        let mut consents = self.person.consents.clone();
        let yes = assign(&self.contact, &[(Channel::Phone, ConsentState::Granted)]);
        consents.set_contact_consents(yes).await?;
        let no = dir::WithdrawConsentRequest {
            contact: self.contact.clone(),
            channels: vec![Channel::Phone.into()],
            surface: Surface::Contacts.into(),
            ..Default::default()
        };
        consents.withdraw_consent(no).await?;
        Ok(Heard::Revealed)
    }

    async fn ledger(&self) -> Result<Heard, Status> {
        let parent = self.business.clone();
        let request = man::ListConsentChangesRequest { parent, page_size: 1, ..Default::default() };
        self.person.ledger.clone().list_consent_changes(request).await?;
        Ok(Heard::Revealed)
    }
}

/// Whether a contact point of it is shown. What is called masked is.
pub fn shows(contact: &dir::Contact) -> bool {
    let mut points = contact.phones.iter().chain(&contact.emails);
    points.any(|point| {
        let visible = point.visibility() == dir::Visibility::Visible;
        assert_eq!(visible, !point.value.contains('•'), "it is what it is called");
        visible
    })
}
