//! Apache Kafka for tests: one broker, loopback only.

mod jars;
mod settings;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use self::settings::Behind;
use crate::container;
use crate::guardian::{Guardian, Recipe};
use crate::ports::free_port;
use crate::proxy::Proxy;

/// Bootstrap servers of the Kafka that all tests of this process share. Topics must have names of their own.
///
/// # Panics
/// If there is no Kafka to be had; the text says what was tried.
#[must_use]
pub fn kafka() -> &'static str {
    static SHARED: OnceLock<Result<(String, Option<KafkaServer>), String>> = OnceLock::new();
    let find = || match std::env::var("TIERMESH_TEST_KAFKA") {
        Ok(servers) => Ok((servers, None)),
        Err(_) => KafkaServer::try_start().map(|server| (server.bootstrap().to_owned(), Some(server))),
    };
    match SHARED.get_or_init(find) {
        Ok((servers, _)) => servers,
        Err(reasons) => panic!("{reasons}"),
    }
}

/// A Kafka of a test's own. Dropped, it is gone with its data.
pub struct KafkaServer {
    bootstrap: String,
    guardian: Guardian,
}

impl KafkaServer {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If there is none to be had; the text says what was tried.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|reasons| panic!("{reasons}"))
    }

    /// Starts an empty one with a second listener, which clients reach by the proxy alone: whoever connects there is
    /// told the proxy's port as the broker's.
    ///
    /// # Panics
    /// If there is none to be had; the text says what was tried.
    #[must_use]
    pub fn start_behind_proxy() -> (Self, Proxy) {
        let port = free_port();
        let proxy = Proxy::to(port);
        let behind = Behind { port, advertised: proxy.port() };
        let server = Self::try_start_with(Some(behind)).unwrap_or_else(|reasons| panic!("{reasons}"));
        (server, proxy)
    }

    /// Its bootstrap servers.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Ends it as a crash would.
    pub fn stop(&self) {
        self.guardian.stop();
    }

    /// Starts it again on the same port and data, after a [`stop`](Self::stop) or instead of one.
    ///
    /// # Panics
    /// If it doesn't come back.
    pub fn restart(&self) {
        self.guardian.restart().unwrap_or_else(|reason| panic!("Kafka did not come back: {reason}"));
    }

    fn try_start() -> Result<Self, String> {
        Self::try_start_with(None)
    }

    fn try_start_with(behind: Option<Behind>) -> Result<Self, String> {
        let in_container = Self::in_container(behind);
        in_container.or_else(|container| {
            Self::from_jars(behind).map_err(|jars| {
                format!(
                    "no Kafka for the tests.\n- environment: TIERMESH_TEST_KAFKA (bootstrap servers) is not used here or \
                     not set\n- container: {container}\n- JDK and Maven: {jars}\nAny one of these is enough."
                )
            })
        })
    }

    fn in_container(behind: Option<Behind>) -> Result<Self, String> {
        let engine = container::engine().ok_or("neither docker nor podman works here")?;
        let (port, home) = (free_port(), home()?);
        let environment = settings::environment(port, behind);
        std::fs::write(home.path().join("environment"), environment).map_err(|error| error.to_string())?;
        const CREATE: &str = r#"exec "$ENGINE" create --name "$NAME" --publish "127.0.0.1:$PORT:$PORT" --publish "127.0.0.1:$BEHIND:$BEHIND" --env-file "$DIR/environment" "$IMAGE""#;
        let image = format!("docker.io/apache/kafka:{}", jars::version());
        let behind = behind.map_or_else(free_port, |behind| behind.port);
        let env =
            vec![("PORT", port.to_string().into()), ("BEHIND", behind.to_string().into()), ("IMAGE", image.into())];
        Self::run(home, container::recipe(engine, CREATE, env), port)
    }

    fn from_jars(behind: Option<Behind>) -> Result<Self, String> {
        let (java, jars) = jars::ready()?;
        let (port, home) = (free_port(), home()?);
        let properties = settings::properties(port, free_port(), behind, &home.path().join("data"));
        std::fs::write(home.path().join("server.properties"), properties).map_err(|error| error.to_string())?;
        let recipe = Recipe {
            prepare: r#"exec "$JAVA" $OPTIONS "-Djava.io.tmpdir=$DIR" -cp "$JARS/*" kafka.tools.StorageTool format -t "$CLUSTER" -c "$DIR/server.properties""#,
            serve: r#"exec "$JAVA" $OPTIONS "-Djava.io.tmpdir=$DIR" -cp "$JARS/*" kafka.Kafka "$DIR/server.properties""#,
            stop: r#"kill -KILL "$1""#,
            clean: "",
            env: vec![
                ("JAVA", java.into()),
                ("JARS", jars.into()),
                ("CLUSTER", settings::CLUSTER.into()),
                ("OPTIONS", "-Xms128m -Xmx512m -XX:+UseSerialGC -Dorg.slf4j.simpleLogger.defaultLogLevel=error".into()),
            ],
            user: None,
        };
        Self::run(home, recipe, port)
    }

    fn run(home: tempfile::TempDir, recipe: Recipe, port: u16) -> Result<Self, String> {
        let ready = move || answers(port).map_err(|error| error.to_string());
        let guardian = Guardian::start(home, recipe, Box::new(ready))?;
        Ok(Self { bootstrap: format!("127.0.0.1:{port}"), guardian })
    }
}

fn home() -> Result<tempfile::TempDir, String> {
    let home = tempfile::Builder::new().prefix("tiermesh-kafka-").tempdir();
    home.map_err(|error| format!("no temporary directory: {error}"))
}

/// Asks for the broker's API versions: a port that accepts is not yet a broker that answers, least of all where a
/// container engine's proxy listens.
fn answers(port: u16) -> std::io::Result<()> {
    let mut broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    broker.set_read_timeout(Some(Duration::from_secs(2)))?;
    // Length; ApiVersions (18), version 0; correlation id 1; no client id.
    broker.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
    // Length; correlation id; error code.
    let mut answer = [0; 10];
    broker.read_exact(&mut answer)?;
    if answer[4..] == [0, 0, 0, 1, 0, 0] { Ok(()) } else { Err(std::io::Error::other("not the answer of a broker")) }
}
