//! The comments `covers:` and the tests that they stand above.

use crate::rust_source::{Function, RustSource};

/// What the comments of all files say.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) claims: Vec<Claim>,
    /// Comments that stand above no test, as lines to print.
    pub(super) misplaced: Vec<String>,
}

/// One row that one test claims to prove.
pub(super) struct Claim {
    /// As written; it need not exist.
    pub(super) id: String,
    pub(super) path: String,
    /// Of the comment. From 1.
    pub(super) line: usize,
    /// The test's name.
    pub(super) test: String,
}

impl Claims {
    /// Adds the claims of a Rust file. The comment belongs to the next function with a `test`
    /// attribute, when only comments and attributes lie between.
    pub(super) fn read_rust(&mut self, source: &RustSource) {
        for comment in &source.comments {
            let Some(ids) = comment.text.strip_prefix("// covers:") else {
                continue;
            };
            let is_comment = |line| source.comments.iter().any(|other| other.line == line);
            let stands_above = |function: &&Function| {
                let mut between = comment.line + 1..function.line;
                function.line > comment.line
                    && between.all(|line| line >= function.first_line || is_comment(line))
            };
            let function = source.functions.iter().find(stands_above);
            let test = function
                .filter(|function| function.is_test)
                .map(|test| &*test.name);
            self.add(&source.path, comment.line, ids, test);
        }
    }

    /// Adds the claims of a Python file. The comment belongs to the next `def`, when only comments
    /// and decorators lie between.
    pub(super) fn read_python(&mut self, path: &str, text: &str) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(ids) = line.strip_prefix("# covers:") else {
                continue;
            };
            let rest = lines[index + 1..].iter();
            let mut rest = rest.skip_while(|line| line.starts_with('#') || line.starts_with('@'));
            let test = rest.next().and_then(|line| {
                let definition = line
                    .strip_prefix("async ")
                    .unwrap_or(line)
                    .strip_prefix("def ")?;
                definition.split('(').next()
            });
            self.add(path, index + 1, ids, test);
        }
    }

    fn add(&mut self, path: &str, line: usize, ids: &str, test: Option<&str>) {
        let Some(test) = test else {
            self.misplaced
                .push(format!("{path}:{line}: `covers:` stands above no test"));
            return;
        };
        let ids: Vec<&str> = ids.split([' ', ',']).filter(|id| !id.is_empty()).collect();
        if ids.is_empty() {
            self.misplaced
                .push(format!("{path}:{line}: `covers:` names no row"));
        }
        for id in ids {
            let (id, path, test) = (id.to_owned(), path.to_owned(), test.to_owned());
            self.claims.push(Claim {
                id,
                path,
                line,
                test,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims_of(read: impl FnOnce(&mut Claims)) -> (Vec<String>, Vec<String>) {
        let mut claims = Claims::default();
        read(&mut claims);
        let made = claims
            .claims
            .iter()
            .map(|c| format!("{} {}", c.id, c.test))
            .collect();
        (made, claims.misplaced)
    }

    fn rust(text: &str) -> (Vec<String>, Vec<String>) {
        let source = RustSource::parse("a.rs", text).unwrap();
        claims_of(|claims| claims.read_rust(&source))
    }

    #[test]
    fn a_comment_above_a_test_claims_its_rows() {
        let (claims, misplaced) = rust(
            "//! H.\n// covers: R05 HP1\n// Why it matters.\n/// Doc.\n#[test]\n#[expect(a)]\n\
             fn holds() {}\np! {\n    #[test]\n    // covers: V01,V02\n    fn sums(a in 0..2) \
             {}\n}\n",
        );
        assert_eq!(claims, ["R05 holds", "HP1 holds", "V01 sums", "V02 sums"]);
        assert_eq!(misplaced, [""; 0]);
    }

    #[test]
    fn a_comment_above_anything_but_a_test_is_misplaced() {
        for text in [
            "//! H.\n// covers: R05\nfn not_a_test() {}\n#[test]\nfn holds() {}\n",
            "//! H.\n// covers: R05\n\n#[test]\nfn holds() {}\n",
            "//! H.\n// covers: R05\nconst A: u8 = 0;\n#[test]\nfn holds() {}\n",
            "//! H.\n// covers: R05\n",
            "//! H.\n// covers:\n#[test]\nfn holds() {}\n",
        ] {
            let (claims, misplaced) = rust(text);
            assert_eq!(claims, [""; 0], "{text}");
            assert!(misplaced[0].starts_with("a.rs:2: "), "{text}");
        }
    }

    #[test]
    fn a_comment_in_a_text_claims_nothing() {
        let (claims, misplaced) = rust("//! H.\nconst A: &str = \"\n// covers: R05\n\";\n");
        assert!(claims.is_empty() && misplaced.is_empty());
    }

    #[test]
    fn python_comments_claim_for_the_next_definition() {
        let text = "# covers: OK4 NX12\n@decorated\nasync def test_login(client):\n    pass\n\
                    # covers: OK6\nx = 1\ndef test_later():\n    pass\n";
        let (claims, misplaced) = claims_of(|claims| claims.read_python("a.py", text));
        assert_eq!(claims, ["OK4 test_login", "NX12 test_login"]);
        assert_eq!(misplaced, ["a.py:5: `covers:` stands above no test"]);
    }
}
