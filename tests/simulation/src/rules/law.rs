//! What may be seen, in the plainest words there are for it; and which laws held when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use yinyom_consent::{ConsentState, Role};
use yinyom_kernel::MemberId;
use yinyom_policy::{NotSetVisibility, Policy};

/// How a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub listed: bool,
}

/// The rules of the business at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Law {
    pub enforcement: bool,
    pub hides_not_set: bool,
    pub members: BTreeMap<MemberId, Standing>,
}

impl Law {
    /// As a directory knows it.
    pub fn of(policy: &Policy) -> Self {
        let members = policy
            .members
            .iter()
            .map(|(id, member)| (*id, Standing { role: member.role, listed: member.listed }));
        Self {
            enforcement: policy.rules.enforcement,
            hides_not_set: policy.rules.not_set_visibility == NotSetVisibility::Mask,
            members: members.collect(),
        }
    }

    /// Whether `member` may see a channel in `state` (PRODUCT.md, "Who sees").
    fn shows(&self, member: MemberId, state: ConsentState) -> bool {
        let Some(standing) = self.members.get(&member) else { return false };
        let privileged = standing.role != Role::User || standing.listed;
        !self.enforcement
            || privileged
            || match state {
                ConsentState::Granted => true,
                ConsentState::NotSet => !self.hides_not_set,
                ConsentState::Denied => false,
            }
    }
}

/// The laws in their order. Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Enacted>>>);

#[derive(Debug)]
struct Enacted {
    law: Law,
    /// When the call that made it had returned.
    returned: Option<Duration>,
}

impl History {
    fn laws(&self) -> MutexGuard<'_, Vec<Enacted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `law` may hold.
    pub fn propose(&self, law: Law) {
        self.laws().push(Enacted { law, returned: None });
    }

    /// The call that made the last law has returned.
    pub fn returned(&self, at: Duration) {
        if let Some(last) = self.laws().last_mut() {
            last.returned = Some(at);
        }
    }

    /// The last law.
    pub fn last(&self) -> Law {
        self.laws().last().map(|last| last.law.clone()).unwrap_or_default()
    }

    /// Whoever ever was a member.
    pub fn people(&self) -> Vec<MemberId> {
        let laws = self.laws();
        let mut people: Vec<_> =
            laws.iter().flat_map(|enacted| enacted.law.members.keys().copied()).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    /// Whether `member` may have been shown a channel in `state` by an answer that was made at `at`: by the law of the last
    /// call that had returned, or one that came after it. An older law that a directory still knows shows no more than
    /// that, since only a right that is given may lag.
    pub fn allows(&self, member: MemberId, state: ConsentState, at: Duration) -> bool {
        let laws = self.laws();
        let had_returned = |enacted: &Enacted| enacted.returned.is_some_and(|then| then < at);
        let first = laws.iter().rposition(had_returned).unwrap_or_default();
        laws[first..].iter().any(|enacted| enacted.law.shows(member, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(listed: bool) -> (MemberId, Law) {
        let member = MemberId::generate();
        let standing = Standing { role: Role::User, listed };
        let members = BTreeMap::from([(member, standing)]);
        (member, Law { enforcement: true, hides_not_set: false, members })
    }

    #[test]
    fn what_was_taken_is_allowed_until_the_call_returns_and_not_after() {
        let (member, before) = law(true);
        let mut after = before.clone();
        after.members.values_mut().for_each(|member| member.listed = false);
        let history = History::default();
        let allows =
            |millis| history.allows(member, ConsentState::Denied, Duration::from_millis(millis));
        history.propose(before);
        history.returned(Duration::from_millis(1));
        history.propose(after);
        assert!(allows(10), "the call is under way");
        history.returned(Duration::from_millis(20));
        assert!(allows(20) && !allows(21));
    }
}
