//! How JavaScript is entered: in a context of its own, so that what is entered there with an
//! `AsyncLocalStorage` is seen by no other.
//!
//! ```text
//!   open --> call --> answer --> close: ticks and microtasks run
//!   ^ before there is anything to call for, where that is waited for
//! ```
//!
//! Replies do not wait for ticks and microtasks, nor for the opening.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use crate::memory::Memory;
use crate::throw;

pub struct Entrance {
    env: sys::napi_env,
    /// JavaScript's function that takes what has come.
    deliver: sys::napi_ref,
    /// The object that stands for the context.
    resource: sys::napi_ref,
    context: sys::napi_async_context,
    /// The scope that was opened and not closed; null: there is none.
    scope: Cell<sys::napi_callback_scope>,
}

impl Entrance {
    /// An entrance to `deliver`, whose context `resource` stands for.
    pub fn new(env: sys::napi_env, deliver: sys::napi_value, resource: sys::napi_value) -> Self {
        let (mut name, mut context) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: on the environment's thread; the text is as long as said.
        unsafe {
            sys::napi_create_string_utf8(env, c"RINGPOST".as_ptr(), 8, &raw mut name);
            sys::napi_async_init(env, resource, name, &raw mut context);
        }
        let (deliver, resource) = (reference(env, deliver), reference(env, resource));
        Self { env, deliver, resource, context, scope: Cell::new(ptr::null_mut()) }
    }

    /// Gives back what stands for it, of an engine that could not be opened.
    pub fn release(&self) {
        // SAFETY: on the environment's thread; made in `new` and used no more.
        unsafe {
            sys::napi_async_destroy(self.env, self.context);
            sys::napi_delete_reference(self.env, self.resource);
            sys::napi_delete_reference(self.env, self.deliver);
        }
    }

    /// Whether JavaScript is being stopped from outside: then not even nothing can be run.
    pub fn is_terminating(&self) -> bool {
        throw::is_terminating(self.env, self.resource)
    }

    /// Opens the context, unless it is open. Returns whether it is.
    pub fn open(&self) -> bool {
        if !self.scope.get().is_null() {
            return true;
        }
        let (mut receiver, mut scope) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: on the environment's thread, in a scope, with references that are strong.
        let status = unsafe {
            sys::napi_get_reference_value(self.env, self.resource, &raw mut receiver);
            sys::napi_open_callback_scope(self.env, receiver, self.context, &raw mut scope)
        };
        if status == sys::Status::napi_ok {
            self.scope.set(scope);
        }
        status == sys::Status::napi_ok
    }

    /// Closes it, if it is open: ticks and microtasks run. No borrow of the engine may be held.
    pub fn close(&self) {
        let scope = self.scope.replace(ptr::null_mut());
        if !scope.is_null() {
            // SAFETY: opened by `open`, in the handle scope that is open now, and closed once.
            unsafe { sys::napi_close_callback_scope(self.env, scope) };
        }
    }

    /// Calls `deliver` with its extras, if there are any, then `answer`, and then closes the
    /// context. An exception becomes an uncaught one. `Err(false)`: the environment runs no
    /// JavaScript any more.
    pub fn call(&self, extras: &[Option<Rc<Memory>>], answer: impl FnOnce()) -> Result<(), bool> {
        if !self.open() {
            return Err(false);
        }
        let env = self.env;
        // Each argument costs as much as making it, some 20 ns of a round trip.
        let mut argument = ptr::null_mut();
        let count = usize::from(!extras.is_empty());
        // SAFETY: on the environment's thread, in a scope, with references that are strong.
        let status = unsafe {
            let (mut receiver, mut function) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_get_reference_value(env, self.resource, &raw mut receiver);
            sys::napi_get_reference_value(env, self.deliver, &raw mut function);
            if !extras.is_empty() {
                argument = array(env, extras);
            }
            let mut result = ptr::null_mut();
            let argument = &raw const argument;
            sys::napi_call_function(env, receiver, function, count, argument, &raw mut result)
        };
        let outcome = if status == sys::Status::napi_ok {
            Ok(())
        } else {
            Err(throw::rethrow(env, self.resource))
        };
        if outcome.is_ok() {
            answer();
        }
        self.close();
        outcome
    }
}

/// An array of memory, with `null` for what was lost.
///
/// # Safety
/// Only on the environment's thread, in a scope.
unsafe fn array(env: sys::napi_env, extras: &[Option<Rc<Memory>>]) -> sys::napi_value {
    let (mut array, mut none) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: as the caller promises.
    unsafe {
        sys::napi_create_array_with_length(env, extras.len(), &raw mut array);
        sys::napi_get_null(env, &raw mut none);
        for (index, extra) in (0u32..).zip(extras) {
            let value = extra.as_ref().map_or(none, |extra| extra.value());
            sys::napi_set_element(env, array, index, value);
        }
    }
    array
}

fn reference(env: sys::napi_env, value: sys::napi_value) -> sys::napi_ref {
    let mut reference = ptr::null_mut();
    // SAFETY: on the environment's thread, of a value just passed in.
    unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) };
    reference
}
