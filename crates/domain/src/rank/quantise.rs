//! Quantisation: values that are compared fall into buckets of about a fifth of a percent.

/// The value below which nothing is rounded.
const EXACT_BELOW: u64 = 512;
/// How many of the highest bits remain above it.
const BITS: u32 = 10;

/// q(v) = v for |v| < 512, else v with all but its 10 highest bits cleared; q(−v) = −q(v).
pub fn quantise(value: i64) -> i64 {
    let magnitude = value.unsigned_abs();
    if magnitude < EXACT_BELOW {
        return value;
    }
    let dropped = (u64::BITS - magnitude.leading_zeros()).saturating_sub(BITS);
    let kept = ((magnitude >> dropped) << dropped) as i64;
    if value < 0 { kept.wrapping_neg() } else { kept }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_the_ten_highest_bits() {
        let pairs = [
            (0, 0),
            (511, 511),
            (512, 512),
            (1_023, 1_023),
            (1_024, 1_024),
            (1_025, 1_024),
            (1_027, 1_026),
            (-1_025, -1_024),
            (i64::MIN, i64::MIN),
        ];
        for (value, bucket) in pairs {
            assert_eq!(quantise(value), bucket, "{value}");
        }
        assert_eq!(quantise(539_121), 538_624);
    }

    proptest! {
        #[test]
        fn never_changes_an_order(a in any::<i32>(), b in any::<i32>()) {
            let (a, b) = (i64::from(a), i64::from(b));
            if a <= b {
                prop_assert!(quantise(a) <= quantise(b));
            }
            prop_assert_eq!(quantise(quantise(a)), quantise(a));
            prop_assert_eq!(quantise(-a), -quantise(a));
            // Never more than a part in 512 away.
            prop_assert!((a - quantise(a)).abs() * 512 <= a.abs());
        }
    }
}
