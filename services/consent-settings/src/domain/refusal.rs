//! What the rules forbid.

use yinyom_kernel::{Code, Fault, Text};

use super::Plan;

/// A change that a rule forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("only operators may do this")]
    OperatorOnly,
    #[error("only the owner may do this")]
    OwnerOnly,
    #[error("only the owner and admins may do this")]
    OwnerOrAdminOnly,
    #[error("nobody raises their own role")]
    OwnRoleRaised,
    #[error("there is exactly one owner, and ownership is transferred")]
    OwnerByTransferOnly,
    #[error("the owner cannot be removed")]
    OwnerCannotBeRemoved,
    #[error("the member is the owner already")]
    AlreadyOwner,
    #[error("the plan does not have enforcement")]
    PlanNotEligible { plan: Plan },
    #[error("the business has a member of this id")]
    MemberExists,
}

impl Fault for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::OperatorOnly | Self::OwnerOnly | Self::OwnerOrAdminOnly | Self::OwnRoleRaised => {
                Code::PermissionDenied
            }
            Self::OwnerByTransferOnly
            | Self::OwnerCannotBeRemoved
            | Self::AlreadyOwner
            | Self::PlanNotEligible { .. } => Code::FailedPrecondition,
            Self::MemberExists => Code::AlreadyExists,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::OperatorOnly => "OPERATOR_ONLY",
            Self::OwnerOnly => "OWNER_ONLY",
            Self::OwnerOrAdminOnly => "OWNER_OR_ADMIN_ONLY",
            Self::OwnRoleRaised => "OWN_ROLE_RAISED",
            Self::OwnerByTransferOnly => "OWNER_BY_TRANSFER_ONLY",
            Self::OwnerCannotBeRemoved => "OWNER_CANNOT_BE_REMOVED",
            Self::AlreadyOwner => "ALREADY_OWNER",
            Self::PlanNotEligible { .. } => "PLAN_NOT_ELIGIBLE",
            Self::MemberExists => "MEMBER_EXISTS",
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::OperatorOnly => {
                Text::new("Only the vendor may do this.", "เฉพาะผู้ให้บริการเท่านั้นที่ทำรายการนี้ได้")
            }
            Self::OwnerOnly => Text::new(
                "Only the owner of the business may do this.",
                "เฉพาะเจ้าของธุรกิจเท่านั้นที่ทำรายการนี้ได้",
            ),
            Self::OwnerOrAdminOnly => Text::new(
                "Only the owner and the admins of the business may do this.",
                "เฉพาะเจ้าของธุรกิจและผู้ดูแลเท่านั้นที่ทำรายการนี้ได้",
            ),
            Self::OwnRoleRaised => {
                Text::new("You cannot raise your own role.", "คุณไม่สามารถเพิ่มสิทธิ์ให้ตัวเองได้")
            }
            Self::OwnerByTransferOnly => Text::new(
                "A business has exactly one owner. Use TransferOwnership to make it another member.",
                "ธุรกิจมีเจ้าของได้หนึ่งคนเท่านั้น กรุณาใช้ TransferOwnership เพื่อเปลี่ยนเจ้าของ",
            ),
            Self::OwnerCannotBeRemoved => Text::new(
                "The owner cannot be removed. Make another member the owner first.",
                "ไม่สามารถลบเจ้าของธุรกิจได้ กรุณาโอนความเป็นเจ้าของให้ผู้อื่นก่อน",
            ),
            Self::AlreadyOwner => {
                Text::new("This member is the owner already.", "สมาชิกนี้เป็นเจ้าของธุรกิจอยู่แล้ว")
            }
            Self::PlanNotEligible { .. } => Text::new(
                "Consent enforcement can be switched on with the plans AdPro+, Gold and Platinum.",
                "แพ็กเกจที่เปิดใช้งานความยินยอมการใช้ข้อมูลได้ คือ AdPro+, Gold และ Platinum",
            ),
            Self::MemberExists => {
                Text::new("The business has a member of this id already.", "ธุรกิจนี้มีสมาชิกรหัสนี้อยู่แล้ว")
            }
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::PlanNotEligible { plan } => vec![("plan", plan.name().to_owned())],
            _ => Vec::new(),
        }
    }
}
