//! Gives the shared library its name for the loader: programs that were linked with one version of
//! the interface do not start with another.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libringpost.so.0");
    println!("cargo:rerun-if-changed=build.rs");
}
