//! The answer to who comes in vain, made once for each language.

use std::sync::LazyLock;

use http::Response;
use tonic::body::Body;
use yinyom_kernel::{Fault, Language};

use crate::status::made;
use crate::{EdgeFault, metrics};

static ENGLISH: LazyLock<Response<()>> = LazyLock::new(|| of(Language::English));
static THAI: LazyLock<Response<()>> = LazyLock::new(|| of(Language::Thai));

fn of(language: Language) -> Response<()> {
    let mut response = made(&EdgeFault::Overloaded, language).into_http::<Body>();
    // tonic leaves a copy there, which would be copied with each.
    response.extensions_mut().clear();
    response.map(drop)
}

/// [`EdgeFault::Overloaded`], as it is answered. Counts it.
pub(crate) fn overloaded(language: Language) -> Response<Body> {
    metrics::shed(EdgeFault::Overloaded.reason());
    let ready: &Response<()> = match language {
        Language::English => &ENGLISH,
        Language::Thai => &THAI,
    };
    ready.clone().map(|()| Body::empty())
}
