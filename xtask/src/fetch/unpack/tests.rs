use super::*;
use gensen_data::error::chain;
use std::io::Cursor;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(archive: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("archive"), archive).unwrap();
        Self { folder }
    }

    fn unpack_limited(&self, keep: &[&str], limit: Option<u64>) -> Result<()> {
        let keep: Vec<Keep> = keep
            .iter()
            .map(|&name| Keep::AsNamed(name.into()))
            .collect();
        let archive = Archive {
            path: &self.folder.path().join("archive"),
            url: "http://host/archive",
            limit,
        };
        archive.unpack(&keep, &self.folder.path().join("out"))
    }

    fn unpack(&self, keep: &[&str]) -> Result<()> {
        self.unpack_limited(keep, None)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("out").join(name)).unwrap()
    }
}

/// A tar file with unchecked names, which the library's builder refuses.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(name: &str, kind: tar::EntryType, link: &str, size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        let header = Self::header(name, tar::EntryType::Regular, "", bytes.len() as u64);
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn link(mut self, name: &str, kind: tar::EntryType, to: &str) -> Self {
        self.0
            .append(&Self::header(name, kind, to, 0), &[][..])
            .unwrap();
        self
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn said(result: Result<()>) -> String {
    let said = chain(&result.unwrap_err());
    assert!(said.contains("http://host/archive"), "{said}");
    said
}

#[test]
fn tar_and_tar_gz_are_told_apart() {
    let tar = Tar::new()
        .file("./training/a.de", b"eins\n")
        .file("training/a.en", b"one\n")
        .done();
    for bytes in [tar.clone(), gzip(&tar)] {
        let place = Place::new(&bytes);
        place.unpack(&["a.en", "training/a.de"]).unwrap();
        assert_eq!(place.read("a.de") + &place.read("a.en"), "eins\none\n");
    }
}

#[test]
fn a_folder_is_taken_whole_and_a_file_renamed() {
    let place = Place::new(
        &Tar::new()
            .file("top/STS/x/1", b"1")
            .file("top/STS/2", b"2")
            .file("top/3", b"3")
            .done(),
    );
    place.unpack(&["STS/"]).unwrap();
    assert_eq!(place.read("STS/x/1") + &place.read("STS/2"), "12");
    let keep = [Keep::Renamed {
        from: "top/3".into(),
        to: "deep/three".into(),
    }];
    let path = place.folder.path().join("archive");
    Archive {
        path: &path,
        url: "",
        limit: None,
    }
    .unpack(&keep, &place.folder.path().join("out"))
    .unwrap();
    assert_eq!(place.read("deep/three"), "3");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in ["../a", "x/../../a", "/etc/a", "x\\..\\..\\a", "./../a"] {
        let place = Place::new(&Tar::new().file("a.txt", b"1").file(name, b"2").done());
        assert!(
            said(place.unpack(&["a.txt"])).contains("outside the folder"),
            "{name}"
        );
    }
}

#[test]
fn links_that_leave_the_folder_are_refused() {
    use tar::EntryType::{Link, Symlink};
    for (name, kind, to) in [
        ("x/l", Symlink, "/etc"),
        ("l", Symlink, ".."),
        ("x/l", Symlink, "../../y"),
        ("x/l", Symlink, "y/../../../z"),
        ("x/l", Link, "../y"),
        ("l", Link, "/etc/passwd"),
    ] {
        let place = Place::new(&Tar::new().link(name, kind, to).file("a.txt", b"1").done());
        assert!(
            said(place.unpack(&["a.txt"])).contains("is a link out of the folder"),
            "{name} -> {to}"
        );
    }
    // A link inside the folder is ignored, unless it is the requested entry.
    let place = Place::new(
        &Tar::new()
            .link("x/l", Symlink, "../a.txt")
            .file("a.txt", b"1")
            .done(),
    );
    place.unpack(&["a.txt"]).unwrap();
    assert!(said(place.unpack(&["l"])).contains("is a link"));
}

#[test]
fn a_link_in_a_zip_is_refused() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .add_symlink("l", "../../etc", zip::write::SimpleFileOptions::default())
        .unwrap();
    let place = Place::new(&writer.finish().unwrap().into_inner());
    assert!(said(place.unpack(&[])).contains("is a link out of the folder"));
}

