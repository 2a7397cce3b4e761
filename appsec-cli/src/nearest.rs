//! Orders what is known by its similarity to what was typed.

/// How similar two texts are, ignoring case: from 0 to 1.
pub(crate) fn similarity(typed: &str, known: &str) -> f64 {
    let (typed, known) = (typed.to_lowercase(), known.to_lowercase());
    if known.contains(&typed) {
        // A part of a long name is nearer than any other name.
        return 1.0;
    }
    strsim::normalized_damerau_levenshtein(&typed, &known)
}

/// Sorts by descending similarity. Elements with the same similarity keep their order.
pub(crate) fn sort_by_similarity<T>(list: &mut [T], similarity: impl Fn(&T) -> f64) {
    list.sort_by(|one, other| similarity(other).total_cmp(&similarity(one)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first() {
        let mut names = ["production", "shop", "storefront nightly", "ship"];
        sort_by_similarity(&mut names, |name| similarity("Shpo", name));
        assert_eq!(names[0], "shop");
        sort_by_similarity(&mut names, |name| similarity("nightly", name));
        assert_eq!(names[0], "storefront nightly");
    }
}
