use super::*;

/// How much later one looks again.
const SPAN: u64 = 100_000;
const LAST: u64 = 2_000_000;

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn who_finds_nothing_looks_twice_more_and_then_sleeps() {
    assert_eq!(u128::from(SPAN), Watcher::LOOK_AGAIN.as_nanos());
    let mut looks = Looks::begun(at(0));
    assert_eq!(looks.done(at(10), false), at(SPAN), "it has only begun");
    assert_eq!(looks.done(at(SPAN - 1), false), at(SPAN), "a moment too early");
    assert_eq!(looks.done(at(SPAN + 5), false), at(SPAN + 5 + LAST));
    assert_eq!(looks.done(at(SPAN + 6), false), at(SPAN + 5 + LAST));
    assert_eq!(looks.done(at(SPAN + 5 + LAST), false), Time::NEVER);
    assert_eq!(looks.done(at(9 * LAST), false), Time::NEVER);
}

#[test]
fn who_was_woken_or_has_found_something_looks_again() {
    let mut looks = Looks::begun(at(0));
    looks.done(at(SPAN), false);
    looks.done(at(SPAN + LAST), false);
    let start = 2 * LAST;
    looks.woken(at(start));
    assert_eq!(looks.done(at(start), false), at(start + SPAN), "nothing yet, but a ring");
    assert_eq!(looks.done(at(start + SPAN), true), at(start + 2 * SPAN));
    assert_eq!(looks.done(at(start + 2 * SPAN), true), at(start + 3 * SPAN));
    assert_eq!(looks.done(at(start + 3 * SPAN), false), at(start + 3 * SPAN + LAST));
    assert_eq!(looks.done(at(start + 3 * SPAN + LAST), false), Time::NEVER);
}
