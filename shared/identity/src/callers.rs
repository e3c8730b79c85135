//! The caller table: the services and operators that exist, and what each service may do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use yinyom_kernel::BusinessId;

use crate::SpiffeId;

/// A right of a service beyond calling an RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum ServiceScope {
    /// Sees addresses; without it, masks.
    #[serde(rename = "addresses.read")]
    AddressesRead,
}

/// The businesses that a service may name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BusinessesFile")]
pub enum Businesses {
    /// Every one, those of tomorrow too: `"*"` in the file.
    All,
    /// These: a list of ids in the file.
    Only(HashSet<BusinessId>),
}

impl Businesses {
    /// Whether `business` is among them.
    pub fn holds(&self, business: BusinessId) -> bool {
        match self {
            Self::All => true,
            Self::Only(listed) => listed.contains(&business),
        }
    }

    /// Whether they are all.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum BusinessesFile {
    Word(String),
    List(Vec<String>),
}

impl TryFrom<BusinessesFile> for Businesses {
    type Error = &'static str;

    fn try_from(file: BusinessesFile) -> Result<Self, Self::Error> {
        match file {
            BusinessesFile::Word(word) if word == "*" => Ok(Self::All),
            BusinessesFile::Word(_) => Err("businesses: must be \"*\" or a list of ids"),
            BusinessesFile::List(ids) => ids
                .iter()
                .map(|id| id.parse())
                .collect::<Result<_, _>>()
                .map(Self::Only)
                .map_err(|_| "businesses: holds something that is not an id"),
        }
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    /// `sub` of its token.
    pub name: String,
    /// The businesses that it may name.
    pub businesses: Businesses,
    /// The RPCs that it may call: `*`, `/package.Service/*` or `/package.Service/Method`.
    pub rpcs: Vec<String>,
    /// Its further rights.
    #[serde(default)]
    pub scopes: HashSet<ServiceScope>,
    /// The workloads that it may call from: its token is nobody's over the connection of another, or of none that has
    /// proved who it is. Without this key its token is good from anywhere.
    #[serde(default)]
    pub spiffe_ids: Option<HashSet<SpiffeId>>,
}

impl ServiceEntry {
    /// Whether one of its patterns names `rpc`.
    pub fn may_call(&self, rpc: &str) -> bool {
        self.rpcs.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => rpc.starts_with(prefix),
            None => pattern == rpc,
        })
    }

    /// Whether its token may come over a connection with `peer` at the other end.
    pub fn may_come_from(&self, peer: Option<&SpiffeId>) -> bool {
        is_among(self.spiffe_ids.as_ref(), peer)
    }
}

/// One operator: in the file the `sub` of its token, or that and from where it calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "OperatorFile")]
pub struct OperatorEntry {
    /// `sub` of its token.
    pub name: String,
    /// As for a service.
    pub spiffe_ids: Option<HashSet<SpiffeId>>,
}

impl OperatorEntry {
    /// Whether its token may come over a connection with `peer` at the other end.
    pub fn may_come_from(&self, peer: Option<&SpiffeId>) -> bool {
        is_among(self.spiffe_ids.as_ref(), peer)
    }
}

impl From<String> for OperatorEntry {
    fn from(name: String) -> Self {
        Self { name, spiffe_ids: None }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OperatorFile {
    Name(String),
    Bound(BoundOperator),
}

/// Without a list, the name alone is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundOperator {
    name: String,
    spiffe_ids: HashSet<SpiffeId>,
}

impl From<OperatorFile> for OperatorEntry {
    fn from(file: OperatorFile) -> Self {
        match file {
            OperatorFile::Name(name) => name.into(),
            OperatorFile::Bound(BoundOperator { name, spiffe_ids }) => {
                Self { name, spiffe_ids: Some(spiffe_ids) }
            }
        }
    }
}

/// Where nobody is listed, everybody is meant; where somebody is, whoever has proved nothing is not.
fn is_among(listed: Option<&HashSet<SpiffeId>>, peer: Option<&SpiffeId>) -> bool {
    match (listed, peer) {
        (None, _) => true,
        (Some(listed), Some(peer)) => listed.contains(peer),
        (Some(_), None) => false,
    }
}

/// Why a caller table was refused. Said at start, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum CallerTableError {
    #[error("the caller table cannot be read")]
    Unreadable(#[from] serde_json::Error),
    #[error("the caller table has {0:?} twice")]
    Twice(String),
    #[error("{0:?} may come from nowhere: leave spiffe_ids out, or name one")]
    FromNowhere(String),
    #[error("the caller table has an entry without a name")]
    Nameless,
    #[error(
        "{name:?} has the RPC pattern {pattern:?}, which is none of *, /service/*, /service/method"
    )]
    Pattern { name: String, pattern: String },
}

