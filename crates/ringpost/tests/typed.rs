//! Contracts with types, over every way of asking, and clients and servers that share an engine.

use std::path::PathBuf;
use std::sync::mpsc;

use ringpost::tokio::{Handlers, ItemSender, Request, SharedEngine};
use ringpost::{
    Change, ClientConfig, Code, Event, Method, RemoteError, ServerConfig, Stream, WaitPolicy,
    blocking,
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
        let config = meeting.client();
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
