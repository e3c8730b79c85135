//! One of the two businesses of a pair, and what was heard in it, with ids and page tokens that are its own by nature
//! replaced by when they were first seen.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_types::StatusExt;
use yinyom_kernel::{BusinessId, MemberId};
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::ask::path;
use yinyom_tests::raw::{self, Heard};

const ID: usize = 36;

/// What is compared: each message, and how its ids are ordered.
pub type Answer = Result<Vec<(Vec<u8>, String)>, Heard>;

/// One of the two.
pub struct Side {
    pub id: BusinessId,
    pub business: String,
    pub members: [MemberId; 2],
    pub owner: Bearer,
    pub viewer: Bearer,
    pub contacts: Vec<String>,
    pub leads: Vec<String>,
    pub accounts: Vec<String>,
    pub merges: Vec<String>,
    pub operations: Vec<String>,
    pub names: Vec<String>,
    pub points: Vec<String>,
    /// Where the last page that had one ended.
    pub page_token: String,
    seen: HashMap<Vec<u8>, usize>,
}

impl Side {
    pub fn new(id: BusinessId, members: [MemberId; 2], owner: Bearer, viewer: Bearer) -> Self {
        let business = yinyom_kernel::Name::format_business(id);
        let names = members.map(|member| format!("{business}/members/{member}")).to_vec();
        Self {
            id,
            business,
            members,
            owner,
            viewer,
            contacts: Vec::new(),
            leads: Vec::new(),
            accounts: Vec::new(),
            merges: Vec::new(),
            operations: Vec::new(),
            names,
            points: Vec::new(),
            page_token: String::new(),
            seen: HashMap::new(),
        }
    }

    /// Somebody asks, and it is read as it came.
    pub async fn call(
        &self,
        channel: &Channel,
        by: &Bearer,
        method: &MethodDescriptor,
        request: &[u8],
    ) -> Result<Vec<DynamicMessage>, Status> {
        let request: Request<Vec<Vec<u8>>> = by.request(vec![request.to_vec()]);
        let answers = raw::call(channel, &path(method), request).await?;
        let read = |bytes: &Vec<u8>| DynamicMessage::decode(method.output(), &bytes[..]).unwrap();
        Ok(answers.iter().map(read).collect())
    }

    /// The viewer asks.
    pub async fn ask(
        &mut self,
        channel: &Channel,
        method: &MethodDescriptor,
        request: &[u8],
    ) -> Answer {
        let viewer = self.viewer.clone();
        match self.call(channel, &viewer, method, request).await {
            Ok(answers) => Ok(answers.into_iter().map(|answer| self.comparable(answer)).collect()),
            Err(status) => {
                let (code, message, details, metadata) = raw::bytes(&status);
                let details = [readable(&status), format!("{} bytes", details.len())].join(" ");
                let text = self.without_ids(message.into_bytes());
                let message = String::from_utf8_lossy(&text).into_owned();
                // The details stand in the metadata, too, in base 64.
                let metadata = metadata.into_iter().filter(|(k, _)| k != "grpc-status-details-bin");
                Err((code, message, self.without_ids(details.into_bytes()), metadata.collect()))
            }
        }
    }

    fn comparable(&mut self, mut answer: DynamicMessage) -> (Vec<u8>, String) {
        if let Some(Value::String(token)) = answer.get_field_by_name("next_page_token").as_deref() {
            if !token.is_empty() {
                self.page_token.clone_from(token);
            }
            let length = Value::String(format!("{} characters", token.len()));
            answer.set_field_by_name("next_page_token", length);
        }
        let bytes = answer.encode_to_vec();
        let order = order_of_ids(&bytes);
        (self.without_ids(bytes), order)
    }

    /// Ids by the order in which they came up; names that are new can be asked for from now on.
    pub fn without_ids(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let mut at = 0;
        while at + ID <= bytes.len() {
            if !is_id(&bytes[at..at + ID]) {
                at += 1;
                continue;
            }
            let id = bytes[at..at + ID].to_vec();
            let known = self.seen.len();
            let number = *self.seen.entry(id.clone()).or_insert(known);
            if number == known {
                self.meet(&bytes[..at], &String::from_utf8(id).unwrap());
            }
            bytes[at..at + ID].copy_from_slice(format!("{number:036}").as_bytes());
            at += ID;
        }
        bytes
    }

    fn meet(&mut self, before: &[u8], id: &str) {
        for (kind, known) in [
            ("contacts", &mut self.contacts),
            ("leads", &mut self.leads),
            ("accounts", &mut self.accounts),
            ("merges", &mut self.merges),
            ("operations", &mut self.operations),
        ] {
            if before.ends_with(format!("/{kind}/").as_bytes()) {
                let name = format!("{}/{kind}/{id}", self.business);
                if !known.contains(&name) {
                    known.push(name);
                }
                return;
            }
        }
        if before.last().is_some_and(|byte| usize::from(*byte) == ID) {
            self.points.push(id.to_owned());
        }
    }
}

/// The details of a status. The metadata in it is a map, which comes in any order.
fn readable(status: &Status) -> String {
    let mut details = status.get_error_details();
    let metadata: BTreeMap<_, _> = match details.error_info().cloned() {
        None => BTreeMap::new(),
        Some(info) => {
            details.set_error_info(info.reason, info.domain, HashMap::new());
            info.metadata.into_iter().collect()
        }
    };
    format!("{details:?} {metadata:?}")
}

/// Which id is greater than the one before it. Ids tell when they were made, so an order by anything else shows.
fn order_of_ids(bytes: &[u8]) -> String {
    let ids: Vec<_> = bytes.windows(ID).filter(|bytes| is_id(bytes)).collect();
    let pairs = ids.windows(2).map(|pair| match pair[0].cmp(pair[1]) {
        Ordering::Less => '<',
        Ordering::Equal => '=',
        Ordering::Greater => '>',
    });
    pairs.collect()
}

fn is_id(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}
