//! How much memory does an export take, and how long?
//!
//! `make export-memory` runs it in release on PostgreSQL: the three services and their client in one process, whose
//! greatest resident memory is looked at. A ledger of 500,000 changes of both channels is exported in each format: 1,000,000
//! rows. Fails if the process ever took more than 150 MiB, or if the formats do not have the same rows.

use std::fs;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use tokio::time::Instant;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use yinyom_db::DbError;
use yinyom_kernel::BusinessId;
use yinyom_proto::manager::v1 as man;
use yinyom_proto::manager::v1::export_service_client::ExportServiceClient;
use yinyom_testkit::tokens::Bearer;
use yinyom_tests::sizes::write_ledger;
use yinyom_tests::{Database, House, reason};

/// Changes that come through the door. The others are copies of them.
const WRITTEN: usize = 10_000;
const MOST_MIB: u64 = 150;

type Exports = ExportServiceClient<InterceptedService<Channel, Bearer>>;

pub async fn run(rows: usize) {
    let changes: usize = rows / 2;
    let house = House::start(Database::Postgres).await;
    let business = house.found().await;
    write_ledger(&house, business.id, WRITTEN.min(changes)).await;
    copy(&house, business.id, 1, changes / WRITTEN).await;
    let connection = InterceptedService::new(house.manager.clone(), business.owner.bearer.clone());
    let mut exports = ExportServiceClient::new(connection);
    println!("{changes} changes; at rest the process takes {} MiB", peak_of_now());
    println!("what       format            rows     MiB     seconds      rows/s   peak MiB");
    let mut counted = Vec::new();
    let mut most = 0;
    for format in [
        man::ExportFormat::Csv,
        man::ExportFormat::JsonLines,
        man::ExportFormat::Parquet,
        man::ExportFormat::Xlsx,
    ] {
        for consents in [false, true] {
            let _ = peak_of_now();
            let began = Instant::now();
            let (rows, bytes) = export(&mut exports, business.id, format, consents).await;
            let (seconds, peak) = (began.elapsed().as_secs_f64(), peak());
            println!(
                "{:<10} {:<14} {rows:>9} {:>7} {seconds:>11.1} {:>11.0} {peak:>10}",
                if consents { "consents" } else { "changes" },
                format.as_str_name().trim_start_matches("EXPORT_FORMAT_"),
                bytes >> 20,
                rows as f64 / seconds,
            );
            most = most.max(peak);
            counted.push((consents, rows));
        }
    }
    let of = |consents| counted.iter().filter(move |it| it.0 == consents).map(|it| it.1);
    for consents in [false, true] {
        let first = of(consents).next().expect("a format");
        assert!(of(consents).all(|rows| rows == first), "each format has the same rows");
    }
    assert!(most < MOST_MIB, "{most} MiB are more than {MOST_MIB}");

    // More than a sheet has are refused before the first byte.
    if changes > 500_000 - WRITTEN {
        copy(&house, business.id, 50, 53).await;
        let began = Instant::now();
        let request = request(business.id, man::ExportFormat::Xlsx);
        let answers = exports.export_consent_changes(request).await.expect("a stream");
        let mut answers = answers.into_inner();
        let refused = loop {
            match answers.message().await {
                Ok(Some(message)) => assert!(message.data.is_empty(), "not a byte of it"),
                Ok(None) => panic!("it was not refused"),
                Err(status) => break reason::<()>(Err(status)),
            }
        };
        println!("1,060,000 rows as XLSX: {refused} after {:.1} s", began.elapsed().as_secs_f64());
        assert_eq!(refused, "TOO_MANY_ROWS");
    }
    house.close().await;
}

fn request(business: BusinessId, format: man::ExportFormat) -> man::ExportConsentChangesRequest {
    let parent = format!("businesses/{business}");
    man::ExportConsentChangesRequest { parent, format: format.into(), ..Default::default() }
}

/// Rows and bytes. Where the stream breaks off, as on a machine so busy that a lease runs out, it is gone on with.
async fn export(
    exports: &mut Exports,
    business: BusinessId,
    format: man::ExportFormat,
    consents: bool,
) -> (i64, usize) {
    let mut bytes = 0;
    let mut token = String::new();
    loop {
        let mut broken = None;
        let mut last = None;
        let resume_token = token.clone();
        let mut take = |data: &[u8], resume_token, progress| {
            bytes += data.len();
            token = resume_token;
            last = progress;
        };
        let parent = format!("businesses/{business}");
        if consents {
            let format = format.into();
            let request =
                man::ExportConsentsRequest { parent, format, resume_token, ..Default::default() };
            match exports.export_consents(request).await.map(tonic::Response::into_inner) {
                Ok(mut answers) => loop {
                    match answers.message().await {
                        Ok(Some(it)) => take(&it.data, it.resume_token, it.progress),
                        Ok(None) => break,
                        Err(status) => break broken = Some(status),
                    }
                },
                Err(status) => broken = Some(status),
            }
        } else {
            let request =
                man::ExportConsentChangesRequest { resume_token, ..request(business, format) };
            match exports.export_consent_changes(request).await.map(tonic::Response::into_inner) {
                Ok(mut answers) => loop {
                    match answers.message().await {
                        Ok(Some(it)) => take(&it.data, it.resume_token, it.progress),
                        Ok(None) => break,
                        Err(status) => break broken = Some(status),
                    }
                },
                Err(status) => broken = Some(status),
            }
        }
        match (broken, last) {
            (Some(status), _) if status.code() == Code::Unavailable => {
                println!("gone on with after {}", status.message());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            (None, Some(last)) => {
                assert!(last.complete && usize::try_from(last.bytes) == Ok(bytes));
                return (last.rows, bytes);
            }
            (broken, _) => panic!("no file: {broken:?}"),
        }
    }
}

/// Copies what was written, as changes of other contacts of the business.
async fn copy(house: &House, business: BusinessId, from: usize, to: usize) {
    let db = house.databases[2].unbound().await;
    let of = business.uuid();
    let mut tx = db.read_unscoped().await.expect("a database");
    let columns: String = tx
        .query(
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = 'ledger'
               AND column_name NOT IN ('business_id', 'ledger_index', 'contact_id')",
        )
        .scalar()
        .await
        .expect("its columns");
    drop(tx);
    for copy in from..to {
        let sql = format!(
            "INSERT INTO ledger (business_id, ledger_index, contact_id, {columns})
             SELECT business_id, ledger_index + $2, md5(contact_id::text || $3)::uuid, {columns}
             FROM ledger WHERE business_id = $1 AND ledger_index < $4"
        );
        let copied = db.write_unscoped(move |mut tx| async move {
            let shift = i64::try_from(copy * WRITTEN).unwrap();
            let written = i64::try_from(WRITTEN).unwrap();
            let query = tx.query(AssertSqlSafe(sql)).bind(of).bind(shift);
            query.bind(copy.to_string()).bind(written).execute().await?;
            tx.done::<_, DbError>(())
        });
        copied.await.expect("copies");
    }
}

/// The greatest resident memory since it was last asked for by [`peak_of_now`], in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("KiB") >> 10
}

/// Forgets what was, and is what is now.
fn peak_of_now() -> u64 {
    fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    peak()
}
