//! `yinyom token`: a token for whoever the demo does not know yet, such as a member that a script has
//! just added.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use yinyom_identity::{KeyError, Subject};
use yinyom_kernel::{MemberId, Name, NameError, SystemClock};

use crate::data_dir::{AUDIENCE, DataDirError, issuer};

/// A working day is not the end of a demo.
pub const TTL: Duration = Duration::from_hours(30 * 24);

/// Prints a token that the services of this data directory take.
#[derive(clap::Args)]
pub struct TokenArgs {
    /// `businesses/{business}/members/{member}`, or the name of a service or an operator:
    /// `campaigns` (sees addresses), `helpdesk` (sees masks), `crm-vendor` (creates businesses).
    subject: String,

    /// How long it is valid.
    #[arg(long, env = "YINYOM_TOKEN_HOURS", default_value_t = 24)]
    hours: u32,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("the subject is {0}")]
    Subject(#[from] NameError),
    #[error("the token cannot be signed")]
    Sign(#[from] KeyError),
}

/// The token.
pub fn run(args: &TokenArgs, data_dir: &Path) -> Result<String, TokenError> {
    let subject = subject(&args.subject)?;
    let issuer = issuer(data_dir, Arc::new(SystemClock))?;
    Ok(issuer.issue(&subject, AUDIENCE, Duration::from_secs(u64::from(args.hours) * 3600))?)
}

fn subject(text: &str) -> Result<Subject, NameError> {
    if text.contains('/') {
        let (business, member) = Name::of("members").parse::<MemberId>(text)?;
        Ok(Subject::Member { business, member })
    } else {
        Ok(Subject::named(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_not_signed_as_a_service() {
        assert!(subject("businesses/x/members/y").is_err());
        assert!(subject("businesses/01890000-0000-7000-8000-000000000000").is_err());
        assert_eq!(subject("campaigns"), Ok(Subject::named("campaigns")));
    }
}
