/// A set of short texts in two allocations, so that a policy takes little more memory than its JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextSet {
    /// The texts in order, one directly after the other.
    text: Box<str>,
    /// Where each ends. A policy's JSON is shorter than 64 KiB, and so is everything in it.
    ends: Box<[u16]>,
}

impl TextSet {
    /// `None` if the texts have more than 65535 bytes together.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        let end = |end: &mut usize, text: &&str| {
            *end += text.len();
            Some(u16::try_from(*end).ok())
        };
        let ends = texts.iter().scan(0, end).collect::<Option<_>>()?;
        Some(Self { text: texts.concat().into(), ends })
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(text) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// The first in order.
    pub(super) fn first(&self) -> Option<&str> {
        (!self.is_empty()).then(|| self.at(0))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    #[cfg(test)]
    pub(super) fn heap_len(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }

    fn at(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[usize::from(start)..usize::from(self.ends[index])]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::btree_set, prelude::*};

    use super::*;

    #[test]
    fn refuses_what_its_offsets_cannot_reach() {
        let long = "a".repeat(65_535);
        assert!(TextSet::new([long.as_str()]).is_some());
        assert!(TextSet::new([long.as_str(), "b"]).is_none());
    }

    proptest! {
        #[test]
        fn holds_what_it_was_given_and_nothing_else(texts in btree_set("[a-c]{0,3}", 0..20), other in "[a-c]{0,3}") {
            let texts: BTreeSet<String> = texts;
            let set = TextSet::new(texts.iter().map(String::as_str)).unwrap();
            prop_assert!(texts.iter().all(|text| set.contains(text)));
            prop_assert_eq!(set.contains(&other), texts.contains(&other));
            prop_assert_eq!(set.first(), texts.first().map(String::as_str));
        }
    }
}
