//! Emulates AMX on processors without it: the instructions of our assembly raise SIGILL, and a
//! signal handler executes them.
//!
//! So the tests run the assembly on any x86-64 Linux. They check its registers, strides and loops
//! against [`emulation`](super::emulation), though not the arithmetic of a real processor.

use std::cell::Cell;
use std::sync::Once;

use libc::{c_int, c_void, siginfo_t, ucontext_t};

use super::emulation;

const ROWS: usize = 16;
const UNITS: usize = 16;

type TileData = [[u32; UNITS]; ROWS];

thread_local! {
    /// The tiles of this thread, whether they are configured, and how many instructions it has
    /// emulated.
    static TILES: Cell<[TileData; 8]> = const { Cell::new([[[0; UNITS]; ROWS]; 8]) };
    static CONFIGURED: Cell<bool> = const { Cell::new(false) };
    static INSTRUCTIONS: Cell<usize> = const { Cell::new(0) };
}

/// Installs the signal handler in this process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a zeroed action has an empty mask, and the handler has the signature of
        // SA_SIGINFO.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut())
        };
        assert_eq!(result, 0, "a handler of SIGILL");
    });
}

/// The number of instructions emulated by this thread.
pub(super) fn instructions() -> usize {
    INSTRUCTIONS.get()
}

extern "C" fn handle(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO, the third argument is the interrupted thread's context.
    let context = unsafe { &mut *context.cast::<ucontext_t>() };
    let registers = &mut context.uc_mcontext.gregs;
    // SAFETY: the address is that of the refused instruction; ours are at most 12 bytes long, and
    // more code follows them.
    let code = unsafe { *(registers[libc::REG_RIP as usize] as *const [u8; 12]) };
    match step(&code, registers) {
        Some(length) => registers[libc::REG_RIP as usize] += length as i64,
        // Not ours: it is refused again under the default action, which ends the process.
        // SAFETY: the default action needs no handler.
        None => unsafe {
            libc::signal(libc::SIGILL, libc::SIG_DFL);
        },
    }
    INSTRUCTIONS.set(INSTRUCTIONS.get() + 1);
}

/// Executes an instruction and returns its length; `None` if it is not one of ours.
fn step(code: &[u8; 12], registers: &[i64; 23]) -> Option<usize> {
    let [0xc4, first, second, opcode, modrm, ..] = *code else {
        return None;
    };
    // VEX with three bytes; map 0F38, W and L zero.
    if first & 0x1f != 2 || second & 0x84 != 0 {
        return None;
    }
    let (prefix, third) = (second & 3, usize::from(!second >> 3 & 15));
    let (mode, reg, rm) = (
        modrm >> 6,
        usize::from(modrm >> 3 & 7),
        usize::from(modrm & 7),
    );
    let extended = |bit: u8| if first >> bit & 1 == 0 { 8 } else { 0 };
    let mut tiles = TILES.get();
    let mut length = 5;
    match (opcode, prefix, mode) {
        // ldtilecfg
        (0x49, 0, 0..3) => {
            let (address, size) = address(code, registers, extended)?;
            length = size;
            // SAFETY: the operand of `ldtilecfg` is 64 bytes.
            let bytes = unsafe { *(address as *const [u8; 64]) };
            let rows = (0..8).all(|t| bytes[48 + t] == 16);
            let columns = (0..8).all(|t| bytes[16 + 2 * t] == 64 && bytes[17 + 2 * t] == 0);
            assert!(bytes[0] == 1 && rows && columns, "configuration of tiles");
            tiles = Default::default();
            CONFIGURED.set(true);
        }
        // tilerelease
        (0x49, 0, 3) => CONFIGURED.set(false),
        // tilezero
        (0x49, 3, 3) => tiles[reg] = Default::default(),
        // tileloadd, tilestored
        (0x4b, 2 | 3, 0..3) => {
            assert!(CONFIGURED.get(), "tiles are not configured");
            let stride = stride(code, registers, extended)?;
            let (address, size) = address(code, registers, extended)?;
            length = size;
            for (row, line) in tiles[reg].iter_mut().enumerate() {
                let place = (address + row as i64 * stride) as *mut [u32; UNITS];
                // SAFETY: the assembly under test addresses only its factors and sums.
                unsafe {
                    match prefix {
                        3 => *line = place.read_unaligned(),
                        _ => place.write_unaligned(*line),
                    }
                }
            }
        }
        // tdpbf16ps, tdpbusd
        (0x5c, 2, 3) | (0x5e, 1, 3) => {
            assert!(CONFIGURED.get(), "tiles are not configured");
            let (a, b) = (tiles[rm], tiles[third]);
            for row in 0..ROWS {
                for column in 0..UNITS {
                    let units = (0..UNITS).map(|k| (a[row][k], b[k][column]));
                    let sum = &mut tiles[reg][row][column];
                    *sum = if opcode == 0x5c {
                        emulation::tdpbf16ps(f32::from_bits(*sum), units).to_bits()
                    } else {
                        let bytes = |sum, (a, b)| emulation::dpbusd(sum, a, b);
                        units.fold(*sum as i32, bytes) as u32
                    };
                }
            }
        }
        _ => return None,
    }
    TILES.set(tiles);
    Some(length)
}

/// The contents of a register by its number in instructions.
fn register(registers: &[i64; 23], number: usize) -> i64 {
    let places = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];
    registers[places[number] as usize]
}

/// The address of a memory operand, without its index register, and the instruction's length.
fn address(
    code: &[u8; 12],
    registers: &[i64; 23],
    extended: impl Fn(u8) -> usize,
) -> Option<(i64, usize)> {
    let (mode, rm, scaled) = (code[4] >> 6, code[4] & 7, code[5]);
    let (base, mut length) = match rm {
        4 => (usize::from(scaled & 7), 6),
        rm => (usize::from(rm), 5),
    };
    if mode == 0 && base == 5 {
        return None; // without a base
    }
    let displacement = match mode {
        0 => 0,
        1 => i64::from(code[length] as i8),
        _ => i64::from(i32::from_le_bytes(*code[length..].first_chunk()?)),
    };
    length += [0, 1, 4][usize::from(mode)];
    let base = register(registers, base + extended(5));
    Some((base + displacement, length))
}

/// The stride of rows: the index register times its scale.
fn stride(code: &[u8; 12], registers: &[i64; 23], extended: impl Fn(u8) -> usize) -> Option<i64> {
    if code[4] & 7 != 4 {
        return None;
    }
    let index = usize::from(code[5] >> 3 & 7) + extended(6);
    (index != 4).then(|| register(registers, index) << (code[5] >> 6))
}
