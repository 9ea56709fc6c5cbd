//! What clients, servers and pools have counted, as an exporter of `metrics` prints it.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use ringpost::tokio::{Client, Handlers, Pool, PoolConfig, Reporter, Request, Server};
use ringpost::{CallOptions, ClientConfig, Lane, RemoteError, Reply, ServerConfig};

const PLAIN: CallOptions = CallOptions::new();

/// The value of a series, by its metric and all of its labels in the order in which they are printed.
fn value(printed: &str, series: &str) -> Option<f64> {
    let line = printed.lines().find(|line| line.starts_with(&format!("{series} ")))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn handlers() -> Handlers {
    Handlers::new()
        .handle("echo", |request: Request| async move { Ok(Reply::bytes(request.payload)) })
        .handle("fail", |_| async { Err(RemoteError::new("E_MINE", "no")) })
}

#[test]
fn an_exporter_prints_what_was_counted() {
    let bounds = [1e-3, 60.0];
    let of_requests = Matcher::Full("ringpost_request_duration_seconds".into());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(of_requests, &bounds).unwrap();
    let recorder = builder.build_recorder();
    let printer = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let directory = std::env::temp_dir().join(format!("ringpost-metrics-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), exported(&directory, &printer))
            .await
            .unwrap();
    });
    drop(runtime);
    std::fs::remove_dir_all(directory).unwrap();
}

async fn exported(directory: &std::path::Path, printer: &PrometheusHandle) {
    let serving = ServerConfig::new().directory(directory);
    let connecting = ClientConfig::new().directory(directory);
    let server = Server::bind_with("metrics", &serving, handlers()).await.unwrap();
    let client = Client::connect("metrics", &connecting).await.unwrap();
    let mut reporters = [Reporter::new("served"), Reporter::new("asked"), Reporter::new("pooled")];

    for _ in 0..3 {
        client.request("echo", b"hello", &PLAIN).await.unwrap();
    }
    client.request("echo", b"", &PLAIN.lane(Lane::High)).await.unwrap();
    client.request("fail", b"", &PLAIN).await.unwrap_err();
    client.notify("unheard of", b"", &PLAIN).unwrap();
    client.request("echo", b"", &PLAIN).await.unwrap();
    reporters[0].report(&server);
    reporters[1].report(&client);
    let first = printer.render();
    let by_client = |metric: &str, more: &str| {
        value(&first, &format!("ringpost_{metric}{{role=\"client\",name=\"asked\"{more}}}"))
    };
    let stats = client.stats();
    #[expect(clippy::cast_precision_loss, reason = "few bytes")]
    let sent = stats.links.bytes_sent as f64;
    assert_eq!(by_client("sent_bytes_total", ""), Some(sent), "{first}");
    assert_eq!(by_client("messages_sent_total", ",kind=\"request\",lane=\"normal\""), Some(5.0));
    assert_eq!(by_client("messages_sent_total", ",kind=\"request\",lane=\"high\""), Some(1.0));
    assert_eq!(by_client("messages_sent_total", ",kind=\"event\",lane=\"normal\""), Some(1.0));
    assert_eq!(by_client("messages_sent_total", ",kind=\"reply\",lane=\"normal\""), None);
    assert_eq!(by_client("messages_received_total", ",kind=\"error\",lane=\"normal\""), Some(1.0));
    assert_eq!(by_client("request_errors_total", ",code=\"ERR_HANDLER\""), Some(1.0));
    assert_eq!(by_client("request_duration_seconds_count", ""), Some(6.0));
    assert_eq!(by_client("request_duration_seconds_bucket", ",le=\"60\""), Some(6.0));
    assert_eq!(by_client("connections", ""), Some(1.0));
    assert_eq!(by_client("reconnects_total", ""), Some(0.0));
    let by_server = |metric: &str| {
        value(&first, &format!("ringpost_{metric}{{role=\"server\",name=\"served\"}}"))
    };
    assert_eq!(by_server("events_unhandled_total"), Some(1.0));
    assert_eq!(by_server("connections_opened_total"), Some(1.0));
    assert!(first.contains("# TYPE ringpost_messages_sent_total counter"));
    assert!(first.contains("# HELP ringpost_queued_bytes "));

    // A server that is restarted takes no count away, and nothing is counted twice.
    server.close().await;
    let server = Server::bind_with("metrics", &serving, handlers()).await.unwrap();
    client.request("echo", b"", &PLAIN).await.unwrap();
    reporters[1].report(&client);
    reporters[1].report(&client);
    let second = printer.render();
    let series = "ringpost_messages_sent_total{role=\"client\",name=\"asked\",kind=\"request\",lane=\"normal\"}";
    assert_eq!(value(&second, series), Some(6.0));
    let asked = |metric: &str| {
        value(&second, &format!("ringpost_{metric}{{role=\"client\",name=\"asked\"}}"))
    };
    assert_eq!(asked("reconnects_total"), Some(1.0));
    assert_eq!(asked("request_duration_seconds_count"), Some(7.0));

    let pool = Pool::new(["metrics"], PoolConfig::new().client(connecting)).unwrap();
    let lease = pool.acquire().await.unwrap();
    reporters[2].report(&pool);
    let third = printer.render();
    let pooled = |metric: &str| {
        value(&third, &format!("ringpost_{metric}{{role=\"pool\",name=\"pooled\"}}"))
    };
    assert_eq!(pooled("pool_leased_connections"), Some(1.0), "{third}");
    assert_eq!(pooled("connections_opened_total"), Some(1.0));
    drop(lease);
    pool.close().await;
    client.close().await;
    server.close().await;
}