/// The services and operators that exist.
#[derive(Debug, Clone, Default)]
pub struct CallerTable {
    services: HashMap<String, Arc<ServiceEntry>>,
    operators: HashMap<String, OperatorEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    services: Vec<ServiceEntry>,
    #[serde(default)]
    operators: Vec<OperatorEntry>,
}

impl CallerTable {
    /// Reads a table from JSON:
    ///
    /// ```
    /// use yinyom_identity::CallerTable;
    ///
    /// CallerTable::parse(r#"{
    ///   "services": [{
    ///     "name": "campaigns",
    ///     "businesses": "*",
    ///     "rpcs": ["/yinyom.directory.v1.ConsentService/*"],
    ///     "scopes": ["addresses.read"],
    ///     "spiffe_ids": ["spiffe://crm.example/ns/crm/sa/campaigns"]
    ///   }],
    ///   "operators": [
    ///     "crm-vendor",
    ///     {"name": "billing", "spiffe_ids": ["spiffe://crm.example/ns/crm/sa/billing"]}
    ///   ]
    /// }"#)?;
    /// # Ok::<(), yinyom_identity::CallerTableError>(())
    /// ```
    ///
    /// An unknown key or scope is an error: a misspelt limit must not become no limit.
    pub fn parse(json: &str) -> Result<Self, CallerTableError> {
        let file: File = serde_json::from_str(json)?;
        Self::new(file.services, file.operators)
    }

    /// A table of these callers. A name stands for one caller only.
    pub fn new(
        services: Vec<ServiceEntry>,
        operators: Vec<impl Into<OperatorEntry>>,
    ) -> Result<Self, CallerTableError> {
        let mut table = Self::default();
        for operator in operators {
            let operator = operator.into();
            let name = operator.name.clone();
            if name.is_empty() {
                return Err(CallerTableError::Nameless);
            }
            if operator.spiffe_ids.as_ref().is_some_and(HashSet::is_empty) {
                return Err(CallerTableError::FromNowhere(name));
            }
            if table.operators.insert(name.clone(), operator).is_some() {
                return Err(CallerTableError::Twice(name));
            }
        }
        for service in services {
            table.add(service)?;
        }
        Ok(table)
    }

    fn add(&mut self, service: ServiceEntry) -> Result<(), CallerTableError> {
        let name = service.name.clone();
        if name.is_empty() {
            return Err(CallerTableError::Nameless);
        }
        if let Some(pattern) = service.rpcs.iter().find(|pattern| !is_pattern(pattern)) {
            return Err(CallerTableError::Pattern { name, pattern: pattern.clone() });
        }
        if service.spiffe_ids.as_ref().is_some_and(HashSet::is_empty) {
            return Err(CallerTableError::FromNowhere(name));
        }
        if self.operators.contains_key(&name) || self.services.contains_key(&name) {
            return Err(CallerTableError::Twice(name));
        }
        self.services.insert(name, Arc::new(service));
        Ok(())
    }

    pub(crate) fn service(&self, name: &str) -> Option<Arc<ServiceEntry>> {
        self.services.get(name).cloned()
    }

    pub(crate) fn operator(&self, name: &str) -> Option<&OperatorEntry> {
        self.operators.get(name)
    }
}

