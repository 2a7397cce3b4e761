//! Several values in one input.

/// Splits an input at NUL bytes, which neither JSON nor headers contain.
pub(crate) fn split_at_nul<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
