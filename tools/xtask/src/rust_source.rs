//! A Rust file as tokens, comments and functions: what `tidy` and `coverage` look at.
//!
//! Invariant: text inside literals is never taken for code or for a comment, and code inside
//! macro bodies is seen, because we look at tokens and not at a syntax tree. Must not know any
//! rule.

use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One file.
pub(crate) struct RustSource {
    /// Relative to the root.
    pub(crate) path: String,
    /// As read.
    pub(crate) text: String,
    /// All tokens in order, brackets included, documentation comments excluded.
    pub(crate) tokens: Vec<Token>,
    /// Every line of every comment, documentation included, in order.
    pub(crate) comments: Vec<CommentLine>,
    /// Every function with a body, also in macro bodies.
    pub(crate) functions: Vec<Function>,
    /// Line ranges under `#[cfg(test)]`; the whole file if it is a test file.
    test_lines: Vec<RangeInclusive<usize>>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    pub(crate) test_modules: Vec<String>,
}

/// One token; a bracket is a token.
pub(crate) struct Token {
    /// As written.
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
    /// Index of the other bracket of the pair; its own index for anything else.
    pair: usize,
    /// Whether it is a name or keyword, a literal, or neither.
    pub(crate) kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// Identifier or keyword.
    Word,
    /// Text, number, character.
    Literal,
    /// Punctuation or bracket.
    Mark,
}

/// One line of a comment.
pub(crate) struct CommentLine {
    /// From 1.
    pub(crate) line: usize,
    /// With its slashes, without surrounding blanks.
    pub(crate) text: String,
}

/// A function with a body.
pub(crate) struct Function {
    /// As declared.
    pub(crate) name: String,
    /// First line of its attributes, or of the function itself. From 1.
    pub(crate) first_line: usize,
    /// The line of the word `fn`. From 1.
    pub(crate) line: usize,
    /// The line of the closing brace. From 1.
    pub(crate) last_line: usize,
    /// Has an attribute whose path ends in `test`.
    pub(crate) is_test: bool,
}

