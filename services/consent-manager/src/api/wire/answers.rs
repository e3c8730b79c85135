//! What is answered.

use yinyom_consent::wire::{actor_name, channels_to_wire, parent_name, timestamp};
use yinyom_consent::{Actor, ByChannel, CONTACTS, EvidenceMethod, Role};
use yinyom_kernel::BusinessId;
use yinyom_privacy::Personal;
use yinyom_proto::manager::v1 as pb;
use yinyom_proto::manager::v1::breakdown_value::Value;
use yinyom_proto::types::v1 as types;

use crate::domain::{
    Breakdown, By, ChannelSummary, ChannelTrend, ConsentRecord, Entry, Evidence, Recorded, Summary,
    Trend,
};

/// Current consents.
pub(in crate::api) fn consents(
    business: BusinessId,
    records: Vec<ConsentRecord>,
) -> Vec<pb::ConsentRecord> {
    records
        .into_iter()
        .map(|ConsentRecord { contact, channel, state, consent }| pb::ConsentRecord {
            contact: CONTACTS.format(business, contact),
            channel: channel.to_wire(),
            state: state.to_wire(),
            expire_time: consent.expires_at.map(timestamp),
            seq: consent.seq,
            update_time: Some(timestamp(consent.updated_at)),
            cause: consent.cause.to_wire(),
            surface: consent.surface.to_wire(),
            actor: actor_name(business, &consent.actor),
            actor_role: role(&consent.actor),
        })
        .collect()
}

/// One change.
pub(in crate::api) fn entry(entry: Entry) -> pb::LedgerEntry {
    let Entry { recorded, evidence } = entry;
    let change = &recorded.change;
    let contact = CONTACTS.format(change.business, change.contact);
    pb::LedgerEntry {
        name: format!("{contact}/changes/{}", change.seq),
        contact,
        seq: change.seq,
        ledger_index: recorded.ledger_index,
        leaf_hash: recorded.leaf_hash.to_vec(),
        record_time: Some(timestamp(change.recorded_at)),
        ingest_time: Some(timestamp(recorded.ingested_at)),
        cause: change.cause.to_wire(),
        surface: change.surface.to_wire(),
        surface_parent: change
            .surface_parent
            .map(|parent| parent_name(change.business, parent))
            .unwrap_or_default(),
        actor: actor_name(change.business, &change.actor),
        actor_role: role(&change.actor),
        channels: channels_to_wire(&change.channels),
        evidence: rests_on(&recorded, evidence),
    }
}

/// Unset if the change rests on nothing.
fn rests_on(recorded: &Recorded, evidence: Evidence) -> Option<types::Evidence> {
    let (reference, note) = match evidence {
        Evidence::Nothing => (None, None),
        Evidence::Opened(opened) => (opened.reference, opened.note),
    };
    // Only readers of the ledger get here: `commands::Reading` is behind every way to an entry.
    let text = |text: Option<Personal>| text.map(Personal::into_inner).unwrap_or_default();
    let change = &recorded.change;
    let evidence = types::Evidence {
        method: change.method.map_or(0, EvidenceMethod::to_wire),
        notice_version: change.notice_version.clone().unwrap_or_default(),
        reference: text(reference),
        note: text(note),
        claimed_time: change.claimed_at.map(timestamp),
    };
    let sealed = recorded.change.evidence_commitment.is_some();
    (sealed || evidence != types::Evidence::default()).then_some(evidence)
}

fn role(actor: &Actor) -> i32 {
    match actor {
        Actor::Member { role: Some(role), .. } => Role::to_wire(*role),
        Actor::Member { role: None, .. } | Actor::Service { .. } => 0,
    }
}

/// Counted consents.
pub(in crate::api) fn summary(summary: &Summary) -> pb::GetConsentSummaryResponse {
    let channels = summary.channels.iter().map(|(channel, counted): (_, &ChannelSummary)| {
        pb::ChannelSummary {
            channel: channel.to_wire(),
            not_set: counted.not_set,
            granted: counted.granted,
            denied: counted.denied,
            coverage: counted.coverage(),
        }
    });
    pb::GetConsentSummaryResponse {
        channels: channels.collect(),
        contacts: summary.contacts,
        changes: summary.changes,
        as_of_time: Some(timestamp(summary.as_of)),
    }
}

/// Counted changes.
pub(in crate::api) fn trend(trend: Trend) -> pb::GetConsentTrendResponse {
    let buckets = trend.buckets.into_iter().map(|(bucket, channels)| pb::TrendBucket {
        start_time: Some(timestamp(bucket.start)),
        start_date: bucket.date.to_string(),
        channels: channel_trends(&channels),
    });
    pb::GetConsentTrendResponse { buckets: buckets.collect(), time_zone: trend.time_zone }
}

fn channel_trends(channels: &ByChannel<ChannelTrend>) -> Vec<pb::ChannelTrend> {
    channels
        .iter()
        .map(|(channel, counted)| pb::ChannelTrend {
            channel: channel.to_wire(),
            grants: counted.counts.grants,
            refusals: counted.counts.refusals,
            resets: counted.counts.resets,
            net_granted: counted.counts.granted,
            opt_outs: counted.counts.opt_outs,
            opt_out_rate: counted.opt_out_rate(),
            start_granted: counted.start_granted,
            net_not_set: counted.counts.not_set,
            net_denied: counted.counts.denied,
        })
        .collect()
}

/// A page of a breakdown.
pub(in crate::api) fn breakdown(
    business: BusinessId,
    breakdown: &Breakdown,
    next_page_token: String,
) -> pb::GetConsentBreakdownResponse {
    let values = breakdown.shares.iter().map(|share| pb::BreakdownValue {
        value: Some(match &share.by {
            By::Surface(surface) => Value::Surface(surface.to_wire()),
            By::Actor(actor) => Value::Actor(actor_name(business, actor)),
            By::Method(method) => Value::EvidenceMethod(method.map_or(0, EvidenceMethod::to_wire)),
        }),
        channels: share
            .channels
            .iter()
            .map(|(channel, counts)| pb::ChannelBreakdown {
                channel: channel.to_wire(),
                grants: counts.grants,
                refusals: counts.refusals,
                resets: counts.resets,
                opt_outs: counts.opt_outs,
                grant_rate: share.grant_rate(channel),
                opt_out_rate: breakdown.opt_out_rate(share, channel),
            })
            .collect(),
    });
    pb::GetConsentBreakdownResponse {
        values: values.collect(),
        next_page_token,
        start_time: Some(timestamp(breakdown.period.start)),
        end_time: Some(timestamp(breakdown.period.end)),
    }
}
