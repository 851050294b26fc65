//! Reading a policy that gives tiers: its method, its parts, its tiers in order.

use toml::Spanned;

use super::{
    document::{Checked, Reader},
    raw::{RawPart, RawPolicy, RawTier},
    review::{Moment, Qualification, Review},
    tiers::{CountsWhen, Input, Measure, Method, Metric, Missing, Part, Policy, RankBy, RankRule, Tier, Valuation},
};

impl Reader<'_> {
    pub(super) fn policy(&self) -> Checked<Policy> {
        let raw: RawPolicy = self.deserialize()?;
        let valuation = self.valuation(&raw.currency, &raw.rates)?;
        let (method, bound) = self.method(&raw, &valuation)?;
        let tiers = self.tiers(&raw.tiers, bound)?;
        let outside = match &raw.outside {
            None => tiers.len() - 1,
            Some(name) => tiers.iter().position(|tier| tier.name == *name.get_ref()).ok_or_else(|| {
                let names: Vec<&str> = tiers.iter().map(|tier| tier.name.as_str()).collect();
                self.error(&name.span(), format!("{:?} is not one of the tiers {}", name.get_ref(), names.join(", ")))
            })?,
        };
        if matches!(method, Method::Lifecycle(_)) {
            let names: Vec<&str> = tiers.iter().map(|tier| tier.name.as_str()).collect();
            if names != LIFECYCLE_TIERS {
                let message = format!("the tiers of a lifecycle are {}, in this order", LIFECYCLE_TIERS.join(", "));
                return Err(self.error(&raw.tiers.span(), message));
            }
        }
        let qualification = self.qualification(&raw, &method)?;
        Ok(Policy {
            name: self.name(&raw.name)?,
            programme: self.name(&raw.programme)?,
            version: self.at_least_one(&raw.version)?,
            zone: self.zone(raw.time_zone.as_ref())?,
            valuation,
            counts_when: self.one_of(raw.counts_when.as_ref(), &CountsWhen::NAMES, CountsWhen::Placed)?,
            inputs: raw
                .inputs
                .unwrap_or_default()
                .iter()
                .map(|input| self.one_of(Some(input), &Input::NAMES, Input::Orders))
                .collect::<Checked<_>>()?,
            missing: self.one_of(raw.missing.as_ref(), &Missing::NAMES, Missing::Zero)?,
            qualification,
            method,
            tiers,
            outside,
        })
    }

    fn qualification(&self, raw: &RawPolicy, method: &Method) -> Checked<Qualification> {
        let review = self.one_of(raw.review.as_ref(), &Review::NAMES, Review::Continuous)?;
        let usual = if review == Review::Continuous { Moment::Immediately } else { Moment::AtReview };
        let upgrade = self.one_of(raw.upgrade.as_ref(), &Moment::NAMES, usual)?;
        let downgrade = self.one_of(raw.downgrade.as_ref(), &Moment::NAMES, usual)?;
        for (moment, text) in [(upgrade, &raw.upgrade), (downgrade, &raw.downgrade)] {
            if let (Moment::AtReview, Review::Continuous, Some(text)) = (moment, review, text) {
                let message = "there is no review to wait for: say `review = \"quarter\"` (or day, month, half-year, year), \
                               or `immediately` here";
                return Err(self.error(&text.span(), message));
            }
        }
        if let (Method::Lifecycle(_), Some(text)) =
            (method, raw.review.as_ref().filter(|_| review != Review::Continuous))
        {
            let message = "the stages of a lifecycle are not ranked, so nothing is an upgrade or a downgrade: \
                           say `review = \"continuous\"`, or leave it out";
            return Err(self.error(&text.span(), message));
        }
        Ok(Qualification { review, upgrade, downgrade })
    }

    fn method(&self, raw: &RawPolicy, valuation: &Valuation) -> Checked<(Method, Bound)> {
        match (&raw.score, &raw.relative, &raw.lifecycle) {
            (Some(score), None, None) => {
                let parts = score.get_ref().parts.iter().map(|part| self.part(part, valuation));
                let parts: Vec<Part> = parts.collect::<Checked<_>>()?;
                if parts.is_empty() {
                    return Err(self.error(&score.span(), "a score needs at least one part"));
                }
                Ok((Method::Score(parts), Bound::AtLeast))
            }
            (None, Some(relative), None) => {
                let relative = relative.get_ref();
                let measure = self.one_of(Some(&relative.metric), &Measure::NAMES, Measure::NetSales)?;
                if !matches!(measure, Measure::NetSales | Measure::Orders) {
                    return Err(self.error(
                        &relative.metric.span(),
                        format!("{:?} can't be ranked; allowed are net_sales, orders", relative.metric.get_ref()),
                    ));
                }
                let rule = RankRule {
                    metric: Metric { measure, days: self.window(&relative.window_days)? },
                    by: self.one_of(Some(&relative.by), &RankBy::NAMES, RankBy::Rank)?,
                    positive_only: relative.positive_only,
                };
                Ok((Method::Relative(rule), Bound::Below))
            }
            (None, None, Some(lifecycle)) => Ok((Method::Lifecycle(self.lifecycle(Some(lifecycle))?), Bound::None)),
            _ => {
                Err(self
                    .error(&raw.name.span(), "a policy has exactly one of the tables [score], [relative], [lifecycle]"))
            }
        }
    }

    fn part(&self, raw: &Spanned<RawPart>, valuation: &Valuation) -> Checked<Part> {
        let part = raw.get_ref();
        let measure = self.one_of(Some(&part.metric), &Measure::NAMES, Measure::NetSales)?;
        let decimals = match measure {
            Measure::NetSales => valuation.decimals,
            Measure::CollectionRate => 6,
            Measure::Orders | Measure::Categories | Measure::Interactions => 0,
        };
        let weight_e4 = self.number(&part.weight, 4)?;
        if weight_e4 <= 0 || weight_e4 > 1_000_000 * 10_000 {
            return Err(self.error(&part.weight.span(), "weight must be above 0 and at most 1,000,000"));
        }
        let zero_at = part.zero_at.as_ref().map_or(Ok(0), |zero_at| self.number(zero_at, decimals))?;
        let full_at = self.number(&part.full_at, decimals)?;
        if full_at <= zero_at {
            return Err(self.error(&part.full_at.span(), "full_at must be above zero_at"));
        }
        Ok(Part {
            name: self.name(&part.name)?,
            metric: Metric { measure, days: self.window(&part.window_days)? },
            weight_e4,
            zero_at,
            full_at,
        })
    }

    fn tiers(&self, raw: &Spanned<Vec<Spanned<RawTier>>>, bound: Bound) -> Checked<Vec<Tier>> {
        let count = raw.get_ref().len();
        if !(2..=32).contains(&count) {
            return Err(self.error(&raw.span(), "a policy has 2 to 32 tiers, best first"));
        }
        let mut tiers: Vec<Tier> = Vec::with_capacity(count);
        for (at, spanned) in raw.get_ref().iter().enumerate() {
            let tier = spanned.get_ref();
            let name = self.name(&tier.name)?;
            if tiers.iter().any(|earlier| earlier.name == name) {
                return Err(self.error(&tier.name.span(), format!("tier {name:?} is named twice")));
            }
            let last = at + 1 == count;
            let (wanted, unwanted, decimals) = match bound {
                Bound::AtLeast => (tier.at_least.as_ref(), tier.below.as_ref(), 4),
                Bound::Below => (tier.below.as_ref(), tier.at_least.as_ref(), 6),
                Bound::None => (None, tier.at_least.as_ref().or(tier.below.as_ref()), 0),
            };
            if let Some(unwanted) = unwanted {
                return Err(self.error(&unwanted.span(), format!("not here: {}", bound.rule())));
            }
            let value = match (wanted, last || bound == Bound::None) {
                (None, true) => None,
                (Some(number), false) if bound == Bound::Below => Some(self.share(number)?),
                (Some(number), false) => Some(self.number(number, decimals)?),
                (Some(number), true) => {
                    return Err(self.error(&number.span(), "the last tier takes all the rest and has no bound"));
                }
                (None, false) => {
                    return Err(self.error(&spanned.span(), format!("a bound is missing: {}", bound.rule())));
                }
            };
            if let (Some(value), Some(before)) = (value, tiers.last().and_then(|tier| tier.bound)) {
                let in_order = if bound == Bound::AtLeast { value < before } else { value > before };
                if !in_order {
                    return Err(self.error(&spanned.span(), format!("tiers stand best first: {}", bound.rule())));
                }
            }
            tiers.push(Tier { name, bound: value });
        }
        Ok(tiers)
    }
}

/// Which bound the tiers of a method have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    Below,
    None,
}

impl Bound {
    fn rule(self) -> &'static str {
        match self {
            Self::AtLeast => "each tier but the last has `at_least`, falling from tier to tier",
            Self::Below => "each tier but the last has `below`, rising from tier to tier",
            Self::None => "the tiers of a lifecycle have no bounds",
        }
    }
}

/// The stages of a lifecycle, best first.
const LIFECYCLE_TIERS: [&str; 5] = ["active", "new", "dormant", "lost", "potential"];
