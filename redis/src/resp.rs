//! RESP3, the protocol of Redis 6 and later: what this crate needs of it.

use core::fmt::Write;

/// The longest string that is accepted, which is Redis's own limit.
const LONGEST_STRING: usize = 512 * 1024 * 1024;
/// The most elements of one array that are accepted.
const MOST_ELEMENTS: usize = 1 << 24;
const DEEPEST: u32 = 8;

/// A reply, or a message that the engine pushes. A map is the list of its keys and values.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Error(String),
    List(Vec<Value>),
    Push(Vec<Value>),
}

impl Value {
    pub(crate) fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        if let Self::List(values) = self { Some(values) } else { None }
    }
}

/// The bytes are not RESP3.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads the first message of `bytes`, and returns it with its length; `None` if it is not complete yet.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.value(0) {
        Ok(value) => Ok(Some((value, reader.at))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed) => Err(Malformed),
    }
}

enum Stop {
    Incomplete,
    Malformed,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let len = rest.windows(2).position(|two| two == b"\r\n").ok_or(Stop::Incomplete)?;
        self.at += len + 2;
        Ok(&rest[..len])
    }

    fn number(line: &[u8]) -> Result<i64, Stop> {
        core::str::from_utf8(line).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Malformed)
    }

    /// The length of a string or an array; `None` for the nil of RESP2.
    fn len(line: &[u8], most: usize) -> Result<Option<usize>, Stop> {
        match Self::number(line)? {
            -1 => Ok(None),
            len => usize::try_from(len).ok().filter(|len| *len <= most).map(Some).ok_or(Stop::Malformed),
        }
    }

    fn string(&mut self, line: &[u8]) -> Result<Option<&'a [u8]>, Stop> {
        let Some(len) = Self::len(line, LONGEST_STRING)? else { return Ok(None) };
        let string = self.bytes.get(self.at..self.at + len + 2).ok_or(Stop::Incomplete)?;
        let (string, end) = string.split_at(len);
        if end != b"\r\n" {
            return Err(Stop::Malformed);
        }
        self.at += len + 2;
        Ok(Some(string))
    }

    fn values(&mut self, line: &[u8], times: usize, depth: u32) -> Result<Option<Vec<Value>>, Stop> {
        let Some(len) = Self::len(line, MOST_ELEMENTS)? else { return Ok(None) };
        // A length that is only announced takes no memory.
        let mut values = Vec::with_capacity((len * times).min(64));
        for _ in 0..len * times {
            values.push(self.value(depth + 1)?);
        }
        Ok(Some(values))
    }

    fn value(&mut self, depth: u32) -> Result<Value, Stop> {
        if depth > DEEPEST {
            return Err(Stop::Malformed);
        }
        let line = self.line()?;
        let (kind, line) = line.split_first().ok_or(Stop::Malformed)?;
        Ok(match kind {
            b'+' | b',' | b'(' => Value::Bytes(line.to_vec()),
            b'-' => Value::Error(String::from_utf8_lossy(line).into_owned()),
            b':' => Value::Int(Self::number(line)?),
            b'_' => Value::Nil,
            b'#' => Value::Int(i64::from(line == b"t")),
            b'$' | b'=' => self.string(line)?.map_or(Value::Nil, |string| Value::Bytes(string.to_vec())),
            b'!' => {
                let string = self.string(line)?.ok_or(Stop::Malformed)?;
                Value::Error(String::from_utf8_lossy(string).into_owned())
            }
            b'*' | b'~' => self.values(line, 1, depth)?.map_or(Value::Nil, Value::List),
            b'%' => self.values(line, 2, depth)?.map_or(Value::Nil, Value::List),
            b'>' => Value::Push(self.values(line, 1, depth)?.ok_or(Stop::Malformed)?),
            b'|' => {
                // Attributes of the value that follows them.
                self.values(line, 2, depth)?;
                self.value(depth)?
            }
            _ => return Err(Stop::Malformed),
        })
    }
}

/// Appends a command.
pub(crate) fn command<A: AsRef<[u8]>>(to: &mut Vec<u8>, words: impl ExactSizeIterator<Item = A>) {
    begin(to, words.len());
    words.for_each(|argument| word(to, argument.as_ref()));
}

/// Appends the beginning of a command with this number of words.
pub(crate) fn begin(to: &mut Vec<u8>, words: usize) {
    header(to, '*', words);
}

/// Appends one word of a command.
pub(crate) fn word(to: &mut Vec<u8>, word: &[u8]) {
    header(to, '$', word.len());
    to.extend_from_slice(word);
    to.extend_from_slice(b"\r\n");
}

fn header(to: &mut Vec<u8>, kind: char, len: usize) {
    let mut line = String::with_capacity(16);
    write!(line, "{kind}{len}\r\n").expect("a string grows");
    to.extend_from_slice(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }

    const MESSAGES: &str = "+OK\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n_\r\n#t\r\n-NOSCRIPT no\r\n*2\r\n:1\r\n*0\r\n\
         %1\r\n+a\r\n:1\r\n~1\r\n:2\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n=7\r\ntxt:abc\r\n\
         |1\r\n+k\r\n+v\r\n:9\r\n!5\r\nERR x\r\n*-1\r\n";

    fn values() -> Vec<Value> {
        vec![
            bytes("OK"),
            Value::Int(-7),
            bytes("a\r\nbc"),
            Value::Nil,
            Value::Nil,
            Value::Int(1),
            Value::Error("NOSCRIPT no".to_owned()),
            Value::List(vec![Value::Int(1), Value::List(vec![])]),
            Value::List(vec![bytes("a"), Value::Int(1)]),
            Value::List(vec![Value::Int(2)]),
            Value::Push(vec![bytes("invalidate"), Value::List(vec![bytes("k")])]),
            bytes("txt:abc"),
            Value::Int(9),
            Value::Error("ERR x".to_owned()),
            Value::Nil,
        ]
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let (mut rest, mut read_values) = (MESSAGES.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let (value, len) = read(rest).unwrap().expect("the message is complete");
            read_values.push(value);
            rest = &rest[len..];
        }
        assert!(read_values == values());
    }

    #[test]
    fn a_message_that_is_cut_off_is_incomplete_wherever_it_is_cut() {
        let mut rest = MESSAGES.as_bytes();
        while !rest.is_empty() {
            let (_, len) = read(rest).unwrap().unwrap();
            for cut in 0..len {
                assert_eq!(read(&rest[..cut]).map(|read| read.is_none()), Ok(true), "{cut}");
            }
            rest = &rest[len..];
        }
    }

    #[test]
    fn what_is_not_resp3_is_refused() {
        for malformed in ["x\r\n", "\r\n", ":a\r\n", "$-2\r\n", "$2\r\nabcd\r\n", "*99999999999\r\n", ">-1\r\n"] {
            assert!(read(malformed.as_bytes()) == Err(Malformed), "{malformed}");
        }
        assert!(read("*1\r\n".repeat(20).as_bytes()) == Err(Malformed), "too deep");
    }

    #[test]
    fn a_command_is_a_list_of_strings() {
        let mut written = Vec::new();
        command(&mut written, ["GET", "a\r\n"].iter());
        assert_eq!(written, b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n");
    }
}
