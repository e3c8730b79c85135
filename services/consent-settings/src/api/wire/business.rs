//! Businesses in protobuf.

use yinyom_consent::wire::timestamp;
use yinyom_kernel::{BusinessId, InvalidInput, Name, RequestId, Violations};
use yinyom_proto::settings::v1 as pb;

use super::{Mask, business, chosen_id, display_name, request_id, unknown_value};
use crate::domain::{Business, BusinessPatch, NewBusiness, Plan, Zone};

impl From<Business> for pb::Business {
    fn from(business: Business) -> Self {
        Self {
            name: Name::format_business(business.id),
            etag: business.etag().to_string(),
            display_name: business.display_name,
            plan: business.plan.code(),
            time_zone: business.time_zone.to_string(),
            create_time: Some(timestamp(business.created_at)),
            update_time: Some(timestamp(business.updated_at)),
        }
    }
}

pub(in crate::api) struct CreateBusiness {
    pub(in crate::api) new: NewBusiness,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::CreateBusinessRequest> for CreateBusiness {
    type Error = InvalidInput;

    fn try_from(sent: &pb::CreateBusinessRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let new = new_business(&mut wrong, sent);
        let request_id = request_id(&mut wrong, &sent.request_id);
        wrong.finish(new.map(|new| Self { new, request_id }))
    }
}

fn new_business(wrong: &mut Violations, sent: &pb::CreateBusinessRequest) -> Option<NewBusiness> {
    let owner_name = display_name(wrong, "owner_display_name", &sent.owner_display_name);
    let owner = chosen_id(wrong, "owner_member_id", &sent.owner_member_id);
    let Some(business) = &sent.business else {
        wrong.missing("business");
        return None;
    };
    let name = display_name(wrong, "business.display_name", &business.display_name);
    let plan = plan(wrong, business.plan);
    let zone = zone(wrong, &business.time_zone);
    Some(NewBusiness {
        display_name: name?,
        plan: plan?,
        time_zone: zone?,
        owner_display_name: owner_name?.into(),
        owner,
    })
}

pub(in crate::api) struct UpdateBusiness {
    pub(in crate::api) business: BusinessId,
    pub(in crate::api) etag: String,
    pub(in crate::api) patch: BusinessPatch,
    pub(in crate::api) request_id: Option<RequestId>,
}

impl TryFrom<&pb::UpdateBusinessRequest> for UpdateBusiness {
    type Error = InvalidInput;

    fn try_from(sent: &pb::UpdateBusinessRequest) -> Result<Self, InvalidInput> {
        let mut wrong = Violations::new();
        let read = update(&mut wrong, sent);
        wrong.finish(read)
    }
}

fn update(wrong: &mut Violations, sent: &pb::UpdateBusinessRequest) -> Option<UpdateBusiness> {
    let known = ["display_name", "plan", "time_zone"];
    let mask = Mask::read(wrong, sent.update_mask.as_ref(), &known);
    let request_id = request_id(wrong, &sent.request_id);
    let Some(sent) = &sent.business else {
        wrong.missing("business");
        return None;
    };
    let business = business(wrong, "business.name", &sent.name);
    let display_name = mask
        .field("display_name", || display_name(wrong, "business.display_name", &sent.display_name));
    let plan = mask.field("plan", || plan(wrong, sent.plan));
    let time_zone = mask.field("time_zone", || zone(wrong, &sent.time_zone));
    Some(UpdateBusiness {
        business: business?,
        etag: sent.etag.clone(),
        patch: BusinessPatch { display_name, plan, time_zone },
        request_id,
    })
}

fn plan(wrong: &mut Violations, number: i32) -> Option<Plan> {
    if number == 0 {
        wrong.missing("business.plan");
        return None;
    }
    let plan = Plan::from_code(number);
    if plan.is_none() {
        unknown_value(wrong, "business.plan");
    }
    plan
}

fn zone(wrong: &mut Violations, name: &str) -> Option<Zone> {
    wrong.take("business.time_zone", Zone::read(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_have_the_numbers_and_names_of_the_api() {
        for plan in Plan::ALL {
            let name = pb::Plan::try_from(plan.code()).map(|plan| plan.as_str_name());
            assert_eq!(name, Ok(format!("PLAN_{}", plan.name()).as_str()));
        }
        assert!(pb::Plan::try_from(7).is_err(), "a new plan of the API is one of the domain");
    }
}
