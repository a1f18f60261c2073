//! Cheap random numbers, the same sequence for every contender.

use rand_distr::{Distribution, Zipf};

/// Marsaglia's xorshift. A number takes a few cycles, so that choosing a session costs almost nothing.
pub struct Xorshift(u64);

impl Xorshift {
    /// Every `seed` has a sequence of its own.
    pub fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    #[inline]
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number in `0..bound`, uniformly distributed, without a division.
    #[inline]
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.draw()) * bound as u128) >> 64) as usize
    }

    /// Puts the items into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// For `rand_distr`, which draws from it.
impl rand::TryRng for Xorshift {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok((self.draw() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Ranks by Zipf's law with the exponent of YCSB, 0.99: one pick of 15 among a million is the first rank.
pub struct Ranks(Zipf<f64>);

impl Ranks {
    const EXPONENT: f64 = 0.99;

    pub fn new(count: usize) -> Self {
        Self(Zipf::new(count as f64, Self::EXPONENT).expect("there is at least one rank"))
    }

    /// A rank from 0.
    pub fn pick(&self, random: &mut Xorshift) -> usize {
        self.0.sample(random) as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_bound_and_reach_every_value() {
        let mut random = Xorshift::new(0);
        let mut seen = [false; 10];
        (0..1_000).for_each(|_| seen[random.below(10)] = true);
        assert_eq!(seen, [true; 10]);
    }

    #[test]
    fn shuffling_keeps_every_item_and_moves_most() {
        let mut items: Vec<usize> = (0..100).collect();
        Xorshift::new(0).shuffle(&mut items);
        assert!(items.iter().enumerate().filter(|(place, item)| place == *item).count() < 10, "{items:?}");
        items.sort_unstable();
        assert!(items.into_iter().eq(0..100));
    }

    #[test]
    fn ranks_follow_zipfs_law() {
        let (mut random, ranks) = (Xorshift::new(0), Ranks::new(1_000));
        let mut counts = [0_u32; 1_000];
        (0..200_000).for_each(|_| counts[ranks.pick(&mut random)] += 1);
        let ratio = |rank: usize| f64::from(counts[0]) / f64::from(counts[rank - 1]) / (rank as f64).powf(0.99);
        assert!((0.9..1.1).contains(&ratio(2)) && (0.9..1.1).contains(&ratio(10)), "{:?}", &counts[..10]);
    }
}
