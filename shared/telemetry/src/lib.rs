//! Logs to standard error, traces to an OpenTelemetry collector if one is configured, and metrics for a Prometheus that asks
//! ([`scrape`]).
//!
//! Nothing personal gets out: our own lines hold pseudonymous ids and codes only; all other crates are
//! never heard below `INFO`, whatever the filter says, because they print there what they work on:
//! headers (tokens), statements, the phone numbers that they read; and a panic is logged by its place,
//! not by its message, which may hold anything. Metrics have labels of a few known values each: methods, codes, reasons.
//!
//! What is measured is where it happens: each crate makes its instruments of the global meter, after [`init`].

mod context;
mod metrics;

use std::io;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::Arc;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, dynamic_filter_fn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, reload};

pub use context::{TRACE_PARENT, continue_from, trace_parent, trace_parent_of};
pub use metrics::{ScrapeError, TEXT, scrape};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For a person at a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What to log, how, and where traces go.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// `service.name` of the traces.
    pub service: String,
    /// Directives of `tracing_subscriber::EnvFilter`: `info,yinyom_rpc=debug`.
    pub filter: String,
    /// A file that holds them in its place. Whoever runs the process reads it, again and again ([`Guard::filter`]).
    pub filter_file: Option<PathBuf>,
    /// How log lines look.
    pub format: Format,
    /// The collector's OTLP/gRPC endpoint, `http://host:4317`. Without one, nothing is traced.
    pub otlp_endpoint: Option<String>,
}

impl TelemetryConfig {
    /// `info`, for people, without traces.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            filter: "info".to_owned(),
            filter_file: None,
            format: Format::default(),
            otlp_endpoint: None,
        }
    }
}

/// Why telemetry could not be set up. Said at start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter cannot be read")]
    Filter(#[from] ParseError),
    #[error("the trace exporter cannot be set up")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    #[error("metrics cannot be set up")]
    Metrics(#[from] ScrapeError),
    #[error("telemetry is set up already")]
    Twice(#[from] TryInitError),
}

/// Keeps telemetry going. The program's last act is to [`Guard::shutdown`] it.
#[derive(Debug)]
#[must_use = "spans that are not sent yet are lost without a shutdown"]
pub struct Guard {
    traces: Option<SdkTracerProvider>,
    filter: LogFilter,
}

/// What is logged, to be changed while the process runs.
#[derive(Clone)]
pub struct LogFilter(Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

/// Why a filter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    #[error("the log filter cannot be read")]
    Filter(#[from] ParseError),
    #[error("the log filter cannot be replaced")]
    Replace(#[from] reload::Error),
}

impl LogFilter {
    /// Logs by `directives` from now on. Ones that cannot be read change nothing.
    pub fn replace(&self, directives: &str) -> Result<(), FilterError> {
        Ok(self.0(EnvFilter::try_new(directives)?)?)
    }
}

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFilter").finish_non_exhaustive()
    }
}

impl Guard {
    /// What is logged.
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }

    /// Sends the spans that are left. Takes five seconds at most.
    pub async fn shutdown(self) {
        let Some(traces) = self.traces else { return };
        // It blocks, and its exporter needs the runtime's threads meanwhile.
        let sent = tokio::task::spawn_blocking(move || traces.shutdown()).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::warn!("some spans were not sent");
        }
    }
}

/// Sets up the process's logs and traces, once. Needs a running tokio runtime if traces are exported.
pub fn init(config: &TelemetryConfig) -> Result<Guard, TelemetryError> {
    init_to(config, io::stderr)
}

/// The same with logs that go to `writer`, an event at a time.
pub fn init_to<W>(config: &TelemetryConfig, writer: W) -> Result<Guard, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let traces = config
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| provider(&config.service, endpoint))
        .transpose()?;
    let exported = traces.as_ref().map(|traces| traces.tracer("yinyom"));
    let (subscriber, filter) = subscriber(config, exported, writer)?;
    subscriber.try_init()?;
    metrics::install(&config.service)?;
    std::panic::set_hook(Box::new(report_panic));
    Ok(Guard { traces, filter })
}

fn provider(
    service: &str,
    endpoint: &str,
) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    // `builder_empty`: detectors would add the host's and the process's names.
    let resource = Resource::builder_empty().with_service_name(service.to_owned()).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

fn subscriber<W>(
    config: &TelemetryConfig,
    tracer: Option<SdkTracer>,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync, LogFilter), ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&config.filter)?);
    let lines = lines(config.format, writer)
        .with_filter(filter.and(filter_fn(may_be_heard)).and(asked_anew()));
    let spans = tracer.map(|tracer| {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_threads(false)
            .with_filter(filter_fn(may_be_heard).and(asked_anew()))
            .boxed()
    });
    // In one list, in which each has its filter. A layer without one, and were it `None`, would count as somebody who wants
    // to hear everything: HTTP/2 alone would make some fifty spans for each call.
    let layers: Vec<_> = std::iter::once(lines.boxed()).chain(spans).collect();
    let replace = LogFilter(Arc::new(move |filter| handle.reload(filter)));
    Ok((Registry::default().with(layers), replace))
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    match format {
        Format::Human => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    }
}

/// Our crates whose names do not begin with ours.
const SERVICES: [&str; 4] =
    ["all_in_one", "consent_manager", "consent_settings", "contact_directory"];

