//! Access to the header fields of a request.

use httparse::Header;
use hyper::header::HeaderMap;

/// Header fields in any representation. Names are compared without regard to case.
pub(crate) trait HeaderFields {
    /// Returns every field line. Lines of one name keep their order.
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// Returns the values of the fields with one name.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let has_name = move |(other, _): &(&str, &[u8])| other.eq_ignore_ascii_case(name);
        self.lines().filter(has_name).map(|(_, value)| value)
    }
}

impl HeaderFields for HeaderMap {
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }
}

/// The fields as `httparse` returns them, borrowed from the bytes of the request.
impl HeaderFields for [Header<'_>] {
    fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().map(|line| (line.name, line.value))
    }
}

/// Returns the elements of a list header's line. A line that is not visible ASCII has none.
pub(super) fn list_elements(line: &[u8]) -> impl Iterator<Item = &str> {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let line = line.iter().all(is_text).then(|| std::str::from_utf8(line).ok()).flatten().unwrap_or_default();
    line.split(',').map(str::trim).filter(|element| !element.is_empty())
}
