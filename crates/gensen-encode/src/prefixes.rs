//! Prefixes that several sentences share.
//!
//! After the same words, a GRU is in the same state, bit for bit. So each distinct prefix of a
//! batch's sentences is a node of a tree, and its state is computed once: that of `<s>`, of a
//! frequent first word, of a repeated sentence. For the backward direction, prefixes start at a
//! sentence's end.

use std::collections::HashMap;
use std::ops::Range;

/// The distinct prefixes of a batch's sentences. Level 0 holds those of one word, level 1 those of
/// two.
pub(crate) struct Prefixes {
    levels: Vec<Level>,
    /// The last word of each node.
    words: Vec<u32>,
    /// The index of each node's parent in the level before.
    parents: Vec<u32>,
    /// The node of each word of each sentence.
    nodes: Vec<u32>,
}

/// The prefixes of one length. Those that a longer prefix continues come first.
pub(crate) struct Level {
    /// The nodes' indices.
    pub(crate) nodes: Range<usize>,
    /// The number of them with children.
    pub(crate) continued: usize,
}

impl Prefixes {
    /// The prefixes of these sentences, or of the sentences read `backwards`.
    pub(crate) fn new(sentences: &[&[u32]], backwards: bool) -> Self {
        let mut starts = Vec::with_capacity(sentences.len());
        let mut total = 0;
        for sentence in sentences {
            starts.push(total);
            total += sentence.len();
        }
        let mut prefixes = Self {
            levels: Vec::new(),
            words: Vec::new(),
            parents: Vec::new(),
            nodes: vec![0; total],
        };
        // Longest sentences first: so a node is made by the longest sentence through it, and nodes
        // with children are made before those without.
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(sentences[i].len()));
        let mut reached = vec![0_u32; sentences.len()];
        let mut known = HashMap::new();
        for depth in 0.. {
            order.truncate(order.partition_point(|&i| sentences[i].len() > depth));
            if order.is_empty() {
                break;
            }
            let first = prefixes.words.len();
            let mut continued = 0;
            known.clear();
            for &i in &order {
                let sentence = sentences[i];
                let place = if backwards {
                    sentence.len() - 1 - depth
                } else {
                    depth
                };
                let key = (reached[i], sentence[place]);
                let node = *known.entry(key).or_insert_with(|| {
                    prefixes.parents.push(key.0);
                    prefixes.words.push(key.1);
                    continued += usize::from(sentence.len() > depth + 1);
                    (prefixes.words.len() - 1 - first) as u32
                });
                reached[i] = node;
                prefixes.nodes[starts[i] + place] = first as u32 + node;
            }
            prefixes.levels.push(Level {
                nodes: first..prefixes.words.len(),
                continued,
            });
        }
        prefixes
    }

    /// The levels, shortest prefixes first.
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The last word of each node.
    pub(crate) fn words(&self) -> &[u32] {
        &self.words
    }

    /// The index of each node's parent in the level before.
    pub(crate) fn parents(&self) -> &[u32] {
        &self.parents
    }

    /// The number of nodes in the widest level.
    pub(crate) fn widest(&self) -> usize {
        let widths = self.levels.iter().map(|level| level.nodes.len());
        widths.max().unwrap_or(0)
    }

    /// The node of each word, one sentence after the other.
    pub(crate) fn into_nodes(self) -> Vec<u32> {
        self.nodes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shared_beginnings_are_one_node() {
        let sentences: [&[u32]; 5] = [&[1, 2], &[1, 3, 4], &[1], &[1, 3, 4], &[5]];
        let prefixes = Prefixes::new(&sentences, false);
        assert_eq!(prefixes.words(), [1, 5, 3, 2, 4]);
        assert_eq!(prefixes.parents(), [0, 0, 0, 0, 0]);
        let levels = prefixes.levels().iter();
        let levels: Vec<_> = levels.map(|l| (l.nodes.clone(), l.continued)).collect();
        assert_eq!(levels, [(0..2, 1), (2..4, 1), (4..5, 0)]);
        assert_eq!(prefixes.into_nodes(), [0, 3, 0, 2, 4, 0, 0, 2, 4, 1]);
        let backwards = Prefixes::new(&sentences, true);
        assert_eq!(backwards.words(), [4, 2, 1, 5, 3, 1, 1]);
        assert!(Prefixes::new(&[], false).levels().is_empty());
    }

    proptest! {
        #[test]
        fn following_the_nodes_gives_the_sentences(
            sentences in prop::collection::vec(prop::collection::vec(0..3_u32, 0..6), 0..12),
            backwards: bool,
        ) {
            let slices: Vec<&[u32]> = sentences.iter().map(Vec::as_slice).collect();
            let prefixes = Prefixes::new(&slices, backwards);
            for pair in prefixes.levels().windows(2) {
                for &parent in &prefixes.parents()[pair[1].nodes.clone()] {
                    prop_assert!((parent as usize) < pair[0].continued);
                }
            }
            let (words, parents) = (prefixes.words().to_vec(), prefixes.parents().to_vec());
            let starts: Vec<_> = prefixes.levels().iter().map(|l| l.nodes.start).collect();
            let nodes = prefixes.into_nodes();
            let mut start = 0;
            for sentence in &sentences {
                let mut path = nodes[start..start + sentence.len()].to_vec();
                let mut expected = sentence.clone();
                if backwards {
                    path.reverse();
                    expected.reverse();
                }
                for (depth, &node) in path.iter().enumerate() {
                    prop_assert_eq!(words[node as usize], expected[depth]);
                    if depth > 0 {
                        let parent = starts[depth - 1] + parents[node as usize] as usize;
                        prop_assert_eq!(parent, path[depth - 1] as usize);
                    }
                }
                start += sentence.len();
            }
        }
    }
}
