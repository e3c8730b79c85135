//! The three gRPC services: parse, call, render. No rules.

mod business_service;
mod consent_settings_service;
mod policy_service;
mod wire;

use prost::Message;
use tonic::{Response, Status};
use yinyom_kernel::RequestId;
use yinyom_privacy::{BlindIndexKey, DataKey};
use yinyom_rpc::Call;

use crate::commands::{Asker, Commands, Once};

type Answer<T> = Result<Response<T>, Status>;

/// What implements the generated traits.
pub struct Api {
    commands: Commands,
    fingerprints: BlindIndexKey,
}

impl Api {
    /// Serves `commands`. `key` is the service's own; requests are fingerprinted under it.
    pub fn new(commands: Commands, key: &DataKey) -> Self {
        Self { commands, fingerprints: BlindIndexKey::of(key) }
    }

    /// Who makes this call, and what a repetition of it is recognised by: every byte of it.
    fn asker(&self, call: &Call, id: Option<RequestId>, message: &impl Message) -> Asker {
        let once = id.map(|id| Once {
            id,
            fingerprint: self.fingerprints.digest(call.rpc(), &[&message.encode_to_vec()]),
        });
        let call_id = call.request_id().to_owned();
        Asker { caller: call.caller().clone(), rpc: call.rpc(), call_id, once }
    }
}
