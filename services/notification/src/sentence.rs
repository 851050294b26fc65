//! One sentence for people, in English and in Chinese.

use tiermesh_domain::time::format_instant;
use tiermesh_proto::v1::{LossSignal, SourceBack, SourceQuiet, TierChange};

use crate::news::{Direction, News};

/// The same in two languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) en: String,
    pub(crate) zh: String,
}

impl Sentence {
    pub(crate) fn of(news: &News) -> Self {
        match news {
            News::Change(tier_change) => change(tier_change),
            News::Signal(loss_signal) => signal(loss_signal),
            News::Quiet(source) => quiet(source),
            News::Back(source) => back(source),
        }
    }
}

fn change(change: &TierChange) -> Sentence {
    let TierChange { customer, policy, to, .. } = change;
    let from = change.from.as_deref().unwrap_or_default();
    let (en, zh) = match Direction::of(change) {
        Direction::First => (format!("has a first tier: {to}"), format!("首次定级为 {to}")),
        Direction::Up => (format!("moved up from {from} to {to}"), format!("由 {from} 升为 {to}")),
        Direction::Down => (format!("moved down from {from} to {to}"), format!("由 {from} 降为 {to}")),
        Direction::Other => (format!("moved from {from} to {to}"), format!("由 {from} 变为 {to}")),
    };
    Sentence {
        en: format!("Customer {customer} {en} (policy {policy})."),
        zh: format!("客户 {customer} {zh}（策略 {policy}）。"),
    }
}

fn signal(signal: &LossSignal) -> Sentence {
    let LossSignal { customer, detector, observed, expected, .. } = signal;
    let (en, zh) = match signal.state.as_str() {
        "cleared" => (format!("is no longer at risk ({detector})"), format!("流失风险已解除（{detector}）")),
        "lost" => (format!("is lost ({detector})"), format!("已流失（{detector}）")),
        _ => {
            let days = signal.window_days.unwrap_or(30);
            let usual = roughly(*expected);
            match detector.as_str() {
                "frequency_drop" => (
                    format!(
                        "may be leaving: {} in {days} days, where {usual} were expected",
                        counted(*observed, "order")
                    ),
                    format!("有流失风险：{days} 天内下单 {observed} 次，预期 {usual} 次"),
                ),
                "silence" => (
                    format!("may be leaving: no order for {observed} days, where {expected:.0} were the limit"),
                    format!("有流失风险：已 {observed} 天未下单，上限为 {expected:.0} 天"),
                ),
                "complaint_rise" => {
                    // Else it was the next one, soon after another of its kind was closed.
                    let (en, zh) = match *observed as f64 > *expected {
                        true => ("complains more than expected", "投诉多于预期"),
                        false => ("complains again soon after a complaint was closed", "投诉关闭后不久再次投诉"),
                    };
                    (
                        format!(
                            "{en}: {} in {days} days, where {usual} were expected",
                            counted(*observed, "complaint")
                        ),
                        format!("{zh}：{days} 天内投诉 {observed} 次，预期 {usual} 次"),
                    )
                }
                other => (
                    format!("may be leaving: {other}: {observed} seen, {usual} expected"),
                    format!("有流失风险：{other}：实际 {observed}，预期 {usual}"),
                ),
            }
        }
    };
    Sentence { en: format!("Customer {customer} {en}."), zh: format!("客户 {customer} {zh}。") }
}

fn counted(number: i64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// To one decimal; of what is rare, the first two digits that say something.
fn roughly(expected: f64) -> String {
    let decimals = 1 + [1.0, 0.1, 0.01, 0.001, 0.0001].iter().take_while(|least| expected < **least).count();
    let text = format!("{expected:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn quiet(quiet: &SourceQuiet) -> Sentence {
    let (source, since) = (&quiet.source, format_instant(quiet.last_seen_ms));
    let minutes = quiet.longest_pause_ms / 60_000;
    Sentence {
        en: format!(
            "Source {source} has gone quiet: nothing came since {since}; its longest pause before was {minutes} minutes. \
             Signals that rest on absence are held back for its customers."
        ),
        zh: format!(
            "数据源 {source} 已静默：自 {since} 起没有数据，此前最长间隔为 {minutes} 分钟。对其客户暂缓基于“未发生”的预警。"
        ),
    }
}

fn back(back: &SourceBack) -> Sentence {
    let (source, since) = (&back.source, format_instant(back.quiet_since_ms));
    if back.given_up {
        return Sentence {
            en: format!(
                "Source {source} is waited for no longer; it is quiet since {since}. What was held back is said now."
            ),
            zh: format!("不再等待数据源 {source}；自 {since} 起静默。此前暂缓的预警现已发出。"),
        };
    }
    Sentence {
        en: format!("Source {source} sends again; it was quiet since {since}."),
        zh: format!("数据源 {source} 已恢复；自 {since} 起曾静默。"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_never_shown_as_nothing() {
        let shown = [12.34, 4.0, 1.0, 0.5, 0.34, 0.0449, 0.0996, 0.0021, 0.0].map(roughly);
        assert_eq!(shown, ["12.3", "4", "1", "0.5", "0.34", "0.045", "0.1", "0.0021", "0"]);
    }

    #[test]
    fn a_signal_says_what_was_seen() {
        let told = |detector: &str, observed, expected| {
            let detector = detector.to_owned();
            let customer = "15513".to_owned();
            let window_days = Some(30);
            signal(&LossSignal { customer, detector, observed, expected, window_days, ..LossSignal::default() })
        };
        for (found, en, zh) in [
            (
                told("complaint_rise", 2, 0.0449),
                "Customer 15513 complains more than expected: 2 complaints in 30 days, where 0.045 were expected.",
                "客户 15513 投诉多于预期：30 天内投诉 2 次，预期 0.045 次。",
            ),
            (
                told("complaint_rise", 1, 1.25),
                "Customer 15513 complains again soon after a complaint was closed: 1 complaint in 30 days, where 1.2 \
                 were expected.",
                "客户 15513 投诉关闭后不久再次投诉：30 天内投诉 1 次，预期 1.2 次。",
            ),
            (
                told("frequency_drop", 1, 6.0),
                "Customer 15513 may be leaving: 1 order in 30 days, where 6 were expected.",
                "客户 15513 有流失风险：30 天内下单 1 次，预期 6 次。",
            ),
        ] {
            assert_eq!((found.en.as_str(), found.zh.as_str()), (en, zh));
        }
    }
}
