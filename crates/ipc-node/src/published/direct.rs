//! Functions called for every value that is read, registered by hand: what a macro puts around a
//! function costs more than these take.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::rc::Rc;

use ipc_core::{Code, Error};
use napi::bindgen_prelude::{FromNapiValue, Unknown};
use napi::{Env, sys};

use crate::throw;

/// What a function works on. It is shared with the object that has given the function away, either
/// of which may be collected first.
pub type Shared<T> = Rc<RefCell<T>>;

/// As many as any of them takes.
pub type Arguments = [sys::napi_value; 3];

/// What such a function does with its arguments; what it was not given is undefined.
pub trait Direct: Sized + 'static {
    /// Its name, for stacks.
    const NAME: &'static CStr;

    /// Returns a small number.
    fn call(&mut self, env: sys::napi_env, arguments: Arguments) -> Result<u32, Error>;
}

/// A function over `state`, which it keeps.
pub fn function<T: Direct>(env: Env, state: &Shared<T>) -> napi::Result<Unknown<'static>> {
    let env = env.raw();
    let data = Rc::into_raw(Rc::clone(state)).cast_mut().cast::<c_void>();
    let len = isize::try_from(T::NAME.count_bytes()).expect("names are short");
    let (mut function, name) = (ptr::null_mut(), T::NAME.as_ptr());
    // SAFETY: on the environment's thread, called from JavaScript. The state lives until the
    // function is collected; if that cannot be arranged, for ever.
    unsafe {
        sys::napi_create_function(env, name, len, Some(call::<T>), data, &raw mut function);
        let unused = ptr::null_mut();
        sys::napi_add_finalizer(env, function, data, Some(forget::<T>), unused, ptr::null_mut());
        Unknown::from_napi_value(env, function)
    }
}

unsafe extern "C" fn call<T: Direct>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    throw::guarded(env, || {
        let (mut arguments, mut data): (Arguments, _) = ([ptr::null_mut(); 3], ptr::null_mut());
        let mut count = arguments.len();
        // SAFETY: called by the environment, with a place for each value; the data is what the
        // function was made with, and lives as long as it.
        let state = unsafe {
            let this = ptr::null_mut();
            sys::napi_get_cb_info(
                env,
                info,
                &raw mut count,
                arguments.as_mut_ptr(),
                this,
                &raw mut data,
            );
            &*data.cast::<RefCell<T>>()
        };
        let Ok(mut state) = state.try_borrow_mut() else {
            return Err(Error::new(Code::Internal, "called within itself"));
        };
        let number = state.call(env, arguments)?;
        let mut value = ptr::null_mut();
        // SAFETY: as above.
        unsafe { sys::napi_create_uint32(env, number, &raw mut value) };
        Ok(value)
    })
}

unsafe extern "C" fn forget<T>(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: from `Rc::into_raw` above, given back once.
    drop(unsafe { Rc::from_raw(data.cast::<RefCell<T>>()) });
}
