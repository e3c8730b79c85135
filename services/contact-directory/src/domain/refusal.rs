//! Why a rule says no.

use std::time::Duration;

use yinyom_consent::Channel;
use yinyom_kernel::{Code, Fault, InvalidInput, Text, Violation};

/// The RPC that takes every refusal of a customer.
const WITHDRAW: &str = "yinyom.directory.v1.ConsentService/WithdrawConsent";

/// A rule said no, or the input was none. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The change would show the actor what is masked to them now, in these channels.
    #[error("would lift the actor's own mask")]
    CannotLiftOwnMask { channels: Vec<Channel> },
    /// The contact has a point that the actor sees masked.
    #[error("a contact point is masked to the actor")]
    ContactPointMasked,
    /// The change was not made where the caller says.
    #[error("the surface is not where the change was made")]
    SurfaceMismatch,
    /// Imports are for owner, admin, listed users and services.
    #[error("not an importer")]
    ImportNotAllowed,
    /// The answer rests on the equality of addresses that are hidden from the actor.
    #[error("rests on hidden addresses")]
    HiddenAddresses,
    /// The role of the actor cannot be had at present, and the call needs one.
    #[error("the rules of the business cannot be had")]
    PolicyUnavailable,
    /// Fields are wrong.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
}

impl Fault for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::CannotLiftOwnMask { .. }
            | Self::ContactPointMasked
            | Self::ImportNotAllowed
            | Self::HiddenAddresses => Code::PermissionDenied,
            Self::SurfaceMismatch => Code::FailedPrecondition,
            Self::PolicyUnavailable => Code::Unavailable,
            Self::Invalid(invalid) => invalid.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::CannotLiftOwnMask { .. } => "CANNOT_LIFT_OWN_MASK",
            Self::ContactPointMasked => "CONTACT_POINT_MASKED",
            Self::SurfaceMismatch => "SURFACE_MISMATCH",
            Self::ImportNotAllowed => "IMPORT_NOT_ALLOWED",
            Self::HiddenAddresses => "HIDDEN_ADDRESSES",
            Self::PolicyUnavailable => "POLICY_UNAVAILABLE",
            Self::Invalid(invalid) => invalid.reason(),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::CannotLiftOwnMask { .. } => Text::new(
                "This change would show you an address that is masked to you, so nothing was changed. Somebody who \
                 sees the address can make it. If the customer said no, record that with WithdrawConsent, which \
                 is always taken.",
                "การเปลี่ยนแปลงนี้จะทำให้คุณเห็นข้อมูลที่ถูกปิดบังไว้จากคุณ จึงไม่มีการบันทึกใด ๆ ผู้ที่เห็นข้อมูลนั้นสามารถทำรายการแทนได้ \
                 หากลูกค้าไม่ยินยอม ให้บันทึกด้วย WithdrawConsent ซึ่งรับเสมอ",
            ),
            Self::ContactPointMasked => Text::new(
                "An address of this contact is masked to you. Who cannot see an address cannot change, merge or \
                 delete it.",
                "ข้อมูลติดต่อของผู้ติดต่อรายนี้ถูกปิดบังไว้จากคุณ ผู้ที่ไม่เห็นข้อมูลไม่สามารถแก้ไข รวม หรือลบได้",
            ),
            Self::SurfaceMismatch => Text::new(
                "The change was not made on the surface that the request names: it is not yours to name, or the \
                 contact does not belong there.",
                "หน้าที่ระบุในคำขอไม่ตรงกับที่มาของการเปลี่ยนแปลง: คุณใช้หน้านั้นไม่ได้ หรือผู้ติดต่อไม่ได้อยู่ในหน้านั้น",
            ),
            Self::ImportNotAllowed => Text::new(
                "Imports are for the owner, admins, users on the viewer list and services that may see addresses.",
                "การนำเข้าข้อมูลทำได้เฉพาะเจ้าของธุรกิจ ผู้ดูแล ผู้ใช้ในรายชื่อผู้ที่อนุญาตให้เห็นข้อมูล และระบบบริการที่มีสิทธิ์เห็นข้อมูล",
            ),
            Self::HiddenAddresses => Text::new(
                "The answer rests on addresses that may be masked to you.",
                "คำตอบนี้อาศัยข้อมูลติดต่อที่อาจถูกปิดบังไว้จากคุณ",
            ),
            Self::PolicyUnavailable => Text::new(
                "The rules of the business cannot be had at present. Try again shortly.",
                "ขณะนี้ไม่สามารถอ่านการตั้งค่าของธุรกิจได้ กรุณาลองใหม่ในอีกสักครู่",
            ),
            Self::Invalid(invalid) => invalid.text(),
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::CannotLiftOwnMask { channels } => {
                let names: Vec<_> = channels.iter().map(|channel| channel_name(*channel)).collect();
                vec![("channels", names.join(",")), ("withdraw_method", WITHDRAW.to_owned())]
            }
            _ => Vec::new(),
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::Invalid(invalid) => invalid.violations(),
            _ => &[],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::PolicyUnavailable).then_some(Duration::from_secs(1))
    }
}

const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone => "PHONE",
        Channel::Email => "EMAIL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_codes_are_for_ever() {
        let lift = Refusal::CannotLiftOwnMask { channels: Channel::ALL.to_vec() };
        let expected = [
            (lift, Code::PermissionDenied, "CANNOT_LIFT_OWN_MASK"),
            (Refusal::ContactPointMasked, Code::PermissionDenied, "CONTACT_POINT_MASKED"),
            (Refusal::SurfaceMismatch, Code::FailedPrecondition, "SURFACE_MISMATCH"),
            (Refusal::ImportNotAllowed, Code::PermissionDenied, "IMPORT_NOT_ALLOWED"),
            (Refusal::HiddenAddresses, Code::PermissionDenied, "HIDDEN_ADDRESSES"),
            (Refusal::PolicyUnavailable, Code::Unavailable, "POLICY_UNAVAILABLE"),
        ];
        for (refusal, code, reason) in expected {
            assert_eq!((refusal.code(), refusal.reason()), (code, reason));
            assert!(!refusal.text().en().is_empty() && refusal.text().th() != refusal.text().en());
            assert_eq!(refusal.retry_after().is_some(), code == Code::Unavailable);
        }
    }

    #[test]
    fn who_may_not_lift_a_mask_is_told_how_to_withdraw() {
        let refusal = Refusal::CannotLiftOwnMask { channels: vec![Channel::Phone, Channel::Email] };
        assert!(refusal.text().en().contains("WithdrawConsent"));
        assert!(refusal.text().th().contains("WithdrawConsent"));
        assert_eq!(
            refusal.metadata(),
            [("channels", "PHONE,EMAIL".to_owned()), ("withdraw_method", WITHDRAW.to_owned())]
        );
    }
}
