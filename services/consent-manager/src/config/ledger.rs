//! Who signs the ledger.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use yinyom_transparency::{KeyError, LedgerKey, LogName, PublicKeys};

use crate::Notary;

/// The ledger's key and name.
#[derive(Debug, Clone, clap::Args)]
pub struct LedgerArgs {
    /// File with the private key that signs records and checkpoints: Ed25519, PKCS #8 in PEM
    #[arg(long, env = "YINYOM_LEDGER_KEY_FILE", value_name = "FILE")]
    pub ledger_key_file: PathBuf,

    /// File with the public keys that signed before it: PEM, one after the other
    #[arg(long, env = "YINYOM_OLDER_LEDGER_KEYS_FILE", value_name = "FILE")]
    pub older_ledger_keys_file: Option<PathBuf>,

    /// Name of this deployment's ledgers in checkpoints, such as a domain of yours; it stays what it is
    #[arg(long, env = "YINYOM_LEDGER_NAME", value_name = "NAME")]
    pub ledger_name: LogName,

    /// Sign the records that are older than signatures, as the database has them now
    #[arg(long, env = "YINYOM_SIGN_EARLIER_RECORDS", value_parser = FalseyValueParser::new())]
    pub sign_earlier_records: bool,
}

impl LedgerArgs {
    /// Reads the keys.
    pub fn notary(&self) -> Result<Notary, KeyError> {
        let key = LedgerKey::from_file(&self.ledger_key_file)?;
        let older = self.older_ledger_keys_file.as_deref().map(PublicKeys::from_file);
        Ok(Notary::new(key, older.transpose()?, self.ledger_name.clone()))
    }
}
