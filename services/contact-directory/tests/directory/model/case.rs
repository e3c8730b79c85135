//! One case: its two businesses, and each step as the calls that a client makes.

mod seen;
mod writes;

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use yinyom_consent::{CONTACTS, LEADS, Role};
use yinyom_identity::Caller;
use yinyom_kernel::{AccountId, BusinessId, Clock, ContactId, LeadId, MemberId, Name};
use yinyom_policy::{
    NotSetVisibility, Policy, PolicyMember, Rules as Policed, SharedAddressPolicy,
};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::directory::v1::consent_service_client::ConsentServiceClient;
use yinyom_proto::directory::v1::contact_service_client::ContactServiceClient;
use yinyom_proto::manager::v1 as manager;
use yinyom_proto::types::v1::{ChangeCause, Channel as Wire, ConsentState, Surface};
use yinyom_testkit::tokens::Bearer;

use crate::model::house::House;
use crate::model::reference::Event;
use crate::model::steps::{Answer, Does, PHONES_AND_EMAILS, Rules, Step, Who};
use writes::Sent;

const CHANNELS: [Wire; 2] = [Wire::Phone, Wire::Email];

/// The business's colleagues: owner, admin, listed user, user.
type Colleagues = [MemberId; 4];

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
            default_grant_lifetime: None,
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

    /// Everything that is on its way to the ledger, by contact.
    pub async fn events(&self) -> Vec<Vec<Event>> {
        let mut sent: HashMap<ContactId, Vec<Event>> = HashMap::new();
        for (business, [owner, ..]) in self.businesses {
            let scope = Caller::Member { business, member: owner }.scope(business).unwrap();
            let mut tx = self.house.db.read(scope).await.unwrap();
            let rows: Vec<(Vec<u8>,)> = tx
                .scoped("SELECT payload FROM outbox_payloads WHERE business_id = $1 ORDER BY stream_id, seq")
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

fn event(change: &manager::ConsentChange) -> Event {
    let to = CHANNELS.map(|channel| {
        let of = change.channels.iter().find(|of| of.channel() == channel)?;
        Some(of.to_state()).filter(|state| *state != ConsentState::Unspecified)
    });
    let cause = ChangeCause::try_from(change.cause).unwrap();
    (cause, Surface::try_from(change.surface).unwrap(), to)
}

fn id_of(name: &str) -> ContactId {
    CONTACTS.parse::<ContactId>(name).unwrap().1
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
