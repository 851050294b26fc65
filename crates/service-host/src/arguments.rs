//! Arguments that several commands take: where Kafka is, where the store is, where to listen.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::Args;
use tiermesh_store::{SaveStore, StoreError};

/// What is wrong with an argument.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// A Kafka property is not `key=value`.
    #[error("--kafka-property {0:?}: expected key=value")]
    KafkaProperty(String),
}

/// Which Kafka, and how to connect.
#[derive(Debug, Clone, Default, Args)]
pub struct KafkaArgs {
    /// Kafka's bootstrap servers: host:port, several separated by commas.
    #[arg(long, env = "TIERMESH_KAFKA", value_name = "BROKERS")]
    pub kafka: Option<String>,
    /// A property for the Kafka client (`security.protocol=sasl_ssl`); may be repeated.
    // Hidden: it may be a password.
    #[arg(
        long = "kafka-property",
        env = "TIERMESH_KAFKA_PROPERTIES",
        value_name = "KEY=VALUE",
        hide_env_values = true
    )]
    pub kafka_property: Vec<String>,
}

impl KafkaArgs {
    /// The properties, in the order given. One argument may hold several, separated by commas.
    ///
    /// # Errors
    /// [`ArgumentError::KafkaProperty`].
    pub fn properties(&self) -> Result<Vec<(String, String)>, ArgumentError> {
        let mut properties: Vec<(String, String)> = Vec::new();
        for argument in &self.kafka_property {
            let first = properties.len();
            for piece in argument.split(',').filter(|piece| !piece.is_empty()) {
                match (piece.split_once('='), properties.get_mut(first..).and_then(<[_]>::last_mut)) {
                    (Some((key, value)), _) if is_key(key) => properties.push((key.to_owned(), value.to_owned())),
                    // Values may hold commas: what is not a property itself belongs to the one before.
                    (_, Some((_, value))) => {
                        value.push(',');
                        value.push_str(piece);
                    }
                    // The value may be a secret.
                    (_, None) => {
                        let key = piece.split('=').next().unwrap_or_default();
                        return Err(ArgumentError::KafkaProperty(key.to_owned()));
                    }
                }
            }
        }
        Ok(properties)
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

/// Where saves and read models are kept.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArgs {
    /// The database: postgres://USER:PASSWORD@HOST/NAME or sqlite://FILE.
    #[arg(long, env = "TIERMESH_STORE", value_name = "URL", hide_env_values = true)]
    pub store: Option<String>,
}

impl StoreArgs {
    /// Opens the store, at `default` if no other was named.
    ///
    /// # Errors
    /// As [`SaveStore::open`].
    pub async fn open(&self, default: &str) -> Result<SaveStore, StoreError> {
        SaveStore::open(self.store.as_deref().unwrap_or(default)).await
    }
}

/// Where a service listens.
#[derive(Debug, Clone, Default, Args)]
pub struct ListenArgs {
    /// Where to listen for HTTP: host:port.
    #[arg(long, env = "TIERMESH_LISTEN", value_name = "HOST:PORT", value_parser = listen_address)]
    pub listen: Option<SocketAddr>,
}

/// The address that a `--listen` names: `127.0.0.1:7171`, `localhost:7171`, `[::1]:7171`.
///
/// # Errors
/// Says what is meant instead.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Err(format!(
            "a host and a port are meant: 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for all"
        ));
    }
    let found = text.to_socket_addrs().map(|mut found| found.next());
    found.ok().flatten().ok_or_else(|| "a host and a port are meant, such as 127.0.0.1:7171".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{KafkaArgs, listen_address};

    #[test]
    fn a_port_alone_is_answered_with_what_is_meant() {
        assert_eq!(listen_address("127.0.0.1:7171").unwrap().port(), 7171);
        assert!(listen_address("localhost:7171").unwrap().ip().is_loopback());
        assert!(listen_address("7171").unwrap_err().contains("127.0.0.1:7171"));
        assert!(listen_address(":80").unwrap_err().contains("0.0.0.0:80"));
        assert!(listen_address("nonsense").unwrap_err().contains("such as"));
    }

    fn properties(arguments: &[&str]) -> Result<Vec<(String, String)>, String> {
        let kafka_property = arguments.iter().map(ToString::to_string).collect();
        KafkaArgs { kafka: None, kafka_property }.properties().map_err(|error| error.to_string())
    }

    #[test]
    fn properties_may_be_repeated_and_separated_by_commas() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(properties(&["a.b=1,c=x=y", "d="]).unwrap(), [pair("a.b", "1"), pair("c", "x=y"), pair("d", "")]);
        assert_eq!(
            properties(&["ssl.cipher.suites=A,B,c=1"]).unwrap(),
            [pair("ssl.cipher.suites", "A,B"), pair("c", "1")]
        );
    }

    #[test]
    fn an_error_does_not_tell_the_value() {
        assert_eq!(properties(&["Password=secret"]).unwrap_err(), "--kafka-property \"Password\": expected key=value");
        assert!(properties(&["a=1", "secret"]).is_err());
    }
}
