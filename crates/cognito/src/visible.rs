//! Text as people see it.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed as Normalizer;
use icu_properties::props::{
    CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier, ExtendedPictographic, GeneralCategory,
    Ideographic, JoiningType, NoncharacterCodePoint, WhiteSpace,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// A note's head that is blank by its drawing alone: Unicode has no property for it.
const BLANK_NOTE: char = '\u{1D159}';

/// The empty Braille pattern, which separates words in Braille.
const BLANK_BRAILLE: char = '\u{2800}';

/// The frame that makes a key of the digit before it.
const KEYCAP: char = '\u{20E3}';

/// Returns whether nothing in the text is visible: it is empty, or white space and invisible characters alone.
pub fn is_blank(text: &str) -> bool {
    !text.chars().any(is_visible)
}

/// Returns whether a reader sees this character, or sees what it does to the ones `before` and `after` it: a joiner that
/// makes one emoji of two is plain.
///
/// Not plain is what controls a terminal, breaks a line, reorders text, or is there unseen. An unassigned character is
/// plain, because a later Unicode may have assigned it. So is one for private use.
pub fn is_plain(before: Option<char>, character: char, after: Option<char>) -> bool {
    match character {
        ' '..='~' => true,
        '\u{200C}' | '\u{200D}' => is_joined(before, character, after),
        // No reader could tell the name of a flag from any other text in tags.
        '\u{E0000}'..='\u{E007F}' => false,
        '\u{FE0F}' if after == Some(KEYCAP) => matches!(before, Some('0'..='9' | '#' | '*')),
        _ if before.is_some_and(|before| varies(before, character)) => true,
        _ if is_space(character) => {
            category(character) == GeneralCategory::SpaceSeparator || character == BLANK_BRAILLE
        }
        _ => is_visible(character) && !CodePointSetData::new::<NoncharacterCodePoint>().contains(character),
    }
}

/// The text in NFC, without control characters, with one space for each white space, and without invisible characters at
/// its ends. None if nothing is visible.
///
/// Invisible characters inside stay: a joiner makes an emoji of several, and a non-joiner separates letters in Persian.
pub(crate) fn visible(text: &str) -> Option<String> {
    if is_tidy(text) {
        return Some(text.to_owned());
    }
    let printable = spaced(text.chars().filter_map(printable));
    let text = Normalizer::new_nfc().normalize(&printable);
    let (start, _) = text.char_indices().find(|&(_, character)| is_visible(character))?;
    let (end, last) = text.char_indices().rfind(|&(_, character)| is_visible(character))?;
    let end = end + last.len_utf8();
    let variation = text[end..].chars().take_while(|&selector| varies(last, selector));
    Some(text[start..end + variation.map(char::len_utf8).sum::<usize>()].to_owned())
}

/// The text to compare and examine: in NFKC, so that a full-width `@` is one, with one space for each white space, and
/// without invisible characters.
pub(crate) fn skeleton(text: &str) -> Cow<'_, str> {
    if is_tidy(text) {
        return text.into();
    }
    let is_ignorable = |&character: &char| !is_visible(character) && !is_space(character);
    spaced(Normalizer::new_nfkc().normalize(text).chars().filter(|character| !is_ignorable(character))).into()
}

/// Returns whether the text is words of visible ASCII characters with one space between them, as most names are: its own
/// [`visible`] text and its own [`skeleton`].
fn is_tidy(text: &str) -> bool {
    text.split(' ').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The characters with one space for each run of white space, whatever else invisible stands in it: names that differ in
/// nothing else look the same.
fn spaced(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::with_capacity(characters.size_hint().1.unwrap_or_default());
    for character in characters {
        if !is_space(character) {
            text.push(character);
            continue;
        }
        let end = text.trim_end_matches(|before| !is_visible(before) && !is_space(before)).len();
        if text[..end].ends_with(' ') {
            text.truncate(end);
        } else {
            text.push(' ');
        }
    }
    text
}

/// The character, unless it is a control character other than a line break, reorders text or annotates it.
fn printable(character: char) -> Option<char> {
    match character {
        _ if character.is_control() => is_space(character).then_some(character),
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFF9}'..='\u{FFFB}' => None,
        _ => Some(character),
    }
}

