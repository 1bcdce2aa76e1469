//! A set of words that numbers them in order of arrival.

use std::hash::Hasher;

use rustc_hash::FxHasher;

const EMPTY: u64 = u64::MAX;

/// Words in order of arrival: one text arena, their ends, and an open-addressing index.
///
/// About 8 bytes an index slot and 4 a word beside the text; no allocation per word.
#[derive(Clone, Debug, Default)]
pub(crate) struct WordTable {
    text: String,
    ends: Vec<u32>,
    /// Upper 32 bits: upper half of the word's hash. Lower 32 bits: its number.
    slots: Vec<u64>,
}

/// The hash that [`WordTable`] uses: its lower bits choose the slot.
pub(crate) fn hash(word: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(word.as_bytes());
    // Mixed once more, so that words that agree in some bits do not agree in others.
    let hash = hasher.finish();
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

impl WordTable {
    /// The most text a table can hold, in bytes.
    pub(crate) const MAX_TEXT: usize = u32::MAX as usize;

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of all words together.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// All words, laid end to end.
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
        (0..self.len()).map(|number| self.word(number).unwrap_or_default())
    }

    pub(crate) fn find(&self, word: &str) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.probe(word, hash(word)).ok()
    }

    /// The word's number; a new word gets the next one.
    ///
    /// The caller keeps the table below [`Self::MAX_TEXT`] bytes.
    pub(crate) fn intern(&mut self, word: &str) -> u32 {
        self.intern_hashed(word, hash(word))
    }

    /// [`WordTable::intern`] for a word whose [`hash`] is known.
    pub(crate) fn intern_hashed(&mut self, word: &str, hash: u64) -> u32 {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        match self.probe(word, hash) {
            Ok(number) => number,
            Err(slot) => {
                let number = self.ends.len() as u32;
                self.text.push_str(word);
                self.ends.push(self.text.len() as u32);
                self.slots[slot] = tag(hash) | u64::from(number);
                number
            }
        }
    }

    /// Forgets the words and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.slots.fill(EMPTY);
    }

    /// The number of `word`, or the free slot where it belongs. There is always a free slot.
    fn probe(&self, word: &str, hash: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let tag = tag(hash);
        let mut slot = hash as usize & mask;
        loop {
            let found = self.slots[slot];
            if found == EMPTY {
                return Err(slot);
            }
            if found & TAG == tag {
                let number = found as u32;
                if self.word(number as usize) == Some(word) {
                    return Ok(number);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let mut slots = vec![EMPTY; size];
        for (number, word) in self.words().enumerate() {
            let hash = hash(word);
            let mut slot = hash as usize & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = tag(hash) | number as u64;
        }
        self.slots = slots;
    }
}

const TAG: u64 = 0xffff_ffff_0000_0000;

/// The upper half of the hash, never that of [`EMPTY`].
fn tag(hash: u64) -> u64 {
    match hash & TAG {
        TAG => 0,
        tag => tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_numbered_in_order_of_arrival() {
        let mut table = WordTable::default();
        assert_eq!(table.find("a"), None);
        let words: Vec<String> = (0..5_000).map(|i| format!("w{}", i * 7)).collect();
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
