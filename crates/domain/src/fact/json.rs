//! JSON as events have it: read in one pass, strictly, texts borrowed from where they stand. A member that stands twice in
//! one object is refused, since of two parsers one would take the first and the other the last.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use super::Refusal;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// With the digits it was written with: amounts are exact.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object, by the names of its members.
    Object(Members<'a>),
}

/// The members of an object.
pub type Members<'a> = BTreeMap<Cow<'a, str>, Json<'a>>;

impl<'a> Json<'a> {
    /// The value that these bytes are.
    ///
    /// # Errors
    /// They aren't JSON, or a member of an object stands there twice: the refusal names it.
    pub fn read(json: &'a [u8]) -> Result<Self, Refusal> {
        let twice = RefCell::new(None);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let reader = Reader { path: Path::Whole, twice: &twice };
        let read = reader.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        let value = read.map_err(|error| Refusal::new("", format!("is not JSON: {error}")))?;
        match twice.into_inner() {
            Some(path) => Err(Refusal::new(path, "stands twice in its object; send each field once")),
            None => Ok(value),
        }
    }

    /// The member of that name, if it is an object that has one.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// As [`Json::read`] does.
///
/// # Errors
/// As [`Json::read`].
pub fn parse_json(json: &[u8]) -> Result<Value, Refusal> {
    Json::read(json).map(|value| Value::from(&value))
}

impl From<&Json<'_>> for Value {
    fn from(json: &Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.clone()),
            Json::Text(text) => Self::String(text.clone().into_owned()),
            Json::Array(items) => items.iter().map(Self::from).collect(),
            Json::Object(members) => {
                members.iter().map(|(name, value)| (name.clone().into_owned(), Self::from(value))).collect()
            }
        }
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::from(self).fmt(f)
    }
}

/// What serde_json calls the one member of the map by which it hands over a number that is no whole one.
const NUMBER: &str = "$serde_json::private::Number";

/// Reads a value, and notes the first member that stands twice.
struct Reader<'p> {
    path: Path<'p>,
    twice: &'p RefCell<Option<String>>,
}

/// Where a value stands.
enum Path<'p> {
    Whole,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Member(Self::Whole, name) => f.write_str(name),
            Self::Member(object, name) => write!(f, "{object}.{name}"),
            Self::Item(array, at) => write!(f, "{array}[{at}]"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut read = Vec::new();
        let item = |at| Reader { path: Path::Item(&self.path, at), twice: self.twice };
        while let Some(value) = items.next_element_seed(item(read.len()))? {
            read.push(value);
        }
        Ok(Json::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Members::new();
        while let Some(name) = map.next_key_seed(Name)? {
            if members.is_empty() && name == NUMBER {
                let number = map.next_value::<String>()?.parse();
                return number.map(Json::Number).map_err(A::Error::custom);
            }
            match members.entry(name) {
                Entry::Vacant(vacant) => {
                    let value = Reader { path: Path::Member(&self.path, vacant.key()), twice: self.twice };
                    let value = map.next_value_seed(value)?;
                    vacant.insert(value);
                }
                Entry::Occupied(first) => {
                    let path = Path::Member(&self.path, first.key());
                    self.twice.borrow_mut().get_or_insert_with(|| path.to_string());
                    // It is refused as what comes first is wrong with it: that may be what follows here.
                    map.next_value_seed(Reader { path, twice: self.twice })?;
                }
            }
        }
        Ok(Json::Object(members))
    }
}

/// Reads the name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(json: &str) -> String {
        Json::read(json.as_bytes()).unwrap_err().field
    }

    #[test]
    fn a_member_that_stands_twice_is_named() {
        assert_eq!(refused(r#"{"id": "a", "id": "b"}"#), "id");
        assert_eq!(
            refused(r#"{"id": "a", "data": {"lines": [{}, {"sku": "x", "n": 1.50, "sku": "x"}]}}"#),
            "data.lines[1].sku"
        );
        assert_eq!(refused(r#"{"a": {"b": 1}, "a": {"c": null, "c": [true]}}"#), "a");
        assert_eq!(refused(r#"[[{"a": {"b": 1, "b": 2}}]]"#), "[0][0].a.b");
        // The same name, spelt with an escape.
        assert_eq!(refused(r#"{"amount": 1, "amoun\u0074": 2}"#), "amount");
        // What is no JSON at all is told as that.
        assert_eq!(refused(r#"{"id": "a", "id": oops}"#), "");
    }

    #[test]
    fn each_member_once_is_well() {
        let value =
            parse_json(br#"{"a:b": "x:\":{", "c": [{"d": 1.10}, {"d": -2e3}], "e": {"d": {}}, "f": "\\"}"#).unwrap();
        assert_eq!(value["c"][0]["d"].to_string(), "1.10");
        assert_eq!(parse_json(b"[1, \"a:b\", null]").unwrap().to_string(), r#"[1,"a:b",null]"#);
    }

    #[test]
    fn what_is_no_json_is_told_as_serde_json_tells_it() {
        let texts: [&[u8]; 9] = [
            b"{oops",
            b"",
            b"[1,]",
            b"{} {}",
            b"{\"a\": 1 \"b\": 2}",
            b"{\"a\": \"\xff\"}",
            b"{1: 2}",
            b"[1.]",
            br#"{"$serde_json::private::Number": "seven"}"#,
        ];
        for json in texts.into_iter().chain(["[".repeat(200).as_bytes()]) {
            let expected = serde_json::from_slice::<Value>(json).unwrap_err();
            assert_eq!(Json::read(json).unwrap_err(), Refusal::new("", format!("is not JSON: {expected}")));
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let number = prop_oneof!["-?(0|[1-9][0-9]{0,30})", "-?(0|[1-9][0-9]{0,9})[.][0-9]{1,30}([eE][+-]?[0-9]{1,3})?"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number.prop_map(|text| text.parse().map(Value::Number).unwrap()),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_it_stands(value in values()) {
            let compact = value.to_string();
            prop_assert_eq!(Json::read(compact.as_bytes()).unwrap().to_string(), compact.clone());
            let spread = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(parse_json(spread.as_bytes()).unwrap(), value);
        }
    }
}
