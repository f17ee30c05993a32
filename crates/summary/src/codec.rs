//! The envelope of everything that is stored: magic, version, kind, payload, checksum.

/// Bytes that are not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not begin as ours do.
    #[error("this is no Driftline summary: it does not begin with \"DLSM\"")]
    NotASummary,
    /// Written by a newer version.
    #[error(
        "this has format version {found} and the newest known here is {supported}: upgrade Driftline to read it"
    )]
    Newer {
        /// Its version.
        found: u16,
        /// The newest that can be read.
        supported: u16,
    },
    /// A spec, a summary or a reference where another of them was expected.
    #[error("this is a {found}, not a {expected}: give the file that was written as one")]
    Kind {
        /// What was asked for.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// Cut off, or changed since it was written.
    #[error(
        "the checksum does not match its {bytes} bytes: it is cut off or damaged; restore a copy or make it anew"
    )]
    Damaged {
        /// Its length.
        bytes: usize,
    },
    /// The checksum matches, but the content makes no sense.
    #[error("the content is not valid ({detail}): make it anew")]
    Invalid {
        /// What is wrong.
        detail: String,
    },
    /// A summary that was made by another reference.
    #[error(
        "the summary was made with spec {found:016x}, not {expected:016x}: give the spec it was made with, or drop the summary"
    )]
    SpecDiffers {
        /// The id of the spec that was given.
        expected: u64,
        /// The id of the spec that it was made with.
        found: u64,
    },
}
