//! Settings of the HTTP server: address and limits of connections.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use steadfast_http::ServeSettings;

const HOST: Setting = Setting {
    name: "HTTP_HOST",
    aliases: &["HOST"],
    default: Default::Is("127.0.0.1"),
    kind: Kind::Text,
    help: "Address to listen on. 0.0.0.0 is every address of the machine.",
};
const PORT: Setting = Setting {
    name: "HTTP_PORT",
    aliases: &["PORT"],
    default: Default::Is("8080"),
    kind: Kind::Count(0..=65_535),
    help: "Port to listen on. 0 selects a free one.",
};
const MAX_CONNECTIONS: Setting = Setting {
    name: "HTTP_MAX_CONNECTIONS",
    aliases: &[],
    default: Default::Is("1024"),
    kind: Kind::Count(1..=100_000),
    help: "Maximum number of connections; each needs a file descriptor. If all are in use, a new request closes the \
           connection that has been idle or too slow longest. If there is none, only /health/ is answered, on 32 \
           reserved connections, and everything else is 503.",
};
const MAX_CONNECTIONS_PER_ADDRESS: Setting = Setting {
    name: "HTTP_MAX_CONNECTIONS_PER_ADDRESS",
    aliases: &[],
    default: Default::Is("0"),
    kind: Kind::Count(0..=100_000),
    help: "Maximum number of connections from one client address, or from one /64 network of IPv6. 0 is no limit, which \
           is right behind a reverse proxy: all its connections have one address. Limit clients there instead.",
};
const HEADER_TIMEOUT: Setting = Setting {
    name: "HTTP_HEADER_TIMEOUT",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=600),
    help: "Time for the whole header of a connection's first request.",
};
const IDLE_TIMEOUT: Setting = Setting {
    name: "HTTP_IDLE_TIMEOUT",
    aliases: &[],
    default: Default::Is("75"),
    kind: Kind::Seconds(1..=3600),
    help: "Time from an answer to the whole header of the next request, whether the client answers pings or not. \
           Behind a load balancer, this must be longer than the balancer's own timeout of idle connections.",
};
const STALL_TIMEOUT: Setting = Setting {
    name: "HTTP_STALL_TIMEOUT",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=600),
    help: "Time after which a connection is closed if the client sends a request body, or receives an answer, slower \
           than 1 KiB per second.",
};
const DRAIN_DELAY: Setting = Setting {
    name: "HTTP_DRAIN_DELAY",
    aliases: &[],
    default: Default::Is("0"),
    kind: Kind::Seconds(0..=300),
    help: "Time for which connections are still accepted after SIGTERM, while /health/ready answers 503, so that a \
           load balancer can react.",
};
const DRAIN_TIMEOUT: Setting = Setting {
    name: "HTTP_DRAIN_TIMEOUT",
    aliases: &[],
    default: Default::Is("115"),
    kind: Kind::Seconds(0..=300),
    help: "Time for running requests to complete after that. A check of product keys may take 110.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[
    HOST,
    PORT,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    HEADER_TIMEOUT,
    IDLE_TIMEOUT,
    STALL_TIMEOUT,
    DRAIN_DELAY,
    DRAIN_TIMEOUT,
];

/// Settings of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 selects a free one.
    pub port: u16,
    /// Limits and timeouts of connections.
    pub serve: ServeSettings,
}

/// Reads the settings of the HTTP server.
pub(super) fn read(reader: &mut Reader<'_>) -> HttpSettings {
    HttpSettings {
        host: reader.text(&HOST),
        // The range of the setting is that of a port.
        port: u16::try_from(reader.count(&PORT)).unwrap_or_default(),
        serve: ServeSettings {
            max_connections: reader.count(&MAX_CONNECTIONS) as usize,
            max_connections_per_address: match reader.count(&MAX_CONNECTIONS_PER_ADDRESS) {
                0 => None,
                max => Some(max as usize),
            },
            header_timeout: reader.seconds(&HEADER_TIMEOUT),
            idle_timeout: reader.seconds(&IDLE_TIMEOUT),
            stall_timeout: reader.seconds(&STALL_TIMEOUT),
            drain_delay: reader.seconds(&DRAIN_DELAY),
            drain_timeout: reader.seconds(&DRAIN_TIMEOUT),
        },
    }
}
