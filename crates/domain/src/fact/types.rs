//! The event types, one table: what each one's `data` holds.

use std::borrow::Cow;

use tiermesh_proto::v1::{
    CompetitorMentioned, ComplaintOpened, ComplaintStep, Contract, Custom, CustomerErased, CustomerMerged, Interaction,
    InvoiceAmount, InvoiceIssued, InvoiceRef, LeadCaptured, LeadStageChanged, Order, OrderLine, OrderRef, Payment,
    PersonalField, PointsAdjusted, PointsRedeemed, ProfileUpdated, ReferralMade, Refund, RelationshipEnded,
    RiskReported, SurveyAnswered, Ticket, TierOverridden, UsageReported, fact::Data,
};

use super::{
    fields::{Fields, Refusal},
    json::Json,
};

/// What every type of ours begins with.
pub const PREFIX: &str = "tiermesh.";
/// What types declared in a policy file begin with.
pub(super) const CUSTOM_PREFIX: &str = "tiermesh.custom.";

const CHANNELS: &[&str] = &["call", "visit", "meeting", "mail", "chat", "web", "app"];
const CATEGORIES: &[&str] = &["price", "quality", "service", "logistics", "other"];

type Read<T> = Result<T, Refusal>;

/// Reads the data of an event of type `kind`. What is personal goes to `personal`.
pub(super) fn read(kind: &str, f: &mut Fields<'_>, personal: &mut Vec<PersonalField>) -> Read<Data> {
    let Some(name) = kind.strip_prefix(PREFIX) else { return Err(unknown(kind)) };
    Ok(match name {
        "order.placed" => Data::OrderPlaced(order(f)?),
        "order.paid" => Data::OrderPaid(order_ref(f)?),
        "order.fulfilled" => Data::OrderFulfilled(order_ref(f)?),
        "order.corrected" => Data::OrderCorrected(order(f)?),
        "order.cancelled" => Data::OrderCancelled(order_ref(f)?),
        "order.refunded" => Data::OrderRefunded(refund(f)?),
        "invoice.issued" => {
            let (currency, decimals) = f.currency("currency")?;
            Data::InvoiceIssued(InvoiceIssued {
                invoice_id: f.name("invoice_id")?,
                amount_minor: f.not_negative("amount", decimals)?,
                currency,
                due: f.date("due")?,
            })
        }
        "invoice.credited" => {
            // Without a currency the amount is in the invoice's, which only the fold knows.
            let (currency, decimals) = f.optional_currency("currency")?.unwrap_or((String::new(), 4));
            let amount = f.not_negative("amount", decimals)?;
            Data::InvoiceCredited(InvoiceAmount {
                invoice_id: f.name("invoice_id")?,
                amount_e4: amount.saturating_mul(10_i64.pow(4_u32.saturating_sub(decimals))),
                currency,
            })
        }
        "invoice.cancelled" => Data::InvoiceCancelled(InvoiceRef { invoice_id: f.name("invoice_id")? }),
        "payment.received" => Data::PaymentReceived(payment(f)?),
        "payment.reversed" => Data::PaymentReversed(payment(f)?),
        "contract.signed" => Data::ContractSigned(contract(f)?),
        "contract.renewed" => Data::ContractRenewed(contract(f)?),
        "contract.ended" => Data::ContractEnded(contract(f)?),
        "interaction.recorded" => {
            keep_personal(f, "note", personal);
            Data::InteractionRecorded(Interaction {
                channel: f.word("channel", CHANNELS)?,
                direction: f.optional_word("direction", &["inbound", "outbound"])?,
                bulk: f.optional_bool("bulk")?.unwrap_or(false),
                staff: f.optional_name("staff")?,
                minutes_millionths: f.optional_decimal("minutes", 6)?,
                cost: f.optional_decimal("cost", 6)?.map(|cost| crate::exact::format_trimmed(cost.into(), 6)),
                outcome: f.optional_text("outcome")?,
                sentiment_millionths: f.within("sentiment", -1, 1)?,
            })
        }
        "complaint.opened" => {
            keep_personal(f, "text", personal);
            Data::ComplaintOpened(ComplaintOpened {
                complaint_id: f.name("complaint_id")?,
                category: f.word("category", CATEGORIES)?,
                severity: f.within("severity", 1, 5)?.map(|severity| (severity / 1_000_000) as u32),
            })
        }
        "complaint.acknowledged" => Data::ComplaintAcknowledged(complaint_step(f)?),
        "complaint.answered" => {
            let step = complaint_step(f)?;
            if step.options.len() < 2 {
                return f.refuse("options", "must name at least 2 options: the customer is to have a choice");
            }
            Data::ComplaintAnswered(step)
        }
        "complaint.followed_up" => Data::ComplaintFollowedUp(complaint_step(f)?),
        "complaint.closed" => Data::ComplaintClosed(complaint_step(f)?),
        "ticket.opened" => Data::TicketOpened(ticket(f)?),
        "ticket.closed" => Data::TicketClosed(ticket(f)?),
        "survey.answered" => Data::SurveyAnswered(SurveyAnswered {
            kind: f.word("kind", &["csat", "nps", "ces"])?,
            score_millionths: f.decimal("score", 6)?,
            max_millionths: f.optional_decimal("max", 6)?,
            topic: f.optional_name("topic")?,
        }),
        "usage.reported" => {
            Data::UsageReported(UsageReported { metric: f.name("metric")?, value_millionths: f.decimal("value", 6)? })
        }
        "competitor.mentioned" => Data::CompetitorMentioned(CompetitorMentioned {
            competitor: f.name("competitor")?,
            evidence: f.optional_text("evidence")?,
        }),
        "risk.reported" => {
            Data::RiskReported(RiskReported { kind: f.name("kind")?, evidence: f.optional_text("evidence")? })
        }
        "lead.captured" => {
            let fit = f.within("fit", 0, 100)?;
            let Some(fit_millionths) = fit else { return f.refuse("fit", "is missing") };
            Data::LeadCaptured(LeadCaptured {
                channel: f.name("channel")?,
                fit_millionths,
                interests: f.names("interests")?,
            })
        }
        "lead.stage_changed" => Data::LeadStageChanged(LeadStageChanged {
            stage: f.word("stage", &["qualified", "won", "lost"])?,
            reason: f.optional_text("reason")?,
        }),
        "referral.made" => Data::ReferralMade(ReferralMade { referred: f.name("referred")? }),
        "profile.updated" => Data::ProfileUpdated(profile(f, personal)?),
        "points.redeemed" => Data::PointsRedeemed(PointsRedeemed {
            points_millionths: f.positive("points", 6)?,
            reward: f.optional_name("reward")?,
        }),
        "points.adjusted" => Data::PointsAdjusted(PointsAdjusted {
            points_millionths: f.decimal("points", 6)?,
            reason: f.text("reason")?,
        }),
        "tier.overridden" => {
            if f.get_or_null("tier").is_none() {
                return f.refuse("tier", "is missing; null ends an override");
            }
            Data::TierOverridden(TierOverridden {
                programme: f.name("programme")?,
                tier: f.optional_name("tier")?,
                reason: f.text("reason")?,
                by: f.name("by")?,
                expires_ms: f.optional_instant("expires")?,
            })
        }
        "relationship.ended" => {
            Data::RelationshipEnded(RelationshipEnded { by: f.name("by")?, reason: f.optional_text("reason")? })
        }
        "customer.merged" => Data::CustomerMerged(CustomerMerged { from: f.name("from")?, into: f.name("into")? }),
        "customer.erased" => Data::CustomerErased(CustomerErased { reason: f.optional_text("reason")? }),
        _ => match name.strip_prefix("custom.") {
            Some(custom) if !custom.is_empty() => Data::Custom(Custom { name: custom.to_owned(), fields: f.all() }),
            _ => return Err(unknown(kind)),
        },
    })
}

