//! JSON text to a [`Document`]; what is wrong is said in the words of Go's `encoding/json`.
//!
//! No recursion, so that no nesting ends the program: the real server's limit holds. Values below [`KEPT`] levels are
//! read as `null`: no field of a served type is that deep.

use super::document::Document;

/// The deepest nesting that is accepted, as in Go.
const DEEPEST: usize = 10_000;

/// The deepest nesting that is kept.
const KEPT: usize = 128;

/// Reads one value; white space may be around it.
///
/// # Errors
/// What Go says about text that is not JSON.
pub(crate) fn read(text: &[u8]) -> Result<Document, String> {
    let mut reader = Reader { text, at: 0 };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let Some(mut value) = reader.start(&mut open)? else {
            continue;
        };
        // The value ends here, and maybe what it is in.
        loop {
            let depth = open.len();
            let Some(inner) = open.last_mut() else {
                return reader.end(value);
            };
            let last = inner.take(value, depth <= KEPT, &mut reader)?;
            if !last {
                break;
            }
            value = open.pop().expect("there is one").into_document();
        }
    }
}

/// A list or a map whose end was not read yet.
enum Open {
    List(Vec<Document>),
    Map(Vec<(String, Document)>, String),
}

impl Open {
    /// Takes in a value; whether the list or map ends behind it.
    fn take(&mut self, value: Document, keep: bool, reader: &mut Reader) -> Result<bool, String> {
        match self {
            Self::List(items) => {
                if keep {
                    items.push(value);
                }
                match reader.next_byte()? {
                    b',' => Ok(false),
                    b']' => Ok(true),
                    _ => Err(reader.invalid("after array element")),
                }
            }
            Self::Map(entries, key) => {
                if keep {
                    entries.push((std::mem::take(key), value));
                }
                match reader.next_byte()? {
                    b',' => {
                        *key = reader.key()?;
                        Ok(false)
                    }
                    b'}' => Ok(true),
                    _ => Err(reader.invalid("after object key:value pair")),
                }
            }
        }
    }

    fn into_document(self) -> Document {
        match self {
            Self::List(items) => Document::List(items),
            Self::Map(entries, _) => Document::Map(entries),
        }
    }
}

struct Reader<'t> {
    text: &'t [u8],
    /// Behind the byte that was read last.
    at: usize,
}

