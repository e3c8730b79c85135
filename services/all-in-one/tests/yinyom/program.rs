//! A running `yinyom`, and its other commands beside it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

const PROGRAM: &str = env!("CARGO_BIN_EXE_yinyom");

/// A call's bearer.
type Bearer = Box<dyn FnMut(tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status>>;

/// A `yinyom` that serves, until it is dropped.
pub struct Yinyom {
    process: Child,
    dir: PathBuf,
    /// `dev.json`.
    pub facts: Value,
    /// Standard output up to when it was ready.
    pub said: String,
}

impl Yinyom {
    /// Starts it with its data in `dir`, and waits until it is ready.
    pub fn start(dir: &Path, flags: &[&str]) -> Self {
        let mut process = serve(dir, flags).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        while !said.contains("Ctrl-C") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let facts = fs::read_to_string(dir.join("dev.json")).unwrap();
        Self { process, dir: dir.to_owned(), facts: serde_json::from_str(&facts).unwrap(), said }
    }

    /// Tells it to stop, as a service manager does, and waits until it has. Connections of the test are
    /// alive meanwhile, and hang up as they are asked to.
    pub async fn stop(mut self) -> ExitStatus {
        let stopping = tokio::task::spawn_blocking(move || {
            let id = self.process.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
            self.process.wait().unwrap()
        });
        stopping.await.unwrap()
    }

    /// Ends it in the middle of whatever it does.
    #[allow(dead_code, reason = "the attacks have no need of it")]
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The number of its process.
    #[allow(dead_code, reason = "the attacks weigh it")]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Runs another command of the program with the same data.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--data-dir").arg(&self.dir).current_dir(&self.dir);
        command.output().unwrap()
    }

    /// The demo business.
    pub fn business(&self) -> String {
        self.facts["business"].as_str().unwrap().to_owned()
    }

    /// The token of the first person of `role` who is on the viewer list, or is not.
    pub fn token(&self, role: &str, listed: bool) -> String {
        let people = self.facts["people"].as_array().unwrap();
        let person = people.iter().find(|p| p["role"] == role && p["listed"] == listed);
        person.unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// The contact that has this external id.
    pub fn contact(&self, external_id: &str) -> String {
        let contacts = self.facts["contacts"].as_array().unwrap();
        let contact = contacts.iter().find(|contact| contact["external_id"] == external_id);
        contact.unwrap()["contact"].as_str().unwrap().to_owned()
    }

    /// A connection to `service` as the holder of `token`.
    pub fn connect(&self, service: &str, token: &str) -> InterceptedService<Channel, Bearer> {
        let address = self.facts["addresses"][service].as_str().unwrap();
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().unwrap();
        InterceptedService::new(
            channel,
            Box::new(move |mut request| {
                request.metadata_mut().insert("authorization", bearer.clone());
                Ok(request)
            }),
        )
    }
}

impl Drop for Yinyom {
    fn drop(&mut self) {
        // It has stopped already, where the test told it to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts it where it cannot start, and gives what it says of that.
pub fn refusal(dir: &Path, flags: &[&str]) -> String {
    let mut process = serve(dir, flags).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(1), "{said}");
    said
}

fn serve(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for port in ["YINYOM_SETTINGS_PORT", "YINYOM_DIRECTORY_PORT", "YINYOM_MANAGER_PORT"] {
        command.env(port, "0");
    }
    command.args(flags).arg("--data-dir").arg(dir).env("YINYOM_LOG", "error");
    command
}
