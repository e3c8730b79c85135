//! One replica of a service, on a thread and a runtime of its own, so that it can be stopped, killed, frozen and
//! started again as a process can, at the same address.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use yinyom_policy::Policies;

/// Debug builds have large futures.
const STACK: usize = 16 * 1024 * 1024;

/// What a replica is started with, each time.
pub(super) struct Start {
    pub listener: tokio::net::TcpListener,
    /// Asks it to stop as a deployment would.
    pub stop: CancellationToken,
    /// Told when it can be called, with its copy of the rules if it has one.
    pub up: oneshot::Sender<Option<Policies>>,
}

pub(super) type Serve = dyn Fn(Start) -> futures::future::BoxFuture<'static, ()> + Send + Sync;

/// A port that nobody else is given while its replica is down: bound, and not listened at.
pub(super) struct Place(TcpSocket);

impl Place {
    pub(super) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        Self(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("its number")
    }
}

/// A replica that is up or down.
pub struct Replica {
    /// Makes new connections when it was down.
    pub channel: Channel,
    place: Place,
    serve: Arc<Serve>,
    running: Option<Running>,
}

struct Running {
    stop: CancellationToken,
    kill: CancellationToken,
    runtime: runtime::Handle,
    policies: Option<Policies>,
    thread: JoinHandle<()>,
}

/// A replica does nothing while this lives.
#[must_use = "it thaws when this is dropped"]
pub struct Frozen {
    _until_dropped: mpsc::Sender<()>,
}

impl Replica {
    /// A replica that is down, with an address of its own.
    pub(super) fn new(place: Place, serve: Arc<Serve>) -> Self {
        let endpoint = format!("http://{}", place.address());
        let endpoint = Endpoint::from_shared(endpoint).expect("an endpoint");
        Self { channel: endpoint.connect_lazy(), place, serve, running: None }
    }

    /// Starts it, and returns when it can be called; it may not have the rules yet.
    pub async fn start(&mut self) {
        assert!(self.running.is_none(), "it is up already");
        let listener = TcpListener::bind(self.place.address()).expect("its own address");
        listener.set_nonblocking(true).expect("a listener");
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let (up, is_up) = oneshot::channel();
        let (runtime, its_runtime) = oneshot::channel();
        let (serve, killed) = (Arc::clone(&self.serve), kill.clone());
        let its_stop = stop.clone();
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let own = runtime::Builder::new_current_thread().enable_all().build();
            let own = own.expect("a runtime");
            let _ = runtime.send(own.handle().clone());
            own.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let serving = serve(Start { listener, stop: its_stop, up });
                killed.run_until_cancelled(serving).await;
            });
            // What it had begun in other tasks ends here, at whatever they were waiting for.
            own.shutdown_background();
        });
        let runtime = its_runtime.await.expect("a runtime");
        let policies = is_up.await.expect("it comes up");
        let thread = thread.expect("a thread");
        self.running = Some(Running { stop, kill, runtime, policies, thread });
    }

    /// Where it is: `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.place.address())
    }

    /// Its copy of the rules.
    pub fn policies(&self) -> &Policies {
        let running = self.running.as_ref().expect("it is up");
        running.policies.as_ref().expect("a service that heeds rules")
    }

    /// Stops it as a deployment would.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.cancel();
            ended(running.thread).await;
        }
    }

    /// Ends it in the middle of whatever it does.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill.cancel();
            ended(running.thread).await;
        }
    }

    /// Stops its time: it answers nothing, renews nothing, and knows nothing of it.
    pub async fn freeze(&self) -> Frozen {
        let (until_dropped, blocked) = mpsc::channel();
        let (frozen, is_frozen) = oneshot::channel();
        self.running.as_ref().expect("it is up").runtime.spawn(async move {
            let _ = frozen.send(());
            // Not an await: the thread has no other.
            let _ = blocked.recv();
        });
        is_frozen.await.expect("it freezes");
        Frozen { _until_dropped: until_dropped }
    }

    /// Tells it to stop, and waits for nothing.
    pub(super) fn let_go(&self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}

async fn ended(thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join());
    let joined = tokio::time::timeout(Duration::from_secs(15), joined).await;
    joined.expect("it stops in time").expect("a thread").expect("it stops well");
}
