//! Exact numbers: decimals read from text, fractions compared and rounded without floating point.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Why a text is not a decimal that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not digits with an optional sign, point and exponent.
    #[error("not a decimal number")]
    NotANumber,
    /// More digits behind the point than allowed.
    #[error("more than {0} decimals")]
    TooManyDecimals(u32),
    /// Beyond what sums can hold.
    #[error("too large")]
    TooLarge,
}

/// Reads `text` as an integer count of 10^−`decimals`: `("139.12", 2)` is 13912.
///
/// Trailing zeros count as decimals: what was written is what is checked. The result is within ±10^16.
///
/// # Errors
/// [`DecimalError`] says what is wrong.
pub fn parse_scaled(text: &str, decimals: u32) -> Result<i64, DecimalError> {
    const LIMIT: i128 = 10_i128.pow(16);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| DecimalError::NotANumber)?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let missing_digits = whole.is_empty() || (digits.contains('.') && fraction.is_empty());
    if missing_digits || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::NotANumber);
    }
    if !(-40..=40).contains(&exponent) || whole.len() + fraction.len() > 40 {
        return Err(DecimalError::TooLarge);
    }
    // How many digits stand behind the point once the exponent is taken in; negative: zeros are to be added.
    let behind = fraction.len() as i32 - exponent;
    if behind > decimals as i32 {
        return Err(DecimalError::TooManyDecimals(decimals));
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        value = value * 10 + i128::from(byte - b'0');
        if value > LIMIT {
            return Err(DecimalError::TooLarge);
        }
    }
    for _ in 0..(decimals as i32 - behind) {
        value *= 10;
        if value > LIMIT {
            return Err(DecimalError::TooLarge);
        }
    }
    let value = value as i64;
    Ok(if negative { -value } else { value })
}

/// Writes an integer count of 10^−`decimals` with all its decimals: `(539121, 2)` is `5391.21`.
pub fn format_scaled(value: i128, decimals: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let magnitude = value.unsigned_abs();
    if let (Ok(magnitude), Some(unit)) = (u64::try_from(magnitude), 10_u64.checked_pow(decimals)) {
        // Every explanation has some of these.
        let mut text = String::with_capacity(24);
        text.push_str(sign);
        push_digits(&mut text, magnitude / unit, 1);
        if decimals > 0 {
            text.push('.');
            push_digits(&mut text, magnitude % unit, decimals as usize);
        }
        return text;
    }
    let unit = 10_u128.pow(decimals);
    match decimals {
        0 => format!("{sign}{magnitude}"),
        _ => format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = decimals as usize),
    }
}

/// Writes a number with at least so many digits.
fn push_digits(text: &mut String, mut number: u64, least: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 || digits.len() - first < least.min(digits.len()) {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// Writes an integer count of 10^−`decimals` with no more decimals than it needs: `(900000, 4)` is `90`.
pub fn format_trimmed(value: i128, decimals: u32) -> String {
    let text = format_scaled(value, decimals);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An exact fraction with a positive denominator. Comparisons and roundings lose nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    /// Nothing.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };
    /// The whole.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator ÷ denominator`, or 0 where the denominator isn't positive.
    pub fn new(numerator: i128, denominator: i128) -> Self {
        if denominator <= 0 { Self::ZERO } else { Self { numerator, denominator } }
    }

    /// The product, reduced where it would not fit otherwise.
    pub fn times(self, other: Self) -> Self {
        match (self.numerator.checked_mul(other.numerator), self.denominator.checked_mul(other.denominator)) {
            (Some(numerator), Some(denominator)) => Self { numerator, denominator },
            _ => {
                // Cross-reduction first: operands come from sums below 2^80 and policy numbers below 2^54, so what
                // remains fits; saturation is for operands that no policy and no log can make.
                let (a, b) = (self.cross_reduced(other), other.cross_reduced(self));
                Self {
                    numerator: a.numerator.saturating_mul(b.numerator),
                    denominator: a.denominator.saturating_mul(b.denominator),
                }
            }
        }
    }

    /// Less a whole number.
    pub fn minus(self, whole: i128) -> Self {
        Self { numerator: self.numerator.saturating_sub(whole.saturating_mul(self.denominator)), ..self }
    }

    /// Divided by a whole number above 0; 0 otherwise.
    pub fn over(self, whole: i128) -> Self {
        self.times(Self::new(1, whole))
    }

    /// Between 0 and 1.
    pub fn clamped(self) -> Self {
        if self.numerator <= 0 {
            Self::ZERO
        } else if self.numerator >= self.denominator {
            Self::ONE
        } else {
            self
        }
    }

    /// The nearest integer, halves to the even one.
    pub fn round_half_even(self) -> i128 {
        if self.denominator == 1 {
            return self.numerator;
        }
        let floor = self.numerator.div_euclid(self.denominator);
        let rest = self.numerator.rem_euclid(self.denominator);
        match rest.cmp(&(self.denominator - rest)) {
            Ordering::Less => floor,
            Ordering::Greater => floor + 1,
            Ordering::Equal => floor + (floor & 1),
        }
    }

    /// In ten-thousandths, halves to even.
    pub fn times_ten_thousand(self) -> i128 {
        self.times(Self::new(10_000, 1)).round_half_even()
    }

    /// The greatest whole number not above.
    pub fn floor(self) -> i128 {
        self.numerator.div_euclid(self.denominator)
    }

    /// The number, if it stands as a whole one of 64 bits.
    pub(crate) fn whole(self) -> Option<i64> {
        if self.denominator == 1 { i64::try_from(self.numerator).ok() } else { None }
    }

    /// As a floating-point number, for display and statistics.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    fn cross_reduced(self, other: Self) -> Self {
        let divisor = gcd(self.numerator.unsigned_abs(), other.denominator.unsigned_abs()).max(1) as i128;
        let below = gcd(self.denominator.unsigned_abs(), other.numerator.unsigned_abs()).max(1) as i128;
        Self { numerator: self.numerator / divisor, denominator: self.denominator / below }
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.numerator.checked_mul(other.denominator), other.numerator.checked_mul(self.denominator)) {
            (Some(left), Some(right)) => left.cmp(&right),
            // Too wide to multiply: compare the whole parts, then the reciprocals of what remains.
            _ => self
                .numerator
                .div_euclid(self.denominator)
                .cmp(&other.numerator.div_euclid(other.denominator))
                .then_with(|| {
                    let left = self.numerator.rem_euclid(self.denominator);
                    let right = other.numerator.rem_euclid(other.denominator);
                    match (left, right) {
                        (0, 0) => Ordering::Equal,
                        (0, _) => Ordering::Less,
                        (_, 0) => Ordering::Greater,
                        _ => Self { numerator: other.denominator, denominator: right }
                            .cmp(&Self { numerator: self.denominator, denominator: left }),
                    }
                }),
        }
    }
}

