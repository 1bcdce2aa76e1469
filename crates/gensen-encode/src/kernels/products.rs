//! Matrix products in bf16 and 8-bit integers by dedicated instructions (AMX, AVX512-BF16, VNNI),
//! and in f32 by AVX-512.
//!
//! All of them multiply *units* of 32 bits: two inputs in bf16 or one in f32, summed in f32, or
//! four inputs of 8 bits, summed in 32-bit integers. The layout of the factors is the same for all:
//!
//! - a left factor in tiles of 16 rows, `[tile][depth][row]`, each entry a line of 16 units;
//! - a right factor in groups of panels of 16 columns, `[unit][panel]`, each entry a line of 16
//!   columns.
//!
//! So an AMX tile register loads a tile as it is, and a vector register a line. Missing inputs are
//! zeros. Units are added in order, for any number of rows: a row's bits do not depend on other
//! rows. Integer sums are exact. Sums in bf16 are rounded as the instruction rounds:
//!
//! | kernel | how a unit is added |
//! | --- | --- |
//! | AVX512-BF16 | two fused multiply-adds, the second input first |
//! | AMX | of 16 units, the first inputs and the second inputs are summed apart; then both sums are added, and the result to the total |
//!
//! Both treat subnormal numbers as zero. [`Bf16Product::best`], [`ByteProduct::best`] and
//! [`FloatProduct::single`] return what the processor has and the operating system permits.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod amx_machine;
#[cfg(test)]
mod emulation;
mod factors;
mod layout;
mod matrices;
#[cfg(target_arch = "x86_64")]
mod registers;

use std::marker::PhantomData;
use std::sync::OnceLock;

pub use factors::{Left, Right};
pub use layout::Element;
#[cfg(test)]
use layout::bf16_bits;
pub(crate) use layout::{Strided, transpose};
pub use matrices::{multiply, multiply_matrix};

/// Values per line, rows per tile and columns per panel.
pub(crate) const LANES: usize = 16;

/// Sixteen values of 32 bits: a cache line, and a vector register of 512 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct CacheLine<T = u32>(pub(crate) [T; LANES]);

impl CacheLine {
    pub(crate) const ZERO: Self = Self([0; LANES]);

    /// The bits of its 32 inputs in bf16.
    pub(crate) fn halves_mut(&mut self) -> &mut [u16; 2 * LANES] {
        bytemuck::cast_mut(&mut self.0)
    }

    /// Its 64 inputs of 8 bits.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 4 * LANES] {
        bytemuck::cast_mut(&mut self.0)
    }
}

impl<T> CacheLine<T> {
    /// The values of consecutive lines as one slice.
    pub(crate) fn numbers(lines: &[Self]) -> &[T] {
        // SAFETY: a line is exactly its sixteen values.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
    }

    /// As [`Self::numbers`], mutable.
    pub(crate) fn numbers_mut(lines: &mut [Self]) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
    }
}

/// The output of a product; the panels of a row are adjacent.
pub(crate) struct Sums<'a, T> {
    first: *mut T,
    /// Values from one row to the next.
    stride: usize,
    lent: PhantomData<&'a mut [T]>,
}

impl<T> Sums<'_, T> {
    /// `first` points to the first row's sums.
    ///
    /// # Safety
    ///
    /// `first` must point to the factors' rows, rounded up to full tiles, `stride` values apart,
    /// each with the values of all panels. Nothing else may access them while this exists.
    pub(crate) unsafe fn new(first: *mut T, stride: usize) -> Self {
        Self {
            first,
            stride,
            lent: PhantomData,
        }
    }
}

impl<'a, T> Sums<'a, T> {
    /// Writes to lines `[row][panel]`.
    pub(crate) fn of_lines(lines: &'a mut [CacheLine<T>], factors: &Factors<'_>) -> Self {
        assert!(lines.len() >= factors.sums(), "sums");
        Self {
            first: lines.as_mut_ptr().cast(),
            stride: factors.panels * LANES,
            lent: PhantomData,
        }
    }
}

/// The factors of one product: rows of a left factor and a group of panels of a right factor.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// `[tile of rows][depth][row]`
    pub(crate) left: &'a [CacheLine],
    /// The number of rows; the last tile is padded.
    pub(crate) rows: usize,
    /// `[16 * depth][panels]`
    pub(crate) right: &'a [CacheLine],
    /// Panels in the group: a multiple of four or six.
    pub(crate) panels: usize,
    /// Lines per row.
    pub(crate) depth: usize,
}

impl Factors<'_> {
    /// The number of lines that the product writes, `[row][panel]` with rows rounded up to full
    /// tiles.
    pub(crate) fn sums(&self) -> usize {
        self.rows.next_multiple_of(LANES) * self.panels
    }

    /// Asserts that the slices are as long as the sizes say; the kernels rely on it.
    fn check(&self) {
        let tiles = self.rows.div_ceil(LANES);
        assert!(self.left.len() >= tiles * self.depth * LANES, "left factor");
        assert!(
            self.right.len() >= self.depth * LANES * self.panels,
            "right factor"
        );
        assert!(
            self.panels.is_multiple_of(4) || self.panels.is_multiple_of(6),
            "panels of a group"
        );
    }
}

