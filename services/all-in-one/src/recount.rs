//! `yinyom recount`: whether what consent-manager keeps beside its ledger is what the ledger says; against its database, while
//! it runs.
//!
//! What is compared is `consent_manager::commands::recount`. Here are flags, lines and exit status: 0 if nothing differs, or
//! no longer does; 2 if anything does; 1 if it failed.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use consent_manager::commands::{Recount, recount, repair};
use yinyom_db::{Db, DbConfig, DbError};
use yinyom_kernel::{BusinessId, Name, Scope};
use yinyom_process::DatabaseArgs;

use crate::import::grouped;
use crate::say;

/// Businesses that are looked up at once.
const BUSINESSES: i64 = 500;
/// The longest that one statement takes.
const STATEMENT: Duration = Duration::from_mins(10);
/// How many differences of a business are told.
const MOST: u64 = 100;

/// Recounts what is kept beside the ledger, and names each difference.
#[derive(clap::Args)]
pub struct RecountArgs {
    /// Of consent-manager.
    #[command(flatten)]
    database: DatabaseArgs,

    /// This business alone: `businesses/…`
    #[arg(long, env = "YINYOM_BUSINESS")]
    business: Option<String>,

    /// Write anew, from the ledger, what is kept of each business in which anything differs. Changes of that business
    /// wait meanwhile.
    #[arg(long, env = "YINYOM_REPAIR", value_parser = FalseyValueParser::new())]
    repair: bool,
}

/// Recounts.
pub async fn run(args: RecountArgs) -> Result<ExitCode, Box<dyn Error>> {
    let only = args.business.as_deref().map(Name::parse_business).transpose()?;
    let config = DbConfig { statement_timeout: STATEMENT, ..args.database.config()? };
    let db = Db::connect(&config, &consent_manager::MIGRATIONS).await?;
    let (mut total, mut differing) = (Recount::default(), 0_u64);
    let (mut businesses, mut after) = (0_u64, None);
    loop {
        let page = businesses_after(&db, after).await?;
        after = page.last().copied().flatten();
        let wanted = |scope: &Scope| only.is_none_or(|business| scope.business() == business);
        for scope in page.into_iter().flatten().filter(wanted) {
            let found = one(&db, scope, args.repair).await?;
            businesses += 1;
            differing += u64::from(found.differences > 0);
            total.changes += found.changes;
            total.contacts += found.contacts;
            total.differences += found.differences;
        }
        if after.is_none() {
            break;
        }
    }
    let [businesses, contacts, changes, differences] =
        [businesses, total.contacts, total.changes, total.differences].map(grouped);
    say(&format!(
        "{businesses} businesses, {contacts} contacts, {changes} changes: \
         {differences} differences\n"
    ));
    Ok(if differing == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn businesses_after(db: &Db, after: Option<Scope>) -> Result<Vec<Option<Scope>>, DbError> {
    let mut tx = db.read_unscoped().await?;
    yinyom_keys::holders(&mut tx, after, BUSINESSES).await
}

/// What differs in one business, in the end.
async fn one(db: &Db, scope: Scope, mend: bool) -> Result<Recount, Box<dyn Error>> {
    let found = compare(db, scope).await?;
    if found.differences == 0 || !mend {
        return Ok(found);
    }
    repair(db, scope).await?;
    say(&format!("{}: written anew\n", Name::format_business(scope.business())));
    compare(db, scope).await
}

async fn compare(db: &Db, scope: Scope) -> Result<Recount, Box<dyn Error>> {
    let business: BusinessId = scope.business();
    let name = Name::format_business(business);
    let mut told = 0;
    let found = recount(db, scope, |difference| {
        told += 1;
        if told <= MOST {
            say(&format!("{name}: {difference}\n"));
        }
    })
    .await?;
    if told > MOST {
        say(&format!("{name}: and {} others\n", grouped(told - MOST)));
    }
    if found.destroyed > 0 {
        let erased = grouped(found.destroyed);
        say(&format!(
            "{name}: counts by time are not compared: the content of {erased} erased contacts is destroyed\n"
        ));
    }
    Ok(found)
}
