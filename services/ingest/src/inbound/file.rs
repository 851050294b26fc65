//! The file that says which topics are read. Strict: what it doesn't know, it refuses, with line and column.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tiermesh_event_log::{
    kafka::{
        KafkaSettings,
        inbound::{InboundSettings, InboundStart},
    },
    topics,
};
use toml::Spanned;

use super::reading::{Mode, TopicRules};

/// The group unless another is named.
const GROUP: &str = "tiermesh-inbound";

/// What is read: consumers, each with its topics' rules.
#[derive(Debug, Clone, Default)]
pub struct Inbound {
    pub(super) consumers: Vec<Consumer>,
}

/// Topics of one cluster that are read as one group from the same start.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) settings: InboundSettings,
    pub(super) rules: BTreeMap<String, TopicRules>,
}

/// What is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InboundError {
    file: PathBuf,
    /// Line and column, from 1, where it has one.
    place: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for InboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--inbound {}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    topics: Vec<Topic>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    name: Spanned<String>,
    group: Option<Spanned<String>>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    sources: Vec<Spanned<String>>,
    #[serde(default)]
    start: Start,
    kafka: Option<Cluster>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Start {
    #[default]
    Earliest,
    Latest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    brokers: Spanned<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

/// What is wrong, and where in the text.
type Fault = (Option<Range<usize>>, String);

impl Inbound {
    /// Reads the file. Topics that name no cluster of their own are on `mesh`, the one that the mesh runs on.
    ///
    /// # Errors
    /// The file can't be read, or says what can't be done.
    pub fn read(path: &Path, mesh: Option<&KafkaSettings>) -> Result<Self, InboundError> {
        let failed = |place, message| InboundError { file: path.to_owned(), place, message };
        let text = std::fs::read_to_string(path).map_err(|error| failed(None, error.to_string()))?;
        Self::parse(&text, mesh)
            .map_err(|(span, message)| failed(span.map(|span| place_of(&text, span.start)), message))
    }

    fn parse(text: &str, mesh: Option<&KafkaSettings>) -> Result<Self, Fault> {
        let file: File = toml::from_str(text).map_err(|error| (error.span(), error.message().to_owned()))?;
        let mut inbound = Self::default();
        for topic in &file.topics {
            inbound.add(topic, mesh)?;
        }
        if inbound.consumers.is_empty() {
            return Err((None, "no topics: each begins with [[topics]] and has at least a `name`".to_owned()));
        }
        Ok(inbound)
    }

    fn add(&mut self, topic: &Topic, mesh: Option<&KafkaSettings>) -> Result<(), Fault> {
        let name = checked("name", &topic.name)?;
        let fault = |message: String| (Some(topic.name.span()), message);
        if topics::is_ours(name) {
            return Err(fault(format!(
                "name: `{name}` is a topic of the mesh itself; events come from a topic of another name"
            )));
        }
        let group = topic.group.as_ref().map_or(Ok(GROUP), |group| checked("group", group))?;
        for source in &topic.sources {
            let text = source.get_ref();
            let beginning = text.strip_suffix('*').unwrap_or(text);
            if text.is_empty() || beginning.contains('*') {
                let message = "sources: expected sources such as \"erp/retail\", or their beginning and a star at the \
                               end, such as \"shop/*\"";
                return Err((Some(source.span()), message.to_owned()));
            }
        }
        let kafka = match (&topic.kafka, mesh) {
            (Some(cluster), _) => {
                let mut kafka = KafkaSettings::new(checked("kafka.brokers", &cluster.brokers)?);
                kafka.extra = cluster.properties.clone().into_iter().collect();
                kafka
            }
            (None, Some(mesh)) => mesh.clone(),
            (None, None) => {
                let message = format!(
                    "kafka: is missing: this mesh has no Kafka of its own; say where `{name}` is, as kafka = {{ brokers \
                     = \"localhost:9092\" }}"
                );
                return Err(fault(message));
            }
        };
        let start = match topic.start {
            Start::Earliest => InboundStart::Earliest,
            Start::Latest => InboundStart::Latest,
        };
        let sources = topic.sources.iter().map(|source| source.get_ref().clone()).collect();
        let rules = TopicRules { mode: topic.mode, sources };
        let same_cluster =
            |settings: &InboundSettings| settings.kafka.brokers == kafka.brokers && settings.kafka.extra == kafka.extra;
        if self.consumers.iter().any(|one| same_cluster(&one.settings) && one.rules.contains_key(name)) {
            return Err(fault(format!("name: `{name}` stands there twice; name each topic of a cluster once")));
        }
        let shared = self
            .consumers
            .iter_mut()
            .find(|one| same_cluster(&one.settings) && one.settings.group == group && one.settings.start == start);
        match shared {
            Some(consumer) => {
                consumer.settings.topics.push(name.to_owned());
                consumer.rules.insert(name.to_owned(), rules);
            }
            None => self.consumers.push(Consumer {
                settings: InboundSettings { kafka, group: group.to_owned(), topics: vec![name.to_owned()], start },
                rules: BTreeMap::from([(name.to_owned(), rules)]),
            }),
        }
        Ok(())
    }
}

/// A name that Kafka takes.
fn checked<'a>(field: &str, text: &'a Spanned<String>) -> Result<&'a str, Fault> {
    let value = text.get_ref().as_str();
    let fault = |message: String| Err((Some(text.span()), message));
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match field {
        _ if value.trim().is_empty() => fault(format!("{field}: is empty")),
        "name" if !is_plain || value.len() > 249 => fault(format!(
            "name: {value:?} is not the name of a topic: letters, digits, `.`, `_`, `-`, at most 249 of them; patterns \
             aren't taken"
        )),
        _ => Ok(value),
    }
}

