//! Metrics as a Prometheus reads them.

use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Encoder, TextEncoder};

/// The content type of [`scrape`].
pub const TEXT: &str = prometheus::TEXT_FORMAT;

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    #[error("the exporter cannot be set up")]
    Exporter(#[from] opentelemetry_sdk::error::OTelSdkError),
    #[error("the metrics cannot be written")]
    Encode(#[from] prometheus::Error),
}

/// From here on what is measured is kept, once a process. Instruments that were made earlier stay without effect.
pub(crate) fn install(service: &str) -> Result<(), ScrapeError> {
    let exporter = opentelemetry_prometheus::exporter()
        .with_registry(prometheus::default_registry().clone())
        .build()?;
    let resource = Resource::builder_empty().with_service_name(service.to_owned()).build();
    let provider =
        SdkMeterProvider::builder().with_reader(exporter).with_resource(resource).build();
    global::set_meter_provider(provider);
    Ok(())
}

/// Everything that was measured since the start, in Prometheus' text format.
pub fn scrape() -> Result<Vec<u8>, ScrapeError> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&prometheus::gather(), &mut text)?;
    Ok(text)
}
