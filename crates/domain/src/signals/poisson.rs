//! The Poisson distribution: how probable so few, or so many, are where a number is expected.

/// P(X ≤ k) for a mean of `expected`.
pub fn at_most(k: i64, expected: f64) -> f64 {
    if k < 0 {
        return 0.0;
    }
    sum(0..=k, expected)
}

/// P(X ≥ n) for a mean of `expected`.
pub fn at_least(n: i64, expected: f64) -> f64 {
    if n <= 0 {
        return 1.0;
    }
    if (n as f64) <= expected {
        return (1.0 - at_most(n - 1, expected)).max(0.0);
    }
    // Beyond the mean: sum the tail itself, whose terms fall faster than by halves soon enough.
    sum(n..=n.saturating_add(1_000), expected)
}

/// The sum of P(X = i), each in logarithms so that no factor under- or overflows.
fn sum(range: std::ops::RangeInclusive<i64>, expected: f64) -> f64 {
    if expected <= 0.0 {
        return if range.contains(&0) { 1.0 } else { 0.0 };
    }
    let mut term =
        libm::exp(libm::log(expected) * (*range.start() as f64) - expected - libm::lgamma(*range.start() as f64 + 1.0));
    if term == 0.0 {
        // Too improbable for the first term to show: begin where terms do.
        return range
            .map(|i| libm::exp(libm::log(expected) * i as f64 - expected - libm::lgamma(i as f64 + 1.0)))
            .sum();
    }
    let mut total = 0.0;
    for i in range {
        total += term;
        term *= expected / (i as f64 + 1.0);
        if term < total * 1e-18 && (i as f64) > expected {
            break;
        }
    }
    total.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn agrees_with_tables() {
        close(at_most(0, 3.0), 0.049_787_068_367_863_944);
        close(at_most(2, 3.0), 0.423_190_081_126_844_1);
        close(at_least(2, 0.03), 1.0 - at_most(1, 0.03));
        close(at_least(0, 5.0), 1.0);
        close(at_most(3, 0.0), 1.0);
        close(at_least(1, 0.0), 0.0);
        close(at_most(500, 500.0), 0.511_891_121_698_751_4);
        close(at_most(900, 1_000.0) + at_least(901, 1_000.0), 1.0);
    }
}
