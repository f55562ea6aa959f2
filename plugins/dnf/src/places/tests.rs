use super::*;
use crate::releases::find;

const FEDORA: &str = "B0F4950458F69E1150C6C5EDC8AC4916105EF944";

/// What these words and this file come to, of repositories of Fedora 42.
fn drafts_of(repo: &[&str], file: &str) -> Result<Vec<Draft>> {
    let options = PlacesOptions {
        repo: repo.iter().map(|&word| word.to_owned()).collect(),
        repo_files: vec![("site.repo".to_owned(), file.to_owned())],
        ..PlacesOptions::default()
    };
    let release = find(Some("42"), None).unwrap();
    let arch = releases::arch("amd64").unwrap();
    drafts(&options, Some(&release), arch, &release.variables(arch), &mut Vec::new())
}

fn draft(repo: &[&str], file: &str, id: &str) -> Draft {
    let mut drafts = drafts_of(repo, file).unwrap();
    drafts.swap_remove(drafts.iter().position(|draft| draft.repository.id == id).unwrap())
}

#[test]
fn a_file_says_whether_a_repository_of_the_release_is_used() {
    let is_on = |repo: &[&str], file: &str| draft(repo, file, "updates-testing").repository.enabled;
    assert!(!is_on(&[], ""));
    assert!(!is_on(&[], "[updates-testing]\nbaseurl=https://x/\nenabled=0\n"));
    assert!(is_on(&[], "[updates-testing]\nbaseurl=https://x/\nenabled=1\n"));
    assert!(is_on(&["updates-testing=https://x/"], ""));
}

#[test]
fn a_mirror_of_a_release_has_the_keys_of_the_release() {
    let mirror = draft(&["fedora=https://x/?token=secret"], "", "fedora");
    assert_eq!((mirror.is_named, &mirror.fingerprints[..]), (false, &[FEDORA.to_owned()][..]));
    let own = draft(&[], "[fedora]\nbaseurl=https://x/\ngpgkey=https://x/key\n", "fedora");
    assert_eq!((own.is_named, own.fingerprints.len()), (true, 0));
}

#[test]
fn records_have_no_secret_of_a_url() {
    let site = draft(&["site=https://u:p@x/os/?token=secret"], "", "site");
    assert_eq!(site.canonical.as_deref(), Some("https://x/os"));
    assert_eq!(site.repository.baseurl, ["https://u:p@x/os/?token=secret"]);
}

#[test]
fn no_repository_is_called_as_package_files_are() {
    for (repo, file) in [(&["files=https://x/"][..], ""), (&[], "[files]\nbaseurl=https://x/\n")] {
        let error = drafts_of(repo, file).err().unwrap();
        assert_eq!(
            (error.kind, &*error.message),
            (ErrorKind::Usage, "no repository can be called \"files\"")
        );
    }
}

#[test]
fn of_keys_that_are_given_only_copies_of_pinned_ones_count() {
    let other = "AD485664E901B867051AB15F35A2F86E29B700A4";
    let given: Keys = [other, FEDORA]
        .map(|fingerprint| (format!("{fingerprint}.asc"), releases::key(fingerprint).unwrap().to_vec()))
        .into();
    let both: Keys = vec![("both.gpg".to_owned(), [given[0].1.clone(), given[1].1.clone()].concat())];
    let mut notes = Vec::new();
    let fingerprints = [FEDORA.to_owned()];
    for (given, name) in [(&given, &*given[1].0), (&both, "both.gpg")] {
        let keys = keys::pinned(&fingerprints, &copies(given, &mut notes));
        assert_eq!(keys.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), [name, FEDORA]);
        assert!(keys.iter().all(|(_, packets)| packets == releases::key(FEDORA).unwrap()));
    }
    assert_eq!(keys::pinned(&fingerprints, &copies(&given[..1].to_vec(), &mut notes)).len(), 1);
    assert_eq!(notes, Vec::<String>::new());
    assert!(copies(&vec![("x.txt".to_owned(), b"no key".to_vec())], &mut notes).is_empty());
    assert_eq!(notes, ["no renewed key is looked for in x.txt: it is no public key"]);
}

#[test]
fn what_can_be_done_is_said_where_keys_are_pinned() {
    let error = |kind| Error::new(kind, "x").hint("Name a key.");
    let hint = |kind, fingerprints: &[String]| hinted(error(kind), fingerprints).hints.remove(0);
    let pinned = [FEDORA.to_owned()];
    assert!(hint(ErrorKind::Expired, &pinned).contains("renewed"));
    assert!(hint(ErrorKind::Verification, &pinned).contains("--repo NAME=URL --key FILE"));
    assert_eq!(hint(ErrorKind::Verification, &[]), "Name a key.");
    assert!(hinted(Error::new(ErrorKind::Verification, "x"), &pinned).hints.is_empty());
}
