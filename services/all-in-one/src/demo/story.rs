//! The five commands that tell the product's story, each complete in itself: a line to paste, for a
//! client that knows nothing but reflection.

use crate::facts::Addresses;

/// A step of the story.
pub struct Step {
    /// What happens, in words that a shell can be given as a comment.
    pub told: &'static str,
    /// The line to paste.
    pub command: String,
}

/// Whose tokens the steps use, and about whom they are.
pub struct Cast<'a> {
    pub addresses: &'a Addresses,
    /// How the connection is made: `-plaintext`.
    pub flags: &'a str,
    pub business: &'a str,
    pub contact: &'a str,
    pub owner: &'a str,
    pub user: &'a str,
}

/// The steps in order.
pub fn steps(cast: &Cast<'_>) -> Vec<Step> {
    let directory = &cast.addresses.directory;
    let call = |token, body: &str, address, method| call(cast.flags, token, body, address, method);
    let get = format!(r#"{{"name":"{}"}}"#, cast.contact);
    let get = |token| call(token, &get, directory, "yinyom.directory.v1.ContactService/GetContact");
    let withdraw = format!(
        r#"{{"contact":"{}","channels":["CHANNEL_EMAIL"],"surface":"SURFACE_CONTACTS","evidence":{{"method":"EVIDENCE_METHOD_CALL"}}}}"#,
        cast.contact
    );
    let summary = format!(r#"{{"parent":"{}"}}"#, cast.business);
    vec![
        Step {
            told: "The owner sees the phone number and the e-mail, although the customer refused calls.",
            command: get(cast.owner),
        },
        Step {
            told: "A user sees a mask for the phone number, and the e-mail, which the customer granted.",
            command: get(cast.user),
        },
        Step {
            told: "The customer calls and says no to e-mail too. Any colleague may record that.",
            command: call(
                cast.user,
                &withdraw,
                directory,
                "yinyom.directory.v1.ConsentService/WithdrawConsent",
            ),
        },
        Step { told: "Now the user sees two masks.", command: get(cast.user) },
        Step {
            told: "The report counts the refusal.",
            command: call(
                cast.owner,
                &summary,
                &cast.addresses.manager,
                "yinyom.manager.v1.ReportService/GetConsentSummary",
            ),
        },
    ]
}

fn call(flags: &str, token: &str, body: &str, address: &str, method: &str) -> String {
    format!("grpcurl {flags} -H 'authorization: Bearer {token}' -d '{body}' {address} {method}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_command_is_a_line_that_a_shell_takes_as_it_is() {
        let addresses = Addresses {
            settings: "127.0.0.1:1".to_owned(),
            directory: "127.0.0.1:2".to_owned(),
            manager: "127.0.0.1:3".to_owned(),
        };
        let cast = Cast {
            addresses: &addresses,
            flags: "-plaintext",
            business: "businesses/b",
            contact: "businesses/b/contacts/c",
            owner: "o.w.n",
            user: "u.s.r",
        };
        let steps = steps(&cast);
        assert_eq!(steps.len(), 5);
        for step in &steps {
            let quoted: Vec<&str> = step.command.split('\'').collect();
            assert_eq!(quoted.len(), 5, "{}", step.command);
            assert!(serde_json::from_str::<serde_json::Value>(quoted[3]).is_ok());
            assert!(step.command.starts_with("grpcurl ") && !step.command.contains('\n'));
            // Some shells read a pasted comment as a command; then it should do nothing.
            assert!(!step.told.contains(['\'', '"', '(', '`', '$', '!', ';', '&', '|', '*']));
        }
        assert!(steps[0].command.contains("o.w.n") && steps[1].command.contains("u.s.r"));
    }
}