/// Line and column, from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mesh: bool) -> Result<Inbound, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inbound.toml");
        std::fs::write(&path, text).unwrap();
        let mesh = mesh.then(|| KafkaSettings::new("mesh:9092"));
        let read = Inbound::read(&path, mesh.as_ref());
        read.map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn topics_of_one_cluster_and_group_share_a_consumer() {
        let inbound = read(
            "[[topics]]\nname = \"erp.orders\"\n\n\
             [[topics]]\nname = \"shop\"\nmode = \"binary\"\nsources = [\"shop/*\"]\n\n\
             [[topics]]\nname = \"late\"\nstart = \"latest\"\n\n\
             [[topics]]\nname = \"shop\"\ngroup = \"g\"\n\
             kafka = { brokers = \"other:9092\", properties = { \"security.protocol\" = \"ssl\" } }\n",
            true,
        );
        let consumers = inbound.unwrap().consumers;
        let read: Vec<(&str, &str, &[String], InboundStart)> = consumers
            .iter()
            .map(|one| &one.settings)
            .map(|one| (one.kafka.brokers.as_str(), one.group.as_str(), &one.topics[..], one.start))
            .collect();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            read,
            [
                ("mesh:9092", GROUP, &names(&["erp.orders", "shop"])[..], InboundStart::Earliest),
                ("mesh:9092", GROUP, &names(&["late"])[..], InboundStart::Latest),
                ("other:9092", "g", &names(&["shop"])[..], InboundStart::Earliest),
            ]
        );
        assert_eq!(consumers[0].rules["shop"], TopicRules { mode: Mode::Binary, sources: names(&["shop/*"]) });
        assert_eq!(consumers[2].settings.kafka.extra, [("security.protocol".to_owned(), "ssl".to_owned())]);
    }

    #[test]
    fn slips_are_named_with_their_place() {
        for (text, place, words) in [
            ("[[topics]]\nnmae = \"a\"\n", "line 2, column 1", "nmae"),
            ("[[topics]]\nname = \"a\"\nmode = \"avro\"\n", "line 3, column 8", "structured"),
            ("[[topics]]\nname = \"a\"\nstart = \"now\"\n", "line 3, column 9", "latest"),
            ("[[topics]]\nname = \"customer.events\"\n", "line 2, column 8", "topic of the mesh itself"),
            ("[[topics]]\nname = \"tiermesh.log-ids\"\n", "line 2, column 8", "topic of the mesh itself"),
            ("[[topics]]\nname = \"^erp.*\"\n", "line 2, column 8", "patterns"),
            ("[[topics]]\nname = \"\"\n", "line 2, column 8", "empty"),
            ("[[topics]]\nname = \"a\"\nsources = [\"a*b\"]\n", "line 3, column 12", "shop/*"),
            ("[[topics]]\nname = \"a\"\n[[topics]]\nname = \"a\"\n", "line 4, column 8", "twice"),
            ("[[topics]]\ngroup = \"g\"\n", "line 1, column 1", "name"),
            ("topics = []\n", "FILE:", "[[topics]]"),
            ("[[topics]\n", "line 1", "]"),
        ] {
            let error = read(text, true).unwrap_err();
            assert!(error.starts_with("--inbound FILE") && error.contains(place) && error.contains(words), "{error}");
        }
        let error = read("[[topics]]\nname = \"a\"\n", false).unwrap_err();
        assert!(error.contains("no Kafka of its own") && error.contains("brokers"), "{error}");
        assert!(Inbound::read(Path::new("/nowhere/inbound.toml"), None).unwrap_err().to_string().contains("/nowhere"));
    }
}
