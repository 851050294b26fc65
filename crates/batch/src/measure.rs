//! Measuring: a metric's value at a tick, and how it is shown.

use tiermesh_domain::{
    exact::{Fraction, format_scaled},
    policy::{Input, Measure, Metric, Policy},
    time::Millis,
};

use crate::{
    book::Book,
    breadth, collection, interactions,
    outcome::Shown,
    sales::{net_sales, orders_within},
};

/// The metric's value: minor units of money, a rate from 0 to 1, a whole number. `None`: there is no data.
pub(crate) fn measure(book: &Book<'_>, policy: &Policy, metric: Metric, tick: Option<Millis>) -> Option<Fraction> {
    let whole = |value: i128| Fraction::new(value, 1);
    match metric.measure {
        Measure::NetSales => Some(whole(net_sales(book, policy, tick, metric.days))),
        Measure::Orders => Some(whole(orders_within(book, policy, tick, metric.days).len() as i128)),
        Measure::Categories => breadth::categories(book, policy, tick, metric.days).map(|count| whole(count.into())),
        Measure::Interactions => policy
            .inputs
            .contains(&Input::Interactions)
            .then(|| whole(interactions::count_within(&book.interactions, tick, metric.days).into())),
        Measure::CollectionRate if policy.inputs.contains(&Input::Invoices) => {
            collection::rate(&book.account, policy, tick, metric.days)
        }
        Measure::CollectionRate => None,
    }
}

/// The value as results show it: money with the currency's digits, rates with 4 decimals, counts.
pub(crate) fn shown(measure: Measure, value: Fraction, policy: &Policy) -> Shown {
    match measure {
        Measure::NetSales => Shown::Decimal(format_scaled(value.round_half_even(), policy.valuation.decimals)),
        Measure::CollectionRate => {
            Shown::Decimal(format_scaled(value.times(Fraction::new(10_000, 1)).round_half_even(), 4))
        }
        Measure::Orders | Measure::Categories | Measure::Interactions => Shown::Count(value.round_half_even() as i64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{abc, book, scorecard};

    #[test]
    fn inputs_that_are_not_listed_have_no_data() {
        // "interactions, surveys, usage when the policy's `inputs` doesn't list them"; "otherwise nothing is 0".
        let count =
            |policy: &Policy| measure(&book(&[]), policy, Metric { measure: Measure::Interactions, days: 365 }, None);
        assert_eq!(count(&abc()), None);
        assert_eq!(count(&scorecard("zero")), Some(Fraction::ZERO));
    }

    #[test]
    fn money_has_the_currency_s_digits_and_rates_have_four() {
        assert_eq!(shown(Measure::NetSales, Fraction::new(-5, 1), &abc()), Shown::Decimal("-0.05".to_owned()));
        assert_eq!(shown(Measure::CollectionRate, Fraction::new(2, 3), &abc()), Shown::Decimal("0.6667".to_owned()));
        // 0.00005 is halfway: to the even 0.0000.
        assert_eq!(
            shown(Measure::CollectionRate, Fraction::new(1, 20_000), &abc()),
            Shown::Decimal("0.0000".to_owned())
        );
        assert_eq!(shown(Measure::Orders, Fraction::new(7, 1), &abc()), Shown::Count(7));
    }
}
