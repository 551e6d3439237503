//! Text of others in lines of ours: nothing in it can end a field or a line, or reach a terminal.

/// The bytes of a line.
pub(super) type Line = smallvec::SmallVec<[u8; 1024]>;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// As nginx escapes (`escape=default`): what is not printable ASCII, `"` and `\` become `\xHH`.
pub(super) fn text(line: &mut Line, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' | ..=0x1f | 0x7f.. => line.extend([b'\\', b'x', upper(byte >> 4), upper(byte & 15)]),
            _ => line.push(byte),
        }
    }
}

/// A string of JSON with its quotes: RFC 8259, and also the controls of Unicode. What is no UTF-8 becomes U+FFFD.
pub(super) fn json(line: &mut Line, value: &[u8]) {
    line.push(b'"');
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => line.extend_from_slice(b"\\\""),
                '\\' => line.extend_from_slice(b"\\\\"),
                ' '..='~' => line.push(character as u8),
                character if character.is_control() || is_separator(character) => unicode(line, character as u32),
                character => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice(b"\\ufffd");
        }
    }
    line.push(b'"');
}

/// What ends a line or turns its direction for whoever shows it. All are below U+10000.
fn is_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn unicode(line: &mut Line, code: u32) {
    line.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        line.push(digit((code >> shift & 15) as usize));
    }
}

fn digit(value: usize) -> u8 {
    HEX.get(value).copied().unwrap_or(b'?')
}

fn upper(value: u8) -> u8 {
    digit(usize::from(value)).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(escape: fn(&mut Line, &[u8]), value: &[u8]) -> String {
        let mut line = Line::new();
        escape(&mut line, value);
        String::from_utf8(line.to_vec()).expect("UTF-8")
    }

    #[test]
    fn nothing_ends_a_field_or_a_line_of_text() {
        assert_eq!(written(text, b"a \"b\"\\\r\n\x1b[1m\x7f\xc3\xa9"), r"a \x22b\x22\x5C\x0D\x0A\x1B[1m\x7F\xC3\xA9");
        for byte in 0..=u8::MAX {
            let written = written(text, &[byte]);
            assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'), "{byte}");
        }
    }

    #[test]
    fn a_json_string_is_what_it_was_and_shows_no_control() {
        for value in ["plain", "\"\\/\r\n\t\u{0}\u{1b}\u{7f}", "é漢🙂", "\u{9b}1m\u{2028}\u{202e}"] {
            let written = written(json, value.as_bytes());
            assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), value);
            assert!(!written.chars().any(|character| character.is_control() || is_separator(character)), "{written}");
        }
        assert_eq!(written(json, b"a\xffb\xc3"), "\"a\\ufffdb\\ufffd\"");
    }
}
