//! Which trace something belongs to, as it goes along where no call carries it: W3C `traceparent`.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header of a call, and its key in what is carried.
pub const TRACE_PARENT: &str = "traceparent";

/// The current span, to be the parent of what comes of it. `None` where nothing is traced.
pub fn trace_parent() -> Option<String> {
    trace_parent_of(&Span::current())
}

/// The same of `span`.
pub fn trace_parent_of(span: &Span) -> Option<String> {
    let context = span.context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACE_PARENT)
}

/// Makes `span` a child of what `trace_parent` names, before it is entered. What names nothing leaves it as it is.
pub fn continue_from(span: &Span, trace_parent: &str) {
    let carrier = HashMap::from([(TRACE_PARENT.to_owned(), trace_parent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        // It fails where nothing is traced.
        let _ = span.set_parent(context);
    }
}