impl RustSource {
    /// Reads one file's text.
    ///
    /// # Errors
    /// If the text is not made of Rust tokens.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self> {
        let stream = TokenStream::from_str(text)
            .map_err(|error| anyhow!("{path}:{}: {error}", error.span().start().line))?;
        let line_starts = text
            .match_indices('\n')
            .map(|(newline, _)| newline + 1)
            .collect();
        let source = Self::empty(path, text);
        let mut reader = TokenReader {
            text,
            source,
            read_to_byte: 0,
            line_starts,
        };
        reader.read(stream);
        reader.read_gap(text.len());
        let mut source = reader.source;
        source.comments.sort_by_key(|comment| comment.line);
        source.find_functions();
        source.find_tests();
        Ok(source)
    }

    /// Whether the line is test code.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Whether all of it is test code.
    pub(crate) fn is_test_file(&self) -> bool {
        self.test_lines
            .iter()
            .any(|lines| lines.contains(&1) && *lines.end() == usize::MAX)
    }

    /// Declares that all of it is test code, because the file that names it says so.
    pub(crate) fn mark_as_test_file(&mut self) {
        self.test_lines.push(1..=usize::MAX);
    }

    /// Whether the words and marks stand one after the other anywhere, in test code too.
    pub(crate) fn has(&self, sequence: &[&str]) -> bool {
        let stand = |tokens: &[Token]| {
            tokens
                .iter()
                .zip(sequence)
                .all(|(it, wanted)| it.is(wanted))
        };
        self.tokens.windows(sequence.len()).any(stand)
    }

    /// Lines where the words and marks stand one after the other, outside test code.
    pub(crate) fn lines_with(&self, sequence: &[&str]) -> Vec<usize> {
        self.tokens
            .windows(sequence.len())
            .filter(|tokens| {
                tokens
                    .iter()
                    .zip(sequence)
                    .all(|(token, wanted)| token.is(wanted))
            })
            .map(|tokens| tokens[0].line)
            .filter(|line| !self.is_test_line(*line))
            .collect()
    }

    /// The names right inside the braces that follow `sequence`, as in `use std::{fs, net}`.
    pub(crate) fn names_in_braces_after(&self, sequence: &[&str]) -> Vec<(usize, &str)> {
        let mut names = Vec::new();
        for start in 0..self.tokens.len() {
            let open = start + sequence.len();
            let matches = self.tokens.get(open).is_some_and(|token| token.is("{"))
                && self.tokens[start..open]
                    .iter()
                    .zip(sequence)
                    .all(|(token, w)| token.is(w));
            if !matches || self.is_test_line(self.tokens[open].line) {
                continue;
            }
            let mut index = open + 1;
            let mut at_start_of_path = true;
            while index < self.tokens[open].pair {
                let token = &self.tokens[index];
                if token.kind == TokenKind::Word && at_start_of_path {
                    names.push((token.line, token.text.as_str()));
                }
                at_start_of_path = token.is(",");
                index = if token.is("{") { token.pair } else { index } + 1;
            }
        }
        names
    }

    fn empty(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: Vec::new(),
            comments: Vec::new(),
            functions: Vec::new(),
            test_lines: Vec::new(),
            test_modules: Vec::new(),
        }
    }

    fn find_functions(&mut self) {
        for index in 0..self.tokens.len() {
            let is_function = self.tokens[index].is("fn")
                && self
                    .tokens
                    .get(index + 1)
                    .is_some_and(|name| name.kind == TokenKind::Word);
            if !is_function {
                continue;
            }
            let Some(body) = self.body_after(index + 2) else {
                continue;
            };
            let attributes = self.attributes_before(index);
            let is_test = attributes
                .iter()
                .any(|open| self.path_of_attribute(*open) == "test");
            let first = attributes.last().map_or(index, |open| open - 1);
            self.functions.push(Function {
                name: self.tokens[index + 1].text.clone(),
                first_line: self.tokens[first].line,
                line: self.tokens[index].line,
                last_line: self.tokens[self.tokens[body].pair].line,
                is_test,
            });
        }
    }

    /// Index of the opening brace of a function's body, from behind its name.
    fn body_after(&self, mut index: usize) -> Option<usize> {
        while let Some(token) = self.tokens.get(index) {
            match token.text.as_str() {
                "{" => return Some(index),
                ";" | "}" | ")" | "]" => return None,
                _ => index = token.pair + 1,
            }
        }
        None
    }

    /// Indices of the `[` of the attributes above the item that `index` belongs to, nearest first.
    fn attributes_before(&self, mut index: usize) -> Vec<usize> {
        let mut attributes = Vec::new();
        while let Some(previous) = index.checked_sub(1) {
            let token = &self.tokens[previous];
            let qualifier = matches!(
                token.text.as_str(),
                "pub" | "const" | "async" | "unsafe" | "extern"
            ) || (token.kind == TokenKind::Literal
                && self.is_word_at(previous, "extern"));
            let visibility = token.is(")") && self.is_word_at(token.pair, "pub");
            let attribute = token.is("]") && self.is_word_at(token.pair, "#");
            if attribute {
                attributes.push(token.pair);
                index = token.pair - 1;
            } else if visibility {
                index = token.pair;
            } else if qualifier {
                index = previous;
            } else {
                break;
            }
        }
        attributes
    }

    /// Whether the token before `index` is `word`.
    fn is_word_at(&self, index: usize, word: &str) -> bool {
        index
            .checked_sub(1)
            .is_some_and(|previous| self.tokens[previous].is(word))
    }

    /// The last word of the path of the attribute that opens at `open`: `test` of `#[tokio::test]`.
    fn path_of_attribute(&self, open: usize) -> &str {
        let path = self.tokens[open + 1..self.tokens[open].pair].iter();
        let words = path.take_while(|token| token.kind == TokenKind::Word || token.is(":"));
        words.last().map_or("", |token| token.text.as_str())
    }

    fn find_tests(&mut self) {
        if is_test_path(&self.path) {
            self.mark_as_test_file();
        }
        for hash in 0..self.tokens.len() {
            if !self.tokens[hash].is("#") {
                continue;
            }
            let inner = self.tokens.get(hash + 1).is_some_and(|token| token.is("!"));
            let open = hash + 1 + usize::from(inner);
            if !self.tokens.get(open).is_some_and(|token| token.is("[")) {
                continue;
            }
            let close = self.tokens[open].pair;
            let words: Vec<&str> = self.tokens[open + 1..close]
                .iter()
                .map(|token| token.text.as_str())
                .collect();
            let for_tests =
                words.first() == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
            if inner && for_tests {
                self.mark_as_test_file();
            } else if for_tests || words == ["test"] {
                let last = self.end_of_item(close + 1);
                self.test_lines
                    .push(self.tokens[hash].line..=self.tokens[last].line);
                let rest: Vec<&str> = self.tokens[close + 1..=last]
                    .iter()
                    .map(|token| token.text.as_str())
                    .collect();
                if let [.., "mod", name, ";"] = rest[..] {
                    self.test_modules.push(name.to_owned());
                }
            }
        }
    }

    /// Index of the last token of the item, field or statement that starts at `index`.
    fn end_of_item(&self, mut index: usize) -> usize {
        const ITEMS: &[&str] = &[
            "fn", "mod", "impl", "struct", "enum", "use", "trait", "type", "const", "static",
            "unsafe", "extern", "async", "pub", "let",
        ];
        let is_item = self
            .tokens
            .get(index)
            .is_some_and(|token| token.is("#") || ITEMS.contains(&token.text.as_str()));
        while let Some(token) = self.tokens.get(index) {
            match token.text.as_str() {
                "{" => return token.pair,
                ";" => return index,
                "," if !is_item => return index,
                "}" | ")" | "]" => return index - 1,
                _ => index = token.pair + 1,
            }
        }
        self.tokens.len() - 1
    }
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text && self.kind != TokenKind::Literal
    }
}

