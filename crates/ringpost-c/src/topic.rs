//! Topics: a sequence of messages from one publisher to any number of subscribers.

use std::ffi::{c_char, c_void};
use std::sync::Mutex;

use ipc_core::{Time, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber};

use crate::border::{bytes, copy_out, hand_over, handle, lock, put_optional, sized};
use crate::border::{take_back, text, wanted};
use crate::callbacks::ReadyFn;
use crate::error::{Error, guard};
use crate::event_loop::{Loop, Watched};
use crate::options::{PublishOptions, ReadOptions, layout, place};
use crate::records::Records;
use crate::status::Status;

/// The one publisher of a topic.
pub struct Publisher(Mutex<Publishing>);

struct Publishing {
    publisher: TopicPublisher,
    watched: Watched,
}

/// One of any number of subscribers of a topic.
pub struct Subscriber(Mutex<Subscribing>);

struct Subscribing {
    subscriber: TopicSubscriber,
    records: Records,
    watched: Watched,
}

/// What a subscriber wants.
#[repr(C)]
#[expect(dead_code, reason = "it is for the header: C passes numbers")]
pub enum SubscriberMode {
    /// Only what is newest when it reads.
    Latest = 0,
    /// Everything in order, as far as it is still there.
    Lossy = 1,
    /// Everything in order: the publisher waits for it, within its time.
    Lossless = 2,
}

/// Where a subscriber starts.
#[repr(C)]
#[expect(dead_code, reason = "it is for the header: C passes numbers")]
pub enum SubscriberStart {
    /// Behind what is there.
    Next = 0,
    /// At the newest message that is there.
    Newest = 1,
    /// At the oldest message that is still there.
    Oldest = 2,
}

/// A message of a topic.
#[repr(C)]
pub struct TopicMessage {
    /// The message: a copy that belongs to the subscriber and stays until it reads again or is
    /// closed.
    pub bytes: *const u8,
    /// Bytes of the message. Of records, no more than this program knows.
    pub len: usize,
    /// Its number, from 1 on; each publisher begins anew.
    pub number: u64,
    /// The number of its publisher among all that the topic had.
    pub generation: u64,
    /// Messages that this subscriber has missed just before it.
    pub skipped: u64,
    /// How long ago it was published, in nanoseconds.
    pub age_nanos: u64,
    /// Whether it is the first one of another publisher.
    pub is_restarted: bool,
}

impl Subscribing {
    fn read(&mut self) -> Result<Option<TopicMessage>, Error> {
        if !self.subscriber.advance()? {
            return Ok(None);
        }
        self.watched.found();
        let value = self.value()?;
        let (bytes, len) = (value.as_ptr(), value.len());
        let Some(last) = self.subscriber.last() else { return Ok(None) };
        let age = Time::now().saturating_since(last.written_at).as_nanos();
        Ok(Some(TopicMessage {
            bytes,
            len,
            number: last.number,
            generation: last.generation,
            skipped: last.skipped,
            age_nanos: u64::try_from(age).unwrap_or(u64::MAX),
            is_restarted: last.is_restarted,
        }))
    }

    fn value(&mut self) -> Result<&[u8], Error> {
        let files = self.subscriber.stats().generations;
        let known = match self.subscriber.format() {
            Some(format) => self.records.check(files, format)?,
            None => usize::MAX,
        };
        let bytes = self.subscriber.last().map_or(&[][..], |last| last.bytes);
        Ok(&bytes[..bytes.len().min(known)])
    }
}

/// Becomes the publisher of the topic `name`. `options` may be NULL.
///
/// RP_STATUS_NAME_IN_USE: it has a publisher that lives.
///
/// Threads: any. A publisher is used by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_create(
    name: *const c_char,
    options: *const PublishOptions,
    publisher: *mut *mut Publisher,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let to = wanted(publisher)?;
        // SAFETY: as the header demands.
        let (name, options, place, format) = unsafe {
            let options: PublishOptions = sized(options)?;
            (text(name, "the name")?, options, place(options.directory)?, options.format()?)
        };
        let usual = TopicOptions::default();
        let capacity = if options.capacity == 0 { usual.capacity } else { options.capacity };
        let (timeout, take_over) = (options.timeout(usual.timeout), options.take_over);
        let made = TopicOptions { capacity, format, take_over, timeout };
        let publisher = TopicPublisher::create(name, &place, &made)?;
        let publishing = Publishing { publisher, watched: Watched::default() };
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, Publisher(Mutex::new(publishing))) })
    })
}

/// Publishes a message. If lossless subscribers hold it up it waits, as long as the publisher's
/// options say, and then cuts them off. `number`, unless it is NULL, is set to that of the message.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_publish(
    publisher: Option<&Publisher>,
    message: *const u8,
    len: usize,
    number: *mut u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let publisher = handle(publisher)?;
        // SAFETY: as the header demands.
        let message = unsafe { bytes(message, len)? };
        let published = lock(&publisher.0)?.publisher.publish(message)?;
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(number, published) };
        Ok(Status::Ok)
    })
}

/// As rp_publisher_publish, without waiting. RP_STATUS_NOTHING: lossless subscribers hold it up.
/// Try again when rp_publisher_watch says so, or go on without them: rp_publisher_cut_off.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_try_publish(
    publisher: Option<&Publisher>,
    message: *const u8,
    len: usize,
    number: *mut u64,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let publisher = handle(publisher)?;
        // SAFETY: as the header demands.
        let message = unsafe { bytes(message, len)? };
        let mut publishing = lock(&publisher.0)?;
        let Some(published) = publishing.publisher.append(message)? else {
            publishing.watched.found();
            return Ok(Status::Nothing);
        };
        publishing.publisher.show();
        // SAFETY: a place for a number or NULL, as the header demands.
        unsafe { put_optional(number, published) };
        Ok(Status::Ok)
    })
}

