//! Products by AMX: one instruction multiplies tiles of 16 rows of 64 bytes.
//!
//! Inline assembly, because the standard library's AMX functions are unstable. On Linux a process
//! must request permission to use tiles, which a sandbox may refuse.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::{CacheLine, Factors, LANES, Sums};

/// Tiles of a row per block: two panels of a block, 32 KiB, fit the L1 cache of processors with
/// AMX.
const BLOCK: usize = 16;

/// The AMX instructions that may be used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    pub(super) bf16: bool,
    pub(super) bytes: bool,
}

/// Asks the processor and the operating system, once per process.
pub(super) fn granted() -> Granted {
    static GRANTED: OnceLock<Granted> = OnceLock::new();
    *GRANTED.get_or_init(|| {
        let processor = processor();
        if (processor.bf16 || processor.bytes) && permission() {
            processor
        } else {
            Granted::default()
        }
    })
}

/// The processor's AMX features, if the operating system saves tiles on context switches.
fn processor() -> Granted {
    const XSAVE_BY_SYSTEM: u32 = 1 << 27;
    const TILE: u32 = 1 << 24;
    const BF16: u32 = 1 << 22;
    const INT8: u32 = 1 << 25;
    /// The bits of XCR0 for the configuration and the contents of tiles.
    const TILE_STATE: u64 = 0b11 << 17;
    /// CPUID leaf 0x1d, palette 1: 8,192 bytes in 8 tiles of 1,024, each of 16 rows of 64 bytes.
    const PALETTE: [u32; 3] = [8192 | 1024 << 16, 64 | 8 << 16, 16];
    if __cpuid_count(0, 0).eax < 0x1d || __cpuid_count(1, 0).ecx & XSAVE_BY_SYSTEM == 0 {
        return Granted::default();
    }
    let features = __cpuid_count(7, 0).edx;
    let (low, high): (u32, u32);
    // SAFETY: the system has enabled XSAVE, so XGETBV of XCR0 is allowed; it changes only the two
    // output registers.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack));
    }
    let state = u64::from(high) << 32 | u64::from(low);
    if features & TILE == 0 || state & TILE_STATE != TILE_STATE {
        return Granted::default();
    }
    let palette = __cpuid_count(0x1d, 1);
    let known = [palette.eax, palette.ebx, palette.ecx & 0xffff] == PALETTE;
    Granted {
        bf16: known && features & BF16 != 0,
        bytes: known && features & INT8 != 0,
    }
}

/// Requests permission to use tiles from Linux; `false` on other systems.
fn permission() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_STATE: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    if !cfg!(target_os = "linux") {
        return false;
    }
    let result: i64;
    // SAFETY: this request of arch_prctl accesses no memory of the process; a system call changes
    // only RAX, RCX and R11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_STATE,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// The operand of `ldtilecfg`: eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration([u8; 64]);

const TILES: Configuration = {
    let mut bytes = [0; 64];
    bytes[0] = 1; // the palette
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64; // bytes of a row
        bytes[48 + tile] = 16; // rows
        tile += 1;
    }
    Configuration(bytes)
};

