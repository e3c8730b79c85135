//! How much a service takes, as an operator sets it. The README's table of limits is held against these definitions.

use std::time::Duration;

use clap::value_parser;
use yinyom_rpc::{CallLimits, MAX_MESSAGE_BYTES, Rate, ServerConfig};

use crate::ConfigError;

/// What the outboxes send to the manager in one message, with something to spare.
const RELAYED_BYTES: u32 = 3 * 1024 * 1024;

/// Limits of a port. What the API promises can only be lowered.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Connections at a time; beyond them the idlest gives way
    #[arg(long, env = "YINYOM_MAX_CONNECTIONS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_connections),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_connections: u32,

    /// Calls under way at a time
    #[arg(long, env = "YINYOM_MAX_CALLS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_calls),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_calls: u32,

    /// Unary calls that are worked on at a time; others wait for their turn, a tenth of a second at most [default: six for
    /// each core]
    #[arg(long, env = "YINYOM_MAX_BUSY_CALLS", value_name = "NUMBER",
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_busy_calls: Option<u32>,

    /// Of the calls under way, by members of one business
    #[arg(long, env = "YINYOM_MAX_CALLS_PER_BUSINESS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_calls_per_business),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_calls_per_business: u32,

    /// Beyond all calls under way, urgent ones: withdrawals, the outboxes' and the policy lease's; of one business, a quarter of them
    #[arg(long, env = "YINYOM_MAX_URGENT_CALLS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_urgent_calls),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub max_urgent_calls: u32,

    /// Calls a second, in the long run
    #[arg(long, env = "YINYOM_CALLS_PER_SECOND", value_name = "NUMBER",
        default_value_t = ServerConfig::default().rate.per_second.get(),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub calls_per_second: u32,

    /// Of these, how many at once after a pause
    #[arg(long, env = "YINYOM_CALL_BURST", value_name = "NUMBER",
        default_value_t = ServerConfig::default().rate.burst.get(),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub call_burst: u32,

    /// Calls a second by members of one business, in the long run
    #[arg(long, env = "YINYOM_CALLS_PER_SECOND_PER_BUSINESS", value_name = "NUMBER",
        default_value_t = ServerConfig::default().rate_per_business.per_second.get(),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub calls_per_second_per_business: u32,

    /// Of these, how many at once after a pause
    #[arg(long, env = "YINYOM_CALL_BURST_PER_BUSINESS", value_name = "NUMBER",
        default_value_t = ServerConfig::default().rate_per_business.burst.get(),
        value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub call_burst_per_business: u32,

    /// Bytes of a message
    #[arg(long, env = "YINYOM_MAX_MESSAGE_BYTES", value_name = "BYTES",
        default_value_t = to_u32(ServerConfig::default().max_message_bytes),
        value_parser = value_parser!(u32).range(65_536..=i64::from(to_u32(MAX_MESSAGE_BYTES))))]
    pub max_message_bytes: u32,

    /// Bytes of all headers of a call; a token has 8,192 at most
    #[arg(long, env = "YINYOM_MAX_HEADER_BYTES", value_name = "BYTES",
        default_value_t = ServerConfig::default().max_header_bytes,
        value_parser = value_parser!(u32).range(10_240..=65_536))]
    pub max_header_bytes: u32,

    /// Calls at a time on one connection
    #[arg(long, env = "YINYOM_MAX_STREAMS", value_name = "NUMBER",
        default_value_t = ServerConfig::default().max_concurrent_streams,
        value_parser = value_parser!(u32).range(1..=10_000))]
    pub max_streams: u32,

    /// Calls that a client may take back before they are looked at
    #[arg(long, env = "YINYOM_MAX_RESET_STREAMS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_pending_reset_streams),
        value_parser = value_parser!(u32).range(1..=10_000))]
    pub max_reset_streams: u32,

    /// Calls of a connection that break the protocol
    #[arg(long, env = "YINYOM_MAX_BROKEN_STREAMS", value_name = "NUMBER",
        default_value_t = to_u32(ServerConfig::default().max_error_reset_streams),
        value_parser = value_parser!(u32).range(1..=10_000))]
    pub max_broken_streams: u32,

    /// How long a unary call may take
    #[arg(long, env = "YINYOM_UNARY_TIMEOUT", value_name = "SECONDS",
        default_value_t = ServerConfig::default().unary_timeout.as_secs(),
        value_parser = value_parser!(u64).range(1..=600))]
    pub unary_timeout: u64,

    /// How long an import waits for its client's next batch
    #[arg(long, env = "YINYOM_STREAM_IDLE_TIMEOUT", value_name = "SECONDS",
        default_value_t = ServerConfig::default().stream_idle_timeout.as_secs(),
        value_parser = value_parser!(u64).range(1..=3_600))]
    pub stream_idle_timeout: u64,

    /// How long an answer waits for its client to read on
    #[arg(long, env = "YINYOM_SLOW_READER_TIMEOUT", value_name = "SECONDS",
        default_value_t = ServerConfig::default().slow_reader_timeout.as_secs(),
        value_parser = value_parser!(u64).range(1..=3_600))]
    pub slow_reader_timeout: u64,

    /// How often a silent connection is asked whether it lives
    #[arg(long, env = "YINYOM_KEEPALIVE_INTERVAL", value_name = "SECONDS",
        default_value_t = ServerConfig::default().keepalive_interval.as_secs(),
        value_parser = value_parser!(u64).range(1..=3_600))]
    pub keepalive_interval: u64,

    /// How long it has to say so
    #[arg(long, env = "YINYOM_KEEPALIVE_TIMEOUT", value_name = "SECONDS",
        default_value_t = ServerConfig::default().keepalive_timeout.as_secs(),
        value_parser = value_parser!(u64).range(1..=600))]
    pub keepalive_timeout: u64,

    /// When a connection is asked to come again
    #[arg(long, env = "YINYOM_MAX_CONNECTION_AGE", value_name = "SECONDS",
        default_value_t = ServerConfig::default().max_connection_age.unwrap_or_default().as_secs(),
        value_parser = value_parser!(u64).range(1..=86_400))]
    pub max_connection_age: u64,

    /// Rows of a page
    #[arg(long, env = "YINYOM_MAX_PAGE_SIZE", value_name = "ROWS",
        default_value_t = CallLimits::default().page_size,
        value_parser = value_parser!(i32).range(1..=i64::from(CallLimits::default().page_size)))]
    pub max_page_size: i32,

    /// Resources that one call names
    #[arg(long, env = "YINYOM_MAX_BATCH", value_name = "NUMBER",
        default_value_t = to_u32(CallLimits::default().batch),
        value_parser = value_parser!(u32).range(1..=i64::from(to_u32(CallLimits::default().batch))))]
    pub max_batch: u32,

    /// Rows of an import's batch
    #[arg(long, env = "YINYOM_MAX_IMPORT_ROWS", value_name = "ROWS",
        default_value_t = to_u32(CallLimits::default().import_rows),
        value_parser = value_parser!(u32).range(1..=i64::from(to_u32(CallLimits::default().import_rows))))]
    pub max_import_rows: u32,

    /// How long calls have to end when the process is told to stop
    #[arg(long, env = "YINYOM_DRAIN_LIMIT", value_name = "SECONDS",
        default_value_t = ServerConfig::default().drain_limit.as_secs(),
        value_parser = value_parser!(u64).range(0..=3_600))]
    pub drain_limit: u64,

    /// Watches of ledgers under way at a time; of one business, a quarter of them
    #[arg(long, env = "YINYOM_MAX_WATCHES", value_name = "NUMBER",
        default_value_t = to_u32(CallLimits::default().watches),
        value_parser = value_parser!(u32).range(1..=100_000))]
    pub max_watches: u32,
}

