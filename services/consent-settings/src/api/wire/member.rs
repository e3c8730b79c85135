//! Members in protobuf.

use yinyom_consent::wire::{required, timestamp};
use yinyom_consent::{MEMBERS, Role};
use yinyom_kernel::{BusinessId, InvalidInput, MemberId, RequestId, Violations};
use yinyom_proto::settings::v1 as pb;

use super::{Mask, business, chosen_id, display_name, member, member_of, request_id};
use crate::domain::{Member, MemberPatch, NewMember};

impl From<Member> for pb::Member {
    fn from(member: Member) -> Self {
        Self {
            name: MEMBERS.format(member.business, member.id),
            etag: member.etag().to_string(),
            role: member.role.to_wire(),
            protection_officer: member.protection_officer,
            listed: member.listed_at.is_some(),
            create_time: Some(timestamp(member.created_at)),
            update_time: Some(timestamp(member.updated_at)),
            display_name: member.display_name.into_inner(),
        }
    }
}

pub(in crate::api) struct CreateMember {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) new: NewMember,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::CreateMemberRequest> for CreateMember {
    type Error = InvalidInput;

    fn try_from(sent: &pb::CreateMemberRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let read = create(&mut wrong, sent);
        wrong.finish(read)
    }
}

fn create(wrong: &mut Violations, sent: &pb::CreateMemberRequest) -> Option<CreateMember> {
    let business = business(wrong, "parent", &sent.parent);
    let id = chosen_id(wrong, "member_id", &sent.member_id);
    let request_id = request_id(wrong, &sent.request_id);
    let Some(sent) = &sent.member else {
        wrong.missing("member");
        return None;
    };
    let name = display_name(wrong, "member.display_name", &sent.display_name);
    let role = required(wrong, "member.role", Role::from_wire(sent.role));
    Some(CreateMember {
        business: business?,
        new: NewMember {
            id,
            display_name: name?.into(),
            role: role?,
            protection_officer: sent.protection_officer,
        },
        request_id,
    })
}

pub(in crate::api) struct UpdateMember {
    pub(in crate::api) member: (BusinessId, MemberId),
    pub(in crate::api) etag: String,
    pub(in crate::api) patch: MemberPatch,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::UpdateMemberRequest> for UpdateMember {
    type Error = InvalidInput;

    fn try_from(sent: &pb::UpdateMemberRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let read = update(&mut wrong, sent);
        wrong.finish(read)
    }
}

fn update(wrong: &mut Violations, sent: &pb::UpdateMemberRequest) -> Option<UpdateMember> {
    let known = ["display_name", "role", "protection_officer"];
    let mask = Mask::read(wrong, sent.update_mask.as_ref(), &known);
    let request_id = request_id(wrong, &sent.request_id);
    let Some(sent) = &sent.member else {
        wrong.missing("member");
        return None;
    };
    let member = member(wrong, "member.name", &sent.name);
    let display_name = mask.field("display_name", || {
        display_name(wrong, "member.display_name", &sent.display_name).map(Into::into)
    });
    let role = mask.field("role", || required(wrong, "member.role", Role::from_wire(sent.role)));
    let protection_officer = mask.has("protection_officer").then_some(sent.protection_officer);
    Some(UpdateMember {
        member: member?,
        etag: sent.etag.clone(),
        patch: MemberPatch { display_name, role, protection_officer },
        request_id,
    })
}

pub(in crate::api) struct DeleteMember {
    pub(in crate::api) member: (BusinessId, MemberId),
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::DeleteMemberRequest> for DeleteMember {
    type Error = InvalidInput;

    fn try_from(sent: &pb::DeleteMemberRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let member = member(&mut wrong, "name", &sent.name);
        let request_id = request_id(&mut wrong, &sent.request_id);
        wrong.finish(member.map(|member| Self { member, request_id }))
    }
}

pub(in crate::api) struct TransferOwnership {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) heir: MemberId,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::TransferOwnershipRequest> for TransferOwnership {
    type Error = InvalidInput;

    fn try_from(sent: &pb::TransferOwnershipRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let business = business(&mut wrong, "name", &sent.name);
        let heir = member_of(&mut wrong, business, "new_owner", &sent.new_owner);
        let request_id = request_id(&mut wrong, &sent.request_id);
        let read = business.zip(heir);
        wrong.finish(read.map(|(business, heir)| Self { business, heir, request_id }))
    }
}
