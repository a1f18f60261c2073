//! Fills the near cache as the store does: the reader of the connection uses each answer where it stands among the
//! invalidations, and the generation of the principal is asked for by a second request.
//!
//! An invalidation leaves the reservation of a fetch that is under way: the answer behind it is newer.

use super::World;
use super::wire::{NOBODY, Sent};
use crate::engine::{Answer, Request};
use crate::near::{Cached, Slot, Unproven};
use crate::rules::Rule;
use crate::scenario::{Op, Setup};
use crate::{Key, Time};

impl World {
    /// The reader uses an answer, before a task learns of it.
    pub(crate) fn use_at_once(
        &mut self,
        node: usize,
        operation: Op,
        number: u8,
        sent: Time,
        answer: Answer,
        setup: Setup,
    ) {
        let reserved = self.nodes[node].reserved;
        match (operation, answer) {
            (Op::Read(key), Answer::Fetched(Some((version, left, generation)))) => {
                let from = if setup.breaks(Rule::DeadlineFromTheAnswer) { self.now } else { sent };
                let cached = Cached { version, until: from.saturating_add(left) };
                if reserved & 1 << number == 0 {
                    // Takes the place of what was near when the session was asked for.
                    let this = &mut self.nodes[node];
                    this.unproven[key as usize] = None;
                    this.near.kill(key, true);
                    this.near.reserve(key, number);
                }
                self.prove(node, key, Unproven { number, cached, generation }, setup);
            }
            (Op::Read(key), Answer::Fetched(None)) => self.nodes[node].near.abandon(key, number),
            (Op::Delete(key), Answer::Done(_)) => self.nodes[node].near.lift_bar(key),
            (Op::EndAll, Answer::Done(_)) => self.news(node, Key::Principal, setup),
            (Op::Rotate, Answer::Done(true)) => self.news(node, Key::Old, setup),
            (Op::Update(key), Answer::Written(Some(_))) if !setup.breaks(Rule::OwnWriteNotKilled) => {
                self.news(node, key, setup);
            }
            _ => {}
        }
        self.nodes[node].reserved &= !(1 << number);
    }

    fn prove(&mut self, node: usize, key: Key, unproven: Unproven, setup: Setup) {
        let this = &mut self.nodes[node];
        if this.generation == Some(unproven.generation) || setup.breaks(Rule::GenerationNotTracked) {
            this.near.fulfil(key, unproven.number, unproven.cached, setup);
        } else {
            this.unproven[key as usize] = Some(unproven);
            self.send(node, Sent { request: Request::Generation, task: NOBODY, at: 0 });
        }
    }

    /// The generation, of whose changes the engine tells from now on.
    pub(crate) fn proved(&mut self, node: usize, generation: Option<u8>, setup: Setup) {
        let this = &mut self.nodes[node];
        this.generation = generation;
        for key in Key::SESSIONS {
            let Some(unproven) = this.unproven[key as usize].take() else { continue };
            if generation == Some(unproven.generation) || setup.breaks(Rule::GenerationNotCompared) {
                this.near.fulfil(key, unproven.number, unproven.cached, setup);
            } else {
                this.near.abandon(key, unproven.number);
            }
        }
    }

    /// The engine tells of a change.
    pub(crate) fn news(&mut self, node: usize, key: Key, setup: Setup) {
        let this = &mut self.nodes[node];
        if key == Key::Principal {
            if !setup.breaks(Rule::KnownGenerationSurvivesRevocation) {
                this.generation = None;
            }
            self.news(node, Key::Old, setup);
            self.news(node, Key::New, setup);
            return;
        }
        if setup.breaks(Rule::UnprovenSurvivesInvalidation) {
            this.near.kill(key, false);
        } else if let Some(unproven) = this.unproven[key as usize].take() {
            this.near.abandon(key, unproven.number);
        } else if let Slot::Value(_) = this.near.slot(key) {
            this.near.kill(key, false);
        }
    }

    /// Nothing that was asked for on the former connection is used on the next one.
    pub(crate) fn forget_unproven(&mut self, node: usize) {
        self.nodes[node].unproven = [None; 2];
        self.nodes[node].generation = None;
        self.nodes[node].reserved = 0;
    }
}