impl LimitArgs {
    /// The same for the manager, whose callers are the other services' outboxes.
    pub fn server_of_manager(&self) -> Result<ServerConfig, ConfigError> {
        if self.max_message_bytes < RELAYED_BYTES {
            return Err(ConfigError::SmallMessages(self.max_message_bytes, RELAYED_BYTES));
        }
        Ok(self.server())
    }

    /// What a server is told of them.
    pub fn server(&self) -> ServerConfig {
        ServerConfig {
            unary_timeout: Duration::from_secs(self.unary_timeout),
            stream_idle_timeout: Duration::from_secs(self.stream_idle_timeout),
            slow_reader_timeout: Duration::from_secs(self.slow_reader_timeout),
            max_connections: to_usize(self.max_connections),
            max_calls: to_usize(self.max_calls),
            max_busy_calls: self
                .max_busy_calls
                .map_or_else(|| ServerConfig::default().max_busy_calls, to_usize),
            max_calls_per_business: to_usize(self.max_calls_per_business),
            max_urgent_calls: to_usize(self.max_urgent_calls),
            rate: Rate::new(self.calls_per_second, self.call_burst),
            rate_per_business: Rate::new(
                self.calls_per_second_per_business,
                self.call_burst_per_business,
            ),
            max_message_bytes: to_usize(self.max_message_bytes),
            max_concurrent_streams: self.max_streams,
            max_pending_reset_streams: to_usize(self.max_reset_streams),
            max_error_reset_streams: to_usize(self.max_broken_streams),
            max_header_bytes: self.max_header_bytes,
            keepalive_interval: Duration::from_secs(self.keepalive_interval),
            keepalive_timeout: Duration::from_secs(self.keepalive_timeout),
            drain_limit: Duration::from_secs(self.drain_limit),
            max_connection_age: Some(Duration::from_secs(self.max_connection_age)),
            call: CallLimits {
                page_size: self.max_page_size,
                batch: to_usize(self.max_batch),
                import_rows: to_usize(self.max_import_rows),
                watches: to_usize(self.max_watches),
            },
            ..ServerConfig::default()
        }
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{Args, FromArgMatches};

    use super::*;

    fn parse(flags: &[&str]) -> Result<LimitArgs, clap::Error> {
        let command = LimitArgs::augment_args(clap::Command::new("test").no_binary_name(true));
        command.try_get_matches_from(flags).and_then(|given| LimitArgs::from_arg_matches(&given))
    }

    #[test]
    fn who_sets_nothing_gets_the_defaults() {
        let (given, defaults) = (parse(&[]).unwrap().server(), ServerConfig::default());
        assert_eq!(format!("{given:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn nonsense_and_more_than_the_api_promises_are_one_sentence() {
        for (flag, value) in [
            ("--max-calls", "0"),
            ("--max-page-size", "1001"),
            ("--max-batch", "1001"),
            ("--max-import-rows", "501"),
            ("--max-message-bytes", "4194305"),
            ("--max-header-bytes", "8192"),
            ("--calls-per-second-per-business", "-1"),
            ("--unary-timeout", "soon"),
        ] {
            let refused = parse(&[&format!("{flag}={value}")]).unwrap_err().to_string();
            let first = refused.lines().next().unwrap();
            assert!(first.contains(flag) && first.contains(value), "{refused}");
        }
    }

    #[test]
    fn the_manager_takes_what_outboxes_send() {
        let small = parse(&["--max-message-bytes=65536"]).unwrap();
        assert!(matches!(small.server_of_manager(), Err(ConfigError::SmallMessages(..))));
        assert!(parse(&[]).unwrap().server_of_manager().is_ok());
    }

    #[test]
    fn every_flag_reaches_the_server() {
        let command = LimitArgs::augment_args(clap::Command::new("test"));
        let defaults = format!("{:?}", ServerConfig::default());
        for flag in command.get_arguments() {
            let name = flag.get_long().unwrap();
            let default = flag.get_default_values().first().map(|value| value.to_str().unwrap());
            // One that goes by the machine is 16 at least.
            let default = default.map_or(16, |value| value.parse::<u64>().unwrap());
            let lower = parse(&[&format!("--{name}={}", default - 1)]).unwrap();
            assert_ne!(format!("{:?}", lower.server()), defaults, "--{name}");
        }
    }
}
