//! TLS for the clients that reqwest makes.

use std::sync::Once;

/// Has reqwest use the one TLS library that is in this build. Without it, no client of its can be made, not even for plain HTTP.
pub fn prepare() {
    static ONCE: Once = Once::new();
    // Refused only where somebody has chosen one already, which must have been the same.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
