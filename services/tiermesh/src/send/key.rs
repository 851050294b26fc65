//! The API key that ingest is shown. It is a secret: nothing prints it.

use std::{fmt, str::FromStr};

use reqwest::RequestBuilder;

/// Which key to show.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct KeyArgs {
    /// The API key to show, as `tiermesh keys create` printed it. Better in TIERMESH_KEY: other users of this machine
    /// can read command lines.
    #[arg(long, env = "TIERMESH_KEY", value_name = "KEY", hide_env_values = true)]
    key: Option<Key>,
}

/// A key.
#[derive(Clone)]
struct Key(String);

impl KeyArgs {
    /// This key.
    pub(crate) fn of(key: String) -> Self {
        Self { key: Some(Key(key)) }
    }

    /// Shows the key, if there is one, with a request.
    pub(crate) fn show(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(Key(key)) => request.bearer_auth(key),
            None => request,
        }
    }
}

impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let well = text.starts_with("tmk_") && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if well {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected a key such as tmk_…_…, as `keys create` printed it")
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tmk_…")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        key: KeyArgs,
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let command = Command::try_parse_from(["send", "--key", "tmk_0123456789_secret"]).unwrap();
        assert!(!format!("{command:?}").contains("secret"));
        assert!(Command::try_parse_from(["send", "--key", "Bearer x"]).is_err());
    }
}
