//! Where the rows of a JSON payload are: NDJSON, one array, or one object.

/// Rows found one after another.
#[derive(Debug)]
pub(super) enum Split<'p> {
    Lines(&'p [u8]),
    /// One object over several lines, to be read once.
    Object(Option<&'p [u8]>),
    /// What is left of an array, after its bracket or an element; `at` is its place in the payload.
    Array {
        rest: &'p [u8],
        at: usize,
        first: bool,
    },
    End,
}

/// What comes next in a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'p> {
    Row(&'p [u8]),
    /// The array cannot be read from this byte on.
    Broken {
        at: usize,
        why: &'static str,
        rest: &'p [u8],
    },
}

impl<'p> Split<'p> {
    /// Tells the form by the first bytes.
    pub(super) fn new(payload: &'p [u8]) -> Self {
        let payload = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
        let body = payload.trim_ascii();
        match body.first() {
            Some(b'[') => {
                let at = payload.len() - payload.trim_ascii_start().len() + 1;
                Self::Array { rest: &payload[at..], at, first: true }
            }
            Some(b'{') if is_one_object(body) => Self::Object(Some(body)),
            _ => Self::Lines(payload),
        }
    }

    /// The next row. Blank lines are none.
    pub(super) fn next(&mut self) -> Option<Next<'p>> {
        match self {
            Self::End => None,
            Self::Object(object) => object.take().map(Next::Row),
            Self::Lines(rest) => loop {
                if rest.is_empty() {
                    return None;
                }
                let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                let line = rest[..end].trim_ascii();
                *rest = rest.get(end + 1..).unwrap_or_default();
                if !line.is_empty() {
                    return Some(Next::Row(line));
                }
            },
            Self::Array { rest, at, first } => match next_element(rest, *first) {
                Element::Row { start, end } => {
                    let row = &rest[start..end];
                    *rest = &rest[end..];
                    *at += end;
                    *first = false;
                    Some(Next::Row(row))
                }
                Element::End => {
                    *self = Self::End;
                    None
                }
                Element::Broken { start, why } => {
                    let broken = Next::Broken { at: *at + start, why, rest: &rest[start..] };
                    *self = Self::End;
                    Some(broken)
                }
            },
        }
    }

    /// The place in the payload after the row given last, and whether rows are elements of an array.
    pub(super) const fn array_position(&self) -> Option<usize> {
        match self {
            Self::Array { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// Whether a payload that starts with `{` is one object over several lines, and not NDJSON: the object must
/// end where the payload ends. An object that is never closed is taken for one if its second line starts
/// no other, so that it is one broken row and not one for each line.
fn is_one_object(body: &[u8]) -> bool {
    let Some(line_end) = memchr::memchr(b'\n', body) else { return false };
    match value_end(body) {
        Some(end) => end > line_end && end == body.len(),
        None => {
            let second = body[line_end..].trim_ascii_start();
            value_end(&body[..line_end]).is_none() && !second.starts_with(b"{")
        }
    }
}

enum Element {
    Row { start: usize, end: usize },
    End,
    Broken { start: usize, why: &'static str },
}

fn next_element(rest: &[u8], first: bool) -> Element {
    let space = |from: usize| rest.len() - rest[from..].trim_ascii_start().len();
    let mut start = space(0);
    match rest.get(start) {
        None => return Element::Broken { start, why: "the array is not closed" },
        Some(b']') => {
            let after = space(start + 1);
            return if after == rest.len() {
                Element::End
            } else {
                Element::Broken { start: after, why: "something follows the array" }
            };
        }
        Some(b',') if !first => start = space(start + 1),
        Some(_) if !first => return Element::Broken { start, why: "a comma or ] is missing" },
        Some(_) => {}
    }
    match rest.get(start) {
        Some(b']' | b',') | None => Element::Broken { start, why: "an element is missing" },
        Some(_) => match value_end(&rest[start..]) {
            Some(length) => Element::Row { start, end: start + length },
            None => Element::Broken { start, why: "the element is not closed" },
        },
    }
}

/// The length of the JSON value that the bytes start with, by its brackets and quotes alone. `None` if it is
/// not closed. Not recursive: brackets are only counted.
fn value_end(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'{' | b'[' => {
            let mut depth = 0_usize;
            let mut at = 0;
            loop {
                match bytes.get(at)? {
                    b'"' => at = string_end(bytes, at)?,
                    b'{' | b'[' => {
                        depth += 1;
                        at += 1;
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        at += 1;
                        if depth == 0 {
                            return Some(at);
                        }
                    }
                    _ => at += 1,
                }
            }
        }
        b'"' => string_end(bytes, 0),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            Some(bytes.iter().position(ends).unwrap_or(bytes.len()))
        }
    }
}

/// The place after the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Whether brackets are nested deeper than `limit`. Not recursive.
pub(super) fn is_deeper(row: &[u8], limit: usize) -> bool {
    // Both opening brackets are 0x7b with the bit 0x20 set, and nothing else is but them. Counting them all
    // takes a fraction of the time that parsing does, and is enough for almost every row.
    let opened = row.iter().filter(|&&byte| byte | 0x20 == b'{').count();
    if opened <= limit {
        return false;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = row.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(row, at) else { return false };
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    false
}
