//! TLS at both ends, made of what files hold, and of other files from the next connection on.
//!
//! - [`ServerTls`]: what a port shows and what it asks of its clients; [`ServerTls::incoming`] are the connections
//!   that it lets in, each with the workload (SPIFFE) that its certificate names.
//! - [`ClientTls`]: whom an own call trusts and as whom it calls; [`ClientTls::connect`] is `yinyom_rpc::connect` over it.
//!
//! Both hold their configuration behind a pointer that [`ServerTls::replace`] and [`ClientTls::replace`] move: each
//! handshake takes the one that is in force when it begins, and a connection that stands goes on. What cannot be used is
//! refused, and what was in force stays.
//!
//! Not here: files, and when to look at them again (`yinyom-process`); who may call what (`yinyom-identity`).

mod accept;
mod client;
mod pem;
mod server;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use accept::HandshakeLimits;
pub use client::{ClientTls, Protocol, TlsConnector};
pub use pem::{Identity, TlsError, Trust};
pub use server::{ClientAuthentication, ServerTls};

/// The one place that says who does the cryptography of TLS.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Makes it the one of the whole process, for the crates that do not ask (the database's driver). Once is enough; a second
/// time changes nothing.
pub fn install_provider() {
    // Another one was installed before only if somebody did not come here.
    let _ = CryptoProvider::clone(&PROVIDER).install_default();
}
