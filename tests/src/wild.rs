//! Random requests for every method there is, made from the descriptors: mostly such as are carried out, now and then
//! something that is wrong in a field or two. A method or a field that is added tomorrow is asked for, too.
//!
//! What is drawn depends on the dice and on how many words there are, never on what they say: with the same dice and
//! other words comes the same request about other things.

use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, ReflectMessage, Value,
};
use rand::Rng;
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::ask::is_question;

/// What requests are made of.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    pub business: &'a str,
    pub contacts: &'a [String],
    pub leads: &'a [String],
    pub accounts: &'a [String],
    pub merges: &'a [String],
    pub members: &'a [String],
    pub operations: &'a [String],
    /// Ids of contact points.
    pub points: &'a [String],
    pub phones: &'a [String],
    pub emails: &'a [String],
    /// Names, titles, notes, external ids.
    pub texts: &'a [String],
    /// Where the asker makes changes: 6 for a service; members name the contacts menu, 4.
    pub surface: i32,
    /// Seconds.
    pub now: i64,
}

/// A request of `method`.
pub fn request(dice: &mut StdRng, method: &MethodDescriptor, words: Words<'_>) -> DynamicMessage {
    let mut request = DynamicMessage::new(method.input());
    let mut wild = Wild { dice, method, words, email: false };
    wild.fill(&mut request);
    request
}

/// An id that nobody has.
pub fn id(dice: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(dice.random()).into_uuid()
}

struct Wild<'a, 'w> {
    dice: &'a mut StdRng,
    method: &'a MethodDescriptor,
    words: Words<'w>,
    /// Whether what is filled now is an e-mail address.
    email: bool,
}

impl Wild<'_, '_> {
    fn fill(&mut self, message: &mut DynamicMessage) {
        for field in message.descriptor().fields().collect::<Vec<_>>() {
            if !self.dice.random_ratio(self.percent(&field), 100) {
                continue;
            }
            self.email = matches!(field.name(), "emails" | "email");
            let value = if field.is_list() {
                let several = self.dice.random_ratio(1, 4);
                let items = if several { self.dice.random_range(0..=3) } else { 1 };
                Value::List((0..items).map(|_| self.value(&field)).collect())
            } else {
                self.value(&field)
            };
            message.set_field(&field, value);
        }
    }

