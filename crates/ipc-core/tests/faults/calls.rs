//! System calls that fail, one after the other: no panic, no hang, no leak.
//!
//! A connection is made, used and closed; the first time the first system call that may fail does,
//! the next time the second, and so on until none is left to fail. Each time it fails once, and
//! each time from then on for ever.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ipc_core::testing::faults;
use ipc_core::{Code, Draft, Engine, Error, ListenOptions, Options, Transport, WaitPolicy};
use ringpost::blocking::{Answer, Client, Server};
use ringpost::{CallOptions, ClientConfig, ServerConfig};
use rustix::io::Errno;

use super::census::census;
use super::engines::{Side, answer_all, request, rest};
use super::{Meeting, alone};

const ERRNOS: [Errno; 3] = [Errno::MFILE, Errno::NOMEM, Errno::NOSPC];
const TRANSPORTS: [Transport; 3] = Transport::ALL;
/// Fewer calls than either side of a connection makes, and far more.
const CALLS_MIN: u32 = 5;
const CALLS_MAX: u32 = 500;
/// Within this everything has to end, whatever fails.
const BOUND: Duration = Duration::from_secs(60);

/// Runs `scenario` with a call failing, for each call and each way to fail. The scenario says
/// whether one did.
pub fn fail_each_call(meeting: &Meeting, scenario: impl Fn(Plan) -> bool + Send + Sync + 'static) {
    let scenario = Arc::new(scenario);
    // The first run makes what is made once per process, and the directory.
    scenario(Plan(None));
    let before = census(&meeting.0);
    for errno in ERRNOS {
        for forever in [false, true] {
            let fails = |n| {
                let plan = Plan(Some((n, forever, errno)));
                let failed = run(&scenario, plan);
                assert_eq!(census(&meeting.0), before, "{plan:?} leaks");
                failed
            };
            let calls = (0..CALLS_MAX).find(|n| !fails(*n)).expect("calls without end");
            assert!(calls > CALLS_MIN, "only {calls} calls could fail");
        }
    }
}

/// Runs a scenario in a thread of its own, which has to end.
fn run(scenario: &Arc<impl Fn(Plan) -> bool + Send + Sync + 'static>, plan: Plan) -> bool {
    let scenario = Arc::clone(scenario);
    let (done, outcome) = mpsc::channel();
    let runner = thread::spawn(move || done.send(scenario(plan)));
    let failed = match outcome.recv_timeout(BOUND) {
        Ok(failed) => failed,
        Err(RecvTimeoutError::Timeout) => panic!("{plan:?} hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("{plan:?} panicked"),
    };
    let _ = runner.join();
    failed
}

/// Which call fails, whether those after it do too, and how; `None`: no call does.
#[derive(Clone, Copy, Debug)]
pub struct Plan(Option<(u32, bool, Errno)>);

impl Plan {
    /// Starts to count the calls of this thread.
    pub fn start(self) {
        if let Self(Some((n, forever, errno))) = self {
            faults::fail_nth(n, forever, errno);
        }
    }
}

/// What takes too long although nothing failed was slow, and gets the time it needs.
const SPANS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(10)];

/// Binds, connects, asks, is answered, and closes, each in `span`. An error at any point is an
/// outcome.
fn converse(options: &Options, span: Duration) -> Result<Side, Error> {
    let (mut server, mut client) = (Engine::new()?, Engine::new()?);
    let (mut serving, mut asking) = (Side::default(), Side::default());
    server.listen("server", options, &ListenOptions::default())?;
    let link = client.connect("server", options, span);
    let link = link.inspect_err(|_| assert!(client.links().is_empty()))?;
    let code = client.code("echo")?;
    let (mut sent, mut closing) = (false, false);
    let until = Instant::now() + BOUND / 2;
    while asking.closed.is_empty() {
        assert!(Instant::now() < until, "the client never learns of its end");
        client.drive(&mut asking);
        server.drive(&mut serving);
        answer_all(&mut server, &mut serving);
        if asking.connected.is_some() && !sent {
            sent = true;
            let draft = Draft { timeout: Some(span), ..request(code) };
            let _ = client.send(link, &draft, b"question");
            client.flush();
        }
        if (asking.answer.is_some() || asking.ended) && !closing {
            closing = true;
            client.close(link, &mut asking);
        }
        if client.arm() & server.arm() {
            rest([&client, &server]);
        }
    }
    assert!(client.links().is_empty());
    // A connection the server has is one it loses.
    while serving.connected.is_some() && serving.closed.is_empty() {
        assert!(Instant::now() < until, "the server never learns of the end");
        server.drive(&mut serving);
        if server.arm() {
            rest([&server, &client]);
        }
    }
    Ok(asking)
}

