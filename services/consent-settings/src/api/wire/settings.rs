//! Consent settings and the viewer list in protobuf.

use std::time::Duration;

use yinyom_consent::MEMBERS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{BusinessId, InvalidInput, MemberId, Name, RequestId, Text, Violations};
use yinyom_policy::{NotSetVisibility, SharedAddressPolicy};
use yinyom_proto::settings::v1 as pb;

use super::{Mask, business, member_of, request_id, unknown_value};
use crate::domain::{LONGEST_GRANT, MAX_VIEWERS, Member, RulesPatch, SHORTEST_GRANT, Settings};

const CONSENT_SETTINGS: Name = Name::of("consentSettings");

pub(super) fn visibility_to_wire(visibility: NotSetVisibility) -> pb::NotSetVisibility {
    match visibility {
        NotSetVisibility::Show => pb::NotSetVisibility::Show,
        NotSetVisibility::Mask => pb::NotSetVisibility::Mask,
    }
}

pub(super) fn shared_address_to_wire(policy: SharedAddressPolicy) -> pb::SharedAddressPolicy {
    match policy {
        SharedAddressPolicy::RecordOnly => pb::SharedAddressPolicy::RecordOnly,
        SharedAddressPolicy::MostRestrictive => pb::SharedAddressPolicy::MostRestrictive,
    }
}

pub(super) fn lifetime_to_wire(lifetime: Option<Duration>) -> Option<prost_types::Duration> {
    lifetime.and_then(|lifetime| prost_types::Duration::try_from(lifetime).ok())
}

impl From<Settings> for pb::ConsentSettings {
    fn from(settings: Settings) -> Self {
        Self {
            name: CONSENT_SETTINGS.format_singleton(settings.business),
            enforcement_enabled: settings.rules.enforcement,
            not_set_visibility: visibility_to_wire(settings.rules.not_set_visibility).into(),
            members_may_regrant: settings.rules.members_may_regrant,
            shared_address_policy: shared_address_to_wire(settings.rules.shared_address_policy)
                .into(),
            update_time: Some(timestamp(settings.updated_at)),
            etag: settings.etag().to_string(),
            default_grant_lifetime: lifetime_to_wire(settings.rules.default_grant_lifetime),
        }
    }
}

/// Reads `businesses/{business}/consentSettings`.
pub(in crate::api) fn settings_name(
    wrong: &mut Violations,
    field: &str,
    name: &str,
) -> Option<BusinessId> {
    wrong.take(field, CONSENT_SETTINGS.parse_singleton(name))
}

pub(in crate::api) struct UpdateSettings {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) etag: String,
    pub(in crate::api) patch: RulesPatch,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::UpdateConsentSettingsRequest> for UpdateSettings {
    type Error = InvalidInput;

    fn try_from(sent: &pb::UpdateConsentSettingsRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let read = update(&mut wrong, sent);
        wrong.finish(read)
    }
}

fn update(
    wrong: &mut Violations,
    sent: &pb::UpdateConsentSettingsRequest,
) -> Option<UpdateSettings> {
    let known = [
        "enforcement_enabled",
        "not_set_visibility",
        "members_may_regrant",
        "shared_address_policy",
        "default_grant_lifetime",
    ];
    let mask = Mask::read(wrong, sent.update_mask.as_ref(), &known);
    let request_id = request_id(wrong, &sent.request_id);
    let Some(sent) = &sent.consent_settings else {
        wrong.missing("consent_settings");
        return None;
    };
    let business = settings_name(wrong, "consent_settings.name", &sent.name);
    let visibility =
        mask.field("not_set_visibility", || visibility(wrong, sent.not_set_visibility));
    let shared =
        mask.field("shared_address_policy", || shared_address(wrong, sent.shared_address_policy));
    let lifetime =
        mask.has("default_grant_lifetime").then(|| lifetime(wrong, sent.default_grant_lifetime));
    Some(UpdateSettings {
        business: business?,
        etag: sent.etag.clone(),
        patch: RulesPatch {
            enforcement: mask.has("enforcement_enabled").then_some(sent.enforcement_enabled),
            not_set_visibility: visibility,
            members_may_regrant: mask
                .has("members_may_regrant")
                .then_some(sent.members_may_regrant),
            shared_address_policy: shared,
            default_grant_lifetime: lifetime,
        },
        request_id,
    })
}

