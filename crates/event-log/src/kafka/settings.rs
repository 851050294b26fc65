//! What librdkafka is told: what may be set, and what the log's promises rest on and may not.

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// How to reach a cluster, and what topics are made with.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Bootstrap servers, `host:port` separated by commas.
    pub brokers: String,
    /// Any properties of librdkafka, for example `security.protocol`. Those that the log's promises rest on are set
    /// after them.
    pub extra: Vec<(String, String)>,
    /// Of topics that are created.
    pub replication_factor: i32,
    /// Of topics that are created, and checked.
    pub min_insync_replicas: u32,
    /// After this long without an answer Kafka is not available.
    pub timeout: Duration,
    /// What this process is called in its groups, each time it is started. One that comes back under its name gets its
    /// partitions back at once, and one that leaves keeps them until its session ends. `None`: it leaves when it stops,
    /// and is a new member when it starts.
    pub instance: Option<String>,
}

impl KafkaSettings {
    /// For development: topics without replicas. Production takes a replication factor of 3 and
    /// `min.insync.replicas` 2.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            extra: Vec::new(),
            replication_factor: 1,
            min_insync_replicas: 1,
            timeout: Duration::from_secs(10),
            instance: None,
        }
    }

    /// What all clients have in common.
    pub(super) fn client(&self) -> ClientConfig {
        self.config(&[], &[])
    }

    /// A consumer. `group` is only a name for one that assigns partitions to itself.
    pub(super) fn consumer(&self, group: &str) -> ClientConfig {
        let mut config = self.config(
            &[
                // By partition, so it must be bounded; and asked again at once when there is room.
                ("queued.min.messages", "10000"),
                ("queued.max.messages.kbytes", "4096"),
                ("fetch.queue.backoff.ms", "5"),
                // A partition that is assigned later waits for the fetch under way.
                ("fetch.wait.max.ms", "100"),
                // A member that was killed keeps its partitions for so long: nobody folds them meanwhile. The least that
                // brokers allow unless told otherwise.
                ("session.timeout.ms", "6000"),
                ("heartbeat.interval.ms", "1500"),
            ],
            &[
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                // An offset that is gone must be heard of, not replaced by another.
                ("auto.offset.reset", "error"),
                ("enable.partition.eof", "false"),
                // A rebalance moves only what must move.
                ("partition.assignment.strategy", "cooperative-sticky"),
                ("group.protocol", "classic"),
            ],
        );
        config.set("group.id", group);
        config
    }

    /// A consumer that takes part in a group, under the process's name if it has one.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(group);
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", format!("{group}-{instance}"));
        }
        config
    }

    /// A producer.
    pub(super) fn producer(&self) -> ClientConfig {
        self.config(
            &[("linger.ms", "2"), ("compression.type", "lz4")],
            &[
                ("enable.idempotence", "true"),
                ("acks", "all"),
                // With a time-out some of what was sent may be left out and what follows it written.
                ("message.timeout.ms", "0"),
                // And after a failure of any other kind nothing that follows may be written either.
                ("enable.gapless.guarantee", "true"),
                // Bounded by the producer itself, which waits where librdkafka refuses.
                ("queue.buffering.max.messages", "0"),
                ("queue.buffering.max.kbytes", "2147483647"),
            ],
        )
    }

    fn config(&self, defaults: &[(&str, &str)], musts: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // Without this it takes the level of a logging library that isn't used here, which is none.
        config.set_log_level(RDKafkaLogLevel::Info);
        config.set("client.id", "tiermesh").set("reconnect.backoff.max.ms", "2000");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.extra {
            config.set(name, value);
        }
        let tls = config.get("security.protocol").is_some_and(|protocol| protocol.to_lowercase().contains("ssl"));
        if tls && config.get("ssl.ca.location").is_none() {
            // An OpenSSL that was built in looks for authorities where the system has none.
            config.set("ssl.ca.location", "probe");
        }
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in musts {
            config.set(*name, *value);
        }
        config
    }
}

impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names only: a password may be among the values.
        let extra: Vec<&str> = self.extra.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaSettings").field("brokers", &self.brokers).field("extra", &extra).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::KafkaSettings;

    #[test]
    fn what_the_promises_rest_on_can_not_be_set() {
        let mut settings = KafkaSettings::new("one:9092");
        settings.extra = [("acks", "0"), ("message.timeout.ms", "5"), ("linger.ms", "9"), ("bootstrap.servers", "two")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let config = settings.producer();
        let found = ["acks", "message.timeout.ms", "linger.ms", "bootstrap.servers"].map(|name| config.get(name));
        assert_eq!(found, [Some("all"), Some("0"), Some("9"), Some("one:9092")]);
    }

    #[test]
    fn authorities_are_probed_for_unless_they_are_named() {
        let mut settings = KafkaSettings::new("one:9092");
        assert_eq!(settings.client().get("ssl.ca.location"), None);
        settings.extra = vec![("security.protocol".to_owned(), "SASL_SSL".to_owned())];
        assert_eq!(settings.client().get("ssl.ca.location"), Some("probe"));
        settings.extra.push(("ssl.ca.location".to_owned(), "/authorities".to_owned()));
        assert_eq!(settings.consumer("group").get("ssl.ca.location"), Some("/authorities"));
    }
}
