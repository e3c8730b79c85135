//! The same word of many contacts: how far it is, who may see that, and in which portions it goes on.
//!
//! Whether a contact takes the word is [`set`](super::set)'s, as for one contact.

use jiff::Timestamp;
use yinyom_consent::Role;
use yinyom_kernel::{ContactId, OperationId};

/// Contacts of a unit of work: few enough that nobody waits long for one of them.
pub const BLOCK: usize = 200;

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It goes on, or waits for its turn.
    Running = 1,
    /// Each contact was dealt with.
    Succeeded = 2,
    /// Somebody cancelled it.
    Cancelled = 3,
    /// Who began it may not go on with it.
    Stopped = 4,
}

impl State {
    /// The number that stores keep; the protobuf enum has the same.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The state that `code` stands for.
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self::Running),
            2 => Some(Self::Succeeded),
            3 => Some(Self::Cancelled),
            4 => Some(Self::Stopped),
            _ => None,
        }
    }

    /// Whether it has ended, well or not.
    pub const fn is_done(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    pub id: OperationId,
    pub state: State,
    /// Contacts that it covers.
    pub total: i64,
    /// Of which it is recorded.
    pub recorded: i64,
    /// Of which it was refused.
    pub refused: i64,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

impl Operation {
    /// As it was when it was asked for.
    pub const fn new(id: OperationId, total: i64, created_at: Timestamp) -> Self {
        let (started_at, ended_at) = (None, None);
        let state = State::Running;
        Self { id, state, total, recorded: 0, refused: 0, created_at, started_at, ended_at }
    }
}

/// What became of one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// Recorded, as that change of the contact.
    Recorded(i64),
    /// Refused with that gRPC code and reason.
    Refused(i32, String),
}

/// Which operations of a business somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sees {
    All,
    /// Those that they began themselves.
    Own,
    /// Their own; and nobody knows at present whether the others, too.
    Unsure,
}

impl Sees {
    /// What a member of that role sees; `None` is a member while the rules cannot be had.
    pub const fn of_member(role: Option<Role>) -> Self {
        match role {
            Some(Role::Owner | Role::Admin) => Self::All,
            Some(Role::User) => Self::Own,
            None => Self::Unsure,
        }
    }
}

/// The contacts in the order in which they get their turns, each once.
pub fn in_turn(mut contacts: Vec<ContactId>) -> Vec<ContactId> {
    contacts.sort_unstable();
    contacts.dedup();
    contacts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_for_ever_and_one_alone_goes_on() {
        let all = [State::Running, State::Succeeded, State::Cancelled, State::Stopped];
        for (code, state) in (1..).zip(all) {
            assert_eq!((state.code(), State::from_code(code)), (code, Some(state)));
            assert_eq!(state.is_done(), state != State::Running);
        }
        assert_eq!((State::from_code(0), State::from_code(5)), (None, None));
    }

    #[test]
    fn a_user_sees_no_operation_of_others_and_a_lost_role_is_none() {
        assert_eq!(Sees::of_member(Some(Role::Owner)), Sees::All);
        assert_eq!(Sees::of_member(Some(Role::Admin)), Sees::All);
        assert_eq!(Sees::of_member(Some(Role::User)), Sees::Own);
        assert_eq!(Sees::of_member(None), Sees::Unsure);
    }

    #[test]
    fn who_is_named_twice_has_one_turn() {
        let (one, other) = (ContactId::generate(), ContactId::generate());
        let turns = in_turn(vec![other, one, other, one]);
        assert_eq!(turns.len(), 2);
        assert!(turns[0] < turns[1]);
    }
}