/// Whether a path alone says that the file is test code: in a folder `tests`, or named `tests.rs`.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Flattens the token trees and collects what lies between them.
struct TokenReader<'a> {
    text: &'a str,
    source: RustSource,
    read_to_byte: usize,
    /// First byte of each line but the first.
    line_starts: Vec<usize>,
}

impl TokenReader<'_> {
    fn read(&mut self, stream: TokenStream) {
        for tree in stream {
            let bytes = tree.span().byte_range();
            let written = &self.text[bytes.clone()];
            // A documentation comment arrives as an attribute whose tokens all span the comment.
            if written.starts_with("//") || written.starts_with("/*") {
                self.read_gap(bytes.end);
                continue;
            }
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = brackets_of(group.delimiter());
                    let open_index = self.source.tokens.len();
                    self.push(open, TokenKind::Mark, bytes.start);
                    self.read(group.stream());
                    let close_index = self.source.tokens.len();
                    self.push(close, TokenKind::Mark, bytes.end - close.len());
                    self.source.tokens[open_index].pair = close_index;
                    self.source.tokens[close_index].pair = open_index;
                }
                TokenTree::Ident(_) => self.push(written, TokenKind::Word, bytes.start),
                TokenTree::Punct(_) => self.push(written, TokenKind::Mark, bytes.start),
                TokenTree::Literal(_) => self.push(written, TokenKind::Literal, bytes.start),
            }
        }
    }

    fn push(&mut self, text: &str, kind: TokenKind, start_byte: usize) {
        self.read_gap(start_byte);
        self.read_to_byte = start_byte + text.len();
        let line = self.line_at(start_byte);
        let pair = self.source.tokens.len();
        self.source.tokens.push(Token {
            text: text.to_owned(),
            line,
            pair,
            kind,
        });
    }

    /// What lies before `end` and is no token is blank or comment.
    fn read_gap(&mut self, end: usize) {
        if end <= self.read_to_byte {
            return;
        }
        let first_line = self.line_at(self.read_to_byte);
        for (offset, line) in self.text[self.read_to_byte..end].split('\n').enumerate() {
            if !line.trim().is_empty() {
                let text = line.trim().to_owned();
                self.source.comments.push(CommentLine {
                    line: first_line + offset,
                    text,
                });
            }
        }
        self.read_to_byte = end;
    }

    fn line_at(&self, byte: usize) -> usize {
        1 + self.line_starts.partition_point(|start| *start <= byte)
    }
}

fn brackets_of(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

#[cfg(test)]
mod tests;
