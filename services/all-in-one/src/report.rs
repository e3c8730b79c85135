//! `yinyom report`: what the ledger says of a business, as text for a terminal.

mod breakdown;
mod chart;

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use yinyom_proto::directory::v1::outbox_service_client::OutboxServiceClient;
use yinyom_proto::directory::v1::shared_address_service_client::SharedAddressServiceClient;
use yinyom_proto::directory::v1::{
    GetOutboxStatusRequest, GetSharedAddressSummaryRequest, SharedAddressSummary,
};
use yinyom_proto::manager::v1::report_service_client::ReportServiceClient;
use yinyom_proto::manager::v1::{
    BreakdownDimension, ChannelSummary, GetConsentBreakdownRequest, GetConsentSummaryRequest,
    GetConsentSummaryResponse, GetConsentTrendRequest, GetConsentTrendResponse, Granularity,
    TrendBucket,
};
use yinyom_proto::types::v1::Channel;

use crate::client::{CallError, Connection, Target};
use crate::session::{Session, SessionArgs, SessionError};

/// The most characters of a bar.
const BAR: usize = 24;

/// Prints how many contacts said yes or no, and how that came about.
#[derive(clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    session: SessionArgs,

    /// Where consent-manager answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_MANAGER", value_name = "http://HOST:PORT")]
    manager: Option<String>,

    /// What one line of the trend is.
    #[arg(long, env = "YINYOM_GRANULARITY", value_enum, default_value_t = Every::Week)]
    granularity: Every,

    /// How many contacts had said yes or no at this moment, and nothing else: `2026-03-03T12:00:00+07:00`
    #[arg(long, env = "YINYOM_AS_OF", value_name = "TIME")]
    as_of: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Every {
    Day,
    Week,
    Month,
}

