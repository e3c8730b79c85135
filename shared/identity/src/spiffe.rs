//! Names of workloads, as certificates carry them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

/// The longest that the standard lets a reader refuse nothing of.
const MAX_BYTES: usize = 2048;

/// A workload's name, `spiffe://trust-domain/path`, as the SPIFFE standard (SPIFFE-ID, section 2) defines it. Two
/// are the same if their bytes are. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct SpiffeId(Arc<str>);

/// Not a workload's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not of the form spiffe://trust-domain/path")]
pub struct NotSpiffe;

impl SpiffeId {
    /// As it stands in the certificate.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SpiffeId {
    type Err = NotSpiffe;

    fn from_str(text: &str) -> Result<Self, NotSpiffe> {
        let rest = text.strip_prefix("spiffe://").ok_or(NotSpiffe)?;
        // The name of a trust domain alone is nobody's.
        let (domain, path) = rest.split_once('/').ok_or(NotSpiffe)?;
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        let any = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let good = text.len() <= MAX_BYTES
            && !domain.is_empty()
            && domain.bytes().all(lower)
            && path.split('/').all(|part| {
                !part.is_empty() && part != "." && part != ".." && part.bytes().all(any)
            });
        if good { Ok(Self(text.into())) } else { Err(NotSpiffe) }
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = NotSpiffe;

    fn try_from(text: String) -> Result<Self, NotSpiffe> {
        text.parse()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_one_workload_is_a_name() {
        for good in ["spiffe://yinyom.example/ns/crm/sa/contact-directory", "spiffe://a/B_1.x"] {
            assert!(good.parse::<SpiffeId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "spiffe://",
            "spiffe://yinyom.example",
            "spiffe://yinyom.example/",
            "spiffe://yinyom.example//x",
            "spiffe://yinyom.example/x/",
            "spiffe://yinyom.example/./x",
            "spiffe://yinyom.example/../x",
            "spiffe://yinyom.example/x?y",
            "spiffe://yinyom.example/x#y",
            "spiffe://yinyom.example/%61",
            "spiffe://yinyom.example:443/x",
            "spiffe://me@yinyom.example/x",
            "spiffe://Yinyom.example/x",
            "SPIFFE://yinyom.example/x",
            "https://yinyom.example/x",
            "spiffe://yinyom.example/ก",
        ] {
            assert_eq!(bad.parse::<SpiffeId>(), Err(NotSpiffe), "{bad}");
        }
        assert!(format!("spiffe://a/{}", "b".repeat(2048)).parse::<SpiffeId>().is_err());
    }
}
