//! How Flink's REST API is reached: as configured, else where Flink's own configuration puts it.

use std::net::IpAddr;
use std::path::Path;

use crate::config;
use crate::flink::Access;
use crate::flink::setup::Setup;

/// Reads what reaching it takes. Anew at each start, as Flink does with its own.
///
/// # Errors
/// In words, where a file can't be read, or where Flink asks for what is not configured: better not started than started unwatched.
pub fn access(config: &config::Flink, setup: &Setup) -> Result<Access, String> {
    let url = if config.url_is_set { config.url.clone() } else { url(setup) };
    let encrypted = url.starts_with("https://");
    if setup.rest_ssl && !encrypted {
        return Err(format!(
            "Flink's REST API speaks TLS (security.ssl.rest.enabled), and flink.url (SAVEPOINTD_FLINK__URL) is {url}: set it to \
             https://, or leave it out"
        ));
    }
    let ca = config.ca.as_deref().map(|file| read("flink.ca", file)).transpose()?;
    if encrypted && ca.is_none() {
        return Err("Flink's REST API speaks TLS, and no certificate is trusted: set flink.ca (SAVEPOINTD_FLINK__CA) to a PEM file with \
                    its certificate or that of its issuer (keytool -exportcert -rfc -keystore KEYSTORE prints one)"
            .to_owned());
    }
    if let Some(suites) = setup.ssl_algorithms.as_deref().filter(|_| setup.rest_ssl)
        && !suites.split(',').any(|suite| is_modern(suite.trim()))
    {
        return Err(format!(
            "Flink's REST API takes cipher suites only that savepointd does not: security.ssl.algorithms is {suites}; add \
             TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ));
    }
    let identity = match &config.identity {
        Some((certificate, key)) => Some(read("flink.certificate", certificate)? + "\n" + &read("flink.key", key)?),
        None if setup.rest_ssl && setup.rest_authentication => {
            return Err("Flink's REST API asks for a client certificate (security.ssl.rest.authentication-enabled): set \
                        flink.certificate and flink.key (SAVEPOINTD_FLINK__CERTIFICATE, SAVEPOINTD_FLINK__KEY) to PEM files with one \
                        that Flink's truststore knows"
                .to_owned());
        }
        None => None,
    };
    let user = match &config.user {
        Some((user, file)) => {
            let password = read("flink.password_file", file)?;
            Some((user.clone(), password.trim_end_matches(['\n', '\r']).to_owned()))
        }
        None => None,
    };
    Ok(Access { url, server_name: config.server_name.clone(), ca, identity, user })
}

/// Those with forward secrecy and authenticated encryption; up to Flink 1.19, and in 2.0, the default has none of them.
fn is_modern(suite: &str) -> bool {
    let of_tls_1_3 = suite.starts_with("TLS_AES_") || suite.starts_with("TLS_CHACHA20_");
    of_tls_1_3 || (suite.starts_with("TLS_ECDHE_") && (suite.contains("_GCM_") || suite.contains("_CHACHA20_")))
}

fn read(key: &str, file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| {
        let variable = config::variable(key);
        format!("{key} ({variable}): {} can't be read: {error}", file.display())
    })
}

fn url(setup: &Setup) -> String {
    let bound = setup.rest_bind_address.as_deref().and_then(|address| address.parse().ok());
    let host = match bound {
        Some(IpAddr::V4(address)) if !address.is_unspecified() => address.to_string(),
        Some(IpAddr::V6(address)) if !address.is_unspecified() => format!("[{address}]"),
        _ => "127.0.0.1".to_owned(),
    };
    let scheme = if setup.rest_ssl { "https" } else { "http" };
    format!("{scheme}://{host}:{}", setup.rest_port.unwrap_or(8081))
}
