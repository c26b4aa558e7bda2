//! TLS to the server: who is believed, the question whether the server has it, the handshake.

use crate::SessionSettings;
use crate::error::UrlError;
use crate::stream::{Dialled, Stream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, aws_lc_rs::default_provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// "Have you TLS?": length 8, code 80877103. The server answers by one byte, S or N.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Which authorities are believed when the server's certificate is verified.
///
/// With `sslmode=require` (also written `verify-full`) the certificate must come from one of them and must name the
/// host of the URL. `prefer`, which is the default, encrypts when the server can and verifies nothing, since whoever
/// stands in between could as well say that there is no TLS. Naming authorities asks for verification: `prefer` then
/// means `require`. A unix socket has no TLS, whatever the mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsRoots {
    /// Those that the operating system believes.
    #[default]
    Platform,
    /// Only those in this file of PEM certificates, which is read when the pool is made.
    File(PathBuf),
    /// Only those in this PEM text.
    Pem(String),
}

impl TlsRoots {
    fn read(&self) -> Result<Option<RootCertStore>, String> {
        let pem = match self {
            Self::Platform => return Ok(None),
            Self::File(path) => {
                std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?
            }
            Self::Pem(text) => text.clone().into_bytes(),
        };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| store.add(certificate).map_err(|error| error.to_string()));
            added.map_err(|error| format!("a certificate cannot be used: {error}"))?;
        }
        if store.is_empty() {
            return Err("no certificate in PEM form was found".to_owned());
        }
        Ok(Some(store))
    }
}

/// How sessions of one target are secured.
pub(crate) struct Tls {
    connector: MakeRustlsConnect,
    host: String,
    required: bool,
}

impl Tls {
    /// What URL and settings ask for; `None` for plain sessions.
    pub(crate) fn wanted(
        mode: SslMode,
        session: &SessionSettings,
        host: &str,
    ) -> Result<Option<Self>, UrlError> {
        let roots = &session.tls_roots;
        let names_roots = *roots != TlsRoots::Platform;
        let required = match mode {
            SslMode::Disable if names_roots => {
                return Err(UrlError("sslmode=disable contradicts the certificates of tls_roots".to_owned()));
            }
            SslMode::Disable => return Ok(None),
            SslMode::Prefer => names_roots,
            _ => true,
        };
        let config = client_config(required, roots).map_err(|error| UrlError(format!("TLS: {error}")))?;
        Ok(Some(Self { connector: MakeRustlsConnect::new(config), host: host.to_owned(), required }))
    }

    /// Asks the server for TLS on a fresh stream, and starts it. When the server has none, the stream stays plain if
    /// that is allowed: the session goes on where it is.
    pub(crate) async fn secure(&self, mut stream: TcpStream) -> io::Result<Dialled> {
        stream.write_all(&SSL_REQUEST).await?;
        // One byte and no more: what comes after it belongs to the handshake, or was slipped in by somebody.
        let mut answer = [0];
        stream.read_exact(&mut answer).await?;
        match &answer {
            b"S" => {}
            b"N" if !self.required => return Ok(Box::new(stream)),
            b"N" => return Err(io::Error::other("the server has no TLS, and sslmode=require insists on it")),
            _ => return Err(io::Error::other("the question for TLS was answered by neither yes nor no")),
        }
        let Ok(connect) =
            MakeTlsConnect::<TcpStream>::make_tls_connect(&mut self.connector.clone(), &self.host);
        let secured = connect.connect(stream).await;
        let secured = secured.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
        Ok(Box::new(Secured(secured)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("host", &self.host).field("required", &self.required).finish()
    }
}

fn client_config(required: bool, roots: &TlsRoots) -> Result<ClientConfig, String> {
    let text = |error: rustls::Error| error.to_string();
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(text)?;
    let builder = match roots.read()? {
        _ if !required => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        }
        Some(store) => builder.with_root_certificates(store),
        None => builder.with_platform_verifier().map_err(text)?,
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

/// Believes every certificate: for `prefer`, which promises encryption against listeners and no more.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A TLS stream, its channel binding passed on.
struct Secured<S>(S);

impl<S: TlsStream + Send + Unpin> Stream for Secured<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
