//! Deterministic ids: every run of a test sees the same ones.

/// The user that the keys belong to. This user also launches scans and owns configurations.
pub(crate) const USER: &str = "0a1b2c3d-1111-4222-8333-444455556666";

/// The tenant's container id.
pub(crate) const CONTAINER: &str = "9f084368-f11e-4d69-be63-df5e2a0b2635";

/// A UUID derived from the parts.
pub(crate) fn uuid_of(parts: &[&str]) -> String {
    let high = hash(parts);
    let low = hash(&[parts, &["low"]].concat());
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// FNV-1a over length-marked parts, then mixed: FNV alone changes too few high bits for short inputs.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(hash)
}

/// The output function of `SplitMix64`.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