/// Goes on without the subscribers that have held up the last message: their next read fails with
/// RP_STATUS_LAGGED.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_cut_off(
    publisher: Option<&Publisher>,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        lock(&handle(publisher)?.0)?.publisher.cut_off();
        Ok(Status::Ok)
    })
}

/// Has the loop call `callback` when lossless subscribers may have made room.
///
/// Threads: that of the loop, also for the callback, and for the publisher from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_watch(
    publisher: Option<&Publisher>,
    event_loop: Option<&Loop>,
    callback: ReadyFn,
    data: *mut c_void,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let Publishing { publisher, watched } = &mut *lock(&handle(publisher)?.0)?;
        watched.begin(event_loop, callback, data, |watcher| publisher.watch_readers(watcher))
    })
}

/// Ends a publisher, frees it, and sets the pointer to NULL. What was published can still be read;
/// with `remove` it goes.
///
/// Threads: one at a time, and that of the loop which watches it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_publisher_close(
    publisher: *mut *mut Publisher,
    remove: bool,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let end = |found: &Publisher| lock(&found.0)?.watched.end();
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        let publisher = unsafe { take_back(publisher, end) }?;
        if remove && let Ok(publishing) = publisher.0.into_inner() {
            publishing.publisher.remove();
        }
        Ok(Status::Ok)
    })
}

/// Subscribes to the topic `name`, whether or not there is one by now. `mode` is an
/// rp_subscriber_mode, `start` an rp_subscriber_start. `options` may be NULL.
///
/// Threads: any. A subscriber is used by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_open(
    name: *const c_char,
    mode: u32,
    start: u32,
    options: *const ReadOptions,
    subscriber: *mut *mut Subscriber,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let to = wanted(subscriber)?;
        let modes = [TopicMode::Latest, TopicMode::Lossy, TopicMode::Lossless];
        let starts = [TopicStart::Next, TopicStart::Newest, TopicStart::Oldest];
        let (Some(mode), Some(start)) = (modes.get(mode as usize), starts.get(start as usize))
        else {
            return Err(Error::argument(format!("there is no mode {mode} or no start {start}")));
        };
        // SAFETY: as the header demands.
        let (name, place, layout) = unsafe {
            let options: ReadOptions = sized(options)?;
            (text(name, "the name")?, place(options.directory)?, layout(options.layout)?)
        };
        let subscriber = TopicSubscriber::open(name, &place, *mode, *start)?;
        let made =
            Subscribing { subscriber, records: Records::of(layout), watched: Watched::default() };
        // SAFETY: it is a place for a pointer, as the header demands.
        Ok(unsafe { hand_over(to, Subscriber(Mutex::new(made))) })
    })
}

/// Reads the next message. RP_STATUS_NOTHING: there is none now. RP_STATUS_LAGGED: this lossless
/// subscriber was too slow, and has missed messages; it is of no use any more.
///
/// Threads: one at a time. It never waits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_read(
    subscriber: Option<&Subscriber>,
    message: *mut TopicMessage,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (subscriber, to) = (handle(subscriber)?, wanted(message)?);
        let Some(read) = lock(&subscriber.0)?.read()? else { return Ok(Status::Nothing) };
        // SAFETY: a place for a message, as the header demands.
        unsafe { to.write(read) };
        Ok(Status::Ok)
    })
}

/// Copies the message that was read last, as rp_frame_reader_copy does.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_copy(
    subscriber: Option<&Subscriber>,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let mut subscribing = lock(&handle(subscriber)?.0)?;
        // SAFETY: as the header demands.
        unsafe { copy_out(subscribing.value()?, buffer, capacity, len) }
    })
}

/// Whether the publisher lives.
///
/// Threads: one at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_has_publisher(
    subscriber: Option<&Subscriber>,
    has_publisher: *mut bool,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let (subscriber, to) = (handle(subscriber)?, wanted(has_publisher)?);
        let has = lock(&subscriber.0)?.subscriber.has_publisher();
        // SAFETY: a place for it, as the header demands.
        unsafe { to.write(has) };
        Ok(Status::Ok)
    })
}

/// Has the loop call `callback` when there may be messages: it reads then until there is none left.
/// Another loop takes the place of one that has watched before.
///
/// Threads: that of the loop, also for the callback, and for the subscriber from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_watch(
    subscriber: Option<&Subscriber>,
    event_loop: Option<&Loop>,
    callback: ReadyFn,
    data: *mut c_void,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let Subscribing { subscriber, watched, .. } = &mut *lock(&handle(subscriber)?.0)?;
        watched.begin(event_loop, callback, data, |watcher| subscriber.watch(watcher))
    })
}

/// Closes a subscriber, frees it, and sets the pointer to NULL. Its callback is not called any
/// more.
///
/// Threads: one at a time, and that of the loop which watches it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rp_subscriber_close(
    subscriber: *mut *mut Subscriber,
    error: *mut *mut Error,
) -> Status {
    guard(error, || {
        let end = |found: &Subscriber| lock(&found.0)?.watched.end();
        // SAFETY: it was handed over, and is not used after this, as the header demands.
        unsafe { take_back(subscriber, end) }?;
        Ok(Status::Ok)
    })
}
