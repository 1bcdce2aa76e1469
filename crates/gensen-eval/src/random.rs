//! The Mersenne Twister, and NumPy's and PyTorch's draws from it.
//!
//! SentEval's folds, batches and initial weights all come from MT19937 seeded with 1111. With the same draws, results are
//! comparable beyond the noise of a seed.

use std::array;

const N: usize = 624;
const M: usize = 397;

/// MT19937, seeded as by `numpy.random.seed` and `torch.manual_seed`.
///
/// # Examples
///
/// ```
/// use gensen_eval::random::MersenneTwister;
///
/// let mut rng = MersenneTwister::new(1111);
/// assert_eq!(rng.permutation(10), [9, 3, 8, 0, 6, 2, 4, 1, 5, 7]); // numpy's
/// ```
#[derive(Clone, Debug)]
pub struct MersenneTwister {
    state: [u32; N],
    next: usize,
}

impl MersenneTwister {
    /// A generator at the start of the stream of `seed`.
    pub fn new(seed: u32) -> Self {
        let mut value = seed;
        let state = array::from_fn(|i| {
            if i > 0 {
                value = 1_812_433_253u32
                    .wrapping_mul(value ^ (value >> 30))
                    .wrapping_add(i as u32);
            }
            value
        });
        Self { state, next: N }
    }

    fn refill(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1) with 53 bits, as `numpy.random.rand`.
    pub fn uniform_f64(&mut self) -> f64 {
        let (a, b) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// Uniform in [0, 1) with 24 bits, as `torch.rand` on the CPU.
    pub fn uniform_f32(&mut self) -> f32 {
        (self.next_u32() & 0x00ff_ffff) as f32 / 16_777_216.0
    }

    /// Uniform in `0..=max` by masked rejection, as `numpy.random.randint(0, max + 1)`.
    ///
    /// Nothing is drawn when `max` is 0.
    pub fn below_or_equal(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// Shuffles in place, as `numpy.random.shuffle` of a one-dimensional array.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below_or_equal(i as u32) as usize);
        }
    }

    /// The numbers `0..n` in random order, as `numpy.random.permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut values: Vec<u32> = (0..n as u32).collect();
        self.shuffle(&mut values);
        values
    }

    /// The initial weights `[outputs, inputs]` and biases `[outputs]` of PyTorch's `nn.Linear`:
    /// uniform within +-1 / sqrt(inputs).
    pub fn torch_linear(&mut self, inputs: usize, outputs: usize) -> (Vec<f32>, Vec<f32>) {
        let bound = 1.0 / (inputs as f64).sqrt();
        let (low, range) = (-bound as f32, bound as f32 - (-bound as f32));
        let mut draw = |n: usize| (0..n).map(|_| self.uniform_f32() * range + low).collect();
        (draw(inputs * outputs), draw(outputs))
    }
}
