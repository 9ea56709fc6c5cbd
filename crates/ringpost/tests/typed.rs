//! Contracts with types, over every way of asking, and clients and servers that share an engine.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ringpost::tokio::{Handlers, ItemSender, Request, SharedEngine};
use ringpost::{
    CallOptions, Change, ClientConfig, Code, Codec, Event, Method, RemoteError, ServerConfig,
    Stream, WINDOW_MIN, WaitPolicy, blocking,
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    age: Option<u32>,
}

const OLDER: Method<Person, Person> = Method::new("older");
const VERSION: Method<(), u32> = Method::new("version");
const COUNT: Stream<u32, u32> = Stream::new("count");
/// Numbers without end, of which few are in flight.
const NUMBERS: Stream<(), u64> =
    Stream::with_options("numbers", CallOptions::new().window(WINDOW_MIN));
const SEEN: Event<Person> = Event::new("seen");

fn ada() -> Person {
    Person { name: "Ada".into(), age: Some(36) }
}

fn older(person: Person) -> Result<Person, RemoteError> {
    let Some(age) = person.age else { return Err(RemoteError::new("E_AGE", "no age is given")) };
    Ok(Person { age: Some(age + 1), ..person })
}

fn meeting(name: &str) -> Meeting {
    let directory = format!("ringpost-typed-{name}-{}", std::process::id());
    Meeting(std::env::temp_dir().join(directory))
}

struct Meeting(PathBuf);

impl Meeting {
    fn server(&self) -> ServerConfig {
        ServerConfig::new().directory(&self.0)
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::new().directory(&self.0)
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn handlers() -> Handlers {
    Handlers::new().serve(&OLDER, |person, _| async move { older(person) }).serve_stream(
        &COUNT,
        |end, items: ItemSender<u32>, _| async move {
            for number in 0..end {
                items.send(&number).await?;
            }
            Ok(())
        },
    )
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test)
}

/// Written for whatever can be asked.
async fn ask(peer: &impl ringpost::tokio::Requester) {
    assert_eq!(peer.call(&OLDER, &ada()).await.unwrap().age, Some(37));
    let error = peer.call(&OLDER, &Person { age: None, ..ada() }).await.unwrap_err();
    assert_eq!(error.as_remote().unwrap().code.as_deref(), Some("E_AGE"));
    let items = peer.open(&COUNT, &3).unwrap();
    let mut sum = 0;
    while let Some(number) = items.next().await.unwrap() {
        sum += number;
    }
    assert_eq!(sum, 3);
}

#[test]
fn both_ends_of_a_connection_call_with_types() {
    let meeting = meeting("both");
    run(async {
        let config = meeting.server();
        let server = ringpost::tokio::Server::bind_with("demo", &config, handlers()).await.unwrap();
        let (seen, seeing) = mpsc::channel();
        server.listen(&SEEN, move |person, _: Request| {
            seen.send(person).unwrap();
            async {}
        });
        let config = meeting.client();
        let client =
            ringpost::tokio::Client::connect_with("demo", &config, handlers()).await.unwrap();
        ask(&client).await;
        let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
        ask(&server.connection(link)).await;
        use ringpost::tokio::Requester;
        client.emit(&SEEN, &ada()).unwrap();
        ask(&client).await;
        assert_eq!(seeing.try_recv(), Ok(ada()));
        // A handler asks who asks it.
        server.serve(&VERSION, |(), request| async move {
            ask(&request).await;
            Ok(7)
        });
        assert_eq!(client.call(&VERSION, &()).await.unwrap(), 7);
    });
}

#[test]
fn parameters_of_another_type_fail_before_the_handler() {
    let meeting = meeting("wrong");
    let mut server = blocking::Server::bind("demo", &meeting.server()).unwrap();
    server.serve(&OLDER, |person, _| older(person));
    server.serve(&VERSION, |(), _| Ok(7));
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run());

    use blocking::Requester;
    let mut client = blocking::Client::connect("demo", &meeting.client()).unwrap();
    let wrong: Method<u32, Person> = Method::new(OLDER.name());
    let error = client.call(&wrong, &7).unwrap_err();
    assert_eq!(error.code(), Code::InvalidPayload);
    assert_eq!(client.call(&OLDER, &ada()).unwrap().age, Some(37));
    assert_eq!(client.call(&VERSION, &()).unwrap(), 7);
    let error = client.open(&COUNT, &3).unwrap().next().unwrap_err();
    assert_eq!(error.code(), Code::UnknownMethod);
    stopper.stop();
    serving.join().unwrap().unwrap();
}

/// Runs a server that waits, with a test beside it.
fn beside_a_waiting_server(
    name: &str,
    prepare: impl FnOnce(&mut blocking::Server),
    test: impl FnOnce(&Meeting),
) {
    let meeting = meeting(name);
    let mut server = blocking::Server::bind("demo", &meeting.server()).unwrap();
    prepare(&mut server);
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run());
    test(&meeting);
    stopper.stop();
    serving.join().unwrap().unwrap();
}

