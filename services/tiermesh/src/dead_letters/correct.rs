//! Correcting: fields that are set, or whole events in place of those that came.

use std::path::Path;

use serde_json::{Map, Value};
use tiermesh_domain::fact::parse_json;

use super::letters::Letter;
use crate::cli::CommandError;

/// The corrected event of each letter.
pub(super) fn corrected(letters: &[&Letter], set: &[String], file: Option<&Path>) -> Result<Vec<Value>, CommandError> {
    let changes = set.iter().map(|text| Change::read(text)).collect::<Result<Vec<_>, _>>()?;
    let mut events = match file {
        Some(file) => whole(file, letters.len())?,
        None => letters.iter().map(|letter| as_it_came(letter)).collect::<Result<Vec<_>, _>>()?,
    };
    for event in &mut events {
        changes.iter().try_for_each(|change| change.apply(event))?;
    }
    Ok(events)
}

fn as_it_came(letter: &Letter) -> Result<Value, CommandError> {
    let id = &letter.id;
    letter.event().ok_or_else(|| {
        let what = match letter.is_conflict() {
            true => "another event of its source and id came first",
            false => "its original is no event",
        };
        format!("{id}: {what}; write the event as it should be into a file, and name that with --file").into()
    })
}

fn whole(file: &Path, count: usize) -> Result<Vec<Value>, CommandError> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("--file {name}: {error}"))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let events = lines
        .map(|(number, line)| {
            parse_json(line.as_bytes()).map_err(|refusal| format!("--file {name}:{number}: {refusal}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if events.len() != count {
        let found = events.len();
        return Err(format!("--file {name}: {found} events for {count} ids; it takes one a line for each id").into());
    }
    Ok(events)
}

/// A field that gets another value.
struct Change {
    path: Vec<String>,
    value: Value,
}

impl Change {
    fn read(text: &str) -> Result<Self, CommandError> {
        let wrong = || {
            format!(
                "--set {text:?}: expected PATH=TEXT such as data.amount=12.00, or PATH:=JSON such as data.severity:=3"
            )
        };
        let (path, value) = text.split_once('=').ok_or_else(wrong)?;
        let (path, value) = match path.strip_suffix(':') {
            None => (path, value.into()),
            Some(path) => (path, serde_json::from_str(value).map_err(|error| format!("--set {text:?}: {error}"))?),
        };
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(wrong().into());
        }
        Ok(Self { path, value })
    }

    fn apply(&self, event: &mut Value) -> Result<(), CommandError> {
        let Some((last, way)) = self.path.split_last() else { return Ok(()) };
        let mut at = event;
        for name in way {
            at = match at {
                // `lines[2].amount` is written lines.2.amount.
                Value::Array(items) => {
                    let item = name.parse::<usize>().ok().and_then(|index| items.get_mut(index));
                    item.ok_or_else(|| self.lost(name))?
                }
                Value::Object(fields) => fields.entry(name).or_insert_with(|| Value::Object(Map::new())),
                _ => return Err(self.lost(name)),
            };
        }
        match at {
            Value::Object(fields) => _ = fields.insert(last.clone(), self.value.clone()),
            _ => return Err(self.lost(last)),
        }
        Ok(())
    }

    fn lost(&self, name: &str) -> CommandError {
        format!("--set {}: there is no place for `{name}` in the event", self.path.join(".")).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(event: Value, changes: &[&str]) -> Result<Value, String> {
        let mut event = event;
        for change in changes {
            let change = Change::read(change).map_err(|error| error.to_string())?;
            change.apply(&mut event).map_err(|error| error.to_string())?;
        }
        Ok(event)
    }

    #[test]
    fn fields_are_set_as_text_or_as_json() {
        let event = json!({"id": "1", "data": {"amount": "much", "lines": [{"sku": "a"}, {"sku": "b"}]}});
        let changed =
            set(event, &["id=2", "data.amount=12.00", "data.lines.1.sku=c=d", "data.severity:=3", "new.deep=x"]);
        let data = json!({"amount": "12.00", "lines": [{"sku": "a"}, {"sku": "c=d"}], "severity": 3});
        assert_eq!(changed.unwrap(), json!({"id": "2", "data": data, "new": {"deep": "x"}}));
    }

    #[test]
    fn slips_are_named() {
        for (change, words) in [
            ("amount", "PATH=TEXT"),
            ("=5", "PATH=TEXT"),
            ("data..x=5", "PATH=TEXT"),
            ("data.x:=much", "--set"),
            ("id.x=5", "no place"),
            ("data.lines.7.sku=5", "no place"),
        ] {
            let error = set(json!({"id": "1", "data": {"lines": []}}), &[change]).unwrap_err();
            assert!(error.contains(words), "{change}: {error}");
        }
    }
}
