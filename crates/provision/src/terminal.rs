//! Text that a terminal shows and does not obey.
//!
//! Users choose their names, and servers and AWS their messages: a character in them could move the cursor, reverse a
//! line, or be there unseen. It is written as an escape instead, so that a reader sees it and can search for it.

use std::fmt::{Display, Write};

/// The value in one line: a break in it cannot pass for the end of the line that it stands in. For every value that a
/// text of several lines holds.
pub(crate) fn harmless(value: impl Display) -> String {
    replaced(&value.to_string(), |_| false, in_text)
}

/// The text with the breaks of its lines.
pub(crate) fn harmless_lines(text: impl Display) -> String {
    replaced(&text.to_string(), is_break, in_text)
}

/// The JSON document with its meaning: JSON has an escape for every character, and only texts hold such that need one.
pub(crate) fn harmless_json(document: &str) -> String {
    replaced(document, is_break, in_json)
}

fn is_break(character: char) -> bool {
    character == '\n'
}

/// As Rust and JavaScript write it, such as `\n` and `\u{202e}`.
fn in_text(character: char, text: &mut String) {
    text.extend(character.escape_default());
}

/// In UTF-16. <https://www.rfc-editor.org/rfc/rfc8259#section-7>
fn in_json(character: char, document: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        let _ = write!(document, "\\u{unit:04x}");
    }
}

fn replaced(text: &str, stays: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> String {
    let mut result = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if stays(character) || cognito::is_plain(before, character, characters.peek().copied()) {
            result.push(character);
            before = Some(character);
        } else {
            escape(character, &mut result);
            before = None;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_act_or_hide_are_escaped() {
        let hostile = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}b\u{200b}\u{2028}\u{e0041}\r\t\n";
        assert_eq!(
            harmless(hostile),
            r"a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}b\u{200b}\u{2028}\u{e0041}\r\t\n",
            "in one line"
        );
        assert_eq!(harmless_lines("a\n\r\u{85}b\n"), "a\n\\r\\u{85}b\n");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["👩\u{200d}🚀 e\u{301}", "می\u{200c}خواهم", "שלום"] {
            assert_eq!((harmless(text), harmless_json(text)), (text.to_owned(), text.to_owned()));
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let hostile = "\u{1b}\u{7f}\u{9b}\n\"\\\u{200b}\u{202e}\u{feff}\u{e0041}\u{10ffff}a\u{200d}b";
        let document = serde_json::to_string_pretty(&[hostile]).expect("JSON");
        let harmless = harmless_json(&document);
        assert!(harmless.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{harmless}");
        assert!(harmless.contains(r"\u200b\u202e\ufeff\udb40\udc41\udbff\udfffa\u200db"), "{harmless}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&harmless).expect("JSON"), [hostile]);
    }
}
