//! Just enough of a reader of Rust to see which paths a file uses: tokens without comments and strings, and from
//! them the paths that begin at this crate, in `use` trees and in expressions.

use std::iter::Peekable;
use std::str::Chars;

/// One file below src/.
pub struct Source {
    /// As in `engine/sim/time.rs`.
    pub name: String,
    /// As in `engine`, `sim`, `time`.
    pub module: Vec<String>,
    /// Every path of this crate that it uses, as in `engine::sim::time::Time`, with its line.
    pub paths: Vec<(String, usize)>,
    /// The modules in other files that it declares under `#[cfg(test)]`, as in `engine::kafka::testing`.
    pub test_modules: Vec<String>,
    tokens: Vec<Token>,
}

/// A word, a `::` or one other sign, and the line it stands on.
#[derive(Clone)]
struct Token {
    text: String,
    line: usize,
}

impl Source {
    pub fn read(name: &str, text: &str) -> Self {
        let module: Vec<String> = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        let module = match module.split_last() {
            Some((last, rest)) if last == "mod" => rest.to_vec(),
            _ => module,
        };
        let mut test_modules = Vec::new();
        let tokens = without_tests(&tokens(text), &mut test_modules);
        let test_modules = test_modules.iter().map(|name| format!("{}::{name}", module.join("::"))).collect();
        let paths = paths(&tokens, &module);
        Self { name: name.to_owned(), module, paths, test_modules, tokens }
    }

    /// The lines where this sequence of tokens stands, which are separated by spaces.
    pub fn lines_with(&self, words: &str) -> Vec<usize> {
        let words: Vec<&str> = words.split(' ').collect();
        let windows = self.tokens.windows(words.len());
        let found =
            windows.filter(|tokens| tokens.iter().map(|token| token.text.as_str()).eq(words.iter().copied()));
        found.map(|tokens| tokens[0].line).collect()
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut characters = text.chars().peekable();
    let mut tokens: Vec<Token> = Vec::new();
    let mut line = 1;
    while let Some(first) = characters.next() {
        let start = line;
        match first {
            '\n' => line += 1,
            '/' if characters.peek() == Some(&'/') => while characters.next_if(|c| *c != '\n').is_some() {},
            '/' if characters.peek() == Some(&'*') => line += skip_comment(&mut characters),
            '"' => line += skip_string(&mut characters),
            '\'' => skip_character(&mut characters),
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = characters.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                let hashes = matches!(word.as_str(), "r" | "br") && characters.peek() == Some(&'#');
                let quote = matches!(word.as_str(), "r" | "br") && characters.peek() == Some(&'"');
                if hashes || quote {
                    line += skip_raw_string(&mut characters);
                } else {
                    tokens.push(Token { text: word, line: start });
                }
            }
            ':' if characters.next_if_eq(&':').is_some() => {
                tokens.push(Token { text: "::".into(), line: start })
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token { text: c.into(), line: start }),
        }
    }
    tokens
}

/// After `/`: to the end of the comment, in which others may be nested. The number of lines passed.
fn skip_comment(characters: &mut Peekable<Chars>) -> usize {
    let (mut depth, mut lines, mut last) = (0, 0, '/');
    for c in characters.by_ref() {
        lines += usize::from(c == '\n');
        match (last, c) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                last = c;
                continue;
            }
        }
        if depth == 0 {
            break;
        }
        last = ' ';
    }
    lines
}

/// After the opening quote: to the closing one. The number of lines passed.
fn skip_string(characters: &mut Peekable<Chars>) -> usize {
    let mut lines = 0;
    while let Some(c) = characters.next() {
        match c {
            '"' => break,
            '\\' => lines += usize::from(characters.next() == Some('\n')),
            c => lines += usize::from(c == '\n'),
        }
    }
    lines
}

