//! What a server takes and what it does not. What tonic leaves without a limit has one here (TRAPS 12).

use std::num::NonZeroU32;
use std::time::Duration;

use crate::Health;

/// The largest message that is taken or sent, tonic's own default for what is taken: a client's, too.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Limits of a server, and what it says of itself.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// How long a unary call may take, if its caller is more patient.
    pub unary_timeout: Duration,
    /// How long a stream waits for its client's next message.
    pub stream_idle_timeout: Duration,
    /// How long an answer waits for its client to read on, before its connection is closed.
    pub slow_reader_timeout: Duration,
    /// Connections at a time. A new one beyond them ends one that has nothing to do.
    pub max_connections: usize,
    /// Calls under way at a time, but for health and reflection.
    pub max_calls: usize,
    /// Unary calls that are worked on at a time; the others wait for their turn, and not long.
    pub max_busy_calls: usize,
    /// Of the calls under way, by the members of one business.
    pub max_calls_per_business: usize,
    /// Beyond [`Self::max_calls`], for urgent calls alone; of one business, a quarter of them.
    pub max_urgent_calls: usize,
    /// How many calls may come, but for health and reflection. Urgent ones count and are not refused; who is told at once that it
    /// comes in vain does not count.
    pub rate: Rate,
    /// Of these, from the members of one business.
    pub rate_per_business: Rate,
    /// The largest message that a service takes. What it sends has its own limit, [`MAX_MESSAGE_BYTES`].
    pub max_message_bytes: usize,
    /// Calls at a time on one connection.
    pub max_concurrent_streams: u32,
    /// Streams that a client may open and reset before its connection is closed (rapid reset).
    pub max_pending_reset_streams: usize,
    /// Streams that its errors may reset before its connection is closed.
    pub max_error_reset_streams: usize,
    /// All headers of a call together, in bytes.
    pub max_header_bytes: u32,
    /// How often an idle connection is asked whether it lives.
    pub keepalive_interval: Duration,
    /// How long it has to say so.
    pub keepalive_timeout: Duration,
    /// When a connection is asked to come again, so that load spreads over new replicas; a tenth more or less.
    pub max_connection_age: Option<Duration>,
    /// What one call may name or ask for.
    pub call: CallLimits,
    /// How long to go on serving after health says "not serving", for balancers to notice.
    pub linger: Duration,
    /// How long calls have to end after that.
    pub drain_limit: Duration,
    /// Where it says whether it serves.
    pub health: Health,
}

/// What one call may name or ask for. The API promises no more, and an operator may allow less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Rows of a page: who asks for more gets this many.
    pub page_size: i32,
    /// Resources that one call names.
    pub batch: usize,
    /// Rows of an import's batch.
    pub import_rows: usize,
    /// Watches under way at a time; of one business, a quarter of them.
    pub watches: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            page_size: yinyom_kernel::MAX_PAGE_SIZE,
            batch: 1_000,
            import_rows: 500,
            watches: 256,
        }
    }
}

/// How many calls may come a second in the long run, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

impl Rate {
    /// As good as none.
    pub const UNLIMITED: Self = Self::new(1_000_000_000, u32::MAX);

    /// `per_second` and `burst`; 1 where one of them is 0.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        const fn one_at_least(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_second: one_at_least(per_second), burst: one_at_least(burst) }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            unary_timeout: Duration::from_secs(10),
            stream_idle_timeout: Duration::from_mins(5),
            slow_reader_timeout: Duration::from_mins(1),
            max_connections: 4096,
            max_calls: 1024,
            max_busy_calls: busy_calls(),
            max_calls_per_business: 256,
            max_urgent_calls: 256,
            rate: Rate::new(10_000, 20_000),
            rate_per_business: Rate::new(1_000, 2_000),
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_concurrent_streams: 256,
            max_pending_reset_streams: 50,
            max_error_reset_streams: 256,
            max_header_bytes: 16 * 1024,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: Some(Duration::from_mins(30)),
            call: CallLimits::default(),
            linger: Duration::ZERO,
            drain_limit: Duration::from_secs(10),
            health: Health::default(),
        }
    }
}

/// Six for each core: enough to use them all while some calls wait for the database. With eight, no more were answered in a rush,
/// and each took a third longer.
fn busy_calls() -> usize {
    std::thread::available_parallelism().map_or(12, |cores| 6 * cores.get())
}

impl ServerConfig {
    /// The defaults without limits of rate, for what calls as fast as it can.
    pub fn unhurried() -> Self {
        let (rate, rate_per_business) = (Rate::UNLIMITED, Rate::UNLIMITED);
        let max_busy_calls = Self::default().max_calls;
        Self { max_busy_calls, rate, rate_per_business, ..Self::default() }
    }
}
