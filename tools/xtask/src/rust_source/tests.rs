//! A file as tokens: what is code, what is comment, what is test.

use super::*;

fn parse(text: &str) -> RustSource {
    RustSource::parse("model/src/sample.rs", text).unwrap()
}

#[test]
fn text_in_literals_is_neither_comment_nor_code() {
    let source = parse(
        r##"//! Header.
fn f() -> &'static str {
    let c = '"'; // a real comment
    let raw = r#"
// not a comment
unsafe { }
"#;
    "/* nor this */"
}
"##,
    );
    let comments: Vec<(usize, &str)> = source
        .comments
        .iter()
        .map(|comment| (comment.line, comment.text.as_str()))
        .collect();
    assert_eq!(comments, [(1, "//! Header."), (3, "// a real comment")]);
    assert_eq!(source.lines_with(&["unsafe"]), [0; 0]);
}

#[test]
fn functions_in_macro_bodies_are_seen_with_their_lines_and_attributes() {
    let source = parse(
        "//! H.\nproptest! {\n    /// Doc.\n    #[test]\n    fn sum_holds(a in 0..9u8) {\n        \
         check(a);\n    }\n}\nconst fn plain<'a, T>(x: [u8; 3]) -> fn(u8) -> u8 where T: X {\n}\n\
         trait A { fn no_body(&self); }\n",
    );
    let seen: Vec<_> = source
        .functions
        .iter()
        .map(|f| {
            (
                f.name.as_str(),
                f.first_line,
                f.line,
                f.last_line,
                f.is_test,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("sum_holds", 4, 5, 7, true), ("plain", 9, 9, 10, false)]
    );
}

#[test]
fn attributes_with_paths_and_visibility_are_found_above_a_function() {
    let source = parse(
        "//! H.\n#[tokio::test(flavor = \"current_thread\")]\n#[expect(x, reason = \"y\")]\n\
         pub(crate) async unsafe extern \"C\" fn one() {}\nfn two() {}\n",
    );
    assert!(source.functions[0].is_test);
    assert_eq!(source.functions[0].first_line, 2);
    assert!(!source.functions[1].is_test);
}

#[test]
fn test_code_is_what_cfg_test_covers_and_nothing_more() {
    let source = parse(
        "//! H.\nfn shipped() {}\n#[cfg(test)]\nmod tests {\n    use x::{a, b};\n    fn g() {}\n\
         }\n\
         #[cfg(not(test))]\nfn also_shipped() {}\n#[cfg(test)]\nfn h<A, B>(a: A) {\n}\n\
         #[cfg(test)]\nmod oracle;\nstruct S {\n    #[cfg(test)]\n    probe: u8,\n    \
         real: u8,\n}\n",
    );
    let test_lines: Vec<usize> = (1..=19).filter(|line| source.is_test_line(*line)).collect();
    assert_eq!(test_lines, [3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17]);
    assert_eq!(source.test_modules, ["oracle"]);
    assert!(!source.is_test_file());
}

#[test]
fn a_file_is_test_code_by_its_path_or_its_inner_attribute() {
    for path in [
        "tests/end_to_end/a.rs",
        "rings/tests/loom.rs",
        "model/src/price/tests.rs",
    ] {
        assert!(
            RustSource::parse(path, "//! H.\n").unwrap().is_test_file(),
            "{path}"
        );
    }
    assert!(parse("//! H.\n#![cfg(test)]\n").is_test_file());
    assert!(!parse("//! H.\n").is_test_file());
}

#[test]
fn names_of_a_grouped_import_are_its_first_path_words() {
    let source = parse("//! H.\nuse std::{fmt, fs::{self, File}, io::net, thread};\n");
    let names: Vec<&str> = source
        .names_in_braces_after(&["std", ":", ":"])
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert_eq!(names, ["fmt", "fs", "io", "thread"]);
}

#[test]
fn what_is_not_rust_is_an_error_with_its_place() {
    let error = RustSource::parse("a.rs", "//! H.\nfn f( {\n")
        .err()
        .unwrap();
    assert!(error.to_string().starts_with("a.rs:"), "{error}");
}
