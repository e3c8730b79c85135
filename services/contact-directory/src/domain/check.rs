//! May we use it? (PRODUCT.md, "May we use it?" and "Shared addresses")

use jiff::Timestamp;
use yinyom_consent::ConsentState;
use yinyom_policy::Rules;

use super::Consent;

/// Whether marketing may use a channel, or the first thing that forbids it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    Allowed,
    NoAddress,
    Denied,
    /// Another contact with one of the addresses said no, and the business heeds that.
    SharedAddressDenied,
    /// The customer said yes, and that ran out.
    Expired,
    NotSet,
}

impl Check {
    /// Whether marketing may use it.
    pub const fn allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// What is known of a channel beside its consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Whether the contact has an address in it.
    pub has_address: bool,
    /// Whether another contact of the business has one of these addresses and is `DENIED` in the channel. Nobody need ask
    /// if this one is, too.
    pub refused_by_another: bool,
}

/// Whether marketing may use a channel at `now`.
pub fn check(consent: &Consent, reach: Reach, rules: &Rules, now: Timestamp) -> Check {
    let state = consent.state_at(now);
    if !reach.has_address {
        Check::NoAddress
    } else if state == ConsentState::Denied {
        Check::Denied
    } else if rules.heeds_others() && reach.refused_by_another {
        Check::SharedAddressDenied
    } else if consent.expired(now) {
        Check::Expired
    } else if state == ConsentState::Granted {
        Check::Allowed
    } else {
        Check::NotSet
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;
    use yinyom_consent::ByChannel;
    use yinyom_policy::SharedAddressPolicy;

    use super::*;
    use crate::domain::expiry::settle;
    use crate::domain::samples::{MASK, OFF, at, said, until};

    const HEED: Rules =
        Rules { shared_address_policy: SharedAddressPolicy::MostRestrictive, ..Rules::INITIAL };

    /// Every old state × address × refusal elsewhere × policy; the first that forbids is named.
    #[rstest]
    #[case(said(ConsentState::Granted), Check::Allowed, Check::SharedAddressDenied)]
    #[case(said(ConsentState::NotSet), Check::NotSet, Check::SharedAddressDenied)]
    #[case(said(ConsentState::Denied), Check::Denied, Check::Denied)]
    #[case(until(10), Check::Expired, Check::SharedAddressDenied)]
    #[case(until(11), Check::Allowed, Check::SharedAddressDenied)]
    fn the_first_thing_that_forbids_is_named(
        #[case] consent: Consent,
        #[case] alone: Check,
        #[case] shared: Check,
    ) {
        for (refused_by_another, rules, expected) in
            [(false, OFF, alone), (true, OFF, alone), (false, HEED, alone), (true, HEED, shared)]
        {
            let reach = Reach { has_address: true, refused_by_another };
            assert_eq!(check(&consent, reach, &rules, at(10)), expected);
            let nowhere = Reach { has_address: false, refused_by_another };
            assert_eq!(check(&consent, nowhere, &rules, at(10)), Check::NoAddress);
        }
    }

    #[test]
    fn marketing_needs_a_grant_whatever_is_shown() {
        let reach = Reach { has_address: true, refused_by_another: false };
        for rules in [OFF, MASK, HEED] {
            for state in [ConsentState::NotSet, ConsentState::Denied] {
                assert!(!check(&said(state), reach, &rules, at(1)).allowed());
            }
            assert!(check(&said(ConsentState::Granted), reach, &rules, at(1)).allowed());
        }
    }

    #[test]
    fn an_expiry_that_is_recorded_is_still_the_reason() {
        let reach = Reach { has_address: true, refused_by_another: false };
        let both = ByChannel { phone: until(10), email: until(10) };
        let recorded = settle(&both, at(10)).unwrap().consents;
        assert_eq!(check(&recorded.phone, reach, &OFF, at(11)), Check::Expired);
        let asked_again = recorded.phone.say(ConsentState::NotSet, None, at(12));
        assert_eq!(check(&asked_again, reach, &OFF, at(13)), Check::NotSet);
    }
}
