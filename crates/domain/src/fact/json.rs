//! Reading JSON strictly: a member that stands twice in one object is refused, since of two parsers one would take the
//! first and the other the last.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::Refusal;

/// The value that these bytes are.
///
/// # Errors
/// They aren't JSON, or a member of an object stands there twice: the refusal names it.
pub fn parse_json(json: &[u8]) -> Result<Value, Refusal> {
    let value: Value =
        serde_json::from_slice(json).map_err(|error| Refusal::new("", format!("is not JSON: {error}")))?;
    // The usual case costs a scan; only where the counts differ is it read again.
    if colons(json) != members(&value)
        && let Some(path) = repeated(json)
    {
        return Err(Refusal::new(path, "stands twice in its object; send each field once"));
    }
    Ok(value)
}

/// Colons outside of strings: in valid JSON, one for each member.
fn colons(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b':') => count += 1,
            _ => {}
        }
    }
    count
}

/// Members of all objects in the value.
fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
        Value::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

/// The path of the first member that stands twice.
fn repeated(json: &[u8]) -> Option<String> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // It was read before: it can be read again.
    let _ = Walk { path: String::new(), found: &found }.deserialize(&mut deserializer);
    found.into_inner()
}

/// Walks through a value and notes the first member that stands twice.
struct Walk<'a> {
    path: String,
    found: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            if !names.insert(name) {
                self.found.borrow_mut().get_or_insert(path);
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            map.next_value_seed(Walk { path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut at = 0;
        while items.next_element_seed(Walk { path: format!("{}[{at}]", self.path), found: self.found })?.is_some() {
            at += 1;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        parse_json(json.as_bytes()).unwrap_err().field
    }

    #[test]
    fn a_member_that_stands_twice_is_named() {
        assert_eq!(refused(r#"{"id": "a", "id": "b"}"#), "id");
        assert_eq!(
            refused(r#"{"id": "a", "data": {"lines": [{}, {"sku": "x", "n": 1.50, "sku": "x"}]}}"#),
            "data.lines[1].sku"
        );
        assert_eq!(refused(r#"{"a": {"b": 1}, "a": {"c": null, "c": [true]}}"#), "a");
        // The same name, spelt with an escape.
        assert_eq!(refused(r#"{"amount": 1, "amoun\u0074": 2}"#), "amount");
    }

    #[test]
    fn each_member_once_is_well() {
        let value =
            parse_json(br#"{"a:b": "x:\":{", "c": [{"d": 1.10}, {"d": -2e3}], "e": {"d": {}}, "f": "\\"}"#).unwrap();
        assert_eq!(value["c"][0]["d"].to_string(), "1.10");
        assert_eq!(parse_json(b"[1, \"a:b\", null]").unwrap().to_string(), r#"[1,"a:b",null]"#);
        assert_eq!(parse_json(b"{oops").unwrap_err().field, "");
    }
}
