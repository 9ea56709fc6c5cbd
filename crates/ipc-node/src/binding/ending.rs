//! How a binding ends: with its environment, by a cleanup hook.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use napi::sys;

use super::{Binding, Waiting};
use crate::throw;

/// Ends a binding with its environment.
pub(super) fn add_cleanup_hook(binding: &'static Binding) {
    let is_by_loop = matches!(binding.waiting.get(), Some(Waiting::Loop(_)));
    let (env, data) = (binding.env, NonNull::from(binding).as_ptr().cast());
    let mut handle = ptr::null_mut();
    // SAFETY: the binding is leaked until the hook has run to its end.
    unsafe {
        if is_by_loop {
            // The loop's handles take a turn of the loop to close.
            sys::napi_add_async_cleanup_hook(env, Some(on_loop_cleanup), data, &raw mut handle);
        } else {
            // The thread ends there and then. An asynchronous hook that is removed while it runs
            // is freed twice by Deno.
            sys::napi_add_env_cleanup_hook(env, Some(on_thread_cleanup), data);
        }
    }
    binding.cleanup.set(handle);
}

impl Binding {
    /// The environment ends: it is no longer entered, but what it has sent is written.
    /// Connections end with their descriptors, which peers notice at once.
    fn end(&self) {
        self.ended.set(true);
        throw::scoped(self.env, || {
            if let Ok(mut inner) = self.inner.try_borrow_mut()
                && let Some(inner) = &mut *inner
            {
                inner.inbox.close();
            }
            // A panic can no longer be reported.
            drop(catch_unwind(AssertUnwindSafe(|| self.flush_at_exit())));
        });
        if let Ok(mut inner) = self.inner.try_borrow_mut() {
            *inner = None;
        }
    }
}

unsafe extern "C" fn on_loop_cleanup(_: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    let Some(target) = NonNull::new(data.cast::<Binding>()) else { return };
    // SAFETY: the binding this hook was added with; it is there until `on_closed`.
    let binding = unsafe { target.as_ref() };
    binding.end();
    if let Some(Waiting::Loop(watch)) = binding.waiting.get()
        && let Some(watch) = watch.take()
    {
        watch.close();
    }
}

unsafe extern "C" fn on_thread_cleanup(data: *mut c_void) {
    let Some(target) = NonNull::new(data.cast::<Binding>()) else { return };
    // SAFETY: the binding this hook was added with.
    let binding = unsafe { target.as_ref() };
    binding.end();
    if let Some(Waiting::Thread(waker)) = binding.waiting.get() {
        waker.stop();
    }
    // SAFETY: leaked in `open`; the thread has ended and the function is released, so that nothing
    // calls back any more.
    drop(unsafe { Box::from_raw(target.as_ptr()) });
}
