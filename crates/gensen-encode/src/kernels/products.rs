//! Matrix products of bf16 and of 8-bit integers, by the instructions that processors have for them,
//! and of f32 by AVX-512.
//!
//! All kinds multiply *units* of 32 bits: two inputs in bf16 or one in f32, added up in f32, or four
//! inputs of 8 bits, added up in 32-bit integers. Factors are laid out once for all ways to compute:
//!
//! - a left factor in tiles of 16 rows, `[tile][depth][row]`, each entry a line of 16 units;
//! - a right factor in groups of panels of 16 columns, `[unit][panel]`, each entry a line of 16 columns.
//!
//! So a tile register of AMX takes a tile as it lies, and a vector register a line. Missing inputs are
//! zeros. A sum takes its units in order, whatever the number of rows: a row's bits depend on nothing
//! beside it. Integers are exact. Sums of floats are rounded as the instruction does it:
//!
//! | way | a unit is added |
//! | --- | --- |
//! | AVX512-BF16 | as two fused multiplications, the second input first |
//! | AMX | to sums of first and of second inputs of 16 units, which are then added to each other and to the sum |
//!
//! Both take subnormal numbers for zero. [`Bf16Product::best`], [`ByteProduct::best`] and
//! [`FloatProduct::single`] say what the processor has and the system grants.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod amx_machine;
#[cfg(test)]
mod emulation;
mod factors;
mod layout;
#[cfg(target_arch = "x86_64")]
mod registers;

use std::marker::PhantomData;
use std::sync::OnceLock;

pub use factors::{Left, Right, multiply, multiply_matrix};
pub use layout::Number;
#[cfg(test)]
use layout::bf16_bits;
pub(crate) use layout::{Strided, transpose};

/// Numbers of a line; rows of a tile; columns of a panel.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers of 32 bits: a line of the cache, and what a vector register takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line<T = u32>(pub(crate) [T; LANES]);

impl Line {
    pub(crate) const ZERO: Self = Self([0; LANES]);

    /// Its units of bf16, input by input.
    pub(crate) fn halves_mut(&mut self) -> &mut [u16; 2 * LANES] {
        bytemuck::cast_mut(&mut self.0)
    }

    /// Its units of bytes, input by input.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 4 * LANES] {
        bytemuck::cast_mut(&mut self.0)
    }
}

impl<T> Line<T> {
    /// The numbers of some lines.
    pub(crate) fn numbers(lines: &[Self]) -> &[T] {
        // SAFETY: a line is its sixteen numbers and nothing else.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LANES) }
    }

    /// The same, to be written.
    pub(crate) fn numbers_mut(lines: &mut [Self]) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
    }
}

/// Where a product writes its sums: a row's panels side by side.
pub(crate) struct Sums<'a, T> {
    first: *mut T,
    /// Numbers from a row to the next.
    stride: usize,
    lent: PhantomData<&'a mut [T]>,
}

impl<T> Sums<'_, T> {
    /// From a pointer to the first row's sums.
    ///
    /// # Safety
    ///
    /// Full tiles of the factors' rows must lie there, at this distance, each with as many numbers as
    /// the factors' panels have, which nobody else may use meanwhile.
    pub(crate) unsafe fn new(first: *mut T, stride: usize) -> Self {
        Self {
            first,
            stride,
            lent: PhantomData,
        }
    }
}

impl<'a, T> Sums<'a, T> {
    /// Lines `[row][panel]`.
    pub(crate) fn of_lines(lines: &'a mut [Line<T>], factors: &Factors<'_>) -> Self {
        assert!(lines.len() >= factors.sums(), "sums");
        Self {
            first: lines.as_mut_ptr().cast(),
            stride: factors.panels * LANES,
            lent: PhantomData,
        }
    }
}

/// Rows of a left factor and a group of a right factor's panels.
#[derive(Clone, Copy)]
pub(crate) struct Factors<'a> {
    /// `[tile of rows][depth][row]`
    pub(crate) left: &'a [Line],
    /// The number of rows; the last tile may hold more.
    pub(crate) rows: usize,
    /// `[16 * depth][panels]`
    pub(crate) right: &'a [Line],
    /// Panels of the group: a multiple of four or of six.
    pub(crate) panels: usize,
    /// Lines of a row.
    pub(crate) depth: usize,
}