impl Reader<'_> {
    /// A scalar or an empty list or map; nothing if a list or a map was opened.
    fn start(&mut self, open: &mut Vec<Open>) -> Result<Option<Document>, String> {
        let byte = self.next_byte()?;
        if matches!(byte, b'[' | b'{') && open.len() >= DEEPEST {
            return Err(self.invalid("exceeded max depth"));
        }
        match byte {
            b'[' => {
                if self.next_byte()? == b']' {
                    return Ok(Some(Document::List(Vec::new())));
                }
                self.at -= 1;
                open.push(Open::List(Vec::new()));
                Ok(None)
            }
            b'{' => {
                if self.next_byte()? == b'}' {
                    return Ok(Some(Document::Map(Vec::new())));
                }
                self.at -= 1;
                let key = self.key()?;
                open.push(Open::Map(Vec::new(), key));
                Ok(None)
            }
            b'"' => self.string().map(|it| Some(Document::String(it))),
            b'-' | b'0'..=b'9' => self.number(byte).map(|it| Some(Document::Number(it))),
            b't' => self.literal("true", Document::Bool(true)).map(Some),
            b'f' => self.literal("false", Document::Bool(false)).map(Some),
            b'n' => self.literal("null", Document::Null).map(Some),
            _ => Err(self.invalid("looking for beginning of value")),
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<String, String> {
        if self.next_byte()? != b'"' {
            return Err(self.invalid("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.next_byte()? != b':' {
            return Err(self.invalid("after object key"));
        }
        Ok(key)
    }

    /// Behind the opening quote.
    fn string(&mut self) -> Result<String, String> {
        let mut bytes = Vec::new();
        loop {
            let start = self.at;
            while let Some(byte) = self.text.get(self.at)
                && !matches!(byte, b'"' | b'\\' | 0..=0x1f)
            {
                self.at += 1;
            }
            bytes.extend_from_slice(&self.text[start..self.at]);
            match self.byte()? {
                b'"' => break,
                b'\\' => self.escape(&mut bytes)?,
                _ => return Err(self.invalid("in string literal")),
            }
        }
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let plain = match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode()?;
                let mut buffer = [0; 4];
                bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                return Ok(());
            }
            _ => return Err(self.invalid("in string escape code")),
        };
        bytes.push(plain);
        Ok(())
    }

    /// Behind `\u`. Half of a pair is the replacement character, as in Go.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.four_digits()?;
        if (0xd800..0xdc00).contains(&first) && self.text[self.at..].starts_with(br"\u") {
            let behind_first = self.at;
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind_first;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.byte()?).to_digit(16);
            let digit = digit.ok_or_else(|| self.invalid("in \\u hexadecimal character escape"))?;
            code = code * 16 + digit;
        }
        Ok(code)
    }

    /// Behind its first byte.
    fn number(&mut self, first: u8) -> Result<String, String> {
        let start = self.at - 1;
        let mut digit = first;
        if first == b'-' {
            digit = self.byte()?;
        }
        match digit {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return Err(self.invalid("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.byte()?.is_ascii_digit() {
                return Err(self.invalid("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.byte()?.is_ascii_digit() {
                return Err(self.invalid("in exponent of numeric literal"));
            }
            self.digits();
        }
        let text = &self.text[start..self.at];
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|it| it.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// Behind its first byte.
    fn literal(&mut self, word: &str, value: Document) -> Result<Document, String> {
        for expected in word.bytes().skip(1) {
            if self.byte()? != expected {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.invalid(&context));
            }
        }
        Ok(value)
    }

    fn end(&mut self, value: Document) -> Result<Document, String> {
        match self.next_byte() {
            Err(_) => Ok(value),
            Ok(_) => Err(self.invalid("after top-level value")),
        }
    }

    /// The next byte that is no white space.
    fn next_byte(&mut self) -> Result<u8, String> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(byte);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.peek();
        let byte = byte.ok_or_else(|| "unexpected end of JSON input".to_owned())?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The byte that was read last, where it cannot be.
    fn invalid(&self, context: &str) -> String {
        let character = char::from(self.text[self.at - 1]);
        let shown = match character {
            '\'' => r"'\''".to_owned(),
            '"' => "'\"'".to_owned(),
            other => {
                let quoted = super::quoted(&other.to_string());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        format!("invalid character {shown} {context}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn errors_have_the_words_of_go() {
        for (text, words) in [
            ("", "unexpected end of JSON input"),
            (" {\"a\"", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            (
                "{,}",
                "invalid character ',' looking for beginning of object key string",
            ),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{\"a\":1 2}",
                "invalid character '2' after object key:value pair",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} '", r"invalid character '\'' after top-level value"),
            ("[\"\n\"]", r"invalid character '\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            (
                "\"\\u00g0\"",
                r"invalid character 'g' in \u hexadecimal character escape",
            ),
            ("-x", "invalid character 'x' in numeric literal"),
            (
                "1.x",
                "invalid character 'x' after decimal point in numeric literal",
            ),
            (
                "1ex",
                "invalid character 'x' in exponent of numeric literal",
            ),
            ("01", "invalid character '1' after top-level value"),
            (
                "trux",
                "invalid character 'x' in literal true (expecting 'e')",
            ),
        ] {
            assert_eq!(error(text), words, "{text}");
        }
    }

    #[test]
    fn texts_are_those_that_serde_json_reads() {
        for text in [
            r#"{"a":[1,-2,3.5e-7,{}],"b":{"c":null,"d":[]},"e":"\u00e9\ud83d\ude00\n\/\"","f":true}"#,
            " [ ] ",
            "\"\u{7f}é\"",
            "9223372036854775807",
        ] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap().into_value(), value);
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_replaced() {
        let text = r#""\ud800x""#;
        let expected = Document::String("\u{fffd}x".to_owned());
        assert_eq!(read(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn nesting_has_the_limit_of_go_and_no_other_effect() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(nested(10_000).as_bytes()).is_ok());
        assert_eq!(
            error(&nested(10_001)),
            "invalid character '[' exceeded max depth"
        );
        let objects = "{\"a\":".repeat(9_999) + "1" + &"}".repeat(9_999);
        assert!(read(objects.as_bytes()).is_ok());
    }
}
