//! `yinyom checkpoint`, `ledger-keys` and `export-ledger`: what a company keeps, to verify its ledger with.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;
use yinyom_consent::ConsentChange;
use yinyom_proto::manager::v1::proof_service_client::ProofServiceClient;
use yinyom_proto::manager::v1::{
    ExportLedgerRequest, GetCheckpointRequest, GetConsistencyProofRequest, LedgerRecord,
    ListLedgerKeysRequest,
};
use yinyom_transparency::{
    Checkpoint, CheckpointError, Hash, KeyError, PublicKeys, Record, UnreadableRecord,
    verify_consistency,
};

use crate::client::{CallError, Connection, Target};
use crate::session::{Session, SessionArgs, SessionError};

/// Whose ledger, and where it is.
#[derive(clap::Args)]
pub struct LedgerArgs {
    #[command(flatten)]
    session: SessionArgs,

    /// Where consent-manager answers, if not where `DATA_DIR/dev.json` says.
    #[arg(long, env = "YINYOM_MANAGER", value_name = "http://HOST:PORT")]
    manager: Option<String>,
}

/// Prints the signed head of the ledger, to be kept.
#[derive(clap::Args)]
pub struct CheckpointArgs {
    #[command(flatten)]
    ledger: LedgerArgs,

    /// An earlier checkpoint: the ledger must prove that it still begins with it.
    #[arg(long, env = "YINYOM_SINCE", value_name = "FILE", requires = "public_key")]
    since: Option<PathBuf>,

    /// File with the public keys of the ledger: PEM.
    #[arg(long, env = "YINYOM_PUBLIC_KEY", value_name = "FILE")]
    public_key: Option<PathBuf>,
}

/// Writes the records of the ledger to a file, to be verified.
#[derive(clap::Args)]
pub struct ExportLedgerArgs {
    /// The file, one record a line. If it is there, what it lacks is added.
    file: PathBuf,

    #[command(flatten)]
    ledger: LedgerArgs,
}

