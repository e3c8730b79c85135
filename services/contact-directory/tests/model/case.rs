//! One case: its two businesses, and each step as the calls that a client makes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use prost::Message;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use yinyom_consent::{ACCOUNTS, CONTACTS, LEADS, Role};
use yinyom_identity::Caller;
use yinyom_kernel::{
    AccountId, BusinessId, Clock, ContactId, Etag, LeadId, MemberId, Name, RequestId,
};
use yinyom_policy::{
    NotSetVisibility, Policy, PolicyMember, Rules as Policed, SharedAddressPolicy,
};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::directory::v1::lead_service_client::LeadServiceClient;
use yinyom_proto::manager::v1 as manager;
use yinyom_proto::types::v1::{ChangeCause, Channel as Wire, ConsentState, Surface};
use yinyom_testkit::tokens::Bearer;

use crate::house::House;
use crate::reference::Event;
use crate::steps::{Answer, At, Does, PHONES_AND_EMAILS, Rules, Seen, Step, Who, Words};

const CHANNELS: [Wire; 2] = [Wire::Phone, Wire::Email];

/// The business's colleagues: owner, admin, listed user, user.
type Colleagues = [MemberId; 4];

/// A write, as it was sent.
#[derive(Debug, Clone)]
enum Sent {
    Create(pb::CreateContactRequest),
    Update(pb::UpdateContactRequest),
    Delete(pb::DeleteContactRequest),
    Set(pb::SetContactConsentsRequest),
    Withdraw(pb::WithdrawConsentRequest),
    Lead(pb::CreateLeadRequest),
    Link(pb::AddLeadContactsRequest),
    Convert(pb::ConvertLeadRequest),
}

pub struct Case<'a> {
    house: &'a House,
    businesses: [(BusinessId, Colleagues); 2],
    cut_off: bool,
    start: i64,
    contacts: Vec<ContactId>,
    leads: Vec<(LeadId, Option<AccountId>)>,
    writes: Vec<(Who, usize, Sent)>,
}

impl<'a> Case<'a> {
    pub async fn new(house: &'a House) -> Self {
        house.reconnect().await;
        let businesses =
            [0, 1].map(|_| (BusinessId::generate(), [(); 4].map(|()| MemberId::generate())));
        let start = house.clock.now().as_second();
        let (contacts, leads, writes) = (Vec::new(), Vec::new(), Vec::new());
        let case = Self { house, businesses, cut_off: false, start, contacts, leads, writes };
        for business in 0..2 {
            case.rule(business, Rules::default()).await;
        }
        case
    }

    /// Does it; `revision` is what the contact is at, as far as anybody should know.
    pub async fn run(&mut self, step: &Step, revision: i64) -> Answer {
        match &step.does {
            Does::Rule(rules) if !self.cut_off => self.rule(step.business, *rules).await,
            Does::Rule(_) => {}
            Does::Pass { hours } => {
                let hours = u64::try_from(*hours).unwrap();
                self.house.pass(Duration::from_hours(hours)).await;
            }
            Does::CutOff => {
                self.cut_off = true;
                self.house.cut_off();
            }
            Does::Reconnect => {
                self.cut_off = false;
                self.house.reconnect().await;
            }
            _ => match self.call(step, revision).await {
                Ok(answer) => return answer,
                Err(status) => return refused(&status),
            },
        }
        Answer::Done
    }

    async fn rule(&self, business: usize, rules: Rules) {
        let (id, colleagues) = self.businesses[business];
        let (admin, listed) = (!rules.admin_demoted, rules.user_listed);
        let user = |listed| (Role::User, listed);
        let standings = [
            (Role::Owner, false),
            if admin { (Role::Admin, false) } else { user(false) },
            user(true),
            user(listed),
        ];
        let members = colleagues.into_iter().zip(standings).map(|(member, (role, listed))| {
            (member, PolicyMember { role, listed, protection_officer: false })
        });
        let rules = Policed {
            enforcement: rules.enforced,
            not_set_visibility: if rules.mask_not_set {
                NotSetVisibility::Mask
            } else {
                NotSetVisibility::Show
            },
            members_may_regrant: rules.regrant,
            shared_address_policy: if rules.restrictive {
                SharedAddressPolicy::MostRestrictive
            } else {
                SharedAddressPolicy::RecordOnly
            },
        };
        let (time_zone, members) = ("Asia/Bangkok".to_owned(), members.collect());
        let policy = Policy { business: id, revision: 0, time_zone, rules, members };
        self.house.rule(policy).await;
        self.house.meet(id).await;
    }

