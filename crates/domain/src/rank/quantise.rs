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

/// The number of the bucket that a value falls into: 0 holds 0, rising with the value; −1 holds −1, falling with it.
pub(super) fn bucket_of(value: i64) -> i32 {
    if value < 0 {
        // That of the magnitude, mirrored: −1 is beside 0.
        return -rung(value.unsigned_abs());
    }
    rung(value.unsigned_abs())
}

/// The quantised value of a bucket.
pub(super) fn value_of(bucket: i32) -> i64 {
    let rung = bucket.unsigned_abs();
    let dropped = (rung / HALF).saturating_sub(1);
    let kept = u64::from(if dropped == 0 { rung } else { rung % HALF + HALF });
    let magnitude = (kept << dropped) as i64;
    if bucket < 0 { magnitude.wrapping_neg() } else { magnitude }
}

/// Values with the same bits dropped share this many buckets: the highest bit of the ten is always set.
const HALF: u32 = 1 << (BITS - 1);

fn rung(magnitude: u64) -> i32 {
    let dropped = (u64::BITS - magnitude.leading_zeros()).saturating_sub(BITS);
    (dropped * HALF) as i32 + (magnitude >> dropped) as i32
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
        for value in [i64::MIN, i64::MIN + 1, -1_024, -1, 0, 1, 511, 512, 1_023, 1_024, i64::MAX] {
            assert_eq!(value_of(bucket_of(value)), quantise(value), "{value}");
        }
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
            // Buckets are quantised values by another name.
            prop_assert_eq!(value_of(bucket_of(a)), quantise(a));
            prop_assert_eq!(bucket_of(a).cmp(&bucket_of(b)), quantise(a).cmp(&quantise(b)));
            // Never more than a part in 512 away.
            prop_assert!((a - quantise(a)).abs() * 512 <= a.abs());
        }
    }
}
