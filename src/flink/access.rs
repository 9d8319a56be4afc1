//! How Flink's REST API is reached: in the clear, with TLS (`security.ssl.rest.enabled`), with a client certificate
//! (`security.ssl.rest.authentication-enabled`), and with name and password where a proxy asks for them.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use reqwest::{Certificate, Identity, redirect};
use serde::{Deserialize, Serialize};
use url::Url;

use super::Error;

/// No answer takes longer. A JobManager that is starting takes in requests and leaves them hanging for a while; whoever
/// asks is to ask again. A stop, which knows its deadline, may give up sooner.
const REQUEST: Duration = Duration::from_secs(5);

/// Everything that is needed to reach a JobManager. The agent hands it to `run`, which may have to finish a stop alone and has none of
/// the agent's files.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Such as `http://127.0.0.1:8081`, without a slash at its end.
    pub url: String,
    /// The name that the certificate is issued for, where that is not the URL's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificates that are trusted, in PEM. Those that the machine trusts are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The client's certificate and its key, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<(String, String)>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("url", &self.url).field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Access {
    /// Access to what asks for nothing.
    #[must_use]
    pub fn to(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// A client, and the URL that it is to ask.
    pub(super) fn client(&self) -> Result<(reqwest::Client, String), Error> {
        crate::tls::prepare();
        let mut builder = reqwest::Client::builder()
            // Only what is named: neither must Flink's image have CA certificates, nor does any of them speak for a JobManager.
            .tls_certs_only(self.roots()?)
            // A proxy set for the object store would swallow requests to loopback.
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(REQUEST)
            .redirect(redirect::Policy::none());
        if let Some(identity) = &self.identity {
            let identity = Identity::from_pem(identity.as_bytes());
            builder = builder.identity(identity.map_err(|source| wrong("flink.certificate and flink.key", &source))?);
        }
        let mut url = self.url.clone();
        if let Some(name) = &self.server_name {
            let named = self.named(name)?;
            builder = builder.resolve_to_addrs(name, &named.at);
            url = named.url;
        }
        Ok((builder.build().map_err(Error::Client)?, url))
    }

    fn roots(&self) -> Result<Vec<Certificate>, Error> {
        let Some(pem) = &self.ca else { return Ok(Vec::new()) };
        let roots = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|source| wrong("flink.ca", &source))?;
        if roots.is_empty() {
            return Err(Error::Access("flink.ca (SAVEPOINTD_FLINK__CA): no certificate is in it".to_owned()));
        }
        Ok(roots)
    }

    /// The same place under the name that its certificate has.
    fn named(&self, name: &str) -> Result<Named, Error> {
        let wrong = |why: &str| Error::Access(format!("flink.url {}: {why}", self.url));
        let mut url = Url::parse(&self.url).map_err(|error| wrong(&error.to_string()))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        // Asked for once: a JobManager's sidecar reaches it on loopback, whose address does not change.
        let at = (host.as_str(), port).to_socket_addrs().map_err(|error| wrong(&error.to_string()))?.collect();
        url.set_host(Some(name)).map_err(|error| wrong(&error.to_string()))?;
        Ok(Named { url: url.as_str().trim_end_matches('/').to_owned(), at })
    }
}

struct Named {
    url: String,
    at: Vec<SocketAddr>,
}

fn wrong(keys: &str, source: &reqwest::Error) -> Error {
    Error::Access(format!("{keys}: {}", crate::report::chain(source)))
}
