//! The order of the list.

use std::ops::RangeInclusive;

use uuid::Uuid;

use super::generated::mix;

const DIGITS: u32 = 32;

/// Replaces each hexadecimal digit of a `sub`, by another table at each place.
///
/// So the order is stable, and neither that of creation nor that of the `sub`: nothing may rely on either. And the
/// users whose `sub` begins alike still stand together, so a filter by `sub` reads only these.
#[derive(Debug)]
pub(super) struct Keys([[u8; 16]; DIGITS as usize]);

impl Keys {
    pub(super) fn new(seed: u64) -> Self {
        let mut tables = [[0; 16]; DIGITS as usize];
        for (place, table) in (0..).zip(&mut tables) {
            let mut digits: Vec<u8> = (0..16).collect();
            digits.sort_by_key(|digit| mix(mix(seed, 100 + place), u64::from(*digit)));
            table.copy_from_slice(&digits);
        }
        Self(tables)
    }

    pub(super) fn key(&self, sub: Uuid) -> u128 {
        let sub = sub.as_u128();
        (0..DIGITS).zip(&self.0).fold(0, |key, (place, table)| {
            let digit = usize::try_from((sub >> (4 * (DIGITS - 1 - place))) & 15).expect("a digit");
            key << 4 | u128::from(table[digit])
        })
    }

    /// The keys of all `sub`s that begin so.
    pub(super) fn range(&self, prefix: &str) -> RangeInclusive<u128> {
        let digits = prefix.chars().filter(|character| *character != '-').map_while(|character| character.to_digit(16));
        let mut free = 128;
        let mut start = 0;
        for (digit, table) in digits.zip(&self.0) {
            free -= 4;
            start |= u128::from(table[digit as usize]) << free;
        }
        let rest = if free == 0 { 0 } else { u128::MAX >> (128 - free) };
        start..=start | rest
    }
}

#[cfg(test)]
mod tests {
    use super::super::generated::sub;
    use super::*;

    #[test]
    fn a_prefix_of_a_sub_is_a_run_of_keys_and_no_other_sub_is_in_it() {
        let keys = Keys::new(7);
        for (length, number) in [(0, 1), (1, 2), (3, 3), (9, 4), (12, 5), (36, 6)] {
            let text = sub(1, number).to_string();
            let range = keys.range(&text[..length]);
            for other in (0..500).map(|other| sub(1, other)) {
                let begins_so = other.to_string().starts_with(&text[..length]);
                assert_eq!(range.contains(&keys.key(other)), begins_so, "{other} and {:?}", &text[..length]);
            }
        }
    }
}