/// Reports when it is dropped.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send(()).expect("the test waits for it");
    }
}

#[test]
fn a_server_that_waits_serves_streams_side_by_side_and_requests_between_their_items() {
    let prepare = |server: &mut blocking::Server| {
        server.serve(&OLDER, |person, _| older(person));
        server.serve_stream(&COUNT, |end, _| Ok((0..end).map(Ok)));
        server.serve_stream(&NUMBERS, |(), _| Ok((0..).map(Ok)));
    };
    beside_a_waiting_server("side-by-side", prepare, |meeting| {
        run(async {
            use ringpost::tokio::Requester;
            let client = ringpost::tokio::Client::connect("demo", &meeting.client()).await.unwrap();
            let (first, second) = (client.open(&NUMBERS, &()), client.open(&NUMBERS, &()));
            let (first, second) = (first.unwrap(), second.unwrap());
            for number in 0..3000 {
                assert_eq!(first.next().await.unwrap(), Some(number));
                assert_eq!(second.next().await.unwrap(), Some(number));
            }
            // Neither has ended, and nothing is read from them.
            ask(&client).await;
        });
        use blocking::Requester;
        let mut client = blocking::Client::connect("demo", &meeting.client()).unwrap();
        let mut items = client.open(&COUNT, &100_000).unwrap();
        for number in 0..100_000 {
            assert_eq!(items.next().unwrap(), Some(number));
        }
        assert_eq!(items.next().unwrap(), None);
        drop(items);
        assert_eq!(client.call(&OLDER, &ada()).unwrap().age, Some(37));
        assert_eq!(client.link_stats().unwrap().calls, 0);
    });
}

#[test]
fn the_items_of_a_reader_that_leaves_are_dropped_and_no_more_are_made() {
    let (dropped, drops) = mpsc::channel();
    let prepare = |server: &mut blocking::Server| {
        server.serve_stream(&NUMBERS, move |(), _| {
            let guard = Guard(dropped.clone());
            Ok((0..).map(move |number| {
                let _held = &guard;
                Ok(number)
            }))
        });
    };
    beside_a_waiting_server("leaves", prepare, |meeting| {
        use blocking::Requester;
        let mut client = blocking::Client::connect("demo", &meeting.client()).unwrap();
        let mut items = client.open(&NUMBERS, &()).unwrap();
        assert_eq!(items.next().unwrap(), Some(0));
        drop(items);
        let left = drops.recv_timeout(Duration::from_secs(60));
        left.expect("it is dropped when its reader leaves");
        // One that is full, and whose reader's connection ends.
        let mut other = blocking::Client::connect("demo", &meeting.client()).unwrap();
        assert_eq!(other.open(&NUMBERS, &()).unwrap().next().unwrap(), Some(0));
        drop(other);
        let ended = drops.recv_timeout(Duration::from_secs(60));
        ended.expect("it is dropped when its connection ends");
    });
}

#[test]
fn a_stream_of_a_server_that_waits_fails_with_the_error_of_an_item() {
    let failing: Stream<String, u32> = Stream::new("failing");
    let prepare = |server: &mut blocking::Server| {
        server.serve_stream(&failing, |how: String, _| {
            if how == "at once" {
                return Err(RemoteError::new("E_ONCE", "there are no items"));
            }
            let last = std::iter::once_with(move || match how.as_str() {
                "panic" => panic!("as it was asked to"),
                how => Err(RemoteError::new("E_ITEM", how)),
            });
            Ok((0..3).map(Ok).chain(last))
        });
    };
    beside_a_waiting_server("failing", prepare, |meeting| {
        use blocking::Requester;
        let mut client = blocking::Client::connect("demo", &meeting.client()).unwrap();
        for (how, good, code) in
            [("at once", 0, "E_ONCE"), ("later", 3, "E_ITEM"), ("panic", 3, "ERR_HANDLER")]
        {
            let mut items = client.open(&failing, &how.into()).unwrap();
            for number in 0..good {
                assert_eq!(items.next().unwrap(), Some(number));
            }
            let error = items.next().unwrap_err();
            assert_eq!(error.as_remote().unwrap().code.as_deref(), Some(code));
        }
        // What is no stream, and what has other parameters.
        let method: Method<String, u32> = Method::new(failing.name());
        let error = client.call(&method, &"later".into()).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        let wrong: Stream<u32, u32> = Stream::new(failing.name());
        let error = client.open(&wrong, &3).unwrap().next().unwrap_err();
        assert_eq!(error.code(), Code::InvalidPayload);
    });
}

