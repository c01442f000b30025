//! Every warning and error that the service logs stands in docs/OPERATIONS.md, with
//! what it means.

use std::fs;
use std::path::{Path, PathBuf};

const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

/// What begins a line of the log, or a text that becomes one: a limit that is reached,
/// and a kind of message that is odd.
const BEGINNINGS: [&str; 5] =
    ["warn!(", "error!(", "Reached::new(", "Reached::fixed(", "Kind::new("];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // The launcher is a program of its own.
            if path.file_name().unwrap() != "bin" {
                sources(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// The texts in a piece of code that ends with the parenthesis or the semicolon that
/// closes it.
fn texts(code: &str) -> Vec<String> {
    let (mut depth, mut texts, mut text) = (0, Vec::new(), None::<String>);
    let mut rest = code.chars().peekable();
    while let Some(c) = rest.next() {
        match (&mut text, c) {
            // A text that goes on in the next line.
            (Some(_), '\\') if rest.next_if_eq(&'\n').is_some() => {
                while rest.next_if(|c| c.is_whitespace()).is_some() {}
            }
            (Some(text), '\\') => text.extend(rest.next()),
            (Some(_), '"') => texts.extend(text.take()),
            (Some(text), c) => text.push(c),
            (None, '"') => text = Some(String::new()),
            (None, '(') => depth += 1,
            (None, ')' | ';') if depth == 0 => break,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    texts
}

/// As the document has it: what is filled in is left out.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        shown += before;
        shown.push('…');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    shown + rest
}

#[test]
fn each_warning_and_error_has_a_line_in_the_manual() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let (mut found, mut missing) = (0, Vec::new());
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap();
        for beginning in BEGINNINGS {
            for (at, _) in code.match_indices(beginning) {
                // The last text is the message; those before are a flag or a field.
                let text = texts(&code[at + beginning.len()..]).pop();
                let text = text.map(|text| shown(&text)).filter(|text| text != "…");
                let Some(text) = text else { continue };
                found += 1;
                if !OPERATIONS.contains(&format!("| `{text}` |")) {
                    missing.push(format!("{}: {text}", file.display()));
                }
            }
        }
    }
    // Else it would be this test that finds nothing.
    assert!(found > 40, "only {found}");
    assert!(missing.is_empty(), "not in docs/OPERATIONS.md:\n{}", missing.join("\n"));
}
