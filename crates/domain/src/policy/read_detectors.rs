//! Reading the settings of loss signals, and of the lifecycle that they and policies go by.

use toml::Spanned;

use super::{
    detectors::{AtStake, ComplaintRise, DetectorSettings, FrequencyDrop, Silence},
    document::{Checked, HORIZON_DAYS, Reader},
    raw::{RawDetectors, RawLifecycle},
    tiers::{CountsWhen, LifecycleRules},
};

impl Reader<'_> {
    pub(super) fn detectors(&self) -> Checked<DetectorSettings> {
        let raw: RawDetectors = self.deserialize()?;
        let frequency_drop = raw.frequency_drop.as_ref().map(|drop| {
            let windows = drop.windows_days.get_ref();
            let longest = windows.last().copied().unwrap_or(0).saturating_add(*drop.baseline_days.get_ref());
            if windows.is_empty() || windows.first() == Some(&0) || !windows.is_sorted() || longest > HORIZON_DAYS {
                let message = format!(
                    "windows stand smallest first, and with the baseline reach back at most {HORIZON_DAYS} days"
                );
                return Err(self.error(&drop.windows_days.span(), message));
            }
            Ok(FrequencyDrop {
                windows_days: windows.clone(),
                baseline_days: self.window(&drop.baseline_days)?,
                least_baseline: self.positive(&drop.least_baseline)?,
                least_exposure_days: self.positive(&drop.least_exposure_days)?,
                least_expected: self.positive(&drop.least_expected)?,
                raise_at_millionths: self.share(&drop.raise_at)?,
                clear_at_millionths: self.share(&drop.clear_at)?,
                p: self.probability(&drop.p)?,
            })
        });
        let complaint_rise = raw.complaint_rise.as_ref().map(|rise| {
            for (value, most) in [(&rise.daily_rate, 1_000.0), (&rise.prior_days, 100_000.0)] {
                // Written so that NaN, which TOML can say, doesn't pass either.
                if !(*value.get_ref() > 0.0 && *value.get_ref() <= most) {
                    return Err(self.error(&value.span(), format!("must be above 0 and at most {most}")));
                }
            }
            Ok(ComplaintRise {
                window_days: self.window(&rise.window_days)?,
                history_days: self.window(&rise.history_days)?,
                daily_rate: *rise.daily_rate.get_ref(),
                prior_days: *rise.prior_days.get_ref(),
                least: self.positive(&rise.least)?,
                p: self.probability(&rise.p)?,
                reopened_days: self.window(&rise.reopened_days)?,
            })
        });
        let silence = raw.silence.as_ref().map(|silence| {
            let least_order_days = self.positive(&silence.least_order_days)?;
            if least_order_days < 2 {
                return Err(self.error(&silence.least_order_days.span(), "must be at least 2: one order has no pace"));
            }
            Ok(Silence { least_order_days })
        });
        Ok(DetectorSettings {
            name: self.name(&raw.name)?,
            version: self.at_least_one(&raw.version)?,
            zone: self.zone(raw.time_zone.as_ref())?,
            counts_when: self.one_of(raw.counts_when.as_ref(), &CountsWhen::NAMES, CountsWhen::Placed)?,
            lifecycle: self.lifecycle(raw.lifecycle.as_ref())?,
            at_stake: AtStake {
                days: self.window(&raw.at_stake_days)?,
                valuation: self.valuation(&raw.currency, &raw.rates)?,
            },
            frequency_drop: frequency_drop.transpose()?,
            silence: silence.transpose()?,
            complaint_rise: complaint_rise.transpose()?,
        })
    }

    pub(super) fn lifecycle(&self, raw: Option<&Spanned<RawLifecycle>>) -> Checked<LifecycleRules> {
        let mut rules = LifecycleRules::default();
        let Some(raw) = raw else { return Ok(rules) };
        let raw = raw.get_ref();
        for (given, into) in [
            (&raw.new_days, &mut rules.new_days),
            (&raw.lost_days, &mut rules.lost_days),
            (&raw.lost_factor, &mut rules.lost_factor),
            (&raw.factor, &mut rules.factor),
            (&raw.least_days, &mut rules.least_days),
            (&raw.most_days, &mut rules.most_days),
            (&raw.default_days, &mut rules.default_days),
            (&raw.few_order_days, &mut rules.few_order_days),
        ] {
            if let Some(given) = given {
                *into = self.positive(given)?;
            }
        }
        if rules.least_days > rules.most_days {
            let span = raw.least_days.as_ref().or(raw.most_days.as_ref()).map_or(0..0, Spanned::span);
            return Err(self.error(&span, "least_days must not be above most_days"));
        }
        Ok(rules)
    }
}
