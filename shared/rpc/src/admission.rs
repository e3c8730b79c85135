//! How many calls may be under way and how many may come: on a server, and for one business on it, so that nobody's rush
//! is everybody's outage. A call counts until the end of its answer's body, however slowly that is read (STACK T4).
//!
//! Urgent calls (`Access::urgent`) have places of their own where the others are taken, and no rate holds them up: whoever
//! withdraws a consent is not turned away because others are in a rush.
//!
//! Services and operators are of no one business and count on the server alone. Health and reflection never count here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yinyom_kernel::BusinessId;

use crate::arrival::Arrival;
use crate::lines::Busy;
use crate::rates::Rates;
use crate::turns::{Line, Turns};
use crate::{EdgeFault, ServerConfig};

/// The places of a server.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    pub(crate) turns: Turns,
    /// For urgent calls alone.
    urgent: Arc<Semaphore>,
    per_business: usize,
    /// Of urgent calls, beyond these.
    urgent_per_business: usize,
    /// Businesses with calls under way. None stays without.
    businesses: Arc<Mutex<HashMap<BusinessId, UnderWay>>>,
    pub(crate) rates: Rates,
    reflections: Arc<Semaphore>,
}

/// Reflections under way. Nobody's work waits for one.
const MAX_REFLECTIONS: usize = 64;

impl Admission {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let places = Arc::new(Semaphore::new(config.max_calls.min(Semaphore::MAX_PERMITS)));
        let per_business = config.max_calls_per_business;
        Self {
            places,
            urgent: Arc::new(Semaphore::new(config.max_urgent_calls.min(Semaphore::MAX_PERMITS))),
            turns: Turns::new(config),
            per_business,
            urgent_per_business: config.max_urgent_calls.div_ceil(4),
            businesses: Arc::default(),
            rates: Rates::new(config),
            reflections: Arc::new(Semaphore::new(MAX_REFLECTIONS)),
        }
    }

    /// Whether too many wait for their turns already.
    pub(crate) fn in_vain(&self, arrival: &Arrival) -> bool {
        arrival.takes_turns() && !arrival.is_urgent() && self.turns.in_vain()
    }

    /// A place for a reflection, of which each could hold on to what all methods look like.
    pub(crate) fn reflect(&self) -> Result<OwnedSemaphorePermit, EdgeFault> {
        let place = Arc::clone(&self.reflections).try_acquire_owned();
        place.map_err(|_| EdgeFault::Overloaded)
    }

    /// A place on the server. Nobody waits for one: a queue would only make answers late.
    pub(crate) fn enter(&self, urgent: bool) -> Result<Place, EdgeFault> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = if urgent {
            place.or_else(|_| Arc::clone(&self.urgent).try_acquire_owned())
        } else {
            place
        };
        let place = place.map_err(|_| EdgeFault::Overloaded)?;
        heeded(urgent, self.rates.take())?;
        Ok(Place { _server: place, business: None, line: None, urgent })
    }

    /// Counts a call that has a place for its business too.
    pub(crate) fn count(&self, place: &mut Place, business: BusinessId) -> Result<(), EdgeFault> {
        let mut counts = self.businesses.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = counts
            .entry(business)
            .or_insert_with(|| UnderWay { calls: 0, turns: self.turns.share() });
        let most = self.per_business + if place.urgent { self.urgent_per_business } else { 0 };
        if under_way.calls >= most {
            return Err(EdgeFault::BusinessOverloaded);
        }
        under_way.calls += 1;
        let turns = Arc::clone(&under_way.turns);
        drop(counts);
        // From here on the place gives it back.
        let counts = Arc::clone(&self.businesses);
        place.business = Some(Counted { business, counts, turns });
        heeded(place.urgent, self.rates.take_of(business))
    }
}

/// What a rate says, unless nobody heeds it.
fn heeded(urgent: bool, said: Result<(), EdgeFault>) -> Result<(), EdgeFault> {
    if urgent { Ok(()) } else { said }
}

/// A call under way. Its place is free again when this is dropped.
pub(crate) struct Place {
    _server: OwnedSemaphorePermit,
    business: Option<Counted>,
    /// Its connection, which is not ended for a new one meanwhile.
    pub(crate) line: Option<Busy>,
    urgent: bool,
}

struct Counted {
    business: BusinessId,
    counts: Arc<Mutex<HashMap<BusinessId, UnderWay>>>,
    turns: Arc<Line>,
}

/// What a business has under way.
struct UnderWay {
    calls: usize,
    /// Its share of the turns.
    turns: Arc<Line>,
}

impl Place {
    /// The share of turns of its business, if it is of one.
    pub(crate) fn turns(&self) -> Option<Arc<Line>> {
        self.business.as_ref().map(|business| Arc::clone(&business.turns))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut under_way) = counts.entry(self.business) {
            under_way.get_mut().calls -= 1;
            if under_way.get().calls == 0 {
                under_way.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Rate;

    #[test]
    fn a_business_that_has_no_call_under_way_takes_no_memory() {
        let config = ServerConfig { max_calls: 10, max_calls_per_business: 2, ..<_>::default() };
        let admission = Admission::new(&config);
        let business = BusinessId::generate();
        let enter = || admission.enter(false).unwrap();
        let (mut one, mut two) = (enter(), enter());
        admission.count(&mut one, business).unwrap();
        admission.count(&mut two, business).unwrap();
        let mut three = enter();
        let refused = admission.count(&mut three, business);
        assert_eq!(refused, Err(EdgeFault::BusinessOverloaded));
        drop((three, one, two));
        assert!(admission.businesses.lock().unwrap().is_empty());
        assert_eq!(admission.places.available_permits(), 10);
    }

    #[test]
    fn an_urgent_call_has_a_place_where_others_have_none_and_no_rate_holds_it_up() {
        let config = ServerConfig {
            max_calls: 1,
            max_urgent_calls: 1,
            rate: Rate::new(1, 2),
            ..<_>::default()
        };
        let admission = Admission::new(&config);
        let _one = admission.enter(false).unwrap();
        assert_eq!(admission.enter(false).err(), Some(EdgeFault::Overloaded));
        let urgent = admission.enter(true).unwrap();
        assert_eq!(admission.enter(true).err(), Some(EdgeFault::Overloaded), "these end, too");
        drop(urgent);
        for _ in 0..10 {
            drop(admission.enter(true).unwrap());
        }
    }

    #[test]
    fn a_business_in_a_rush_may_still_withdraw_and_does_not_take_all_places_for_it() {
        let config = ServerConfig {
            max_calls_per_business: 1,
            max_urgent_calls: 4,
            rate_per_business: Rate::new(1, 1),
            ..<_>::default()
        };
        let (admission, business) = (Admission::new(&config), BusinessId::generate());
        let under_way = |urgent| {
            let mut place = admission.enter(urgent).unwrap();
            admission.count(&mut place, business).map(|()| place)
        };
        let _one = under_way(false).unwrap();
        assert_eq!(under_way(false).err(), Some(EdgeFault::BusinessOverloaded));
        let _withdrawal = under_way(true).unwrap();
        assert_eq!(under_way(true).err(), Some(EdgeFault::BusinessOverloaded), "a quarter of four");
        let mut other = admission.enter(true).unwrap();
        admission.count(&mut other, BusinessId::generate()).unwrap();
    }
}
