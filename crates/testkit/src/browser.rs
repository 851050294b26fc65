//! A browser for tests: Chromium without a window, driven by its WebDriver, loopback only.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;

use crate::guardian::{Guardian, Recipe};
use crate::ports::free_port;
use crate::programs;

/// A browser that waits for sessions. Dropped, it is gone with its profile.
pub struct Browser {
    port: u16,
    chromium: PathBuf,
    profile: PathBuf,
    _guardian: Guardian,
}

/// Starts a browser of a test's own; it is the machine's Chromium, which is installed where that is ours to do.
///
/// # Panics
/// If there is none to be had; the text says what to install.
#[must_use]
pub fn browser() -> Browser {
    start().unwrap_or_else(|reason| panic!("no browser for the tests: {reason}"))
}

impl Browser {
    /// Where its WebDriver listens.
    #[must_use]
    pub fn webdriver(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The program that a session has to run.
    #[must_use]
    pub fn program(&self) -> String {
        self.chromium.display().to_string()
    }

    /// How a session has to run it: without a window, with a profile that is new, and without calling anybody.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let fixed = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage \
            --disable-background-networking --disable-component-update --disable-sync --disable-extensions --disable-breakpad --disable-crash-reporter \
            --force-color-profile=srgb --hide-scrollbars";
        let profile = format!("--user-data-dir={}", self.profile.display());
        fixed.split_whitespace().map(str::to_owned).chain([profile]).collect()
    }
}

fn start() -> Result<Browser, String> {
    let found = || Some((programs::find("chromium", [])?, programs::find("chromedriver", [])?));
    let missing = || {
        programs::install(&["chromium", "chromium-driver", "fonts-noto-cjk"], found)
            .map_err(|reason| format!("no `chromium` and `chromedriver` in PATH: {reason}"))
    };
    let (chromium, driver) = found().map_or_else(missing, Ok)?;
    let port = free_port();
    let home = tempfile::Builder::new().prefix("tiermesh-browser-").tempdir();
    let home = home.map_err(|error| format!("no temporary directory: {error}"))?;
    let profile = home.path().join("profile");
    let recipe = Recipe {
        prepare: "true",
        // A session of its own, so that the browsers it starts can end with it.
        serve: r#"exec setsid "$DRIVER" --port="$PORT" --allowed-ips=127.0.0.1"#,
        // All of the session, and not asked: the shell above has them ignore the gentler ones.
        stop: r#"kill -KILL "-$1""#,
        clean: "",
        env: vec![("DRIVER", driver.into()), ("PORT", port.to_string().into())],
        user: None,
    };
    let listens = move || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| format!("127.0.0.1:{port}: {error}"))
    };
    let guardian = Guardian::start(home, recipe, Box::new(listens))?;
    Ok(Browser { port, chromium, profile, _guardian: guardian })
}
