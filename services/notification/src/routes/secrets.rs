//! Secrets of webhooks: from where a route says they are, checked for their form, never shown.

use standardwebhooks::Webhook;

const PREFIX: &str = "whsec_";
/// How long Standard Webhooks wants a secret to be.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Gives the value of an environment variable.
type Variable = dyn Fn(&str) -> Option<String>;

/// Where secrets come from.
pub(super) struct Surroundings {
    variable: Box<Variable>,
}

impl Surroundings {
    /// The environment of this process.
    pub(super) fn of_process() -> Self {
        Self { variable: Box::new(|name| std::env::var(name).ok()) }
    }

    /// An environment without variables.
    pub(super) fn none() -> Self {
        Self { variable: Box::new(|_| None) }
    }

    #[cfg(test)]
    pub(super) fn with(variables: &'static [(&str, &str)]) -> Self {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Self { variable: Box::new(find) }
    }

    pub(super) fn variable(&self, name: &str) -> Result<String, String> {
        (self.variable)(name)
            .ok_or_else(|| format!("the environment variable {name} is not set: it should hold the secret"))
    }

    pub(super) fn file(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| format!("the secret can't be read from {path}: {error}"))
    }
}

/// What signs with each of the secrets, which white space separates: while a receiver changes from one to another,
/// both sign.
pub(super) fn signers(secrets: &str) -> Result<Vec<Webhook>, String> {
    let signers: Result<Vec<Webhook>, String> = secrets.split_whitespace().map(signer).collect();
    let signers = signers?;
    if signers.is_empty() { Err(format!("the secret is empty: {REMEDY}")) } else { Ok(signers) }
}

const REMEDY: &str = "a secret is whsec_ and the base64 of 24 to 64 random bytes; make one with \
    echo \"whsec_$(openssl rand -base64 32)\"";

fn signer(secret: &str) -> Result<Webhook, String> {
    let encoded =
        secret.strip_prefix(PREFIX).ok_or_else(|| format!("the secret doesn't begin with {PREFIX}: {REMEDY}"))?;
    let bytes = encoded.trim_end_matches('=').len() * 3 / 4;
    if !BYTES.contains(&bytes) {
        return Err(format!("the secret is too short or too long: {REMEDY}"));
    }
    Webhook::new(secret).map_err(|_| format!("the secret is not base64: {REMEDY}"))
}