/// Why there is nothing to keep.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{path} cannot be used")]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the checkpoint cannot be used")]
    Checkpoint(#[from] CheckpointError),
    #[error("the ledger no longer begins with what {0} is a checkpoint of: export and verify it")]
    Inconsistent(PathBuf),
    #[error("{0} holds the ledger of another business, or is no export: give another file")]
    OtherFile(PathBuf),
    #[error("the manager sent what is no record of a ledger")]
    Record(#[from] UnreadableRecord),
    #[error("the manager sent a contact without a name")]
    Contact,
}

/// A file cannot be used.
pub fn unusable(path: &Path) -> impl Fn(io::Error) -> LedgerError {
    move |source| LedgerError::File { path: path.to_owned(), source }
}

struct Ledger {
    parent: String,
    target: Target,
    proofs: ProofServiceClient<Connection>,
}

impl Ledger {
    fn open(args: &LedgerArgs, data_dir: &Path) -> Result<Self, LedgerError> {
        let session = Session::open(&args.session, data_dir, args.manager.is_some())?;
        let target = session.manager(args.manager.as_deref())?;
        let proofs = ProofServiceClient::new(target.by(session.token(), session.language())?);
        Ok(Self { parent: session.business().to_owned(), target, proofs })
    }
}

/// The head of the ledger, as a signed note.
pub async fn checkpoint(args: &CheckpointArgs, data_dir: &Path) -> Result<String, LedgerError> {
    let mut ledger = Ledger::open(&args.ledger, data_dir)?;
    let request = GetCheckpointRequest { parent: ledger.parent.clone() };
    let answer = ledger.proofs.get_checkpoint(request).await;
    let note = answer.map_err(|status| ledger.target.error("The checkpoint", &status))?;
    let note = note.into_inner().checkpoint;
    let Some(path) = &args.public_key else { return Ok(note) };
    let keys = PublicKeys::from_file(path)?;
    let head = Checkpoint::open(&note, &keys)?;
    if let Some(since) = &args.since {
        let old = std::fs::read_to_string(since).map_err(unusable(since))?;
        begins_with(&mut ledger, &Checkpoint::open(&old, &keys)?, &head, since).await?;
    }
    Ok(note)
}

async fn begins_with(
    ledger: &mut Ledger,
    old: &Checkpoint,
    head: &Checkpoint,
    path: &Path,
) -> Result<(), LedgerError> {
    let inconsistent = || LedgerError::Inconsistent(path.to_owned());
    if old.origin != head.origin || old.size > head.size {
        return Err(inconsistent());
    }
    let request = GetConsistencyProofRequest {
        parent: ledger.parent.clone(),
        earlier_size: i64::try_from(old.size).unwrap_or(i64::MAX),
        tree_size: i64::try_from(head.size).unwrap_or(i64::MAX),
    };
    let answer = ledger.proofs.get_consistency_proof(request).await;
    let answer = answer.map_err(|status| ledger.target.error("The proof", &status))?;
    let hashes = answer.into_inner().hashes.into_iter().map(Hash::try_from);
    let proof = hashes.collect::<Result<Vec<_>, _>>().map_err(|_| inconsistent())?;
    verify_consistency(old.size, head.size, &old.root, &head.root, &proof)
        .map_err(|_| inconsistent())
}

/// The public keys in PEM, the active one first.
pub async fn keys(args: &LedgerArgs, data_dir: &Path) -> Result<String, LedgerError> {
    let mut ledger = Ledger::open(args, data_dir)?;
    let request = ListLedgerKeysRequest { parent: ledger.parent.clone() };
    let answer = ledger.proofs.list_ledger_keys(request).await;
    let answer = answer.map_err(|status| ledger.target.error("The keys", &status))?;
    Ok(answer.into_inner().keys.into_iter().map(|key| key.pem).collect())
}

/// Writes the ledger to a file, from where that ends. What is said of it.
pub async fn export(args: &ExportLedgerArgs, data_dir: &Path) -> Result<String, LedgerError> {
    let mut ledger = Ledger::open(&args.ledger, data_dir)?;
    let unusable = unusable(&args.file);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&args.file).map_err(&unusable)?;
    let business = ledger.parent.rsplit('/').next().and_then(|id| id.parse().ok());
    let start = whole(&file, business).map_err(&unusable)?;
    let (start_index, bytes) = start.ok_or_else(|| LedgerError::OtherFile(args.file.clone()))?;
    // A line that was cut short is written again.
    file.set_len(bytes).and_then(|()| file.seek(io::SeekFrom::End(0))).map_err(&unusable)?;
    let mut out = io::BufWriter::new(file);
    let parent = ledger.parent.clone();
    let request = ExportLedgerRequest { parent, start_index, end_index: 0 };
    let failed = |status: &tonic::Status| ledger.target.error("The export", status);
    let answers = ledger.proofs.export_ledger(request).await;
    let mut answers = answers.map_err(|status| failed(&status))?.into_inner();
    let mut added = 0_u64;
    while let Some(answer) = answers.message().await.map_err(|status| failed(&status))? {
        for sent in answer.records {
            let line = record(sent)?.to_line()?;
            out.write_all(line.as_bytes()).map_err(&unusable)?;
            added += 1;
        }
    }
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(&unusable)?;
    Ok(format!("{added} records added to {}, from {start_index} on\n", args.file.display()))
}

/// Which record comes next in a file, and how many bytes of it are whole lines. `None` if it is not an export of this
/// business.
fn whole(file: &File, business: Option<Uuid>) -> io::Result<Option<(i64, u64)>> {
    let (mut next, mut bytes, mut line) = (0, 0, Vec::new());
    let mut lines = BufReader::new(file);
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(Some((next, bytes)));
        }
        let Ok(record) = Record::from_line(&line) else { return Ok(None) };
        let name = ConsentChange::name_of(&record.content);
        if name.is_some_and(|(of, ..)| Some(of) != business) {
            return Ok(None);
        }
        next = i64::try_from(record.index).unwrap_or(i64::MAX).saturating_add(1);
        bytes += read as u64;
    }
}

fn record(sent: LedgerRecord) -> Result<Record, LedgerError> {
    let contact = sent.contact.rsplit('/').next().and_then(|id| Uuid::try_parse(id).ok());
    let at = sent.ingest_time.unwrap_or_default();
    Ok(Record {
        index: sent.ledger_index.unsigned_abs(),
        contact: contact.ok_or(LedgerError::Contact)?,
        seq: sent.seq,
        ingested_at: at.seconds.saturating_mul(1_000_000).saturating_add((at.nanos / 1_000).into()),
        leaf_hash: sent.leaf_hash,
        content: sent.content,
        evidence_hash: sent.evidence_hash,
        signature: sent.signature,
        erasure: sent.erasure,
    })
}
