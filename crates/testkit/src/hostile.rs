//! Text that acts on a terminal or deceives its reader, as somebody else may write it.

/// The characters that must reach no terminal: they control it, break a line, reorder text, or are there unseen. Each
/// stands for its neighbours in Unicode, and none needs more than 4 bytes.
const CHARACTERS: &str = "\u{1}\u{7}\u{8}\t\u{b}\u{c}\r\u{e}\u{1b}\u{7f}\u{80}\u{85}\u{90}\u{9b}\u{9c}\u{9d}\u{9f}\
    \u{ad}\u{34f}\u{61c}\u{6dd}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\
    \u{202d}\u{202e}\u{2060}\u{2061}\u{2064}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{3164}\u{fdd0}\u{fe0f}\u{feff}\
    \u{fff9}\u{fffb}\u{ffff}\u{1d173}\u{e0001}\u{e0041}\u{e007f}\u{e0100}\u{10ffff}";

/// A line that passes for the program's own.
const FORGED: &str = "error: forged";

/// The longest text of [`hostile_texts`], in bytes: PostgreSQL cuts a name that is longer.
const LONGEST: usize = 60;

/// Texts with every such character, and a forged line in each. None has a NUL, which is in no name and no argument.
pub fn hostile_texts() -> Vec<String> {
    let ending = format!("\u{1b}[2J\n{FORGED}");
    let mut texts = vec![String::new()];
    for character in CHARACTERS.chars() {
        if texts.last().is_none_or(|text| text.len() + "x".len() + character.len_utf8() + ending.len() > LONGEST) {
            texts.push(String::new());
        }
        if let Some(text) = texts.last_mut() {
            text.push('x');
            text.push(character);
        }
    }
    texts.into_iter().map(|text| text + &ending).collect()
}

/// All of them in one text.
pub fn hostile_text() -> String {
    hostile_texts().concat()
}

/// Fails if one of the characters, or a line that the program did not write, is in its output.
#[track_caller]
pub fn assert_harmless(output: &[u8]) {
    let text = std::str::from_utf8(output).expect("UTF-8");
    let found = text.chars().find(|character| CHARACTERS.contains(*character));
    assert!(
        found.is_none(),
        "{} is in the output:\n{}",
        found.unwrap_or_default().escape_unicode(),
        text.escape_debug()
    );
    assert!(!text.lines().any(|line| line.starts_with(FORGED)), "a line is forged:\n{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_short_enough_for_names_and_have_all_characters() {
        let texts = hostile_texts();
        assert!(texts.iter().all(|text| text.len() <= LONGEST && text.ends_with(FORGED)), "{texts:?}");
        let text = hostile_text();
        assert!(CHARACTERS.chars().all(|character| text.contains(character)));
    }

    #[test]
    fn escapes_are_harmless() {
        assert_harmless("error: \\u{1b}[2J\\nerror: forged\n".as_bytes());
    }

    #[test]
    #[should_panic(expected = "\\u{200b} is in the output")]
    fn a_character_is_found() {
        assert_harmless("a\u{200b}".as_bytes());
    }

    #[test]
    #[should_panic(expected = "a line is forged")]
    fn a_forged_line_is_found() {
        assert_harmless(b"error: x\nerror: forged");
    }
}
