//! Keys come only from a private file, and nothing that is printed holds one.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use millrun::config::Settings;
use millrun::secrets::{Credentials, CredentialsError, FILE_BYTES_MAX, Secret};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const GOOD: &str =
    "api_key = \"canary-key\"\nAPI_SECRET=canary-secret\npassphrase = 'canary-#=\"'\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, text: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join("okx.credentials");
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn refusal(&self, text: &str) -> String {
        let path = self.write(text.as_bytes(), 0o600);
        let error = Credentials::load(&path).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("canary"), "{shown}");
        error.to_string().replace(path.to_str().unwrap(), "FILE")
    }
}

// covers: S01
#[test]
fn a_private_file_of_either_form_gives_the_key() {
    let folder = Folder::new();
    for mode in [0o600, 0o400] {
        let credentials = Credentials::load(&folder.write(GOOD.as_bytes(), mode)).unwrap();
        assert_eq!(credentials.api_key.expose(), "canary-key");
        assert_eq!(credentials.api_secret.expose(), "canary-secret");
        assert_eq!(credentials.passphrase.expose(), "canary-#=\"");
    }
    let commented = "# mine\n\napi_key=\"a\\u0062\" # note\napi_secret=b==\npassphrase= c d \n";
    let credentials = Credentials::load(&folder.write(commented.as_bytes(), 0o600)).unwrap();
    assert_eq!(credentials.api_key.expose(), "ab");
    assert_eq!(credentials.api_secret.expose(), "b==");
    assert_eq!(credentials.passphrase.expose(), "c d");
}

// covers: S01
#[test]
fn a_file_that_others_can_reach_is_refused_with_mode_and_command() {
    let folder = Folder::new();
    for mode in [
        0o640, 0o604, 0o660, 0o602, 0o644, 0o666, 0o700, 0o4600, 0o610,
    ] {
        let path = folder.write(GOOD.as_bytes(), mode);
        let shown = path.display();
        assert_eq!(
            Credentials::load(&path).unwrap_err().to_string(),
            format!(
                "credentials file {shown}: has mode {mode:04o}, so others can reach it. Wanted: \
                 mode 0600. Run: chmod 600 {shown} and change the key at the venue if others may \
                 have read it"
            )
        );
    }
}

// covers: S01
#[test]
fn a_file_of_another_user_is_refused_with_both_users() {
    let folder = Folder::new();
    let path = folder.write(GOOD.as_bytes(), 0o600);
    let own = rustix::process::geteuid().as_raw();
    // Only root can give a file away; everyone else has files of root to point at.
    let (path, owner) = match own {
        0 => {
            std::os::unix::fs::chown(&path, Some(4242), None).unwrap();
            (path, 4242)
        }
        _ => (PathBuf::from("/etc/passwd"), 0),
    };
    let shown = path.display();
    assert_eq!(
        Credentials::load(&path).unwrap_err().to_string(),
        format!(
            "credentials file {shown}: belongs to uid {owner} and millrun runs as uid {own}. \
             Wanted: the same user. Run: chown {own} {shown} && chmod 600 {shown}"
        )
    );
}

// covers: S01
#[test]
fn a_file_that_is_missing_or_no_file_is_refused_without_waiting_for_it() {
    let folder = Folder::new();
    let path = folder.0.path().join("absent");
    let shown = path.display();
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(
        Credentials::load(&path).unwrap_err().to_string(),
        format!(
            "credentials file {shown}: cannot be read: No such file or directory (os error 2). \
             Wanted: a file of mode 0600 that belongs to uid {own} with the lines api_key, \
             api_secret and passphrase. Create it with: install -m 0600 /dev/null {shown}"
        )
    );
    let pipe = folder.0.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [folder.0.path(), &pipe, Path::new("/dev/null")] {
        let error = Credentials::load(path).unwrap_err();
        assert!(
            matches!(error, CredentialsError::NotAFile { .. }),
            "{error}"
        );
    }
}

// covers: S01
#[test]
fn what_is_wrong_inside_is_named_by_line_and_never_shown() {
    let folder = Folder::new();
    let all = "the lines api_key, api_secret and passphrase, as the venue gave them when the key \
               was made";
    assert_eq!(
        folder.refusal("api_key = \"canary\"\npassphrase = \"\"\n"),
        format!("credentials file FILE: api_secret, passphrase missing or empty. Wanted: {all}")
    );
    assert_eq!(
        folder.refusal(&format!("{GOOD}api_key=canary2\n")),
        "credentials file FILE: api_key is there twice. Wanted: once; remove one of the two"
    );
    assert_eq!(
        folder.refusal("api_key=canary\ncanary\n"),
        "credentials file FILE: line 2 cannot be read (it is not shown here). Wanted: KEY=VALUE or \
         key = \"value\", in UTF-8, one a line"
    );
    assert!(
        folder
            .refusal("api_key = \"canary\n")
            .contains("line 1 cannot be read")
    );
    assert!(
        folder
            .refusal("api_key = \"canary\" canary\n")
            .contains("line 1 cannot be read")
    );
    assert!(
        folder
            .refusal("canary=1\n")
            .contains("line 1 has a key that is not known")
    );
    assert!(
        folder
            .refusal(&"#\n".repeat(FILE_BYTES_MAX))
            .contains("longer than 16384 bytes")
    );
    let path = folder.write(b"\napi_key=\xff\n", 0o600);
    let error = Credentials::load(&path).unwrap_err();
    assert!(
        matches!(error, CredentialsError::BadLine { line: 2, .. }),
        "{error}"
    );
}

// covers: G04
#[test]
fn a_key_of_another_environment_is_refused() {
    let folder = Folder::new();
    let config = include_str!("../../millrun.example.toml");
    let mut settings = Settings::parse(config, Path::new("m.toml"), &[]).unwrap();
    let venue = &mut settings.venues[0];
    for (said, is_good) in [
        ("", true),
        ("environment = \"simulator\"", true),
        ("ENVIRONMENT=simulator", true),
        ("environment = \"production\"", false),
        ("environment = \"demo\"", false),
        ("environment = \"canary\"", false),
    ] {
        venue.credentials_file = folder.write(format!("{GOOD}{said}\n").as_bytes(), 0o600);
        match Credentials::of(venue) {
            Ok(_) => assert!(is_good, "{said}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!is_good && text.starts_with("ENV_MISMATCH: "), "{text}");
                assert!(text.contains("[venue.okx] says simulator"), "{text}");
                assert!(!text.contains("canary"), "{text}");
            }
        }
    }
}

#[test]
fn nothing_that_prints_credentials_shows_a_secret() {
    let folder = Folder::new();
    let credentials = Credentials::load(&folder.write(GOOD.as_bytes(), 0o600)).unwrap();
    let shown = format!("{credentials:?} {credentials:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(
        format!("{:?}", Secret::new("canary".to_owned())),
        "Secret(****)"
    );
}
