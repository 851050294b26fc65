//! What a batch of records comes to: the rows of the read model. `bytes` is always the record's protobuf message.

/// All that a batch of one partition adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Facts, in the order of the log.
    pub facts: Vec<FactRow>,
    /// Tier changes, in the order of the log.
    pub changes: Vec<ChangeRow>,
    /// What became of loss signals, in the order of the log.
    pub signals: Vec<SignalRow>,
    /// What became of deliveries, in the order of the log.
    pub deliveries: Vec<DeliveryRow>,
    /// Dead letters, in the order of the log.
    pub dead_letters: Vec<DeadLetterRow>,
    /// Offsets of this partition's dead letters that were dealt with.
    pub resolved: Vec<u64>,
    /// Dead letters that came last before then are forgotten.
    pub letters_since_ms: Option<i64>,
    /// What `control` says, in its order.
    pub documents: Vec<DocumentRow>,
    /// The partition's last tick.
    pub tick_ms: Option<i64>,
}

/// A fact about a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct FactRow {
    /// The customer.
    pub customer: String,
    /// Who told it.
    pub source: String,
    /// Its id there.
    pub id: String,
    /// When it happened.
    pub at_ms: i64,
    /// What it says of who the customer is.
    pub card: CardUpdate,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What a fact says of who the customer is to the business: `None` is silence, `Some(None)` takes back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CardUpdate {
    /// Who looks after the customer.
    pub owner: Option<Option<String>>,
    /// Where the customer is.
    pub region: Option<Option<String>>,
    /// Which language the customer speaks.
    pub language: Option<Option<String>>,
}

/// A tier change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    /// The customer.
    pub customer: String,
    /// The policy.
    pub policy: String,
    /// Its version.
    pub version: i64,
    /// The tier from now on.
    pub tier: String,
    /// `first`, `up`, `down` or `other`.
    pub direction: String,
    /// When.
    pub at_ms: i64,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What became of a loss signal.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRow {
    /// The customer.
    pub customer: String,
    /// Who saw it.
    pub detector: String,
    /// Whether it lasts.
    pub is_open: bool,
    /// What is at stake, in minor units.
    pub at_stake_minor: i64,
    /// When.
    pub at_ms: i64,
    /// The message.
    pub bytes: Vec<u8>,
}

/// What became of a delivery; the last of an id stands.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: String,
    /// The customer; empty for messages to operations.
    pub customer: String,
    /// `delivered`, `retrying`, `dead`, …
    pub state: String,
    /// By which route.
    pub route: String,
    /// When.
    pub at_ms: i64,
    /// The message.
    pub bytes: Vec<u8>,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetterRow {
    /// Where it stands in its partition.
    pub offset: u64,
    /// What is the same for letters that are one; they count once.
    pub identity: String,
    /// What is told of it.
    pub refused: Refused,
}

/// An event that was refused.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Refused {
    /// When it came, the last time.
    pub received_ms: i64,
    /// Who sent it, as far as it says.
    pub source: String,
    /// Its id, as far as it has one.
    pub id: String,
    /// The customer, as far as it names one.
    pub subject: String,
    /// The field that is wrong.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A word of `control`.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// What it is about: the last of a name stands.
    pub name: String,
    /// Its offset in `control`.
    pub control_offset: u64,
    /// The message; `None`: what bears this name is over.
    pub bytes: Option<Vec<u8>>,
}
