//! Calls at start-up: what is not quite up yet is asked again.

use std::time::Duration;

use tonic::{Code, Response, Status};

use crate::client::{CallError, Target};

const WAIT: Duration = Duration::from_millis(50);
const ATTEMPTS: u32 = 100;

/// The answer to `call`, which is made again while the service is unavailable: its first lease on the
/// rules, say, is still on its way. `call` must be safe to repeat.
pub async fn patiently<T, F>(
    target: &Target,
    what: &'static str,
    mut call: impl FnMut() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut attempts = 0;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) if status.code() == Code::Unavailable && attempts < ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(WAIT).await;
            }
            Err(status) => return Err(target.error(what, &status)),
        }
    }
}
