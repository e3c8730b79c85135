//! Breakdowns as tables: one line a value, both channels together.

use yinyom_consent::{EvidenceMethod, Surface};
use yinyom_proto::manager::v1::breakdown_value::Value;
use yinyom_proto::manager::v1::{BreakdownValue, GetConsentBreakdownResponse};

/// How many values a table has at most.
pub const MOST: i32 = 10;

/// A table, or nothing if nothing happened.
pub fn table(title: &str, breakdown: &GetConsentBreakdownResponse) -> String {
    if breakdown.values.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{title}\n{:<46}{:>8}{:>8}{:>8}{:>9}{:>9}\n",
        "", "yes", "no", "reset", "yes of", "opt-outs"
    );
    for value in &breakdown.values {
        let [yes, no, reset, out] = sums(value);
        let answers = yes + no;
        let share = if answers > 0 { format!("{} %", yes * 100 / answers) } else { String::new() };
        text = format!("{text}{:<46}{yes:>8}{no:>8}{reset:>8}{share:>9}{out:>9}\n", name(value));
    }
    if !breakdown.next_page_token.is_empty() {
        text.push_str("and others\n");
    }
    text
}

/// Grants, refusals, resets and opt-outs of all channels.
fn sums(value: &BreakdownValue) -> [i64; 4] {
    value.channels.iter().fold([0; 4], |[yes, no, reset, out], it| {
        [yes + it.grants, no + it.refusals, reset + it.resets, out + it.opt_outs]
    })
}

fn name(value: &BreakdownValue) -> String {
    match &value.value {
        Some(Value::Surface(code)) => match Surface::from_wire(*code) {
            Ok(Some(Surface::Lead)) => "a lead",
            Ok(Some(Surface::LeadContacts)) => "the contacts of a lead",
            Ok(Some(Surface::AccountContacts)) => "the contacts of an account",
            Ok(Some(Surface::Contacts)) => "the contacts menu",
            Ok(Some(Surface::Import)) => "an import",
            Ok(Some(Surface::Api)) => "a service",
            Ok(None) | Err(_) => "elsewhere",
        }
        .to_owned(),
        Some(Value::EvidenceMethod(code)) => match EvidenceMethod::from_wire(*code) {
            Ok(Some(EvidenceMethod::Form)) => "a form",
            Ok(Some(EvidenceMethod::Call)) => "a call",
            Ok(Some(EvidenceMethod::Email)) => "an e-mail",
            Ok(Some(EvidenceMethod::Chat)) => "a chat",
            Ok(Some(EvidenceMethod::Paper)) => "a paper",
            Ok(None) | Err(_) => "not said",
        }
        .to_owned(),
        // The business is known already.
        Some(Value::Actor(name)) => match name.split_once("/members/") {
            Some((_, member)) => format!("members/{member}"),
            None => name.clone(),
        },
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use yinyom_proto::manager::v1::ChannelBreakdown;

    use super::*;

    fn value(value: Value, grants: i64, refusals: i64) -> BreakdownValue {
        let channel =
            ChannelBreakdown { grants, refusals, opt_outs: refusals, ..Default::default() };
        BreakdownValue { value: Some(value), channels: vec![channel] }
    }

    #[test]
    fn each_value_has_a_line_with_its_share_of_yes() {
        let breakdown = GetConsentBreakdownResponse {
            values: vec![
                value(Value::Surface(4), 3, 1),
                value(Value::EvidenceMethod(0), 0, 0),
                value(Value::Actor("businesses/b/members/m".to_owned()), 1, 0),
            ],
            next_page_token: "more".to_owned(),
            ..Default::default()
        };
        let text = table("By anything", &breakdown);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[3].starts_with("the contacts menu  "), "{text}");
        assert!(lines[3].ends_with("3       1       0     75 %        1"), "{text}");
        assert!(lines[4].starts_with("not said  "), "{text}");
        assert!(lines[5].starts_with("members/m  "), "{text}");
        assert_eq!(lines[6], "and others");
    }

    #[test]
    fn where_nothing_happened_there_is_no_table() {
        assert_eq!(table("By anything", &GetConsentBreakdownResponse::default()), "");
    }
}
