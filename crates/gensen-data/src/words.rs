//! A table that numbers distinct words in order of insertion.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Distinct words numbered in order of insertion: their concatenated text, the end of each, and a
/// hash table with open addressing.
///
/// Words of up to eight bytes, the great majority, are stored in the hash table itself, so that a
/// look-up usually touches one cache line only.
#[derive(Clone, Debug, Default)]
pub(crate) struct WordTable {
    text: String,
    ends: Vec<u32>,
    /// A power of two of them, or none; at least a quarter is always free.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    bits: u64,
    len: u32,
    number: u32,
}

const FREE: Slot = Slot {
    bits: 0,
    len: 0,
    number: u32::MAX,
};

/// The key of a word in the hash table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordKey {
    /// The bytes of a word of up to [`WordKey::WHOLE`] bytes, the hash of a longer one.
    bits: u64,
    len: u32,
    /// The hash. Its lower bits select a slot; its upper bits are free for other uses.
    pub(crate) hash: u64,
}

impl WordKey {
    /// The largest length in bytes of a word that is identified by its key alone.
    const WHOLE: u32 = 8;

    pub(crate) fn of(word: &str) -> Self {
        let bytes = word.as_bytes();
        let bits = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            _ if bytes.len() > Self::WHOLE as usize => {
                let mut hasher = FxHasher::default();
                hasher.write(bytes);
                hasher.finish()
            }
            // The first and last four bytes, which may overlap, identify the word with its length.
            (Some(first), Some(last)) => {
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                u64::from(first) | (u64::from(last) << 32)
            }
            _ => bytes
                .iter()
                .fold(0, |bits, byte| (bits << 8) | u64::from(*byte)),
        };
        Self::new(bits, bytes.len() as u32)
    }

    fn new(bits: u64, len: u32) -> Self {
        let mixed = bits ^ u64::from(len).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        Self {
            bits,
            len,
            hash: mixed ^ (mixed >> 32),
        }
    }
}

impl WordTable {
    /// The limit on the text of a table in bytes.
    pub(crate) const MAX_TEXT: usize = u32::MAX as usize;

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All words, concatenated.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn word(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)? as usize;
        let start = match number {
            0 => 0,
            _ => self.ends[number - 1] as usize,
        };
        self.text.get(start..end)
    }

    pub(crate) fn words(&self) -> impl ExactSizeIterator<Item = &str> {
        #[allow(
            clippy::expect_used,
            reason = "there are as many words as numbers below `len`"
        )]
        (0..self.len()).map(|number| self.word(number).expect("a word of each number"))
    }

    pub(crate) fn find(&self, word: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.probe(word, WordKey::of(word)).ok()
    }

    /// The number of a word, which is added if it is new.
    ///
    /// The caller must keep the text within [`Self::MAX_TEXT`] bytes.
    pub(crate) fn intern(&mut self, word: &str) -> u32 {
        self.intern_key(word, WordKey::of(word))
    }

    /// [`WordTable::intern`] with the key of the word.
    pub(crate) fn intern_key(&mut self, word: &str, key: WordKey) -> u32 {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        match self.probe(word, key) {
            Ok(number) => number,
            Err(slot) => {
                let number = self.ends.len() as u32;
                self.text.push_str(word);
                self.ends.push(self.text.len() as u32);
                self.slots[slot] = Slot {
                    bits: key.bits,
                    len: key.len,
                    number,
                };
                number
            }
        }
    }

    /// Removes all words and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.slots.fill(FREE);
    }

    /// The number of `word`, or the free slot for it.
    fn probe(&self, word: &str, key: WordKey) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = key.hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.number == FREE.number {
                return Err(at);
            }
            if slot.bits == key.bits
                && slot.len == key.len
                && (key.len <= WordKey::WHOLE || self.word(slot.number as usize) == Some(word))
            {
                return Ok(slot.number);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let slots = std::mem::replace(&mut self.slots, vec![FREE; size]);
        for slot in slots.into_iter().filter(|slot| slot.number != FREE.number) {
            let mut at = WordKey::new(slot.bits, slot.len).hash as usize & (size - 1);
            while self.slots[at].number != FREE.number {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_in_order_of_arrival() {
        let mut table = WordTable::default();
        assert_eq!(table.find("a"), None);
        let words: Vec<String> = (0..5_000u64)
            .map(|i| "x".repeat(i as usize % 13) + &format!("{i:x}"))
            .collect();
        for (i, word) in words.iter().enumerate() {
            assert_eq!(table.intern(word), i as u32);
        }
        for (i, word) in words.iter().enumerate() {
            assert_eq!(table.intern(word), i as u32);
            assert_eq!(table.find(word), Some(i as u32));
            assert_eq!(table.word(i), Some(word.as_str()));
        }
        assert_eq!(table.len(), 5_000);
        assert_eq!(table.find("w1"), None);
        assert_eq!(table.word(5_000), None);
        assert!(table.words().eq(words.iter().map(String::as_str)));
        table.clear();
        assert_eq!((table.len(), table.find("w0")), (0, None));
        assert_eq!(table.intern(""), 0);
        assert_eq!(table.find(""), Some(0));
    }
}
