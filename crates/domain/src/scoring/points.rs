//! Points of a score's parts: exact, and in 64 bits wherever the numbers allow.

use crate::{
    exact::{Fraction, gcd},
    policy::Part,
};

/// A part's weight over the distance from no points to all, reduced: points for each unit that is measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slope {
    rise: u64,
    run: u64,
}

/// How much more the parts with data weigh because others are left out: the sum of all weights over that of theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) total: i64,
    pub(crate) present: i64,
}

impl Stretch {
    /// Every part has its own weight.
    pub(crate) const NONE: Self = Self { total: 1, present: 1 };

    fn fraction(self) -> Fraction {
        Fraction::new(i128::from(self.total), i128::from(self.present))
    }
}

impl Slope {
    pub(crate) fn of(part: &Part) -> Self {
        let run = u64::try_from(i128::from(part.full_at) - i128::from(part.zero_at)).unwrap_or_default();
        let rise = u64::try_from(part.weight_e4).unwrap_or_default();
        let divisor = gcd(u128::from(rise), u128::from(run)).max(1) as u64;
        Self { rise: rise / divisor, run: run / divisor }
    }
}

/// What a part gives for a value, in ten-thousandths, halves to even.
pub(crate) fn points(part: &Part, slope: Slope, value: Fraction, stretch: Stretch) -> i64 {
    match value.whole().and_then(|value| short(part, slope, value, stretch)) {
        Some(points) => points,
        None => share(part, part.share_of(value).clamped(), stretch),
    }
}

/// What a share of a part's weight gives.
pub(crate) fn share(part: &Part, share: Fraction, stretch: Stretch) -> i64 {
    let points = share.times(Fraction::new(i128::from(part.weight_e4), 1)).times(stretch.fraction());
    points.round_half_even() as i64
}

/// The same, of a whole value; `None`: 64 bits are too few.
fn short(part: &Part, slope: Slope, value: i64, stretch: Stretch) -> Option<i64> {
    if value <= part.zero_at {
        return Some(0);
    }
    let (above, slope) = match value >= part.full_at {
        true => (u64::try_from(part.weight_e4).ok()?, Slope { rise: 1, run: 1 }),
        false => (u64::try_from(value.checked_sub(part.zero_at)?).ok()?, slope),
    };
    let (total, present) = (u64::try_from(stretch.total).ok()?, u64::try_from(stretch.present).ok()?);
    let over = above.checked_mul(slope.rise)?.checked_mul(total)?;
    let under = slope.run.checked_mul(present)?;
    let (points, rest) = (over.checked_div(under)?, over.checked_rem(under)?);
    let up = match rest.cmp(&(under - rest)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => points & 1,
    };
    i64::try_from(points + up).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Measure, Metric};

    proptest! {
        #[test]
        fn short_arithmetic_gives_what_fractions_give(
            (zero_at, span) in (-1_000_i64..1_000_000, 1_i64..100_000_000),
            weight_e4 in 1_i64..1_000_000,
            value in -10_000_i64..120_000_000,
            (total, present) in (1_i64..1_000_000, 1_i64..1_000_000),
        ) {
            let metric = Metric { measure: Measure::NetSales, days: 1 };
            let part = Part { name: String::new(), metric, weight_e4, zero_at, full_at: zero_at + span };
            let stretch = Stretch { total, present };
            let whole = Fraction::new(i128::from(value), 1);
            let expected = share(&part, part.share_of(whole).clamped(), stretch);
            prop_assert_eq!(points(&part, Slope::of(&part), whole, stretch), expected);
            prop_assert_eq!(short(&part, Slope::of(&part), value, Stretch::NONE).map(|short| short == share(&part, part.share_of(whole).clamped(), Stretch::NONE)), Some(true));
        }
    }
}
