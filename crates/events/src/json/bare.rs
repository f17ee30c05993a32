//! A second reading of lines that hold numbers JSON does not have.

/// Puts `["NaN"]`, which is a value of the wrong type anywhere, in the place of each bare `NaN` and
/// `Infinity` (Python's json module writes them) and of each number too large for a float, outside strings.
/// `None` if there are none.
pub(super) fn without_bare_numbers(row: &str) -> Option<String> {
    let bytes = row.as_bytes();
    let mut plain = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'+' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                let start = at;
                let in_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                while at < bytes.len() && in_token(bytes[at]) {
                    at += 1;
                }
                let token = &row[start..at];
                if is_not_finite(token) {
                    plain.push_str(&row[kept..start]);
                    plain.push_str("[\"");
                    // Numbers are cut: the value is only shown.
                    plain.push_str(&token[..token.len().min(40)]);
                    plain.push_str("\"]");
                    kept = at;
                }
            }
            _ => at += 1,
        }
    }
    if kept == 0 {
        return None;
    }
    plain.push_str(&row[kept..]);
    Some(plain)
}

fn is_not_finite(token: &str) -> bool {
    let unsigned = token.strip_prefix(['-', '+']).unwrap_or(token);
    match unsigned {
        "NaN" | "nan" | "Infinity" | "inf" | "Inf" => true,
        // A number that Rust reads as infinite, and that JSON would allow.
        _ if unsigned.starts_with(|first: char| first.is_ascii_digit()) => {
            token.parse().is_ok_and(f64::is_infinite)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_tokens_that_are_not_finite_are_replaced() {
        assert_eq!(
            without_bare_numbers(r#"{"a":NaN,"NaN":-Infinity,"b":"NaN","c":1e400,"d":-1.5E3}"#).as_deref(),
            Some(r#"{"a":["NaN"],"NaN":["-Infinity"],"b":"NaN","c":["1e400"],"d":-1.5E3}"#)
        );
        assert_eq!(without_bare_numbers(r#"{"a":1,"b":"1e400 \" NaN","c":null,"d":true}"#), None);
        assert_eq!(without_bare_numbers(r#"{"a":"NaN"#), None, "a string that is not closed");
        assert_eq!(without_bare_numbers("\"\\"), None);
    }
}
