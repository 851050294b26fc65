//! The plain batch: every tier and loss signal recomputed from all facts at once, as the specification defines them.
//!
//! It is the yardstick that the incremental fold is held against, in tests and by `tiermesh verify`, and so it must
//! never know how the fold works: of `tiermesh-domain` it uses the parsing of facts and policies, exact numbers, money
//! and time, and nothing else. What could be kept is computed again; nothing here is clever.
//!
//! [`simulate`] runs through a history and gives tiers, changes and signals; [`standings`] gives the tiers of one
//! policy at one moment; [`open_signals`] says which signals are still raised at the end of a history.
//!
//! # Decisions where the specification is silent
//!
//! *t* is the last tick.
//!
//! **Time**
//! - Before any tick silence and age are 0, windows hold all facts, baselines and histories hold none. A silence below
//!   0 (an order later than *t*) counts as 0.
//! - A fact later than *t* that is known counts: windows are (t − d, ∞), at a tick as between ticks.
//! - The first tier is given at a customer's first fact, of whatever type.
//! - A change of a tier and a signal bear the time of the fact or tick at which they were found.
//!
//! **Orders**
//! - An order is known by `order_id` within its customer, whatever the sources of its events. It is placed at the
//!   earliest `order.placed` by (time, source, id); the latest of its corrections and later `order.placed`, if any,
//!   gives its values. What is said of an order that isn't placed waits.
//! - Every refund event lowers its order, even if its `refund_id` repeats. A refund in another currency than its
//!   order's is held out; its lines still count for breadth.
//! - Money is converted amount by amount: the net of an order, each refund that names no order. Without a rate the
//!   amount is held out as 0.
//! - Breadth takes the lines of counting orders in the window, less the lines of those orders' refunds whenever they
//!   came, less the lines of refunds in the window that name no order.
//!
//! **Collection**
//! - The latest `invoice.issued` of an `invoice_id` stands. Credits in another currency than the invoice's are held
//!   out. A cancelled invoice isn't there: what names it names none.
//! - Every `payment.received` is a payment, even if its `payment_id` repeats; reversals lower the payments of that id
//!   and currency, the earliest first, not below 0.
//! - Payments are taken by (time, source, id), to the named invoice first, then by (due day, invoice_id). All known
//!   invoices take part, whatever their dates; before any tick nothing is due. Nothing owed is missing, not 0 ÷ 0.
//!
//! **Scores**
//! - Reweighing multiplies by (all weights ÷ the weights that remain). With all parts missing the score is 0.
//! - A metric without data isn't shown. Of two parts with one metric, the first is shown.
//!
//! **Ranks**
//! - Before the first cut-points customers of the population have the lowest tier, all others the `outside` tier.
//! - Between ticks a customer's new value is compared with the values of the population at the last tick, its own old
//!   one among them.
//!
//! **Reviews**
//! - The first tick is a review if its calendar period isn't that of the millisecond before.
//! - A tier that the policy hasn't is left at once.
//!
//! **Signals**
//! - An evaluation either raises a signal or ends it, never both. A raised `frequency_drop` is looked at for `lost`
//!   first, then for `cleared`.
//! - A cleared or lost signal tells what was observed then: `frequency_drop` against the frozen expectation, the
//!   others against the present one.
//! - Of several orders at the very first instant only one isn't counted in a baseline.
//! - `silence` follows its condition: whatever ends the condition clears it. Without any order left, L is its default.
//! - Every `complaint.opened` counts. A complaint is open if nothing closed it at or after its last opening. A closing
//!   has the category of the last opening of that complaint. `complaint_rise` is cleared below its `least`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod book;
mod breadth;
mod collection;
mod complaint_rise;
mod complaints;
mod evaluate;
mod frequency_drop;
mod interactions;
mod invoices;
mod known;
mod lifecycle;
mod log;
mod measure;
mod orders;
mod outcome;
mod poisson;
mod population;
mod quantise;
mod quiet;
mod review;
mod sales;
mod score;
mod signals;
mod silence;
mod simulate;
mod standings;
#[cfg(test)]
mod testing;
mod tiers;
mod timeline;
mod window;

pub use outcome::{Change, CustomerTier, Outcome, Shown, Signal, SignalState, Standing};
pub use quiet::{Quiet, signals_with_quiet_sources};
pub use review::waits_for_review;
pub use signals::open_signals;
pub use simulate::simulate;
pub use standings::{CutPointsFrom, standings};