/// After `r`: a raw string with its hashes, or a raw identifier such as `r#type`. The number of lines passed.
fn skip_raw_string(characters: &mut Peekable<Chars>) -> usize {
    let mut hashes = 0;
    while characters.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    let mut lines = 0;
    if characters.next_if_eq(&'"').is_none() {
        return lines;
    }
    while let Some(c) = characters.next() {
        lines += usize::from(c == '\n');
        if c == '"' && (0..hashes).all(|_| characters.next_if_eq(&'#').is_some()) {
            break;
        }
    }
    lines
}

/// After `'`: a character such as `'a'` or `'\n'`, or the name of a lifetime such as `'static`.
fn skip_character(characters: &mut Peekable<Chars>) {
    if characters.next() == Some('\\') {
        characters.next();
        while characters.next().is_some_and(|c| c != '\'') {}
    } else if characters.next_if_eq(&'\'').is_none() {
        while characters.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {}
    }
}

/// The tokens without the items under `#[cfg(test)]`, and the names of the modules in other files among those.
fn without_tests(tokens: &[Token], test_modules: &mut Vec<String>) -> Vec<Token> {
    const ATTRIBUTE: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, others)) = rest.split_first() {
        if rest.len() >= ATTRIBUTE.len()
            && ATTRIBUTE.iter().zip(rest).all(|(text, token)| token.text == *text)
        {
            let (_, from_item) = rest.split_at(ATTRIBUTE.len());
            let (item, after) = from_item.split_at(length_of_item(from_item));
            if let [.., keyword, name, end] = item
                && keyword.text == "mod"
                && end.text == ";"
            {
                test_modules.push(name.text.clone());
            }
            rest = after;
        } else {
            kept.push(first.clone());
            rest = others;
        }
    }
    kept
}

/// The number of tokens up to the end of an item: its `;`, or the brace that closes its body.
fn length_of_item(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.text.as_str(), ";" | "}") {
            return index + 1;
        }
    }
    tokens.len()
}

/// Every path that begins with `crate`, `super` or `self`, seen from the crate's root.
fn paths(tokens: &[Token], module: &[String]) -> Vec<(String, usize)> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut paths = Vec::new();
    // The inline modules around the current token, each with the depth of the braces outside it.
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut index = 0;
    while index < tokens.len() {
        match text(index) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(outside, _)| *outside < depth);
            }
            "mod" if text(index + 2) == "{" => inline.push((depth, text(index + 1).to_owned())),
            "crate" | "super" | "self" if text(index + 1) == "::" => {
                let here = module.iter().chain(inline.iter().map(|(_, name)| name)).cloned().collect();
                index = tree(tokens, index, here, &mut paths);
                continue;
            }
            _ => {}
        }
        index += 1;
    }
    paths
}

/// Reads the path or `use` tree that begins at a token, adds what it names and says where it ends.
fn tree(
    tokens: &[Token],
    mut index: usize,
    mut path: Vec<String>,
    paths: &mut Vec<(String, usize)>,
) -> usize {
    while let Some(token) = tokens.get(index) {
        match token.text.as_str() {
            "crate" => path.clear(),
            "super" => drop(path.pop()),
            "self" => {}
            "{" => {
                index += 1;
                while tokens.get(index).is_some_and(|token| token.text != "}") {
                    index = tree(tokens, index, path.clone(), paths);
                    // What follows is a comma, the closing brace, or `as` with another name.
                    while tokens.get(index).is_some_and(|token| !matches!(token.text.as_str(), "," | "}")) {
                        index += 1;
                    }
                    index += usize::from(tokens.get(index).is_some_and(|token| token.text == ","));
                }
                return index + 1;
            }
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => path.push(word.to_owned()),
            // A `*`, or type arguments.
            _ => break,
        }
        if tokens.get(index + 1).is_none_or(|next| next.text != "::") {
            paths.push((path.join("::"), token.line));
            return index + 1;
        }
        index += 2;
    }
    let line = tokens.get(index.min(tokens.len().saturating_sub(1))).map_or(0, |token| token.line);
    paths.push((path.join("::"), line));
    index + 1
}
