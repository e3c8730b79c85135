//! Callers: as many at once as there is to be, as fast as they can, or at the times of a schedule.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Request;
use yinyom_rpc::{ClientConfig, channel};
use yinyom_tests::cores::{can_pin, pin_this_thread};

use crate::wire::{Method, Wire};

/// Who calls what.
#[derive(Debug, Clone)]
pub struct Load {
    pub to: SocketAddr,
    pub method: Method,
    /// Each connection goes round in a part of its own.
    pub messages: Arc<Vec<Vec<u8>>>,
    pub connections: usize,
    /// Of each connection.
    pub in_flight: usize,
    /// On which core the callers are, if they keep to one.
    pub core: Option<usize>,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    pub calls: u64,
    pub took: Duration,
    /// In nanoseconds: from when a call was begun, or should have been by the schedule, to its end.
    pub latencies: Histogram<u64>,
}

impl Done {
    pub fn per_second(&self) -> f64 {
        self.calls as f64 / self.took.as_secs_f64()
    }

    /// In microseconds.
    pub fn at(&self, percent: f64) -> f64 {
        self.latencies.value_at_percentile(percent) as f64 / 1_000.0
    }
}

impl Load {
    /// One call after the other.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Self {
        self.connections = 1;
        self.in_flight = 1;
        self
    }

    /// Closed loop: whoever is answered calls again.
    ///
    /// # Panics
    /// If more than one call in a hundred is refused: that is nothing to be measured. Fewer are not counted.
    pub async fn run(&self, lasts: Duration) -> Done {
        self.start(lasts, None).await
    }

    /// Open loop: so many calls a second, whoever waits.
    pub async fn run_at(&self, per_second: f64, lasts: Duration) -> Done {
        self.start(lasts, Some(per_second)).await
    }

    /// On a thread of its own, which does nothing else.
    async fn start(&self, lasts: Duration, per_second: Option<f64>) -> Done {
        let load = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let thread = std::thread::spawn(move || {
                if let Some(core) = load.core.filter(|_| can_pin()) {
                    pin_this_thread(core);
                }
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(load.all(lasts, per_second))
            });
            thread.join().expect("a thread")
        });
        done.await.expect("a thread").expect("the server goes on")
    }

    async fn all(self, lasts: Duration, per_second: Option<f64>) -> io::Result<Done> {
        let mut wires = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            wires.push(Wire::connect(self.to, self.method.clone()).await?);
        }
        let begin = Instant::now();
        let part = self.messages.len() / self.connections;
        let callers = wires.into_iter().enumerate().map(|(i, wire)| {
            let messages = &self.messages[i * part..(i + 1) * part];
            let most = self.in_flight;
            let every = per_second.map(|n| Duration::from_secs_f64(self.connections as f64 / n));
            Caller { wire, messages, most, begin, end: begin + lasts, every }.run()
        });
        let each = try_join_all(callers).await?;
        let took = begin.elapsed();
        let mut latencies = histogram();
        for of in each {
            latencies.add(of).expect("of the same kind");
        }
        Ok(Done { calls: latencies.len(), took, latencies })
    }
}

/// Up to a minute, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds")
}

struct Caller<'m> {
    wire: Wire,
    messages: &'m [Vec<u8>],
    most: usize,
    begin: Instant,
    end: Instant,
    /// Between two calls of the schedule.
    every: Option<Duration>,
}

impl Caller<'_> {
    async fn run(mut self) -> io::Result<Histogram<u64>> {
        let mut latencies = histogram();
        let mut begun = std::collections::HashMap::with_capacity(self.most);
        let (mut number, mut refused) = (0_usize, 0_usize);
        loop {
            let now = Instant::now();
            while now < self.end && begun.len() < self.most {
                let due = match self.every {
                    None => now,
                    Some(every) => self.begin + every * number as u32,
                };
                if due > now {
                    break;
                }
                let Some(stream) = self.wire.begin(&self.messages[number % self.messages.len()])
                else {
                    break;
                };
                begun.insert(stream, due);
                number += 1;
            }
            if begun.is_empty() && now >= self.end {
                assert!(refused * 100 <= number, "{refused} of {number} calls were refused");
                return Ok(latencies);
            }
            match self.every.filter(|_| now < self.end) {
                None => self.wire.step().await?,
                Some(every) => {
                    // Cancelled, it loses nothing: reading is all that waits.
                    let due = self.begin + every * number as u32;
                    let wait = tokio::time::sleep_until(due);
                    tokio::select! {
                        stepped = self.wire.step() => stepped?,
                        () = wait => {}
                    }
                }
            }
            let now = Instant::now();
            while let Some(ended) = self.wire.ended() {
                let since = begun.remove(&ended.stream).expect("it was begun");
                if ended.answered {
                    latencies.saturating_record((now - since).as_nanos() as u64);
                } else {
                    refused += 1;
                }
            }
        }
    }
}

/// Callers with large messages, through a client of tonic that leaves bytes as they are.
#[derive(Debug, Clone)]
pub struct Large {
    pub to: SocketAddr,
    pub path: &'static str,
    /// `Bearer …`
    pub token: String,
    /// Of each caller, who has a connection.
    pub messages: Vec<Vec<Vec<u8>>>,
    /// Whether a message is sent once, or again and again.
    pub once: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct LargeDone {
    pub calls: u64,
    pub took: Duration,
    /// The last answer of each caller.
    pub last: Vec<Vec<u8>>,
}

impl Large {
    /// Closed loop, until the time is over or there is nothing more to send.
    pub async fn run(self, lasts: Duration) -> LargeDone {
        let mut channels = Vec::new();
        for _ in &self.messages {
            let config = ClientConfig::new(format!("http://{}", self.to));
            channels.push(channel(&config).expect("an endpoint"));
        }
        let (begin, mut callers) = (Instant::now(), JoinSet::new());
        for (messages, channel) in self.messages.into_iter().zip(channels) {
            let (path, token, once) = (self.path, self.token.clone(), self.once);
            callers.spawn(async move {
                let (mut calls, mut last) = (0, Vec::new());
                let (number, mut all) = (messages.len(), messages.iter().cycle());
                while begin.elapsed() < lasts && !(once && calls == number) {
                    let mut request = Request::new(vec![all.next().expect("one").clone()]);
                    let token = token.parse().expect("a header");
                    request.metadata_mut().insert("authorization", token);
                    let answer = yinyom_tests::raw::call(&channel, path, request).await;
                    last = answer.expect("an answer").pop().expect("a message");
                    calls += 1;
                }
                (calls, last)
            });
        }
        let each = callers.join_all().await;
        let took = begin.elapsed();
        let calls = each.iter().map(|(calls, _)| *calls as u64).sum();
        LargeDone { calls, took, last: each.into_iter().map(|(_, last)| last).collect() }
    }
}
