//! No text and no damage makes the reader panic, and every error names a line of the file.

use proptest::prelude::*;

use crate::{GOOD, load_with};

proptest! {
    // covers: G01
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = load_with(&text, &[("MILLRUN_HOT__CPU", &text)]);
    }

    // covers: G01
    #[test]
    fn no_damage_to_a_good_file_panics_and_every_error_names_a_line_of_it(
        at in 0..GOOD.len(), cut in 0_usize..40, put in "[\\PC\n\t\"\\[\\]=#.\\\\]{0,12}"
    ) {
        let end = (at + cut).min(GOOD.len());
        let text = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(errors) = load_with(&text, &[]) {
            prop_assert!(!errors.list().is_empty());
            for error in errors.list() {
                let shown = error.to_string();
                prop_assert!(!shown.contains('\n'), "{}", shown);
                let line = shown.strip_prefix("/etc/millrun.toml:").unwrap().split(':').next();
                let line: usize = line.unwrap().parse().unwrap();
                prop_assert!(line >= 1 && line <= text.split('\n').count(), "{}", shown);
            }
        }
    }
}
