//! What the host calls rarely: methods by their names, with arguments and results as MessagePack.

use std::cell::RefCell;

use ipc_core::{Code, Dialing, Engine, Error, LinkId, ListenerId, Options, Result, id};
use serde::Serialize;

use super::binding::Binding;
use super::engine::NativeEngine;
use super::message_pack::{Call, answer};
use super::numbered::Numbered;
use super::values::Arguments;
use crate::counters::{NativeEngineStats, NativeHistogram, NativeLinkStats, NativeTotals};
use crate::inner::Inner;
use crate::options::{NativeListenOptions, NativeOptions, NativeWaiting, span};
use crate::{counters, options};

thread_local! {
    static TOTALS: RefCell<Numbered<NativeTotals>> = RefCell::default();
    static HISTOGRAMS: RefCell<Numbered<NativeHistogram>> = RefCell::default();
}

/// Calls what the array in `bytes` names. Returns the answer to it.
pub fn call(bytes: &[u8]) -> Vec<u8> {
    let Some(mut call) = Call::read(bytes) else {
        return failed(Error::new(Code::Internal, "no array with the name of a method"));
    };
    let answered = match Binding::get() {
        _ if call.method == "open" => open(&mut call),
        Some(binding) => of_connections(binding, &mut call)
            .or_else(|| of_links(binding, &mut call))
            .or_else(|| of_totals(binding, &mut call))
            .or_else(|| of_histograms(&mut call))
            .unwrap_or_else(|| {
                let message = format!("there is no method \"{}\"", call.method);
                Err(Error::new(Code::Internal, message))
            }),
        None => Err(Error::new(Code::Internal, "the engine is not open")),
    };
    answered.unwrap_or_else(failed)
}

fn failed(error: Error) -> Vec<u8> {
    answer::<()>(Err(error))
}

/// The answer to a call, or why it could not be made.
type Answered = Result<Vec<u8>>;

#[expect(clippy::unnecessary_wraps, reason = "so that each arm is one expression")]
fn done<T: Serialize>(value: T) -> Answered {
    Ok(answer(Ok(value)))
}

fn open(call: &mut Call) -> Answered {
    // How long to poll for: a module has nothing that would come without the host.
    let (_waiting,): (NativeWaiting,) = call.arguments()?;
    super::exports::report_panics();
    done(Binding::open()?)
}

/// Listening and connecting. `None`: it is another method.
fn of_connections(binding: &Binding, call: &mut Call) -> Option<Answered> {
    Some(match call.method.as_str() {
        "listen" => listen(binding, call),
        "takeOver" => take_over(binding, call),
        "connect" => connect(binding, call),
        "dial" => dial(binding, call),
        "closeListener" => with(call, |(listener,)| {
            binding.inner().engine.close_listener(ListenerId(listener));
            settled(binding, ())
        }),
        "retireListener" => with(call, |(listener,)| {
            binding.inner().retire_listener(ListenerId(listener));
            settled(binding, ())
        }),
        "nameLost" => with(call, |(listener, description): (u32, String)| {
            {
                let Inner { engine, inbox, .. } = &mut *binding.inner();
                engine.name_lost(ListenerId(listener), error_of(&description), inbox);
            }
            settled(binding, ())
        }),
        "appeared" => with(call, |()| {
            binding.inner().engine.appeared();
            settled(binding, ())
        }),
        "stats" => {
            with(call, |()| done(NativeEngineStats::of(binding.inner().engine.stats(), "host")))
        }
        "acceptPacked" => with(call, |(name,)| {
            binding.inner().inbox.packed.insert(name);
            done(())
        }),
        "latencyBounds" => done(counters::latency_bounds()),
        "overflowDefault" => done(options::overflow_default()),
        _ => return None,
    })
}

/// An error of the host's, as [`describe`](crate::describe::describe) has it.
fn error_of(description: &str) -> Error {
    let (code, message) = description.split_once('\n').unwrap_or(("", description));
    let known = Code::ALL.iter().find(|known| known.as_str() == code);
    Error::new(*known.unwrap_or(&Code::System), message.to_owned())
}

/// Open connections. What is in the outbox goes before, where that makes a difference.
fn of_links(binding: &Binding, call: &mut Call) -> Option<Answered> {
    Some(match call.method.as_str() {
        "close" => with(call, |(link, leaves)| {
            binding.submit(None)?;
            binding.inner().close(LinkId(link), leaves);
            settled(binding, ())
        }),
        "breakOff" => with(call, |(link,)| {
            binding.inner().break_off(LinkId(link));
            settled(binding, ())
        }),
        "ping" => with(call, |(link,)| {
            binding.submit(None)?;
            let number = binding.inner().engine.ping(LinkId(link))?;
            // As much of it as an event's slot holds.
            settled(binding, id::slot_of(number))
        }),
        "leave" => with(call, |(link,)| {
            let is_announced = binding.inner().engine.leave(LinkId(link));
            settled(binding, is_announced)
        }),
        "quiesce" => with(call, |(link,)| {
            binding.submit(None)?;
            binding.inner().engine.quiesce(LinkId(link));
            settled(binding, ())
        }),
        "isIdle" => with(call, |(link,)| {
            binding.submit(None)?;
            done(binding.inner().engine.is_idle(LinkId(link)))
        }),
        "cancel" => with(call, |(link, slot, generation)| {
            // The request may still be in the outbox.
            binding.submit(None)?;
            let id = id::join(slot, generation);
            let cancelled = binding.inner().engine.cancel(LinkId(link), id);
            settled(binding, cancelled)
        }),
        "code" => with(call, |(name,): (String,)| {
            // What is in the outbox has codes of the epoch that may end now.
            binding.submit(None)?;
            let code = binding.inner().code(&name)?;
            done(code)
        }),
        "linkStats" => with(call, |(link,)| {
            let stats = binding.inner().link_stats(LinkId(link));
            done(stats.map(NativeLinkStats::from))
        }),
        "forget" => with(call, |(link,)| {
            binding.inner().inbox.ended.forget(LinkId(link));
            done(())
        }),
        _ => return None,
    })
}

