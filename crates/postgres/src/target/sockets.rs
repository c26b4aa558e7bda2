//! Options of TCP sockets: keepalive and user timeout.

use crate::error::UrlError;
use crate::parameters::Parameters;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// Idle seconds before the first keepalive probe. The system's default of two hours is longer than the timeouts of
/// firewalls and load balancers.
const KEEPALIVES_IDLE: u32 = 60;

/// Options of all TCP sockets to the server.
#[derive(Debug, Default)]
pub(super) struct SocketOptions {
    keepalive: Option<TcpKeepalive>,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux has this option"))]
    user_timeout: Option<Duration>,
}

impl SocketOptions {
    /// Takes the socket parameters.
    ///
    /// # Errors
    /// Returns [`UrlError`] if a value is out of range.
    pub(super) fn read(parameters: &mut Parameters<'_>) -> Result<Self, UrlError> {
        let is_on = parameters.take_word("keepalives", &[("0", false), ("1", true)])?.unwrap_or(true);
        let keepalive = if is_on { Some(read_keepalive(parameters)?) } else { None };
        let user_timeout = if cfg!(target_os = "linux") {
            parameters.take_number("tcp_user_timeout", "milliseconds", 0..=i32::MAX as u32)?
        } else {
            None
        };
        let user_timeout = user_timeout.filter(|limit| *limit > 0);
        Ok(Self { keepalive, user_timeout: user_timeout.map(|limit| Duration::from_millis(limit.into())) })
    }

    /// Applies the options to `stream`.
    pub(super) fn apply(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let socket = SockRef::from(stream);
        if let Some(keepalive) = &self.keepalive {
            socket.set_tcp_keepalive(keepalive)?;
        }
        #[cfg(target_os = "linux")]
        if self.user_timeout.is_some() {
            socket.set_tcp_user_timeout(self.user_timeout)?;
        }
        Ok(())
    }
}

/// Takes the keepalive parameters. Zero means the system's default, as in libpq.
fn read_keepalive(parameters: &mut Parameters<'_>) -> Result<TcpKeepalive, UrlError> {
    let mut keepalive = TcpKeepalive::new();
    let idle = parameters.take_number("keepalives_idle", "seconds", 0..=32_767)?.unwrap_or(KEEPALIVES_IDLE);
    if idle > 0 {
        keepalive = keepalive.with_time(Duration::from_secs(idle.into()));
    }
    let interval = parameters.take_number("keepalives_interval", "seconds", 0..=32_767)?;
    if let Some(interval) = interval.filter(|interval| *interval > 0) {
        keepalive = keepalive.with_interval(Duration::from_secs(interval.into()));
    }
    let count = parameters.take_number("keepalives_count", "probes", 0..=127)?;
    if let Some(count) = count.filter(|count| *count > 0) {
        keepalive = keepalive.with_retries(count);
    }
    Ok(keepalive)
}
