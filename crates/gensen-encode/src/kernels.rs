//! The kernels of the CPU, on plain slices: those of encoding and those of training.
//!
//! | module | of | what it computes |
//! | --- | --- | --- |
//! | [`math`] | both | elementary functions that the compiler turns into vector code |
//! | `gate_products`, `gates` | encoding | a GRU's products in f32, f16 or i8, and its gate equations |
//! | [`gemm`] | training | matrix products and sums of columns |
//! | [`products`] | both | matrix products in bf16 and of bytes, by AMX and by vectors |
//! | [`panels`] | training | products of a few rows with the same weights, time step after time step |
//! | [`scan`] | training | a GRU over a batch laid out by [`steps`], and its derivative |
//! | [`softmax`] | training | a row of logits to a loss and its gradient |
//! | [`adam`] | training | Adam's update and square norms |
//! | [`memory`] | training | large arrays that are used again step after step |
//!
//! Kernels cut their work at places that depend on sizes alone, so that the order of additions, and
//! with it every bit of a result, does not depend on the number of threads. The modules are public for
//! `gensen-model`, whose operations on the CPU call them; programs have no need of them.

pub mod adam;
pub(crate) mod gate_products;
pub(crate) mod gates;
pub mod gemm;
pub mod math;
pub mod memory;
pub mod panels;
pub mod products;
pub mod scan;
pub mod softmax;
pub mod steps;

#[cfg(test)]
pub(crate) mod harness;
