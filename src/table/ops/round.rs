//! Rounds: sweeps in small pieces, shared among any number of threads.
//!
//! One word holds the position of the round. The thread that advances it past a piece has claimed that piece. A thread
//! that loses the exchange looks again. So each piece is claimed once, and no thread waits. A suspended thread costs
//! the round one piece.
//!
//! A shard's first pieces are the spans of its slots, which are swept. The others each move eight chunks, until the
//! shard's migrations are finished and its array is not sparse.
//!
//! A position counts slots. If a shard shrinks while the round is within it, sessions may move from slots that are
//! still to come into slots that have been swept. They are left for the next round.

use super::sweep::SPAN;
use crate::entry::Payload;
use crate::expiry::Moment;
use crate::memory::{self, FreesMany};
use crate::sync::{AtomicU64, Ordering};
use crate::table::Table;
use crate::table::pinned::Pinned;
use crate::table::structure::array::{Array, CHUNK};

/// One thread's part in a round.
#[derive(Clone, Copy, Default)]
pub(crate) struct Part {
    /// The number of sessions that the thread has ended.
    pub(crate) expired: usize,
    /// Whether all pieces of the round have been claimed.
    pub(crate) over: bool,
}

/// The position of a round: its number (16 bits), the shard (16 bits), and the shard's next piece (32 bits).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Position(u64);

impl Position {
    fn round(self) -> u64 {
        self.0 >> 48
    }

    fn shard(self) -> usize {
        (self.0 >> 32) as usize & 0xffff
    }

    fn piece(self) -> usize {
        self.0 as u32 as usize
    }

    fn next_piece(self) -> Self {
        Self(self.0 + 1)
    }

    /// The first piece of the next shard, in the next round if this was the last one.
    fn next_shard(self, shards: usize) -> Self {
        let (round, shard) = (self.round(), self.shard() as u64 + 1);
        if shard < shards as u64 { Self(round << 48 | shard << 32) } else { Self((round + 1) << 48) }
    }
}

/// The round under way.
pub(crate) struct Round(AtomicU64);

impl Round {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn position(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed)) // Relaxed, as below: only spreads the work.
    }

    fn advance(&self, from: Position, to: Position) -> bool {
        self.0.compare_exchange(from.0, to.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The most pieces of moving for one shard in one round, because other threads could keep migrating it for ever.
const MOST_MOVES: usize = 1 << 24;

/// The number of retired objects that are collected at a time.
const GARBAGE: usize = 8 * memory::BATCH;

impl<P: Payload> Table<P> {
    /// Ends expired sessions, piece by piece, until the round is over or `more` returns false. Does at least one piece.
    ///
    /// Lock-free.
    pub(crate) fn sweep_on(&self, moment: Moment<'_>, more: impl Fn() -> bool) -> Part {
        let first = self.round.position();
        let _all_comes_back = FreesMany::begin();
        let (mut part, mut garbage, mut worked) = (Part::default(), 0, false);
        loop {
            let position = self.round.position();
            if position.round() != first.round() {
                part.over = true;
                break;
            }
            let shard = &self.shards[position.shard()];
            let piece = self.pin_to(shard, moment, |pinned| pinned.piece(position.piece()));
            if matches!(piece, Piece::End) {
                self.round.advance(position, position.next_shard(self.shards.len()));
                continue;
            }
            if worked && !more() {
                break;
            }
            if self.round.advance(position, position.next_piece()) {
                worked = true;
                let expired = self.pin_to(shard, moment, |pinned| pinned.work_on(piece));
                part.expired += expired;
                garbage += expired;
            }
            if garbage >= GARBAGE {
                memory::collect(garbage);
                garbage = 0;
            }
        }
        if part.over {
            memory::flush(garbage)
        } else {
            memory::collect(garbage)
        }
        part
    }
}

/// A piece of a shard.
enum Piece {
    /// Sweep the span that begins at this slot.
    Span(usize),
    /// Move some chunks.
    Chunks,
    /// The shard has no more pieces.
    End,
}

impl<P: Payload> Pinned<'_, P> {
    /// The number of slots of the current array or of the next one, whichever has more.
    pub(in crate::table) fn capacity(&self) -> usize {
        let array = self.shard.current(self.guard);
        array.next(self.guard).map_or(0, Array::capacity).max(array.capacity())
    }

    fn piece(&self, number: usize) -> Piece {
        let spans = self.capacity().div_ceil(SPAN);
        if number < spans {
            return Piece::Span(number * SPAN);
        }
        let array = self.shard.current(self.guard);
        let settled = array.next(self.guard).is_none() && !self.is_sparse(array);
        if settled || number >= spans + MOST_MOVES { Piece::End } else { Piece::Chunks }
    }

    fn work_on(&self, piece: Piece) -> usize {
        match piece {
            Piece::Span(start) => self.sweep_span(start..start + SPAN).expired,
            Piece::Chunks => {
                (0..2 * SPAN / CHUNK).for_each(|_| self.maintain());
                0
            }
            Piece::End => 0,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_every_piece_of_every_shard_once_and_the_next_begins_anew() {
        let (pieces, mut position, mut taken) = ([3, 1, 2], Position(0xffff << 48), Vec::new());
        while position.round() == 0xffff {
            if position.piece() < pieces[position.shard()] {
                taken.push((position.shard(), position.piece()));
                position = position.next_piece();
            } else {
                position = position.next_shard(pieces.len());
            }
        }
        assert_eq!(taken, [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]);
        assert!(position == Position(0), "the number of the round wraps");
    }
}
