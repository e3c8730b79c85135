//! Businesses, their people and their contacts, and what is certain of each.

use uuid::Uuid;
use yinyom_identity::Subject;
use yinyom_proto::settings::v1::business_service_client::BusinessServiceClient;
use yinyom_proto::settings::v1::{Business, CreateBusinessRequest, Plan};

use crate::Failure;
use crate::call::{Bearer, Calls, Lines};
use crate::facts::{Consent, Fact};
use crate::house::House;

/// How a contact is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Refused once, and left alone.
    Denied,
    /// Left alone from the start.
    NotSet,
    /// Changed all the time, by people who may.
    Moving,
    /// Changed by people who may or may not, and by grants that run out. Nothing is certain of it.
    Contested,
}

/// How many contacts of each use a business has.
const POPULATION: [(Use, usize); 4] =
    [(Use::Denied, 3), (Use::NotSet, 2), (Use::Moving, 9), (Use::Contested, 2)];
/// How many businesses there are.
const BUSINESSES: usize = 4;

/// A contact with an address that nobody else has, in each channel.
pub struct Contact {
    pub id: Uuid,
    /// `businesses/{business}/contacts/{contact}`.
    pub name: String,
    pub kept: Use,
    pub phone: String,
    pub email: String,
    pub consent: Consent,
}

/// Somebody of a business.
pub struct Person {
    pub id: Uuid,
    /// `businesses/{business}/members/{member}`; empty for a service.
    pub name: String,
    pub bearer: Bearer,
    /// Neither owner nor admin nor listed, or no member at all.
    pub plain: Fact,
}

/// A business.
pub struct Firm {
    pub id: Uuid,
    /// `businesses/{business}`.
    pub name: String,
    pub owner: Person,
    /// Put on the viewer list and taken off it.
    pub listed: Person,
    /// Made an admin and a user again.
    pub admin: Person,
    /// A user, always.
    pub user: Person,
    /// Made a member and removed.
    pub guest: Person,
    /// A service without the sight of addresses.
    pub service: Person,
    pub contacts: Vec<Contact>,
    /// Enforcement is on.
    pub enforced: Fact,
    /// `not_set_visibility` is `MASK`.
    pub not_set_masked: Fact,
}

impl Firm {
    /// The contacts that are used so.
    pub fn of(&self, kept: Use) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().filter(move |contact| contact.kept == kept)
    }
}

/// Everybody, and the lines to the services.
pub struct Town {
    pub firms: Vec<Firm>,
    pub lines: Lines,
}

impl Town {
    /// Founds the businesses. Their members, rules and contacts are made by the clients, on record.
    pub async fn found(house: &House) -> Result<Self, Failure> {
        let lines = Lines::new(house)?;
        let vendor = Bearer::new(&house.token(&Subject::named("vendor"))?)?;
        let mut firms = Vec::new();
        for i in 0..BUSINESSES {
            let owner = Uuid::now_v7();
            let request = CreateBusinessRequest {
                business: Some(Business {
                    display_name: "สวนผลไม้".to_owned(),
                    plan: Plan::Gold.into(),
                    ..Default::default()
                }),
                owner_display_name: "เจ้าของ".to_owned(),
                owner_member_id: owner.to_string(),
                request_id: Uuid::now_v7().to_string(),
            };
            let created = Calls::insist(async || {
                let line = lines.settings(0, &vendor);
                BusinessServiceClient::new(line).create_business(request.clone()).await
            });
            let business = created.await?.business.unwrap_or_default();
            firms.push(Firm::new(house, i, business.name, owner)?);
        }
        Ok(Self { firms, lines })
    }
}

impl Firm {
    fn new(house: &House, number: usize, name: String, owner: Uuid) -> Result<Self, Failure> {
        let id = name.rsplit('/').next().and_then(|id| id.parse().ok());
        let id: Uuid = id.ok_or_else(|| Failure::Setup("a business without a name".into()))?;
        let member = |person: Uuid| {
            let subject = Subject::Member { business: id.into(), member: person.into() };
            let bearer = Bearer::new(&house.token(&subject)?)?;
            let name = format!("{name}/members/{person}");
            Ok::<_, Failure>(Person { id: person, name, bearer, plain: Fact::default() })
        };
        let service = Bearer::new(&house.token(&Subject::named("dashboard"))?)?;
        let uses = POPULATION.iter().flat_map(|(kept, count)| vec![*kept; *count]);
        let contacts = uses.enumerate().map(|(i, kept)| {
            let serial = number * 1_000 + i;
            Contact {
                id: Uuid::nil(),
                name: String::new(),
                kept,
                phone: format!("+668{serial:08}"),
                email: format!("customer{serial}@example.co.th"),
                consent: Consent::default(),
            }
        });
        Ok(Self {
            id,
            owner: member(owner)?,
            listed: member(Uuid::now_v7())?,
            admin: member(Uuid::now_v7())?,
            user: member(Uuid::now_v7())?,
            guest: member(Uuid::now_v7())?,
            service: Person {
                id: Uuid::nil(),
                name: String::new(),
                bearer: service,
                plain: Fact::default(),
            },
            contacts: contacts.collect(),
            enforced: Fact::default(),
            not_set_masked: Fact::default(),
            name,
        })
    }
}
