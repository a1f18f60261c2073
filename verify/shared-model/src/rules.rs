//! The rules of the protocol, each of which the model can break.

/// How answers get into the near cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filling {
    /// By the tasks that have asked: anything may happen between the arrival of an answer and its use.
    ByTasks,
    /// By the reader, as it arrives. The generation is asked for separately.
    ByReader,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal by $scenario:literal $($filling:ident)?,)*) => {
        /// A rule of the protocol. The README says of each what goes wrong without it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// All rules, in the order of the README.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// Returns the name that the README uses.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// Returns how the near cache is filled where the rule is broken.
            #[must_use]
            pub const fn filling(self) -> Filling {
                match self {
                    $($(Self::$rule => Filling::$filling,)?)*
                    _ => Filling::ByTasks,
                }
            }

            /// Returns the name of the scenario that shows what goes wrong without it.
            #[must_use]
            pub const fn scenario(self) -> &'static str {
                match self {
                    $(Self::$rule => $scenario,)*
                }
            }
        }
    };
}

rules! {
    /// An answer goes into the near cache only by way of a reservation.
    FilledWithoutReservation "filled-without-reservation" by "logout-elsewhere",
    /// The reservation is made before the request is sent, not when the answer is used.
    ReservedAfterTheAnswer "reserved-after-the-answer" by "logout-elsewhere",
    /// A fetch fulfils its own reservation, not a later one of the same id.
    AnotherReservationFulfilled "another-reservation-fulfilled" by "logout-against-two-readers",
    /// An invalidation of a session kills its reservation too.
    ReservationSurvivesInvalidation "reservation-survives-invalidation" by "logout-elsewhere",
    /// An invalidation of a principal's generation kills reservations too: whose they are is not known yet.
    ReservationSurvivesRevocation "reservation-survives-revocation" by "end-of-all-elsewhere",
    /// An invalidation of everything is obeyed as well.
    FlushOfTheEngineIgnored "flush-of-the-engine-ignored" by "engine-emptied",
    /// A fetch reads, and so tracks, the generation together with the session.
    GenerationNotTracked "generation-not-tracked" by "end-of-all-elsewhere",
    /// Invalidations and answers are handled in the order of the wire.
    InvalidationHandledLate "invalidation-handled-late" by "logout-elsewhere",
    /// Tracking is on before the first fetch of a connection.
    TrackingAfterTheFirstFetch "tracking-after-the-first-fetch" by "logout-elsewhere",
    /// A new connection begins with an empty near cache.
    NoFlushAfterReconnect "no-flush-after-reconnect" by "logout-elsewhere-and-a-cut",
    /// The flush kills reservations too.
    ReservationSurvivesReconnect "reservation-survives-reconnect" by "logout-elsewhere-and-a-cut",
    /// A hit needs an answered ping.
    HitWithoutFreshness "hit-without-freshness" by "logout-elsewhere",
    /// The age of a ping counts from its sending.
    AgeFromTheAnswer "age-from-the-answer" by "logout-elsewhere",
    /// A ping counts when it has been answered.
    UnansweredPingCounts "unanswered-ping-counts" by "logout-elsewhere",
    /// Pings go over the connection that carries the invalidations.
    PingElsewhere "ping-elsewhere" by "logout-elsewhere",
    /// The freshness is looked at before the entry.
    FreshnessAfterTheEntry "freshness-after-the-entry" by "logout-elsewhere",
    /// A reader that waits for the fetch of another one takes its answer only if the request is at most S old.
    OldFetchJoined "old-fetch-joined" by "logout-against-two-readers",
    /// The near cache keeps the engine's deadline.
    NearWithoutDeadline "near-without-deadline" by "deadline",
    /// That deadline counts from the sending of the request.
    DeadlineFromTheAnswer "deadline-from-the-answer" by "deadline",
    /// A touch stops at the absolute deadline.
    TouchBeyondTheDeadline "touch-beyond-the-deadline" by "deadline",
    /// An update of a session that is not there changes nothing.
    UpdateCreates "update-creates" by "update-against-logout",
    /// An update compares the version.
    UpdateWithoutComparison "update-without-comparison" by "two-updates",
    /// A change leaves the session its generation.
    ChangeTakesTheGenerationOfNow "change-takes-the-generation-of-now" by "update-against-end-of-all",
    /// A session whose generation is missing is revoked.
    MissingGenerationCounts "missing-generation-counts" by "generation-lost",
    /// A generation that is made anew was never used before.
    GenerationBeginsAnew "generation-begins-anew" by "generation-lost",
    /// A rotation is one script.
    RotationInTwoCommands "rotation-in-two-commands" by "rotation-against-logout",
    /// An id whose creation was not answered is never used again.
    CreationRetried "creation-retried" by "creation-unanswered",
    /// A logout kills, and bars, until it is answered: own invalidations come behind the answer.
    DeletedOnceOnly "deleted-once-only" by "logout-here",
    /// An id whose logout is unconfirmed stays barred.
    UnconfirmedNotBarred "unconfirmed-not-barred" by "logout-here-unconfirmed",
    /// A flush of the near cache leaves the bars.
    FlushLiftsBars "flush-lifts-bars" by "logout-here-unconfirmed",
    /// The answer to an update kills the entry here.
    OwnWriteNotKilled "own-write-not-killed" by "update-against-a-reader-here",
    /// The answer to an update fills nothing: the engine does not track what is written.
    OwnWriteFulfilled "own-write-fulfilled" by "update-against-logout",
    /// The engine sends the invalidations of own writes too.
    NoLoop "no-loop" by "update-against-logout",
    /// The reader waits for a generation that is tracked before a session is near.
    GenerationNotCompared "generation-not-compared" by "end-of-all-elsewhere" ByReader,
    /// A session that waits for its generation is killed by an invalidation.
    UnprovenSurvivesInvalidation "unproven-survives-invalidation" by "logout-elsewhere" ByReader,
    /// A generation that was known is not after it has changed.
    KnownGenerationSurvivesRevocation "known-generation-survives-revocation" by "end-of-all-after-an-eviction" ByReader,
}