/// The type of a fact's data, as it stands in `ce_type`.
pub fn type_name(data: &Data) -> Cow<'static, str> {
    let name = match data {
        Data::OrderPlaced(_) => "tiermesh.order.placed",
        Data::OrderPaid(_) => "tiermesh.order.paid",
        Data::OrderFulfilled(_) => "tiermesh.order.fulfilled",
        Data::OrderCorrected(_) => "tiermesh.order.corrected",
        Data::OrderCancelled(_) => "tiermesh.order.cancelled",
        Data::OrderRefunded(_) => "tiermesh.order.refunded",
        Data::InvoiceIssued(_) => "tiermesh.invoice.issued",
        Data::InvoiceCredited(_) => "tiermesh.invoice.credited",
        Data::InvoiceCancelled(_) => "tiermesh.invoice.cancelled",
        Data::PaymentReceived(_) => "tiermesh.payment.received",
        Data::PaymentReversed(_) => "tiermesh.payment.reversed",
        Data::ContractSigned(_) => "tiermesh.contract.signed",
        Data::ContractRenewed(_) => "tiermesh.contract.renewed",
        Data::ContractEnded(_) => "tiermesh.contract.ended",
        Data::InteractionRecorded(_) => "tiermesh.interaction.recorded",
        Data::ComplaintOpened(_) => "tiermesh.complaint.opened",
        Data::ComplaintAcknowledged(_) => "tiermesh.complaint.acknowledged",
        Data::ComplaintAnswered(_) => "tiermesh.complaint.answered",
        Data::ComplaintFollowedUp(_) => "tiermesh.complaint.followed_up",
        Data::ComplaintClosed(_) => "tiermesh.complaint.closed",
        Data::TicketOpened(_) => "tiermesh.ticket.opened",
        Data::TicketClosed(_) => "tiermesh.ticket.closed",
        Data::SurveyAnswered(_) => "tiermesh.survey.answered",
        Data::UsageReported(_) => "tiermesh.usage.reported",
        Data::CompetitorMentioned(_) => "tiermesh.competitor.mentioned",
        Data::RiskReported(_) => "tiermesh.risk.reported",
        Data::LeadCaptured(_) => "tiermesh.lead.captured",
        Data::LeadStageChanged(_) => "tiermesh.lead.stage_changed",
        Data::ReferralMade(_) => "tiermesh.referral.made",
        Data::ProfileUpdated(_) => "tiermesh.profile.updated",
        Data::PointsRedeemed(_) => "tiermesh.points.redeemed",
        Data::PointsAdjusted(_) => "tiermesh.points.adjusted",
        Data::TierOverridden(_) => "tiermesh.tier.overridden",
        Data::RelationshipEnded(_) => "tiermesh.relationship.ended",
        Data::CustomerMerged(_) => "tiermesh.customer.merged",
        Data::CustomerErased(_) => "tiermesh.customer.erased",
        Data::Custom(custom) => return Cow::Owned(format!("{CUSTOM_PREFIX}{}", custom.name)),
    };
    Cow::Borrowed(name)
}

