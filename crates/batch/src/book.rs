//! What all known facts of one customer say, whatever the time and the policy.

use tiermesh_proto::v1::Fact;

use crate::{
    complaints::Complaints,
    interactions,
    invoices::Account,
    orders::{LooseRefund, Order, loose_refunds, orders},
};
use tiermesh_domain::time::Millis;

/// One customer, read anew from all its facts.
pub(crate) struct Book<'a> {
    /// Every order that was placed, whether or not it counts.
    pub(crate) orders: Vec<Order<'a>>,
    /// Refunds that name no order.
    pub(crate) loose_refunds: Vec<LooseRefund<'a>>,
    /// Invoices and payments.
    pub(crate) account: Account<'a>,
    /// When there was an interaction that counts.
    pub(crate) interactions: Vec<Millis>,
    /// Complaints opened and closed.
    pub(crate) complaints: Complaints<'a>,
}

impl<'a> Book<'a> {
    /// `facts`: all that are known of the customer, sorted by (time, source, id).
    pub(crate) fn of(facts: &[&'a Fact]) -> Self {
        Self {
            orders: orders(facts),
            loose_refunds: loose_refunds(facts),
            account: Account::of(facts),
            interactions: interactions::times(facts),
            complaints: Complaints::of(facts),
        }
    }
}