/// The instructions of a product in bf16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Product {
    /// `tdpbf16ps` on tile registers.
    Amx,
    /// `vdpbf16ps` on registers of 512 bits.
    Avx512,
}

impl Bf16Product {
    /// The fastest that is present, if any.
    pub fn best() -> Option<Self> {
        static BEST: OnceLock<Option<Bf16Product>> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Amx, Self::Avx512]
                .into_iter()
                .find(|way| way.is_present())
        })
    }

    /// Whether the processor has the instructions and the operating system permits them.
    pub fn is_present(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Amx => amx::granted().bf16,
            Self::Avx512 => is_x86_feature_detected!("avx512bf16"),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Multiplies all rows by all panels; adds to `sums` if `more`, and overwrites them otherwise.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, f32>, more: bool) {
        factors.check();
        assert!(self.is_present(), "{self:?} is not present");
        // SAFETY: the instructions are present and permitted, the factors' lengths have been
        // checked, and the caller of `Sums::new` answers for the sums.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            match self {
                Self::Amx => amx::bf16(factors, sums, more),
                Self::Avx512 if factors.panels.is_multiple_of(6) => {
                    registers::avx512_bf16::<6>(factors, sums, more);
                }
                Self::Avx512 => registers::avx512_bf16::<4>(factors, sums, more),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("{:?} is present", (sums.first, sums.stride, more));
    }
}

/// The instructions of a product of floats, summed in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatProduct {
    /// f32 on registers of 512 bits.
    Single,
    /// bf16.
    Half(Bf16Product),
}

impl FloatProduct {
    /// [`FloatProduct::Single`], where it is faster than the `gemm` crate's AVX2. On Zen 4, which
    /// runs 512-bit instructions in two halves, it is not.
    pub fn single() -> Option<Self> {
        static SINGLE: OnceLock<bool> = OnceLock::new();
        let gains = *SINGLE.get_or_init(|| Self::Single.is_present() && !is_zen_4());
        gains.then_some(Self::Single)
    }

    /// Whether the processor has the instructions and the operating system permits them.
    pub fn is_present(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Single => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Single => false,
            Self::Half(way) => way.is_present(),
        }
    }

    /// Inputs per unit.
    pub(crate) fn unit(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Half(_) => 2,
        }
    }

    /// As [`Bf16Product::multiply`]; the number of panels must be a multiple of four.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, f32>, more: bool) {
        match self {
            Self::Half(way) => way.multiply(factors, sums, more),
            Self::Single => {
                factors.check();
                assert!(self.is_present(), "AVX-512 is not present");
                assert!(factors.panels.is_multiple_of(4), "panels of a group");
                // SAFETY: as in `Bf16Product::multiply`.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    registers::avx512_f32::<4>(factors, sums, more);
                }
            }
        }
    }
}

/// Whether the processor is of AMD's family 19h: those of it with AVX-512 are Zen 4.
#[cfg(target_arch = "x86_64")]
fn is_zen_4() -> bool {
    use std::arch::x86_64::__cpuid;
    let (name, version) = (__cpuid(0), __cpuid(1).eax);
    let family = (version >> 8 & 15) + (version >> 20 & 255);
    let vendor = [name.ebx, name.edx, name.ecx].map(u32::to_le_bytes);
    vendor.as_flattened() == b"AuthenticAMD" && family == 0x19
}

#[cfg(not(target_arch = "x86_64"))]
fn is_zen_4() -> bool {
    false
}

/// The instructions of a product of bytes, unsigned on the left and signed on the right. All give
/// the same integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteProduct {
    /// `tdpbusd` on tile registers; for few rows, which would leave tiles mostly empty, as
    /// `Avx512`.
    Amx,
    /// `vpdpbusd` on registers of 512 bits.
    Avx512,
    /// `vpdpbusd` on registers of 256 bits.
    Avx,
}

/// With fewer rows, products of bytes use registers instead of tiles.
#[cfg(target_arch = "x86_64")]
const TILED_ROWS: usize = 5;

impl ByteProduct {
    /// The fastest that is present, if any.
    pub fn best() -> Option<Self> {
        static BEST: OnceLock<Option<ByteProduct>> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Amx, Self::Avx512, Self::Avx]
                .into_iter()
                .find(|way| way.is_present())
        })
    }

    /// Whether the processor has the instructions and the operating system permits them.
    pub fn is_present(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Amx => amx::granted().bytes && Self::Avx512.is_present(),
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
            }
            Self::Avx => is_x86_feature_detected!("avxvnni"),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Multiplies all rows by all panels and overwrites `sums`. Sums beyond 32 bits wrap around.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, i32>) {
        factors.check();
        assert!(self.is_present(), "{self:?} is not present");
        // SAFETY: as in `Bf16Product::multiply`.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            match self {
                Self::Amx if factors.rows >= TILED_ROWS => amx::bytes(factors, sums, false),
                Self::Avx => registers::avx_bytes::<2>(factors, sums, false),
                _ if factors.panels.is_multiple_of(6) => {
                    registers::avx512_bytes::<6>(factors, sums, false);
                }
                _ => registers::avx512_bytes::<4>(factors, sums, false),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        unreachable!("{:?} is present", (sums.first, sums.stride));
    }
}

#[cfg(test)]
mod tests;
