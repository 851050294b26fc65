//! Quantisation: "q(v) = v for |v| < 512, else v with all but its 10 highest bits cleared; q(−v) = −q(v)".

/// What a value is compared by.
pub(crate) fn quantise(value: i128) -> i128 {
    let magnitude = value.unsigned_abs();
    let bits = u128::BITS - magnitude.leading_zeros();
    let cleared = bits.saturating_sub(10);
    let kept = ((magnitude >> cleared) << cleared) as i128;
    if value < 0 { -kept } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_bits_are_kept() {
        for (value, kept) in [
            (0, 0),
            (511, 511),
            (512, 512),
            (1_023, 1_023),
            (1_024, 1_024),
            (1_025, 1_024),
            (1_027, 1_026),
            (2_047, 2_046),
            (2_051, 2_048),
            (-600, -600),
            (-1_025, -1_024),
            (539_121, 539_121 / 1_024 * 1_024), // 20 bits: the lower 10 are cleared
        ] {
            assert_eq!(quantise(value), kept, "{value}");
        }
    }
}
