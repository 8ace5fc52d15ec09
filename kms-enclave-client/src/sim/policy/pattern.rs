//! Text with `*` (any characters) and `?` (one character), as in IAM.

/// A pattern of an action or of `StringLike`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<char>);

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.matches_by(text, |a, b| a == b)
    }

    pub(crate) fn matches_ignoring_case(&self, text: &str) -> bool {
        self.matches_by(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// Greedy with one point of return: the work is at most the product of both lengths.
    fn matches_by(&self, text: &str, equal: impl Fn(char, char) -> bool) -> bool {
        let (pattern, text) = (&self.0, text.chars().collect::<Vec<_>>());
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == '?' || equal(c, text[t]) => {
                    p += 1;
                    t += 1;
                }
                _ => {
                    let Some((star_p, star_t)) = star else { return false };
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }
}

/// A pattern of `ArnLike`: each of the six parts between colons is a pattern of its own, so that no `*` reaches over a
/// colon. ArnEquals and ArnLike "behave identically":
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArnPattern([Pattern; 6]);

impl ArnPattern {
    /// `None` if the text has not six parts.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let parts: Vec<Pattern> = text.splitn(6, ':').map(Pattern::new).collect();
        parts.try_into().ok().map(Self)
    }

    pub(crate) fn matches(&self, arn: &str) -> bool {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        parts.len() == self.0.len() && self.0.iter().zip(parts).all(|(pattern, part)| pattern.matches(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_iam_does() {
        for (pattern, text, expected) in [
            ("kms:*", "kms:Decrypt", true),
            ("kms:GenerateDataKey*", "kms:GenerateDataKeyWithoutPlaintext", true),
            ("kms:GenerateDataKey", "kms:GenerateDataKeyPair", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("**a", "bca", true),
            ("A", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("KMS:dec*").matches_ignoring_case("kms:Decrypt"));
    }

    #[test]
    fn an_arn_pattern_does_not_reach_over_a_colon() {
        let matches = |pattern: &str, arn: &str| ArnPattern::new(pattern).is_some_and(|pattern| pattern.matches(arn));
        let role = "arn:aws:iam::111122223333:role/path/enclave";
        for pattern in [role, "arn:*:iam::*:role/*", "arn:aws:iam:*:1111222233??:*", "*:*:*:*:*:*"] {
            assert!(matches(pattern, role), "{pattern}");
        }
        for pattern in ["*", "arn:aws:iam:*", "arn:aws:*:role/*", "arn:aws:iam::*:user/*", "arn:aws:iam:::role/*"] {
            assert!(!matches(pattern, role), "{pattern}");
        }
        // IAM's own example: StringLike would match.
        let pattern = "arn:aws:someservice:*:111122223333:finance/*";
        let arn = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt";
        assert!(!matches(pattern, arn) && Pattern::new(pattern).matches(arn));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = Pattern::new(&"a*".repeat(2000));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(1999))));
    }
}
