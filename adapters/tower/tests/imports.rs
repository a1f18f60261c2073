//! The modules of the crate import each other without a circle: see the table in `src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules that each module names in its code, without its comments and its tests.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn imports() -> Imports {
    let mut imports = Imports::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut imports);
    imports
}

/// Reads a folder of the module `module`, or the folder of the modules if it is `None`.
fn read(folder: &Path, module: Option<&str>, imports: &mut Imports) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
        let module = module.unwrap_or(stem);
        if path.is_dir() {
            read(&path, Some(module), imports);
        } else if module != "lib" {
            let text = fs::read_to_string(&path).expect("text");
            let code = text.split("#[cfg(test)]").next().expect("a first part");
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let names = lines.flat_map(|line| line.split("crate::").skip(1).map(first_word));
            imports.entry(module.to_owned()).or_default().extend(names);
        }
    }
}

fn first_word(path: &str) -> String {
    path.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect()
}

#[test]
fn modules_import_each_other_without_a_circle() {
    let mut left = imports();
    assert!(left["layer"].contains("request") && left["session"].contains("request"), "the imports are not found");
    while !left.is_empty() {
        let modules: BTreeSet<String> = left.keys().cloned().collect();
        // A module with no import among those that are left is on no circle.
        left.retain(|_, names| !names.is_disjoint(&modules));
        assert!(left.len() < modules.len(), "these modules are on a circle, or import one: {left:?}");
    }
}

/// A name that is imported from the root of the crate would hide the module that defines it.
#[test]
fn modules_import_nothing_from_the_root_of_the_crate() {
    let imports = imports();
    for (module, names) in &imports {
        let others: Vec<_> = names.iter().filter(|name| !imports.contains_key(*name)).collect();
        assert!(others.is_empty(), "{module} imports {others:?}");
    }
}