fn unknown(kind: &str) -> Refusal {
    Refusal::new("type", format!("{kind:?} is not an event type of Tiermesh; see docs/events.md for all of them"))
}

fn order(f: &mut Fields<'_>) -> Read<Order> {
    let (currency, decimals) = f.currency("currency")?;
    let cost_minor = match f.optional_decimal("cost", decimals)? {
        Some(cost) if cost < 0 => return f.refuse("cost", "must not be below 0"),
        cost => cost,
    };
    Ok(Order {
        order_id: f.name("order_id")?,
        amount_minor: f.not_negative("amount", decimals)?,
        currency,
        cost_minor,
        channel: f.optional_name("channel")?,
        lines: lines(f, decimals)?,
    })
}

fn lines(f: &mut Fields<'_>, decimals: u32) -> Read<Vec<OrderLine>> {
    f.items("lines")?
        .into_iter()
        .map(|mut line| {
            Ok(OrderLine {
                sku: line.name("sku")?,
                category: line.name("category")?,
                quantity_millionths: line.decimal("quantity", 6)?,
                amount_minor: line.decimal("amount", decimals)?,
            })
        })
        .collect()
}

fn order_ref(f: &mut Fields<'_>) -> Read<OrderRef> {
    Ok(OrderRef { order_id: f.name("order_id")? })
}

