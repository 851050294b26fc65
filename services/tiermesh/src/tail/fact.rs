//! What a fact says, in the words of its event. Personal fields stay out.

use serde_json::{Map, Value, json};
use tiermesh_domain::{
    exact::{format_scaled, format_trimmed},
    fact::type_name,
    money::decimals_of,
};
use tiermesh_proto::v1::{Fact, Order, OrderLine, fact::Data};

/// The event's type, and what of its data people ask about.
pub(crate) fn described(fact: &Fact) -> (String, Value) {
    let Some(data) = &fact.data else { return (String::new(), json!({})) };
    (type_name(data).into_owned(), Value::Object(fields(data)))
}

fn fields(data: &Data) -> Map<String, Value> {
    let fields = match data {
        Data::OrderPlaced(order) | Data::OrderCorrected(order) => placed(order),
        Data::OrderPaid(of) | Data::OrderFulfilled(of) | Data::OrderCancelled(of) => json!({"order_id": of.order_id}),
        Data::OrderRefunded(refund) => json!({
            "refund_id": refund.refund_id, "order_id": refund.order_id,
            "amount": money(refund.amount_minor, &refund.currency), "currency": refund.currency,
        }),
        Data::InvoiceIssued(invoice) => json!({
            "invoice_id": invoice.invoice_id, "amount": money(invoice.amount_minor, &invoice.currency),
            "currency": invoice.currency, "due": invoice.due,
        }),
        Data::InvoiceCredited(credit) => {
            json!({"invoice_id": credit.invoice_id, "amount": format_trimmed(credit.amount_e4.into(), 4)})
        }
        Data::InvoiceCancelled(of) => json!({"invoice_id": of.invoice_id}),
        Data::PaymentReceived(payment) | Data::PaymentReversed(payment) => json!({
            "payment_id": payment.payment_id, "invoice_id": payment.invoice_id,
            "amount": money(payment.amount_minor, &payment.currency), "currency": payment.currency,
        }),
        Data::ContractSigned(contract) | Data::ContractRenewed(contract) | Data::ContractEnded(contract) => json!({
            "contract_id": contract.contract_id, "start": contract.start, "end": contract.end,
            "value": money(contract.value_minor, &contract.currency), "currency": contract.currency,
        }),
        Data::InteractionRecorded(interaction) => json!({
            "channel": interaction.channel, "direction": interaction.direction, "staff": interaction.staff,
            "minutes": interaction.minutes_millionths.map(millionths), "bulk": interaction.bulk.then_some(true),
        }),
        Data::ComplaintOpened(complaint) => json!({
            "complaint_id": complaint.complaint_id, "category": complaint.category, "severity": complaint.severity,
        }),
        Data::ComplaintAcknowledged(step)
        | Data::ComplaintAnswered(step)
        | Data::ComplaintFollowedUp(step)
        | Data::ComplaintClosed(step) => {
            json!({"complaint_id": step.complaint_id, "staff": step.staff, "satisfied": step.satisfied})
        }
        Data::TicketOpened(ticket) | Data::TicketClosed(ticket) => {
            json!({"ticket_id": ticket.ticket_id, "topic": ticket.topic, "staff": ticket.staff})
        }
        Data::SurveyAnswered(survey) => json!({
            "kind": survey.kind, "score": millionths(survey.score_millionths), "topic": survey.topic,
        }),
        Data::UsageReported(usage) => json!({"metric": usage.metric, "value": millionths(usage.value_millionths)}),
        Data::CompetitorMentioned(mention) => json!({"competitor": mention.competitor}),
        Data::RiskReported(risk) => json!({"kind": risk.kind}),
        Data::LeadCaptured(lead) => json!({"channel": lead.channel, "fit": millionths(lead.fit_millionths)}),
        Data::LeadStageChanged(lead) => json!({"stage": lead.stage}),
        Data::ReferralMade(referral) => json!({"referred": referral.referred}),
        Data::ProfileUpdated(profile) => json!({
            "region": profile.region, "industry": profile.industry, "owner": profile.owner,
            "language": profile.language, "size": profile.size,
        }),
        Data::PointsRedeemed(points) => {
            json!({"points": millionths(points.points_millionths), "reward": points.reward})
        }
        Data::PointsAdjusted(points) => json!({"points": millionths(points.points_millionths)}),
        Data::TierOverridden(tier) => json!({"programme": tier.programme, "tier": tier.tier, "by": tier.by}),
        Data::RelationshipEnded(end) => json!({"by": end.by}),
        Data::CustomerMerged(merge) => json!({"from": merge.from, "into": merge.into}),
        Data::CustomerErased(_) => json!({}),
        Data::Custom(custom) => json!({"name": custom.name}),
    };
    match fields {
        Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

fn placed(order: &Order) -> Value {
    let line = |line: &OrderLine| {
        json!({
            "sku": line.sku, "category": line.category, "quantity": millionths(line.quantity_millionths),
            "amount": money(line.amount_minor, &order.currency),
        })
    };
    let lines = (!order.lines.is_empty()).then(|| order.lines.iter().map(line).collect::<Vec<_>>());
    json!({
        "order_id": order.order_id, "amount": money(order.amount_minor, &order.currency), "currency": order.currency,
        "channel": order.channel, "lines": lines,
    })
}

fn money(minor: i64, currency: &str) -> String {
    format_scaled(minor.into(), decimals_of(currency).unwrap_or(2))
}

fn millionths(value: i64) -> String {
    format_trimmed(value.into(), 6)
}
