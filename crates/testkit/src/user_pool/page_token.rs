//! The page token: where a pass goes on, hidden from the client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::generated::mix;

const FIELDS: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageToken {
    /// The key of the first user of the page.
    pub(super) key: u128,
    /// Which page of its pass it leads to, from 1 on.
    pub(super) page: u64,
    /// What the pass asks for: pool, filter and attributes.
    pub(super) query: u64,
    pub(super) issued_ms: u64,
    /// `ListUsers` requests until then.
    pub(super) issued_requests: u64,
    pub(super) generation: u64,
}

impl PageToken {
    pub(super) fn seal(&self, seed: u64) -> String {
        let high = u64::try_from(self.key >> 64).expect("64 bits");
        let low = u64::try_from(self.key & u128::from(u64::MAX)).expect("64 bits");
        let fields = [high, low, self.page, self.query, self.issued_ms, self.issued_requests, self.generation];
        let check = digest(seed, fields);
        let bytes: Vec<u8> =
            std::iter::once(check).chain(mask(seed, check, fields)).flat_map(u64::to_be_bytes).collect();
        STANDARD.encode(bytes)
    }

    /// None if it was not sealed with this seed.
    pub(super) fn open(text: &str, seed: u64) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().copied().map(u64::from_be_bytes).collect();
        let [check, fields @ ..] = &*numbers else { return None };
        let fields = mask(seed, *check, <[u64; FIELDS]>::try_from(fields).ok()?);
        let [high, low, page, query, issued_ms, issued_requests, generation] = fields;
        let key = u128::from(high) << 64 | u128::from(low);
        let is_whole = rest.is_empty() && *check == digest(seed, fields);
        is_whole.then_some(Self { key, page, query, issued_ms, issued_requests, generation })
    }
}

fn mask(seed: u64, check: u64, fields: [u64; FIELDS]) -> [u64; FIELDS] {
    let mut number = check;
    fields.map(|field| {
        number = mix(seed, number);
        field ^ number
    })
}

fn digest(seed: u64, fields: [u64; FIELDS]) -> u64 {
    fields.into_iter().fold(seed, mix)
}

/// A number that stands for a text.
pub(super) fn digest_of_text(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |digest, byte| mix(digest, u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_opened_by_its_own_pool_and_refused_after_any_change() {
        let token = PageToken { key: 1 << 100 | 5, page: 2, query: 3, issued_ms: 4, issued_requests: 5, generation: 6 };
        let sealed = token.seal(9);
        assert_eq!(PageToken::open(&sealed, 9), Some(token));
        assert_eq!(PageToken::open(&sealed, 10), None);
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("it is ASCII");
            assert_eq!(PageToken::open(&changed, 9), None, "byte {position} is changed: {changed}");
        }
    }
}