#[test]
fn a_client_that_waits_for_an_answer_serves_a_stream() {
    let meeting = meeting("client-serves");
    let config = meeting.client();
    run(async {
        use ringpost::tokio::{Requester, Server};
        let read = Arc::new(tokio::sync::Notify::new());
        let reading = Arc::clone(&read);
        let handlers = Handlers::new().serve(&VERSION, move |(), _| {
            let reading = Arc::clone(&reading);
            async move {
                reading.notified().await;
                Ok(7)
            }
        });
        let server = Server::bind_with("demo", &meeting.server(), handlers).await.unwrap();
        let waiting = std::thread::spawn(move || {
            use blocking::Requester;
            let mut client = blocking::Client::connect("demo", &config).unwrap();
            client.serve_stream(&COUNT, |end, _| Ok((0..end).map(Ok)));
            client.call(&VERSION, &()).unwrap()
        });
        let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
        let items = server.connection(link).open(&COUNT, &20_000).unwrap();
        for number in 0..20_000 {
            assert_eq!(items.next().await.unwrap(), Some(number));
        }
        assert_eq!(items.next().await.unwrap(), None);
        read.notify_one();
        tokio::task::spawn_blocking(|| assert_eq!(waiting.join().unwrap(), 7)).await.unwrap();
    });
}

#[test]
fn items_of_typed_streams_say_that_they_are_values_whatever_the_request_was() {
    let meeting = meeting("labelled");
    let mut server = blocking::Server::bind("waiting", &meeting.server()).unwrap();
    server.serve_stream(&NUMBERS, |(), _| Ok((7..8).map(Ok)));
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run());
    run(async {
        let handlers =
            Handlers::new().serve_stream(&NUMBERS, |(), items: ItemSender<u64>, _| async move {
                items.send(&7).await?;
                Ok(())
            });
        let config = meeting.server();
        let _server =
            ringpost::tokio::Server::bind_with("asking", &config, handlers).await.unwrap();
        for name in ["waiting", "asking"] {
            let config = meeting.client();
            let client = ringpost::tokio::Client::connect(name, &config).await.unwrap();
            // Without parameters, as bytes.
            let items = client.stream(NUMBERS.name(), b"", &CallOptions::new()).unwrap();
            let item = items.next().await.unwrap().unwrap();
            assert_eq!((item.codec, item.payload.as_slice()), (Codec::MessagePack, &[7][..]));
        }
    });
    stopper.stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn clients_and_servers_of_one_engine_have_their_own_handlers_and_ends() {
    let meeting = meeting("shared");
    run(async {
        use ringpost::tokio::{Client, Requester, Server};
        let engine = SharedEngine::new(WaitPolicy::DEFAULT).unwrap();
        let versions =
            |version: u32| Handlers::new().serve(&VERSION, move |(), _| async move { Ok(version) });
        let config = meeting.server();
        let one = Server::bind_on(&engine, "one", &config, versions(1)).await.unwrap();
        let two = Server::bind_on(&engine, "two", &config, versions(2)).await.unwrap();
        let config = meeting.client().reconnect(false);
        let first = Client::connect_on(&engine, "one", &config, versions(10)).await.unwrap();
        let second = Client::connect_on(&engine, "two", &config, versions(20)).await.unwrap();
        assert_eq!(first.call(&VERSION, &()).await.unwrap(), 1);
        assert_eq!(second.call(&VERSION, &()).await.unwrap(), 2);
        let Some(Change::Connected(link, _)) = two.next_change().await else { panic!() };
        assert_eq!(two.connection(link).call(&VERSION, &()).await.unwrap(), 20);
        assert_eq!((one.peers().len(), two.peers().len()), (1, 1));

        // What one does to itself is no concern of the others.
        first.close().await;
        assert_eq!(first.call(&VERSION, &()).await.unwrap_err().code(), Code::Closed);
        one.close().await;
        assert_eq!(second.call(&VERSION, &()).await.unwrap(), 2);
        drop((one, first));
        let again = Server::bind_on(&engine, "one", &meeting.server(), versions(3)).await.unwrap();
        let third = Client::connect_on(&engine, "one", &config, Handlers::new()).await.unwrap();
        assert_eq!(third.call(&VERSION, &()).await.unwrap(), 3);
        drop(again);
        assert!(third.closed().await.is_none());
        drop(two);
        assert!(second.closed().await.is_none());
        assert_eq!(engine.stats().lost_wakeups, 0);
    });
}

#[test]
fn many_tasks_that_wait_for_their_own_messages_are_woken_for_those() {
    let meeting = meeting("many");
    run(async {
        let config = meeting.server();
        let server = ringpost::tokio::Server::bind_with("demo", &config, handlers()).await.unwrap();
        let client = ringpost::tokio::Client::connect("demo", &meeting.client()).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let client = client.clone();
            tasks.spawn(async move {
                use ringpost::CallOptions;
                client.send("none", &vec![7; 100_000], &CallOptions::new()).await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        client.drain(std::time::Duration::from_secs(60)).await.unwrap();
        // The last of them are in shared memory; a request comes after them.
        ask(&client).await;
        assert_eq!(server.unhandled(), 200);
    });
}
