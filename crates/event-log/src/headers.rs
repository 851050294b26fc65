//! Headers, packed into one piece of memory: most records are read by folds, which look at none of them.

use bytes::{BufMut, Bytes};

/// The headers of a record, in the order they are written: CloudEvents attributes (`ce_…`), `content-type`,
/// `traceparent`. Names are lower case, values UTF-8; a name may come twice. A clone shares the memory.
///
/// Each header is its name and its value, each preceded by its length in four bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(Bytes);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// The value of the first header of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut left = &self.0[..];
        std::iter::from_fn(move || Some((take(&mut left)?, take(&mut left)?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much memory they take, in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Adds one behind the others. It copies them: to make many, collect them.
    pub fn push(&mut self, name: &str, value: &str) {
        let mut packed = Vec::with_capacity(self.0.len() + room(name, value));
        packed.extend_from_slice(&self.0);
        put(&mut packed, name, value);
        self.0 = packed.into();
    }

    /// Headers that [`put`] packed, one behind the other.
    pub(crate) const fn packed(packed: Bytes) -> Self {
        Self(packed)
    }
}

/// Room for the headers of a record of ours.
pub(crate) const USUAL: usize = 320;

/// What a header takes when packed.
pub(crate) fn room(name: &str, value: &str) -> usize {
    2 * size_of::<u32>() + name.len() + value.len()
}

/// Packs a header behind what is there.
pub(crate) fn put(packed: &mut Vec<u8>, name: &str, value: &str) {
    for text in [name, value] {
        // What doesn't fit into 32 bits doesn't fit into a record of any log.
        packed.put_u32_le(text.len() as u32);
        packed.put_slice(text.as_bytes());
    }
}

fn take<'a>(left: &mut &'a [u8]) -> Option<&'a str> {
    let (length, rest) = left.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *left = rest;
    std::str::from_utf8(text).ok()
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut packed = Vec::with_capacity(USUAL);
        headers.into_iter().for_each(|(name, value)| put(&mut packed, name.as_ref(), value.as_ref()));
        Self(packed.into())
    }
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test's error report is its panic")]
mod tests {
    use super::Headers;

    #[test]
    fn headers_come_back_in_their_order() {
        let pairs = [("ce_id", "1"), ("ce_type", "größer"), ("empty", ""), ("ce_id", "2")];
        let mut headers: Headers = pairs.into_iter().collect();
        assert!(headers.iter().eq(pairs));
        assert_eq!((headers.get("ce_id"), headers.get("ce_type")), (Some("1"), Some("größer")));
        assert_eq!((headers.get("empty"), headers.get("ce_source")), (Some(""), None));
        let before = headers.clone();
        headers.push("traceparent", "00");
        assert_eq!((headers.len(), headers.get("traceparent")), (5, Some("00")));
        assert!(before.iter().eq(pairs), "a clone is not touched");
    }

    #[test]
    fn none_are_none() {
        let headers = Headers::new();
        assert!(headers.is_empty() && headers.get("").is_none());
        assert_eq!(headers, Vec::<(String, String)>::new().into_iter().collect());
    }
}
