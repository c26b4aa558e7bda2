//! TLS: parameters, negotiation and handshake.

mod files;
mod verify;

pub use files::TlsRoots;

use crate::error::UrlError;
use crate::parameters::Parameters;
use crate::ssl_mode::SslMode;
use crate::stream::{Dialled, Stream};
use files::{Identity, NamedFile};
use rustls::ClientConfig;
use rustls::SupportedProtocolVersion;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;
use verify::WithoutName;

/// SSLRequest: length 8, code 80877103. The server answers with one byte, S or N.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// TLS versions in a connection string, numbered by age.
const VERSIONS: [(&str, usize); 4] = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];

/// TLS configuration of one target.
pub(crate) struct Tls {
    connector: MakeRustlsConnect,
    parameters: TlsParameters,
}

/// TLS parameters of a connection string.
#[derive(Clone, Debug)]
struct TlsParameters {
    mode: SslMode,
    roots: TlsRoots,
    /// Name of the parameter with the authorities, for errors.
    roots_origin: &'static str,
    identity: Option<Identity>,
    sends_server_name: bool,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Tls {
    /// Takes the TLS parameters. `roots` are those of the session settings. Returns `None` for plain sessions.
    ///
    /// # Errors
    /// Returns [`UrlError`] if parameters contradict each other or a file cannot be used.
    pub(crate) fn read(parameters: &mut Parameters<'_>, roots: &TlsRoots) -> Result<Option<Self>, UrlError> {
        let mode = parameters.take_word("sslmode", &SslMode::WORDS)?.unwrap_or(SslMode::Prefer);
        if mode == SslMode::Disable {
            return match roots {
                TlsRoots::Platform => Ok(None),
                _ => Err(UrlError("sslmode=disable contradicts the certificates of tls_roots".to_owned())),
            };
        }
        let (roots, roots_origin) = read_roots(parameters, roots)?.unzip();
        let mode = match (mode, &roots) {
            // Naming authorities makes verification mandatory.
            (SslMode::Prefer, Some(_)) => SslMode::Require,
            (SslMode::VerifyCa, None | Some(TlsRoots::Platform)) => {
                return Err(UrlError(
                    "sslmode=verify-ca would accept the certificate of any public site: name your authority in \
                     sslrootcert, or use verify-full"
                        .to_owned(),
                ));
            }
            (mode, _) => mode,
        };
        let read = TlsParameters {
            mode,
            roots: roots.unwrap_or_default(),
            roots_origin: roots_origin.unwrap_or_default(),
            identity: read_identity(parameters)?,
            sends_server_name: parameters.take_word("sslsni", &[("0", false), ("1", true)])?.unwrap_or(true),
            versions: read_versions(parameters)?,
        };
        let config = read.client_config().map_err(UrlError)?;
        Ok(Some(Self { connector: MakeRustlsConnect::new(config), parameters: read }))
    }

    /// Negotiates TLS on a new stream. If the server does not support it, the stream stays plain where `sslmode` allows
    /// that.
    pub(crate) async fn secure(&self, mut stream: TcpStream, server_name: &str) -> io::Result<Dialled> {
        stream.write_all(&SSL_REQUEST).await?;
        // Reads only one byte: further bytes belong to the handshake, or were injected by an attacker.
        let mut answer = [0];
        let answered = stream.read_exact(&mut answer).await;
        answered.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the server closed the connection"),
            _ => error,
        })?;
        match &answer {
            b"S" => {}
            b"N" if !self.parameters.mode.demands_tls() => return Ok(Box::new(stream)),
            b"N" => {
                let mode = self.parameters.mode.word();
                return Err(io::Error::other(format!(
                    "the server does not support TLS, which sslmode={mode} requires"
                )));
            }
            _ => return Err(io::Error::other("the server sent an invalid response to the SSLRequest")),
        }
        let Ok(connect) =
            MakeTlsConnect::<TcpStream>::make_tls_connect(&mut self.connector.clone(), server_name);
        let secured = connect.connect(stream).await;
        let secured = secured.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
        Ok(Box::new(Secured(secured)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parameters.fmt(f)
    }
}

/// Returns the authorities and the name of their parameter, or `None` if none are named. The connection string or
/// `settings` take precedence over the environment.
fn read_roots(
    parameters: &mut Parameters<'_>,
    settings: &TlsRoots,
) -> Result<Option<(TlsRoots, &'static str)>, UrlError> {
    match (parameters.take("sslrootcert"), settings) {
        (None, TlsRoots::Platform) => Ok(None),
        (Some(named), TlsRoots::Platform) => {
            let roots = match &*named.value {
                "system" => TlsRoots::Platform,
                path => TlsRoots::File(path.into()),
            };
            Ok(Some((roots, named.origin)))
        }
        (Some(named), _) if named.is_explicit => {
            Err(named.refused("and SessionSettings::tls_roots both name authorities: leave one of them out"))
        }
        (_, settings) => Ok(Some((settings.clone(), "tls_roots"))),
    }
}

/// Takes the client certificate and its key, unless `sslcertmode=disable`.
fn read_identity(parameters: &mut Parameters<'_>) -> Result<Option<Identity>, UrlError> {
    let is_sent =
        parameters.take_word("sslcertmode", &[("disable", false), ("allow", true)])?.unwrap_or(true);
    if !is_sent {
        return Ok(None);
    }
    let Some(certificate) = parameters.take("sslcert") else { return Ok(None) };
    let key = parameters.take("sslkey");
    let Some(key) = key else {
        return Err(certificate.refused("needs the key of the certificate: add sslkey"));
    };
    Ok(Some(Identity { certificate: NamedFile::new(certificate), key: NamedFile::new(key) }))
}

/// Returns the supported versions from `ssl_min_protocol_version` to `ssl_max_protocol_version`.
fn read_versions(
    parameters: &mut Parameters<'_>,
) -> Result<Vec<&'static SupportedProtocolVersion>, UrlError> {
    let least = parameters.take_word("ssl_min_protocol_version", &VERSIONS)?.unwrap_or(0);
    let most = parameters.take_word("ssl_max_protocol_version", &VERSIONS)?.unwrap_or(usize::MAX);
    let spoken = [(2, &TLS12), (3, &TLS13)].into_iter().filter(|(number, _)| (least..=most).contains(number));
    let versions: Vec<_> = spoken.map(|(_, version)| version).collect();
    match versions.is_empty() {
        true => Err(UrlError(
            "ssl_min_protocol_version and ssl_max_protocol_version allow neither TLSv1.2 nor TLSv1.3, and no other \
             version is supported"
                .to_owned(),
        )),
        false => Ok(versions),
    }
}

impl TlsParameters {
    fn client_config(&self) -> Result<ClientConfig, String> {
        let text = |error: rustls::Error| format!("TLS: {error}");
        let roots = self.roots.read().map_err(|error| format!("{}: {error}", self.roots_origin))?;
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&self.versions).map_err(text)?;
        let without_name = |roots| Arc::new(WithoutName::new(roots, provider.clone()));
        let builder = match (self.mode, roots) {
            (SslMode::Require | SslMode::VerifyFull, Some(roots)) => builder.with_root_certificates(roots),
            (SslMode::Require | SslMode::VerifyFull, None) => {
                builder.with_platform_verifier().map_err(text)?
            }
            (SslMode::VerifyCa, roots @ Some(_)) => {
                builder.dangerous().with_custom_certificate_verifier(without_name(roots))
            }
            _ => builder.dangerous().with_custom_certificate_verifier(without_name(None)),
        };
        let mut config = match &self.identity {
            Some(identity) => {
                let (certificates, key) = identity.read()?;
                let unfit = |error| format!("sslcert cannot be used with the key of sslkey: {error}");
                builder.with_client_auth_cert(certificates, key).map_err(unfit)?
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.sends_server_name;
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(config)
    }
}

/// A TLS stream with its channel binding.
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
