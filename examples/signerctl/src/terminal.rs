//! Text that may be anybody's, made harmless for terminals and short enough for people.

/// Printable ASCII as it is, everything else as an escape: control characters command terminals, and what reorders,
/// hides or resembles other characters deceives readers.
///
/// Backslashes stay, so that this is not reversible; JSON output has the text itself.
pub(crate) fn escaped(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic();
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    escaped
}

/// Long hexadecimal digits by both their ends; JSON output has them all.
pub(crate) fn shortened(hex: &str) -> String {
    let (Some(start), Some(end)) = (hex.get(..KEPT), hex.get(hex.len().saturating_sub(KEPT)..)) else {
        return hex.to_owned();
    };
    if hex.len() <= LONGEST { hex.to_owned() } else { format!("{start}...{end} ({} bytes)", hex.len() / 2) }
}

/// The digits of a SHA-384 digest.
const LONGEST: usize = 96;
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_printable_ascii_reaches_a_terminal() {
        assert_eq!(escaped("i-0123 \"plain\" \\ ~"), "i-0123 \"plain\" \\ ~");
        assert_eq!(escaped("\x1b[2J\r\n\t\0\x7f"), r"\u{1b}[2J\r\n\t\u{0}\u{7f}");
        assert_eq!(escaped("\u{9b}31m\u{202e}txt\u{2066}\u{200b}"), r"\u{9b}31m\u{202e}txt\u{2066}\u{200b}");
        let all: String = (char::MIN..=char::MAX).collect();
        assert!(escaped(&all).bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }

    #[test]
    fn only_long_values_are_shortened() {
        let digest = "ab".repeat(48);
        assert_eq!(shortened(&digest), digest);
        let long = format!("{}{}", "0".repeat(98), "f".repeat(98));
        assert_eq!(shortened(&long), format!("{}...{} (98 bytes)", "0".repeat(32), "f".repeat(32)));
        assert_eq!(shortened(""), "");
    }
}