    /// How often a field is there, of a hundred times.
    fn percent(&self, field: &FieldDescriptor) -> u32 {
        if field.containing_oneof().is_some() {
            return 60;
        }
        let narrows = is_question(self.method) && field.name() != "parent";
        match (field.parent_message().name(), field.name()) {
            (
                "SetContactConsentsRequest"
                | "WithdrawConsentRequest"
                | "BulkSetContactConsentsRequest",
                "lead" | "account",
            ) => 4,
            // One of them must be there, and not the other.
            ("BulkSetContactConsentsRequest", "contacts" | "filter") => 50,
            (_, "filter") => 10,
            ("Contact", "consents")
            | ("ContactPoint", "visibility" | "reason" | "consent_state")
            | (_, "create_time" | "update_time" | "stage") => 2,
            ("ContactPoint", "id") if self.method.name() != "UpdateContact" => 2,
            ("ContactPoint", "id") | (_, "external_id" | "order_by" | "page_size") => 35,
            ("Lead", "account") | (_, "page_token") => 3,
            (_, "etag" | "survivor_etag" | "absorbed_etag") => 15,
            ("ContactFilter", _)
            | (_, "request_id" | "evidence" | "expire_time" | "consent_time") => 20,
            (_, "phones" | "emails") => 70,
            _ if narrows => 20,
            _ => 97,
        }
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::String => Value::String(self.text(field)),
            Kind::Bytes => Value::Bytes(self.dice.random::<[u8; 8]>().to_vec().into()),
            Kind::Bool => Value::Bool(self.dice.random()),
            Kind::Enum(of) => Value::EnumNumber(self.word(field, of.values().len())),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.number()),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.number().into()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.number().unsigned_abs()),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.number().unsigned_abs().into()),
            Kind::Double => Value::F64(self.number().into()),
            Kind::Float => Value::F32(1.0),
            Kind::Message(of) => Value::Message(match of.full_name() {
                "google.protobuf.Timestamp" => Self::same(&of, &self.moment(field.name())),
                "google.protobuf.FieldMask" => {
                    let mask = self.mask();
                    Self::same(&of, &mask)
                }
                _ => {
                    let mut inner = DynamicMessage::new(of);
                    self.fill(&mut inner);
                    inner
                }
            }),
        }
    }

    fn same(of: &prost_reflect::MessageDescriptor, message: &impl Message) -> DynamicMessage {
        DynamicMessage::decode(of.clone(), &message.encode_to_vec()[..]).expect("the same message")
    }

    /// Soon, for what ends then; else a while ago.
    fn moment(&self, field: &str) -> prost_types::Timestamp {
        let after = if field == "expire_time" { 1_800 } else { -1_800 };
        prost_types::Timestamp { seconds: self.words.now + after, nanos: 0 }
    }

    fn mask(&mut self) -> prost_types::FieldMask {
        let known: &[&str] = match self.method.name() {
            "UpdateContact" => &["first_name", "last_name", "phones", "emails", "external_id"],
            "UpdateLead" => &["title", "source", "primary_contact"],
            "UpdateConsentSettings" => &["members_may_regrant", "not_set_visibility"],
            _ => &["display_name"],
        };
        let paths = (0..self.dice.random_range(1..=2)).map(|_| {
            if self.dice.random_ratio(1, 25) {
                "consents".to_owned()
            } else {
                known[self.dice.random_range(0..known.len())].to_owned()
            }
        });
        prost_types::FieldMask { paths: paths.collect() }
    }

    /// A number of an enum: mostly one that means something.
    fn word(&mut self, field: &FieldDescriptor, values: usize) -> i32 {
        let values = i32::try_from(values).expect("few");
        match field.name() {
            "surface" if self.dice.random_ratio(9, 10) => self.words.surface,
            _ if self.dice.random_ratio(1, 25) => self.dice.random_range(-1..=values + 1),
            _ => self.dice.random_range(1..values.max(2)),
        }
    }

    fn number(&mut self) -> i32 {
        const NUMBERS: [i32; 9] = [1, 1, 2, 2, 3, 5, 0, -1, 1_000];
        NUMBERS[self.dice.random_range(0..NUMBERS.len())]
    }

    fn text(&mut self, field: &FieldDescriptor) -> String {
        if self.dice.random_ratio(1, 60) {
            return self.nonsense();
        }
        let Words { business, contacts, leads, accounts, merges, members, operations, .. } =
            self.words;
        let of = field.parent_message();
        let method = self.method.name().to_owned();
        let (of_leads, of_accounts) =
            (method.ends_with("LeadContacts"), method.ends_with("AccountContacts"));
        match (of.name(), field.name()) {
            ("ImportRow", "account") => self.word_of(self.words.texts),
            (_, "parent") if of_leads => self.name("leads", leads),
            (_, "parent") if of_accounts => self.name("accounts", accounts),
            (_, "parent") | ("Business", "name") => self.business(),
            ("Contact", "name")
            | (_, "contact" | "contacts" | "primary_contact" | "survivor" | "absorbed") => {
                self.name("contacts", contacts)
            }
            ("UndoMergeRequest", "name") => self.name("merges", merges),
            ("Lead", "name") | (_, "lead") => self.name("leads", leads),
            ("Account", "name") | (_, "account") => self.name("accounts", accounts),
            ("Member", "name") | (_, "member" | "members" | "new_owner" | "actor") => {
                self.name("members", members)
            }
            (_, "operation") => self.name("operations", operations),
            (_, "filter") => ["done=true", "done=false"][self.dice.random_range(0..2)].to_owned(),
            (_, "name" | "names") => match &*method {
                of if of.ends_with("Operation") => self.name("operations", operations),
                of if of.contains("Settings") => format!("{business}/consentSettings"),
                of if of.contains("Contact") => self.name("contacts", contacts),
                of if of.contains("Lead") => self.name("leads", leads),
                of if of.contains("Account") => self.name("accounts", accounts),
                of if of.contains("Member") => self.name("members", members),
                _ => self.business(),
            },
            ("ContactPoint", "id") => self.word_of(self.words.points),
            ("ContactPoint", "value") | (_, "phone" | "phones" | "email" | "emails") => {
                let of = if self.email { self.words.emails } else { self.words.phones };
                self.word_of(of)
            }
            (_, "etag" | "survivor_etag" | "absorbed_etag") => {
                format!("\"{}\"", self.dice.random_range(1..=3))
            }
            (_, "request_id" | "holder") => id(self.dice).to_string(),
            (_, "stream") => business.rsplit('/').next().unwrap_or_default().to_owned(),
            (_, "order_by") => self.order(),
            (_, "name_prefix" | "title_prefix" | "display_name_prefix") => {
                self.word_of(self.words.texts).chars().take(2).collect()
            }
            _ => self.word_of(self.words.texts),
        }
    }

    fn business(&mut self) -> String {
        if self.dice.random_ratio(1, 40) {
            format!("businesses/{}", id(self.dice))
        } else {
            self.words.business.to_owned()
        }
    }

    fn name(&mut self, kind: &str, of: &[String]) -> String {
        if of.is_empty() || self.dice.random_ratio(1, 25) {
            let id = id(self.dice);
            format!("{}/{kind}/{id}", self.words.business)
        } else {
            self.word_of(of)
        }
    }

    fn word_of(&mut self, of: &[String]) -> String {
        if of.is_empty() { String::new() } else { of[self.dice.random_range(0..of.len())].clone() }
    }

    fn order(&mut self) -> String {
        const ORDERS: [&str; 8] = [
            "name",
            "name desc",
            "create_time",
            "create_time desc",
            "update_time",
            "update_time desc",
            "phones",
            "emails desc",
        ];
        ORDERS[self.dice.random_range(0..ORDERS.len())].to_owned()
    }

    fn nonsense(&mut self) -> String {
        let long = "ก".repeat(300);
        let nonsense = [
            "",
            " ",
            "\u{0}",
            "ผู้\u{202e}ติดต่อ",
            "%",
            "' OR 1=1 --",
            "•••-•••-••••",
            "•••••@•••••",
            &long,
        ];
        nonsense[self.dice.random_range(0..nonsense.len())].to_owned()
    }
}
