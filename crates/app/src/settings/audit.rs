//! Settings of the audit trail.

use super::reader::Reader;
use super::setting::{Default, Kind, Setting};

const RETENTION_DAYS: Setting = Setting {
    name: "AUDIT_LOG_RETENTION_DAYS",
    aliases: &[],
    default: Default::Is("2555"),
    kind: Kind::Count(30..=36_500),
    help: "Days for which entries of the audit trail are retained. Then their partition is detached, a month at a time, \
           for you to archive and drop.",
};

/// All settings of this section, in the order of `--help`.
pub(super) const ALL: &[Setting] = &[RETENTION_DAYS];

/// Reads the number of days for which entries of the audit trail are retained.
pub(super) fn read_retention_days(reader: &mut Reader<'_>) -> u32 {
    reader.count(&RETENTION_DAYS)
}
