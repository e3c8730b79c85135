//! Whoever causes an event.

use std::collections::HashMap;

use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use yinyom_consent::Role;
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_policy::{NotSetVisibility, Policy, PolicyMember, Rules};
use yinyom_testkit::tokens::Bearer;

use crate::model::house::House;

pub const ROLES: [&str; 12] = [
    "owner",
    "admin",
    "listed",
    "user",
    "officer",
    "user-mask",
    "user-off",
    "scoped",
    "unscoped",
    "operator",
    "foreign",
    "nobody",
];

/// A call's token, if it has one.
#[derive(Clone)]
pub struct Token(Option<Bearer>);

impl Interceptor for Token {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match &mut self.0 {
            Some(bearer) => bearer.call(request),
            None => Ok(request),
        }
    }
}

/// A connection as somebody.
pub type Wire = InterceptedService<Channel, Token>;

/// One business, and its members by role.
pub struct Business {
    pub id: BusinessId,
    members: HashMap<&'static str, MemberId>,
    rules: Rules,
}

impl Business {
    /// With rules that are not asked about the lifetime of grants.
    pub async fn found(house: &House, rules: Rules) -> Self {
        let staff = ["owner", "admin", "listed", "user", "officer"];
        let members = staff.map(|role| (role, MemberId::generate())).into();
        let business = Self { id: BusinessId::generate(), members, rules };
        business.rule(house, None).await;
        business
    }

    /// What it enforces: shows who was not asked, masks them, or nothing at all.
    pub fn rules() -> [Rules; 3] {
        let on = Rules { enforcement: true, ..Rules::INITIAL };
        let mask = Rules { not_set_visibility: NotSetVisibility::Mask, ..on };
        [on, mask, Rules { enforcement: false, ..on }]
    }

    /// From now on, imported grants run out after so many hours.
    pub async fn rule(&self, house: &House, hours: Option<u64>) {
        let lifetime = hours.map(std::time::Duration::from_hours);
        let members = self.members.iter().map(|(role, member)| {
            let of = match *role {
                "owner" => Role::Owner,
                "admin" => Role::Admin,
                _ => Role::User,
            };
            let (listed, protection_officer) = (*role == "listed", *role == "officer");
            (*member, PolicyMember { role: of, listed, protection_officer })
        });
        let (revision, time_zone) = (0, "Asia/Bangkok".to_owned());
        let rules = Rules { default_grant_lifetime: lifetime, ..self.rules };
        let (business, members) = (self.id, members.collect());
        house.rule(Policy { business, revision, time_zone, rules, members }).await;
    }

    /// A connection as a member.
    pub fn member(&self, house: &House, role: &str) -> Wire {
        let bearer = house.tokens.member(self.id, self.members[role]);
        InterceptedService::new(house.channel.clone(), Token(Some(bearer)))
    }
}

/// A connection as somebody of no business.
pub fn named(house: &House, name: Option<&str>) -> Wire {
    let bearer = name.map(|name| house.tokens.named(name));
    InterceptedService::new(house.channel.clone(), Token(bearer))
}