#[test]
fn bombs_are_stopped() {
    let zeros = vec![0; 2 << 20];
    let place = Place::new(&gzip(&Tar::new().file("a.txt", &zeros).done()));
    assert!(said(place.unpack_limited(&["a.txt"], Some(1 << 20))).contains("bomb"));

    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("a.txt", zip::write::SimpleFileOptions::default())
        .unwrap();
    writer.write_all(&zeros).unwrap();
    let place = Place::new(&writer.finish().unwrap().into_inner());
    assert!(said(place.unpack_limited(&["a.txt"], Some(1 << 20))).contains("bomb"));
    place.unpack_limited(&["a.txt"], Some(2 << 20)).unwrap();

    // Without a stated limit, and in an entry that was not requested.
    let zeros = vec![0; 200 << 20];
    let place = Place::new(&gzip(
        &Tar::new().file("bomb", &zeros).file("a.txt", b"1").done(),
    ));
    assert!(said(place.unpack(&["a.txt"])).contains("bomb"));
    let place = Place::new(&gzip(&zeros));
    let path = place.folder.path().join("archive");
    let archive = Archive {
        path: &path,
        url: "http://host/archive",
        limit: None,
    };
    assert!(said(archive.gunzip(&place.folder.path().join("out"))).contains("bomb"));
}

#[test]
fn damage_is_named() {
    let whole = gzip(&Tar::new().file("a.txt", &[7; 10_000]).done());
    let half = Place::new(&whole[..whole.len() / 2]);
    said(half.unpack(&["a.txt"]));
    said(Place::new(b"PK\x03\x04 nothing").unpack(&["a.txt"]));
    said(Place::new(b"just text that is no archive at all").unpack(&["a.txt"]));
    assert!(said(Place::new(b"").unpack(&["a.txt"])).contains("it holds no 'a.txt'"));
}

#[test]
fn zeros_after_gzip_are_passed_over_and_other_bytes_refused() {
    let tar = gzip(&Tar::new().file("a.txt", b"text").done());
    let single = gzip(b"text");
    for (rest, is_whole) in [(&[0; 512][..], true), (b"garbage\n", false)] {
        let place = Place::new(&[&tar, rest].concat());
        let unpacked = place.unpack(&["a.txt"]);
        assert_eq!(unpacked.is_ok(), is_whole, "{unpacked:?}");
        let place = Place::new(&[&single, rest].concat());
        let path = place.folder.path().join("archive");
        let archive = Archive {
            path: &path,
            url: "http://host/archive",
            limit: None,
        };
        let unpacked = archive.gunzip(&place.folder.path().join("out"));
        assert_eq!(unpacked.is_ok(), is_whole);
        if !is_whole {
            assert!(said(unpacked).contains("gzip data are followed"));
        }
    }
    // The tar is complete, but the gzip stream is truncated.
    let place = Place::new(&tar[..tar.len() - 4]);
    assert!(said(place.unpack(&["a.txt"])).contains("truncated"));
}

#[test]
fn what_systems_leave_in_folders_is_not_taken_with_them() {
    let place = Place::new(
        &Tar::new()
            .file("top/STS/a.txt", b"1")
            .file("top/STS/._a.txt", b"2")
            .file("top/STS/.git/config", b"3")
            .done(),
    );
    place.unpack(&["STS/"]).unwrap();
    let out = place.folder.path().join("out/STS");
    assert_eq!(std::fs::read_dir(out).unwrap().count(), 1);
}

#[test]
fn an_entry_that_is_there_twice_is_refused() {
    let place = Place::new(
        &Tar::new()
            .file("x/a.txt", b"1")
            .file("y/a.txt", b"2")
            .done(),
    );
    assert!(said(place.unpack(&["a.txt"])).contains("several of its entries"));
}
