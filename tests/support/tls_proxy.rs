//! What speaks TLS before the scripted Flink: with a certificate of its own, and, if wanted, only to whoever shows one, or gives a name
//! and a password.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Who issues certificates.
pub struct Issuer(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Certified {
    pub certificate: String,
    pub key: String,
}

impl Issuer {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// For a server of that name, or a client.
    pub fn issue(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages.push(usage);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// The proxy. Dropped, it ends.
pub struct TlsProxy {
    pub port: u16,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TlsProxy {
    /// Before a port of this machine, under the certificate of a name. `clients`: who issues those that may come in.
    /// `authorization`: what each connection's first request has to bring along.
    pub fn before(
        port: u16,
        issuer: &Issuer,
        name: &str,
        clients: Option<&Issuer>,
        authorization: Option<&str>,
    ) -> Self {
        let Certified { certificate, key } = issuer.issue(name, ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let config = match clients {
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                config.with_client_cert_verifier(verifier)
            }
            None => config.with_no_client_auth(),
        };
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let (end, ended) = oneshot::channel();
        let authorization = authorization.map(str::to_owned);
        let thread = std::thread::spawn(move || serve(&acceptor, listener, port, authorization.as_deref(), ended));
        Self { port: own, end: Some(end), thread: Some(thread) }
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    acceptor: &TlsAcceptor,
    listener: TcpListener,
    upstream: u16,
    authorization: Option<&str>,
    ended: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let accepting = async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, authorization) = (acceptor.clone(), authorization.map(str::to_owned));
            tokio::task::spawn_local(async move {
                // Whoever breaks off finds out at its own end.
                let _ = connection(acceptor, stream, upstream, authorization).await;
            });
        }
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::select! {
            () = accepting => {}
            _ = ended => {}
        }
    });
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    upstream: u16,
    authorization: Option<String>,
) -> std::io::Result<()> {
    let mut near = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if near.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let said = String::from_utf8_lossy(&head).to_ascii_lowercase();
    if authorization.is_some_and(|wanted| !said.contains(&format!("authorization: {}", wanted.to_ascii_lowercase()))) {
        return near.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    }
    let mut far = TcpStream::connect(("127.0.0.1", upstream)).await?;
    far.write_all(&head).await?;
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}