/// A star only where it stands for whole methods: `/pkg.Contact*` would take in services that the
/// writer never thought of.
fn is_pattern(pattern: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut parts = pattern.split('/');
    let (Some(""), Some(service), Some(method), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let plain = |part: &str| !part.is_empty() && !part.contains('*');
    plain(service) && (method == "*" || plain(method))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn table(rpcs: &str) -> Result<CallerTable, CallerTableError> {
        CallerTable::parse(&format!(
            r#"{{"services": [{{"name": "s", "businesses": [], "rpcs": [{rpcs}]}}]}}"#
        ))
    }

    #[test]
    fn a_pattern_never_reaches_beyond_its_service() {
        let table = table(r#""/a.B/*", "/a.C/Get""#).unwrap();
        let service = table.service("s").unwrap();
        assert!(service.may_call("/a.B/Anything"));
        assert!(service.may_call("/a.C/Get"));
        assert!(!service.may_call("/a.C/GetMore"));
        assert!(!service.may_call("/a.BC/Anything"));
        assert!(!service.may_call("/a.D/Get"));
    }

    #[test]
    fn a_star_inside_a_name_is_refused() {
        for pattern in [r#""/a.B*""#, r#""/a.*/Get""#, r#""/a.B/Get*""#, r#""a.B/Get""#, r#""""#] {
            assert!(matches!(table(pattern), Err(CallerTableError::Pattern { .. })), "{pattern}");
        }
    }

    #[test]
    fn an_operator_may_be_bound_to_where_it_calls_from() {
        let operators =
            |operators: &str| CallerTable::parse(&format!(r#"{{"operators": [{operators}]}}"#));
        let bound = r#"{"name": "v", "spiffe_ids": ["spiffe://a/v"]}"#;
        let table = operators(&format!(r#""free", {bound}"#)).unwrap();
        let (its, other) = ("spiffe://a/v".parse().unwrap(), "spiffe://a/w".parse().unwrap());
        for (name, peer, may) in [
            ("free", None, true),
            ("free", Some(&other), true),
            ("v", Some(&its), true),
            ("v", Some(&other), false),
            ("v", None, false),
        ] {
            let operator = table.operator(name).unwrap();
            assert_eq!(operator.may_come_from(peer), may, "{name} from {peer:?}");
        }
        for bad in [
            r#"{"name": "v", "spiffe_id": ["spiffe://a/v"]}"#,
            r#"{"name": "v", "spiffe_ids": ["https://a/v"]}"#,
            r#"{"name": "v", "spiffe_ids": ["spiffe://a/v"], "scopes": []}"#,
            r#"{"name": "v"}"#,
        ] {
            assert!(matches!(operators(bad), Err(CallerTableError::Unreadable(_))), "{bad}");
        }
        let nowhere = operators(r#"{"name": "v", "spiffe_ids": []}"#);
        assert!(matches!(nowhere, Err(CallerTableError::FromNowhere(_))));
        assert!(matches!(operators(&format!("\"v\", {bound}")), Err(CallerTableError::Twice(_))));
    }

    #[test]
    fn a_service_without_patterns_calls_nothing() {
        assert!(!table("").unwrap().service("s").unwrap().may_call("/a.B/Get"));
    }

    #[test]
    fn misspelt_keys_scopes_and_businesses_are_refused() {
        for text in [
            r#"{"service": []}"#,
            r#"{"services": [{"name": "s", "businesses": "*", "rpcs": [], "scope": []}]}"#,
            r#"{"services": [{"name": "s", "businesses": "*", "rpcs": [], "scopes": ["all"]}]}"#,
            r#"{"services": [{"name": "s", "businesses": "all", "rpcs": []}]}"#,
            r#"{"services": [{"name": "s", "businesses": ["*"], "rpcs": []}]}"#,
            r#"{"services": [{"name": "s", "rpcs": []}]}"#,
        ] {
            let read = CallerTable::parse(text);
            assert!(matches!(read, Err(CallerTableError::Unreadable(_))), "{text}");
        }
    }

    #[test]
    fn a_service_that_lists_workloads_comes_from_no_other() {
        let entry = |ids: &str| {
            CallerTable::parse(&format!(
                r#"{{"services": [{{"name": "s", "businesses": [], "rpcs": [], "spiffe_ids": {ids}}}]}}"#
            ))
        };
        let (own, other) = ("spiffe://a.example/own", "spiffe://a.example/other");
        let service = entry(&format!("[{own:?}]")).unwrap().service("s").unwrap();
        let own: SpiffeId = own.parse().unwrap();
        assert!(service.may_come_from(Some(&own)));
        assert!(!service.may_come_from(Some(&other.parse().unwrap())));
        assert!(!service.may_come_from(None));
        // None at all would read as "from anywhere" to one and as "from nowhere" to the next.
        assert!(matches!(entry("[]"), Err(CallerTableError::FromNowhere(_))));
        for wrong in [r#"["a.example/own"]"#, r#"["spiffe://a.example"]"#, r#"["*"]"#, r#""*""#] {
            assert!(matches!(entry(wrong), Err(CallerTableError::Unreadable(_))), "{wrong}");
        }
    }

    #[test]
    fn a_name_stands_for_one_caller() {
        let text = r#"{"services": [{"name": "x", "businesses": "*", "rpcs": []}],
                       "operators": ["x"]}"#;
        assert!(matches!(CallerTable::parse(text), Err(CallerTableError::Twice(_))));
    }
}
