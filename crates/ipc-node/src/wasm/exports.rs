//! The functions of the module. Addresses and lengths are those of its memory.

use std::ptr;
use std::sync::Arc;

use ipc_core::{Error, NotConnected, Result, Time};

use super::binding::Binding;
use super::message_pack::answer;
use super::{calls, imports};
use crate::memory::Outside;
use crate::options::span;

/// Memory for the host to write to, which belongs to the module when it is passed with
/// [`submit_outside`], and is given back by [`release`] otherwise.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(len: usize) -> *mut u8 {
    into_address(vec![0; len])
}

/// Gives memory back.
///
/// # Safety
/// What [`allocate`], [`call`] or [`submit`] has returned, with its length, and once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn release(address: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    drop(unsafe { from_address(address, len) });
}

/// Calls a method: the array at `address` has its name, and its arguments.
///
/// # Safety
/// So many bytes of memory that nothing writes to meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn call(address: *const u8, len: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice(address, len) };
    into_address(calls::call(bytes))
}

// ---- the regions the host looks at ----

fn region(of: impl FnOnce(&Binding) -> *const u8) -> *const u8 {
    Binding::get().map_or(ptr::null(), of)
}

#[unsafe(no_mangle)]
pub extern "C" fn outbox_pointer() -> *const u8 {
    region(|binding| binding.addresses.outbox)
}

#[unsafe(no_mangle)]
pub extern "C" fn state_pointer() -> *const u8 {
    region(|binding| binding.addresses.state)
}

#[unsafe(no_mangle)]
pub extern "C" fn runs_pointer() -> *const u8 {
    region(|binding| binding.addresses.runs)
}

#[unsafe(no_mangle)]
pub extern "C" fn standing_pointer() -> *const u8 {
    region(|binding| binding.addresses.standing)
}

/// Where two words are that say from where to where the standing has changed since this was asked;
/// null: it has not.
#[unsafe(no_mangle)]
pub extern "C" fn standing_changed() -> *const u32 {
    let changed = Binding::get().and_then(Binding::take_standing_changed);
    changed.map_or(ptr::null(), |words| words.as_ptr().cast())
}

// ---- batches and turns ----

/// Runs `work`, if there is an engine. Returns null, or the answer with the error.
fn guarded(work: impl FnOnce(&Binding) -> Result<()>) -> *mut u8 {
    let worked = Binding::get().map_or(Ok(()), work);
    worked.map_or_else(
        |error| into_address(answer::<()>(Err::<(), Error>(error))),
        |()| ptr::null_mut(),
    )
}

/// Runs what cannot fail.
fn run(work: impl FnOnce(&Binding)) {
    if let Some(binding) = Binding::get() {
        work(binding);
    }
}

/// Sends what is in the outbox.
#[unsafe(no_mangle)]
pub extern "C" fn submit() -> *mut u8 {
    guarded(|binding| {
        binding.submit(None)?;
        binding.settle();
        Ok(())
    })
}

/// The same, and the last record's payload is this, which belongs to the module from now on.
///
/// # Safety
/// What [`allocate`] has returned, with its length, and once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn submit_outside(address: *mut u8, len: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    let payload = Arc::new(unsafe { from_address(address, len) });
    guarded(|binding| {
        binding.submit(Some(&Outside(&payload)))?;
        binding.settle();
        Ok(())
    })
}

/// Finds out whether there is something to do.
#[unsafe(no_mangle)]
pub extern "C" fn settle() {
    run(Binding::settle);
}

/// Checks whether the reply is still wanted to the request of the peer that the state names, and
/// writes the answer into the state.
#[unsafe(no_mangle)]
pub extern "C" fn look_abandoned() {
    run(|binding| {
        if binding.inner().look_abandoned() {
            binding.settle();
        }
    });
}

/// Enters JavaScript when the clock reads so many milliseconds, and sets a word of the state.
#[unsafe(no_mangle)]
pub extern "C" fn wake_at(millis: f64) {
    run(|binding| binding.wake_at(Time::default() + span(millis)));
}

/// Sends and writes what can be sent and written before the process ends.
#[unsafe(no_mangle)]
pub extern "C" fn flush_at_exit() {
    run(Binding::flush_at_exit);
}

/// Does all that is ready, and enters JavaScript with what has come.
#[unsafe(no_mangle)]
pub extern "C" fn turn() {
    run(Binding::turn);
}

/// When [`turn`] wants to be called at the latest, in milliseconds of the clock.
#[unsafe(no_mangle)]
pub extern "C" fn due() -> f64 {
    let due = Binding::get().map_or(Time::NEVER, Binding::due);
    if due == Time::NEVER { f64::INFINITY } else { crate::arena::millis(due) }
}

/// Whether [`turn`] has something to do right now.
#[unsafe(no_mangle)]
pub extern "C" fn is_ready() -> u32 {
    u32::from(Binding::get().is_some_and(Binding::is_ready))
}

// ---- what the host says of its sockets ----

#[unsafe(no_mangle)]
pub extern "C" fn connected(socket: u32) {
    run(|binding| binding.inner().engine.connected(socket));
}

#[unsafe(no_mangle)]
pub extern "C" fn connect_failed(socket: u32, why: u32) {
    let why = match why {
        0 => NotConnected::NoServer,
        1 => NotConnected::NotPermitted,
        2 => NotConnected::QueueFull,
        3 => NotConnected::NoDescriptors,
        _ => NotConnected::Failed,
    };
    run(|binding| binding.inner().engine.connect_failed(socket, why));
}

#[unsafe(no_mangle)]
pub extern "C" fn accepted(listening: u32, socket: u32) {
    run(|binding| binding.inner().engine.accepted(listening, socket));
}

/// Bytes have come, which the module copies.
///
/// # Safety
/// So many bytes of memory that nothing writes to meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn received(socket: u32, address: *const u8, len: usize) {
    // SAFETY: as the caller promises.
    let bytes = unsafe { slice(address, len) };
    run(|binding| binding.inner().engine.received(socket, bytes));
}

#[unsafe(no_mangle)]
pub extern "C" fn ended(socket: u32) {
    run(|binding| binding.inner().engine.ended(socket));
}

#[unsafe(no_mangle)]
pub extern "C" fn drained(socket: u32) {
    run(|binding| binding.inner().engine.drained(socket));
}

// ---- memory ----

fn into_address(bytes: Vec<u8>) -> *mut u8 {
    Box::into_raw(bytes.into_boxed_slice()).cast()
}

/// # Safety
/// As for [`release`].
unsafe fn from_address(address: *mut u8, len: usize) -> Box<[u8]> {
    // SAFETY: made by `into_address` from so many bytes, as the caller promises.
    unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(address, len)) }
}

/// # Safety
/// So many bytes that live as long as is said, and are not written to meanwhile.
unsafe fn slice<'a>(address: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(address, len) }
}

/// Has a panic, which ends the module, say what it is about.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| imports::log(&panic.to_string())));
}
