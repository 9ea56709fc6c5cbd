//! What `iceoryx2` has beside requests: publish-subscribe to several subscribers, all of which poll
//! without ever sleeping, and a blackboard with one entry, of which readers copy the newest value.

use std::thread;
use std::time::{Duration, Instant};

use iceoryx2::prelude::{AllocationStrategy, BackpressureStrategy, ipc};
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use ringpost_bench::published::{FRAME_LEN, Library, Publishing, Reading, Subscribing, Writing};
use ringpost_bench::{Result, Settings};

use crate::iceoryx::{Node, Place};

pub const LIBRARY: Library = Library { name: "iceoryx2", publish, subscribe, write, read };

/// Messages a subscriber may be behind; Ringpost has a ring of about as many.
const DEPTH: usize = 8192;
const SUBSCRIBERS_MAX: usize = 8;
const MESSAGE_LEN_MAX: usize = 1024;
/// Polls without news after which a core is yielded.
const POLLS: u32 = 1 << 12;
/// How long a side waits for the other before it gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the one entry of the blackboard.
const KEY: u64 = 1;

/// What is cleaned up by the side that publishes, when it ends.
struct Owned(Place);

impl Drop for Owned {
    fn drop(&mut self) {
        // What is left behind fails the test that looks for it.
        let _ = self.0.clean();
    }
}

/// A closure that uses all of something keeps all of it, and not only the part it needs.
fn whole<T>(all: &T) -> &T {
    all
}

fn port(place: &Place, node: &Node) -> Result<PortFactory<ipc::Service, [u8], ()>> {
    let name = format!("{}/topic", place.address);
    let service = node.service_builder(&name.as_str().try_into()?).publish_subscribe::<[u8]>();
    let service = service.max_publishers(1).max_subscribers(SUBSCRIBERS_MAX);
    let service = service.max_nodes(SUBSCRIBERS_MAX + 1).subscriber_max_buffer_size(DEPTH);
    let service = service.subscriber_max_borrowed_samples(1).history_size(0);
    Ok(service.enable_safe_overflow(false).open_or_create()?)
}

fn publish(address: &str, settings: &Settings, subscribers: usize) -> Result<Publishing> {
    let owned = Owned(Place::new(address, settings)?);
    let node = owned.0.node()?;
    let port = port(&owned.0, &node)?;
    let publisher = port.publisher_builder().initial_max_slice_len(MESSAGE_LEN_MAX);
    let publisher = publisher.allocation_strategy(AllocationStrategy::Static);
    let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
    let publisher = publisher.create()?;
    let ports = (publisher, port, node, owned);
    Ok(Box::new(move |messages| {
        let (publisher, ..) = whole(&ports);
        while let Some(payload) = messages.next() {
            let loan = publisher.loan_slice_uninit(payload.len())?;
            if loan.write_from_slice(payload).send()? != subscribers {
                return Err("not all subscribers were there to take a message".into());
            }
        }
        Ok(())
    }))
}

fn subscribe(address: &str, settings: &Settings) -> Result<Subscribing> {
    let place = Place::new(address, settings)?;
    let node = place.node()?;
    let port = port(&place, &node)?;
    let ports = (port.subscriber_builder().create()?, port, node);
    Ok(Box::new(move |count, read| {
        let (subscriber, ..) = whole(&ports);
        let (mut polls, mut idle_since) = (0, None);
        let mut left = count;
        while left > 0 {
            if let Some(sample) = subscriber.receive()? {
                read(sample.payload());
                (left, polls, idle_since) = (left - 1, 0, None);
                continue;
            }
            polls += 1;
            if polls == POLLS {
                polls = 0;
                if idle_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err("no more messages have come".into());
                }
                thread::yield_now();
            }
        }
        Ok(())
    }))
}

fn write(address: &str, settings: &Settings) -> Result<Writing> {
    let owned = Owned(Place::new(address, settings)?);
    let node = owned.0.node()?;
    let name = format!("{address}/frame");
    let board = node.service_builder(&name.as_str().try_into()?).blackboard_creator::<u64>();
    let board = board.add::<[u8; FRAME_LEN]>(KEY, [0; FRAME_LEN]).create()?;
    let writer = board.writer_builder().create()?;
    let ports = (writer.entry::<[u8; FRAME_LEN]>(&KEY)?, writer, board, node, owned);
    Ok(Box::new(move |value| {
        whole(&ports).0.update_with_copy(*value);
        Ok(())
    }))
}

fn read(address: &str, settings: &Settings) -> Result<Reading> {
    let place = Place::new(address, settings)?;
    let node = place.node()?;
    let name = format!("{address}/frame");
    let board = node.service_builder(&name.as_str().try_into()?).blackboard_opener::<u64>();
    let board = board.open()?;
    let reader = board.reader_builder().create()?;
    let ports = (reader.entry::<[u8; FRAME_LEN]>(&KEY)?, reader, board, node);
    Ok(Box::new(move |show| {
        show(&*whole(&ports).0.get());
        Ok(())
    }))
}
