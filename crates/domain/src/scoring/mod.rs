//! Scoring: the fold from facts, ticks and control records to tiers.

mod apply;
mod breadth;
mod calendar;
mod control;
mod customer;
mod explain;
mod form_2;
mod grade;
mod look_ahead;
mod plan;
mod points;
mod qualify;
mod report;
mod save;
mod sources;
mod sweep;
mod tick;
mod views;

use std::collections::{BTreeMap, BTreeSet};

pub use apply::Applied;
pub use calendar::Calendar;
pub use customer::{Customer, Standing, Standings};
pub use grade::{Grade, PartGrade};
use indexmap::IndexMap;
pub use plan::{ActivePolicy, CutPointsInForce, Required};
pub use report::CustomerStanding;
use rustc_hash::FxBuildHasher;
use sweep::Sweep;
use views::SalesView;
pub use views::{PaceSpec, SalesSpec, SalesWindow};

use crate::{
    names::{NameId, Names},
    rank::{Histogram, RankedMembers},
    time::Millis,
};

/// The ways of folding that this release has, rising.
///
/// | logic | what is other than before |
/// | --- | --- |
/// | 1 | |
/// | 2 | a loss signal names the events it rests on, with their number; before, the last order or refund only |
pub const KNOWN_LOGIC: &[u32] = &[1, 2];

/// The newest of [`KNOWN_LOGIC`]: how a new mesh folds.
pub const NEWEST_LOGIC: u32 = KNOWN_LOGIC[KNOWN_LOGIC.len() - 1];

/// How far apart cut-points lie once the mesh is live.
pub const CUT_POINT_INTERVAL_MS: i64 = 60_000;

/// The state of scoring in one partition.
///
/// Saved: clocks, policies, and per customer the ledger and the standings. All else is derived from these and made
/// anew when a save is loaded: it can't disagree with them.
#[derive(Debug)]
pub struct Scoring {
    /// How many partitions the mesh has: a boundary is complete when all have reported.
    partitions: u32,
    /// The last tick.
    pub(crate) time: Option<Millis>,
    /// The tick before it.
    previous_time: Option<Millis>,
    last_control: Option<u64>,
    logic: u32,
    /// Of these the log may choose.
    known_logic: &'static [u32],
    live: bool,
    last_boundary: Option<Millis>,
    pub(crate) names: Names,
    /// By name.
    policies: Vec<ActivePolicy>,
    /// By policy, the customers that wait for its review.
    waiting: BTreeMap<NameId, BTreeSet<u32>>,
    /// Facts taken in since the last summary, by source.
    sources: BTreeMap<NameId, u64>,
    pub(crate) customers: IndexMap<Box<str>, Customer, FxBuildHasher>,
    sales_views: Vec<SalesView>,
    pace_specs: Vec<PaceSpec>,
    ranked: BTreeMap<String, Ranked>,
    /// What the next summary takes back: reports of metrics by which nobody ranks any more.
    withdrawn: BTreeMap<String, Histogram>,
    required: Required,
    calendar: Calendar,
    /// Whom the next save holds.
    sweep: Sweep,
    /// Memory to work in.
    scratch: Vec<u8>,
    /// Tiers change without a word.
    silent: bool,
}

/// One ranked metric: which view gives its value, and who stands where.
#[derive(Debug)]
struct Ranked {
    sales: usize,
    by_orders: bool,
    members: RankedMembers,
}

impl Scoring {
    /// The state before the first record, in a mesh of so many partitions.
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions,
            time: None,
            previous_time: None,
            last_control: None,
            logic: 0,
            known_logic: KNOWN_LOGIC,
            live: false,
            last_boundary: None,
            names: Names::default(),
            policies: Vec::new(),
            waiting: BTreeMap::new(),
            sources: BTreeMap::new(),
            customers: IndexMap::default(),
            sales_views: Vec::new(),
            pace_specs: Vec::new(),
            ranked: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            required: Required::default(),
            calendar: Calendar::default(),
            sweep: Sweep::default(),
            scratch: Vec::new(),
            silent: false,
        }
    }

    /// As a release that knows these ways of folding, and no others.
    #[must_use]
    pub fn knowing(self, known_logic: &'static [u32]) -> Self {
        Self { known_logic, ..self }
    }

    /// For whoever folds along and doesn't ask what changed: tier changes are neither explained nor told.
    #[must_use]
    pub(crate) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// The last tick.
    pub fn time(&self) -> Option<Millis> {
        self.time
    }

    /// Whether history has ended.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The policies in force, by name.
    pub fn policies(&self) -> impl Iterator<Item = &ActivePolicy> {
        self.policies.iter()
    }
}