impl Factors<'_> {
    /// The sums that a product of these factors writes, `[row][panel]` in full tiles of rows.
    pub(crate) fn sums(&self) -> usize {
        self.rows.next_multiple_of(LANES) * self.panels
    }

    /// Whether the factors have the lengths that their sizes say, which kernels rely on.
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

/// A way to multiply numbers in bf16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Product {
    /// Tiles, by `tdpbf16ps`.
    Amx,
    /// Registers of 512 bits, by `vdpbf16ps`.
    Avx512,
}

impl Bf16Product {
    /// The fastest that the processor has and the system grants, if there is any.
    pub fn best() -> Option<Self> {
        static BEST: OnceLock<Option<Bf16Product>> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Amx, Self::Avx512]
                .into_iter()
                .find(|way| way.is_present())
        })
    }

    /// Whether the processor has it and the system grants it.
    pub fn is_present(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return match self {
            Self::Amx => amx::granted().bf16,
            Self::Avx512 => is_x86_feature_detected!("avx512bf16"),
        };
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    /// Writes the sums of the products of all rows and panels, or adds to what is there if there are
    /// `more`.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, f32>, more: bool) {
        factors.check();
        assert!(self.is_present(), "{self:?} is not there");
        // SAFETY: the processor has the instructions, the system grants them, the lengths of factors
        // have been checked, and `Sums::new` has its own contract.
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

/// A way to multiply floats, whose sums are in f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatProduct {
    /// In f32, registers of 512 bits.
    Single,
    /// In bf16.
    Half(Bf16Product),
}

impl FloatProduct {
    /// That of f32, if the processor gains from it: Zen 4 takes instructions of 512 bits in two halves,
    /// and the `gemm` crate's AVX2 is as fast there.
    pub fn single() -> Option<Self> {
        static SINGLE: OnceLock<bool> = OnceLock::new();
        let gains = *SINGLE.get_or_init(|| Self::Single.is_present() && !is_zen_4());
        gains.then_some(Self::Single)
    }

    /// Whether the processor has it and the system grants it.
    pub fn is_present(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Single => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Single => false,
            Self::Half(way) => way.is_present(),
        }
    }

    /// Inputs of a unit.
    pub(crate) fn unit(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Half(_) => 2,
        }
    }

    /// As [`Bf16Product::multiply`], with groups of a multiple of four panels.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, f32>, more: bool) {
        match self {
            Self::Half(way) => way.multiply(factors, sums, more),
            Self::Single => {
                factors.check();
                assert!(self.is_present(), "AVX-512 is not there");
                assert!(factors.panels.is_multiple_of(4), "panels of a group");
                // SAFETY: as for bf16.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    registers::avx512_f32::<4>(factors, sums, more);
                }
            }
        }
    }
}

/// Whether this is AMD's family 19h, whose processors with AVX-512 are Zen 4.
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

/// A way to multiply bytes: unsigned ones on the left, signed ones on the right. All give the same
/// integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteProduct {
    /// Tiles, by `tdpbusd`; of few rows, which leave tiles empty, by registers.
    Amx,
    /// Registers of 512 bits, by `vpdpbusd`.
    Avx512,
    /// Registers of 256 bits, by `vpdpbusd`.
    Avx,
}

/// The least rows for which AMX computes bytes by tiles.
#[cfg(target_arch = "x86_64")]
const TILED_ROWS: usize = 5;

impl ByteProduct {
    /// The fastest that the processor has and the system grants, if there is any.
    pub fn best() -> Option<Self> {
        static BEST: OnceLock<Option<ByteProduct>> = OnceLock::new();
        *BEST.get_or_init(|| {
            [Self::Amx, Self::Avx512, Self::Avx]
                .into_iter()
                .find(|way| way.is_present())
        })
    }

    /// Whether the processor has it and the system grants it.
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

    /// Writes the sums of the products of all rows and panels. Sums beyond 32 bits wrap around.
    pub(crate) fn multiply(self, factors: &Factors<'_>, sums: Sums<'_, i32>) {
        factors.check();
        assert!(self.is_present(), "{self:?} is not there");
        // SAFETY: as for bf16.
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
