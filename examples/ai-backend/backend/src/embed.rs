//! Vectors of files: each word counts in one of the dimensions, and all have the length 1.

use crate::contract::{Batch, Embeddings};
use crate::random::{NOTHING, Random, hash};

const DIMENSIONS: usize = 256;

/// `None`: it was cancelled.
pub fn embed(Batch { files }: &Batch, is_cancelled: impl Fn() -> bool) -> Option<Embeddings> {
    let mut vectors = Vec::with_capacity(files.len() * DIMENSIONS * size_of::<f32>());
    for file in files {
        if is_cancelled() {
            return None;
        }
        vectors.extend(vector(&file.text).iter().flat_map(|value| value.to_le_bytes()));
    }
    Some(Embeddings { dimensions: DIMENSIONS, vectors })
}

fn vector(text: &str) -> [f32; DIMENSIONS] {
    let mut vector = [0.0; DIMENSIONS];
    for word in text.split_ascii_whitespace() {
        // Hashes of words that are alike have bits in common.
        let mixed = Random::new(hash(NOTHING, word.as_bytes())).next();
        let [dimension, sign, ..] = mixed.to_le_bytes();
        vector[usize::from(dimension)] += if sign < 128 { 1.0 } else { -1.0 };
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    // Without words it is zero in all dimensions.
    if length > 0.0 { vector.map(|value| value / length) } else { vector }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_the_same_words_are_near() {
        let [one, other, far] = ["a reader waits", "waits a reader", "quite another"].map(vector);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((near(&one, &other) - 1.0).abs() < 1e-6);
        assert!(near(&one, &far) < 0.5);
    }

    #[test]
    fn a_file_without_words_is_zero() {
        assert!(vector(" \n").iter().all(|&value| value == 0.0));
    }
}
