//! The ready policies, as they ship.

/// Name and text of each.
pub const POLICIES: [(&str, &str); 5] = [
    ("abc", include_str!("../../../policies/abc.toml")),
    ("lifecycle", include_str!("../../../policies/lifecycle.toml")),
    ("loss-signals", include_str!("../../../policies/loss-signals.toml")),
    ("pyramid", include_str!("../../../policies/pyramid.toml")),
    ("scorecard", include_str!("../../../policies/scorecard.toml")),
];

/// What the demo begins with: a score card that suits its shop stands for the ready one.
pub const DEMO: [(&str, &str); 5] = [POLICIES[0], POLICIES[1], POLICIES[2], POLICIES[3], ("scorecard", DEMO_SCORECARD)];

const DEMO_SCORECARD: &str = include_str!("../../../policies/demo-scorecard.toml");

/// The settings of the loss signals, as they ship.
pub const LOSS_SIGNALS: &str = POLICIES[2].1;

/// The text of a policy: a ready one by its name, else a file.
pub fn text_of(name: &str) -> Result<String, String> {
    if let Some((_, text)) = POLICIES.iter().find(|(ready, _)| *ready == name) {
        return Ok((*text).to_owned());
    }
    let names: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
    std::fs::read_to_string(name).map_err(|error| {
        format!("policy {name}: neither a ready policy ({}) nor a file that can be read: {error}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_ready_policy_is_valid_and_named_as_its_file() {
        for (name, text) in super::POLICIES.into_iter().chain(super::DEMO) {
            let document = tiermesh_domain::policy::parse(text).unwrap();
            let found = match &document {
                tiermesh_domain::policy::Document::Tiers(policy) => &policy.name,
                tiermesh_domain::policy::Document::Detectors(settings) => &settings.name,
            };
            assert_eq!(found, name);
        }
        assert!(super::text_of("nosuch").unwrap_err().contains("abc, lifecycle"));
    }
}
