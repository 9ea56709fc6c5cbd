//! The functions called for every batch or every synchronous request. They are registered by hand:
//! what a macro puts around a function costs more than these take.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::ptr;

use ipc_core::{Code, Error, Time};
use napi::sys;

use crate::arena::millis;
use crate::binding::Binding;
use crate::memory::{Memory, Outside, extent};
use crate::options::span;
use crate::synchronous;
use crate::throw;

/// An object with the hot functions of a binding.
pub fn functions(binding: &'static Binding) -> sys::napi_value {
    let env = binding.env();
    let mut object = ptr::null_mut();
    let all: [(&CStr, sys::napi_callback); 10] = [
        (c"submit", Some(submit)),
        (c"submitOutside", Some(submit_outside)),
        (c"syncArena", Some(sync_arena)),
        (c"requestSync", Some(request_sync)),
        (c"settle", Some(settle)),
        (c"lookAbandoned", Some(look_abandoned)),
        (c"now", Some(now)),
        (c"wakeAt", Some(wake_at)),
        (c"uncaught", Some(uncaught)),
        (c"flushAtExit", Some(flush_at_exit)),
    ];
    // SAFETY: on the environment's thread, called from JavaScript. The binding outlives every call:
    // it is freed when the environment runs no JavaScript any more.
    unsafe {
        sys::napi_create_object(env, &raw mut object);
        for (name, callback) in all {
            let data = ptr::from_ref(binding).cast_mut().cast::<c_void>();
            let mut function = ptr::null_mut();
            let len = isize::try_from(name.count_bytes()).expect("names are short");
            sys::napi_create_function(env, name.as_ptr(), len, callback, data, &raw mut function);
            sys::napi_set_named_property(env, object, name.as_ptr(), function);
        }
    }
    object
}

/// The binding and the arguments of a call; arguments that are missing are `undefined`.
///
/// # Safety
/// Only for the functions above.
unsafe fn arguments<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> (&'static Binding, [sys::napi_value; N]) {
    let (mut count, mut values, mut data) = (N, [ptr::null_mut(); N], ptr::null_mut());
    // SAFETY: called by the environment, with places for as many values as said.
    unsafe {
        sys::napi_get_cb_info(
            env,
            info,
            &raw mut count,
            values.as_mut_ptr(),
            ptr::null_mut(),
            &raw mut data,
        );
        (&*data.cast::<Binding>(), values)
    }
}

/// `submit()`: sends what is in the outbox.
unsafe extern "C" fn submit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, []) = unsafe { arguments(env, info) };
        binding.submit(None)?;
        binding.settle();
        Ok(ptr::null_mut())
    })
}

/// `submitOutside(payload)`: the same, and the last record's payload is this.
unsafe extern "C" fn submit_outside(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, [payload]) = unsafe { arguments(env, info) };
        let no_array = || Error::new(Code::InvalidArgument, "the payload is no Uint8Array");
        let (data, len) = extent(env, payload).ok_or_else(no_array)?;
        let bytes = if len == 0 {
            &[][..]
        } else {
            // SAFETY: the bytes of an array JavaScript holds while it calls; it does not run now,
            // and only memory that no other thread can write to is passed here.
            unsafe { std::slice::from_raw_parts(data, len) }
        };
        binding.submit(Some(Outside { bytes, array: payload }))?;
        binding.settle();
        Ok(ptr::null_mut())
    })
}

/// `syncArena(memory)`: where small synchronous answers go from now on.
unsafe extern "C" fn sync_arena(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, [memory]) = unsafe { arguments(env, info) };
        binding.inner().inbox.sync_arena = Memory::adopt(env, memory);
        Ok(ptr::null_mut())
    })
}

/// `requestSync()`: sends what is in the outbox and waits for the answer to the request the state
/// names. Returns its length in the arena, the answer itself, or a negative number.
unsafe extern "C" fn request_sync(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, []) = unsafe { arguments(env, info) };
        synchronous::request(binding)
    })
}

/// `settle()`: takes notice of what JavaScript has written into the state.
unsafe extern "C" fn settle(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, []) = unsafe { arguments(env, info) };
        binding.settle();
        Ok(ptr::null_mut())
    })
}

/// `lookAbandoned()`: checks whether the reply is still wanted to the request of the peer that the
/// state names, and writes the answer into the state.
unsafe extern "C" fn look_abandoned(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, []) = unsafe { arguments(env, info) };
        if binding.look_abandoned() {
            binding.settle();
        }
        Ok(ptr::null_mut())
    })
}

/// `now()`: milliseconds of the monotonic clock, which nothing in JavaScript can replace.
unsafe extern "C" fn now(env: sys::napi_env, _: sys::napi_callback_info) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: on the environment's thread, called from JavaScript.
    unsafe { sys::napi_create_double(env, millis(Time::now()), &raw mut value) };
    value
}

/// `wakeAt(ms)`: calls `deliver` when that clock reads so much, and sets a word of the state.
unsafe extern "C" fn wake_at(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, [time]) = unsafe { arguments(env, info) };
        let mut millis = f64::INFINITY;
        // SAFETY: called by the environment; what is no number leaves the value as it is.
        unsafe { sys::napi_get_value_double(env, time, &raw mut millis) };
        binding.wake_at(Time::default() + span(millis));
        Ok(ptr::null_mut())
    })
}

/// `uncaught(error)`: makes anything an uncaught exception, there and then.
unsafe extern "C" fn uncaught(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: registered above; the value is passed on as it is.
    unsafe {
        let (_, [error]) = arguments(env, info);
        sys::napi_fatal_exception(env, error);
    }
    ptr::null_mut()
}

/// `flushAtExit()`: sends and writes what can be sent and written before the process ends.
unsafe extern "C" fn flush_at_exit(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        // SAFETY: registered above.
        let (binding, []) = unsafe { arguments(env, info) };
        binding.flush_at_exit();
        Ok(ptr::null_mut())
    })
}
