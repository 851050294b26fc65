//! The binary mode of CloudEvents over HTTP: attributes in `ce-` headers, the data as the body.

use std::borrow::Cow;

use axum::http::HeaderMap;
use tiermesh_domain::fact::{Json, Members, Refusal};

/// The `ce-` headers, names in lower case, values decoded.
pub(super) fn attributes(headers: &HeaderMap) -> Vec<(String, String)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("ce-"));
    ours.map(|(name, value)| (name.as_str().to_owned(), decoded(value.as_bytes()))).collect()
}

/// The event as the structured mode has it.
pub(super) fn structured<'a>(attributes: &'a [(String, String)], body: &'a [u8]) -> Result<Json<'a>, Refusal> {
    let at = |field: &str| if field.is_empty() { "data".to_owned() } else { format!("data.{field}") };
    let data = Json::read(body).map_err(|refusal| Refusal::new(at(&refusal.field), refusal.reason))?;
    let text = |text: &'a String| Cow::Borrowed(text.as_str());
    let mut event: Members<'a> = attributes
        .iter()
        .filter_map(|(name, value)| Some((Cow::Borrowed(name.strip_prefix("ce-")?), Json::Text(text(value)))))
        .collect();
    event.insert(Cow::Borrowed("data"), data);
    Ok(Json::Object(event))
}

/// Header values stand percent-encoded where they are not plain ASCII.
fn decoded(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        let hex = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_decoded() {
        assert_eq!(decoded(b"plain%20text%2"), "plain text%2");
        assert_eq!(decoded("%E5%AE%A2%e6%88%b7".as_bytes()), "客户");
    }
}
