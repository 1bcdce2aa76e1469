//! Checks of a catalogue: names, addresses, hashes and paths.

use super::{Address, Catalogue, DataSet, is_inside};
use crate::fetch::convert::Step;
use std::collections::BTreeSet;

impl Catalogue {
    /// Checks what a catalogue defines and names; the error is the problem.
    pub(super) fn check(&self) -> Result<(), String> {
        for DataSet { name, .. } in &self.sets {
            if !is_inside(name) || name.contains('/') || name.starts_with('.') {
                return Err(format!("the set's name '{name}' cannot be a file's"));
            }
        }
        let mut names = BTreeSet::new();
        for name in self
            .sets
            .iter()
            .map(|set| &set.name)
            .chain(self.groups.keys())
        {
            if !names.insert(name) {
                return Err(format!("the name '{name}' is given twice"));
            }
        }
        let mut files = BTreeSet::new();
        let listings = self.listings.iter().map(|listing| &listing.name);
        for name in self.files.iter().map(|file| &file.name).chain(listings) {
            if !files.insert(name.as_str()) {
                return Err(format!("the file '{name}' is given twice"));
            }
            if !is_inside(name) {
                return Err(format!(
                    "the file name '{name}' leaves the folder of downloads"
                ));
            }
        }
        for file in &self.files {
            if file.urls.is_empty() {
                return Err(format!("the file '{}' has no address", file.name));
            }
            for Address { url, expected, .. } in file.addresses(None) {
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    return Err(format!("'{url}' is not an HTTP address"));
                }
                for (sum, length) in [(&expected.sha256, 64), (&expected.git_blob, 40)] {
                    if let Some(sum) = sum
                        && (sum.len() != length || !sum.bytes().all(|b| b.is_ascii_hexdigit()))
                    {
                        return Err(format!("'{sum}' of {} is not a hash", file.name));
                    }
                }
            }
        }
        for (group, members) in &self.groups {
            if let Some(name) = members.iter().find(|&name| !names.contains(name)) {
                return Err(format!(
                    "group '{group}' names '{name}', which is not defined"
                ));
            }
        }
        for set in &self.sets {
            if let Some(name) = set.needs.iter().find(|&name| self.set(name).is_none()) {
                return Err(format!(
                    "set '{}' needs '{name}', which is not defined",
                    set.name
                ));
            }
            if set.routes.is_empty() {
                return Err(format!("set '{}' has no route", set.name));
            }
            for route in &set.routes {
                if let Some(name) = route
                    .files
                    .iter()
                    .find(|name| !files.contains(name.as_str()))
                {
                    return Err(format!(
                        "set '{}' names '{name}', which is not defined",
                        set.name
                    ));
                }
                for path in route.steps.iter().flat_map(Step::outputs) {
                    if !is_inside(path) {
                        return Err(format!(
                            "set '{}' writes to '{path}', outside the data",
                            set.name
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
