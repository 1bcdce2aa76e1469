//! Products by AMX: tiles of 16 rows of 64 bytes, multiplied by one instruction.
//!
//! The standard library's functions for AMX are not stable, inline assembly is. Linux lends a process
//! the state of the tiles when it asks, which a sandbox may refuse.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

use super::{Factors, LANES, Line, Sums};

/// Tiles of a row after which the inner loop goes on to the next rows: two panels of as many, 32 KiB,
/// stay in the first-level cache of a processor that has AMX.
const BLOCK: usize = 16;

/// What may be computed with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Granted {
    pub(super) bf16: bool,
    pub(super) bytes: bool,
}

/// Asks the processor and the system, once.
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

/// What the processor has, if the system keeps the tiles of each thread.
fn processor() -> Granted {
    const XSAVE_BY_SYSTEM: u32 = 1 << 27;
    const TILE: u32 = 1 << 24;
    const BF16: u32 = 1 << 22;
    const INT8: u32 = 1 << 25;
    /// The configuration and the contents of tiles.
    const TILE_STATE: u64 = 0b11 << 17;
    /// Leaf 0x1d of palette 1: 8,192 bytes in tiles of 1,024; 8 of them, of 64 bytes a row; 16 rows.
    const PALETTE: [u32; 3] = [8192 | 1024 << 16, 64 | 8 << 16, 16];
    if __cpuid_count(0, 0).eax < 0x1d || __cpuid_count(1, 0).ecx & XSAVE_BY_SYSTEM == 0 {
        return Granted::default();
    }
    let features = __cpuid_count(7, 0).edx;
    let (low, high): (u32, u32);
    // SAFETY: the system uses XSAVE, so XGETBV of register 0 is there; it touches nothing but the two
    // registers that it writes.
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

/// Asks Linux to keep this process's tiles; other systems are not asked, and refuse.
fn permission() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_STATE: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    if !cfg!(target_os = "linux") {
        return false;
    }
    let result: i64;
    // SAFETY: arch_prctl of this request reads and writes no memory of ours; a system call changes
    // RAX, RCX and R11 alone.
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

/// Eight tiles of 16 rows of 64 bytes.
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

/// Defines a product by one instruction.
macro_rules! by_tiles {
    ($(#[$doc:meta])* $product:ident, $two_rows:ident, $one_row:ident, $sum:ty, $multiply:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        ///
        /// The processor must have the instruction, the system must have granted it, factors must have the
        /// lengths that [`Factors::check`] asks for, and sums those that [`Sums::new`] does.
        pub(super) unsafe fn $product(factors: &Factors<'_>, sums: Sums<'_, $sum>, more: bool) {
            let Sums { first: output, stride, .. } = sums;
            let Factors { left, rows, right, panels, depth } = *factors;
            let row_tiles = rows.div_ceil(LANES);
            // SAFETY: the configuration is that of the palette that `processor` has found. No Rust code
            // uses tiles, so nothing is lost when they are released.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &TILES, options(nostack, readonly)) };
            // Without inputs, the one round writes zeros.
            for start in (0..depth.max(1)).step_by(BLOCK) {
                let tiles = BLOCK.min(depth - start);
                for panel in (0..panels).step_by(2) {
                    for tile in (0..row_tiles).step_by(2) {
                        // SAFETY: `check` holds the lengths against the sizes, and `panels` is even. From
                        // the tile of a row tile's unit `start`, `tiles` tiles of 1,024 bytes follow each
                        // other; from a panel's line, `16 * tiles` lines follow at a distance of
                        // `panels`, each with its neighbour; a row tile has 16 rows of sums at a
                        // distance of `stride`.
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

        /// Two tiles of rows and two panels: adds to the sums, or writes them, unless `more`.
        ///
        /// # Safety
        ///
        /// See the call. The tiles must be configured.
        unsafe fn $two_rows(
            left: [*const Line; 2],
            right: *const Line,
            panels: usize,
            tiles: usize,
            sums: [*mut $sum; 2],
            stride: usize,
            more: bool,
        ) {
            let units = panels * size_of::<Line>();
            // SAFETY: all that is read and written is named by the caller's pointers and sizes; all
            // registers that change are said to.
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
                    line = in(reg) size_of::<Line>(),
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

        /// One tile of rows and two panels, as above.
        ///
        /// # Safety
        ///
        /// See the call. The tiles must be configured.
        unsafe fn $one_row(
            left: *const Line,
            right: *const Line,
            panels: usize,
            tiles: usize,
            sums: *mut $sum,
            stride: usize,
            more: bool,
        ) {
            let units = panels * size_of::<Line>();
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
                    line = in(reg) size_of::<Line>(),
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
    /// bf16.
    bf16, bf16_two_rows, bf16_one_row, f32, "tdpbf16ps"
);
by_tiles!(
    /// Bytes.
    bytes, bytes_two_rows, bytes_one_row, i32, "tdpbusd"
);
