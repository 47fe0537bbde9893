//! What goes wrong, how often, and when it stops: the faults of a seed, and the planted ones.
//!
//! The faults of the wire are drawn here and done in `wire`; breaks and crashes are done here.

use crate::toy_world::venue::Whims;
use crate::toy_world::{Happening, World};
use model::time::NS_PER_MS;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A fault that a test plants to see that the checks are awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// None.
    Nothing,
    /// A repeated push carries its execution under another trade id.
    RenamedTrades,
    /// The query side says "absent" of orders that it never looked for, in the future's name.
    FalseAbsence,
    /// The gate gives intents back that it has sent.
    FalseNotSent,
    /// Executions of some pushes are lost, and no list shows them.
    HiddenFills,
}

/// How often things go wrong, in percent unless named otherwise. Drawn per seed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) lose: u32,
    pub(crate) repeat: u32,
    pub(crate) delay: u32,
    pub(crate) slow_command: u32,
    pub(crate) not_sent: u32,
    pub(crate) query_fails: u32,
    pub(crate) query_lags: bool,
    pub(crate) link_breaks: bool,
    pub(crate) crashes: bool,
    pub(crate) reboots: bool,
}

impl Faults {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut percent = |most: u32| {
            if rng.random_bool(0.5) {
                rng.random_range(0..=most)
            } else {
                0
            }
        };
        Self {
            lose: percent(25),
            repeat: percent(30),
            delay: percent(40),
            slow_command: percent(10),
            not_sent: percent(8),
            query_fails: percent(30),
            query_lags: percent(1) == 1 || percent(1) == 1,
            link_breaks: percent(3) > 0,
            crashes: percent(3) > 0,
            reboots: percent(1) > 0,
        }
    }
}

impl World {
    pub(super) fn draw_whims(&mut self) -> Whims {
        let mut percent = |most: u32| {
            if self.rng.random_bool(0.6) {
                self.rng.random_range(0..=most)
            } else {
                0
            }
        };
        Whims {
            reject: percent(15),
            reject_after_ack: percent(8),
            cancel_post_only: percent(50),
            cross: percent(40),
            unsure: percent(12),
            refuse_replace: percent(25),
        }
    }

    pub(super) fn schedule_faults(&mut self) {
        for _ in 0..4 {
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            if self.faults.link_breaks {
                let venue = u8::from(self.rng.random_bool(0.4));
                self.schedule(at, Happening::LinkBreaks { venue });
            }
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            if self.faults.crashes && self.rng.random_bool(0.7) {
                self.schedule(at, Happening::Crash);
            }
            let at = self.rng.random_range(0..14_000) * NS_PER_MS;
            let strategy = self.rng.random_range(0..3);
            self.schedule(at, Happening::Presence { strategy });
        }
    }

    /// The end of all faults.
    pub(super) fn become_calm(&mut self) {
        self.calm = true;
        self.faults = Faults::default();
        for venue in 0..2u8 {
            let at = usize::from(venue);
            self.venues[at].whims = Whims::default();
            if self.deaf[at]
                && let Some(link) = self.links[at]
            {
                self.schedule(NS_PER_MS, Happening::LinkDown { venue, link });
            }
        }
    }

    pub(super) fn link_breaks(&mut self, venue: u8) {
        let at = usize::from(venue);
        if self.calm {
            return;
        }
        if let Some(link) = self.links[at] {
            self.deaf[at] = self.rng.random_bool(0.7);
            let after = self.rng.random_range(0..1_200) * NS_PER_MS;
            self.schedule(after, Happening::LinkDown { venue, link });
        }
    }

    pub(super) fn crash(&mut self) {
        if self.calm {
            return;
        }
        self.crashes += 1;
        self.boot += 1;
        self.lose_commands(None);
        self.rig.restart();
        self.links = vec![None; 2];
        if self.faults.reboots {
            // The machine's own clock starts again.
            self.monotonic_base = self.now - self.rng.random_range(1..3_000) * NS_PER_MS;
        }
        self.now += self.rng.random_range(0..300) * NS_PER_MS;
        let late: Vec<_> = self
            .queue
            .range(..(self.now, 0))
            .map(|(key, _)| *key)
            .collect();
        for key in late {
            let happening = self.queue.remove(&key).expect("listed above");
            self.queued += 1;
            self.queue.insert((self.now, self.queued), happening);
        }
        self.begin_run();
    }
}
