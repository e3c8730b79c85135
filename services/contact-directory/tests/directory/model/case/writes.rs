//! Writes: the request of a step, and sending it, for the first time or again.

use std::collections::BTreeSet;

use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use yinyom_consent::{ACCOUNTS, LEADS};
use yinyom_kernel::{AccountId, Clock, Etag, LeadId, RequestId};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_testkit::tokens::Bearer;

use super::{CHANNELS, Case, id_of};
use crate::model::steps::{Answer, At, Does, PHONES_AND_EMAILS, Step, Who, Words};

/// A write, as it was sent.
#[derive(Debug, Clone)]
pub enum Sent {
    Create(pb::CreateContactRequest),
    Update(pb::UpdateContactRequest),
    Delete(pb::DeleteContactRequest),
    Set(pb::SetContactConsentsRequest),
    Withdraw(pb::WithdrawConsentRequest),
    Lead(pb::CreateLeadRequest),
    Link(pb::AddLeadContactsRequest),
    Convert(pb::ConvertLeadRequest),
}

impl Case<'_> {
    /// The request of a write.
    pub async fn request(
        &self,
        step: &Step,
        does: &Does,
        revision: i64,
        contacts: &mut ContactServiceClient<InterceptedService<Channel, Bearer>>,
    ) -> Result<Sent, Status> {
        let (b, request_id) = (step.business, RequestId::generate().to_string());
        let etag = Etag::of(if does.stale() { revision - 1 } else { revision }).to_string();
        let of = |i: &usize| self.contact(b, *i);
        Ok(match does {
            Does::Create { points } => {
                let points = [0, 1].map(|channel| points_of(channel, &points[channel], false));
                let [phones, emails] = points;
                let first_name = "Somchai".to_owned();
                let contact = pb::Contact { first_name, phones, emails, ..<_>::default() };
                let (parent, contact) = (self.parent(b), Some(contact));
                Sent::Create(pb::CreateContactRequest { parent, contact, request_id })
            }
            Does::Rename { contact, .. } => {
                let (name, first_name) = (of(contact), "Somsri".to_owned());
                let contact = pb::Contact { name, etag, first_name, ..<_>::default() };
                update(contact, &["first_name"], request_id)
            }
            Does::Edit { contact: i, channel, to, other, .. } => {
                let mut wanted = points_of(*channel, to, *other);
                if *other {
                    // With the ids of the points that are there, whatever their addresses.
                    let owner = self.bearer(Who::Owner, b);
                    let channel_to = self.house.channel.clone();
                    let mut owner = ContactServiceClient::with_interceptor(channel_to, owner);
                    let found = owner.get_contact(pb::GetContactRequest { name: of(i) }).await;
                    let found = found.map(|found| found.into_inner().contact.unwrap());
                    let found = found.unwrap_or_default();
                    for (point, old) in
                        wanted.iter_mut().zip([found.phones, found.emails][*channel].iter())
                    {
                        point.id.clone_from(&old.id);
                    }
                }
                let mut contact = pb::Contact { name: of(i), etag, ..<_>::default() };
                *[&mut contact.phones, &mut contact.emails][*channel] = wanted;
                update(contact, &[["phones", "emails"][*channel]], request_id)
            }
            Does::WriteBack(i) => {
                let read = contacts.get_contact(pb::GetContactRequest { name: of(i) }).await?;
                let contact = read.into_inner().contact.unwrap();
                update(contact, &["phones", "emails"], request_id)
            }
            Does::Delete { contact, .. } => {
                Sent::Delete(pb::DeleteContactRequest { name: of(contact), etag, request_id })
            }
            Does::Set { contact, at, to, .. } => {
                let (surface, lead, account) = self.place(b, *at);
                let assignments = self.assignments(to);
                let (contact, evidence) = (of(contact), None);
                Sent::Set(pb::SetContactConsentsRequest {
                    contact,
                    surface,
                    lead,
                    account,
                    assignments,
                    evidence,
                    etag,
                    request_id,
                })
            }
            Does::Withdraw { contact, at, channels } => {
                let (surface, lead, account) = self.place(b, *at);
                let said = CHANNELS.iter().zip(channels).filter(|(_, said)| **said);
                let channels = said.map(|(channel, _)| (*channel).into()).collect();
                let (contact, evidence) = (of(contact), None);
                Sent::Withdraw(pb::WithdrawConsentRequest {
                    contact,
                    channels,
                    surface,
                    lead,
                    account,
                    evidence,
                    request_id,
                })
            }
            Does::Lead { contact } => {
                let (title, primary_contact) = ("Garden".to_owned(), of(contact));
                let lead = pb::Lead { title, primary_contact, ..<_>::default() };
                let parent = self.parent(b);
                Sent::Lead(pb::CreateLeadRequest { parent, lead: Some(lead), request_id })
            }
            Does::Link { lead, contact } => {
                let (parent, contacts) = (self.lead(b, *lead), vec![of(contact)]);
                Sent::Link(pb::AddLeadContactsRequest { parent, contacts, request_id })
            }
            Does::Convert { lead } => {
                let (name, etag) = (self.lead(b, *lead), String::new());
                let new =
                    pb::convert_lead_request::Target::NewAccountDisplayName("Shop".to_owned());
                Sent::Convert(pb::ConvertLeadRequest { name, etag, request_id, target: Some(new) })
            }
            read => unreachable!("{read:?} writes nothing"),
        })
    }

    /// Sends a write, for the first time or again.
    pub async fn send(&mut self, who: Who, business: usize, sent: Sent) -> Result<Answer, Status> {
        let (bearer, channel) = (self.bearer(who, business), self.house.channel.clone());
        let mut contacts = ContactServiceClient::with_interceptor(channel.clone(), bearer.clone());
        let mut consents = ConsentServiceClient::with_interceptor(channel.clone(), bearer.clone());
        let mut leads = LeadServiceClient::with_interceptor(channel, bearer);
        Ok(match sent {
            Sent::Create(request) => {
                let made = contacts.create_contact(request).await?.into_inner().contact;
                let id = id_of(&made.as_ref().unwrap().name);
                if !self.contacts.contains(&id) {
                    self.contacts.push(id);
                }
                self.one(made)
            }
            Sent::Update(request) => {
                self.one(contacts.update_contact(request).await?.into_inner().contact)
            }
            Sent::Delete(request) => {
                contacts.delete_contact(request).await?;
                Answer::Done
            }
            Sent::Set(request) => {
                let said = consents.set_contact_consents(request).await?.into_inner();
                self.consents(&said.contact_consents.unwrap())
            }
            Sent::Withdraw(request) => {
                let said = consents.withdraw_consent(request).await?.into_inner();
                self.consents(&said.contact_consents.unwrap())
            }
            Sent::Lead(request) => {
                let lead = leads.create_lead(request).await?.into_inner().lead.unwrap();
                let (_, id) = LEADS.parse::<LeadId>(&lead.name).unwrap();
                if self.leads.iter().all(|(known, _)| *known != id) {
                    self.leads.push((id, None));
                }
                Answer::Done
            }
            Sent::Link(request) => {
                leads.add_lead_contacts(request).await?;
                Answer::Done
            }
            Sent::Convert(request) => {
                let turned = leads.convert_lead(request).await?.into_inner();
                let (_, lead) = LEADS.parse::<LeadId>(&turned.lead.unwrap().name).unwrap();
                let (_, account) = ACCOUNTS.parse(&turned.account.unwrap().name).unwrap();
                let of = self.leads.iter_mut().find(|(known, _)| *known == lead);
                of.unwrap().1 = Some(account);
                Answer::Done
            }
        })
    }

    fn place(&self, business: usize, at: At) -> (i32, String, String) {
        let (lead, account) = match at {
            At::Lead(i) | At::LeadContacts(i) => (self.lead(business, i), String::new()),
            At::Account(i) => {
                let account = self.leads.get(i).and_then(|(_, account)| *account);
                let account = account.unwrap_or_else(AccountId::generate);
                (String::new(), ACCOUNTS.format(self.businesses[business].0, account))
            }
            At::Menu | At::Api | At::Import => <_>::default(),
        };
        (at.surface().into(), lead, account)
    }

    fn assignments(&self, to: &Words) -> Vec<pb::ConsentAssignment> {
        let now = self.house.clock.now().as_second();
        let words = CHANNELS.iter().zip(to).filter_map(|(channel, word)| Some((channel, (*word)?)));
        words
            .map(|(channel, (state, hours))| pb::ConsentAssignment {
                channel: (*channel).into(),
                state: state.into(),
                expire_time: hours
                    .map(|h| prost_types::Timestamp { seconds: now + h * 3_600, nanos: 0 }),
            })
            .collect()
    }
}

/// Addresses to write, in one spelling or the other.
fn points_of(channel: usize, addresses: &BTreeSet<usize>, other: bool) -> Vec<pb::ContactPoint> {
    let text = |i: &usize| PHONES_AND_EMAILS[channel].0[*i][usize::from(other)].to_owned();
    addresses.iter().map(|i| pb::ContactPoint { value: text(i), ..<_>::default() }).collect()
}

fn update(contact: pb::Contact, paths: &[&str], request_id: String) -> Sent {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    Sent::Update(pb::UpdateContactRequest { contact: Some(contact), update_mask, request_id })
}
