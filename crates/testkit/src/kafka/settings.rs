//! The test broker's settings, as a file for the jars and as an environment for the container.

use std::path::Path;

/// Identity of every test cluster.
pub(super) const CLUSTER: &str = "TiermeshTestKafkaIdAAA";

/// What differs from Kafka's defaults wherever it runs.
const COMMON: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "CLIENT"),
    ("listener.security.protocol.map", "CLIENT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    // A typo in a topic's name is an error, not a new topic.
    ("auto.create.topics.enable", "false"),
    // One broker.
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "1"),
    // Tests shall not wait for groups to settle.
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    // A broker that was stopped is taken back only when its old self has timed out, after 9 s by default.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    // A quarter of the heap by default.
    ("log.cleaner.dedupe.buffer.size", "2097152"),
];

/// A listener behind a proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    /// Where the proxy leads.
    pub(super) port: u16,
    /// Where clients are told to connect: at the proxy.
    pub(super) advertised: u16,
}

/// `server.properties` for a broker that clients reach at `port`.
pub(super) fn properties(port: u16, controller: u16, behind: Option<Behind>, data: &Path) -> String {
    let own = own("127.0.0.1", port, controller, behind, &data.display().to_string());
    all(own).map(|(key, value)| format!("{key}={value}\n")).collect()
}

/// The same in the form that the image `apache/kafka` takes, for a broker published at the same `port`.
pub(super) fn environment(port: u16, behind: Option<Behind>) -> String {
    let controller = if port == 9093 { 9094 } else { 9093 };
    let settings = all(own("0.0.0.0", port, controller, behind, "/tmp/kafka-data"));
    let variables = settings.map(|(key, value)| format!("KAFKA_{}={value}\n", key.to_uppercase().replace('.', "_")));
    variables.chain([format!("CLUSTER_ID={CLUSTER}\n"), "KAFKA_HEAP_OPTS=-Xms128m -Xmx512m\n".to_owned()]).collect()
}

fn own(listen: &str, port: u16, controller: u16, behind: Option<Behind>, data: &str) -> [(&'static str, String); 4] {
    let proxied = |port: fn(Behind) -> u16, host: &str| {
        behind.map(|behind| format!(",PROXIED://{host}:{}", port(behind))).unwrap_or_default()
    };
    let listening = proxied(|behind| behind.port, listen);
    let advertised = proxied(|behind| behind.advertised, "127.0.0.1");
    [
        ("listeners", format!("CLIENT://{listen}:{port}{listening},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", format!("CLIENT://127.0.0.1:{port}{advertised}")),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("log.dirs", data.to_owned()),
    ]
}

fn all(own: [(&'static str, String); 4]) -> impl Iterator<Item = (&'static str, String)> {
    COMMON.iter().map(|&(key, value)| (key, value.to_owned())).chain(own)
}
