//! `DATA_DIR/dev.json`: what scripts need to call a running `yinyom`. It holds tokens, so it is its
//! owner's alone; it is written when everything answers, and at once or not at all.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const FILE: &str = "dev.json";

/// The file of the start before.
const LAST: &str = "dev.last.json";

/// What is in the file.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub addresses: Addresses,
    /// Whether TLS is spoken there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// `businesses/{business}`: the demo business, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub business: Option<String>,
    /// Its people.
    #[serde(default)]
    pub people: Vec<Person>,
    /// The vendor of the CRM, who creates businesses.
    pub operator: Operator,
    /// Services that the caller table knows, for trying things out.
    #[serde(default)]
    pub services: Vec<Service>,
    /// Its contacts, by what is special about each.
    #[serde(default)]
    pub contacts: Vec<NamedContact>,
    /// The printed commands, in order.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// Where the services answer, `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub settings: String,
    pub directory: String,
    pub manager: String,
}

/// A member of the demo business.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The member's display name.
    pub name: String,
    /// `OWNER`, `ADMIN` or `USER`.
    pub role: String,
    /// Whether the member is on the viewer list.
    pub listed: bool,
    /// Whether the member reads the ledger by that flag.
    pub protection_officer: bool,
    /// `businesses/{business}/members/{member}`.
    pub member: String,
    /// The bearer token.
    pub token: String,
}

/// The vendor of the CRM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    pub name: String,
    /// The bearer token.
    pub token: String,
}

/// A service that the caller table knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    /// `addresses.read`, or none.
    pub scopes: Vec<String>,
    /// The bearer token.
    pub token: String,
}

/// A contact of the demo business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedContact {
    /// What it shows, such as `phone-denied-email-granted`.
    pub external_id: String,
    /// `businesses/{business}/contacts/{contact}`.
    pub contact: String,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    #[error("{path} cannot be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not what this version writes")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
}

impl Facts {
    /// What a `yinyom` wrote to `data_dir`.
    pub fn read(data_dir: &Path) -> Result<Self, FactsError> {
        Self::read_from(data_dir.join(FILE))
    }

    fn read_from(path: PathBuf) -> Result<Self, FactsError> {
        let text = fs::read_to_string(&path)
            .map_err(|source| FactsError::Read { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|source| FactsError::Parse { path, source })
    }

    /// Writes the file, in one step for whoever waits for it. Tells where.
    pub fn write(&self, data_dir: &Path) -> Result<PathBuf, FactsError> {
        let path = data_dir.join(FILE);
        let written = self.write_to(&path);
        written.map_err(|source| FactsError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("json.new");
        let gone = fs::remove_file(&new);
        gone.or_else(
            |error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) },
        )?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    /// `https://host:port` or `http://host:port` of one of the addresses.
    pub fn url(&self, address: &str) -> String {
        url(self.tls, address)
    }

    /// The token of the demo business's owner.
    pub fn owner_token(&self) -> Option<&str> {
        self.people.iter().find(|person| person.role == "OWNER").map(|owner| owner.token.as_str())
    }
}

/// Of a service at `address`.
pub fn url(tls: bool, address: &str) -> String {
    format!("{}://{address}", if tls { "https" } else { "http" })
}

/// Takes the file of an earlier start away: until everything answers again, it would be wrong. Tells
/// the business that was loaded then, also if a start in between was cut short.
pub fn take_last(data_dir: &Path) -> Result<Option<String>, FactsError> {
    let (path, last) = (data_dir.join(FILE), data_dir.join(LAST));
    match fs::rename(&path, &last) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(FactsError::Write { path, source });
        }
        _ => {}
    }
    // One of another version tells nothing, and nothing depends on it but some calls.
    Ok(Facts::read_from(last).ok().and_then(|facts| facts.business))
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub fn facts() -> Facts {
        let business = "businesses/01890000-0000-7000-8000-000000000000";
        let person = |name: &str, role: &str| Person {
            name: name.to_owned(),
            role: role.to_owned(),
            listed: false,
            protection_officer: false,
            member: format!("{business}/members/01890000-0000-7000-8000-00000000000a"),
            token: format!("{name}-token"),
        };
        Facts {
            addresses: Addresses {
                settings: "127.0.0.1:1".to_owned(),
                directory: "127.0.0.1:2".to_owned(),
                manager: "127.0.0.1:3".to_owned(),
            },
            business: Some(business.to_owned()),
            people: vec![person("user", "USER"), person("owner", "OWNER")],
            tls: false,
            operator: Operator { name: "vendor".to_owned(), token: "vendor-token".to_owned() },
            services: Vec::new(),
            contacts: Vec::new(),
            commands: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = facts().write(dir.path()).unwrap();
        facts().write(dir.path()).unwrap();
        assert!(Facts::read(dir.path()).unwrap() == facts());
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_start_that_is_cut_short_does_not_make_the_next_one_forget_what_was_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(take_last(dir.path()).unwrap(), None);
        facts().write(dir.path()).unwrap();
        assert_eq!(take_last(dir.path()).unwrap(), facts().business);
        assert!(matches!(Facts::read(dir.path()), Err(FactsError::Read { .. })));
        assert_eq!(take_last(dir.path()).unwrap(), facts().business);
    }

    #[test]
    fn scripts_find_what_they_were_promised() {
        let json: serde_json::Value = serde_json::to_value(facts()).unwrap();
        for service in ["settings", "directory", "manager"] {
            assert!(json["addresses"][service].is_string());
        }
        assert!(json["business"].is_string());
        for key in ["name", "role", "listed", "token"] {
            assert!(!json["people"][1][key].is_null(), "{key}");
        }
    }

    #[test]
    fn the_owners_token_is_found_wherever_the_owner_stands() {
        assert_eq!(facts().owner_token(), Some("owner-token"));
    }
}
