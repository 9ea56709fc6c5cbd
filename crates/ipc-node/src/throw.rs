//! What becomes of failures on the way between JavaScript and the binding.

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use ipc_core::{Code, Error};
use napi::sys;

/// Runs `work` with a scope for the values it makes, as code not called by JavaScript has to.
pub fn scoped(env: sys::napi_env, work: impl FnOnce()) {
    let mut scope = ptr::null_mut();
    // SAFETY: on the environment's thread; the scope is closed below, whatever happens in between.
    if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
        return;
    }
    work();
    // SAFETY: opened above.
    unsafe { sys::napi_close_handle_scope(env, scope) };
}

/// Whether the environment refuses to run JavaScript. Asking an object of ours for a property that
/// it inherits runs a little of it.
pub fn is_terminating(env: sys::napi_env, object: sys::napi_ref) -> bool {
    let mut has = false;
    // SAFETY: on the environment's thread, in a scope, with a reference that is strong.
    unsafe {
        let mut value = ptr::null_mut();
        sys::napi_get_reference_value(env, object, &raw mut value);
        let status = sys::napi_has_named_property(env, value, c"toString".as_ptr(), &raw mut has);
        status != sys::Status::napi_ok
    }
}

/// Makes a pending exception an uncaught one. Returns whether the environment goes on.
pub fn rethrow(env: sys::napi_env, object: sys::napi_ref) -> bool {
    // SAFETY: on the environment's thread, in a scope.
    unsafe {
        let mut pending = false;
        sys::napi_is_exception_pending(env, &raw mut pending);
        let (mut exception, mut kind) = (ptr::null_mut(), 0);
        if !pending
            || sys::napi_get_and_clear_last_exception(env, &raw mut exception)
                != sys::Status::napi_ok
            || sys::napi_typeof(env, exception, &raw mut kind) != sys::Status::napi_ok
        {
            return false;
        }
        // What a terminated worker leaves behind is no value at all; but such a thing can be
        // thrown, too.
        let is_none = matches!(kind, sys::ValueType::napi_null | sys::ValueType::napi_undefined);
        if is_none && is_terminating(env, object) {
            return false;
        }
        sys::napi_fatal_exception(env, exception) == sys::Status::napi_ok
    }
}

/// Throws an error to the JavaScript that called.
pub fn throw(env: sys::napi_env, error: &Error) {
    let exception = exception(env, error.code(), &error.to_string());
    // SAFETY: on the environment's thread, called from JavaScript.
    unsafe { sys::napi_throw(env, exception) };
}

/// Raises an error outside of any call.
pub fn uncaught(env: sys::napi_env, error: &Error) {
    let exception = exception(env, error.code(), &error.to_string());
    // SAFETY: on the environment's thread, in a scope.
    unsafe { sys::napi_fatal_exception(env, exception) };
}

/// Raises a panic of ours, whose text is on the standard error already.
pub fn uncaught_panic(env: sys::napi_env) {
    uncaught(env, &Error::new(Code::Internal, "the binding panicked"));
}

/// Runs what JavaScript called; an error or a panic is thrown to it.
pub fn guarded(
    env: sys::napi_env,
    work: impl FnOnce() -> Result<sys::napi_value, Error>,
) -> sys::napi_value {
    let error = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return value,
        Ok(Err(error)) => error,
        Err(_) => Error::new(Code::Internal, "the binding panicked"),
    };
    throw(env, &error);
    ptr::null_mut()
}

fn exception(env: sys::napi_env, code: Code, message: &str) -> sys::napi_value {
    let mut exception = ptr::null_mut();
    // SAFETY: on the environment's thread, in a scope.
    unsafe {
        let (code, message) = (string(env, code.as_str()), string(env, message));
        sys::napi_create_error(env, code, message, &raw mut exception);
    }
    exception
}

/// A string of JavaScript's.
pub fn string(env: sys::napi_env, text: &str) -> sys::napi_value {
    let mut value = ptr::null_mut();
    let len = isize::try_from(text.len()).expect("texts are short");
    // SAFETY: on the environment's thread, in a scope; the text is as long as said.
    unsafe { sys::napi_create_string_utf8(env, text.as_ptr().cast(), len, &raw mut value) };
    value
}
