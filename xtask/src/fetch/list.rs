//! `--list`.

use super::catalogue::Catalogue;
use std::fmt::Write;

/// The catalogue as text.
pub fn table(catalogue: &Catalogue) -> String {
    let mut text = String::from("Sets:\n");
    for set in &catalogue.sets {
        let size = match catalogue.download_size(set) {
            Some(0) => "no download of its own".to_owned(),
            Some(size) => format!("{} to download", bytes(size)),
            None => "size unknown".to_owned(),
        };
        let needs = match set.needs.as_slice() {
            [] => String::new(),
            needs => format!("; needs {}", needs.join(", ")),
        };
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "  {:<18} {}\n  {:<18} {size}{needs}\n  {:<18} licence: {}\n",
            set.name, set.about, "", "", set.licence
        );
    }
    text.push_str("\nGroups:\n");
    for (name, members) in &catalogue.groups {
        let _ = writeln!(text, "  {name:<18} {}", members.join(", "));
    }
    text
}

/// A number of bytes with a suitable unit.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (count as f64, "B");
    for larger in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "B" || value >= 99.5 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(23_354), "23.4 kB");
        assert_eq!(bytes(94_550_081), "94.6 MB");
        assert_eq!(bytes(658_092_427), "658 MB");
        assert_eq!(bytes(7_777_527_744), "7.8 GB");
    }

    #[test]
    fn every_set_and_group_is_listed() {
        let catalogue = Catalogue::built_in().unwrap();
        let text = table(&catalogue);
        for set in &catalogue.sets {
            assert!(
                text.contains(&set.about) && text.contains(&set.licence),
                "{}",
                set.name
            );
        }
        assert!(
            catalogue
                .groups
                .keys()
                .all(|group| text.contains(group.as_str()))
        );
    }
}
