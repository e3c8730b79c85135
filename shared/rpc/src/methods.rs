//! The methods of the served services, by their descriptors, held against the access table.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use yinyom_identity::Access;

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    /// Nobody may pass without one.
    pub(crate) access: Option<&'static Access>,
    /// Whether requests or answers come as a stream.
    pub(crate) streaming: bool,
}

/// The doors of `services`, by path.
pub(crate) fn doors(
    descriptors: &[u8],
    services: &[&str],
    access: &'static [Access],
) -> Result<HashMap<String, Door>, prost::DecodeError> {
    Ok(methods(descriptors, services)?
        .into_iter()
        .map(|(path, streaming)| {
            let entry = access.iter().find(|entry| entry.rpc == path);
            (path, Door { access: entry, streaming })
        })
        .collect())
}

/// Where the access table and the descriptors of `services` (full names) differ: methods without an
/// entry, entries without a method, and entries that are there twice. Empty if they agree.
///
/// `descriptors` is an encoded `FileDescriptorSet`.
pub fn access_gaps(descriptors: &[u8], services: &[&str], access: &[Access]) -> Vec<String> {
    let methods = match methods(descriptors, services) {
        Ok(methods) => methods,
        Err(error) => return vec![format!("the descriptors cannot be read: {error}")],
    };
    let mut gaps = Vec::new();
    for service in services {
        if !methods.keys().any(|path| path.split('/').nth(1) == Some(*service)) {
            gaps.push(format!("no method of {service} is described"));
        }
    }
    for path in methods.keys() {
        match access.iter().filter(|entry| entry.rpc == path).count() {
            0 => gaps.push(format!("{path} has no access entry")),
            1 => {}
            _ => gaps.push(format!("{path} has more than one access entry")),
        }
    }
    for entry in access {
        if !methods.contains_key(entry.rpc) {
            gaps.push(format!("{} has an access entry and is no method", entry.rpc));
        }
    }
    gaps
}

fn methods(
    descriptors: &[u8],
    services: &[&str],
) -> Result<BTreeMap<String, bool>, prost::DecodeError> {
    let set = prost_types::FileDescriptorSet::decode(descriptors)?;
    let mut methods = BTreeMap::new();
    for file in &set.file {
        for service in &file.service {
            let name = match file.package() {
                "" => service.name().to_owned(),
                package => format!("{package}.{}", service.name()),
            };
            if !services.contains(&name.as_str()) {
                continue;
            }
            for method in &service.method {
                methods.insert(
                    format!("/{name}/{}", method.name()),
                    method.client_streaming() || method.server_streaming(),
                );
            }
        }
    }
    Ok(methods)
}
