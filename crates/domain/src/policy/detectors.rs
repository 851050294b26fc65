//! Settings of the loss signals, checked.

use super::tiers::{CountsWhen, LifecycleRules, Valuation};
use crate::time::Zone;

/// All that the detectors depend on.
#[derive(Debug, Clone)]
pub struct DetectorSettings {
    /// The settings' name.
    pub name: String,
    /// Their version, from 1.
    pub version: u32,
    /// In which calendar days begin and end.
    pub zone: Zone,
    /// When an order counts.
    pub counts_when: CountsWhen,
    /// When silence turns into loss.
    pub lifecycle: LifecycleRules,
    /// What of a customer is at stake.
    pub at_stake: AtStake,
    /// Fewer orders than the customer's own pace lets expect; `None`: off.
    pub frequency_drop: Option<FrequencyDrop>,
    /// No order for long; `None`: off.
    pub silence: Option<Silence>,
    /// More complaints than expected; `None`: off.
    pub complaint_rise: Option<ComplaintRise>,
}

/// The money that a signal speaks of: net sales over so many days.
#[derive(Debug, Clone)]
pub struct AtStake {
    /// Days of 86,400 s.
    pub days: u32,
    /// In which currency.
    pub valuation: Valuation,
}

/// Settings of `frequency_drop`.
#[derive(Debug, Clone)]
pub struct FrequencyDrop {
    /// The windows tried, smallest first, in days.
    pub windows_days: Vec<u32>,
    /// How far back the baseline reaches behind the window.
    pub baseline_days: u32,
    /// Least orders in the baseline.
    pub least_baseline: i64,
    /// Least exposure, in days.
    pub least_exposure_days: i64,
    /// Least orders expected in the window.
    pub least_expected: i64,
    /// Raised at or below this share of what is expected, in millionths.
    pub raise_at_millionths: i64,
    /// Cleared at or above this share of what was expected, in millionths.
    pub clear_at_millionths: i64,
    /// Raised only if so few are at most so probable.
    pub p: f64,
}

/// Settings of `silence`.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Least order days of a customer.
    pub least_order_days: i64,
}

/// Settings of `complaint_rise`.
#[derive(Debug, Clone)]
pub struct ComplaintRise {
    /// Days in which complaints are counted.
    pub window_days: u32,
    /// Days before those, from which the customer's own rate is learned.
    pub history_days: u32,
    /// μ: complaints per day of a customer of whom nothing is known.
    pub daily_rate: f64,
    /// κ: how many days of exposure that rate weighs.
    pub prior_days: f64,
    /// Least complaints in the window.
    pub least: i64,
    /// Raised only if so many are at most so probable.
    pub p: f64,
    /// A complaint so many days after one of its category was closed raises by itself.
    pub reopened_days: u32,
}