/// White space, or the empty Braille pattern, which is as blank.
fn is_space(character: char) -> bool {
    CodePointSetData::new::<WhiteSpace>().contains(character) || character == BLANK_BRAILLE
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

fn is_visible(character: char) -> bool {
    !matches!(category(character), GeneralCategory::Control | GeneralCategory::Format)
        && !is_space(character)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        && character != BLANK_NOTE
}

/// Returns whether the `joiner`, or non-joiner, changes how the characters at its sides are drawn: of a cursive script, at
/// a virama, or two emoji. After the rules for names on the Internet, which are stricter about a word's end.
/// <https://www.rfc-editor.org/rfc/rfc5892#appendix-A>
fn is_joined(before: Option<char>, joiner: char, after: Option<char>) -> bool {
    let is_virama = |character: Option<char>| {
        let classes = CodePointMapData::<CanonicalCombiningClass>::new();
        character.is_some_and(|character| classes.get(character) == CanonicalCombiningClass::Virama)
    };
    let Some(before) = before else { return false };
    if is_virama(Some(before)) || is_virama(after) {
        return true;
    }
    let Some(after) = after else { return false };
    let types = CodePointMapData::<JoiningType>::new();
    let is_cursive = |character| {
        matches!(types.get(character), JoiningType::DualJoining | JoiningType::RightJoining | JoiningType::LeftJoining)
    };
    let is_pictographic = |character| CodePointSetData::new::<ExtendedPictographic>().contains(character);
    let ends_emoji =
        is_pictographic(before) || before == '\u{FE0F}' || CodePointSetData::new::<EmojiModifier>().contains(before);
    is_cursive(after) && (is_cursive(before) || types.get(before) == JoiningType::Transparent)
        || joiner == '\u{200D}' && ends_emoji && is_pictographic(after)
}

/// Returns whether the invisible `selector` after `character` changes how that is drawn.
/// <https://www.unicode.org/Public/UCD/latest/ucd/StandardizedVariants.txt>
fn varies(character: char, selector: char) -> bool {
    let is_emoji = || !character.is_ascii() && CodePointSetData::new::<Emoji>().contains(character);
    let is_ideograph = || CodePointSetData::new::<Ideographic>().contains(character);
    match selector {
        '\u{FE0E}' | '\u{FE0F}' if is_emoji() => true,
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => is_ideograph(),
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(character, '\u{1820}'..='\u{18AA}'),
        // The flag of a country's part: a black flag, and its letters as tags.
        '\u{E0020}'..='\u{E007F}' => character == '\u{1F3F4}',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_nothing_visible_is_none() {
        for text in [
            "",
            " \t\r\n",
            "\0",
            "\u{85}\u{9f}",
            "\u{a0}\u{3000}\u{2003}",
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
            "\u{ad}",
            "\u{34f}",
            "\u{202e}\u{2066}\u{200e}",
            "\u{2800}",
            "\u{115f}\u{1160}\u{3164}\u{ffa0}",
            "\u{fe0f}",
            "\u{e0100}",
            "\u{e0041}\u{e007f}",
            "\u{17b4}\u{180e}",
        ] {
            assert_eq!(visible(text), None, "{}", text.escape_unicode());
            assert!(is_blank(text), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn control_characters_are_left_out_and_line_breaks_are_spaces() {
        assert_eq!(visible("A\0d\u{7f}a\u{9d}").as_deref(), Some("Ada"));
        assert_eq!(visible("Ada\nLovelace\u{2028}").as_deref(), Some("Ada Lovelace"));
    }

    #[test]
    fn characters_that_reorder_text_are_left_out() {
        assert_eq!(visible("\u{202e}ada\u{202c} \u{2067}b\u{2069}").as_deref(), Some("ada b"));
    }

    #[test]
    fn marks_of_annotations_are_left_out() {
        assert_eq!(visible("a\u{fff9}d\u{fffa}a\u{fffb}b").as_deref(), Some("adab"));
    }

    #[test]
    fn white_space_inside_is_one_space() {
        for text in [
            "ada  b",
            "ada \t\r\n b",
            "ada\u{a0}b",
            "ada\u{3000}\u{2003}b",
            "ada\u{2800}b",
            "ada \u{2800} b",
            "ada \u{200b}\u{2060} \u{ad}\u{85}b",
            "ada\u{2028}\u{2029}b",
        ] {
            assert_eq!(visible(text).as_deref(), Some("ada b"), "{}", text.escape_unicode());
            assert_eq!(skeleton(text), "ada b", "{}", text.escape_unicode());
        }
        assert_eq!(visible("ada \u{200f}b").as_deref(), Some("ada \u{200f}b"), "a mark of direction stays");
    }

    #[test]
    fn invisible_characters_are_trimmed_at_both_ends() {
        for text in [" ada\u{3000}", "\u{feff}ada\u{200d}", "\u{fe0f}ada\u{fe0f}", "\u{2800}ada\u{e0041}", "ada\u{ad} "]
        {
            assert_eq!(visible(text).as_deref(), Some("ada"), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn invisible_characters_that_change_visible_ones_stay() {
        for text in [
            "👩\u{200d}🔬",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
            "葛\u{e0100}",
            "می\u{200c}خواهم",
            "ᠠ\u{180b}",
        ] {
            assert_eq!(visible(text).as_deref(), Some(text), "{}", text.escape_unicode());
        }
    }

    /// The characters of the text that are not plain.
    fn hidden(text: &str) -> String {
        let characters: Vec<char> = text.chars().collect();
        let mut before = None;
        let mut hidden = String::new();
        for (index, &character) in characters.iter().enumerate() {
            before = Some(character).filter(|_| is_plain(before, character, characters.get(index + 1).copied()));
            hidden.extend(before.is_none().then_some(character));
        }
        hidden
    }

    #[test]
    fn what_people_write_is_plain() {
        for text in [
            "Ada Lovelace, 100 % <ada@example.com>",
            "Zoë e\u{301}mile Ærø Łódź Ελλάδα Сергей 李小龙 ひらがな 한국어 ไทย",
            "عبد الله שָׁלוֹם ١٢٣",
            "می\u{200c}خواهم کار\u{200c}ها",
            "श्री क्\u{200d}ष ශ්\u{200d}රී র\u{200d}্যাব അവന്\u{200d}",
            "👩\u{200d}🚀 👩🏽\u{200d}🔬 👨\u{200d}👩\u{200d}👧\u{200d}👦 🏳\u{fe0f}\u{200d}🌈 🇩🇪 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 🦀",
            "葛\u{e0100} ᠠ\u{180b} a\u{a0}b\u{3000}c ⠓\u{2800}⠊ \u{e000} \u{fffd}",
        ] {
            assert_eq!(hidden(text), "", "{}", text.escape_unicode());
        }
    }

    #[test]
    fn what_acts_or_is_there_unseen_is_not_plain() {
        let ranges = [
            '\0'..='\u{1f}',
            '\u{7f}'..='\u{9f}',
            '\u{ad}'..='\u{ad}',
            '\u{34f}'..='\u{34f}',
            '\u{61c}'..='\u{61c}',
            '\u{115f}'..='\u{1160}',
            '\u{180b}'..='\u{180f}',
            '\u{200b}'..='\u{200f}',
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{3164}'..='\u{3164}',
            '\u{fdd0}'..='\u{fdef}',
            '\u{fe00}'..='\u{fe0f}',
            '\u{feff}'..='\u{feff}',
            '\u{fff0}'..='\u{fffb}',
            '\u{fffe}'..='\u{ffff}',
            '\u{1d173}'..='\u{1d17a}',
            '\u{e0000}'..='\u{e0fff}',
            '\u{10fffe}'..='\u{10ffff}',
        ];
        for character in ranges.into_iter().flatten() {
            assert_eq!(hidden(&format!("a{character}b")), character.to_string(), "{}", character.escape_unicode());
        }
    }

    #[test]
    fn what_changes_nothing_where_it_stands_is_not_plain() {
        for (text, expected) in [
            ("a\u{200d}b", "\u{200d}"),
            ("\u{200d}🚀", "\u{200d}"),
            ("👩\u{200d}", "\u{200d}"),
            ("👩\u{200c}🚀", "\u{200c}"),
            ("👩\u{200d}\u{200d}🚀", "\u{200d}\u{200d}"),
            ("a\u{fe0f}\u{200d}🚀", "\u{fe0f}\u{200d}"),
            ("1\u{fe0f}2", "\u{fe0f}"),
            ("🏴\u{e0067}\u{e007f}", "\u{e0067}\u{e007f}"),
            ("ש\u{202e}ל", "\u{202e}"),
        ] {
            assert_eq!(hidden(text), expected, "{}", text.escape_unicode());
        }
    }

    #[test]
    fn what_is_tidy_stays_as_it_is_on_the_long_way_too() {
        let tidy: String = ('!'..='~').chain(" Ada Lovelace".chars()).collect();
        assert!(is_tidy(&tidy));
        assert!(tidy.chars().all(|character| is_visible(character) || character == ' '));
        assert_eq!(spaced(Normalizer::new_nfkc().normalize(&tidy).chars().filter_map(printable)), tidy);
        for other in ["", " ", " ada", "ada ", "ada  b", "ada\tb", "ada\u{7f}", "ad\u{e1}"] {
            assert!(!is_tidy(other), "{}", other.escape_unicode());
        }
    }

    #[test]
    fn letters_are_composed() {
        assert_eq!(visible("e\u{301}mile").as_deref(), Some("\u{e9}mile"));
    }

    #[test]
    fn a_skeleton_has_plain_characters_and_no_invisible_ones() {
        assert_eq!(skeleton("a\u{200b}da＠ex\u{ad}ample.com １２"), "ada@example.com 12");
    }
}
