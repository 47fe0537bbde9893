//! The attach socket's place in the file system, and the router's bell.
//!
//! Owns: the rules of the place: a directory of ours with mode 0700, a socket with mode 0600, and
//! only a dead socket is ever replaced. Must not know: what is said over it. Threads: any.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use super::{AttachBell, AttachServiceError};

const DIRECTORY_MODE: u32 = 0o700;
const SOCKET_MODE: u32 = 0o600;

/// An eventfd that neither side waits on.
pub(super) fn wake_fd() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

/// The router's bell.
pub(super) fn bell() -> io::Result<AttachBell> {
    Ok(AttachBell(Arc::new(wake_fd()?)))
}

/// Takes the bell's count, so that it can be waited for again.
pub(super) fn hush(bell: &AttachBell) {
    let mut count = [0; 8];
    let _ = rustix::io::read(&*bell.0, &mut count);
}

/// Binds the socket in a directory that only our user can enter.
pub(super) fn listen(socket_path: &Path) -> Result<UnixListener, AttachServiceError> {
    let system = |call| {
        move |source| AttachServiceError::System {
            call,
            path: socket_path.to_path_buf(),
            source,
        }
    };
    check_directory(socket_path.parent().unwrap_or(Path::new(".")))?;
    clear_the_way(socket_path)?;
    let listener = UnixListener::bind(socket_path).map_err(system("bind"))?;
    // Nobody else can have come in before this: the directory is ours alone.
    fs::set_permissions(socket_path, Permissions::from_mode(SOCKET_MODE))
        .map_err(system("chmod"))?;
    listener
        .set_nonblocking(true)
        .map_err(system("set nonblocking"))?;
    Ok(listener)
}

fn check_directory(directory: &Path) -> Result<(), AttachServiceError> {
    let system = |call, source| AttachServiceError::System {
        call,
        path: directory.to_path_buf(),
        source,
    };
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(system("mkdir", error)),
    }
    // Not followed: a symbolic link could lead where others can write.
    let found = fs::symlink_metadata(directory).map_err(|error| system("stat", error))?;
    match directory_defect(&found) {
        None => Ok(()),
        Some(defect) => Err(AttachServiceError::Directory {
            path: directory.to_path_buf(),
            defect,
        }),
    }
}

fn directory_defect(found: &Metadata) -> Option<String> {
    let our_uid = rustix::process::geteuid().as_raw();
    let mode = found.mode() & 0o777;
    if !found.is_dir() {
        return Some("it is no directory".into());
    }
    if found.uid() != our_uid {
        return Some(format!(
            "it belongs to uid {}, we are {our_uid}",
            found.uid()
        ));
    }
    (mode & 0o077 != 0).then(|| format!("its mode is {mode:04o}"))
}

/// Removes the socket of a service that is gone; leaves everything else in place.
fn clear_the_way(socket_path: &Path) -> Result<(), AttachServiceError> {
    let in_the_way = |defect| AttachServiceError::InTheWay {
        path: socket_path.to_path_buf(),
        defect,
    };
    let found = match fs::symlink_metadata(socket_path) {
        Ok(found) => found,
        Err(_) => return Ok(()), // nothing there; anything else comes out at bind
    };
    if !found.file_type().is_socket() {
        return Err(in_the_way("something that is no socket is in the way"));
    }
    if UnixStream::connect(socket_path).is_ok() {
        return Err(in_the_way("another engine listens here"));
    }
    fs::remove_file(socket_path).map_err(|source| AttachServiceError::System {
        call: "unlink",
        path: socket_path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    // covers: S19
    #[test]
    fn socket_is_0600_in_a_0700_directory_that_is_made_if_missing() {
        let temporary = directory();
        let path = temporary.path().join("data/attach.sock");
        let _listener = listen(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path), 0o600);
    }

    // covers: S19
    #[test]
    fn directory_that_others_can_enter_or_that_is_a_link_is_refused_by_name() {
        let temporary = directory();
        let open = temporary.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink(temporary.path(), &link).unwrap();
        for (directory, what) in [(open, "mode is 0755"), (link, "no directory")] {
            let error = listen(&directory.join("attach.sock")).unwrap_err();
            assert!(matches!(error, AttachServiceError::Directory { .. }));
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn only_a_dead_socket_is_replaced() {
        let temporary = directory();
        let path = temporary.path().join("data/attach.sock");
        drop(listen(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let in_the_way = |error| matches!(error, AttachServiceError::InTheWay { .. });
        assert!(in_the_way(listen(&path).unwrap_err()));
        fs::remove_file(&path).unwrap();
        let first = listen(&path).unwrap();
        assert!(in_the_way(listen(&path).unwrap_err()));
        drop(first); // the file stays, as after a kill
        assert!(listen(&path).is_ok());
    }
}
