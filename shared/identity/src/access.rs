//! The access table: which kind of caller may use which RPC.
//!
//! It is the first of two gates. Conditions on a role are declared here, so that a reader sees them
//! at a glance, and enforced by the commands, which know the member's role.

use yinyom_kernel::{Code, Fault, Text};

use crate::Caller;

/// One RPC and who may call it. Each service has a `const ACCESS: &[Access]`; an RPC without an
/// entry is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The RPC's path: `/yinyom.directory.v1.ContactService/GetContact`.
    pub rpc: &'static str,
    /// Which members.
    pub members: Members,
    /// Whether services may, as far as the caller table lets each of them.
    pub services: bool,
    /// Whether operators may.
    pub operators: bool,
    /// Whether it goes before others where there is too much to do: what a person has a right to, and what masks or the
    /// ledger would wait for.
    pub urgent: bool,
}

impl Access {
    /// The same, before others.
    #[must_use]
    pub const fn urgently(self) -> Self {
        Self { urgent: true, ..self }
    }
}

/// Which members of a business an RPC is for. All but `None` admit every member at the door; the
/// command asks for the role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// No member.
    None,
    /// Every member.
    Any,
    /// Owner, admins and the users on the viewer list.
    Listed,
    /// Owner and admins.
    OwnerOrAdmin,
    /// The owner alone.
    Owner,
    /// Owner, admins and protection officers: those who read the ledger.
    LedgerReaders,
}

impl Access {
    /// Refuses a kind of caller that this RPC is not for, and a service whose entry in the caller
    /// table does not name it.
    pub fn admit(&self, caller: &Caller) -> Result<(), AccessDenied> {
        let admitted = match caller {
            Caller::Member { .. } => self.members != Members::None,
            Caller::Service(service) => self.services && service.may_call(self.rpc),
            Caller::Operator { .. } => self.operators,
        };
        if admitted { Ok(()) } else { Err(AccessDenied) }
    }
}

/// The caller is known, and this RPC is not for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the RPC is not for this caller")]
pub struct AccessDenied;

impl Fault for AccessDenied {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }

    fn reason(&self) -> &'static str {
        "RPC_NOT_ALLOWED"
    }

    fn text(&self) -> Text {
        Text::new("You may not call this method.", "คุณไม่มีสิทธิ์เรียกใช้คำสั่งนี้")
    }
}
