use std::io::Write as _;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

fn plain(payload: &[u8], encoding: Encoding) -> Result<Vec<u8>, PayloadError> {
    let limits = Limits { decompressed_bytes: 1 << 20, ..Limits::default() };
    decompress(payload, encoding, &limits).map(Cow::into_owned)
}

#[test]
fn each_encoding_gives_the_plain_bytes_back() {
    let text = b"{\"model\":\"churn\"}\n".repeat(100);
    assert_eq!(plain(&text, Encoding::Identity).unwrap(), text);
    assert_eq!(plain(&gzip(&text), Encoding::Gzip).unwrap(), text);
    assert_eq!(plain(&zstd_of(&text), Encoding::Zstd).unwrap(), text);
    assert_eq!(plain(&gzip(b""), Encoding::Gzip).unwrap(), b"");
}

#[test]
fn members_and_frames_follow_one_another() {
    let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
    assert_eq!(plain(&two, Encoding::Gzip).unwrap(), b"one\ntwo\n");
    let two = [zstd_of(b"one\n"), zstd_of(b"two\n")].concat();
    assert_eq!(plain(&two, Encoding::Zstd).unwrap(), b"one\ntwo\n");
}

#[test]
fn cut_or_followed_or_broken_data_is_an_error() {
    let text = b"some text that is long enough to be cut".repeat(20);
    for (whole, encoding) in [(gzip(&text), Encoding::Gzip), (zstd_of(&text), Encoding::Zstd)] {
        for length in 1..whole.len() {
            let error = plain(&whole[..length], encoding).unwrap_err();
            assert_eq!(error.reason(), "bad_compression", "{length}");
        }
        let followed = [whole.as_slice(), b"garbage"].concat();
        let error = plain(&followed, encoding).unwrap_err();
        assert_eq!(error.reason(), "bad_compression", "{encoding:?}");
        let error = plain(b"{\"model\":\"churn\"}", encoding).unwrap_err();
        assert_eq!(error.reason(), "bad_compression", "{encoding:?}");
    }
    assert_eq!(plain(b"", Encoding::Gzip).unwrap_err().reason(), "bad_compression");
    assert_eq!(plain(b"", Encoding::Zstd).unwrap_err().reason(), "bad_compression");
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let limit = 1 << 20;
    for (bytes, is_taken) in [(limit, true), (limit + 1, false), (64 << 20, false)] {
        let text = vec![b' '; bytes];
        for (payload, encoding) in [(gzip(&text), Encoding::Gzip), (zstd_of(&text), Encoding::Zstd)] {
            match plain(&payload, encoding) {
                Ok(plain) => assert!(is_taken && plain.len() == bytes, "{bytes}"),
                Err(error) => {
                    assert!(!is_taken, "{bytes}: {error}");
                    assert!(
                        matches!(error, PayloadError::DecompressedTooLarge { limit: told } if told == limit),
                        "{error:?}"
                    );
                }
            }
        }
    }
    let limits = Limits { body_bytes: 3, ..Limits::default() };
    let error = decompress(b"four", Encoding::Identity, &limits).unwrap_err();
    assert!(matches!(error, PayloadError::BodyTooLarge { bytes: 4, limit: 3 }), "{error:?}");
}

#[test]
fn content_encoding_names_are_read_without_case() {
    assert_eq!(Encoding::from_content_encoding(None), Some(Encoding::Identity));
    assert_eq!(Encoding::from_content_encoding(Some(" GZip ")), Some(Encoding::Gzip));
    assert_eq!(Encoding::from_content_encoding(Some("zstd")), Some(Encoding::Zstd));
    assert_eq!(Encoding::from_content_encoding(Some("br")), None);
    assert_eq!(Encoding::from_content_encoding(Some("gzip, gzip")), None);
}
