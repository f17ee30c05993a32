//! Short numbers, which are read faster than any number is.

use sonic_number::ParserNumber;

/// Digits of which any number is below 2^53, and so exact as a float.
const SHORT: usize = 15;

/// The number that digits make after those of `value`, and what follows them. It overflows where there are too many.
#[inline(always)]
fn digits(mut text: &[u8], mut value: u64) -> (u64, &[u8]) {
    const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    while let Some(eight) = text.first_chunk() {
        let (count, number) = leading_digits(u64::from_le_bytes(*eight));
        value = value.wrapping_mul(POWERS[count]).wrapping_add(number);
        text = &text[count..];
        if count < 8 {
            return (value, text);
        }
    }
    while let [byte @ b'0'..=b'9', rest @ ..] = text {
        value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        text = rest;
    }
    (value, text)
}

/// How many of eight bytes are digits before one that is none, and the number that they make: without a branch for each,
/// since how many there are cannot be foreseen.
///
/// Neighbours are joined to pairs, these to fours and these to eight: Lemire, "Number parsing at a gigabyte per second",
/// Software: Practice and Experience 51 (2021), section 5.
#[inline(always)]
const fn leading_digits(eight: u64) -> (usize, u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let digits = eight ^ (ONES * b'0' as u64);
    // What is above 9 reaches the highest bit of its byte, and no more.
    let others = ((digits & (ONES * 0x7f)) + ONES * (0x80 - 10)) | digits;
    let count = ((others & (ONES * 0x80)).trailing_zeros() / 8) as usize;
    // The first byte is the lowest: what follows the digits goes, and zeros come before them.
    let digits = digits.unbounded_shl(64 - 8 * count as u32);
    let pairs = (digits.wrapping_mul(10 * 0x100 + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * 0x1_0000 + 1) >> 16) & 0x0000_ffff_0000_ffff;
    (count, fours.wrapping_mul(10_000 * 0x1_0000_0000 + 1) >> 32)
}

/// A number of at most 15 digits without an exponent.
pub(super) struct ShortNumber {
    /// Its digits, without the point.
    digits: u64,
    /// Digits after the point; 0 only without one.
    places: usize,
    is_negative: bool,
}

impl ShortNumber {
    /// The number that digits start with, and its length; none if it is longer, has zeros before others or an exponent.
    #[inline(always)]
    pub(super) fn read(text: &[u8], is_negative: bool) -> Option<(Self, usize)> {
        let (value, rest) = digits(text, 0);
        let whole = text.len() - rest.len();
        let (value, rest, is_float) = match rest {
            [b'.', rest @ ..] => {
                let (value, rest) = digits(rest, value);
                (value, rest, true)
            }
            _ => (value, rest, false),
        };
        let end = text.len() - rest.len();
        let places = end - whole - usize::from(is_float);
        if whole + places > SHORT
            || whole == 0
            || (is_float && places == 0)
            || (text[0] == b'0' && (whole > 1 || (!is_float && is_negative)))
            || matches!(rest, [b'e' | b'E' | b'.', ..])
        {
            return None;
        }
        Some((Self { digits: value, places, is_negative }, end))
    }

    /// Rounded only once: an integer below 2^53, divided by an exact power of ten.
    #[inline(always)]
    pub(super) fn float(&self) -> f64 {
        const POWERS: [f64; SHORT + 1] =
            [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
        let whole = self.digits as f64;
        let size = if self.places == 0 { whole } else { whole / POWERS[self.places] };
        // What is zero is written without a sign by the other parser.
        if self.is_negative && self.digits > 0 { -size } else { size }
    }
}

impl From<ShortNumber> for ParserNumber {
    #[inline(always)]
    fn from(number: ShortNumber) -> Self {
        match (number.places, number.is_negative) {
            (0, false) => Self::Unsigned(number.digits),
            (0, true) => Self::Signed(-(number.digits as i64)),
            _ => Self::Float(number.float()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_at_once_are_those_one_by_one() {
        for number in ["0", "7", "10", "123", "9999", "12345", "999999", "1234567", "12345678", "00000000"] {
            for after in [
                ".5000000",
                ",\"a\":1}",
                "e5      ",
                "}       ",
                "\u{0}\u{7f}\u{e9}/:;<",
                "\u{80}\u{b0}\u{b9}00",
            ] {
                let text = format!("{number}{after}");
                let eight = text.as_bytes().first_chunk().unwrap_or_else(|| panic!("{text} has eight bytes"));
                let value = number.parse().unwrap_or_else(|error| panic!("{number}: {error}"));
                assert_eq!(leading_digits(u64::from_le_bytes(*eight)), (number.len(), value), "{text}");
                assert_eq!(
                    digits(text.as_bytes(), 3).0,
                    3 * 10_u64.pow(number.len() as u32) + value,
                    "{text}"
                );
            }
        }
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            let eight = [b'1', b'2', byte, b'3', b'4', b'5', byte, b'6'];
            assert_eq!(leading_digits(u64::from_le_bytes(eight)), (2, 12), "{byte:02x}");
        }
        assert_eq!(digits(b"1234567890123456789x", 0), (1_234_567_890_123_456_789, &b"x"[..]));
    }
}