fn may_be_heard(metadata: &Metadata<'_>) -> bool {
    let origin = metadata.target().split("::").next().unwrap_or_default();
    let ours = origin.starts_with("yinyom") || SERVICES.contains(&origin);
    // It tells of its own making at INFO.
    let loudest = if origin.starts_with("opentelemetry") { Level::WARN } else { Level::INFO };
    *metadata.level() <= loudest || ours
}

/// For a filter that would otherwise be asked once for each place that speaks. What it last answered is kept by the thread until
/// somebody speaks, and who only asks whether he would be heard, as sqlx does after a slow commit, leaves his answer to
/// whoever speaks next: that line would be lost unless the filter were asked about it as well.
fn asked_anew<S>() -> impl Filter<S> {
    dynamic_filter_fn(|_, _| true)
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panic");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::io::Write;
    use std::sync::Mutex;

    use tracing_log::{AsTrace, log};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format, work: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let mut config = TelemetryConfig::new("test");
        filter.clone_into(&mut config.filter);
        config.format = format;
        let (subscriber, _) = subscriber(&config, None, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_crate_but_ours_prints_what_it_works_on_however_curious_the_filter() {
        for filter in ["trace", "h2=trace", "h2::codec=trace", "tonic=debug,rlibphonenumber=trace"]
        {
            let text = logged(filter, Format::Human, || {
                tracing::debug!(target: "h2::codec", "authorization: Bearer s3cret");
                tracing::trace!(target: "tonic::transport", "s3cret");
                tracing::debug!(target: "sqlx::query", "s3cret");
                tracing::trace!(target: "rlibphonenumber::phonenumberutil", "s3cret");
                tracing::debug!(target: "a_crate_of_next_year", "s3cret");
            });
            assert_eq!(text, "", "{filter}");
        }
    }

    #[test]
    fn what_nobody_may_hear_is_not_even_made() {
        let exported = SdkTracerProvider::builder().build().tracer("test");
        for tracer in [None, Some(exported)] {
            let (subscriber, _) =
                subscriber(&TelemetryConfig::new("test"), tracer, io::sink).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let of_another = tracing::trace_span!(target: "h2::codec", "FramedRead::poll_next");
                assert!(of_another.is_disabled());
                assert!(!tracing::info_span!("rpc").is_disabled());
            });
        }
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        let text = logged("yinyom_rpc=debug,contact_directory=trace", Format::Human, || {
            tracing::debug!(target: "yinyom_rpc::edge", "answered");
            tracing::trace!(target: "contact_directory::relay", "woken");
            tracing::info!(target: "other", "unasked");
        });
        assert!(text.contains("answered") && text.contains("woken") && !text.contains("unasked"));
    }

    #[test]
    fn a_question_whether_one_would_be_heard_takes_no_line_from_who_speaks_next() {
        let exported = SdkTracerProvider::builder().build().tracer("test");
        let captured = Captured::default();
        let writer = captured.clone();
        let config = TelemetryConfig::new("test");
        let (subscriber, _) = subscriber(&config, Some(exported), move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let of_log =
                log::Metadata::builder().target("sqlx::query").level(log::Level::Debug).build();
            for line in ["first", "second"] {
                tracing::dispatcher::get_default(|to| to.enabled(&of_log.as_trace()));
                tracing::info!("{line}");
            }
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("first") && text.contains("second"), "{text}");
    }

    #[test]
    fn json_lines_hold_their_span() {
        let text = logged("info", Format::Json, || {
            let _in = tracing::info_span!("rpc", request_id = "r-1").entered();
            tracing::info!(code = "Ok", "answered");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["code"], "Ok");
        assert_eq!(line["span"]["request_id"], "r-1");
    }

    #[test]
    fn a_panic_is_logged_by_place_and_not_by_message() {
        let text = logged("info", Format::Human, || {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(report_panic));
            let caught = std::panic::catch_unwind(|| panic!("somchai@example.com"));
            std::panic::set_hook(before);
            assert!(caught.is_err());
        });
        assert!(text.contains("lib.rs") && !text.contains("somchai"));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let mut config = TelemetryConfig::new("test");
        "yinyom=loud".clone_into(&mut config.filter);
        assert!(subscriber(&config, None, io::sink).is_err());
    }

    #[test]
    fn a_filter_is_replaced_while_it_is_in_use_and_still_lets_no_other_crate_speak() {
        let captured = Captured::default();
        let writer = captured.clone();
        let config = TelemetryConfig::new("test");
        let (subscriber, filter) = subscriber(&config, None, move || writer.clone()).unwrap();
        let say = |text: &str| {
            tracing::debug!(target: "yinyom_rpc::edge", "{text}");
            tracing::debug!(target: "h2::codec", "s3cret");
        };
        tracing::subscriber::with_default(subscriber, || {
            say("before");
            filter.replace("trace").unwrap();
            say("after");
            assert!(filter.replace("yinyom=loud").is_err());
            say("still");
            filter.replace("info").unwrap();
            say("again");
        });
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("after") && text.contains("still"), "{text}");
        for silent in ["before", "again", "s3cret"] {
            assert!(!text.contains(silent), "{text}");
        }
    }

    #[tokio::test]
    async fn without_an_endpoint_nothing_is_exported() {
        let guard = init(&TelemetryConfig::new("test")).unwrap();
        assert!(guard.traces.is_none());
        guard.shutdown().await;
        assert!(matches!(init(&TelemetryConfig::new("test")), Err(TelemetryError::Twice(_))));
    }
}
