//! Pools of connections, and requests over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringpost::tokio::{Pool, PoolConfig, Requester};
use ringpost::{Code, Error};
use serde_json::json;

use crate::requests::prepare;
use crate::wire::{Answer, Chosen, Failure, Pooled};
use crate::{State, lock};

pub fn create(state: &State, server: String, max: usize, options: &Chosen) -> Answer {
    let client = options.client().reconnect(true);
    let pool = Pool::new([server], PoolConfig::new().client(client).max(max))?;
    let number = state.number();
    lock(&state.pools).insert(number, pool);
    Ok(json!({ "pool": number }))
}

fn find(state: &State, number: u32) -> Result<Pool, Failure> {
    let found = lock(&state.pools).get(&number).cloned();
    found.ok_or_else(|| Error::new(Code::Closed, "there is no such pool").into())
}

/// Many requests at once, each over a lease of its own or all shared.
pub async fn ask(state: &State, pooled: Pooled) -> Answer {
    let Pooled { count, is_leased, request } = pooled;
    let pool = find(state, request.connection)?;
    let (payload, options) = prepare(&request)?;
    let (payload, method) = (Arc::new(payload), Arc::new(request.method));
    let begin = |_| {
        let (pool, payload, method) = (pool.clone(), Arc::clone(&payload), Arc::clone(&method));
        tokio::spawn(async move {
            if is_leased {
                pool.acquire().await?.request(&method, &payload, &options).await
            } else {
                pool.request(&method, &payload, &options).await
            }
        })
    };
    let asked: Vec<_> = (0..count).map(begin).collect();
    let (mut answered, mut failed) = (0, BTreeMap::<_, u32>::new());
    for asked in asked {
        match asked.await.expect("no panic") {
            Ok(_) => answered += 1,
            Err(error) => *failed.entry(error.code().as_str()).or_default() += 1,
        }
    }
    Ok(json!({ "answered": answered, "failed": failed }))
}

pub fn stats(state: &State, number: u32) -> Answer {
    let stats = find(state, number)?.stats();
    Ok(json!({ "made": stats.made, "leased": stats.leased, "waiting": stats.waiting }))
}

pub async fn close(state: &State, number: u32) -> Answer {
    find(state, number)?.close().await;
    Ok(json!(null))
}
