//! Weights in few bytes: whole numbers, which most are, have only zeros at the end of their bits.

use serde::{Deserialize, Deserializer, Serializer};

/// The bits in an order in which a small whole number is a small integer, and so a short varint.
pub(crate) fn pack(value: f64) -> u64 {
    value.to_bits().swap_bytes()
}

/// The inverse of [`pack`].
pub(crate) fn unpack(packed: u64) -> f64 {
    f64::from_bits(packed.swap_bytes())
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(pack(*value))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    u64::deserialize(deserializer).map(unpack)
}
