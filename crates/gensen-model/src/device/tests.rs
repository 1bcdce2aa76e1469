use super::*;

#[test]
fn the_cpu_is_always_there() {
    assert_eq!(by_name("cpu").unwrap(), Device::flex());
    assert_eq!(by_name("cpu:0").unwrap(), Device::flex());
    let listing = Listing::new();
    let names: Vec<&str> = listing.devices.iter().map(|d| d.name.as_str()).collect();
    assert!(names.contains(&"cpu"), "{names:?}");
}

#[test]
fn several_names_are_several_devices() {
    let devices = all_by_name("cpu, cpu,cpu:0").unwrap();
    assert_eq!(devices, [Device::flex(), Device::flex(), Device::flex()]);
    let error = all_by_name("cpu,gpu").unwrap_err();
    assert_eq!(error.name, "gpu");
}

#[test]
fn what_means_nothing_is_told_what_would() {
    for name in ["", "gpu", "cpu:", "cpu:x", "cpu:-1", "CPU", "auto:0"] {
        let error = by_name(name).unwrap_err();
        assert!(
            matches!(error.problem, DeviceProblem::Unknown { .. }),
            "{name}: {error}"
        );
        assert!(error.to_string().contains("auto, "), "{error}");
        assert!(error.to_string().contains("cpu"), "{error}");
    }
}

#[test]
fn there_is_one_cpu() {
    let error = by_name("cpu:1").unwrap_err();
    assert_eq!(error.to_string(), "device `cpu:1`: there is only one `cpu`");
}

#[test]
fn what_is_not_compiled_in_names_its_feature() {
    for family in FAMILIES.iter().filter(|family| !family.compiled) {
        let error = by_name(family.name).unwrap_err().to_string();
        assert!(error.contains("not compiled in"), "{error}");
        assert!(error.contains("--features "), "{error}");
    }
}

#[test]
fn every_family_works_or_says_why_not() {
    let listing = Listing::new();
    for family in &FAMILIES {
        let of_family = |name: &str| name.split(':').next() == Some(family.name);
        let works = listing.devices.iter().any(|d| of_family(&d.name));
        match by_name(family.name) {
            Ok(_) => assert!(works, "{}", family.name),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(listing.devices.len() + listing.others.len() >= FAMILIES.len());
}

#[test]
fn auto_takes_what_works_and_is_no_software() {
    let auto = auto();
    assert!(!auto.chosen.software, "{auto}");
    assert_eq!(by_name("auto").unwrap(), auto.chosen.device);
    assert_eq!(by_name(&auto.chosen.name).unwrap(), auto.chosen.device);
    assert!(auto.to_string().starts_with(&auto.chosen.name));
}

#[test]
fn a_list_is_asked_for_in_two_ways() {
    let asked = |line: &str| list_is_asked_for(line.split(' ').map(OsString::from));
    assert!(asked("gensen embed --device list"));
    assert!(asked("gensen-train --device=list --config x"));
    assert!(!asked("gensen embed --device cpu --model list"));
    assert!(!asked("gensen embed --device"));
}