/// Defines the product that uses the instruction `$multiply`.
macro_rules! by_tiles {
    ($(#[$doc:meta])* $product:ident, $two_rows:ident, $one_row:ident, $sum:ty, $multiply:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// [`granted`] must allow the instruction, [`Factors::check`] must have passed, and `sums`
        /// must be those of the factors ([`Sums::new`]).
        pub(super) unsafe fn $product(factors: &Factors<'_>, sums: Sums<'_, $sum>, more: bool) {
            let Sums { first: output, stride, .. } = sums;
            let Factors { left, rows, right, panels, depth } = *factors;
            let row_tiles = rows.div_ceil(LANES);
            // SAFETY: `processor` has checked that the palette has these tiles. No other Rust code
            // uses tiles, so none are overwritten.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &TILES, options(nostack, readonly)) };
            // Without inputs, one round writes zeros.
            for start in (0..depth.max(1)).step_by(BLOCK) {
                let tiles = BLOCK.min(depth - start);
                for panel in (0..panels).step_by(2) {
                    for tile in (0..row_tiles).step_by(2) {
                        // SAFETY: `check` has compared lengths and sizes, and `panels` is even. So
                        // there are `tiles` consecutive tiles of 1,024 bytes at `left`; `16 *
                        // tiles` pairs of lines, `panels` lines apart, at `right`; and 16 rows of
                        // sums of two panels, `stride` values apart, at `sums`.
                        unsafe {
                            let left = left.as_ptr().wrapping_add((tile * depth + start) * LANES);
                            let right = right.as_ptr().wrapping_add(start * LANES * panels + panel);
                            let sums = output.add(tile * LANES * stride + panel * LANES);
                            let more = more || start > 0;
                            if tile + 1 < row_tiles {
                                let left = [left, left.wrapping_add(depth * LANES)];
                                $two_rows(left, right, panels, tiles, [sums, sums.add(LANES * stride)], stride, more);
                            } else {
                                $one_row(left, right, panels, tiles, sums, stride, more);
                            }
                        }
                    }
                }
            }
            // SAFETY: as above.
            unsafe { asm!("tilerelease", options(nomem, nostack)) };
        }

        /// Multiplies two tiles of rows by two panels; adds to the sums if `more`, and overwrites
        /// them otherwise.
        ///
        /// # Safety
        ///
        /// The pointers must be valid for these sizes, as the caller explains; the tiles must be
        /// configured.
        unsafe fn $two_rows(
            left: [*const CacheLine; 2],
            right: *const CacheLine,
            panels: usize,
            tiles: usize,
            sums: [*mut $sum; 2],
            stride: usize,
            more: bool,
        ) {
            let units = panels * size_of::<CacheLine>();
            // SAFETY: the assembly accesses only what the pointers and sizes name, and declares
            // every register that it changes.
            unsafe {
                asm!(
                    "test {more:e}, {more:e}",
                    "jnz 2f",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "jmp 3f",
                    "2:",
                    "tileloadd tmm0, [{sums0} + {stride}]",
                    "tileloadd tmm1, [{sums0} + {stride} + 64]",
                    "tileloadd tmm2, [{sums1} + {stride}]",
                    "tileloadd tmm3, [{sums1} + {stride} + 64]",
                    "3:",
                    "test {tiles}, {tiles}",
                    "jz 5f",
                    "4:",
                    "tileloadd tmm4, [{left0} + {line}]",
                    "tileloadd tmm6, [{right} + {units}]",
                    "tileloadd tmm7, [{right} + {units} + 64]",
                    "tileloadd tmm5, [{left1} + {line}]",
                    concat!($multiply, " tmm0, tmm4, tmm6"),
                    concat!($multiply, " tmm1, tmm4, tmm7"),
                    concat!($multiply, " tmm2, tmm5, tmm6"),
                    concat!($multiply, " tmm3, tmm5, tmm7"),
                    "add {left0}, 1024",
                    "add {left1}, 1024",
                    "add {right}, {step}",
                    "dec {tiles}",
                    "jnz 4b",
                    "5:",
                    "tilestored [{sums0} + {stride}], tmm0",
                    "tilestored [{sums0} + {stride} + 64], tmm1",
                    "tilestored [{sums1} + {stride}], tmm2",
                    "tilestored [{sums1} + {stride} + 64], tmm3",
                    more = in(reg) u32::from(more),
                    left0 = inout(reg) left[0] => _,
                    left1 = inout(reg) left[1] => _,
                    right = inout(reg) right => _,
                    tiles = inout(reg) tiles => _,
                    line = in(reg) size_of::<CacheLine>(),
                    units = in(reg) units,
                    stride = in(reg) stride * size_of::<$sum>(),
                    step = in(reg) LANES * units,
                    sums0 = in(reg) sums[0],
                    sums1 = in(reg) sums[1],
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        /// The same for one tile of rows.
        ///
        /// # Safety
        ///
        /// As for two tiles.
        unsafe fn $one_row(
            left: *const CacheLine,
            right: *const CacheLine,
            panels: usize,
            tiles: usize,
            sums: *mut $sum,
            stride: usize,
            more: bool,
        ) {
            let units = panels * size_of::<CacheLine>();
            // SAFETY: as above.
            unsafe {
                asm!(
                    "test {more:e}, {more:e}",
                    "jnz 2f",
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "jmp 3f",
                    "2:",
                    "tileloadd tmm0, [{sums} + {stride}]",
                    "tileloadd tmm1, [{sums} + {stride} + 64]",
                    "3:",
                    "test {tiles}, {tiles}",
                    "jz 5f",
                    "4:",
                    "tileloadd tmm4, [{left} + {line}]",
                    "tileloadd tmm6, [{right} + {units}]",
                    "tileloadd tmm7, [{right} + {units} + 64]",
                    concat!($multiply, " tmm0, tmm4, tmm6"),
                    concat!($multiply, " tmm1, tmm4, tmm7"),
                    "add {left}, 1024",
                    "add {right}, {step}",
                    "dec {tiles}",
                    "jnz 4b",
                    "5:",
                    "tilestored [{sums} + {stride}], tmm0",
                    "tilestored [{sums} + {stride} + 64], tmm1",
                    more = in(reg) u32::from(more),
                    left = inout(reg) left => _,
                    right = inout(reg) right => _,
                    tiles = inout(reg) tiles => _,
                    line = in(reg) size_of::<CacheLine>(),
                    units = in(reg) units,
                    stride = in(reg) stride * size_of::<$sum>(),
                    step = in(reg) LANES * units,
                    sums = in(reg) sums,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

by_tiles!(
    /// The product in bf16.
    bf16, bf16_two_rows, bf16_one_row, f32, "tdpbf16ps"
);
by_tiles!(
    /// The product of bytes.
    bytes, bytes_two_rows, bytes_one_row, i32, "tdpbusd"
);
