//! Protobuf → domain, with all wrong fields at once by their path, and domain → protobuf.
//!
//! What reads an optional field gives `None` both for an absent one and for a wrong one: a wrong one
//! is noted in the `Violations`, and a request with any is refused as a whole.

pub(super) mod business;
pub(super) mod member;
pub(super) mod policy;
pub(super) mod settings;

use prost_types::FieldMask;
use yinyom_consent::MEMBERS;
use yinyom_kernel::{
    BusinessId, Fault, InvalidId, InvalidInput, MemberId, Name, RequestId, Text, Violations,
    one_line,
};
use yinyom_rpc::Call;

use crate::commands::PageAsked;
use crate::domain::MAX_DISPLAY_NAME;

/// Reads `businesses/{business}`.
pub(super) fn business(wrong: &mut Violations, field: &str, name: &str) -> Option<BusinessId> {
    wrong.take(field, Name::parse_business(name))
}

/// Reads `businesses/{business}/members/{member}`.
pub(super) fn member(
    wrong: &mut Violations,
    field: &str,
    name: &str,
) -> Option<(BusinessId, MemberId)> {
    wrong.take(field, MEMBERS.parse(name))
}

/// Reads the name of a member of `business`, which is unknown if it was wrong itself.
pub(super) fn member_of(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    field: &str,
    name: &str,
) -> Option<MemberId> {
    let (owner, id) = member(wrong, field, name)?;
    if business.is_some_and(|business| business != owner) {
        let text = Text::new("is of another business than the request.", "ไม่ได้อยู่ในธุรกิจเดียวกับคำขอ");
        wrong.push(field, "OTHER_BUSINESS", text);
        return None;
    }
    Some(id)
}

/// Reads a name alone, as a get has it.
pub(super) fn one<T>(read: impl FnOnce(&mut Violations) -> Option<T>) -> Result<T, InvalidInput> {
    let mut wrong = Violations::new();
    let value = read(&mut wrong);
    wrong.finish(value)
}

/// Reads a member's id that the client may choose.
fn chosen_id(wrong: &mut Violations, field: &str, id: &str) -> Option<MemberId> {
    if id.is_empty() {
        return None;
    }
    let read = wrong.take(field, id.parse::<MemberId>());
    // Pages begin after the nil UUID.
    if read.is_some_and(|id| id.uuid().is_nil()) {
        wrong.push(field, InvalidId.reason(), InvalidId.text());
    }
    read
}

/// Reads a request id.
fn request_id(wrong: &mut Violations, id: &str) -> Option<RequestId> {
    if id.is_empty() { None } else { wrong.take("request_id", id.parse()) }
}

/// Reads a display name, which must not be empty.
fn display_name(wrong: &mut Violations, field: &str, text: &str) -> Option<String> {
    let read = wrong.merge(one_line(field, text, MAX_DISPLAY_NAME))?;
    if read.is_none() {
        wrong.missing(field);
    }
    read
}

/// Reads which page is asked for.
pub(super) fn page(
    wrong: &mut Violations,
    call: &Call,
    size: i32,
    token: String,
) -> Option<PageAsked> {
    let size = wrong.merge(call.page_size(size))?;
    Some(PageAsked { size, token })
}

/// Which fields a request is about.
struct Mask(Vec<String>);

impl Mask {
    /// Reads an update mask. It must name fields among `known`, one or more; `*` names none, since it
    /// would come to mean more with each field that is added (AIP-134).
    fn read(wrong: &mut Violations, mask: Option<&FieldMask>, known: &[&str]) -> Self {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            wrong.missing("update_mask");
        }
        for (i, path) in paths.iter().enumerate() {
            if !known.contains(&path.as_str()) {
                let fields = known.join(", ");
                let text =
                    Text::new(format!("must be one of {fields}."), format!("ต้องเป็นหนึ่งใน {fields}"));
                wrong.push(format!("update_mask.paths[{i}]"), "UNKNOWN_PATH", text);
            }
        }
        Self(paths.to_vec())
    }

    fn has(&self, path: &str) -> bool {
        self.0.iter().any(|given| given == path)
    }

    /// What `read` makes of a field, if the request is about it.
    fn field<T>(&self, path: &str, read: impl FnOnce() -> Option<T>) -> Option<T> {
        if self.has(path) { read() } else { None }
    }
}

fn unknown_value(wrong: &mut Violations, field: &str) {
    wrong.push(field, "UNKNOWN_VALUE", Text::new("is no value of this enum.", "ไม่ใช่ค่าที่กำหนดไว้"));
}
