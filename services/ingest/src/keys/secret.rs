//! The text of a key: `tmk_<id>_<secret>`. The id names it, the secret proves it.

use std::fmt;

use rand::{Rng, distr::Alphanumeric};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tiermesh_store::{ApiKey, SecretHash};

use super::grant::{KeyError, Scope, check};

const PREFIX: &str = "tmk_";
const ID_LENGTH: usize = 10;
/// 43 characters of 62 kinds hold 256 bits.
const SECRET_LENGTH: usize = 43;

/// A key that was just made: its text is known now, and never again.
pub struct NewKey {
    /// What is handed to its holder.
    pub text: String,
    /// What is kept of it.
    pub stored: ApiKey,
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with the name or the patterns.
    pub fn generate(name: &str, sources: Vec<String>, scopes: &[Scope]) -> Result<Self, KeyError> {
        check(name, &sources, scopes)?;
        // Seeded by the operating system, and fit for secrets.
        let mut random = rand::rng();
        let mut letters = |length| -> String { (0..length).map(|_| char::from(random.sample(Alphanumeric))).collect() };
        let (id, secret) = (letters(ID_LENGTH), letters(SECRET_LENGTH));
        let text = format!("{PREFIX}{id}_{secret}");
        let scopes = scopes.iter().map(ToString::to_string).collect();
        Ok(Self { text, stored: ApiKey { id, name: name.to_owned(), hash: hash(&secret), sources, scopes } })
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("stored", &self.stored).finish_non_exhaustive()
    }
}

/// A key that somebody shows. Its secret is gone already.
pub(super) struct Shown {
    pub(super) id: String,
    hash: SecretHash,
}

impl Shown {
    /// Reads what somebody sent; nothing if no key looks so.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let well = id.len() == ID_LENGTH && secret.len() == SECRET_LENGTH;
        well.then(|| Self { id: id.to_owned(), hash: hash(secret) })
    }

    /// Whether its secret is the one that was kept. Takes the same time wherever they differ.
    pub(super) fn proves(&self, kept: &SecretHash) -> bool {
        self.hash.0.ct_eq(&kept.0).into()
    }
}

/// Against somebody who stole the hashes: a secret of 256 random bits can't be guessed however fast one tries, so that
/// a slow hash, which passwords need, would cost every request and gain nothing.
fn hash(secret: &str) -> SecretHash {
    SecretHash(Sha256::digest(secret.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_proves_itself_and_no_other() {
        let new = || NewKey::generate("shop", vec!["shop/*".to_owned()], &[Scope::Events]).unwrap();
        let (key, other) = (new(), new());
        let shown = Shown::read(&key.text).unwrap();
        assert_eq!(shown.id, key.stored.id);
        assert!(shown.proves(&key.stored.hash));
        assert!(!shown.proves(&other.stored.hash));
        assert_eq!(key.text.len(), "tmk_".len() + 10 + 1 + 43);
    }

    #[test]
    fn what_is_kept_or_shown_does_not_tell_the_secret() {
        let key = NewKey::generate("shop", vec!["*".to_owned()], &[Scope::Events]).unwrap();
        let secret = key.text.rsplit('_').next().unwrap();
        assert!(!format!("{key:?}").contains(secret));
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in ["", "tmk_", "tmk_abc", "tmk_abc_def", "sk_0123456789_0123456789012345678901234567890123456789012"]
        {
            assert!(Shown::read(text).is_none(), "{text}");
        }
    }
}
