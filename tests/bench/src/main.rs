//! `make bench`.

#![allow(clippy::expect_used, clippy::large_futures, reason = "a measurement that fails is none")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use sqlx::{Connection, PgConnection};
use tokio::signal::unix::{SignalKind, signal};
use yinyom_bench::goal::Outcome;
use yinyom_bench::instructions::{self, Baseline};
use yinyom_bench::machine::{Machine, PROFILE, Watch};
use yinyom_bench::measure::Plan;
use yinyom_bench::report::{Report, row};
use yinyom_bench::stage::Stage;
use yinyom_bench::{counted, echo, goals, growth, overload};
use yinyom_kernel::{Clock, SystemClock};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What [`Run`] can be asked for.
const NAMES: [&str; 14] =
    ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14"];

/// Measures the services beside what the database and the wire allow.
#[derive(clap::Parser)]
enum Cli {
    /// Measures goals, prints a table and writes a file.
    Run(Run),
    /// Makes the calls of the goals and measures nothing: for a program that watches itself.
    Exercise(Exercise),
    /// Compares what it costs to ask what is large with what it costs to ask what is small.
    Growth(Growth),
    /// Sends many times as many calls as can be answered.
    Overload(Overload),
    /// Counts the instructions of a call and compares them with the committed ones.
    Instructions(Instructions),
    /// Serves an echo on this address, for ever.
    Echo {
        listen: SocketAddr,
        #[arg(long)]
        one_thread: bool,
    },
    /// Serves as a directory does, on one thread. Told by its environment.
    Directory(Box<contact_directory::Config>),
}

#[derive(clap::Args)]
struct Run {
    /// Which, by their numbers; all but 12, which takes an hour, if none is named.
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(NAMES))]
    goals: Vec<String>,
    /// How long a sample takes.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Pairs of samples that count.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// How often a pair that somebody else spoiled is taken again.
    #[arg(long, default_value_t = 3)]
    again: usize,
    /// The services' program.
    #[arg(long)]
    program: PathBuf,
    #[command(flatten)]
    on: On,
}

/// Where it is measured, and where the file goes.
#[derive(clap::Args)]
struct On {
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// A superuser's address.
    #[arg(long, env = "YINYOM_TEST_POSTGRES_URL", hide_env_values = true)]
    postgres: String,
    /// Where the server's `data` is, if it is to be known for ours.
    #[arg(long, env = "YINYOM_TEST_POSTGRES_DIR")]
    postgres_dir: Option<PathBuf>,
}

#[derive(clap::Args)]
struct Exercise {
    /// How long each kind of call is made.
    #[arg(long, default_value_t = 1)]
    seconds: u64,
    /// The services' program.
    #[arg(long)]
    program: PathBuf,
    /// A superuser's address.
    #[arg(long, env = "YINYOM_TEST_POSTGRES_URL", hide_env_values = true)]
    postgres: String,
}

#[derive(clap::Args)]
struct Growth {
    /// Sizes of directories, in contacts.
    #[arg(long, value_delimiter = ',')]
    contacts: Vec<usize>,
    /// Sizes of ledgers, in changes.
    #[arg(long, value_delimiter = ',')]
    changes: Vec<usize>,
    /// Businesses of 10,000 changes beside the large ones.
    #[arg(long, default_value_t = 1)]
    businesses: usize,
    /// How often each question is put to each.
    #[arg(long, default_value_t = 15)]
    turns: usize,
    #[command(flatten)]
    on: On,
}

#[derive(clap::Args)]
struct Overload {
    /// The services' program.
    #[arg(long)]
    program: PathBuf,
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many times as many calls come as can be answered.
    #[arg(long, default_value_t = 10.0)]
    times: f64,
}

