//! The audio process; see the library.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "it says why it does not run")]

use std::process::ExitCode;

fn main() -> ExitCode {
    match audio_synth::run(|play| play()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synth: {error}");
            ExitCode::FAILURE
        }
    }
}
