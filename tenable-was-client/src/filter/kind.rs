//! The kinds of [`Field`](super::Field): which operators a field takes, and which values.
//!
//! They are type parameters only; no value of them exists outside this crate.

use std::marker::PhantomData;

/// A field of text: `eq`, `match`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Text;

/// A field of a point in time: `lt`, `lte`, `gt`, `gte`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Time;

/// A field of one value of type `V`: `eq`.
#[derive(Debug)]
pub struct Exact<V>(PhantomData<fn() -> V>);

/// A field of one value out of a fixed set: `eq`, `neq`.
#[derive(Debug)]
pub struct Choice<V>(PhantomData<fn() -> V>);

/// The status of the last scan of a configuration: `eq`, and `contains`, which the service does not list
/// but accepts (observed).
#[derive(Debug)]
pub struct LastScanStatus<V>(PhantomData<fn() -> V>);

/// The status of a scan: `eq`, `neq`, `match`, `nmatch`, `contains`, `ncontains`.
#[derive(Debug)]
pub struct ScanStatus<V>(PhantomData<fn() -> V>);
