//! PostgreSQL for tests: a throw-away cluster, loopback only.

mod binaries;
mod database;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::container;
use crate::guardian::{Guardian, Recipe};
use crate::ports::free_port;
use crate::programs;

/// The URL of a new, empty database in the PostgreSQL that all tests of this process share.
///
/// In a server of `TIERMESH_TEST_POSTGRES` the databases stay; their names begin with `tiermesh_test_`.
///
/// # Panics
/// If there is no PostgreSQL to be had; the text says what was tried.
#[must_use]
pub fn postgres() -> String {
    static SHARED: OnceLock<Result<(String, Option<PostgresServer>), String>> = OnceLock::new();
    let find = || match std::env::var("TIERMESH_TEST_POSTGRES") {
        Ok(url) => Ok((url, None)),
        Err(_) => PostgresServer::try_start().map(|server| (server.url.clone(), Some(server))),
    };
    match SHARED.get_or_init(find) {
        Ok((url, _)) => database::create(url),
        Err(reasons) => panic!("{reasons}"),
    }
}

/// A PostgreSQL of a test's own. Dropped, it is gone with its data.
pub struct PostgresServer {
    url: String,
    port: u16,
    guardian: Guardian,
}

impl PostgresServer {
    /// Starts an empty one.
    ///
    /// # Panics
    /// If there is none to be had; the text says what was tried.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|reasons| panic!("{reasons}"))
    }

    /// Starts an empty one that keeps its data in a new directory below `place`: this machine's, since a container
    /// couldn't have it there.
    ///
    /// # Panics
    /// If there is none to be had; the text says what was tried.
    #[must_use]
    pub fn start_at(place: &Path) -> Self {
        let data = place.join("postgres");
        Self::from_binaries(Some(&data)).unwrap_or_else(|reason| panic!("no PostgreSQL for the tests: {reason}"))
    }

    /// Its port on the loopback address.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it takes queries.
    #[must_use]
    pub fn answers(&self) -> bool {
        database::answers(&self.url).is_ok()
    }

    /// The URL of a new, empty database in it.
    ///
    /// # Panics
    /// If it is stopped.
    #[must_use]
    pub fn database(&self) -> String {
        database::create(&self.url)
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
        self.guardian.restart().unwrap_or_else(|reason| panic!("PostgreSQL did not come back: {reason}"));
    }

    fn try_start() -> Result<Self, String> {
        let in_container = Self::in_container();
        in_container.or_else(|container| {
            Self::from_binaries(None).map_err(|binaries| {
                format!(
                    "no PostgreSQL for the tests.\n- environment: TIERMESH_TEST_POSTGRES (a URL with the right to create \
                     databases) is not used here or not set\n- container: {container}\n- binaries of this machine: \
                     {binaries}\nAny one of these is enough."
                )
            })
        })
    }

    fn in_container() -> Result<Self, String> {
        let engine = container::engine().ok_or("neither docker nor podman works here")?;
        let port = free_port();
        let (home, password) = home()?;
        const CREATE: &str = r#"exec "$ENGINE" create --name "$NAME" --publish "127.0.0.1:$PORT:5432" --env POSTGRES_USER=tiermesh --env POSTGRES_DB=postgres --env "POSTGRES_PASSWORD=$(cat "$DIR/password")" docker.io/library/postgres:17 -c max_connections=300"#;
        let env = vec![("PORT", port.to_string().into())];
        Self::run(home, container::recipe(engine, CREATE, env), port, &password)
    }

    fn from_binaries(data: Option<&Path>) -> Result<Self, String> {
        let bin = binaries::ready()?;
        let port = free_port();
        let (home, password) = home()?;
        // Somebody else's place may be small: by default the log of changes alone may take a GiB.
        let options = if data.is_some() { "-c max_wal_size=96MB" } else { "" };
        let data = data.map_or_else(|| home.path().join("data"), Path::to_owned);
        let user = if programs::is_root() {
            let user = programs::user(&["postgres", "nobody"]);
            Some(user.ok_or("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")?)
        } else {
            None
        };
        let recipe = Recipe {
            // Only the empty cluster is not synced; the server does what one in production does.
            prepare: r#"exec "$BIN/initdb" -D "$DATA" --no-sync --username=tiermesh --pwfile="$DIR/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C"#,
            serve: r#"exec "$BIN/postgres" -D "$DATA" -p "$PORT" -h 127.0.0.1 -k "$DIR" -c max_connections=300 $OPTIONS"#,
            // Immediate shutdown: what a crash leaves, but no processes and no shared memory.
            stop: r#"kill -QUIT "$1""#,
            clean: "",
            env: vec![
                ("BIN", bin.into()),
                ("DATA", data.into()),
                ("PORT", port.to_string().into()),
                ("OPTIONS", options.into()),
            ],
            user,
        };
        Self::run(home, recipe, port, &password)
    }

    fn run(home: tempfile::TempDir, recipe: Recipe, port: u16, password: &str) -> Result<Self, String> {
        let url = format!("postgres://tiermesh:{password}@127.0.0.1:{port}/postgres");
        let probed = url.clone();
        let guardian = Guardian::start(home, recipe, Box::new(move || database::answers(&probed)))?;
        Ok(Self { url, port, guardian })
    }
}

/// A directory for a server, with its password in a file.
fn home() -> Result<(tempfile::TempDir, String), String> {
    let home = tempfile::Builder::new().prefix("tiermesh-postgres-").tempdir();
    let home = home.map_err(|error| format!("no temporary directory: {error}"))?;
    let password = format!("{:032x}", rand::random::<u128>());
    write_secret(&home.path().join("password"), &password)
        .map_err(|error| format!("can't write to {}: {error}", home.path().display()))?;
    Ok((home, password))
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