fn refund(f: &mut Fields<'_>) -> Read<Refund> {
    let (currency, decimals) = f.currency("currency")?;
    Ok(Refund {
        order_id: f.optional_name("order_id")?,
        refund_id: f.name("refund_id")?,
        amount_minor: f.positive("amount", decimals)?,
        currency,
        lines: lines(f, decimals)?,
        reason: f.optional_text("reason")?,
    })
}

fn payment(f: &mut Fields<'_>) -> Read<Payment> {
    let (currency, decimals) = f.currency("currency")?;
    Ok(Payment {
        payment_id: f.name("payment_id")?,
        invoice_id: f.optional_name("invoice_id")?,
        amount_minor: f.not_negative("amount", decimals)?,
        currency,
    })
}

fn contract(f: &mut Fields<'_>) -> Read<Contract> {
    let (currency, decimals) = f.currency("currency")?;
    Ok(Contract {
        contract_id: f.name("contract_id")?,
        start: f.date("start")?,
        end: f.date("end")?,
        value_minor: f.not_negative("value", decimals)?,
        currency,
    })
}

fn complaint_step(f: &mut Fields<'_>) -> Read<ComplaintStep> {
    Ok(ComplaintStep {
        complaint_id: f.name("complaint_id")?,
        staff: f.optional_name("staff")?,
        satisfied: f.optional_bool("satisfied")?,
        options: f.names("options")?,
    })
}

fn ticket(f: &mut Fields<'_>) -> Read<Ticket> {
    Ok(Ticket {
        ticket_id: f.name("ticket_id")?,
        topic: f.optional_name("topic")?,
        staff: f.optional_name("staff")?,
        minutes_millionths: f.optional_decimal("minutes", 6)?,
    })
}

fn profile(f: &mut Fields<'_>, personal: &mut Vec<PersonalField>) -> Read<ProfileUpdated> {
    for name in ["name", "contacts", "important_dates"] {
        keep_personal(f, name, personal);
    }
    let mut profile = ProfileUpdated::default();
    for (name, into) in [
        ("region", &mut profile.region),
        ("industry", &mut profile.industry),
        ("owner", &mut profile.owner),
        ("language", &mut profile.language),
        ("size", &mut profile.size),
        ("parent", &mut profile.parent),
    ] {
        if f.get_or_null(name).is_some_and(|value| *value == Json::Null) {
            profile.removed.push(name.to_owned());
        }
        *into = f.optional_name(name)?;
    }
    match f.get_or_null("tags") {
        Some(Json::Null) => profile.removed.push("tags".to_owned()),
        found => {
            profile.tags_given = found.is_some();
            profile.tags = f.names("tags")?;
        }
    }
    match f.get_or_null("attributes") {
        None => {}
        Some(Json::Null) => profile.removed.push("attributes".to_owned()),
        Some(Json::Object(attributes)) => {
            profile.attributes = attributes.iter().map(|(name, value)| super::fields::attribute(name, value)).collect();
        }
        Some(_) => return f.refuse("attributes", "must be a JSON object"),
    }
    Ok(profile)
}

/// Moves a field that may hold personal text to where it can be sealed.
fn keep_personal(f: &mut Fields<'_>, name: &'static str, personal: &mut Vec<PersonalField>) {
    if let Some(value) = f.get_or_null(name) {
        personal.push(PersonalField { field: name.to_owned(), json: value.to_string() });
    }
}
