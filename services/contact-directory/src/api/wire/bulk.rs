//! Bulk operations, and operations at all.

use prost_types::Any;
use yinyom_consent::CONTACTS;
use yinyom_consent::wire::timestamp;
use yinyom_kernel::{BusinessId, InvalidInput, Name, OperationId, Text, Violations};
use yinyom_proto::directory::v1 as pb;
use yinyom_proto::longrunning;
use yinyom_proto::rpc::Status;

use super::{contacts, read, refusal};
use crate::commands::OperationRetention;
use crate::commands::bulk::{Covers, OperationFault};
use crate::domain::bulk::{Became, Operation, State};
use crate::store::find::Wanted;
use crate::store::operations::Outcome;

/// Operations of a business.
pub const OPERATIONS: Name = Name::of("operations");

/// Most names of one request.
const MAX_NAMES: usize = 10_000;

/// Reads whom a request covers, in `business` if that could be read.
pub fn covers(
    business: Option<BusinessId>,
    given: &pb::BulkSetContactConsentsRequest,
) -> Result<Covers, InvalidInput> {
    match &given.filter {
        None => {
            let names = read::names("contacts", CONTACTS, business, &given.contacts, MAX_NAMES);
            names.map(Covers::Named)
        }
        Some(_) if !given.contacts.is_empty() => Err(InvalidInput::one(
            "filter",
            "NOT_WITH_CONTACTS",
            Text::new("must not be set together with contacts.", "ต้องไม่ระบุพร้อมกับ contacts"),
        )),
        Some(filter) => {
            let mut wrong = Violations::new();
            let wanted = wrong.nest("filter", wanted(filter));
            wrong.finish(wanted).map(Covers::Matching)
        }
    }
}

fn wanted(given: &pb::ContactFilter) -> Result<Wanted, InvalidInput> {
    let given = given.clone();
    contacts::wanted(&pb::SearchContactsRequest {
        name_prefix: given.name_prefix,
        phone: given.phone,
        email: given.email,
        external_id: given.external_id,
        state: given.state,
        channel: given.channel,
        ..Default::default()
    })
}

/// Reads which operations are asked for: those that have ended, those that go on, or all.
pub fn filter(given: &str) -> Result<Option<bool>, InvalidInput> {
    let text: String = given.chars().filter(|c| !c.is_whitespace()).collect();
    match &text[..] {
        "" => Ok(None),
        "done=true" => Ok(Some(true)),
        "done=false" => Ok(Some(false)),
        _ => Err(InvalidInput::one(
            "filter",
            "UNKNOWN_FILTER",
            Text::new(
                "must be done=true, done=false or empty.",
                "ต้องเป็น done=true, done=false หรือเว้นว่าง",
            ),
        )),
    }
}

/// The name of an operation.
pub fn name(field: &str, given: &str) -> Result<(BusinessId, OperationId), InvalidInput> {
    read::name(field, OPERATIONS, given)
}

/// An operation as it is. `ended_badly` makes a status of a fault, in the caller's language.
pub fn operation(
    business: BusinessId,
    operation: &Operation,
    retention: OperationRetention,
    ended_badly: impl FnOnce(OperationFault) -> Status,
) -> longrunning::Operation {
    use longrunning::operation::Result as Ended;
    let result = match operation.state {
        State::Running => None,
        State::Succeeded => Some(Ended::Response(response(operation))),
        // As AIP-151 has it.
        State::Cancelled => {
            let message = "cancelled".to_owned();
            Some(Ended::Error(Status { code: 1, message, details: Vec::new() }))
        }
        State::Stopped => Some(Ended::Error(ended_badly(OperationFault::Stopped))),
    };
    longrunning::Operation {
        name: OPERATIONS.format(business, operation.id),
        metadata: Some(metadata(operation, retention)),
        done: operation.state.is_done(),
        result,
    }
}

fn metadata(operation: &Operation, retention: OperationRetention) -> Any {
    let metadata = pb::BulkSetContactConsentsMetadata {
        state: operation.state.code(),
        total_count: operation.total,
        done_count: operation.recorded + operation.refused,
        recorded_count: operation.recorded,
        refused_count: operation.refused,
        create_time: Some(timestamp(operation.created_at)),
        start_time: operation.started_at.map(timestamp),
        end_time: operation.ended_at.map(timestamp),
        expire_time: operation.ended_at.map(|ended| timestamp(retention.end_of(ended))),
    };
    any("BulkSetContactConsentsMetadata", &metadata)
}

fn response(operation: &Operation) -> Any {
    let Operation { recorded: recorded_count, refused: refused_count, .. } = *operation;
    let response = pb::BulkSetContactConsentsResponse { recorded_count, refused_count };
    any("BulkSetContactConsentsResponse", &response)
}

fn any(name: &str, message: &impl prost::Message) -> Any {
    let type_url = format!("type.googleapis.com/yinyom.directory.v1.{name}");
    Any { type_url, value: message.encode_to_vec() }
}

/// What became of one contact.
pub fn result(business: BusinessId, outcome: Outcome) -> pb::BulkSetResult {
    use pb::bulk_set_result::Result as Of;
    pb::BulkSetResult {
        contact: CONTACTS.format(business, outcome.contact),
        result: Some(match outcome.became {
            Became::Recorded(seq) => Of::ConsentSeq(seq),
            Became::Refused(code, reason) => Of::Refusal(refusal::repeated(code, reason)),
        }),
    }
}
