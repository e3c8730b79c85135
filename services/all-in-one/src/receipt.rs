//! `yinyom receipt` and `verify-receipt`: what a person is given, and whether it is what was signed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use yinyom_kernel::{Language, Name};
use yinyom_proto::manager::v1::receipt_service_client::ReceiptServiceClient;
use yinyom_proto::manager::v1::{GetConsentReceiptRequest, ReceiptFormat};
use yinyom_proto::types::v1::Channel;
use yinyom_receipt::{Said, verify};
use yinyom_transparency::PublicKeys;

use crate::ledger::{LedgerError, unusable};
use crate::session::{Lang, Session, SessionArgs};

const CONTACTS: Name = Name::of("contacts");
/// Found something.
const FOUND: u8 = 2;

/// Prints or writes a receipt of a consent.
#[derive(Debug, Clone, clap::Args)]
pub struct ReceiptArgs {
    /// The contact: its id, or `businesses/{id}/contacts/{id}`.
    contact: String,

    /// Which consent.
    #[arg(long, env = "YINYOM_CHANNEL", value_enum)]
    channel: Of,

    /// A page for a person, the signed record, or what is in it.
    #[arg(long, env = "YINYOM_FORMAT", value_enum, default_value_t)]
    format: As,

    /// The language of its sentences.
    #[arg(long, env = "YINYOM_LANGUAGE", value_enum, default_value_t = Lang::Th)]
    language: Lang,

    /// The file to write; standard output if unset.
    #[arg(long, env = "YINYOM_OUT", value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    session: SessionArgs,

    /// Where consent-manager answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_MANAGER", value_name = "http://HOST:PORT")]
    manager: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    Phone,
    Email,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum As {
    /// One page, with the signed record in it.
    #[default]
    Html,
    /// The signed record alone.
    Jws,
    /// What is in it, unsigned.
    Json,
}

/// Verifies a receipt offline.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyReceiptArgs {
    /// The page, or the signed record.
    file: PathBuf,

    /// File with the public keys of the ledger: PEM.
    #[arg(long, visible_alias = "keys", env = "YINYOM_PUBLIC_KEY", value_name = "FILE")]
    public_key: PathBuf,
}

/// Asks for the receipt, and writes it where it was asked for; else it is what is said.
pub async fn run(args: &ReceiptArgs, data_dir: &Path) -> Result<String, LedgerError> {
    let session = Session::open(&args.session, data_dir, args.manager.is_some())?;
    let target = session.manager(args.manager.as_deref())?;
    let connection = target.by(session.token(), session.language())?;
    let contact = match Name::parse_business(session.business()) {
        Ok(business) if !args.contact.contains('/') => CONTACTS.format(business, &args.contact),
        _ => args.contact.clone(),
    };
    let channel = match args.channel {
        Of::Phone => Channel::Phone,
        Of::Email => Channel::Email,
    };
    let format = if args.format == As::Html { ReceiptFormat::Html } else { ReceiptFormat::Json };
    let language = match args.language {
        Lang::En => Language::English,
        Lang::Th => Language::Thai,
    };
    let request = GetConsentReceiptRequest {
        contact,
        channel: channel.into(),
        format: format.into(),
        language_code: language.tag().to_owned(),
    };
    let answer = ReceiptServiceClient::new(connection).get_consent_receipt(request).await;
    let answer = answer.map_err(|status| target.error("The receipt", &status))?.into_inner();
    let text = match args.format {
        As::Html => answer.content,
        As::Jws => answer.jws + "\n",
        As::Json => answer.content + "\n",
    };
    let Some(out) = &args.out else { return Ok(text) };
    fs::write(out, text).map_err(unusable(out))?;
    Ok(format!("receipt {} in {}\n", answer.receipt_id, out.display()))
}

/// Says what a receipt says, if it is sound.
pub fn verify_file(args: &VerifyReceiptArgs) -> Result<ExitCode, LedgerError> {
    let keys = PublicKeys::from_file(&args.public_key)?;
    let text = fs::read(&args.file).map_err(unusable(&args.file))?;
    match verify(&String::from_utf8_lossy(&text), &keys) {
        Ok(said) => {
            crate::say(&summary(&said));
            Ok(ExitCode::SUCCESS)
        }
        Err(found) => {
            crate::say(&format!("NOT SOUND: {found}\n"));
            Ok(ExitCode::from(FOUND))
        }
    }
}

fn summary(said: &Said) -> String {
    let receipt = &said.receipt;
    let purpose = receipt.pii_processing.purposes.first();
    let state = purpose.and_then(|it| it.state.as_deref()).unwrap_or("the contact is gone");
    let newest = receipt.events.first();
    let with = receipt.merged_records.iter().map(|record| {
        format!("merged with it: {record}; what was said there before is in its receipt\n")
    });
    let into = receipt
        .merged_into_record
        .iter()
        .map(|record| format!("merged into {record}; what was said since is in its receipt\n"));
    let merged: String = with.chain(into).collect();
    format!(
        "sound: signed by key {}\n{}\n{state} at {}, since {}\n{merged}the {} events are those of records {} of the ledger's first {}\n",
        said.key.id(),
        receipt.record_id,
        receipt.issue_time,
        newest.map_or_else(String::new, |event| event.event_time.to_string()),
        receipt.events.len(),
        receipt
            .events
            .iter()
            .map(|event| event.ledger.index.to_string())
            .collect::<Vec<_>>()
            .join(", "),
        receipt.ledger.tree_size,
    )
}
