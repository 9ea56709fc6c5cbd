//! The transports that come with the repository.

pub mod bare;
pub mod expert;
pub mod published;
pub mod ringpost;
pub mod uds;

/// The version of what is nothing but the system.
fn system_version() -> String {
    format!("Linux {}", rustix::system::uname().release().to_string_lossy())
}
