//! Text that may be anybody's, made harmless for terminals and short enough for people.

/// Printable ASCII as it is, everything else as an escape: control characters command terminals, what reorders, hides or
/// resembles other characters deceives readers, and so do long runs of spaces, which a terminal wraps into new lines. Text
/// that is too long is cut.
///
/// Backslashes stay, so that this is not reversible; JSON output has the text itself.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = escaped_whole(text);
    if escaped.len() > LONGEST_TEXT {
        let rest = escaped.split_off(LONGEST_TEXT).len();
        escaped.push_str(&format!("... ({rest} more)"));
    }
    escaped
}

/// As [`escaped`], but line by line and without a limit: for texts of this program in which others are quoted.
pub(crate) fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escaped_whole).collect::<Vec<_>>().join("\n")
}

/// As [`escaped`], but without a limit: for what a transaction does, of which nothing may stay unread.
pub(crate) fn escaped_whole(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut spaces = 0;
    for c in text.chars() {
        spaces = if c == ' ' { spaces + 1 } else { 0 };
        if c.is_ascii_graphic() || (1..=LONGEST_GAP).contains(&spaces) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_unicode().filter(|_| c == ' '));
            escaped.extend(c.escape_default().filter(|_| c != ' '));
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

/// Of what others say, in characters.
const LONGEST_TEXT: usize = 256;
/// Of this program's own tables.
const LONGEST_GAP: usize = 2;
/// The digits of a SHA-384 digest.
const LONGEST: usize = 96;
const KEPT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_neither_wraps_into_lines_of_its_own_nor_grows_without_limit() {
        assert_eq!(escaped("a  b   c"), "a  b  \\u{20}c");
        let long = escaped(&"x".repeat(1000));
        assert_eq!(long, format!("{}... (744 more)", "x".repeat(256)));
        assert_eq!(escaped_lines("one\n  two\r"), "one\n  two\\r");
    }

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