    async fn call(&mut self, step: &Step, revision: i64) -> Result<Answer, Status> {
        let bearer = self.bearer(step.who, step.business);
        let channel = self.house.channel.clone();
        let mut contacts = ContactServiceClient::with_interceptor(channel.clone(), bearer.clone());
        match &step.does {
            Does::Get(i) => {
                let name = self.contact(step.business, *i);
                let found = contacts.get_contact(pb::GetContactRequest { name }).await?;
                Ok(self.one(found.into_inner().contact))
            }
            Does::List => {
                let parent = self.parent(step.business);
                let all = pb::ListContactsRequest { parent, page_size: 1_000, ..<_>::default() };
                Ok(self.several(&contacts.list_contacts(all).await?.into_inner().contacts))
            }
            Does::Search { channel, address } => {
                let parent = self.parent(step.business);
                let mut wanted = pb::SearchContactsRequest { parent, ..<_>::default() };
                let text = PHONES_AND_EMAILS[*channel].0[address / 2][address % 2].to_owned();
                *[&mut wanted.phone, &mut wanted.email][*channel] = text;
                Ok(self.several(&contacts.search_contacts(wanted).await?.into_inner().contacts))
            }
            Does::Check { channel: of } => {
                let parent = self.parent(step.business);
                let names = (0..=self.contacts.len()).map(|i| self.contact(step.business, i));
                let (contacts, of) = (names.collect(), CHANNELS[*of].into());
                let asked = pb::BatchCheckConsentRequest { parent, channel: of, contacts };
                let mut consents = ConsentServiceClient::with_interceptor(channel, bearer);
                let checks = consents.batch_check_consent(asked).await?.into_inner().checks;
                let allowed = pb::CheckReason::Allowed;
                assert!(checks.iter().all(|check| check.allowed == (check.reason() == allowed)));
                Ok(Answer::Checks(checks.iter().map(pb::ConsentCheck::reason).collect()))
            }
            Does::Repeat(back) => match self.writes.iter().rev().nth(*back).cloned() {
                None => Ok(Answer::Done),
                Some((who, business, sent)) => self.send(who, business, sent).await,
            },
            does => {
                let sent = self.request(step, does, revision, &mut contacts).await?;
                let answer = self.send(step.who, step.business, sent.clone()).await?;
                self.writes.push((step.who, step.business, sent));
                Ok(answer)
            }
        }
    }

