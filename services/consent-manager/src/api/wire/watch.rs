//! What is watched for.

use yinyom_consent::wire::optional;
use yinyom_consent::{Channel, ConsentState};
use yinyom_kernel::{BusinessId, InvalidInput, Name, Text, Violations};
use yinyom_proto::manager::v1 as pb;

use crate::commands::Wanted;

/// Whose ledger, and which of its changes.
pub(in crate::api) fn question(
    asked: &pb::WatchConsentChangesRequest,
) -> Result<(BusinessId, Wanted), InvalidInput> {
    let mut wrong = Violations::new();
    let business = wrong.take("parent", Name::parse_business(&asked.parent));
    if asked.from_start && !asked.cursor.is_empty() {
        wrong.merge::<()>(Err(InvalidInput::one(
            "from_start",
            "NOT_TOGETHER",
            Text::new("must not be set together with cursor.", "ต้องไม่ระบุพร้อมกับ cursor"),
        )));
    }
    let wanted = Wanted {
        channel: optional(&mut wrong, "channel", Channel::from_wire(asked.channel)).flatten(),
        state: optional(&mut wrong, "state", ConsentState::from_wire(asked.state)).flatten(),
    };
    wrong.finish(business.map(|business| (business, wanted)))
}