#[test]
fn a_call_that_fails_between_two_engines_leaves_nothing_behind() {
    let _alone = alone();
    for transport in TRANSPORTS {
        let meeting = Meeting::new("engines");
        let options = meeting.options(transport);
        fail_each_call(&meeting, move |plan| {
            for span in SPANS {
                plan.start();
                let outcome = converse(&options, span);
                let failed = faults::stop();
                if failed || outcome.is_ok_and(|asking| asking.answer.is_some()) {
                    return failed;
                }
            }
            panic!("nothing failed and there is no answer");
        });
    }
}

/// Which thread's calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Server,
    Client,
}

fn ask(options: &Options, span: Duration) -> Result<Vec<u8>, Error> {
    let mut client = Client::connect(
        "server",
        &ClientConfig::from(options)
            .timeout(span)
            .connect_timeout(span)
            .wait_policy(WaitPolicy::NONE),
    )?;
    let reply = client.request("echo", b"question", &CallOptions::default())?;
    client.close()?;
    Ok(reply.payload)
}

/// Serves in another thread and asks in this one. Returns whether a call failed.
fn serve_and_ask(options: &Options, failing: Failing, plan: Plan) -> bool {
    for span in SPANS {
        let (failed, answer) = serve_and_ask_within(span, options, failing, plan);
        if failed || answer.is_ok_and(|answer| answer == b"question") {
            return failed;
        }
    }
    panic!("nothing failed and there is no answer");
}

fn serve_and_ask_within(
    span: Duration,
    options: &Options,
    failing: Failing,
    plan: Plan,
) -> (bool, Result<Vec<u8>, Error>) {
    let (ready, bound) = mpsc::channel();
    let serving = {
        let options = options.clone();
        thread::spawn(move || {
            if failing == Failing::Server {
                plan.start();
            }
            // What the server fails with is its own affair, as long as it ends.
            if let Ok(mut server) = Server::bind(
                "server",
                &ServerConfig::from(&options).timeout(span).wait_policy(WaitPolicy::NONE),
            ) {
                server.handle("echo", |request, reply| {
                    reply.payload.extend_from_slice(request.payload);
                    Ok(Answer::Now)
                });
                ready.send(server.stopper()).unwrap();
                let _ = server.run();
            }
            faults::stop()
        })
    };
    let Ok(stopper) = bound.recv() else {
        return (serving.join().unwrap(), Err(Error::new(Code::Closed, "there was no server")));
    };
    if failing == Failing::Client {
        plan.start();
    }
    let answer = ask(options, span);
    let failed_here = faults::stop();
    stopper.stop();
    (serving.join().unwrap() || failed_here, answer)
}

#[test]
fn a_call_of_a_waiting_client_that_fails_leaves_nothing_behind() {
    let _alone = alone();
    for transport in TRANSPORTS {
        let meeting = Meeting::new("client");
        let options = meeting.options(transport);
        fail_each_call(&meeting, move |plan| serve_and_ask(&options, Failing::Client, plan));
    }
}

#[test]
fn a_call_of_a_waiting_server_that_fails_leaves_nothing_behind() {
    let _alone = alone();
    for transport in TRANSPORTS {
        let meeting = Meeting::new("server");
        let options = meeting.options(transport);
        fail_each_call(&meeting, move |plan| serve_and_ask(&options, Failing::Server, plan));
    }
}
