//! Why one item of a batch was refused.

use yinyom_kernel::{Fault, Language, Violation};
use yinyom_proto::types::v1 as types;

/// A fault as the refusal of one item.
pub fn refusal(fault: &dyn Fault, language: Language) -> types::Refusal {
    types::Refusal {
        code: fault.code().number(),
        reason: fault.reason().to_owned(),
        message: fault.text().get(language).to_owned(),
        field_violations: fault.violations().iter().map(|v| violation(v, language)).collect(),
    }
}

/// A refusal that is repeated from its record, which keeps its code and reason alone.
pub fn repeated(code: i32, reason: String) -> types::Refusal {
    types::Refusal { code, reason, message: String::new(), field_violations: Vec::new() }
}

fn violation(violation: &Violation, language: Language) -> types::FieldViolation {
    types::FieldViolation {
        field: violation.field.clone(),
        reason: violation.reason.to_owned(),
        description: violation.text.get(language).to_owned(),
    }
}
