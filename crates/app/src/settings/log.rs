//! Settings of the log: level and format.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};
use steadfast_telemetry::{LogFormat, LogOutput, LogSettings};

pub(crate) const LEVEL: Setting = Setting {
    name: "LOG_LEVEL",
    aliases: &[],
    default: Default::Is("info"),
    kind: Kind::Text,
    help: "error, warn, info, debug, trace or off, or a list such as info,steadfast_http=debug.",
};
const FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    aliases: &[],
    default: Default::Is("json"),
    kind: Kind::Word(&["json", "text"]),
    help: "json for machines: one object per line; text for people. Lines go to standard error.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[LEVEL, FORMAT];

/// Reads the settings of the log.
pub(super) fn read(reader: &mut Reader<'_>) -> LogSettings {
    let format = if reader.word(&FORMAT) == "text" { LogFormat::Text } else { LogFormat::Json };
    LogSettings { level: reader.text(&LEVEL), format, output: LogOutput::Stderr }
}
