//! Customers, with filters and by page.

use std::collections::BTreeMap;

use super::ReadModel;
use super::statement::{Argument, Statement};
use crate::error::StoreError;

/// Which customers.
#[derive(Debug, Clone, Default)]
pub struct CustomerFilter {
    /// Those that this policy gives a tier…
    pub policy: Option<String>,
    /// … namely this one. Means nothing without a policy.
    pub tier: Option<String>,
    /// Those of this owner.
    pub owner: Option<String>,
    /// Those of this region.
    pub region: Option<String>,
    /// Those with an open signal of this detector; `any`: of whichever.
    pub signal: Option<String>,
    /// Those whose id begins so.
    pub prefix: Option<String>,
    /// This one alone.
    pub only: Option<String>,
    /// Those behind this one.
    pub after: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// A customer.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    /// The id.
    pub customer: String,
    /// Who looks after the customer.
    pub owner: Option<String>,
    /// Where the customer is.
    pub region: Option<String>,
    /// Which language the customer speaks.
    pub language: Option<String>,
    /// Time of the first fact.
    pub first_ms: i64,
    /// Time of the last fact.
    pub last_ms: i64,
    /// How many facts there are.
    pub facts: i64,
    /// The tiers, by policy.
    pub tiers: Vec<HeldTier>,
    /// Detectors that have a signal open.
    pub open_signals: Vec<String>,
}

/// A tier that a customer holds.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct HeldTier {
    /// The policy.
    pub policy: String,
    /// Its version when the tier was given.
    pub version: i64,
    /// The tier.
    pub tier: String,
    /// Since when.
    pub since_ms: i64,
}

#[derive(sqlx::FromRow)]
struct Base {
    customer: String,
    owner: Option<String>,
    region: Option<String>,
    language: Option<String>,
    first_ms: i64,
    last_ms: i64,
    facts: i64,
}

#[derive(sqlx::FromRow)]
struct Held {
    customer: String,
    #[sqlx(flatten)]
    tier: HeldTier,
}

/// Above every text that begins with what is before it: the last character there is.
const LAST: char = '\u{10ffff}';

impl ReadModel {
    /// Customers in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn customers(&self, filter: &CustomerFilter) -> Result<Vec<CustomerRow>, StoreError> {
        let found: Vec<Base> = self.readers.query("listing customers", page(filter)).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ids = || found.iter().map(|found| Argument::from(&found.customer));
        let tiers =
            Statement::new("SELECT customer, policy, version, tier, since_ms FROM model_standings WHERE customer IN (")
                .list(ids())
                .sql(") ORDER BY customer, policy");
        let mut tiers_of: BTreeMap<String, Vec<HeldTier>> = BTreeMap::new();
        for held in self.readers.query::<Held>("listing tiers", tiers).await? {
            tiers_of.entry(held.customer).or_default().push(held.tier);
        }
        let signals = Statement::new("SELECT customer, detector FROM model_open_signals WHERE customer IN (")
            .list(ids())
            .sql(") ORDER BY customer, detector");
        let mut signals_of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (customer, detector) in self.readers.query::<(String, String)>("listing open signals", signals).await? {
            signals_of.entry(customer).or_default().push(detector);
        }
        let row = |base: Base| CustomerRow {
            tiers: tiers_of.remove(&base.customer).unwrap_or_default(),
            open_signals: signals_of.remove(&base.customer).unwrap_or_default(),
            customer: base.customer,
            owner: base.owner,
            region: base.region,
            language: base.language,
            first_ms: base.first_ms,
            last_ms: base.last_ms,
            facts: base.facts,
        };
        Ok(found.into_iter().map(row).collect())
    }
}

fn page(filter: &CustomerFilter) -> Statement {
    let mut page = Statement::new(
        "SELECT c.customer, c.owner, c.region, c.language, c.first_ms, c.last_ms, c.facts FROM model_customers c",
    );
    // By the index that holds the filter, where there is one: its order is that of the page too.
    let mut key = "c.customer";
    if let Some(policy) = &filter.policy {
        key = "s.customer";
        page = page.sql(" JOIN model_standings s ON s.customer = c.customer AND s.policy = ").argument(policy);
        if let Some(tier) = &filter.tier {
            page = page.sql(" AND s.tier = ").argument(tier);
        }
    }
    page = page.sql(" WHERE 1 = 1");
    for (column, value) in [("c.owner", &filter.owner), ("c.region", &filter.region), (key, &filter.only)] {
        if let Some(value) = value {
            page = page.sql(&format!(" AND {column} = ")).argument(value);
        }
    }
    if let Some(detector) = &filter.signal {
        page = page.sql(" AND EXISTS (SELECT 1 FROM model_open_signals o WHERE o.customer = c.customer");
        if detector != "any" {
            page = page.sql(" AND o.detector = ").argument(detector);
        }
        page = page.sql(")");
    }
    if let Some(prefix) = &filter.prefix {
        page = page.sql(&format!(" AND {key} >= ")).argument(prefix);
        page = page.sql(&format!(" AND {key} <= ")).argument(&format!("{prefix}{LAST}"));
    }
    if let Some(after) = &filter.after {
        page = page.sql(&format!(" AND {key} > ")).argument(after);
    }
    page.sql(&format!(" ORDER BY {key} LIMIT ")).argument(i64::from(filter.limit))
}