impl Every {
    const fn wire(self) -> Granularity {
        match self {
            Self::Day => Granularity::Day,
            Self::Week => Granularity::Week,
            Self::Month => Granularity::Month,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Asks for the report and prints it.
pub async fn run(args: ReportArgs, data_dir: &Path) -> Result<(), ReportError> {
    let session = Session::open(&args.session, data_dir, args.manager.is_some())?;
    let manager = session.manager(args.manager.as_deref())?;
    let connection = manager.by(session.token(), session.language())?;
    let mut reports = ReportServiceClient::new(connection);
    let parent = session.business().to_owned();
    // Before the summary: what does not wait now is in it.
    let waiting = waiting(&session, &parent).await.map_or_else(String::new, |changes| {
        format!("\n{changes} changes are still on their way to the ledger; ask again shortly.\n")
    });
    let as_of_time = args.as_of.map(yinyom_consent::wire::timestamp);
    let summary = reports
        .get_consent_summary(GetConsentSummaryRequest { parent: parent.clone(), as_of_time })
        .await
        .map_err(|status| manager.error("The summary", &status))?
        .into_inner();
    if args.as_of.is_some() {
        crate::say(&table(&parent, &summary, "UTC"));
        return Ok(());
    }
    let request = GetConsentTrendRequest {
        parent: parent.clone(),
        granularity: args.granularity.wire().into(),
        start_time: None,
        end_time: None,
    };
    let trend = reports
        .get_consent_trend(request)
        .await
        .map_err(|status| manager.error("The trend", &status))?
        .into_inner();
    let table = table(&parent, &summary, &trend.time_zone);
    let since = trend.buckets.first().and_then(|bucket| bucket.start_time);
    let breakdowns = breakdowns(&mut reports, &manager, &parent, since).await?;
    let shared = shared(&session, &parent).await.map_or_else(String::new, |of| conflicts(&of));
    let chart = chart(&trend, args.granularity);
    crate::say(&format!("{table}{shared}\n{chart}{breakdowns}{waiting}"));
    Ok(())
}

/// By where, by whom and how, since the trend begins.
async fn breakdowns(
    reports: &mut ReportServiceClient<Connection>,
    manager: &Target,
    parent: &str,
    start_time: Option<prost_types::Timestamp>,
) -> Result<String, ReportError> {
    let mut text = String::new();
    for (dimension, title) in [
        (BreakdownDimension::Surface, "By where it was said"),
        (BreakdownDimension::EvidenceMethod, "By how the customer told us"),
        (BreakdownDimension::Actor, "By who recorded it"),
    ] {
        let request = GetConsentBreakdownRequest {
            parent: parent.to_owned(),
            dimension: dimension.into(),
            start_time,
            page_size: breakdown::MOST,
            ..GetConsentBreakdownRequest::default()
        };
        let answer = reports
            .get_consent_breakdown(request)
            .await
            .map_err(|status| manager.error("The breakdown", &status))?;
        text.push_str(&breakdown::table(title, &answer.into_inner()));
    }
    Ok(text)
}

/// How many changes the directory has committed that the ledger does not have yet. `None` if there are none, or if
/// the directory does not say: that is for owner and admins, and a report does not need it.
async fn waiting(session: &Session, parent: &str) -> Option<i64> {
    let directory = session.directory(None).ok()?;
    let connection = directory.by(session.token(), session.language()).ok()?;
    let request = GetOutboxStatusRequest { parent: parent.to_owned() };
    let status = OutboxServiceClient::new(connection).get_outbox_status(request).await.ok()?;
    Some(status.into_inner().backlog).filter(|backlog| *backlog > 0)
}

/// Addresses that several contacts have, as the directory counts them: the ledger knows none. `None` if the directory does
/// not say: that is for those who may see addresses.
async fn shared(session: &Session, parent: &str) -> Option<Vec<SharedAddressSummary>> {
    let directory = session.directory(None).ok()?;
    let connection = directory.by(session.token(), session.language()).ok()?;
    let request = GetSharedAddressSummaryRequest { parent: parent.to_owned() };
    let mut addresses = SharedAddressServiceClient::new(connection);
    Some(addresses.get_shared_address_summary(request).await.ok()?.into_inner().summaries)
}

fn conflicts(of: &[SharedAddressSummary]) -> String {
    let mut text = format!("\n{:<9}{:>10}{:>10}\n", "", "shared", "conflict");
    for SharedAddressSummary { channel, shared_count, conflict_count } in of {
        let channel = Channel::try_from(*channel).unwrap_or_default();
        text = format!("{text}{:<9}{shared_count:>10}{conflict_count:>10}\n", word(channel));
    }
    text
}

fn table(business: &str, summary: &GetConsentSummaryResponse, zone: &str) -> String {
    let as_of = summary
        .as_of_time
        .and_then(|at| Timestamp::from_second(at.seconds).ok())
        .map_or_else(String::new, |at| format!(", {}", local(at, zone)));
    let mut text = format!(
        "{business}{as_of}\n{} contacts, {} changes\n\n{:<9}{:>10}{:>10}{:>10}{:>10}\n",
        summary.contacts, summary.changes, "", "GRANTED", "DENIED", "NOT_SET", "coverage"
    );
    for channel in &summary.channels {
        let ChannelSummary { granted, denied, not_set, coverage, .. } = channel;
        let percent = coverage * 100.0;
        text = format!(
            "{text}{:<9}{granted:>10}{denied:>10}{not_set:>10}{percent:>8.1} %\n",
            word(channel.channel())
        );
    }
    text
}

fn local(at: Timestamp, zone: &str) -> String {
    let (zone, name) = match TimeZone::get(zone) {
        Ok(known) => (known, zone),
        Err(_) => (TimeZone::UTC, "UTC"),
    };
    format!("{} {name}", zone.to_datetime(at).strftime("%Y-%m-%d %H:%M"))
}

/// One line a bucket, from the first in which anything happened.
fn chart(trend: &GetConsentTrendResponse, every: Every) -> String {
    let counted: Vec<(&str, [i64; 3], f64)> = trend
        .buckets
        .iter()
        .map(|bucket| (bucket.start_date.as_str(), counts(bucket), opted_out(bucket)))
        .collect();
    let Some(first) = counted.iter().position(|(_, counts, _)| counts.iter().any(|n| *n != 0))
    else {
        return format!("No change of mind by {} yet.\n", every.word());
    };
    let most = counted.iter().map(|(_, [yes, no, _], _)| (*yes).max(*no)).max().unwrap_or_default();
    let mut text = format!(
        "By {} ({}), both channels together\n{:<12}{:>7} {:<BAR$}{:>7} {:<BAR$}{:>7}{:>9}\n",
        every.word(),
        trend.time_zone,
        "from",
        "yes",
        "",
        "no",
        "",
        "reset",
        "opt-out"
    );
    for (date, [yes, no, reset], opted_out) in &counted[first..] {
        text = format!(
            "{text}{date:<12}{yes:>7} {:<BAR$}{no:>7} {:<BAR$}{reset:>7}{opted_out:>7.1} %\n",
            chart::bar(*yes, most, BAR),
            chart::bar(*no, most, BAR)
        );
    }
    text
}

/// How many of a hundred who could opt out did, over all channels.
#[expect(clippy::cast_precision_loss, reason = "contacts of one business, far below 2^52")]
fn opted_out(bucket: &TrendBucket) -> f64 {
    let (out, could) = bucket.channels.iter().fold((0, 0), |(out, could), channel| {
        (out + channel.opt_outs, could + channel.start_granted + channel.grants)
    });
    if could > 0 { 100.0 * out as f64 / could as f64 } else { 0.0 }
}

/// Grants, refusals and resets of all channels.
fn counts(bucket: &TrendBucket) -> [i64; 3] {
    bucket.channels.iter().fold([0; 3], |[yes, no, reset], channel| {
        [yes + channel.grants, no + channel.refusals, reset + channel.resets]
    })
}

const fn word(channel: Channel) -> &'static str {
    match channel {
        Channel::Phone => "phone",
        Channel::Email => "email",
        Channel::Unspecified => "",
    }
}

#[cfg(test)]
mod tests {
    use yinyom_proto::manager::v1::ChannelTrend;

    use super::*;

    fn bucket(start_date: &str, grants: i64, refusals: i64) -> TrendBucket {
        let channel = |grants, refusals| ChannelTrend { grants, refusals, ..Default::default() };
        TrendBucket {
            start_date: start_date.to_owned(),
            channels: vec![channel(grants, 0), channel(0, refusals)],
            ..TrendBucket::default()
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_channel() {
        let summary = GetConsentSummaryResponse {
            channels: vec![ChannelSummary {
                channel: Channel::Phone.into(),
                not_set: 1,
                granted: 2,
                denied: 1,
                coverage: 0.75,
            }],
            contacts: 4,
            changes: 9,
            as_of_time: Some(prost_types::Timestamp { seconds: 1_668_963_600, nanos: 0 }),
        };
        let text = table("businesses/x", &summary, "Asia/Bangkok");
        assert!(text.contains("2022-11-21 00:00"), "{text}");
        assert!(text.contains("phone             2         1         1    75.0 %"), "{text}");
        assert!(text.contains("4 contacts, 9 changes"), "{text}");
    }

    #[test]
    fn the_chart_begins_where_something_happened_and_has_no_gap_after() {
        let trend = GetConsentTrendResponse {
            buckets: vec![
                bucket("2026-11-02", 0, 0),
                bucket("2026-11-09", 40, 10),
                bucket("2026-11-16", 0, 0),
                bucket("2026-11-23", 0, 20),
            ],
            time_zone: "Asia/Bangkok".to_owned(),
        };
        let text = chart(&trend, Every::Week);
        assert!(!text.contains("2026-11-02") && text.contains("2026-11-16"), "{text}");
        let full = "█".repeat(BAR);
        assert!(text.contains(&format!("2026-11-09       40 {full}     10 ██████ ")), "{text}");
    }

    #[test]
    fn a_business_in_which_nothing_happened_has_a_sentence_and_no_chart() {
        let trend = GetConsentTrendResponse {
            buckets: vec![bucket("2026-11-02", 0, 0)],
            ..Default::default()
        };
        assert_eq!(chart(&trend, Every::Month), "No change of mind by month yet.\n");
    }
}
