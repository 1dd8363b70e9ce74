//! Clients that send requests and keep the times.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dejavu::cli::http::Client;
use http::Method;
use tokio::task::JoinSet;

/// Sends `requests` requests from `crowd` clients, each waiting for its answer before it asks again, and prints a row.
pub(crate) async fn measure(
    label: &str,
    crowd: usize,
    requests: usize,
    url: &str,
    headers: &[(&'static str, &'static str)],
    body: impl Fn(usize) -> Bytes + Send + Sync + Clone + 'static,
) -> Duration {
    let next = Arc::new(AtomicUsize::new(0));
    let client = Client::default();
    let mut workers = JoinSet::new();
    let started = Instant::now();
    for _ in 0..crowd {
        let (next, client, url, body) = (next.clone(), client.clone(), url.to_owned(), body.clone());
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        workers.spawn(async move {
            let mut times = Vec::with_capacity(requests / crowd + 1);
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= requests {
                    return times;
                }
                let asked = body(at);
                let begun = Instant::now();
                let answer = client.fetch(Method::POST, &url, &headers, asked).await.expect("an answer");
                times.push(begun.elapsed());
                assert!(answer.status().is_success(), "{}", answer.status());
            }
        });
    }
    let times = workers.join_all().await.concat();
    let mean = times.iter().sum::<Duration>().div_f64(times.len() as f64);
    row(label, times, started.elapsed());
    mean
}

/// Prints one row: requests a second, and percentiles.
pub(crate) fn row(label: &str, mut times: Vec<Duration>, took: Duration) {
    times.sort_unstable();
    let percentile = |share: f64| {
        let at = ((times.len() - 1) as f64 * share).round() as usize;
        times[at].as_secs_f64() * 1e3
    };
    println!(
        "{label:<44} {:>9.0} {:>9.3} {:>9.3} {:>9.3}",
        times.len() as f64 / took.as_secs_f64(),
        percentile(0.50),
        percentile(0.90),
        percentile(0.99)
    );
}
