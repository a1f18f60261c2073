//! Room for newcomers: whose end makes it.

use super::super::ops::SAMPLE;
use super::fixture::Fixture;
use crate::table::Whose;

/// A full table of so many sessions that are bound, each idle for a tick longer than the next, then so many that are
/// not.
fn full(bound: usize, unbound: usize) -> Fixture {
    let fixture = Fixture::new(4, bound + unbound);
    for number in 0..bound + unbound {
        assert!(fixture.insert_as(number, number < bound));
    }
    fixture
}

fn there(fixture: &Fixture, numbers: std::ops::Range<usize>) -> usize {
    numbers.filter(|&number| fixture.has(number)).count()
}

#[test]
fn who_is_bound_stays_whatever_unbound_newcomers_do() {
    let fixture = full(300, 20);
    for newcomer in 1_000..3_000 {
        assert!(fixture.insert_in_place(newcomer, false, Whose::Unbound, 512));
        assert_eq!(fixture.table.len(), 320);
    }
    assert_eq!(there(&fixture, 0..300), 300);
    fixture.assert_at_rest();
}

#[test]
fn an_unbound_newcomer_is_refused_if_everybody_is_bound() {
    let fixture = full(100, 0);
    assert!(!fixture.insert_in_place(1_000, false, Whose::Unbound, 512));
    assert_eq!(there(&fixture, 0..100), 100);
}

#[test]
fn a_bound_newcomer_takes_the_place_of_an_unbound_one_first_and_then_of_the_idlest() {
    let fixture = Fixture::new(4, 5);
    for number in 0..5 {
        assert!(fixture.insert_as(number, number != 3));
        fixture.pass(1);
    }
    assert!(fixture.insert_in_place(5, true, Whose::UnboundFirst, 8_192));
    assert!(!fixture.has(3));
    assert_eq!(there(&fixture, 0..6), 5);
    assert!(fixture.insert_in_place(6, true, Whose::UnboundFirst, 8_192));
    assert!(!fixture.has(0), "the idlest of those that are bound");
    assert_eq!(there(&fixture, 0..7), 5);
}

/// A search is bounded, and the next one goes on where it stopped.
#[test]
fn the_only_unbound_one_of_many_is_found_after_some_newcomers() {
    const ALL: usize = 5_000;
    let fixture = full(ALL, 1);
    let (mut only, mut refused) = (ALL, 0);
    for newcomer in 10_000..10_050 {
        let before = refused;
        while !fixture.insert_in_place(newcomer, false, Whose::Unbound, 512) {
            refused += 1;
            assert!(refused - before <= ALL / 512 + 1, "{} newcomers were refused", refused - before);
        }
        assert!(!fixture.has(only) && fixture.has(newcomer));
        only = newcomer;
    }
    assert!(refused > 50, "it looks at 512, not at all: {refused} newcomers were refused");
}

#[test]
fn the_idlest_of_a_sample_is_chosen() {
    for bound in [SAMPLE, SAMPLE / 2, 0] {
        let fixture = Fixture::new(1, SAMPLE);
        (0..SAMPLE).for_each(|number| assert!(fixture.insert_as(number, number < bound)));
        fixture.pass(1);
        (0..SAMPLE).filter(|&number| number != 7).for_each(|number| assert!(fixture.read(number).is_some()));
        assert!(fixture.insert_in_place(SAMPLE, true, Whose::Any, usize::MAX));
        assert!(!fixture.has(7), "no other session was idle");
        assert_eq!(there(&fixture, 0..SAMPLE + 1), SAMPLE);
    }
}