fn visibility(wrong: &mut Violations, number: i32) -> Option<NotSetVisibility> {
    let field = "consent_settings.not_set_visibility";
    match pb::NotSetVisibility::try_from(number) {
        Ok(pb::NotSetVisibility::Show) => return Some(NotSetVisibility::Show),
        Ok(pb::NotSetVisibility::Mask) => return Some(NotSetVisibility::Mask),
        Ok(pb::NotSetVisibility::Unspecified) => wrong.missing(field),
        Err(_) => unknown_value(wrong, field),
    }
    None
}

fn shared_address(wrong: &mut Violations, number: i32) -> Option<SharedAddressPolicy> {
    let field = "consent_settings.shared_address_policy";
    match pb::SharedAddressPolicy::try_from(number) {
        Ok(pb::SharedAddressPolicy::RecordOnly) => return Some(SharedAddressPolicy::RecordOnly),
        Ok(pb::SharedAddressPolicy::MostRestrictive) => {
            return Some(SharedAddressPolicy::MostRestrictive);
        }
        Ok(pb::SharedAddressPolicy::Unspecified) => wrong.missing(field),
        Err(_) => unknown_value(wrong, field),
    }
    None
}

/// Reads whole seconds within bounds; none is for ever.
fn lifetime(wrong: &mut Violations, given: Option<prost_types::Duration>) -> Option<Duration> {
    let given = given?;
    // prost's own conversion panics on some numbers.
    let seconds = u64::try_from(given.seconds).ok().filter(|_| given.nanos == 0);
    let read = seconds
        .map(Duration::from_secs)
        .filter(|lifetime| (SHORTEST_GRANT..=LONGEST_GRANT).contains(lifetime));
    if read.is_none() {
        wrong.push(
            "consent_settings.default_grant_lifetime",
            "OUT_OF_RANGE",
            Text::new(
                "must be whole seconds, from one day to 3,660 days.",
                "ต้องเป็นวินาทีเต็ม ตั้งแต่หนึ่งวันถึง 3,660 วัน",
            ),
        );
    }
    read
}

/// A member of the viewer list.
pub(in crate::api) fn viewer(member: Member) -> pb::Viewer {
    pb::Viewer {
        member: MEMBERS.format(member.business, member.id),
        create_time: member.listed_at.map(timestamp),
        display_name: member.display_name.into_inner(),
    }
}

/// Who shall be put on the viewer list or taken off it.
pub(in crate::api) struct EditViewers {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) members: Vec<MemberId>,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl EditViewers {
    /// Reads the fields that both requests have.
    pub(in crate::api) fn read(
        parent: &str,
        names: &[String],
        id: &str,
    ) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let business = business(&mut wrong, "parent", parent);
        let request_id = request_id(&mut wrong, id);
        let members = viewers(&mut wrong, business, names);
        wrong.finish(business.map(|business| Self { business, members, request_id }))
    }
}

fn viewers(
    wrong: &mut Violations,
    business: Option<BusinessId>,
    names: &[String],
) -> Vec<MemberId> {
    if names.is_empty() {
        wrong.missing("members");
    }
    if names.len() > MAX_VIEWERS {
        let text = Text::new(
            format!("has {MAX_VIEWERS} items at most."),
            format!("มีได้ไม่เกิน {MAX_VIEWERS} รายการ"),
        );
        wrong.push("members", "TOO_MANY", text);
        return Vec::new();
    }
    let read = names
        .iter()
        .enumerate()
        .filter_map(|(i, name)| member_of(wrong, business, &format!("members[{i}]"), name));
    read.collect()
}
