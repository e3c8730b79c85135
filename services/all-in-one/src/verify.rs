//! `yinyom verify`: whether an exported ledger is what was signed, offline.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use yinyom_consent::ConsentChange;
use yinyom_transparency::{Audit, Checkpoint, Finding, Outcome, PublicKeys, Record};

use crate::ledger::{LedgerError, unusable};

/// Found something.
const FOUND: u8 = 2;
/// So much is told in full.
const MOST_TOLD: u64 = 1_000;
/// No record is longer.
const MAX_LINE: u64 = 64 * 1024;

/// Verifies an exported ledger offline, with what the company kept.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// The file that `export-ledger` wrote.
    export: PathBuf,

    /// A checkpoint that was kept. More of them narrow down where a ledger parts from them.
    #[arg(
        long,
        env = "YINYOM_CHECKPOINT",
        value_name = "FILE",
        required = true,
        value_delimiter = ','
    )]
    checkpoint: Vec<PathBuf>,

    /// File with the public keys that were kept: PEM.
    #[arg(long, env = "YINYOM_PUBLIC_KEY", value_name = "FILE")]
    public_key: PathBuf,
}

/// Verifies, and says what was found on standard output.
pub fn run(args: &VerifyArgs) -> Result<ExitCode, LedgerError> {
    let keys = PublicKeys::from_file(&args.public_key)?;
    let mut kept = Vec::new();
    for path in &args.checkpoint {
        let note = std::fs::read_to_string(path).map_err(unusable(path))?;
        kept.push(Checkpoint::open(&note, &keys)?);
    }
    // One at least, by its flag.
    let Some((first, more)) = kept.split_first() else { return Ok(ExitCode::FAILURE) };
    let audit = Audit::new(first, more, keys, ConsentChange::name_of)?;
    let unusable = unusable(&args.export);
    let file = File::open(&args.export).map_err(&unusable)?;
    let outcome =
        verify(audit, BufReader::new(file), |finding| crate::say(&format!("{finding}\n")))
            .map_err(&unusable)?;
    crate::say(&summary(&outcome));
    Ok(if outcome.findings == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

/// Takes the memory of one line, whatever the file holds.
fn verify(
    mut audit: Audit,
    mut lines: impl BufRead,
    mut tell: impl FnMut(Finding),
) -> io::Result<Outcome> {
    let mut told = 0;
    let mut tell = |findings: Vec<Finding>| {
        for finding in findings {
            if told < MOST_TOLD {
                tell(finding);
            }
            told += 1;
        }
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE {
            lines.skip_until(b'\n')?;
            line.clear();
        }
        tell(audit.record(Record::from_line(&line).ok().as_ref()));
    }
    let (last, outcome) = audit.finish();
    tell(last);
    Ok(outcome)
}

fn summary(outcome: &Outcome) -> String {
    let Outcome { records, erased, proven, findings } = outcome;
    let erased = match erased {
        0 => String::new(),
        erased => format!(", {erased} of them erased and known by their hash"),
    };
    if *findings > 0 {
        let more = findings.saturating_sub(MOST_TOLD);
        let more = if more > 0 { format!("{more} more\n") } else { String::new() };
        return format!("{more}NOT SOUND: {findings} findings in {records} records{erased}\n");
    }
    format!(
        "sound: {records} records{erased}, each as it was signed; the first {proven} are those of the checkpoint\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use yinyom_transparency::{EMPTY_ROOT, LedgerKey, What};

    use super::*;

    #[test]
    fn a_file_of_anything_is_read_to_its_end_and_each_line_is_named() {
        let key = LedgerKey::generate().unwrap();
        let origin = "x/businesses/00000000-0000-0000-0000-000000000001".to_owned();
        let kept = Checkpoint { origin, size: 0, root: EMPTY_ROOT };
        let file = [b"{}\n\n".to_vec(), vec![b'x'; 3 << 16], b"\n\xff\xfe\nlast".to_vec()].concat();
        let keys = PublicKeys::one(*key.public());
        let audit = Audit::new(&kept, &[], keys, ConsentChange::name_of).unwrap();
        let mut found = Vec::new();
        let outcome = verify(audit, file.as_slice(), |finding| found.push(finding)).unwrap();
        assert_eq!((outcome.records, outcome.findings), (5, 5));
        assert!(found.iter().all(|finding| finding.what == What::Unreadable));
        assert_eq!(found.iter().map(|f| f.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
