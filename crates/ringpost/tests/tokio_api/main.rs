//! The asynchronous api, with its peer in another process.

mod counters;
mod endings;
mod flow;
mod lasting;
mod leaving;
mod pool;
mod requests;
mod sharing;
mod streams;
#[path = "../../../ipc-core/tests/two_processes/mod.rs"]
mod two_processes;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringpost::tokio::{Client, Handlers, Request, Server};
use ringpost::{
    CallOptions, Change, ClientConfig, Code, LinkId, Options, RemoteError, Reply, ServerConfig,
    WaitPolicy, blocking,
};
use tokio::runtime::{Builder, Runtime};

use two_processes::{Meeting, TRANSPORTS, WAIT_POLICY, eventually, role};

const PLAIN: CallOptions = CallOptions::new();

// ---- the other process ----

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "server" => several_threads().block_on(serve(&options, WaitPolicy::DEFAULT)),
        "patient server" => {
            let wait_policy = WaitPolicy::NONE;
            one_thread().block_on(serve(&options, wait_policy));
        }
        "deaf server" => be_deaf(&options),
        "waiting server" => streams::serve_waiting(&options),
        role => panic!("unknown role {role}"),
    }
}

/// Counts handlers whose future was dropped before its end.
struct Dropped(Arc<AtomicU64>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(options: &Options, wait_policy: WaitPolicy) {
    let counts = [(), ()].map(|()| Arc::new(AtomicU64::new(0)));
    let [started, dropped] = counts.clone();
    let handlers = Handlers::new()
        .handle("echo", |request: Request| async move {
            let codec = request.message.codec;
            Ok(Reply { codec, payload: request.payload, ..Reply::default() })
        })
        .handle("fail", |_| async {
            let cause = RemoteError::new("EIO", "the disk is on fire");
            Err(RemoteError::new("ERR_NO_FILE", "no such file").caused_by(cause))
        })
        .handle("panic", |request: Request| async move {
            assert!(request.payload.is_empty(), "as it was asked to");
            Ok(Reply::default())
        })
        .handle("never", move |_| {
            started.fetch_add(1, Ordering::SeqCst);
            let guard = Dropped(Arc::clone(&dropped));
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        })
        .handle("started and dropped", move |_| {
            let counts = counts.each_ref().map(|count| count.load(Ordering::SeqCst).to_le_bytes());
            async move { Ok(Reply::bytes(counts.as_flattened())) }
        })
        .handle("ask back", |request: Request| async move {
            request.request("your turn", &request.payload, &PLAIN).await.map_err(RemoteError::from)
        })
        .handle("flood", |request: Request| async move {
            let [count, len] = [0, 1].map(|word| request.payload[word * 8..][..8].try_into());
            let [count, len] = [count, len].map(|bytes| u64::from_le_bytes(bytes.unwrap()));
            let mut payload = vec![0; usize::try_from(len).unwrap()];
            for number in 0..count {
                payload[..8].copy_from_slice(&number.to_le_bytes());
                while request.notify("drop", &payload, &PLAIN).is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(Reply::default())
        });
    let handlers = lasting::handlers(options, streams::handlers(handlers));
    let server =
        Server::bind_with("demo", &ServerConfig::from(options).wait_policy(wait_policy), handlers)
            .await
            .unwrap();
    while server.next_change().await.is_some() {}
}

/// A server that takes its first client in, writes the file `deaf`, and then reads nothing before the
/// file `listen` is there.
fn be_deaf(options: &Options) {
    let mut server = blocking::Server::bind("demo", &ServerConfig::from(options)).unwrap();
    server.handle("len", |request, reply| {
        reply.payload.extend(request.payload.len().to_le_bytes());
        Ok(blocking::Answer::Now)
    });
    while server.changes().is_empty() {
        server.turn(WAIT_POLICY).unwrap();
    }
    let directory = options.directory.as_ref().unwrap();
    std::fs::write(directory.join("deaf"), "").unwrap();
    eventually("the sign to listen", || directory.join("listen").exists());
    server.run().unwrap();
}

// ---- how the tests run ----

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

/// Runs a test to its end, or fails it.
fn bounded<T>(runtime: &Runtime, test: impl Future<Output = T>) -> T {
    two_processes::watch_dog();
    runtime.block_on(async { tokio::time::timeout(WAIT_POLICY, test).await.expect("no end to it") })
}

async fn connect(options: &Options) -> Client {
    let since = Instant::now();
    loop {
        // One session, so that its end is the end of the client; `lasting` is about more.
        match Client::connect("demo", &ClientConfig::from(options).reconnect(false)).await {
            Ok(client) => return client,
            Err(error) if error.code() == Code::NoServer && since.elapsed() < WAIT_POLICY => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A server with these handlers in this process, and its first client.
async fn with_a_client(options: &Options, handlers: Handlers) -> (Server, Client, LinkId) {
    let server = Server::bind_with("demo", &ServerConfig::from(options), handlers).await.unwrap();
    let client = connect(options).await;
    let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
    (server, client, link)
}

/// Runs a test against a server in another process, with both transports and both kinds of runtime.
fn against_a_server<F: Future<Output = ()>>(test: impl Fn(Client, Options) -> F) {
    for transport in TRANSPORTS {
        for runtime in [one_thread(), several_threads()] {
            let meeting = Meeting::new(transport);
            let _server = meeting.run("server");
            bounded(&runtime, async {
                let client = connect(&meeting.options).await;
                assert_eq!(client.peer().transport, transport);
                test(client.clone(), meeting.options.clone()).await;
                assert_eq!(client.engine_stats().lost_wakeups, 0);
            });
        }
    }
}
