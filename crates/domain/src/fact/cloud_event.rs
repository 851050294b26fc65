//! CloudEvents 1.0 in JSON to facts.

use tiermesh_proto::v1::{Fact, Personal};

use super::{
    fields::{Fields, Path, Refusal, instant},
    json::Json,
    types,
};

/// A fact, and what in its event nothing reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The fact.
    pub fact: Fact,
    /// Fields of `data` that no such type has, as paths: most often a slip of the pen, worth telling the sender.
    pub ignored: Vec<String>,
}

/// Reads one event in the structured JSON format.
///
/// # Errors
/// [`Refusal`] names the field and says what is wrong with it.
pub fn parse_cloud_event(json: &[u8]) -> Result<Parsed, Refusal> {
    read_cloud_event(&Json::read(json)?)
}

/// The same, from JSON that was read already.
///
/// # Errors
/// As [`parse_cloud_event`].
pub fn read_cloud_event(event: &Json<'_>) -> Result<Parsed, Refusal> {
    let mut event = Fields::of(Path::WHOLE, event).map_err(|_| Refusal::new("", "an event must be a JSON object"))?;
    match event.get("specversion") {
        Some(Json::Text(version)) if version == "1.0" => {}
        None => return event.refuse("specversion", "is missing; it must be \"1.0\""),
        Some(other) => return event.refuse("specversion", format!("{other} is not \"1.0\"")),
    }
    let kind = event.name("type")?;
    let (source, id) = (event.name("source")?, event.name("id")?);
    let subject = event.name("subject")?;
    if looks_personal(&subject) {
        return event.refuse(
            "subject",
            "must be a pseudonym, not a mail address or a phone number: it stands in the log for ever",
        );
    }
    let time = event.name("time")?;
    let Some(time_ms) = instant(&time) else {
        return event.refuse("time", format!("{time:?} is not an instant such as \"2010-12-01T08:26:00Z\""));
    };
    if event.get("data_base64").is_some() {
        return event.refuse("data_base64", "is not taken; send `data` as a JSON object");
    }
    let Some(data) = event.get("data") else { return event.refuse("data", "is missing") };
    let mut fields = Fields::of(Path::DATA, data)?;
    let mut personal = Vec::new();
    let data = types::read(&kind, &mut fields, &mut personal)?;
    let personal = (!personal.is_empty()).then_some(Personal { fields: personal });
    let ignored = if kind.starts_with(types::CUSTOM_PREFIX) { Vec::new() } else { fields.ignored() };
    let fact = Fact { source, id, subject, time_ms, personal, sealed_personal: Vec::new(), data: Some(data) };
    Ok(Parsed { fact, ignored })
}

fn looks_personal(subject: &str) -> bool {
    let mail = subject.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    let digits = subject.bytes().filter(u8::is_ascii_digit).count();
    let phone = subject.starts_with('+') && digits >= 7;
    mail || phone
}