/// Sums of what connections have counted.
fn of_totals(binding: &Binding, call: &mut Call) -> Option<Answered> {
    Some(match call.method.as_str() {
        "totalsNew" => done(TOTALS.with_borrow_mut(|all| all.add(NativeTotals::new()))),
        "totalsAdd" => with(call, |(number, link)| {
            TOTALS.with_borrow_mut(|all| {
                let totals = all.get_mut(number).ok_or_else(unknown)?;
                totals.add(&NativeEngine(binding), link);
                done(())
            })
        }),
        "totalsCopy" => with(call, |(number,)| {
            TOTALS.with_borrow_mut(|all| {
                let copy = all.get(number).ok_or_else(unknown)?.copy();
                done(all.add(copy))
            })
        }),
        "totalsStats" => with(call, |(number,)| totals(number, NativeTotals::stats)),
        "totalsTraffic" => with(call, |(number,)| totals(number, NativeTotals::traffic)),
        "totalsBuckets" => with(call, |(number,)| totals(number, NativeTotals::buckets)),
        "totalsForget" => with(call, |(number,)| {
            TOTALS.with_borrow_mut(|all| all.remove(number));
            done(())
        }),
        _ => return None,
    })
}

fn totals<T: Serialize>(number: u32, of: impl FnOnce(&NativeTotals) -> T) -> Answered {
    TOTALS.with_borrow(|all| done(of(all.get(number).ok_or_else(unknown)?)))
}

/// How long requests of one kind took, as JavaScript measures them.
fn of_histograms(call: &mut Call) -> Option<Answered> {
    Some(match call.method.as_str() {
        "histogramNew" => done(HISTOGRAMS.with_borrow_mut(|all| all.add(NativeHistogram::new()))),
        "histogramRecord" => with(call, |(number, ms)| {
            HISTOGRAMS.with_borrow_mut(|all| {
                all.get_mut(number).ok_or_else(unknown)?.record(ms);
                done(())
            })
        }),
        "histogramMerge" => with(call, |(number, other)| {
            HISTOGRAMS.with_borrow_mut(|all| {
                let mut merged = NativeHistogram::new();
                merged.merge(all.get(other).ok_or_else(unknown)?);
                all.get_mut(number).ok_or_else(unknown)?.merge(&merged);
                done(())
            })
        }),
        "histogramSummary" => with(call, |(number,)| histogram(number, NativeHistogram::summary)),
        "histogramBuckets" => with(call, |(number,)| histogram(number, NativeHistogram::buckets)),
        "histogramForget" => with(call, |(number,)| {
            HISTOGRAMS.with_borrow_mut(|all| all.remove(number));
            done(())
        }),
        _ => return None,
    })
}

fn histogram<T: Serialize>(number: u32, of: impl FnOnce(&NativeHistogram) -> T) -> Answered {
    HISTOGRAMS.with_borrow(|all| done(of(all.get(number).ok_or_else(unknown)?)))
}

#[cold]
fn unknown() -> Error {
    Error::new(Code::Internal, "there is no value of that number")
}

/// Runs what a call is for with its arguments.
fn with<T: Arguments>(call: &mut Call, work: impl FnOnce(T) -> Answered) -> Answered {
    work(call.arguments()?)
}

/// The answer to a call after which the engine may have something to do.
fn settled<T: Serialize>(binding: &Binding, value: T) -> Answered {
    binding.settle();
    done(value)
}

/// Runs what begins something that the engine goes on with.
fn begin<T>(binding: &Binding, work: impl FnOnce(&mut Engine) -> Result<T>) -> Result<T> {
    let begun = work(&mut binding.inner().engine)?;
    binding.settle();
    Ok(begun)
}

fn listen(binding: &Binding, call: &mut Call) -> Answered {
    let (name, options, listen, socket): (String, NativeOptions, NativeListenOptions, u32) =
        call.arguments()?;
    let (options, listen) = (options.into_options()?, listen.into_options()?);
    done(begin(binding, |engine| engine.listen_at(&name, &options, &listen, socket))?.0)
}

fn take_over(binding: &Binding, call: &mut Call) -> Answered {
    let (name, options, listen): (String, NativeOptions, NativeListenOptions) = call.arguments()?;
    let (options, listen) = (options.into_options()?, listen.into_options()?);
    done(begin(binding, |engine| engine.take_over(&name, &options, &listen))?.0)
}

fn connect(binding: &Binding, call: &mut Call) -> Answered {
    let (name, options, timeout_ms, addresses): (String, NativeOptions, f64, Vec<String>) =
        call.arguments()?;
    let options = Options { addresses, ..options.into_options()? };
    done(begin(binding, |engine| engine.connect(&name, &options, span(timeout_ms)))?.0)
}

fn dial(binding: &Binding, call: &mut Call) -> Answered {
    let (name, options, attempt_timeout_ms, timeout_ms, insists, addresses): (
        String,
        NativeOptions,
        f64,
        f64,
        bool,
        Vec<String>,
    ) = call.arguments()?;
    let options = Options { addresses, ..options.into_options()? };
    let (timeout, attempt_timeout) = (span(timeout_ms), span(attempt_timeout_ms));
    let dialing = Dialing { timeout, attempt_timeout, insists };
    done(begin(binding, |engine| engine.dial(&name, &options, dialing))?.0)
}