pub(crate) fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_decimals_as_written() {
        assert_eq!(parse_scaled("139.12", 2), Ok(13_912));
        assert_eq!(parse_scaled("-0.5", 2), Ok(-50));
        assert_eq!(parse_scaled("1e3", 2), Ok(100_000));
        assert_eq!(parse_scaled("1.5E-1", 2), Ok(15));
        assert_eq!(parse_scaled("7", 0), Ok(7));
        assert_eq!(parse_scaled("1.234", 2), Err(DecimalError::TooManyDecimals(2)));
        assert_eq!(parse_scaled("1.230", 2), Err(DecimalError::TooManyDecimals(2)));
        for bad in ["", "-", ".5", "5.", "1,000", "1 000", "NaN", "0x1", "--1", "1e", "+1"] {
            assert_eq!(parse_scaled(bad, 2), Err(DecimalError::NotANumber), "{bad}");
        }
        assert_eq!(parse_scaled("99999999999999999", 2), Err(DecimalError::TooLarge));
        assert_eq!(parse_scaled("1e30", 2), Err(DecimalError::TooLarge));
    }

    #[test]
    fn writes_what_it_read() {
        assert_eq!(format_scaled(-5, 2), "-0.05");
        assert_eq!(format_scaled(0, 0), "0");
        assert_eq!(format_scaled(0, 3), "0.000");
        assert_eq!(format_scaled(i128::from(u64::MAX), 4), "1844674407370955.1615");
        assert_eq!(format_scaled(i128::from(u64::MAX) + 1, 0), "18446744073709551616");
        assert_eq!(format_scaled(-i128::from(u64::MAX) - 1, 4), "-1844674407370955.1616");
        assert_eq!(format_scaled(539_121, 2), "5391.21");
        assert_eq!(format_trimmed(900_000, 4), "90");
        assert_eq!(format_trimmed(714_286, 4), "71.4286");
        assert_eq!(format_trimmed(100, 0), "100");
    }

    #[test]
    fn rounds_halves_to_even() {
        let rounded = |n, d| Fraction::new(n, d).round_half_even();
        assert_eq!((rounded(1, 2), rounded(3, 2), rounded(5, 2), rounded(-1, 2), rounded(-3, 2)), (0, 2, 2, 0, -2));
        assert_eq!((rounded(2, 3), rounded(1, 3), rounded(-2, 3)), (1, 0, -1));
    }

    proptest! {
        #[test]
        fn wide_comparison_agrees_with_reduced(a in 1_i128..1_000_000, b in 1_i128..1_000_000, c in 1_i128..1_000_000, d in 1_i128..1_000_000) {
            let wide = 1_i128 << 100;
            let (left, right) = (Fraction::new(a, b), Fraction::new(c, d));
            let (wide_left, wide_right) = (Fraction::new(a * wide, b * wide), Fraction::new(c * wide, d * wide));
            prop_assert_eq!(left.cmp(&right), wide_left.cmp(&wide_right));
        }

        #[test]
        fn scaled_text_round_trips(value in -1_000_000_000_i64..1_000_000_000, decimals in 0_u32..5) {
            prop_assert_eq!(parse_scaled(&format_scaled(i128::from(value), decimals), decimals), Ok(value));
        }
    }
}
