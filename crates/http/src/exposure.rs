//! The rule that nobody opens the service to the network by accident.

use std::net::SocketAddr;

/// An address that others can reach, and nothing to keep them out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExposureError {
    /// Not loopback, no tokens, and not told to do so.
    #[error(
        "{listen} can be reached from other machines and no token is configured; \
         listen on 127.0.0.1, add a token, or pass --insecure"
    )]
    Open {
        /// The address to listen on.
        listen: SocketAddr,
    },
}

/// Checks that the service listens on loopback only, or asks for tokens, or was told to do without (`insecure`).
///
/// # Errors
/// [`ExposureError::Open`] if none of these holds.
pub fn check_exposure(listen: SocketAddr, has_tokens: bool, insecure: bool) -> Result<(), ExposureError> {
    // An IPv4 loopback address written as IPv6 (`::ffff:127.0.0.1`) is loopback too.
    if listen.ip().to_canonical().is_loopback() || has_tokens || insecure {
        Ok(())
    } else {
        Err(ExposureError::Open { listen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_free() {
        for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(check_exposure(address.parse().unwrap(), false, false), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            let listen = address.parse().unwrap();
            assert_eq!(
                check_exposure(listen, false, false),
                Err(ExposureError::Open { listen }),
                "{address}"
            );
            assert_eq!(check_exposure(listen, true, false), Ok(()), "{address}");
            assert_eq!(check_exposure(listen, false, true), Ok(()), "{address}");
        }
    }
}
