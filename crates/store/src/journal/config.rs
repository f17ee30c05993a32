//! The `[journal]` table of the configuration.

use std::time::Duration;

use driftline_events::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the journal is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Before a batch is acknowledged: a power cut loses nothing.
    #[default]
    Always,
    /// Every `fsync_interval`: a power cut loses at most what was acknowledged since; a crash of the service alone
    /// loses nothing.
    Interval,
}

/// The `[journal]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalOptions {
    /// When acknowledged batches are durable: `"always"` (default) or `"interval"`.
    pub fsync: Fsync,
    /// With `fsync = "interval"`: how much a power cut may lose (default 1s).
    pub fsync_interval: Span,
    /// A file of the journal is closed above this length (default 64 MiB): long enough that files are seldom made,
    /// short enough that the disk is freed soon and a start reads little twice.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { fsync: Fsync::Always, fsync_interval: Span::from_secs(1), segment_bytes: 64 << 20 }
    }
}

/// Checked [`JournalOptions`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSpec {
    pub(super) fsync: Fsync,
    pub(super) fsync_interval: Duration,
    pub(super) segment_bytes: u64,
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalSpecError {
    /// An interval of nothing.
    #[error("fsync_interval is 0; set fsync = \"always\" to lose nothing")]
    ZeroInterval,
    /// Files that are too short or too long.
    #[error(
        "segment_bytes is {bytes}, it must be {} to {}: a file is read whole into memory",
        SEGMENT_BYTES.start(),
        SEGMENT_BYTES.end()
    )]
    SegmentBytes {
        /// Its value.
        bytes: u64,
    },
}

/// What `segment_bytes` may be.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 4 << 10..=1 << 30;

impl JournalSpec {
    /// When the journal is made durable.
    #[must_use]
    pub const fn fsync(&self) -> Fsync {
        self.fsync
    }
}

impl Default for JournalSpec {
    fn default() -> Self {
        Self::try_from(JournalOptions::default()).expect("the defaults are tested")
    }
}

impl TryFrom<JournalOptions> for JournalSpec {
    type Error = Vec<JournalSpecError>;

    fn try_from(options: JournalOptions) -> Result<Self, Self::Error> {
        let fsync_interval = options.fsync_interval.duration();
        let mut errors = Vec::new();
        if fsync_interval.is_zero() {
            errors.push(JournalSpecError::ZeroInterval);
        }
        if !SEGMENT_BYTES.contains(&options.segment_bytes) {
            errors.push(JournalSpecError::SegmentBytes { bytes: options.segment_bytes });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { fsync: options.fsync, fsync_interval, segment_bytes: options.segment_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold() {
        let options: JournalOptions = toml::from_str("").unwrap();
        assert_eq!(JournalSpec::try_from(options).unwrap(), JournalSpec::default());
        assert_eq!(JournalSpec::default().fsync(), Fsync::Always);
    }

    #[test]
    fn every_fault_is_found() {
        let options: JournalOptions =
            toml::from_str("fsync = \"interval\"\nfsync_interval = \"0s\"\nsegment_bytes = 10").unwrap();
        let errors = JournalSpec::try_from(options).unwrap_err();
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "fsync_interval is 0; set fsync = \"always\" to lose nothing",
                "segment_bytes is 10, it must be 4096 to 1073741824: a file is read whole into memory",
            ]
        );
        assert!(toml::from_str::<JournalOptions>("fsync = \"never\"").is_err());
        assert!(toml::from_str::<JournalOptions>("segments = 3").is_err());
    }
}
