//! How many calls may be under way and how many may come: on a server, and for one business on it, so that nobody's rush
//! is everybody's outage. A call counts until the end of its answer's body, however slowly that is read (STACK T4).
//!
//! Services and operators are of no one business and count on the server alone. Health and reflection never count here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use yinyom_kernel::BusinessId;

use crate::lines::Busy;
use crate::rates::Rates;
use crate::{EdgeFault, ServerConfig};

/// The places of a server.
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    per_business: usize,
    /// Businesses with calls under way, and how many. None stays with zero.
    businesses: Arc<Mutex<HashMap<BusinessId, usize>>>,
    rates: Rates,
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
            per_business,
            businesses: Arc::default(),
            rates: Rates::new(config),
            reflections: Arc::new(Semaphore::new(MAX_REFLECTIONS)),
        }
    }

    /// A place for a reflection, of which each could hold on to what all methods look like.
    pub(crate) fn reflect(&self) -> Result<OwnedSemaphorePermit, EdgeFault> {
        let place = Arc::clone(&self.reflections).try_acquire_owned();
        place.map_err(|_| EdgeFault::Overloaded)
    }

    /// A place on the server. Nobody waits for one: a queue would only make answers late.
    pub(crate) fn enter(&self) -> Result<Place, EdgeFault> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| EdgeFault::Overloaded)?;
        self.rates.take()?;
        Ok(Place { _server: place, business: None, line: None })
    }

    /// Counts a call that has a place for its business too.
    pub(crate) fn count(&self, place: &mut Place, business: BusinessId) -> Result<(), EdgeFault> {
        let mut counts = self.businesses.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = counts.entry(business).or_insert(0);
        if *under_way >= self.per_business {
            return Err(EdgeFault::BusinessOverloaded);
        }
        *under_way += 1;
        drop(counts);
        // From here on the place gives it back.
        let counts = Arc::clone(&self.businesses);
        place.business = Some(Counted { business, counts });
        self.rates.take_of(business)
    }
}

/// A call under way. Its place is free again when this is dropped.
pub(crate) struct Place {
    _server: OwnedSemaphorePermit,
    business: Option<Counted>,
    /// Its connection, which is not ended for a new one meanwhile.
    pub(crate) line: Option<Busy>,
}

struct Counted {
    business: BusinessId,
    counts: Arc<Mutex<HashMap<BusinessId, usize>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut under_way) = counts.entry(self.business) {
            *under_way.get_mut() -= 1;
            if *under_way.get() == 0 {
                under_way.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_business_that_has_no_call_under_way_takes_no_memory() {
        let config = ServerConfig { max_calls: 10, max_calls_per_business: 2, ..<_>::default() };
        let admission = Admission::new(&config);
        let business = BusinessId::generate();
        let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
        admission.count(&mut one, business).unwrap();
        admission.count(&mut two, business).unwrap();
        let mut three = admission.enter().unwrap();
        let refused = admission.count(&mut three, business);
        assert_eq!(refused, Err(EdgeFault::BusinessOverloaded));
        drop((three, one, two));
        assert!(admission.businesses.lock().unwrap().is_empty());
        assert_eq!(admission.places.available_permits(), 10);
    }
}
