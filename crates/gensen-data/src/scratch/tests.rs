use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A process that is no longer there.
fn dead() -> u32 {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.wait().unwrap();
    child.id()
}

#[cfg(unix)]
#[test]
fn what_a_dead_process_left_is_removed_when_its_place_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (dead, own) = (dead(), std::process::id());
    let left = |name: &str| fs::write(folder.path().join(name), "half").unwrap();
    left(&format!(".a.{dead}-0.scratch"));
    left(&format!(".a.{own}-7.scratch"));
    left(&format!(".b.{dead}-0.scratch"));
    left(&format!(".a.{dead}-x.scratch"));
    left(".a.scratch");
    fs::create_dir(folder.path().join(format!(".a.{dead}-1.scratch"))).unwrap();
    fs::write(folder.path().join(format!(".a.{dead}-1.scratch/file")), "").unwrap();
    let other = Scratch::file(&folder.path().join("a")).unwrap();
    write_file(&folder.path().join("a"), |file| file.write_all(b"whole")).unwrap();
    let other_name = other.path().file_name().unwrap().to_str().unwrap();
    let mut expected = vec![
        format!(".a.{dead}-x.scratch"),
        ".a.scratch".into(),
        format!(".b.{dead}-0.scratch"),
        other_name.into(),
        "a".into(),
    ];
    expected.sort();
    assert_eq!(names(folder.path()), expected);
    remove_stale(folder.path()).unwrap();
    expected.retain(|name| !name.starts_with(".b"));
    assert_eq!(names(folder.path()), expected);
    drop(other);
    expected.retain(|name| !name.contains(&format!(".{own}-")));
    assert_eq!(names(folder.path()), expected);
}

#[cfg(unix)]
#[test]
fn what_another_process_still_writes_stays() {
    let folder = tempfile::tempdir().unwrap();
    // In a container whose numbers mean nothing here: the lock alone shows that it lives.
    let path = folder.path().join(format!(".a.{}-0.scratch", dead()));
    fs::create_dir(&path).unwrap();
    let held = lock(&path).unwrap();
    drop(Scratch::folder(&folder.path().join("a")).unwrap());
    assert!(path.exists());
    drop(held);
    drop(Scratch::folder(&folder.path().join("a")).unwrap());
    assert!(!path.exists());
}

#[test]
fn names_as_long_as_the_system_allows_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["x".repeat(255), "é".repeat(127)] {
        let place = folder.path().join(name);
        let (one, two) = (
            Scratch::file(&place).unwrap(),
            Scratch::file(&place).unwrap(),
        );
        assert_ne!(one.path(), two.path());
        one.rename_to(&place).unwrap();
    }
    assert_eq!(names(folder.path()).len(), 2);
}