#[derive(clap::Args)]
struct Instructions {
    /// The services' program.
    #[arg(long)]
    program: PathBuf,
    /// What is compared with.
    #[arg(long, default_value = "tests/bench/instructions.json")]
    baseline: PathBuf,
    /// Calls of the shorter run.
    #[arg(long, default_value_t = instructions::enough())]
    calls: usize,
    /// Make what is counted the baseline.
    #[arg(long)]
    bless: bool,
    /// Leave what callgrind wrote in this directory.
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let one_thread = matches!(cli, Cli::Echo { one_thread: true, .. } | Cli::Directory(_));
    let runtime = if one_thread {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        // As those that ship.
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    runtime.expect("a runtime").block_on(cli.run())
}

impl Cli {
    async fn run(self) -> ExitCode {
        match self {
            Self::Run(of) => of.run().await,
            Self::Exercise(of) => of.run().await,
            Self::Growth(of) => of.run().await,
            Self::Overload(of) => of.run().await,
            Self::Instructions(of) => of.run().await,
            Self::Directory(config) => counted::directory(*config).await,
            Self::Echo { listen, .. } => {
                let listener = tokio::net::TcpListener::bind(listen).await.expect("a port");
                let mut told = signal(SignalKind::terminate()).expect("signals");
                tokio::select! {
                    served = echo::serve(listener) => served.expect("it serves"),
                    _ = told.recv() => {}
                }
                ExitCode::SUCCESS
            }
        }
    }
}

impl Exercise {
    async fn run(self) -> ExitCode {
        let program = std::path::absolute(&self.program).expect("a path");
        let mut stage = Stage::new(program, self.postgres);
        goals::exercise(&mut stage, Duration::from_secs(self.seconds)).await;
        stage.end().await;
        ExitCode::SUCCESS
    }
}

impl Overload {
    async fn run(self) -> ExitCode {
        let program = std::path::absolute(&self.program).expect("a path");
        let sound = overload::measure(program, Duration::from_secs(self.seconds), self.times).await;
        if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Instructions {
    async fn run(self) -> ExitCode {
        let program = std::path::absolute(&self.program).expect("a path");
        let counts = instructions::count(&program, self.calls, self.keep.as_deref()).await;
        let baseline = Baseline::read(&self.baseline);
        let sound = baseline.compare(PROFILE, &counts);
        if self.bless {
            baseline.write(&self.baseline, PROFILE, counts);
        } else if !sound {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

impl Growth {
    async fn run(self) -> ExitCode {
        let turns = growth::Turns { number: self.turns, watch: self.on.watch() };
        let mut outcomes = Vec::new();
        if !self.contacts.is_empty() {
            outcomes.extend(growth::of_contacts(&self.contacts, &turns).await);
        }
        if !self.changes.is_empty() {
            outcomes.extend(growth::of_changes(&self.changes, self.businesses, &turns).await);
        }
        self.on.tell(outcomes).await
    }
}

impl Run {
    async fn run(self) -> ExitCode {
        let plan = Plan {
            pairs: self.pairs,
            lasts: Duration::from_secs(self.seconds),
            again: self.again,
            watch: self.on.watch(),
        };
        let program = std::path::absolute(&self.program).expect("a path");
        let mut stage = Stage::new(program.clone(), self.on.postgres.clone());
        let asked = if self.goals.is_empty() {
            goals::ALL.iter().chain(&["13"]).map(|id| (*id).to_owned()).collect()
        } else {
            self.goals
        };
        let mut outcomes = Vec::new();
        for id in asked {
            let came_out = match id.as_str() {
                "12" => growth_of_all(&plan.watch).await,
                "13" => vec![instructions::beside_echo(&program, instructions::enough()).await],
                _ => goals::run(&id, &mut stage, &plan).await,
            };
            for outcome in came_out {
                println!("{}", row(&outcome));
                outcomes.push(outcome);
            }
        }
        let told = self.on.tell(outcomes).await;
        stage.end().await;
        told
    }
}

/// Goal 12.
async fn growth_of_all(watch: &Watch) -> Vec<Outcome> {
    let turns = growth::Turns { number: 15, watch: watch.clone() };
    let mut outcomes = growth::of_contacts(&[100_000, 1_000_000], &turns).await;
    outcomes.extend(growth::of_changes(&[1_000_000, 10_000_000], 1, &turns).await);
    outcomes
}

impl On {
    /// The database server is ours, if its place is known.
    fn watch(&self) -> Watch {
        Watch::new(self.postgres_dir.as_ref().and_then(|dir| {
            let file = std::fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
            file.lines().next()?.parse().ok()
        }))
    }

    /// Prints the table and writes the file. Fails if a bar is missed.
    async fn tell(&self, goals: Vec<Outcome>) -> ExitCode {
        let mut server = PgConnection::connect(&self.postgres).await.expect("the server");
        let version = sqlx::query_scalar::<_, String>("SHOW server_version");
        let version = version.fetch_one(&mut server).await.expect("its version");
        let machine = Machine::here(format!("PostgreSQL {version}"));
        let time = SystemClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let met = goals.iter().all(|goal| goal.met);
        let report = Report { time, machine, goals };
        report.print();
        let path = report.write(&self.out).expect("a file");
        println!("{}", path.display());
        if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
