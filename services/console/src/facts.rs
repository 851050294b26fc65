//! Facts as the API shows them: what, when, from where, and the few fields a reader wants. Nothing personal.

use prost::Message;
use serde_json::{Map, Value, json};
use tiermesh_domain::{exact::format_trimmed, fact::type_name, time::format_instant};
use tiermesh_proto::v1::{Fact, fact::Data};

use crate::messages::money;

pub(crate) fn shown(bytes: &[u8]) -> Value {
    let Ok(fact) = Fact::decode(bytes) else { return Value::Null };
    let Some(data) = &fact.data else { return Value::Null };
    json!({
        "type": type_name(data),
        "time": format_instant(fact.time_ms),
        "source": fact.source,
        "id": fact.id,
        "data": fields(data),
    })
}

/// Fields of an object, absent ones left out.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn with(mut self, name: &str, value: impl Into<Option<String>>) -> Self {
        if let Some(value) = value.into() {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    fn amount(self, minor: i64, currency: &str) -> Self {
        self.with("amount", money(minor, currency)).with("currency", currency.to_owned())
    }
}

fn millionths(value: i64) -> String {
    format_trimmed(i128::from(value), 6)
}

fn fields(data: &Data) -> Map<String, Value> {
    let fields = Fields::default();
    match data {
        Data::OrderPlaced(order) | Data::OrderCorrected(order) => {
            fields.with("order_id", order.order_id.clone()).amount(order.amount_minor, &order.currency)
        }
        Data::OrderPaid(order) | Data::OrderFulfilled(order) | Data::OrderCancelled(order) => {
            fields.with("order_id", order.order_id.clone())
        }
        Data::OrderRefunded(refund) => {
            fields.with("order_id", refund.order_id.clone()).amount(refund.amount_minor, &refund.currency)
        }
        Data::InvoiceIssued(invoice) => fields
            .with("invoice_id", invoice.invoice_id.clone())
            .amount(invoice.amount_minor, &invoice.currency)
            .with("due", invoice.due.clone()),
        Data::InvoiceCredited(credit) => fields
            .with("invoice_id", credit.invoice_id.clone())
            .with("amount", format_trimmed(i128::from(credit.amount_e4), 4))
            .with("currency", (!credit.currency.is_empty()).then(|| credit.currency.clone())),
        Data::InvoiceCancelled(invoice) => fields.with("invoice_id", invoice.invoice_id.clone()),
        Data::PaymentReceived(payment) | Data::PaymentReversed(payment) => {
            fields.with("invoice_id", payment.invoice_id.clone()).amount(payment.amount_minor, &payment.currency)
        }
        Data::ContractSigned(contract) | Data::ContractRenewed(contract) | Data::ContractEnded(contract) => fields
            .with("contract_id", contract.contract_id.clone())
            .amount(contract.value_minor, &contract.currency)
            .with("end", contract.end.clone()),
        Data::InteractionRecorded(interaction) => fields
            .with("channel", interaction.channel.clone())
            .with("direction", interaction.direction.clone())
            .with("staff", interaction.staff.clone()),
        Data::ComplaintOpened(complaint) => fields
            .with("complaint_id", complaint.complaint_id.clone())
            .with("category", complaint.category.clone())
            .with("severity", complaint.severity.map(|severity| severity.to_string())),
        Data::ComplaintAcknowledged(step)
        | Data::ComplaintAnswered(step)
        | Data::ComplaintFollowedUp(step)
        | Data::ComplaintClosed(step) => {
            fields.with("complaint_id", step.complaint_id.clone()).with("staff", step.staff.clone())
        }
        Data::TicketOpened(ticket) | Data::TicketClosed(ticket) => {
            fields.with("ticket_id", ticket.ticket_id.clone()).with("topic", ticket.topic.clone())
        }
        Data::SurveyAnswered(survey) => {
            fields.with("kind", survey.kind.clone()).with("score", millionths(survey.score_millionths))
        }
        Data::UsageReported(usage) => {
            fields.with("metric", usage.metric.clone()).with("value", millionths(usage.value_millionths))
        }
        Data::CompetitorMentioned(mention) => fields.with("competitor", mention.competitor.clone()),
        Data::RiskReported(risk) => fields.with("kind", risk.kind.clone()),
        Data::LeadCaptured(lead) => {
            fields.with("channel", lead.channel.clone()).with("fit", millionths(lead.fit_millionths))
        }
        Data::LeadStageChanged(lead) => fields.with("stage", lead.stage.clone()),
        Data::ReferralMade(referral) => fields.with("referred", referral.referred.clone()),
        Data::ProfileUpdated(profile) => fields
            .with("owner", profile.owner.clone())
            .with("region", profile.region.clone())
            .with("language", profile.language.clone()),
        Data::PointsRedeemed(points) => fields.with("points", millionths(points.points_millionths)),
        Data::PointsAdjusted(points) => fields.with("points", millionths(points.points_millionths)),
        Data::TierOverridden(change) => {
            fields.with("programme", change.programme.clone()).with("tier", change.tier.clone())
        }
        Data::RelationshipEnded(end) => fields.with("by", end.by.clone()),
        Data::CustomerMerged(merge) => fields.with("into", merge.into.clone()),
        Data::CustomerErased(_) => fields,
        Data::Custom(custom) => fields.with("name", custom.name.clone()),
    }
    .0
}
