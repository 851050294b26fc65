//! Currencies and amounts. An amount is an integer in minor units; never floating point.

use crate::exact::{DecimalError, parse_scaled};

/// How many decimals an amount in this currency has (GBP 2, JPY 0, KWD 3); `None` if the ISO 4217 code is unknown or
/// has no minor unit.
pub fn decimals_of(currency: &str) -> Option<u32> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    iso_currency::Currency::from_code(currency)?.exponent().map(u32::from)
}

/// Reads an amount into minor units.
///
/// # Errors
/// [`DecimalError`] if it isn't a decimal, has more decimals than the currency, or is too large.
pub fn parse_amount(text: &str, decimals: u32) -> Result<i64, DecimalError> {
    parse_scaled(text, decimals)
}

/// Converts an amount in minor units at `rate` (millionths of the target's major unit for one of the source's), halves
/// to even.
pub fn convert(minor: i64, from_decimals: u32, rate_millionths: i64, to_decimals: u32) -> i64 {
    let numerator = i128::from(minor) * i128::from(rate_millionths) * 10_i128.pow(to_decimals);
    let denominator = 1_000_000 * 10_i128.pow(from_decimals);
    crate::exact::Fraction::new(numerator, denominator).round_half_even() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_have_their_decimals() {
        assert_eq!(decimals_of("GBP"), Some(2));
        assert_eq!(decimals_of("JPY"), Some(0));
        assert_eq!(decimals_of("KWD"), Some(3));
        for bad in ["gbp", "POUND", "", "ZZZ", "£"] {
            assert_eq!(decimals_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn conversion_is_exact_and_even() {
        assert_eq!(convert(10_000, 2, 1_270_000, 2), 12_700);
        assert_eq!(convert(100, 0, 5_250, 2), 52); // 100 JPY at 0.00525: 0.525, the half goes to the even cent
        assert_eq!(convert(-150, 2, 500_000, 2), -75);
    }
}
