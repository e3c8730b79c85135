//! One request, as a good client makes it: with an id, again and again by one replica or another until it is
//! answered; sometimes given up, sometimes with a deadline that cannot be met.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::Failure;
use crate::house::House;
use crate::plan::Service;

/// After this long without an answer something is broken for good. Longer than any fault.
const STUCK: Duration = Duration::from_secs(90);
/// And after as many attempts, which then have met each replica.
const SEVERAL: u32 = 20;
/// How long a patient attempt waits.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What a generated client is made of.
pub type Line = InterceptedService<Channel, Bearer>;

/// Puts a token into each call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    pub fn new(token: &str) -> Result<Self, Failure> {
        let header = format!("Bearer {token}").parse();
        header.map(Self).map_err(|_| Failure::Setup("a token that is no header".into()))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connections to the replicas that clients call.
pub struct Lines {
    settings: Vec<Channel>,
    directory: Vec<Channel>,
}

impl Lines {
    /// Connections of their own.
    pub fn new(house: &House) -> Result<Self, Failure> {
        let [settings, directory] = [Service::Settings, Service::Directory];
        Ok(Self { settings: house.channels(settings)?, directory: house.channels(directory)? })
    }

    /// To a replica of settings, by its number or by chance of one.
    pub fn settings(&self, number: usize, who: &Bearer) -> Line {
        let channel = self.settings[number % self.settings.len()].clone();
        InterceptedService::new(channel, who.clone())
    }

    /// To a replica of the directory.
    pub fn directory(&self, number: usize, who: &Bearer) -> Line {
        let channel = self.directory[number % self.directory.len()].clone();
        InterceptedService::new(channel, who.clone())
    }
}

/// An answer that stands.
#[derive(Debug)]
pub enum Answer<T> {
    Taken(T),
    /// By a rule, with its reason.
    Refused(String),
}

/// How attempts ended, for the report.
#[derive(Debug, Default)]
pub struct Calls {
    pub attempts: AtomicU64,
    /// Attempts whose outcome the client did not learn.
    pub unknown: AtomicU64,
    /// Set when something is broken for good: everybody gives up.
    pub broken: AtomicBool,
}

/// An answered request.
pub struct Answered<T> {
    pub answer: Answer<T>,
    /// An attempt before the last one may still be on its way.
    pub loose: bool,
    /// The first attempt was the last one, and took this long.
    pub at_once: Option<Duration>,
}

impl Calls {
    /// Attempts until there is an answer. `attempt` gets a number to choose a replica by, and a deadline; `what` names it
    /// for the report.
    pub async fn until_answered<T, F>(
        &self,
        rng: &mut StdRng,
        what: &str,
        attempt: impl Fn(usize, Duration) -> F,
    ) -> Result<Answered<T>, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let begun = Instant::now();
        let (mut loose, mut attempts) = (false, 0);
        loop {
            if self.broken.load(Ordering::Relaxed) {
                return Err(Failure::GivenUp);
            }
            let (deadline, leaves_after) = patience(rng);
            let attempted = attempt(rng.random_range(0..6), deadline);
            let result = tokio::time::timeout(leaves_after, attempted).await;
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let answer = match result {
                Ok(Ok(taken)) => Ok(Answer::Taken(taken)),
                Ok(Err(status)) => refusal(&status)
                    .map(Answer::Refused)
                    .ok_or_else(|| format!("{:?}: {}", status.code(), status.message())),
                Err(_) => Err(format!("silence for {leaves_after:?}")),
            };
            let unanswered = match answer {
                Ok(answer) => {
                    let at_once = (!loose).then(|| begun.elapsed());
                    return Ok(Answered { answer, loose, at_once });
                }
                Err(unanswered) => unanswered,
            };
            self.unknown.fetch_add(1, Ordering::Relaxed);
            (loose, attempts) = (true, attempts + 1);
            // Not after a few: then it was this program that was not heard of for so long.
            if begun.elapsed() > STUCK && attempts >= SEVERAL {
                self.broken.store(true, Ordering::Relaxed);
                return Err(Failure::Stuck { what: what.to_owned(), attempts, last: unanswered });
            }
            tokio::time::sleep(Duration::from_millis(rng.random_range(10..80))).await;
        }
    }

    /// For the set-up, before there are faults: until it is taken.
    pub async fn insist<T>(
        mut attempt: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        loop {
            match attempt().await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) if begun.elapsed() > STUCK || refusal(&status).is_some() => {
                    return Err(Failure::Setup(format!("{:?}", status.code())));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// A request with a deadline that the server hears of, too.
pub fn request<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}

/// The deadline of an attempt, and when the client leaves without a word.
fn patience(rng: &mut StdRng) -> (Duration, Duration) {
    match rng.random_range(0..100) {
        0..5 => (PATIENCE, Duration::from_micros(rng.random_range(0..30_000))),
        5..10 => (Duration::from_micros(rng.random_range(500..15_000)), PATIENCE),
        // A right may be taken away for two seconds.
        _ => (PATIENCE * 2, PATIENCE * 2 + Duration::from_millis(200)),
    }
}

/// The reason of a refusal that stands; `None` if it is worth another attempt.
fn refusal(status: &Status) -> Option<String> {
    let stands = matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
    );
    // What has no reason of ours was said by something on the way.
    yinyom_rpc::reason(status).filter(|_| stands)
}