    /// The request of a write.
    async fn request(
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
    async fn send(&mut self, who: Who, business: usize, sent: Sent) -> Result<Answer, Status> {
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

    fn bearer(&self, who: Who, business: usize) -> Bearer {
        let (id, [owner, admin, listed, user]) = self.businesses[business];
        let tokens = &self.house.tokens;
        match who {
            Who::Owner => tokens.member(id, owner),
            Who::Admin => tokens.member(id, admin),
            Who::Listed => tokens.member(id, listed),
            Who::User => tokens.member(id, user),
            Who::Scoped => tokens.named("scoped"),
            Who::Unscoped => tokens.named("unscoped"),
            Who::Stranger => {
                let (theirs, [owner, ..]) = self.businesses[1 - business];
                tokens.member(theirs, owner)
            }
        }
    }

    fn parent(&self, business: usize) -> String {
        Name::format_business(self.businesses[business].0)
    }

    /// A contact's name in a business, whether or not it is there.
    fn contact(&self, business: usize, i: usize) -> String {
        let id = self.contacts.get(i).copied().unwrap_or_else(ContactId::generate);
        CONTACTS.format(self.businesses[business].0, id)
    }

    fn lead(&self, business: usize, i: usize) -> String {
        let id = self.leads.get(i).map_or_else(LeadId::generate, |(id, _)| *id);
        LEADS.format(self.businesses[business].0, id)
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

    fn index(&self, name: &str) -> usize {
        let id = id_of(name);
        self.contacts.iter().position(|known| *known == id).unwrap()
    }

    fn one(&self, contact: Option<pb::Contact>) -> Answer {
        let contact = contact.unwrap();
        let gone = contact.consents.is_empty();
        let seen = (!gone).then(|| self.seen(&contact));
        Answer::Contact(self.index(&contact.name), revision(&contact.etag), seen)
    }

    fn several(&self, contacts: &[pb::Contact]) -> Answer {
        let mut seen: Vec<_> =
            contacts.iter().map(|c| (self.index(&c.name), self.seen(c))).collect();
        seen.sort_by_key(|(i, _)| *i);
        Answer::Contacts(seen)
    }

    fn seen(&self, contact: &pb::Contact) -> Seen {
        let states = self.states(&contact.consents);
        let points = [0, 1].map(|channel| {
            let points = [&contact.phones, &contact.emails][channel];
            let mut seen: Vec<_> = points
                .iter()
                .map(|point| {
                    assert_eq!(point.consent_state(), states[channel].0);
                    let visible = point.visibility() == pb::Visibility::Visible;
                    (point.value.clone(), visible, point.reason())
                })
                .collect();
            seen.sort_by(|one, other| one.0.cmp(&other.0));
            seen
        });
        Seen { states, points }
    }

    fn consents(&self, of: &pb::ContactConsents) -> Answer {
        let now = (!of.consents.is_empty()).then(|| self.states(&of.consents));
        Answer::Consents(self.index(&of.contact), revision(&of.etag), of.consent_seq, now)
    }

    fn states(&self, consents: &[pb::ChannelConsent]) -> [(ConsentState, Option<i64>); 2] {
        assert_eq!(consents.len(), 2);
        [0, 1].map(|channel| {
            let of = &consents[channel];
            assert_eq!(of.channel(), CHANNELS[channel]);
            let until = of.expire_time.as_ref().map(|at| at.seconds - self.start);
            (of.state(), until)
        })
    }

    /// Everything that is on its way to the ledger, by contact.
    pub async fn events(&self) -> Vec<Vec<Event>> {
        let mut sent: HashMap<ContactId, Vec<Event>> = HashMap::new();
        for (business, [owner, ..]) in self.businesses {
            let scope = Caller::Member { business, member: owner }.scope(business).unwrap();
            let mut tx = self.house.db.read(scope).await.unwrap();
            let rows: Vec<(Vec<u8>,)> = tx
                .scoped("SELECT payload FROM outbox WHERE business_id = $1 ORDER BY stream_id, seq")
                .fetch_all()
                .await
                .unwrap();
            for (bytes,) in rows {
                let change = manager::ConsentChange::decode(&bytes[..]).unwrap();
                let stream = sent.entry(id_of(&change.contact)).or_default();
                assert_eq!(usize::try_from(change.seq).unwrap(), stream.len() + 1);
                stream.push(event(&change));
            }
        }
        self.contacts.iter().map(|id| sent.remove(id).unwrap_or_default()).collect()
    }
}

/// Addresses to write, in one spelling or the other.
fn points_of(channel: usize, addresses: &BTreeSet<usize>, other: bool) -> Vec<pb::ContactPoint> {
    let text = |i: &usize| PHONES_AND_EMAILS[channel].0[*i][usize::from(other)].to_owned();
    addresses.iter().map(|i| pb::ContactPoint { value: text(i), ..<_>::default() }).collect()
}

fn event(change: &manager::ConsentChange) -> Event {
    let to = CHANNELS.map(|channel| {
        let of = change.channels.iter().find(|of| of.channel() == channel)?;
        Some(of.to_state()).filter(|state| *state != ConsentState::Unspecified)
    });
    let cause = ChangeCause::try_from(change.cause).unwrap();
    (cause, Surface::try_from(change.surface).unwrap(), to)
}

fn update(contact: pb::Contact, paths: &[&str], request_id: String) -> Sent {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(prost_types::FieldMask { paths });
    Sent::Update(pb::UpdateContactRequest { contact: Some(contact), update_mask, request_id })
}

fn id_of(name: &str) -> ContactId {
    CONTACTS.parse::<ContactId>(name).unwrap().1
}

fn revision(etag: &str) -> i64 {
    etag.trim_matches('"').parse().unwrap()
}

/// A refusal, by its reason; each has one code.
fn refused(status: &Status) -> Answer {
    let reason = yinyom_rpc::reason(status).unwrap_or_default();
    let code = match &*reason {
        "INVALID_INPUT" => Code::InvalidArgument,
        "NOT_FOUND" => Code::NotFound,
        "ETAG_MISMATCH" => Code::Aborted,
        "CANNOT_LIFT_OWN_MASK" | "CONTACT_POINT_MASKED" | "HIDDEN_ADDRESSES" => {
            Code::PermissionDenied
        }
        "SURFACE_MISMATCH" | "PRIMARY_CONTACT" | "ALREADY_CONVERTED" => Code::FailedPrecondition,
        "POLICY_UNAVAILABLE" => Code::Unavailable,
        other => panic!("{other}: {status:?}"),
    };
    assert_eq!(status.code(), code, "{reason}");
    Answer::Refused(reason)
}
