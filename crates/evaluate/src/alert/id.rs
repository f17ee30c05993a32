//! Ids that are the same each time the same reports come.

/// 64 bits of FNV-1a over the parts, each with its length, as hexadecimal digits: the same on every machine and in
/// every version.
///
/// # References
/// Fowler, Noll & Vo, "FNV hash", draft-eastlake-fnv.
pub(crate) fn id(parts: &[&str]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part.as_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_parts_apart_and_stays() {
        assert_eq!(id(&[]), "cbf29ce484222325");
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_eq!(id(&["churn", "1h"]), id(&["churn", "1h"]));
    }
}
