//! The server: where it listens and how it treats connections.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use steadfast_http::ServeSettings;

const HOST: Setting = Setting {
    name: "HTTP_HOST",
    aliases: &["HOST"],
    default: Default::Is("127.0.0.1"),
    kind: Kind::Text,
    help: "The address to listen on. 0.0.0.0 is every address of the machine.",
};
const PORT: Setting = Setting {
    name: "HTTP_PORT",
    aliases: &["PORT"],
    default: Default::Is("8080"),
    kind: Kind::Count(0..=65_535),
    help: "The port to listen on. 0 takes a free one.",
};
const MAX_CONNECTIONS: Setting = Setting {
    name: "HTTP_MAX_CONNECTIONS",
    aliases: &[],
    default: Default::Is("1024"),
    kind: Kind::Count(1..=100_000),
    help: "Connections that are served at once; more wait. Each needs a file descriptor.",
};
const HEADER_TIMEOUT: Setting = Setting {
    name: "HTTP_HEADER_TIMEOUT",
    aliases: &[],
    default: Default::Is("30"),
    kind: Kind::Seconds(1..=600),
    help: "How long a connection may take to send the header of a request, and how long it may be idle.",
};
const DRAIN_DELAY: Setting = Setting {
    name: "HTTP_DRAIN_DELAY",
    aliases: &[],
    default: Default::Is("0"),
    kind: Kind::Seconds(0..=300),
    help: "How long connections are still accepted after SIGTERM, while /health/ready answers 503: time for a load \
           balancer to notice.",
};
const DRAIN_TIMEOUT: Setting = Setting {
    name: "HTTP_DRAIN_TIMEOUT",
    aliases: &[],
    default: Default::Is("115"),
    kind: Kind::Seconds(0..=300),
    help: "How long requests under way may take to end after that. A check of product keys may take 110.",
};

/// All settings of this room, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[HOST, PORT, MAX_CONNECTIONS, HEADER_TIMEOUT, DRAIN_DELAY, DRAIN_TIMEOUT];

/// The server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address or host name to listen on.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// How connections are treated.
    pub serve: ServeSettings,
}

/// The server, as the environment says.
pub(super) fn read(reader: &mut Reader<'_>) -> HttpSettings {
    HttpSettings {
        host: reader.text(&HOST),
        // The range of the setting is that of a port.
        port: u16::try_from(reader.count(&PORT)).unwrap_or_default(),
        serve: ServeSettings {
            max_connections: reader.count(&MAX_CONNECTIONS) as usize,
            header_timeout: reader.seconds(&HEADER_TIMEOUT),
            drain_delay: reader.seconds(&DRAIN_DELAY),
            drain_timeout: reader.seconds(&DRAIN_TIMEOUT),
        },
    }
}
