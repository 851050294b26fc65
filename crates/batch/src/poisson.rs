//! Probabilities of counts whose mean is known: sums of Poisson terms, taken in logarithms so that large means don't
//! underflow.

/// P(X ≤ `count`).
pub(crate) fn at_most(count: i64, mean: f64) -> f64 {
    let sum: f64 = (0..=count).map(|exactly| term(exactly, mean)).sum();
    sum.min(1.0)
}

/// P(X ≥ `count`).
pub(crate) fn at_least(count: i64, mean: f64) -> f64 {
    if count <= 0 {
        return 1.0;
    }
    let mut sum = 0.0;
    for exactly in count.. {
        let term = term(exactly, mean);
        sum += term;
        // Beyond the mean terms fall at least geometrically.
        if exactly as f64 > mean && term <= sum * 1e-18 {
            break;
        }
    }
    sum.min(1.0)
}

/// P(X = `count`).
fn term(count: i64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return if count == 0 { 1.0 } else { 0.0 };
    }
    let count = count as f64;
    libm::exp(count * libm::log(mean) - mean - libm::lgamma(count + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= right.abs() * 1e-9
    }

    #[test]
    fn small_counts_by_hand() {
        let e3 = libm::exp(-3.0);
        assert!(close(at_most(0, 3.0), e3));
        assert!(close(at_most(2, 3.0), e3 * (1.0 + 3.0 + 4.5)));
        assert!(close(at_least(1, 3.0), 1.0 - e3));
        // 1 − e^−m (1 + m) = m²/2 − m³/3 + m⁴/8 − … at m = 0.001
        assert!(close(at_least(2, 0.001), 5e-7 - 1e-9 / 3.0 + 1e-12 / 8.0));
    }

    #[test]
    fn both_tails_make_one() {
        for mean in [0.03, 1.0, 7.5, 300.0, 900.0] {
            for count in [0, 1, 5, 290, 901] {
                let sum = at_most(count, mean) + at_least(count + 1, mean);
                assert!((sum - 1.0).abs() < 1e-9, "{mean} {count} {sum}");
            }
        }
        assert!((0.48..0.52).contains(&at_most(900, 900.0)), "no underflow where e^−900 is 0");
    }

    #[test]
    fn nothing_expected() {
        assert!(close(at_most(0, 0.0), 1.0) && close(at_most(3, 0.0), 1.0));
        assert!(close(at_least(0, 0.0), 1.0) && at_least(1, 0.0) == 0.0);
        assert!(at_most(-1, 2.0) == 0.0);
    }
}
