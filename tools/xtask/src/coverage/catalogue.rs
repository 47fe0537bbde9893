//! The rows of `docs/requirements`: table rows whose first cell is an id such as `HP1` or `R05`.

use anyhow::{Result, ensure};

/// The two halves of the catalogue, relative to the root.
pub(super) const DOCUMENTS: &[&str] = &[
    "docs/requirements/FEATURES.md",
    "docs/requirements/FAULTS.md",
];

/// Parts of the catalogue whose ids may be named but which tests do not cover one by one: the
/// promises are proved by whole methods, a method is a tool, and security rows have tests and
/// reviews.
const NAMED_ONLY: &[&str] = &["P", "M", "S"];

/// All rows, in the order of the documents.
#[derive(Default)]
pub(super) struct Catalogue {
    pub(super) rows: Vec<Row>,
}

/// One row.
pub(super) struct Row {
    /// Letters and digits; unique over both documents.
    pub(super) id: String,
    /// The second cell, as written.
    text: String,
    /// Counted as covered or uncovered.
    pub(super) needs_test: bool,
}

impl Catalogue {
    /// Adds the rows of one document.
    ///
    /// # Errors
    /// If an id occurs twice, or the document has no row at all.
    pub(super) fn read(&mut self, document: &str, text: &str) -> Result<()> {
        let before = self.rows.len();
        for (index, line) in text.lines().enumerate() {
            let Some(cells) = line.strip_prefix('|') else {
                continue;
            };
            let mut cells = cells.split('|').map(str::trim);
            let (id, text) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            let Some(letters) = letters_of_id(id) else {
                continue;
            };
            ensure!(
                self.rows.iter().all(|row| row.id != id),
                "{document}:{}: the row {id} exists already",
                index + 1
            );
            let needs_test = !NAMED_ONLY.contains(&letters);
            self.rows.push(Row {
                id: id.to_owned(),
                text: text.to_owned(),
                needs_test,
            });
        }
        ensure!(self.rows.len() > before, "{document} has no rows");
        Ok(())
    }
}

impl Row {
    /// The start of its text, for a line of a report.
    pub(super) fn summary(&self) -> String {
        let plain = self.text.replace(['*', '`'], "");
        match plain.char_indices().nth(70) {
            Some((cut, _)) => format!("{}…", &plain[..cut]),
            None => plain,
        }
    }
}

/// The letters of an id of one or two capitals and digits; `None` for anything else.
fn letters_of_id(text: &str) -> Option<&str> {
    let digits_start = text.find(|c: char| c.is_ascii_digit())?;
    let (letters, digits) = text.split_at(digits_start);
    let is_id = (1..=2).contains(&letters.len())
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::Repository;

    #[test]
    fn only_rows_that_begin_with_an_id_are_rows() {
        let mut catalogue = Catalogue::default();
        let text = "| id | x |\n|---|---|\n| HP1 | **Ring** `a`. |\n| Max open | y |\n\
                    | 7B | z |\nHP2 in prose\n| D01 | Power |\n| M1 | Simulation |\n";
        catalogue.read("a.md", text).unwrap();
        let rows: Vec<_> = catalogue
            .rows
            .iter()
            .map(|row| (&*row.id, row.summary(), row.needs_test))
            .collect();
        assert_eq!(
            rows,
            [
                ("HP1", "Ring a.".to_owned(), true),
                ("D01", "Power".to_owned(), true),
                ("M1", "Simulation".to_owned(), false)
            ]
        );
    }

    #[test]
    fn an_id_that_occurs_twice_over_both_documents_is_refused() {
        let mut catalogue = Catalogue::default();
        catalogue.read("a.md", "| HP1 | x |\n").unwrap();
        let error = catalogue.read("b.md", "\n| HP1 | y |\n").unwrap_err();
        assert_eq!(error.to_string(), "b.md:2: the row HP1 exists already");
    }

    #[test]
    fn a_document_without_rows_is_refused() {
        assert!(Catalogue::default().read("a.md", "# Empty\n").is_err());
    }

    #[test]
    fn the_catalogue_of_the_project_can_be_read() {
        let repository = Repository::find().unwrap();
        let mut catalogue = Catalogue::default();
        for document in DOCUMENTS {
            let text = std::fs::read_to_string(repository.root.join(document)).unwrap();
            catalogue.read(document, &text).unwrap();
        }
        for id in ["HP1", "PM12", "NX13", "C01", "R05", "G10", "P16", "S30"] {
            assert!(catalogue.rows.iter().any(|row| row.id == id), "{id}");
        }
    }
}
