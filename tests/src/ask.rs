//! Requests for every method there is, made from the descriptors by the names of their fields: a method that is
//! added tomorrow is asked too.

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MethodDescriptor, ReflectMessage, Value,
};

use crate::Things;

/// Every method of the three services.
pub fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(yinyom_proto::DESCRIPTORS).expect("descriptors");
    let ours = pool.services().filter(|service| {
        let name = service.full_name();
        name.starts_with("yinyom.") || name == "google.longrunning.Operations"
    });
    ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// Which of the three services has a method: `settings`, `directory` or `manager`. The directory alone has operations.
pub fn service(path: &str) -> &str {
    match path.split('.').nth(1) {
        Some("longrunning") => "directory",
        of => of.unwrap_or_default(),
    }
}

/// `/package.Service/Method`.
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// Whether it only reads and asks for what matches.
pub fn is_question(method: &MethodDescriptor) -> bool {
    method.name().starts_with("List") || method.name().starts_with("Search")
}

/// Who a request is about, and what texts it writes.
#[derive(Clone)]
pub struct About<'a> {
    pub things: &'a Things,
    pub text: &'a str,
    /// 6 for a service; members name the contacts menu.
    pub surface: i32,
}

impl<'a> About<'a> {
    /// A member's request about `things`.
    pub fn member(things: &'a Things) -> Self {
        Self { things, text: "ก", surface: 4 }
    }

    /// A request that is well formed and says everything that it must.
    pub fn request(&self, method: &MethodDescriptor) -> DynamicMessage {
        let mut request = DynamicMessage::new(method.input());
        self.fill(method, &mut request);
        request
    }

    /// Its bytes.
    pub fn bytes(&self, method: &MethodDescriptor) -> Vec<u8> {
        self.request(method).encode_to_vec()
    }

    fn fill(&self, method: &MethodDescriptor, message: &mut DynamicMessage) {
        for field in message.descriptor().fields().collect::<Vec<_>>() {
            if let Some(value) = self.value(method, &field) {
                let value = if field.is_list() { Value::List(vec![value]) } else { value };
                message.set_field(&field, value);
            }
        }
    }

    fn value(&self, method: &MethodDescriptor, field: &FieldDescriptor) -> Option<Value> {
        match field.kind() {
            Kind::String => self.string(method, field).map(Value::String),
            Kind::Enum(_) => self.word(method, field).map(Value::EnumNumber),
            Kind::Message(of) => match of.full_name() {
                "google.protobuf.FieldMask" => Some(Value::Message(mask(method))),
                name if name.starts_with("google.") => None,
                _ if matches!(field.name(), "evidence" | "consents" | "phones" | "emails") => None,
                // Contacts are named instead.
                of if of.ends_with(".ContactFilter") => None,
                _ => {
                    let mut inner = DynamicMessage::new(of);
                    self.fill(method, &mut inner);
                    Some(Value::Message(inner))
                }
            },
            Kind::Bool if field.name() == "members_may_regrant" => {
                Some(Value::Bool(self.text != "ก"))
            }
            Kind::Int64 if field.name() == "seq" => Some(Value::I64(1)),
            Kind::Int32 if field.name() == "days_after_erasure" => Some(Value::I32(400)),
            _ => None,
        }
    }

    fn string(&self, method: &MethodDescriptor, field: &FieldDescriptor) -> Option<String> {
        let things = self.things;
        let name = match (field.parent_message().name(), field.name()) {
            // On the contacts menu there is no page of a lead or an account.
            (
                "SetContactConsentsRequest"
                | "WithdrawConsentRequest"
                | "BulkSetContactConsentsRequest",
                "lead" | "account",
            )
            | ("Lead" | "ImportRow", "account") => return None,
            ("Business", "name") => &things.business,
            ("ConsentSettings", "name") => return Some(settings(things)),
            ("Retention" | "GetRetentionRequest", "name") => {
                return Some(format!("{}/retention", things.business));
            }
            // One that is not there.
            ("ReleaseLegalHoldRequest", "name") => {
                return Some(format!("{}/legalHolds/{}", things.business, uuid::Uuid::nil()));
            }
            ("SetLegalHoldRequest" | "RecordRefusedRequestRequest", "request_id") => {
                return Some(uuid::Uuid::now_v7().to_string());
            }
            ("UndoMergeRequest" | "Merge", "name") => &things.merge,
            ("MergeContactsRequest" | "Merge", "absorbed") => &things.spare,
            ("Contact", "name") | (_, "contact" | "contacts" | "primary_contact" | "survivor") => {
                &things.contact
            }
            ("Lead", "name") | (_, "lead") => &things.lead,
            ("Account", "name") | (_, "account") => &things.account,
            ("Member", "name") | (_, "member" | "members" | "new_owner" | "actor") => {
                &things.member
            }
            (_, "operation") => &things.operation,
            (_, "parent") => match method.name() {
                name if name.ends_with("LeadContacts") => &things.lead,
                name if name.ends_with("AccountContacts") => &things.account,
                _ => &things.business,
            },
            (_, "name" | "names") => match method.name() {
                name if name.ends_with("ConsentSettings") => return Some(settings(things)),
                name if name.ends_with("Operation") => &things.operation,
                name if name.contains("Contact") => &things.contact,
                name if name.contains("Lead") => &things.lead,
                name if name.contains("Account") => &things.account,
                name if name.contains("Member") => &things.member,
                _ => &things.business,
            },
            ("SetLegalHoldRequest", "reason")
            | ("RefusedRequest", "text")
            | (_, "display_name" | "owner_display_name" | "title" | "first_name") => {
                return Some(self.text.to_owned());
            }
            // Of the business.
            (_, "stream") => return things.business.rsplit('/').next().map(str::to_owned),
            (_, "holder") => return Some(uuid::Uuid::now_v7().to_string()),
            _ => return None,
        };
        Some(name.clone())
    }

    fn word(&self, method: &MethodDescriptor, field: &FieldDescriptor) -> Option<i32> {
        if is_question(method) {
            return None;
        }
        Some(match field.name() {
            "role" | "state" | "to_state" => 3,
            "plan" => 5,
            "kind" | "reason" | "format" | "channel" | "channels" | "granularity"
            | "from_state" | "cause" | "privilege" | "field" => 1,
            "surface" => self.surface,
            "shared_address_policy" | "dimension" => 2,
            _ => return None,
        })
    }
}

fn settings(things: &Things) -> String {
    format!("{}/consentSettings", things.business)
}

/// A field that an update may name.
fn mask(method: &MethodDescriptor) -> DynamicMessage {
    let path = match method.name() {
        "UpdateConsentSettings" => "members_may_regrant",
        "UpdateContact" => "first_name",
        "UpdateLead" => "title",
        _ => "display_name",
    };
    let paths = prost_types::FieldMask { paths: vec![path.to_owned()] };
    let pool = method.parent_pool();
    let of = pool.get_message_by_name("google.protobuf.FieldMask").expect("field masks");
    DynamicMessage::decode(of, paths.encode_to_vec().as_slice()).expect("a mask")
}
